# SPDX-License-Identifier: Apache-2.0
"""The report's pure parts: numbers, scales, colours, JSON in a script; no result and no machine breaks a page."""

from __future__ import annotations

import json
import math
import re
import tempfile
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from rackbench.report import machine, scales, source, text
from rackbench.report.page import _json_in_script, render
from rackbench.report.parts import slug, tag
from rackbench.report.series import median

from tests.integration import recorded

pytestmark = pytest.mark.slow

FINITE = st.floats(allow_nan=False, allow_infinity=False)
NAMES = st.text(max_size=12)
LABELS = st.dictionaries(
    st.sampled_from(["bytes", "pages", "cpu_a", "cpu_b", "agents", "agent", "benchmark", "section", "x<y"]),
    st.one_of(NAMES, st.sampled_from([-3, 0, 1, 2, 4096, 2**40, 10**400])),
    max_size=4,
)
METRIC = st.fixed_dictionaries(
    {
        "name": st.sampled_from(
            ["core_to_core_latency", "memory_latency", "turns_per_s", "query_time", "other"]
        ),
        "unit": st.sampled_from(["ns", "bytes", "turns/s", "<b>"]),
        "direction": st.sampled_from(["lower", "higher", "none"]),
        "samples": st.lists(
            st.one_of(FINITE, st.sampled_from([0, -3, 2**70, 10**400])), min_size=1, max_size=4
        ),
        "labels": LABELS,
    }
)
JSON = st.recursive(
    st.one_of(st.none(), st.booleans(), st.sampled_from([0, 32768, 10**400]), FINITE, NAMES),
    lambda inner: st.one_of(st.lists(inner, max_size=3), st.dictionaries(NAMES, inner, max_size=3)),
    max_leaves=6,
)
FACTS = st.dictionaries(
    st.sampled_from(
        [
            "caches",
            "core_to_core",
            "result_url",
            "label",
            "cpu",
            "memory",
            "software",
            "virtual",
            "version",
            "scale",
        ]
    ),
    JSON,
    max_size=5,
)


def page_of(results: dict[str, Any], **options: Any) -> str:
    """Return the page of a run with these results."""
    with tempfile.TemporaryDirectory() as folder:
        return render(source.read(recorded.run(Path(folder), results, **options))).decode()


@pytest.mark.full
@settings(max_examples=150)
@given(st.lists(st.lists(METRIC, max_size=6), min_size=1, max_size=3), FACTS)
def test_whatever_a_valid_result_holds_there_is_a_page_of_it_whose_ids_are_unique(
    repeats: list[list[dict[str, Any]]], facts: dict[str, Any]
) -> None:
    results = {
        f"wheel.only.{number}": recorded.result("wheel", metrics, facts=facts)
        for number, metrics in enumerate(repeats, 1)
    }
    page = page_of(results)
    ids = re.findall(r'\bid="([^"]*)"', page)
    assert len(ids) == len(set(ids))
    assert not re.search(r'="-?(nan|inf)', page)


def test_the_same_run_directory_gives_the_same_bytes(tmp_path: Path) -> None:
    run_dir = recorded.run(tmp_path, {"latency.full.1": recorded.latency_result(recorded.machine())})
    assert render(source.read(run_dir)) == render(source.read(run_dir))


def test_a_sample_that_is_too_large_for_a_float_is_a_problem_of_its_result_and_of_nothing_else() -> None:
    results = {
        f"wheel.only.{number}": recorded.result(
            "wheel", [recorded.metric("rate", [value, 2], "turns/s", "higher")]
        )
        for number, value in ((1, 10**400), (2, 5))
    }
    page = page_of(
        results, headlines={"wheel.only.2": [{"label": "rate", "value": 10**400, "unit": "turns/s"}]}
    )
    assert "a sample is too large for a number" in page
    assert ">Rate</h3>" in page


def test_a_result_that_is_gone_or_torn_is_told_and_the_others_are_shown(tmp_path: Path) -> None:
    good = recorded.result("wheel", [recorded.metric("rate", [1.0, 2.0], "turns/s", "higher")])
    run_dir = recorded.run(tmp_path, {"wheel.only.1": good, "wheel.only.2": good, "wheel.only.3": good})
    (run_dir / "benchmarks/wheel/wheel.only.1/result.json").unlink()
    (run_dir / "benchmarks/wheel/wheel.only.2/result.json").write_text('{"schema": "rackbench.res')
    page = render(source.read(run_dir)).decode()
    assert "the benchmark left no result.json" in page
    assert "Unterminated string" in page
    assert ">Rate</h3>" in page


