// SPDX-License-Identifier: Apache-2.0
// Draws the heat maps, and lets keyboard and pointer read them. Everything else on the page works without.
"use strict";
document.documentElement.classList.add("scripted");

const RELATIONS = ["other socket", "same core", "same L3", "same NUMA node", "same socket"];

// What the numbers of a heat map say: `at(row, column)` is a median or null.
function matrixOf(data) {
  const size = data.cpus.length;
  const at = (row, column) => {
    if (row === column) return null;
    const [low, high] = row < column ? [row, column] : [column, row];
    return data.values[(high * (high - 1)) / 2 + low];
  };
  const share = (value) => {
    const of = data.log ? Math.log : (number) => number;
    return data.high > data.low ? (of(value) - of(data.low)) / (of(data.high) - of(data.low)) : 0.5;
  };
  const relation = (row, column) => {
    if (!data.relations) return "";
    const [a, b] = [data.relations[row], data.relations[column]];
    if (a[0] === null || b[0] === null) return "";
    if (a[0] !== b[0]) return RELATIONS[0];
    if (a[3] === b[3] && a[3] >= 0) return RELATIONS[1];
    if (a[2] !== null && a[2] === b[2]) return RELATIONS[2];
    return a[1] === b[1] ? RELATIONS[3] : RELATIONS[4];
  };
  const words = (row, column) => {
    const value = at(row, column);
    const pair = `CPU ${data.cpus[row]} and CPU ${data.cpus[column]}`;
    if (row === column) return `CPU ${data.cpus[row]} with itself: not measured`;
    const near = relation(row, column);
    const told = value === null ? "not measured" : `${value.toLocaleString("en", { maximumSignificantDigits: 4 })} ${data.unit}`;
    return `${pair}: ${told}${near ? `, ${near}` : ""}`;
  };
  return { size, at, share, words };
}

function paint(canvas, data, matrix) {
  canvas.width = matrix.size;
  canvas.height = matrix.size;
  const colours = data.ramp.map((colour) => [1, 3, 5].map((start) => parseInt(colour.slice(start, start + 2), 16)));
  const context = canvas.getContext("2d");
  const image = context.createImageData(matrix.size, matrix.size);
  for (let row = 0; row < matrix.size; row += 1) {
    for (let column = 0; column < matrix.size; column += 1) {
      const value = matrix.at(row, column);
      if (value === null) continue;
      const colour = colours[Math.round(matrix.share(value) * (colours.length - 1))];
      image.data.set([...colour, 255], 4 * (row * matrix.size + column));
    }
  }
  context.putImageData(image, 0, 0);
}

// The table of one CPU against all others, for machines whose whole matrix would be no table.
function showOne(place, data, matrix, row) {
  const table = document.createElement("table");
  table.createCaption().textContent = `CPU ${data.cpus[row]} and each other CPU (${data.unit})`;
  const head = table.createTHead().insertRow();
  for (const name of ["CPU", data.unit]) {
    const cell = document.createElement("th");
    cell.scope = "col";
    cell.textContent = name;
    head.append(cell);
  }
  const body = table.createTBody();
  data.cpus.forEach((cpu, column) => {
    if (column === row) return;
    const line = body.insertRow();
    const name = document.createElement("th");
    name.scope = "row";
    name.textContent = `CPU ${cpu}`;
    const value = matrix.at(row, column);
    line.append(name);
    const cell = line.insertCell();
    cell.className = "number";
    cell.textContent = value === null ? "not measured" : value.toLocaleString("en", { maximumSignificantDigits: 4 });
  });
  place.replaceChildren(table);
}

function heatMap(frame) {
  const data = JSON.parse(document.getElementById(frame.dataset.values).textContent);
  const matrix = matrixOf(data);
  const figure = frame.closest("figure");
  const [canvas, cursor, reading] = [frame.querySelector("canvas"), frame.querySelector(".cursor"), figure.querySelector(".reading")];
  const [select, one] = [figure.querySelector("select"), figure.querySelector(".one-cpu > div")];
  const chosen = { row: Math.min(1, matrix.size - 1), column: 0 };
  const side = Number(cursor.getAttribute("width"));
  const [left, top] = [Number(cursor.getAttribute("x")), Number(cursor.getAttribute("y"))];

  const choose = (row, column) => {
    chosen.row = Math.max(0, Math.min(matrix.size - 1, row));
    chosen.column = Math.max(0, Math.min(matrix.size - 1, column));
    cursor.setAttribute("x", left + chosen.column * side);
    cursor.setAttribute("y", top + chosen.row * side);
    cursor.setAttribute("visibility", "visible");
    reading.textContent = matrix.words(chosen.row, chosen.column);
  };
  const keys = {
    ArrowUp: () => [chosen.row - 1, chosen.column],
    ArrowDown: () => [chosen.row + 1, chosen.column],
    ArrowLeft: () => [chosen.row, chosen.column - 1],
    ArrowRight: () => [chosen.row, chosen.column + 1],
    Home: () => [chosen.row, 0],
    End: () => [chosen.row, matrix.size - 1],
    PageUp: () => [0, chosen.column],
    PageDown: () => [matrix.size - 1, chosen.column],
  };
  frame.addEventListener("keydown", (event) => {
    if (!(event.key in keys) || event.ctrlKey || event.altKey || event.metaKey) return;
    event.preventDefault();
    choose(...keys[event.key]());
  });
  frame.addEventListener("focus", () => choose(chosen.row, chosen.column));
  const point = (event) => {
    const box = canvas.getBoundingClientRect();
    choose(
      Math.floor(((event.clientY - box.top) / box.height) * matrix.size),
      Math.floor(((event.clientX - box.left) / box.width) * matrix.size),
    );
  };
  canvas.addEventListener("pointermove", point);
  canvas.addEventListener("pointerdown", point);
  figure.querySelector("details").addEventListener("toggle", () => {
    if (select.options.length) return;
    data.cpus.forEach((cpu, index) => select.add(new Option(cpu, index)));
    showOne(one, data, matrix, 0);
  });
  select.addEventListener("change", () => showOne(one, data, matrix, Number(select.value)));
  paint(canvas, data, matrix);
}

document.querySelectorAll(".matrix").forEach(heatMap);

// What scrolls sideways can be reached by keyboard; what does not is no stop on the way.
function markScrolling() {
  for (const place of document.querySelectorAll(".scroll")) {
    if (place.scrollWidth > place.clientWidth || place.scrollHeight > place.clientHeight) place.tabIndex = 0;
    else place.removeAttribute("tabindex");
  }
}
addEventListener("resize", markScrolling);
document.addEventListener("toggle", markScrolling, true);
markScrolling();
