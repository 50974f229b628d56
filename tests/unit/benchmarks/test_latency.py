# SPDX-License-Identifier: Apache-2.0
"""Tests of the in-tree benchmark latency: it is built with cc and run as a target does.

No test asserts a speed. The limits here only bound tests that would otherwise never end.
"""

from __future__ import annotations

import contextlib
import json
import math
import os
import shutil
import signal
import subprocess
import time
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from tests.unit.benchmarks.latency_program import (
    BENCH,
    CPUS,
    FLAGS,
    NO_CPU,
    PATIENCE_S,
    build,
    build_changed,
    checks_of,
    job,
    metrics_of,
    prepare,
    progress_of,
    reasons_of,
    refuse_constant,
    result_of,
    rows_of,
    run,
    strict,
)

if TYPE_CHECKING:
    from collections.abc import Iterator

needs_compiler = pytest.mark.skipif(shutil.which("cc") is None, reason="there is no cc: install gcc")
needs_two_cpus = pytest.mark.skipif(len(CPUS) < 2, reason="a pair needs two CPUs")
pytestmark = [needs_compiler, pytest.mark.slow]


@pytest.fixture(scope="module")
def objects(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The source and its object files, so that a changed build compiles one file only."""
    copy = tmp_path_factory.mktemp("objects")
    shutil.copytree(BENCH / "src", copy, dirs_exist_ok=True)
    subprocess.run(
        ["cc", *FLAGS, "-c", *sorted(path.name for path in copy.glob("*.c"))],
        cwd=copy,
        check=True,
        timeout=PATIENCE_S,
    )
    return copy


@pytest.fixture(scope="module")
def program(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return build(BENCH, tmp_path_factory.mktemp("built"))


@pytest.fixture(scope="module")
def smoke(program: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The output of one smoke run with the cache sizes of this machine."""
    document = job(parameters={"l1_bytes": None, "llc_bytes": None})
    done, out = run(program, tmp_path_factory.mktemp("smoke"), document)
    if "cache_sizes" in reasons_of(strict((out / "result.json").read_text())):
        pytest.skip("this machine does not tell its cache sizes")
    assert (done.returncode, done.stdout, done.stderr) == (0, "", "")
    return out


@pytest.mark.full
def test_two_builds_in_two_directories_have_the_same_bytes(program: Path, tmp_path: Path) -> None:
    copy = tmp_path / "a checkout somewhere else"
    shutil.copytree(BENCH, copy)
    assert build(copy, tmp_path / "out").read_bytes() == program.read_bytes()


def test_the_build_writes_only_the_program(program: Path) -> None:
    built = program.parents[1]
    assert [path.relative_to(built).as_posix() for path in built.rglob("*") if path.is_file()] == ["bin/run"]
    assert os.access(program, os.X_OK)


def test_a_smoke_run_passes_with_all_checks(smoke: Path) -> None:
    result = result_of(smoke)
    assert result["status"] == "passed"
    checks = checks_of(result)
    assert {"measured_loop_present", "chase_ends_where_expected", "values_are_positive"} <= set(checks)
    assert all(checks.values())


def test_the_curve_begins_below_l1_and_reaches_four_times_the_last_level_cache(smoke: Path) -> None:
    result = result_of(smoke)
    caches = result["facts"]["caches"]
    sizes = [
        point["labels"]["bytes"]
        for point in metrics_of(result, "memory_latency")
        if point["labels"]["pages"] == "base"
    ]
    assert sizes == sorted(set(sizes))
    assert sizes[0] <= caches["l1_bytes"]
    assert sizes[-1] >= 4 * caches["llc_bytes"]
    assert checks_of(result)["curve_reaches_four_times_llc"]
    assert caches["source"] in {"sysfs", "sysconf"}


def test_the_cache_sizes_are_those_of_the_first_cpu_in_sysfs(smoke: Path) -> None:
    found: dict[int, int] = {}
    for index in Path(f"/sys/devices/system/cpu/cpu{CPUS[0]}/cache").glob("index*"):
        if (index / "type").read_text().strip() != "Instruction":
            size = (index / "size").read_text().strip()
            found[int((index / "level").read_text())] = int(size[:-1]) << {"K": 10, "M": 20}[size[-1]]
    if not found:
        pytest.skip("this machine tells no cache sizes in sysfs")
    caches = result_of(smoke)["facts"]["caches"]
    assert caches["source"] == "sysfs"
    assert (caches["l1_bytes"], caches["llc_bytes"]) == (found[1], max(found.values()))


def test_huge_pages_are_reported_as_the_kernel_gave_them(smoke: Path) -> None:
    result = result_of(smoke)
    points = result["facts"]["memory_points"]
    huge = [point for point in points if (point["pages"], point["memory"]) == ("huge", "local")]
    base = [point for point in points if (point["pages"], point["memory"]) == ("base", "local")]
    assert all(point["anon_huge_bytes"] == 0 for point in base)
    assert {point["kernel_page_bytes"] for point in base} == {os.sysconf("SC_PAGESIZE")}
    assert all(point["anon_huge_bytes"] >= 0.9 * point["mapped_bytes"] for point in huge)
    enabled = Path("/sys/kernel/mm/transparent_hugepage/enabled")
    if not enabled.exists() or "[never]" in enabled.read_text():
        assert not huge
        assert "memory_latency with huge pages" in reasons_of(result)
    else:
        given = len(huge) + sum(name.endswith(", huge pages") for name in reasons_of(result))
        assert given == len(base)


def test_each_measurement_has_a_progress_line_and_a_row(smoke: Path) -> None:
    result = result_of(smoke)
    lines = progress_of(smoke)
    assert len(lines) == lines[0]["total"]
    points = metrics_of(result, "memory_latency")
    pairs = metrics_of(result, "core_to_core_latency")
    assert [(int(row["bytes"]), row["pages"]) for row in rows_of(smoke, "memory_latency.csv")] == [
        (point["labels"]["bytes"], point["labels"]["pages"]) for point in points
    ]
    assert [(int(row["cpu_a"]), int(row["cpu_b"])) for row in rows_of(smoke, "core_to_core.csv")] == [
        (pair["labels"]["cpu_a"], pair["labels"]["cpu_b"]) for pair in pairs
    ]
    for row in rows_of(smoke, "memory_latency.csv"):
        assert 0 < float(row["min_ns"]) <= float(row["median_ns"]) <= float(row["max_ns"])


@needs_two_cpus
def test_the_pair_of_the_job_is_measured(smoke: Path) -> None:
    result = result_of(smoke)
    (pair,) = metrics_of(result, "core_to_core_latency")
    assert pair["labels"] == {"cpu_a": CPUS[0], "cpu_b": CPUS[1], "sharing": pair["labels"]["sharing"]}
    (median,) = metrics_of(result, "core_to_core_median")
    assert median["samples"] == pair["samples"]
    assert checks_of(result)["ping_pong_counters"]


def test_the_summaries_are_the_ends_of_the_curve_with_base_pages(smoke: Path) -> None:
    result = result_of(smoke)
    base = [m for m in metrics_of(result, "memory_latency") if m["labels"]["pages"] == "base"]
    for name, point in (("memory_latency_l1", base[0]), ("memory_latency_dram", base[-1])):
        (summary,) = metrics_of(result, name)
        assert summary["samples"] == point["samples"]
        assert summary["labels"] == {}


def test_full_has_more_points_and_the_overrides_count(program: Path, tmp_path: Path) -> None:
    parameters = {
        "mode": "full",
        "samples": 3,
        "round_trips": 100,
        "chase_steps": 1000,
        "points_per_octave": 3,
    }
    done, out = run(program, tmp_path, job(parameters=parameters))
    result = result_of(out)
    assert (done.returncode, result["status"]) == (0, "passed")
    assert all(len(metric["samples"]) == 3 for metric in result["metrics"])
    # Seven octaves from half of 4096 to four times 65536 bytes; the smallest sizes are whole KiB.
    base = [p for p in result["facts"]["memory_points"] if p["pages"] == "base"]
    assert 18 <= len(base) <= 22
    assert result["facts"]["settings"]["mode"] == "full"


def test_all_allowed_cpus_are_used_when_the_job_names_none(program: Path, tmp_path: Path) -> None:
    done, out = run(program, tmp_path, job(cpus=None, parameters={"max_pairs": 1}))
    facts = result_of(out)["facts"]
    assert done.returncode == 0
    assert facts["cpus"] == CPUS
    if len(CPUS) > 1:
        assert facts["pairs"]["possible"] == len(CPUS) * (len(CPUS) - 1) // 2
        assert facts["pairs"]["measured"] == 1


def test_one_cpu_has_no_pairs_and_still_passes(program: Path, tmp_path: Path) -> None:
    done, out = run(program, tmp_path, job(cpus=CPUS[-1:]))
    result = result_of(out)
    assert (done.returncode, result["status"]) == (0, "passed")
    assert "only one CPU" in reasons_of(result)["core_to_core_latency"]
    assert not metrics_of(result, "core_to_core_latency")
    assert not metrics_of(result, "core_to_core_median")
    assert result["facts"]["memory_cpu"] == CPUS[-1]


def test_unknown_fields_and_parameters_are_ignored(program: Path, tmp_path: Path) -> None:
    done, _ = run(program, tmp_path, job(later={"a": [1]}, cpus=CPUS[:1], parameters={"later": "x"}))
    assert done.returncode == 0


def without(name: str) -> dict[str, Any]:
    document = job()
    del document[name]
    return document


BAD_JOBS: dict[str, object] = {
    "empty": b"",
    "not JSON": b"{",
    "text after the object": json.dumps(job()).encode() + b"x",
    "a list": [],
    "not UTF-8": json.dumps(job()).encode().replace(b'"e"', b'"\xff"'),
    "a name twice": json.dumps(job()).encode().replace(b'"repeat": 1', b'"repeat": 1, "repeat": 1'),
    "NaN": job(time_limit_s=math.nan),
    "nested too deep": json.dumps(job()).encode().replace(b'"e"', b"[" * 100_000 + b"]" * 100_000),
    "longer than 1 MiB": job(later="x" * (1 << 20)),
    "another schema": job(schema="rackbench.job/2.0"),
    **{f"no {name}": without(name) for name in job()},
    "a number as run_id": job(run_id=1),
    "repeat 0": job(repeat=0),
    "repeat true": job(repeat=True),
    "a fraction as repeat": job(repeat=1.5),
    "time limit 0": job(time_limit_s=0),
    "a text as time limit": job(time_limit_s="9"),
    "parameters null": {**job(), "parameters": None},
    "no mode": {**job(), "parameters": {}},
    "an unknown mode": job(parameters={"mode": "quick"}),
    "pair limit 0": job(parameters={"pair_time_limit_s": 0}),
    "a text as pair limit": job(parameters={"pair_time_limit_s": "1"}),
    "one sample": job(parameters={"samples": 1}),
    "a fraction as samples": job(parameters={"samples": 2.5}),
    "negative steps": job(parameters={"chase_steps": -1}),
    "huge round trips": job(parameters={"round_trips": 1e300}),
    "L1 above the last level": job(parameters={"l1_bytes": 8192, "llc_bytes": 4096}),
    "an unknown sampling": job(parameters={"sampling": "some"}),
    "sampling 0": job(parameters={"sampling": 0}),
    "an empty sampling": job(parameters={"sampling": ""}),
    "a sampling with text behind it": job(parameters={"sampling": "12 pairs"}),
    "sampling true": job(parameters={"sampling": True}),
    "cpus a number": job(cpus=1),
    "cpus empty": job(cpus=[]),
    "cpus negative": job(cpus=[-1]),
    "cpus a text": job(cpus=["0"]),
    "cpus twice": job(cpus=[CPUS[0], CPUS[0]]),
}


@pytest.mark.parametrize("name", BAD_JOBS)
def test_a_bad_job_is_refused_and_leaves_nothing(program: Path, tmp_path: Path, name: str) -> None:
    done, out = run(program, tmp_path, BAD_JOBS[name])
    assert done.returncode == 2
    assert done.stderr.startswith("latency: ")
    assert done.stderr.count("\n") == 1
    assert list(out.iterdir()) == []


def test_a_bad_command_line_is_refused(program: Path, tmp_path: Path) -> None:
    command, out = prepare(program, tmp_path, job())
    bad = [
        command[:1],
        command[:3],
        [*command, "--more"],
        [*command[:3], "--out", str(tmp_path / "absent")],
        [*command[:3], "--out", command[2]],
        [*command[:2], str(tmp_path / "absent.json"), *command[3:]],
        [*command[:3], *command[1:3]],
        [*command[:3], "--plan", "--plan"],
        [*command, "--plan"],
        [*command, "--root", "/"],
        [*command[:3], "--plan", "--root", str(tmp_path / "absent")],
    ]
    for arguments in bad:
        done = subprocess.run(arguments, capture_output=True, text=True, timeout=PATIENCE_S)
        assert done.returncode == 2, arguments
        assert done.stderr
    assert list(out.iterdir()) == []


def test_a_cpu_that_may_not_be_used_is_what_the_machine_lacks(program: Path, tmp_path: Path) -> None:
    done, out = run(program, tmp_path, job(cpus=[NO_CPU]))
    assert done.returncode == 3
    assert f"CPU {NO_CPU}" in done.stderr
    assert list(out.iterdir()) == []


VALUES = st.recursive(
    st.none()
    | st.booleans()
    | st.integers(-(2**53), 2**53)
    | st.floats(allow_nan=False, allow_infinity=False)
    | st.text(st.characters(exclude_characters="\0", exclude_categories=["Cs"])),
    lambda inner: (
        st.lists(inner, max_size=4) | st.dictionaries(st.text('abc"\\é', max_size=3), inner, max_size=4)
    ),
    max_leaves=12,
)


def unique(pairs: list[tuple[str, Any]]) -> dict[str, Any]:
    if len(dict(pairs)) < len(pairs):
        raise ValueError("a name twice")
    return dict(pairs)


def storable(value: Any) -> bool:
    """Whether the reader takes it: no lone surrogate, no U+0000, no infinity."""
    if isinstance(value, str):
        return "\0" not in value and not any(0xD800 <= ord(c) <= 0xDFFF for c in value)
    if isinstance(value, float):
        return math.isfinite(value)
    if isinstance(value, list):
        return all(map(storable, value))
    if isinstance(value, dict):
        return all(map(storable, value)) and all(map(storable, value.values()))
    return True


@settings(deadline=None, max_examples=80)
@given(
    value=VALUES,
    ascii_only=st.booleans(),
    at=st.integers(0, 10**6),
    change=st.sampled_from(
        ["", "none", '"', "\\", "\\u", ",", "[", "}", "e", "-", ".", "0", "\t", "\x01", "é", "\ufeff"]
    ),
)
def test_the_json_reader_takes_and_refuses_what_a_second_reader_does(
    program: Path,
    tmp_path_factory: pytest.TempPathFactory,
    value: Any,
    ascii_only: bool,
    at: int,
    change: str,
) -> None:
    """A job that is understood ends with 3, for want of its CPU; one that is not ends with 2."""
    base = job(cpus=[NO_CPU])
    text = json.dumps(value, ensure_ascii=ascii_only)
    if change != "none":  # "" removes a character, others are put in
        at %= len(text)
        text = text[:at] + change + text[at + (change == "") :]
    document = json.dumps(base)[:-1] + ', "note": ' + text + "}"
    try:
        read = json.loads(document, parse_constant=refuse_constant, object_pairs_hook=unique)
        understood = storable(read)
        same = {name: read[name] for name in read if name in base} == base
    except ValueError:
        understood, same = False, True
    directory = tmp_path_factory.getbasetemp() / "reader"
    done, out = run(program, directory, document.encode())
    assert list(out.iterdir()) == []
    if not understood or same:
        assert done.returncode == (3 if understood else 2), (document, done.stderr)
    else:
        assert done.returncode in {2, 3}


@needs_two_cpus
def test_a_pair_that_passes_its_limit_is_skipped_and_the_rest_survives(program: Path, tmp_path: Path) -> None:
    parameters = {"round_trips": 10**9, "pair_time_limit_s": 0.2}
    done, out = run(program, tmp_path, job(parameters=parameters))
    result = result_of(out)
    assert (done.returncode, result["status"]) == (1, "partial")
    reason = reasons_of(result)[f"core_to_core_latency cpu {CPUS[0]} and cpu {CPUS[1]}"]
    assert reason == "the pair's time limit of 0.2 s was reached"
    assert all(checks_of(result).values())
    assert metrics_of(result, "memory_latency_dram")
    assert not metrics_of(result, "core_to_core_median")
    lines = progress_of(out)
    assert len(lines) == lines[0]["total"]
    assert lines[-1]["label"].endswith("skipped")


def test_the_job_s_time_limit_ends_the_run_as_partial(program: Path, tmp_path: Path) -> None:
    done, out = run(program, tmp_path, job(time_limit_s=0.3, parameters={"chase_steps": 10**9}))
    result = result_of(out)
    assert (done.returncode, result["status"]) == (1, "partial")
    assert "the time limit of 0.3 s was reached" in reasons_of(result)["memory_latency"]
    assert not checks_of(result)["curve_reaches_four_times_llc"]


def test_too_little_memory_ends_the_curve_early_and_says_so(program: Path, tmp_path: Path) -> None:
    done, out = run(
        program, tmp_path, job(cpus=CPUS[:1], parameters={"l1_bytes": None, "llc_bytes": 1 << 44})
    )
    result = result_of(out)
    assert (done.returncode, result["status"]) == (1, "partial")
    assert "not enough free memory" in reasons_of(result)[f"memory_latency {1 << 46} bytes, base pages"]
    assert not checks_of(result)["curve_reaches_four_times_llc"]
    assert metrics_of(result, "memory_latency_l1")
    assert not metrics_of(result, "memory_latency_dram")


@contextlib.contextmanager
def running(program: Path, directory: Path, lines: int, **parameters: Any) -> Iterator[tuple[Any, Path]]:
    """A run that would take very long, after so many lines of progress."""
    command, out = prepare(program, directory, job(time_limit_s=10**6, parameters=parameters))
    process = subprocess.Popen(command, stdin=subprocess.DEVNULL)
    try:
        end = time.monotonic() + PATIENCE_S
        progress = out / "progress.ndjson"
        while not progress.exists() or progress.read_text().count("\n") < lines:
            assert process.poll() is None, "the run ended by itself"
            assert time.monotonic() < end, "no progress"
            time.sleep(0.01)
        yield process, out
    finally:
        process.kill()
        process.wait()


# The first points take a moment; all of them together would take half an hour.
LONG_CURVE = {
    "mode": "full",
    "samples": 1000,
    "chase_steps": 10_000,
    "points_per_octave": 8,
    "llc_bytes": 1 << 30,
}


def test_sigterm_in_the_curve_leaves_a_partial_result(program: Path, tmp_path: Path) -> None:
    with running(program, tmp_path, 1, **LONG_CURVE) as (process, out):
        process.send_signal(signal.SIGTERM)
        assert process.wait(PATIENCE_S) == 1
    result = result_of(out)
    assert result["status"] == "partial"
    assert "stopped by SIGTERM" in reasons_of(result)["memory_latency"]
    points = metrics_of(result, "memory_latency")
    assert len(points) >= 1
    assert len(points) == len(progress_of(out)) == len(rows_of(out, "memory_latency.csv"))


@needs_two_cpus
def test_sigterm_in_a_pair_leaves_the_curve(program: Path, tmp_path: Path) -> None:
    command_lines = len(smoke_points(program, tmp_path / "first"))
    with running(program, tmp_path, command_lines, round_trips=10**9, pair_time_limit_s=10**6) as (
        process,
        out,
    ):
        process.send_signal(signal.SIGTERM)
        assert process.wait(PATIENCE_S) == 1
    result = result_of(out)
    assert result["status"] == "partial"
    assert reasons_of(result)["core_to_core_latency"] == "1 of 1 pairs not measured: stopped by SIGTERM"
    assert checks_of(result)["curve_reaches_four_times_llc"]
    assert metrics_of(result, "memory_latency_dram")


def smoke_points(program: Path, directory: Path) -> list[dict[str, Any]]:
    """The lines of progress of a run without a pair."""
    _, out = run(program, directory, job(cpus=CPUS[:1]))
    return progress_of(out)


def test_sigkill_leaves_whole_lines_and_no_result(program: Path, tmp_path: Path) -> None:
    with running(program, tmp_path, 2, **LONG_CURVE) as (process, out):
        process.kill()
        process.wait()
    assert len(progress_of(out)) >= 2
    assert len(rows_of(out, "memory_latency.csv")) >= 2
    assert not (out / "result.json").exists()


@pytest.mark.parametrize("obstacle", ["a full disk", "a name that is taken"])
def test_a_result_that_cannot_be_written_is_not_half_written(
    program: Path, tmp_path: Path, obstacle: str
) -> None:
    _, out = prepare(program, tmp_path, job())
    if obstacle == "a full disk":
        (out / "result.json.tmp").symlink_to("/dev/full")
    else:
        (out / "result.json.tmp").mkdir()
    done, _ = run(program, tmp_path, job(cpus=CPUS[:1]))
    assert done.returncode == 3
    assert "result.json could not be written" in done.stderr
    assert not (out / "result.json").exists()


@pytest.mark.parametrize(
    ("name", "old", "new", "said"),
    [
        ("chase.c", "line = line->next;", "", "expected line"),
        # The right line in a constant time: only the clock can tell.
        ("chase.c", "i < steps", "i < steps % 512", "does not grow"),
    ],
    ids=["the loop removed", "the loop cut short"],
)
def test_a_build_without_its_measured_loop_is_rejected(
    objects: Path, tmp_path: Path, name: str, old: str, new: str, said: str
) -> None:
    done, out = run(build_changed(objects, tmp_path, name, old, new), tmp_path / "run", job())
    result = strict((out / "result.json").read_text())
    assert (done.returncode, result["status"]) == (1, "failed")
    (check,) = [check for check in result["checks"] if check["name"] == "measured_loop_present"]
    assert not check["ok"]
    assert said in check["detail"]
    assert result["metrics"] == []


@needs_two_cpus
def test_a_ping_pong_that_does_not_wait_is_rejected(objects: Path, tmp_path: Path) -> None:
    program = build_changed(
        objects,
        tmp_path,
        "ping_pong.c",
        "atomic_load_explicit(&table->pong, memory_order_acquire) != next;",
        "false;",
    )
    done, out = run(program, tmp_path / "run", job(parameters={"round_trips": 10**6}))
    result = result_of(out)
    assert (done.returncode, result["status"]) == (1, "failed")
    assert not checks_of(result)["ping_pong_counters"]
    assert not metrics_of(result, "core_to_core_latency")


def test_values_that_are_zero_negative_or_no_number_are_never_stored(objects: Path, tmp_path: Path) -> None:
    program = build_changed(
        objects,
        tmp_path,
        "memory_curve.c",
        "run->samples[i - 1] = (double)taken / (double)steps;",
        "run->samples[i - 1] = (double[]){0.0, -1.0, 0.0 / (double)(taken - taken)}[cycle->lines / 64 % 3];",
    )
    done, out = run(program, tmp_path / "run", job(cpus=CPUS[:1]))
    result = result_of(out)
    assert (done.returncode, result["status"]) == (1, "failed")
    assert not checks_of(result)["values_are_positive"]
    assert result["metrics"] == []
