# SPDX-License-Identifier: Apache-2.0
"""A Rust benchmark built on a lab host: Rust comes from a mirror, and the next run finds the captured result."""

from __future__ import annotations

import json
import os
import sys
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pytest

from tests.integration import made_up
from tests.lab.at_work import check_left_behind, failure_of, make_lab_project

if TYPE_CHECKING:
    from collections.abc import Iterator

    from tests.integration.harness import LabProject, Run
    from tests.lab.conftest import LabControl
    from tests.lab.rust_mirror import RustMirror

pytestmark = pytest.mark.full

HOST = "turind8"
RUST = "/home/deploy/.rackbench/rust"
SYSTEM_CARGO = "/usr/local/bin/cargo"
# The controller's PATH lacks `chroot`, so nothing is built there; the host's build finds it.
TOML = """
[bundle]
name = "made-up"
version = "1.0.0"
platform = "native"

[build]
command = ["sh", "-ec", "cargo build --release --offline; mkdir $BUNDLE_OUT/bin; mv target/release/wheel $BUNDLE_OUT/bin/run"]
needs = [
  { command = "cargo", package = "cargo", bootstrap = "rustup" },
  { command = "cc", package = "gcc" },
  { command = "chroot", package = "coreutils" },
]
"""  # noqa: E501
CARGO = """[package]
name = "wheel"
version = "1.0.0"
edition = "2021"
"""
PROGRAM = """use std::{env, fs, path::Path};

fn main() -> std::io::Result<()> {
    let arguments: Vec<String> = env::args().collect();
    let at = arguments.iter().position(|each| each == "--out").expect("--out is missing");
    fs::write(Path::new(&arguments[at + 1]).join("result.json"), RESULT)
}

const RESULT: &str = r#"{"schema": "rackbench.result/1.0", "benchmark": {"name": "made-up", "version": "1.0.0"},
 "status": "passed", "started_at": "2026-11-21T08:00:00Z", "duration_s": 0.5, "metrics": [{"name": "turn_rate",
 "unit": "turns/s", "direction": "higher", "samples": [40.0, 44.0, 42.0], "labels": {"family": "only"}}],
 "checks": [{"name": "sum", "ok": true, "detail": "as expected"}], "skipped": [], "facts": {}}"#;
"""
PLAIN_PATH = os.pathsep.join((str(Path(sys.executable).parent), "/usr/bin", "/bin"))


def add(project: LabProject, program: str = PROGRAM) -> Path:
    """Give the project a benchmark whose repository is a Rust crate; return the repository."""
    made_up.add(project, families=[made_up.family()], requirements={"commands": []})
    for path in (project.root / "dist").glob("made-up-*"):
        path.unlink()
    repo = project.root / "benchmarks/made-up"
    (repo / "bin/run").unlink()
    (repo / "src").mkdir()
    (repo / "bundle.toml").write_text(TOML)
    (repo / "Cargo.toml").write_text(CARGO)
    (repo / "src/main.rs").write_text(program)
    project.environment["PATH"] = PLAIN_PATH
    return repo


@pytest.fixture(scope="module")
def compiler(lab: LabControl) -> Iterator[LabControl]:
    """The lab with a C compiler on the host, as cargo needs it to link."""
    packages = ("gcc", "libc6-dev")
    lab("exec", HOST, "apt-get", "install", "--yes", "--no-install-recommends", *packages)
    yield lab
    lab("exec", HOST, "apt-get", "purge", "--yes", "--autoremove", *packages)


def run(project: LabProject, mirror: RustMirror, phases: str = "publish") -> tuple[int, Run]:
    """Run the benchmark on the host, and check what that left."""
    done = project.playbook(
        "-e",
        "lab_benchmarks=made-up",
        "-e",
        f"lab_phases={phases}",
        "-e",
        json.dumps(mirror.variables),
        host=HOST,
    )
    assert project.runs(HOST), done.said
    return done.rc, check_left_behind(project, project.runs(HOST)[-1].path)


def actions(found: Run) -> list[str]:
    """Return the actions of the run's tasks that may install or build something."""
    ours = {"rackbench.lab.rust_toolchain", "rackbench.lab.source_build"}
    return [record["action"] for record in found.records("task.began") if record["action"] in ours]


def packaging(found: Run) -> dict[str, Any]:
    """Return the last word about the bundle."""
    record: dict[str, Any] = found.records("packaging")[-1]
    return record


def test_a_host_without_cargo_gets_it_builds_and_the_next_run_builds_and_moves_nothing(
    compiler: LabControl, rust_mirror: RustMirror, tmp_path: Path
) -> None:
    compiler("exec", HOST, "rm", "-rf", RUST)
    project = make_lab_project(tmp_path)
    add(project)
    rc, first = run(project, rust_mirror)
    assert rc == 0, first.status["alerts"]
    assert first.records("readiness")[-1]["status"] == "bootstrap_required"
    assert actions(first) == ["rackbench.lab.rust_toolchain", "rackbench.lab.source_build"]
    record = packaging(first)
    assert record["decision"] == first.records("packaging")[0]["decision"]
    assert record["decision"]["basis"] == "source"
    provenance = json.loads(Path(f"{record['made']['path']}.json").read_text())["provenance"]
    assert provenance["captured_from"]["host"] == HOST
    assert provenance["tool_versions"]["cargo"].startswith("cargo 1.")
    assert provenance["tool_versions"]["rustc"].startswith("rustc 1.")
    build = next(each for each in first.records("command") if each.get("execution") is None)
    assert (build["where"], build["rc"]) == ("target", 0)
    assert "Compiling wheel" in (first.path / build["log"]).read_text()
    assert first.records("step.beat")
    assert [each["status"] for each in first.records("result")] == ["passed"]

    rc, second = run(project, rust_mirror)
    assert rc == 0, second.status["alerts"]
    chosen = packaging(second)["decision"]["chosen"]
    assert (chosen["source"], chosen["sha256"]) == ("captured", record["made"]["sha256"])
    assert actions(second) == []
    uploads = [each for each in second.records("transfer") if each["direction"] == "upload"]
    assert [each["reused"] for each in uploads] == [True]


def test_a_crate_that_does_not_compile_is_named_with_the_compilers_words_where_cargo_is_already(
    compiler: LabControl, rust_mirror: RustMirror, tmp_path: Path
) -> None:
    project = make_lab_project(tmp_path)
    repo = add(project)
    # The test above leaves a toolchain behind, but need not have run.
    rc, there = run(project, rust_mirror, "stage")
    assert rc == 0, there.status["alerts"]
    (repo / "src/main.rs").write_text(PROGRAM.replace("env::args()", "env::no_such_thing()"))
    compiler("exec", HOST, "ln", "-s", f"{RUST}/cargo/bin/cargo", SYSTEM_CARGO)
    try:
        rc, broken = run(project, rust_mirror, "stage")
    finally:
        compiler("exec", HOST, "rm", SYSTEM_CARGO)
    assert rc == 2
    assert actions(broken) == ["rackbench.lab.source_build"]
    failure = failure_of(broken, "made-up.stage")
    assert failure["code"] == "source_build_failed"
    assert "no_such_thing" in failure["detail"]
    assert "no_such_thing" in (broken.path / failure["next_path"]).read_text()
