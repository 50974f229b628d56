# SPDX-License-Identifier: Apache-2.0
"""Dry run, preflight, run, validation and status say the same of every readiness state, on a host of the lab.

Each state has a made-up benchmark of its own. What makes the state is a bundle, a tool or a cable: never a variable
that names a state.
"""

from __future__ import annotations

import contextlib
import json
import shutil
from pathlib import Path
from typing import TYPE_CHECKING, Any, NamedTuple

import pytest
import yaml

from tests.integration import made_up
from tests.integration.harness import Run
from tests.lab.at_work import make_lab_project

if TYPE_CHECKING:
    from collections.abc import Iterator

    from tests.integration.harness import LabProject
    from tests.lab.conftest import LabControl

pytestmark = pytest.mark.full

HOST = "turind8"
# A tool that the target gets and the controller has not: what needs it is built on the target.
TOOL = "lab-bench-builder"
ON_TARGET = f"""
[bundle]
name = "made-up"
version = "1.0.0"
platform = "native"

[build]
command = ["{TOOL}"]
needs = [{{ command = "{TOOL}", package = "lab-tools" }}]
"""
WITH_CARGO = """
[bundle]
name = "made-up"
version = "1.0.0"
platform = "native"

[build]
command = ["cargo", "build", "--release", "--offline"]
needs = [
  { command = "TOOL-OF-TARGET", package = "lab-tools" },
  { command = "cargo", package = "cargo", bootstrap = "rustup" },
]
""".replace("TOOL-OF-TARGET", TOOL)
# As the tool runs in the source's directory, the program there is what it "builds".
BUILDER = """#!/bin/sh
set -eu
mkdir -p "$BUNDLE_OUT/bin"
cp program "$BUNDLE_OUT/bin/run"
chmod 755 "$BUNDLE_OUT/bin/run"
"""
HWLOC = {
    "commands": [{"command": "lstopo-no-graphics", "packages": {"default": "hwloc", "apt": "hwloc-nox"}}]
}


class State(NamedTuple):
    """A readiness state with its basis, the benchmark that is in it, and whether it can run."""

    benchmark: str
    status: str
    basis: str
    runs: bool


STATES = [
    State("configured", "ready", "configured", runs=True),
    State("local", "ready_with_local_bundle", "dist", runs=True),
    State("rooted", "ready_with_local_bundle", "dist", runs=True),
    State("captured", "ready_with_captured_cache", "captured", runs=True),
    State("fallback", "ready_with_fallback", "builder", runs=True),
    State("source", "ready_with_fallback", "source", runs=True),
    State("damaged", "bundle_invalid_fallback_available", "dist", runs=True),
    State("bootstrap", "bootstrap_required", "commands", runs=False),
    State("topology", "runtime_missing", "commands", runs=False),
    State("nothing", "packaging_blocked", "bundle", runs=False),
]


class Said(NamedTuple):
    """The four runs of one situation, in their order, and what `rackbench validate` reported before the last."""

    dry: Run
    live: Run
    full: Run
    staging: dict[str, Any]


def build_on_target(project: LabProject, name: str, recipe: str) -> None:
    """Add a benchmark whose bundle only the target can build."""
    made_up.add(project, [made_up.family()], name=name, recipe=recipe, build=False)
    source = project.root / "benchmarks" / name
    (source / "bin/run").rename(source / "program")


@contextlib.contextmanager
def tool_on_target(lab: LabControl) -> Iterator[None]:
    """Put the tool on the target, and take it away again."""
    path = f"/usr/local/bin/{TOOL}"
    lab("exec", HOST, "sh", "-c", f"printf %s '{BUILDER}' > {path}; chmod 755 {path}")
    try:
        yield
    finally:
        lab("exec", HOST, "rm", "-f", path)


