# SPDX-License-Identifier: Apache-2.0
"""Tests of the in-tree benchmark agentbench: it is built with cargo and run as a target does.

No test asserts a speed. The limits here only bound tests that would otherwise never end.
"""

from __future__ import annotations

import json
import os
import shutil
import signal
import subprocess
import time
import tomllib
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pytest
from rackbench.bundles.build import current
from rackbench.bundles.source import read_source
from rackbench.models.result import ResultFile

from tests import recordings

if TYPE_CHECKING:
    from collections.abc import Callable

ROOT = Path(__file__).resolve().parents[3]
BENCH = ROOT / "benchmarks" / "agentbench"
PATIENCE_S = 300
CPUS = sorted(os.sched_getaffinity(0))
NO_CPU = 8191
FILES = {"result.json", "progress.ndjson"}
SMOKE_INTERVALS = 5
CORE_INTERVALS = 10
PARTS = ["search", "json", "index", "diff", "hash", "byte_code", "compression"]

needs_two_cpus = pytest.mark.skipif(len(CPUS) < 2, reason="two agents need two CPUs")
pytestmark = [
    pytest.mark.slow,
    pytest.mark.skipif(
        shutil.which("cargo") is None or shutil.which("cc") is None,
        reason="there is no cargo or no cc: install cargo and gcc",
    ),
]