def _topology_with(**changes: Any) -> str:
    """Return a recorded topology in which the first CPU is another one."""
    document = recorded.machine().as_dict()
    document["cpus"][0].update(changes)
    return json.dumps(document)


@pytest.mark.parametrize(
    "content",
    [
        "",
        "[]",
        '{"schema": "rackbench.topology/1.0"}',
        '{"cpus": [{"id": "x"}]}',
        "\x00",
        _topology_with(socket=None),
        _topology_with(kind=7),
    ],
    ids=["empty", "list", "no fields", "not a CPU", "not JSON", "socket is null", "kind is a number"],
)
def test_a_topology_that_cannot_be_read_leaves_out_the_picture_only(tmp_path: Path, content: str) -> None:
    run_dir = recorded.run(tmp_path, {"latency.full.1": recorded.latency_result(recorded.machine())})
    (run_dir / "preflight/topology.json").write_text(content)
    page = render(source.read(run_dir)).decode()
    assert "The topology of this machine was not recorded." in page
    assert "Core to core latency between CPUs, full" in page


def test_the_caches_are_those_of_the_topology_and_without_it_those_that_the_benchmark_found(
    tmp_path: Path,
) -> None:
    topology = recorded.machine()
    result = recorded.latency_result(topology)
    result["facts"] = {"caches": {"l1_bytes": 48 * 1024, "llc_bytes": 2**23}}
    assert "L1, 48 KiB; last level, 8 MiB" in page_of({"latency.full.1": result})
    page = page_of({"latency.full.1": result}, topology=topology)
    assert "L1, 32 KiB; L2, 1 MiB; L3, 32 MiB" in page
    assert "48 KiB" not in page


def test_a_cache_of_more_bytes_than_a_number_holds_is_no_mark_in_the_curve(tmp_path: Path) -> None:
    result = recorded.latency_result(recorded.machine())
    result["facts"] = {"caches": {"l1_bytes": 10**400, "llc_bytes": 2**23}}
    assert "mark the caches: last level, 8 MiB." in page_of({"latency.full.1": result})
    run_dir = recorded.run(tmp_path, {"latency.full.1": result}, topology=recorded.machine())
    path = run_dir / "preflight/topology.json"
    document = json.loads(path.read_text())
    document["caches"][0]["size_bytes"] = 10**400
    path.write_text(json.dumps(document))
    assert ">Memory latency by size, full</h3>" in render(source.read(run_dir)).decode()


def test_all_pairs_are_in_one_heat_map_whatever_their_cpus_share() -> None:
    topology = recorded.machine(sockets=2, threads=2)
    result = recorded.latency_result(topology)
    shared = {metric["labels"].get("sharing") for metric in result["metrics"]}
    assert {"smt_siblings", "same_l3", "same_socket", "across_sockets"} <= shared
    page = page_of({"latency.full.1": result, "latency.full.2": result}, topology=topology)
    assert re.findall(r">(Core to core latency[^<]*)</h3>", page) == [
        "Core to core latency between CPUs, full"
    ]
    (data,) = re.findall(r'<script type="application/json"[^>]*>(.*?)</script>', page)
    assert None not in json.loads(data)["values"]


def test_a_label_that_parts_measurements_of_one_pair_parts_heat_maps() -> None:
    metrics = [
        recorded.metric("core_to_core_latency", [value], cpu_a=0, cpu_b=1, sharing="same_l3", op=op)
        for op, value in (("read", 20.0), ("write", 30.0))
    ]
    page = page_of({"wheel.only.1": recorded.result("wheel", metrics)})
    titles = re.findall(r">Core to core latency between CPUs, only, ([^<]*)</h3>", page)
    assert titles == ["op read", "op write"]


def _legends(page: str) -> list[str]:
    """Return the names of the lines of each chart of the page."""
    legends = re.findall(r'<g class="legend">(.*?)</g>', page)
    return [re.sub(r"<title>.*?</title>", "", each) for each in legends]