@pytest.fixture(scope="module")
def checkout(lab: LabControl, tmp_path_factory: pytest.TempPathFactory) -> Iterator[LabProject]:
    """A checkout with one made-up benchmark for each state, on a host that is as the states need it."""
    project = make_lab_project(tmp_path_factory.mktemp("agreement"))
    root = project.root
    one = [made_up.family()]
    bundles = {}
    for name in ("configured", "damaged"):
        made_up.add(project, one, name=name)
        (root / "configured").mkdir(exist_ok=True)
        for path in (root / "dist").glob(f"{name}-1.0.0-any.tar.gz*"):
            shutil.copy(path, root / "configured")
        bundles[name] = f"configured/{name}-1.0.0-any.tar.gz"
    tarball = root / bundles["damaged"]
    tarball.write_bytes(tarball.read_bytes()[:-1] + b"!")
    made_up.add(project, one, name="local")
    made_up.add(project, one, name="fallback", build=False)
    made_up.add(project, one, name="topology", requirements=HWLOC)
    made_up.add(project, one, name="rooted", requirements={"commands": [], "root": True})
    made_up.add(project, one, name="nothing")
    shutil.rmtree(root / "benchmarks/nothing")
    tarball = root / "dist/nothing-1.0.0-any.tar.gz"
    tarball.write_bytes(tarball.read_bytes()[:-1] + b"!")
    for name in ("captured", "source"):
        build_on_target(project, name, ON_TARGET)
    build_on_target(project, "bootstrap", WITH_CARGO)
    settings = root / "inventories/lab/group_vars/all.yml"
    settings.parent.mkdir(exist_ok=True)
    settings.write_text(yaml.safe_dump({"lab_bundles": bundles}))
    # Nothing of earlier tests may be on the host: neither bundles nor a Rust toolchain.
    cleaned = project.rackbench("hosts", "clean", "--host", HOST, "--yes")
    assert cleaned.rc == 0, cleaned.said
    with tool_on_target(lab):
        first = project.playbook("-e", "lab_benchmarks=captured", host=HOST)
        assert first.rc == 0, first.said
        yield project


def run(project: LabProject, *arguments: str) -> Run:
    """Run everything, whatever comes of it, and return the run directory that the last line names."""
    done = project.rackbench("run", "--host", HOST, *arguments)
    line = next((text for text in reversed(done.stdout.splitlines()) if text.startswith("run_dir: ")), None)
    assert line, done.said
    return Run(project.root / line.removeprefix("run_dir: "))


def all_four(project: LabProject, *arguments: str) -> Said:
    """Look at the host once, so that all that follow predict from the same, and let each say what it says."""
    run(project, *arguments, "--phases", "preflight")
    dry = run(project, *arguments, "--check")
    live = run(project, *arguments, "--phases", "preflight")
    done = project.rackbench("validate", "--host", HOST, "--scope", "staging", "--json")
    return Said(dry, live, run(project, *arguments), json.loads(done.stdout))


def by_adapter(run: Run, kind: str) -> dict[str, dict[str, Any]]:
    """Return the first record of a kind for each adapter, without what every record has of its own."""
    found: dict[str, dict[str, Any]] = {}
    for record in run.records(kind):
        body = {name: value for name, value in record.items() if name not in {"seq", "at", "mono", "kind"}}
        found.setdefault(record["adapter"], body)
    return found


@pytest.fixture(scope="module")
def said(checkout: LabProject) -> Said:
    """What is said while the host can be reached."""
    return all_four(checkout, "--benchmarks", ",".join(state.benchmark for state in STATES))


def test_every_readiness_record_is_the_same_in_dry_run_preflight_and_run(said: Said) -> None:
    dry, live, full = (by_adapter(run, "readiness") for run in (said.dry, said.live, said.full))
    assert set(dry) == {state.benchmark for state in STATES}
    assert dry == live == full


def test_every_decision_is_the_same_in_dry_run_preflight_and_run(said: Said) -> None:
    dry, live, full = (by_adapter(run, "packaging") for run in (said.dry, said.live, said.full))
    assert dry == live == full
    staged = {record["adapter"]: record for record in said.full.records("packaging")}
    assert {name: record["decision"] for name, record in staged.items()} == {
        name: record["decision"] for name, record in full.items()
    }


@pytest.mark.parametrize("state", STATES, ids=lambda state: state.benchmark)
def test_the_state_is_the_one_that_the_host_and_the_bundles_are_in(said: Said, state: State) -> None:
    for run in (said.dry, said.live, said.full):
        record = by_adapter(run, "readiness")[state.benchmark]
        assert (record["status"], record["status_basis"]) == (state.status, state.basis)
        assert record["validated_readiness_status"] == state.status
        assert record["readiness_basis"] == "live_probe"
        shown = run.status["readiness"][state.benchmark]
        assert (shown["status"], shown["status_basis"]) == (state.status, state.basis)
        report = run.document("preflight/summary.json")
        entry = next(each for each in report["readiness"] if each["adapter"] == state.benchmark)
        assert (entry["status"], entry["status_basis"]) == (state.status, state.basis)


