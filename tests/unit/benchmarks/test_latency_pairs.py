# SPDX-License-Identifier: Apache-2.0
"""Tests of the benchmark latency on large machines: which pairs it plans, and what it says of their distribution.

The machines are trees of the files in /sys that the program reads, and no more of them.
"""

from __future__ import annotations

import json
import os
import random
import shutil
import subprocess
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from tests.pages import blocks
from tests.unit.benchmarks.latency_program import (
    BENCH,
    CPUS,
    FLAGS,
    PATIENCE_S,
    build,
    build_changed,
    checks_of,
    job,
    metrics_of,
    reasons_of,
    result_of,
    rows_of,
    run,
)

pytestmark = [
    pytest.mark.slow,
    pytest.mark.skipif(shutil.which("cc") is None, reason="there is no cc: install gcc"),
]
needs_two_cpus = pytest.mark.skipif(len(CPUS) < 2, reason="a pair needs two CPUs")
FULL_LIMIT_S = 14400


@pytest.fixture(scope="module")
def program(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return build(BENCH, tmp_path_factory.mktemp("built"))


def machine(
    root: Path, *, sockets: int, cores: int, threads: int = 1, l3_cores: int = 0, nodes: int = 1
) -> Path:
    """A tree of `sockets` times `cores`; CPU n + i * all is thread i of core n, as Linux numbers them."""
    everything = sockets * cores
    for number in range(everything * threads):
        core = number % everything
        files = {
            "topology/thread_siblings_list": ",".join(str(core + everything * i) for i in range(threads)),
            "topology/physical_package_id": str(core // cores),
            "cache/index0/level": "1",
            "cache/index0/type": "Data",
            "cache/index0/size": "32K",
        }
        if l3_cores:
            first = core // l3_cores * l3_cores
            groups = [first + everything * i for i in range(threads)]
            files |= {
                "cache/index1/level": "3",
                "cache/index1/type": "Unified",
                "cache/index1/size": "32768K",
                "cache/index1/shared_cpu_list": ",".join(f"{g}-{g + l3_cores - 1}" for g in groups),
            }
        for name, text in files.items():
            path = root / f"sys/devices/system/cpu/cpu{number}" / name
            path.parent.mkdir(parents=True, exist_ok=True)
            path.write_text(f"{text}\n")
        (root / f"sys/devices/system/cpu/cpu{number}/node{core * nodes // everything}").mkdir()
    (root / "sys/devices/system/cpu/online").write_text(f"0-{everything * threads - 1}\n")
    (root / "sys/devices/system/node").mkdir(parents=True)
    (root / "sys/devices/system/node/has_memory").write_text(",".join(str(n) for n in range(nodes)) + "\n")
    return root


@pytest.fixture(scope="module")
def one_socket(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """192 cores without threads and without an L3 cache of their own, as an AmpereOne."""
    return machine(tmp_path_factory.mktemp("one"), sockets=1, cores=192)


@pytest.fixture(scope="module")
def two_sockets(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Twice 96 cores with two threads, eight cores to an L3 cache, as two EPYC 9654."""
    return machine(tmp_path_factory.mktemp("two"), sockets=2, cores=96, threads=2, l3_cores=8, nodes=2)


def plan(
    program: Path, directory: Path, root: Path, limit_s: float = FULL_LIMIT_S, **parameters: Any
) -> dict[str, Any]:
    """What the family `full` would measure on that machine."""
    config = directory / "job.json"
    settings = {"mode": "full", "l1_bytes": None, "llc_bytes": None, "pair_time_limit_s": 30, **parameters}
    config.write_text(json.dumps(job(cpus=None, time_limit_s=limit_s, parameters=settings)))
    command = [str(program), "--config", str(config), "--plan", "--root", str(root)]
    done = subprocess.run(command, capture_output=True, text=True, timeout=PATIENCE_S)
    assert (done.returncode, done.stderr) == (0, "")
    planned: dict[str, Any] = json.loads(done.stdout)
    return planned


def strata(planned: dict[str, Any], field: str) -> dict[str, int]:
    return {entry["sharing"]: entry[field] for entry in planned["sampling"]["strata"]}


@pytest.mark.full
def test_all_18336_pairs_of_192_cores_fit_into_the_limit_of_full(
    program: Path, tmp_path: Path, one_socket: Path
) -> None:
    planned = plan(program, tmp_path, one_socket)
    sampling = planned["sampling"]
    assert (planned["cpus"], sampling["pairs_total"], sampling["pairs_planned"]) == (192, 18336, 18336)
    assert (sampling["method"], sampling["reason"]) == ("all", "all pairs fit into the time")
    assert sampling["expected_s"] <= sampling["budget_s"]
    assert planned["curve"]["expected_s"] + sampling["expected_s"] < FULL_LIMIT_S
    assert strata(planned, "pairs_total") == {"same_socket": 18336}


def test_all_73536_pairs_of_384_threads_are_told_apart_by_what_they_share(
    program: Path, tmp_path: Path, two_sockets: Path
) -> None:
    planned = plan(program, tmp_path, two_sockets)
    sampling = planned["sampling"]
    assert (sampling["pairs_total"], sampling["pairs_planned"]) == (73536, 73536)
    assert planned["curve"]["expected_s"] + sampling["expected_s"] < FULL_LIMIT_S
    assert strata(planned, "pairs_total") == {
        "smt_siblings": 192,
        "same_l3": 24 * (16 * 15 // 2 - 8),
        "same_socket": 2 * (192 * 191 // 2) - 192 - 24 * (16 * 15 // 2 - 8),
        "across_sockets": 192 * 192,
    }


@pytest.mark.parametrize("limit_s", [400, 1200, 7200])
def test_what_does_not_fit_is_sampled_evenly_over_the_strata(
    program: Path, tmp_path: Path, two_sockets: Path, limit_s: float
) -> None:
    planned = plan(program, tmp_path, two_sockets, limit_s)
    sampling = planned["sampling"]
    assert sampling["method"] == "stratified"
    assert "all pairs would take" in sampling["reason"]
    assert 0 < sampling["expected_s"] <= sampling["budget_s"]
    assert planned["curve"]["expected_s"] + sampling["expected_s"] < limit_s
    totals, chosen = strata(planned, "pairs_total"), strata(planned, "pairs_planned")
    assert sum(chosen.values()) == sampling["pairs_planned"] < sampling["pairs_total"]
    cap = max(chosen.values())
    assert chosen == {name: min(total, cap) for name, total in totals.items()}
    # One pair more of each would be too much: the time is used.
    more = sum(min(entry["pairs_total"], cap + 1) * entry["expected_pair_s"] for entry in sampling["strata"])
    assert more > sampling["budget_s"] * 0.999


@pytest.mark.skipif(shutil.which("jq") is None, reason="there is no jq: install jq")
def test_the_plan_in_the_readme_is_what_the_commands_there_print(
    program: Path, tmp_path: Path, two_sockets: Path
) -> None:
    (block,) = [block for block in blocks("benchmarks/latency/README.md") if "--plan" in block.text]
    (_cat, written), (command, printed) = block.dialogue
    (tmp_path / "job.json").write_text(written)
    (tmp_path / "bin").mkdir()
    (tmp_path / "bin/run").symlink_to(program)
    (tmp_path / "recorded").symlink_to(two_sockets)
    done = subprocess.run(["bash", "-c", command], cwd=tmp_path, capture_output=True, text=True)
    assert (done.stdout.strip(), done.stderr) == (printed, "")


def test_a_plan_without_any_time_still_has_one_pair_of_each_stratum(
    program: Path, tmp_path: Path, two_sockets: Path
) -> None:
    planned = plan(program, tmp_path, two_sockets, 1)
    assert planned["sampling"]["budget_s"] == 0
    assert set(strata(planned, "pairs_planned").values()) == {1}


@pytest.mark.parametrize("sampling", [1000, "1000"])
def test_a_number_of_pairs_is_shared_out_evenly(
    program: Path, tmp_path: Path, two_sockets: Path, sampling: object
) -> None:
    planned = plan(program, tmp_path, two_sockets, sampling=sampling)
    assert planned["sampling"]["requested"] == 1000
    assert strata(planned, "pairs_planned") == {
        "smt_siblings": 192,
        "same_l3": 269,
        "same_socket": 269,
        "across_sockets": 269,
    }


def test_all_pairs_are_planned_when_all_are_asked_for_whatever_the_time(
    program: Path, tmp_path: Path, two_sockets: Path
) -> None:
    planned = plan(program, tmp_path, two_sockets, 60, sampling="all", max_pairs=10)
    assert planned["sampling"]["pairs_planned"] == 73536
    assert planned["sampling"]["reason"] == "all pairs were asked for"


def test_the_same_plan_comes_out_twice(program: Path, tmp_path: Path, two_sockets: Path) -> None:
    first, second = (plan(program, tmp_path, two_sockets, 1200) for _ in range(2))
    assert strata(first, "pairs_planned") == strata(second, "pairs_planned")
    assert first["sampling"]["seed"] == second["sampling"]["seed"]


def test_memory_of_another_node_is_walked_in_what_no_cache_holds(
    program: Path, tmp_path: Path, two_sockets: Path, one_socket: Path
) -> None:
    def measurements(root: Path) -> int:
        planned: int = plan(program, tmp_path, root, l1_bytes=4096, llc_bytes=65536)["curve"]["measurements"]
        return planned

    # Two sizes per doubling, from the last-level cache to four times as much.
    kinds = 1 if reasons_for_no_huge_pages() else 2
    assert measurements(two_sockets) - measurements(one_socket) == 5 * kinds


def reasons_for_no_huge_pages() -> bool:
    enabled = Path("/sys/kernel/mm/transparent_hugepage/enabled")
    return not enabled.exists() or "[never]" in enabled.read_text()


def test_a_tree_that_says_nothing_of_its_cpus_has_pairs_of_unknown_sharing(
    program: Path, tmp_path: Path
) -> None:
    root = tmp_path / "root"
    (root / "sys/devices/system/cpu").mkdir(parents=True)
    (root / "sys/devices/system/cpu/online").write_text("0-2,5\n")
    assert strata(plan(program, tmp_path, root), "pairs_total") == {"unknown": 6}


def test_a_tree_without_a_list_of_cpus_is_refused(program: Path, tmp_path: Path) -> None:
    config = tmp_path / "job.json"
    config.write_text(json.dumps(job(cpus=None)))
    command = [str(program), "--config", str(config), "--plan", "--root", str(tmp_path)]
    done = subprocess.run(command, capture_output=True, text=True, timeout=PATIENCE_S)
    assert done.returncode == 3
    assert "names no CPU" in done.stderr


# What a result says


def test_the_result_states_the_sampling_and_the_classes_of_its_pairs(program: Path, tmp_path: Path) -> None:
    done, out = run(program, tmp_path, job(cpus=None, parameters={"sampling": 1}))
    result = result_of(out)
    assert (done.returncode, result["status"]) == (0, "passed")
    if len(CPUS) < 2:
        return
    sampling = result["facts"]["sampling"]
    total = len(CPUS) * (len(CPUS) - 1) // 2
    assert (sampling["pairs_total"], sampling["pairs_planned"], sampling["pairs_measured"]) == (total, 1, 1)
    assert sampling["method"] == ("all" if total == 1 else "stratified")
    assert ("core_to_core_latency of all pairs" in reasons_of(result)) == (total > 1)
    (row,) = rows_of(out, "core_to_core.csv")
    (pair,) = metrics_of(result, "core_to_core_latency")
    assert row["sharing"] == pair["labels"]["sharing"]
    for part in ("p5", "median", "p95"):
        (metric,) = metrics_of(result, f"core_to_core_sharing_{part}")
        assert metric["labels"] == {"sharing": row["sharing"]}
        assert metric["samples"] == pair["samples"]
    facts = result["facts"]["core_to_core"]
    assert facts["pairs"] == 1
    assert facts["by_sharing"][0]["sharing"] == row["sharing"]
    assert facts["by_sharing"][0]["median_ns"] == pytest.approx(float(row["median_ns"]), rel=1e-3)
    assert facts["modes"] == []


def test_a_virtual_machine_is_flagged_and_fails_nothing(program: Path, tmp_path: Path) -> None:
    done, out = run(program, tmp_path, job(cpus=CPUS[:1]))
    result = result_of(out)
    virtual = result["facts"]["virtual"]
    (check,) = [check for check in result["checks"] if check["name"] == "vm"]
    assert check["ok"] == (virtual["machine"] in {"none", "unknown"})
    assert (done.returncode, result["status"]) == (0, "passed")
    assert all(checks_of(result).values())
    flagged = "hypervisor" in Path("/proc/cpuinfo").read_text()
    if os.uname().machine == "x86_64":
        assert (virtual["machine"] != "none") == flagged
        assert virtual["evidence"]


@pytest.mark.full
@needs_two_cpus
def test_a_pair_that_passes_its_limit_keeps_the_samples_it_had(program: Path, tmp_path: Path) -> None:
    # The build ends each pair after its third sample, as a limit would that passes there.
    objects = tmp_path / "objects"
    shutil.copytree(BENCH / "src", objects)
    sources = sorted(path.name for path in objects.glob("*.c"))
    subprocess.run(["cc", *FLAGS, "-c", *sources], cwd=objects, check=True, timeout=PATIENCE_S)
    changed = build_changed(
        objects,
        tmp_path,
        "ping_pong.c",
        "if (out_of_time(clock)) {\n            return PAIR_TIMED_OUT;",
        "if (i == 4 || out_of_time(clock)) {\n            return PAIR_TIMED_OUT;",
    )
    done, out = run(changed, tmp_path / "run", job())
    result = result_of(out)
    assert (done.returncode, result["status"]) == (1, "partial")
    (pair,) = metrics_of(result, "core_to_core_latency")
    assert len(pair["samples"]) == 3
    assert [row["samples"] for row in rows_of(out, "core_to_core.csv")] == ["3"]
    reason = reasons_of(result)[f"core_to_core_latency cpu {CPUS[0]} and cpu {CPUS[1]}"]
    assert reason == f"the pair's time limit of {PATIENCE_S} s was reached after 3 of 5 samples"
    assert not metrics_of(result, "core_to_core_median")
    assert result["facts"]["sampling"]["pairs_measured"] == 0


# Modes: the function alone, in a program that reads values and prints where each mode begins and ends

MODES_MAIN = """
#include <stdio.h>
#include "modes.h"
int main(void) {
    static double values[100000];
    struct mode modes[MAX_MODES];
    size_t count = 0;
    while (count < 100000 && scanf("%lf", &values[count]) == 1) {
        count++;
    }
    size_t found = modes_find(values, count, modes);
    for (size_t i = 0; i < found; i++) {
        printf("%zu %zu\\n", modes[i].first, modes[i].end);
    }
    return 0;
}
"""


@pytest.fixture(scope="module")
def modes_program(tmp_path_factory: pytest.TempPathFactory) -> Path:
    directory = tmp_path_factory.mktemp("modes")
    source = directory / "main.c"
    source.write_text(MODES_MAIN)
    sources = [str(source), str(BENCH / "src" / "modes.c")]
    command = ["cc", *FLAGS, "-I", str(BENCH / "src"), "-o", str(directory / "modes"), *sources, "-lm"]
    subprocess.run(command, check=True, timeout=PATIENCE_S)
    return directory / "modes"


def modes_of(program: Path, values: list[float]) -> list[tuple[float, float, int]]:
    """The least, the greatest and the number of values of each mode."""
    ordered = sorted(values)
    text = "\n".join(repr(value) for value in ordered)
    done = subprocess.run([str(program)], input=text, capture_output=True, text=True, timeout=PATIENCE_S)
    assert done.returncode == 0
    ranges = [tuple(map(int, line.split())) for line in done.stdout.splitlines()]
    if ranges:
        assert [first for first, _ in ranges] == [0, *(end for _, end in ranges[:-1])]
        assert ranges[-1][1] == len(ordered)
    return [(ordered[first], ordered[end - 1], end - first) for first, end in ranges]


def around(middle: float, width: float, count: int) -> list[float]:
    """Values of a bell around `middle`, the same each time; `width` is relative."""
    generator = random.Random(f"{middle} {width} {count}")
    return [middle * generator.gauss(1, width) for _ in range(count)]


def test_the_classes_of_a_large_machine_are_four_modes(modes_program: Path) -> None:
    values = (
        around(11, 0.03, 192) + around(24, 0.08, 2688) + around(110, 0.06, 33792) + around(220, 0.05, 36864)
    )
    found = modes_of(modes_program, values)
    assert [count for _, _, count in found] == [192, 2688, 33792, 36864]


def test_values_around_one_middle_are_one_mode(modes_program: Path) -> None:
    for count in (8, 28, 500, 18336):
        assert len(modes_of(modes_program, around(60, 0.05, count))) == 1


def test_two_middles_are_two_modes_also_when_pairs_are_few(modes_program: Path) -> None:
    found = modes_of(modes_program, around(12, 0.03, 4) + around(45, 0.06, 24))
    assert [count for _, _, count in found] == [4, 24]


@pytest.mark.parametrize(
    ("heights", "modes"),
    [
        ([1, 5, 10, 10, 8, 7, 7, 7, 7, 8, 10, 10, 5, 1], 1),
        ([1, 5, 10, 10, 5, 1, 1, 1, 1, 5, 10, 10, 5, 1], 2),
    ],
    ids=["a shallow one", "a deep one"],
)
def test_only_a_deep_valley_parts_two_modes(modes_program: Path, heights: list[int], modes: int) -> None:
    values = [50 * 1.05 ** (place + 0.5) for place, height in enumerate(heights) for _ in range(height)]
    assert len(modes_of(modes_program, values)) == modes


def test_a_single_pair_far_off_is_no_mode(modes_program: Path) -> None:
    found = modes_of(modes_program, [*around(45, 0.05, 27), 900.0])
    assert [(count, high) for _, high, count in found] == [(28, 900.0)]


def test_fewer_than_eight_pairs_have_no_modes(modes_program: Path) -> None:
    assert modes_of(modes_program, [10.0, 10.1, 10.2, 90.0, 90.1, 90.2, 90.3]) == []
    assert len(modes_of(modes_program, [10.0, 10.1, 10.2, 10.3, 90.0, 90.1, 90.2, 90.3])) == 2


@settings(deadline=None, max_examples=60)
@given(st.lists(st.floats(0.1, 1e15, allow_nan=False), min_size=8, max_size=200))
def test_every_value_is_in_exactly_one_mode(modes_program: Path, values: list[float]) -> None:
    found = modes_of(modes_program, values)
    assert 1 <= len(found) <= 16
    assert sum(count for _, _, count in found) == len(values)
