# SPDX-License-Identifier: Apache-2.0
"""A real run that is signed: what others do with it leaves the evidence alone, and going on with it is told."""

from __future__ import annotations

import subprocess
from typing import TYPE_CHECKING

import pytest
from rackbench.ledger import rundir

from tests.integration import made_up
from tests.integration.harness import make_project

if TYPE_CHECKING:
    from pathlib import Path


@pytest.mark.full
def test_a_run_that_is_resumed_after_signing_has_outgrown_it_and_nothing_else_does(tmp_path: Path) -> None:
    project = make_project(tmp_path)
    made_up.add(project, families=[made_up.family()])
    key = project.root / "key"
    subprocess.run(["ssh-keygen", "-q", "-t", "ed25519", "-N", "", "-f", str(key)], check=True)
    done = project.rackbench("run", "--host", "local", "--benchmarks", "made-up", "--phases", "stage")
    assert done.rc == 0, done.said
    run_dir = project.run().path
    sign = ("sign", "--run-dir", str(run_dir), "--key", str(key))
    assert project.rackbench(*sign).rc == 0
    names = (rundir.STATEMENT, rundir.STATEMENT_SIGNATURE, rundir.JOURNAL_DIGESTS)
    before = {name: (run_dir / name).read_bytes() for name in names}

    for command in (
        ("recover", "--run-dir", str(run_dir)),
        ("report", "--run-dir", str(run_dir), "--output", str(tmp_path / "page.html")),
    ):
        done = project.rackbench(*command)
        assert done.rc == 0, done.said
        verified = project.rackbench("verify", str(run_dir))
        assert verified.rc == 0, (command, verified.said)

    done = project.rackbench("resume", "--run-dir", str(run_dir), "--yes")
    assert done.rc == 0, done.said
    assert {name: (run_dir / name).read_bytes() for name in names} == before
    verified = project.rackbench("verify", str(run_dir))
    assert verified.rc == 1, verified.said
    assert "[evidence_outgrown]" in verified.stdout
    # Nothing tells the resume that made these anew from somebody who changed them and appended lines.
    changed = {line.split(":")[0].strip() for line in verified.stdout.splitlines() if "_mismatch]" in line}
    assert changed == {"exports/results.csv", "exports/results.json", "exports/results.md", "report.html"}
    assert "benchmarks/made-up/made-up.only.1/result.json: It was recorded after signing" in verified.stdout
    assert project.rackbench(*sign).rc == 0
    assert project.rackbench("verify", str(run_dir)).rc == 0