@pytest.mark.parametrize(
    ("sockets", "names"),
    [
        (1, ["base pages", "huge pages"]),
        (2, ["base pages, local memory", "base pages, remote memory", "huge pages, local memory",
             "huge pages, remote memory"]),
    ],
)  # fmt: skip
def test_the_curves_are_named_by_pages_and_memory(sockets: int, names: list[str]) -> None:
    page = page_of({"latency.full.1": recorded.latency_result(recorded.machine(sockets=sockets))})
    (legend,) = _legends(page)
    assert re.findall(r"<text[^>]*>([^<]*)</text>", legend) == names


def test_curves_of_several_remote_nodes_are_told_apart_by_their_node() -> None:
    metrics = [
        recorded.metric("memory_latency", [100.0 + node], bytes=size, memory=memory, memory_node=node)
        for size in (4096, 8192)
        for memory, node in (("local", 0), ("remote", 1), ("remote", 2))
    ]
    (legend,) = _legends(page_of({"latency.full.1": recorded.result("latency", metrics)}))
    assert re.findall(r"<text[^>]*>([^<]*)</text>", legend) == [
        "local memory, memory node 0",
        "remote memory, memory node 1",
        "remote memory, memory node 2",
    ]


def _ideals(page: str) -> dict[str, str]:
    """Return the column `of ideal` of the scaling table by label and agents."""
    (table,) = re.findall(r"Agent scaling \(turns/s\)(.*?)</table>", page, re.DOTALL)
    rows = re.findall(r"<tr>(.*?)</tr>", table, re.DOTALL)
    cells = [re.findall(r"<t[hd][^>]*>([^<]*)</t[hd]>", row) for row in rows]
    return {f"{row[0]} {row[1]}": row[2] for row in cells if len(row) == 8 and row[2] != "of ideal"}


def test_agents_are_set_against_a_single_one_of_their_own_profile_or_against_none() -> None:
    page = page_of(
        {
            "agentsth.official-single.1": recorded.agents_result(1, per_agent=40.0, samples=1),
            "agentsth.official-multi.1": recorded.agents_result(4, per_agent=40.0, samples=1),
            "agentsth.smt-multi.1": recorded.agents_result(8, label="smt", per_agent=20.0, samples=1),
            "agentsth.smoke-single.1": recorded.agents_result(
                1, profile="v1-smoke", per_agent=800.0, samples=1
            ),
            "agentsth.smoke-multi.1": recorded.agents_result(
                4, profile="v1-smoke", per_agent=800.0, samples=1
            ),
            "agentsth.long-multi.1": recorded.agents_result(4, profile="v2", per_agent=9.0, samples=1),
        }
    )
    assert _ideals(page) == {
        "official, v1-core 1": "100.0 %",
        "official, v1-core 4": "99.8 %",
        "smt, v1-core 8": "49.8 %",
        "official, v1-smoke 1": "100.0 %",
        "official, v1-smoke 4": "99.8 %",
        "official, v2 4": text.NONE,
    }
    (legend,) = _legends(page)
    assert [
        name for name in re.findall(r"<text[^>]*>([^<]*)</text>", legend) if name.startswith("ideal")
    ] == [
        "ideal of official, v1-core: one agent, times agents",
        "ideal of official, v1-smoke: one agent, times agents",
    ]


def test_a_virtual_machine_is_a_flag_and_no_check_that_failed() -> None:
    checks = [
        {"name": "vm", "ok": False, "detail": "this is a virtual machine (kvm)"},
        {"name": "sum", "ok": False, "detail": "3 is not 4"},
    ]
    page = page_of(
        {"wheel.only.1": recorded.result("wheel", [recorded.metric("rate", [1.0])], checks=checks)}
    )
    assert "wheel.only.1: flag vm: this is a virtual machine (kvm)" in page
    assert "wheel.only.1: check sum failed: 3 is not 4" in page


def test_the_page_has_the_name_of_the_inventory_and_not_that_of_the_machine(tmp_path: Path) -> None:
    run_dir = recorded.run(
        tmp_path, {"wheel.only.1": recorded.result("wheel", [])}, hostname="rack7-node3.corp"
    )
    page = render(source.read(run_dir)).decode()
    assert ">box</h1>" in page
    assert "rack7-node3" not in page


def test_offline_cpus_are_in_no_socket_that_is_counted() -> None:
    figure = machine.figure(recorded.machine(sockets=2, offline=2))
    assert figure.description.startswith("2 sockets, 2 NUMA nodes, ")
    assert figure.drawing.index("Socket 1") < figure.drawing.index("Socket not known")