@pytest.fixture(scope="module")
def program(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The program, built as the bundle builder does it, from a copy in another directory."""
    source = tmp_path_factory.mktemp("elsewhere") / "and" / "deeper"
    shutil.copytree(BENCH, source, ignore=shutil.ignore_patterns("target"))
    out = tmp_path_factory.mktemp("built")
    environment = {
        "BUNDLE_OUT": str(out),
        "SOURCE_DATE_EPOCH": "0",
        "LC_ALL": "C",
        "TZ": "UTC",
        "PATH": os.environ["PATH"],
    }
    before = {path.relative_to(source) for path in source.rglob("*")}
    command = tomllib.loads((source / "bundle.toml").read_text())["build"]["command"]
    done = subprocess.run(
        command, cwd=source, env=environment, capture_output=True, text=True, timeout=PATIENCE_S
    )
    assert (done.returncode, done.stdout, done.stderr) == (0, "", "")
    assert {path.relative_to(source) for path in source.rglob("*")} == before
    return out / "bin" / "run"


def job(mode: str = "multi", profile: str = "v1-smoke", **changes: Any) -> dict[str, Any]:
    return {
        "schema": "rackbench.job/1.1",
        "run_id": "r",
        "execution_id": "e",
        "adapter": "agentsth",
        "family": f"official-{mode}",
        "repeat": 1,
        "parameters": {"profile": profile, "label": "official", "mode": mode},
        "cpus": CPUS[:2] if mode == "multi" else CPUS[:1],
        "groups": [[cpu] for cpu in CPUS[:2]] if mode == "multi" else [CPUS[:1]],
        "time_limit_s": PATIENCE_S,
    } | changes


def prepare(program: Path, directory: Path, document: object) -> tuple[list[str], Path]:
    out = directory / "out"
    out.mkdir()
    config = directory / "job.json"
    config.write_bytes(document if isinstance(document, bytes) else json.dumps(document).encode())
    return [str(program), "--config", str(config), "--out", str(out)], out


def run(
    program: Path, directory: Path, document: object, before: Callable[[], None] | None = None
) -> tuple[subprocess.CompletedProcess[str], Path]:
    command, out = prepare(program, directory, document)
    done = subprocess.run(
        command,
        cwd=directory,
        stdin=subprocess.DEVNULL,
        capture_output=True,
        text=True,
        timeout=PATIENCE_S,
        preexec_fn=before,
    )
    return done, out


def result_of(out: Path) -> dict[str, Any]:
    """Return the result, which is what the model of results describes."""
    text = (out / "result.json").read_text()
    ResultFile.model_validate_json(text)
    document: dict[str, Any] = json.loads(text)
    assert {path.name for path in out.iterdir()} == FILES
    return document


def samples(document: dict[str, Any], name: str) -> list[list[float]]:
    return [metric["samples"] for metric in document["metrics"] if metric["name"] == name]


def wait_for(condition: Callable[[], Any], process: subprocess.Popen[bytes]) -> Any:
    """Return what the condition gives as soon as it gives something; the process must be alive until then."""
    deadline = time.monotonic() + PATIENCE_S
    while not (found := condition()):
        assert process.poll() is None, process.returncode
        assert time.monotonic() < deadline
        time.sleep(0.01)
    return found


def said(out: Path, label: str) -> bool:
    path = out / "progress.ndjson"
    return path.exists() and f'"{label}"' in path.read_text()


def agents_of(process: subprocess.Popen[bytes]) -> list[int]:
    children = Path(f"/proc/{process.pid}/task/{process.pid}/children").read_text().split()
    return [int(pid) for pid in children]


@pytest.mark.full
def test_the_same_source_in_another_directory_gives_the_program_of_the_bundle(
    program: Path, tmp_path: Path
) -> None:
    there = current(read_source(BENCH), ROOT / "dist")
    if there is None:
        pytest.skip("there is no bundle of this source in dist: make bundles")
    recordings.unpack(there.tarball, tmp_path)
    assert (tmp_path / "bin" / "run").read_bytes() == program.read_bytes()


@pytest.mark.full
def test_the_tests_of_its_parts_pass(tmp_path: Path) -> None:
    command = [
        "cargo",
        "test",
        "--quiet",
        "--release",
        "--offline",
        "--locked",
        "--target-dir",
        str(tmp_path),
    ]
    done = subprocess.run(command, cwd=BENCH, capture_output=True, text=True, timeout=2 * PATIENCE_S)
    assert done.returncode == 0, done.stdout + done.stderr
    assert done.stdout.count("\nok: ") == 4, done.stdout


@needs_two_cpus
def test_two_agents_leave_rates_of_each_and_of_both(program: Path, tmp_path: Path) -> None:
    done, out = run(program, tmp_path, job())
    assert (done.returncode, done.stdout, done.stderr) == (0, "", "")
    document = result_of(out)
    assert document["status"] == "passed"
    (together,) = samples(document, "turns_per_s")
    each = samples(document, "agent_turns_per_s")
    assert [len(together), *map(len, each)] == [SMOKE_INTERVALS] * 3
    for total, first, second in zip(together, *each, strict=True):
        assert total == pytest.approx(first + second, abs=1e-5)
        assert first > 0 < second
    labels = [metric["labels"] for metric in document["metrics"] if metric["name"] == "agent_turns_per_s"]
    assert labels == [{"agent": number, "cpu": cpu} for number, cpu in enumerate(CPUS[:2])]
    middle, late, latest = (samples(document, f"turn_ms_p{percent}")[0][0] for percent in (50, 95, 99))
    assert 0 < middle <= late <= latest
    facts = document["facts"]
    assert (facts["profile"], facts["label"], facts["mode"], facts["agents"]) == (
        "v1-smoke",
        "official",
        "multi",
        2,
    )
    assert facts["groups"] == [[cpu] for cpu in CPUS[:2]]
    assert list(facts["parts"]) == PARTS
    assert sum(facts["parts"].values()) == pytest.approx(1, abs=1e-5)
    scaling = facts["scaling"]
    assert scaling["ratio"] == pytest.approx(scaling["turns_per_s"] / scaling["alone_turns_per_s"], rel=1e-3)
    assert 0 < facts["share_on_cpu"]["least"] <= facts["share_on_cpu"]["mean"] <= 1
    assert facts["compiler"].startswith("rustc 1.")


@pytest.mark.full
@needs_two_cpus
def test_progress_counts_up_to_its_total(program: Path, tmp_path: Path) -> None:
    _done, out = run(program, tmp_path, job())
    lines = [json.loads(line) for line in (out / "progress.ndjson").read_text().splitlines()]
    assert [line["done"] for line in lines] == list(range(1, len(lines) + 1))
    assert {line["total"] for line in lines} == {len(lines)} == {2 + SMOKE_INTERVALS}
    assert [line["label"] for line in lines[:3]] == ["warm-up", "one agent alone", "interval 1 of 5"]


@pytest.mark.parametrize(("mode", "agents"), [("single", 1), ("multi", len(CPUS))])
def test_a_job_without_groups_gets_one_agent_or_one_on_each_cpu(
    program: Path, tmp_path: Path, mode: str, agents: int
) -> None:
    document = job(mode, cpus=None)
    del document["groups"]
    done, out = run(program, tmp_path, document)
    assert done.returncode == 0, done.stderr
    facts = result_of(out)["facts"]
    assert facts["groups"] == [[cpu] for cpu in CPUS[:agents]]
    assert (facts["scaling"] is None) == (agents == 1)


@needs_two_cpus
def test_an_agent_may_have_several_cpus(program: Path, tmp_path: Path) -> None:
    done, out = run(program, tmp_path, job(groups=[CPUS[:2]]))
    assert done.returncode == 0, done.stderr
    document = result_of(out)
    assert (document["facts"]["agents"], document["facts"]["groups"]) == (1, [CPUS[:2]])


@pytest.mark.parametrize(
    ("document", "words"),
    [
        (b"", "not a usable JSON document: byte 0: it ends where a value must be"),
        (b'{"schema": "rackbench.job/1.0", "schema": 1}', "a name is there twice"),
        (b"[" * 100_000, "nested too deeply"),
        (b'"' + b"x" * (1 << 20) + b'"', "longer than 1 MiB"),
        (job("single", profile="v9"), 'there is no profile "v9"; known are v1-core, v1-smoke, v1-suppl'),
        (job(cpus=[0, 1], groups=[[0, 1], [1]]), "the groups 0 and 1 of the field groups both have CPU 1"),
        (job(cpus=[0], groups=[[0], []]), "group 1 of the field groups is an empty list"),
        (job(cpus=[0], groups=[]), "the field groups is an empty list"),
        (job(cpus=[0], groups=[[1]]), "group 0 of the field groups has CPU 1, which the field cpus has not"),
        (job(time_limit_s=0), "the field time_limit_s must be a number above 0"),
        (job(schema="rackbench.job/2.0"), "the field schema must be"),
    ],
)
def test_a_job_that_is_not_usable_is_refused(
    program: Path, tmp_path: Path, document: object, words: str
) -> None:
    done, out = run(program, tmp_path, document)
    assert done.returncode == 2
    assert words in done.stderr
    assert str(tmp_path / "job.json") in done.stderr
    assert not list(out.iterdir())


def test_a_missing_job_and_a_missing_directory_are_refused(program: Path, tmp_path: Path) -> None:
    command, out = prepare(program, tmp_path, job())
    for arguments, words in [
        ([command[0], "--config", "no-such", "--out", str(out)], "no-such: cannot be read: No such file"),
        ([*command[:-1], "no-such"], "--out no-such is not a directory"),
        (command[:3], "usage: run --config job.json --out DIR"),
        ([*command, "--profile", "v1-core"], "usage: run --config job.json --out DIR"),
    ]:
        done = subprocess.run(arguments, cwd=tmp_path, capture_output=True, text=True, timeout=PATIENCE_S)
        assert (done.returncode, done.stdout) == (2, "")
        assert words in done.stderr


def test_a_cpu_that_is_not_there_is_named(program: Path, tmp_path: Path) -> None:
    done, out = run(program, tmp_path, job(cpus=None, groups=[[CPUS[0]], [NO_CPU]]))
    assert done.returncode == 3
    assert f"CPU {NO_CPU} of the job is not there: this machine has the CPUs " in done.stderr
    assert not list(out.iterdir())


@needs_two_cpus
def test_a_cpu_that_is_not_allowed_is_named(program: Path, tmp_path: Path) -> None:
    first, second = CPUS[:2]
    done, _out = run(program, tmp_path, job(), lambda: os.sched_setaffinity(0, {first}))
    assert done.returncode == 3
    assert done.stderr == (
        f"agentbench: CPU {second} of the job may not be used by this process: allowed are the CPUs {first}\n"
    )


def test_at_the_time_limit_it_is_partial_and_says_so(program: Path, tmp_path: Path) -> None:
    done, out = run(program, tmp_path, job("single", "v1-core", time_limit_s=1))
    assert done.returncode == 1
    document = result_of(out)
    assert (document["status"], document["metrics"]) == ("partial", [])
    assert document["skipped"] == [
        {"name": "10 of 10 intervals", "reason": "the time limit of 1 s was reached"}
    ]


def check_kept(out: Path, reason: str) -> None:
    """Assert that some intervals are kept, and that the others are told with the reason."""
    document = result_of(out)
    assert document["status"] == "partial"
    (rates,) = samples(document, "turns_per_s")
    assert 0 < len(rates) < CORE_INTERVALS
    assert document["skipped"] == [
        {"name": f"{CORE_INTERVALS - len(rates)} of {CORE_INTERVALS} intervals", "reason": reason}
    ]
    assert [check["ok"] for check in document["checks"]] == [True, False]


@pytest.mark.full
def test_sigterm_keeps_what_was_measured(program: Path, tmp_path: Path) -> None:
    command, out = prepare(program, tmp_path, job("single", "v1-core"))
    with subprocess.Popen(command, stdin=subprocess.DEVNULL, start_new_session=True) as process:
        wait_for(lambda: said(out, "interval 3 of 10"), process)
        # As the supervisor does it: the agents get it too, and leave their end to the program.
        os.killpg(process.pid, signal.SIGTERM)
        assert process.wait(PATIENCE_S) == 1
    check_kept(out, "stopped by SIGTERM")


@pytest.mark.full
def test_the_intervals_before_an_agent_was_killed_are_kept(program: Path, tmp_path: Path) -> None:
    command, out = prepare(program, tmp_path, job("single", "v1-core"))
    with subprocess.Popen(command, stdin=subprocess.DEVNULL) as process:
        wait_for(lambda: said(out, "interval 3 of 10"), process)
        (agent,) = agents_of(process)
        os.kill(agent, signal.SIGKILL)
        assert process.wait(PATIENCE_S) == 1
    check_kept(out, "agent 0 was ended by signal 9")


@needs_two_cpus
def test_an_agent_that_is_killed_before_the_start_fails_the_run(program: Path, tmp_path: Path) -> None:
    command, out = prepare(program, tmp_path, job(profile="v1-core"))
    with subprocess.Popen(command, stdin=subprocess.DEVNULL) as process:
        wait_for(lambda: len(agents_of(process)) == 2, process)
        os.kill(agents_of(process)[1], signal.SIGKILL)
        assert process.wait(PATIENCE_S) == 1
    document = result_of(out)
    assert (document["status"], document["metrics"]) == ("failed", [])
    assert document["skipped"][0]["reason"] == "agent 1 was ended by signal 9"


@needs_two_cpus
def test_agents_die_with_the_program(program: Path, tmp_path: Path) -> None:
    command, _out = prepare(program, tmp_path, job(profile="v1-core"))
    with subprocess.Popen(command, stdin=subprocess.DEVNULL) as process:
        agents = wait_for(lambda: len(agents_of(process)) == 2 and agents_of(process), process)
        process.kill()
        process.wait(PATIENCE_S)
    deadline = time.monotonic() + PATIENCE_S
    while any(is_alive(agent) for agent in agents):
        assert time.monotonic() < deadline
        time.sleep(0.01)


def is_alive(pid: int) -> bool:
    """Whether a process is there that has not ended; one that nobody has waited for yet has."""
    try:
        return Path(f"/proc/{pid}/stat").read_text().rpartition(") ")[2][0] not in "ZX"
    except (FileNotFoundError, ProcessLookupError):
        return False