@pytest.mark.parametrize("state", STATES, ids=lambda state: state.benchmark)
def test_the_run_did_what_was_said(said: Said, state: State) -> None:
    states = said.full.states
    if state.benchmark == "bootstrap":
        # The mirror that it would need is not named here; tests/lab/test_source_build.py goes on from this state.
        ended = {record["step"]: record for record in said.full.records("step.ended")}
        assert ended["bootstrap.stage"]["failure"]["code"] == "bootstrap_failed"
        return
    assert states[f"{state.benchmark}.stage"] == ("completed" if state.runs else "skipped")
    assert states[f"{state.benchmark}.execute"] == ("completed" if state.runs else "skipped")
    if not state.runs:
        return
    record = [each for each in said.full.records("packaging") if each["adapter"] == state.benchmark][-1]
    chosen = record["decision"]["chosen"]
    made = record["made"]
    assert (made is None) == (chosen["cost"]["build"] is None)
    staged = (made or chosen)["sha256"]
    uploads = [each for each in said.full.records("transfer") if each["direction"] == "upload"]
    assert staged in {each["sha256"] for each in uploads}


def test_the_offline_validation_predicts_what_the_host_then_shows(said: Said) -> None:
    (host,) = said.staging["hosts"]
    predicted = {entry["benchmark"]: entry["readiness"] for entry in host["staging"]["benchmarks"]}
    for state in STATES:
        entry = predicted[state.benchmark]
        assert (entry["status"], entry["status_basis"]) == (state.status, state.basis)
        assert entry["readiness_basis"] == "cached_preflight"
        assert entry["validated_readiness_status"] is None


def test_status_prints_the_state_and_its_basis(checkout: LabProject, said: Said) -> None:
    done = checkout.rackbench("status", "--run-dir", str(said.full.path))
    for state in STATES:
        assert f"{state.status} ({state.basis})" in done.stdout


def test_a_second_run_of_the_same_moves_no_bytes(checkout: LabProject, said: Said) -> None:
    assert said.full.states
    again = run(checkout, "--benchmarks", "configured,local,rooted,captured,fallback,source,damaged")
    uploads = [each for each in again.records("transfer") if each["direction"] == "upload"]
    assert len(uploads) == 7
    assert {(each["bytes"], each["reused"]) for each in uploads} == {(0, True)}
    # What had to be made is found as made now.
    sources = {
        name: record["decision"]["chosen"]["source"]
        for name, record in by_adapter(again, "packaging").items()
    }
    assert (sources["fallback"], sources["source"]) == ("dist", "captured")


def test_a_cut_cable_is_unreachable_everywhere_and_the_report_is_complete(
    lab: LabControl, checkout: LabProject, said: Said
) -> None:
    assert said.live.states
    lab("cut", HOST)
    try:
        dry = run(checkout, "--benchmarks", "local,topology", "--check")
        full = run(checkout, "--benchmarks", "local,topology")
    finally:
        lab("clear")
        lab("up")
    assert by_adapter(dry, "readiness") == by_adapter(full, "readiness")
    for name in ("local", "topology"):
        record = by_adapter(full, "readiness")[name]
        assert (record["status"], record["status_basis"]) == ("unreachable", "connectivity")
        assert full.status["readiness"][name]["status"] == "unreachable"
    assert by_adapter(full, "readiness")["topology"]["commands"][0]["package"] == "hwloc-nox"
    report = full.document("preflight/summary.json")
    assert {entry["status"] for entry in report["readiness"]} == {"unreachable"}


def test_installing_the_package_makes_the_host_ready(
    lab: LabControl, checkout: LabProject, said: Said
) -> None:
    record = by_adapter(said.full, "readiness")["topology"]
    lab("exec", HOST, "sh", "-c", record["install_command"].removeprefix("sudo "))
    try:
        after = run(checkout, "--benchmarks", "topology", "--check")
    finally:
        lab("exec", HOST, "apt-get", "purge", "--yes", "--autoremove", "hwloc-nox", "hwloc")
    assert by_adapter(after, "readiness")["topology"]["status"] == "ready_with_local_bundle"
    assert Path(after.path, "preflight/summary.md").is_file()


def test_a_user_who_may_not_become_root_is_told_so(lab: LabControl, checkout: LabProject, said: Said) -> None:
    assert by_adapter(said.full, "readiness")["rooted"]["status"] == "ready_with_local_bundle"
    lab("exec", HOST, "mv", "/etc/sudoers.d/deploy", "/etc/deploy.sudoers")
    try:
        after = run(checkout, "--benchmarks", "rooted,local")
    finally:
        lab("exec", HOST, "mv", "/etc/deploy.sudoers", "/etc/sudoers.d/deploy")
    record = by_adapter(after, "readiness")["rooted"]
    assert (record["status"], record["status_basis"]) == ("runtime_missing", "root")
    assert record["failure_code"] == "root_required"
    assert after.states["rooted.stage"] == "skipped"
    assert after.states["local.execute"] == "completed"