@given(
    st.integers(1, 3),
    st.integers(1, 3),
    st.integers(1, 4),
    st.integers(1, 2),
    st.integers(0, 3),
    st.booleans(),
)
@settings(max_examples=40)
def test_the_picture_of_a_machine_has_each_cpu_once(
    sockets: int,
    groups: int,
    cores: int,
    threads: int,
    offline: int,
    hybrid: bool,
) -> None:
    topology = recorded.machine(
        sockets=sockets, groups=groups, cores=cores, threads=threads, offline=offline, hybrid=hybrid
    )
    figure = machine.figure(topology)
    drawn = [int(number) for number in re.findall(r"<title>CPU (\d+):", figure.drawing)]
    assert sorted(drawn) == [cpu.id for cpu in topology.cpus]
    assert figure.drawing.count('class="cpu offline"') == 2 * offline + (offline > 0)


@given(st.text())
def test_json_in_a_script_is_the_same_json_and_holds_nothing_that_html_reads(value: str) -> None:
    written = str(_json_in_script({"value": value}))
    assert json.loads(written) == {"value": value}
    assert not set(written) & set("<>&\u2028\u2029")


@given(NAMES, NAMES)
def test_names_that_differ_have_ids_that_differ(one: str, other: str) -> None:
    assert (slug(one) == slug(other)) == (one == other)


@given(st.text(), st.text())
def test_an_element_has_its_attributes_and_content_as_text(attribute: str, content: str) -> None:
    made = str(tag("p", content, title=attribute))
    assert made.count("<") == 2
    assert made.count('"') == 2


@given(st.lists(FINITE, min_size=1, max_size=6), st.booleans())
def test_positions_of_any_numbers_are_inside_the_axis(values: list[float], zero: bool) -> None:
    scale = scales.linear(values, 10.0, 20.0, zero=zero)
    assert all(10 <= scale(value) <= 20 for value in [*values, *scale.ticks])
    assert len(scale.ticks) <= 30


@given(st.lists(st.floats(min_value=1e-300, max_value=1e300), min_size=1, max_size=6))
def test_positions_on_a_logarithmic_axis_are_inside_it(values: list[float]) -> None:
    scale = scales.logarithmic(values, 10.0, 20.0)
    assert all(10 <= scale(value) <= 20 for value in [*values, *scale.ticks])
    assert len(scale.ticks) <= 30


@given(st.lists(FINITE, min_size=1, max_size=9))
def test_a_median_lies_between_the_least_and_the_greatest(values: list[float]) -> None:
    assert min(values) <= median(values) <= max(values)


def test_the_colours_grow_lighter_evenly_and_their_blue_and_yellow_stay_apart_without_red_and_green() -> None:
    colours = [[int(colour[at : at + 2], 16) / 255 for at in (1, 3, 5)] for colour in scales.ramp()]

    def light(colour: list[float]) -> float:
        linear = [part / 12.92 if part <= 0.04045 else ((part + 0.055) / 1.055) ** 2.4 for part in colour]
        return float(
            sum(weight * part for weight, part in zip((0.2126, 0.7152, 0.0722), linear, strict=True))
            ** (1 / 3)
        )

    steps = [
        after - before for before, after in zip(map(light, colours), map(light, colours[1:]), strict=False)
    ]
    assert min(steps) > 0
    assert max(steps) < 2 * min(steps)
    assert colours[0][2] > colours[0][0] > 0
    assert colours[-1][0] > colours[-1][2]


@pytest.mark.parametrize(
    ("value", "written"),
    [(0, "0"), (858.596, "858.6"), (12345.678, "12,346"),
     (0.00012345, "0.0001234"), (1e20, "1e+20"), (-3.5, "-3.5"), (41.3, "41.3"),
     (None, text.NONE), (math.inf, text.NONE), (10**400, text.NONE), (2.0, "2")],
)  # fmt: skip
def test_numbers_have_four_digits(value: float | None, written: str) -> None:
    assert text.number(value) == written


@given(st.floats(-1e300, 1e300))
def test_each_finite_number_is_written_near_to_what_it_is(value: float) -> None:
    assert math.isclose(float(text.number(value).replace(",", "")), value, rel_tol=1e-3, abs_tol=1e-300)
