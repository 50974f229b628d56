# SPDX-License-Identifier: Apache-2.0
"""Whole runs on the lab's hosts: a private copy of the checkout that reaches the lab, and what a run must leave."""

from __future__ import annotations

import contextlib
import json
import time
from typing import TYPE_CHECKING, Any

import yaml
from rackbench.files import sha256_of
from rackbench.models import export, journal, preflight, run_documents

from tests.integration.harness import LIMIT_S, ROOT, Done, LabProject, Run, make_project

if TYPE_CHECKING:
    import subprocess
    from collections.abc import Callable, Iterator
    from pathlib import Path

    from tests.lab.conftest import LabControl

MODELS: dict[str, Any] = {
    "status.json": run_documents.Status,
    "run_manifest.json": run_documents.RunManifest,
    "artifact_manifest.json": run_documents.ArtifactManifest,
    "publish_ledger.json": run_documents.PublishLedger,
    "host_inventory_snapshot.json": run_documents.HostInventorySnapshot,
}
LINES: dict[str, Any] = {
    "events.jsonl": journal.JournalRecord,
    "command_ledger.jsonl": run_documents.CommandLine,
    "transfer_ledger.jsonl": run_documents.TransferLine,
}
FOLDERS: dict[str, Any] = {
    "state/steps/*.json": run_documents.StepDocument,
    "state/live/*.json": run_documents.LiveBeat,
    "exports/results.json": export.Export,
    "preflight/summary.json": preflight.Preflight,
}
OVER = {"completed", "failed", "skipped"}
# What a person has in ~/.ssh/config, in the lab's own terms: {way} is how ssh gets from here to loki, behind thor.
SSH_CONFIG = """
Host thor
  HostName 10.77.1.10
  Port 2201
  User jump
  HostKeyAlias thor
  ProxyCommand {root}/tests/lab/lab.py proxy %h %p
Host loki
  HostName 10.77.2.11
  Port 2202
  User hop
  HostKeyAlias loki
  IdentityFile {root}/.lab/run/secrets/id_ed25519
  IdentitiesOnly yes
  ProxyCommand {way}
Host *
  UserKnownHostsFile {root}/.lab/run/known_hosts
  StrictHostKeyChecking yes
"""


def ssh_config(way: str) -> str:
    """Return the settings with which ssh, called by a person or by git, reaches thor, and loki by this ProxyCommand."""
    return SSH_CONFIG.format(root=ROOT, way=way)


def make_lab_project(folder: Path) -> LabProject:
    """Copy the checkout into `folder`; the copy's inventory leads to the lab of the original."""
    project = make_project(folder)
    (project.root / ".lab").symlink_to(ROOT / ".lab")
    (project.root / "tests").mkdir()
    (project.root / "tests/lab").symlink_to(ROOT / "tests/lab")
    return project


def check_left_behind(project: LabProject, path: Path) -> Run:
    """Assert that a closed run's directory is valid, and return it.

    Every document is there, is whole and fits its model; the journal has all its records; each registered file has its
    digest; `rackbench status` says the same as status.json. What a benchmark wrote is its own business.
    """
    run = Run(path)
    for name, model in MODELS.items():
        model.model_validate(run.document(name))
    for pattern, model in FOLDERS.items():
        for document in path.glob(pattern):
            model.model_validate_json(document.read_text())
    for name, model in LINES.items():
        for line in run.lines(name) if (path / name).exists() else ():
            model.model_validate(line)
    assert [record["seq"] for record in run.journal] == list(range(1, len(run.journal) + 1))
    for row in run.document("artifact_manifest.json")["artifacts"]:
        assert sha256_of(path / row["path"]) == row["sha256"], row["path"]
    assert not list(path.rglob("*.tmp"))

    status = run.status
    assert status["state"] in {"completed", "failed"}
    assert status["ledger"]["complete"], status["ledger"]
    assert {step["state"] for step in status["steps"]} <= OVER
    asked = project.rackbench("status", "--run-dir", path, "--json")
    assert asked.rc == status["exit_status"], asked.said
    now = json.loads(asked.stdout)
    for name in ("state", "exit_status", "steps", "executions", "artifacts", "tasks"):
        assert now[name] == status[name], name
    return run


def failure_of(run: Run, step: str) -> dict[str, Any]:
    """Return the failure with which a step ended."""
    (ended,) = [record for record in run.records("step.ended") if record["step"] == step]
    failure: dict[str, Any] = ended["failure"]
    assert failure is not None, ended
    return failure


def finish(process: subprocess.Popen[str]) -> Done:
    """Wait for a command that was started."""
    stdout, stderr = process.communicate(timeout=LIMIT_S)
    return Done(process.returncode, stdout, stderr)


def wait_for(condition: Callable[[], object], process: subprocess.Popen[str] | None = None) -> None:
    """Wait until something is so; a process that it depends on must not end before."""
    deadline = time.monotonic() + LIMIT_S
    while not condition():
        assert process is None or process.poll() is None, process.communicate()
        assert time.monotonic() < deadline, "the condition did not come true"
        time.sleep(0.2)


# Python's sleep fails under DONT_FAKE_MONOTONIC; a monotonic clock with another beginning harms nobody.
LATE = """#!/bin/sh
export LD_PRELOAD=/usr/lib/x86_64-linux-gnu/faketime/libfaketime.so.1 FAKETIME=+8h
exec /usr/bin/python3 "$@"
"""


@contextlib.contextmanager
def late_clock(lab: LabControl, project: LabProject, host: str) -> Iterator[None]:
    """Let a host's Python, and all that it starts, see a clock that is eight hours ahead."""
    path = project.root / "inventories/lab/lab.yml"
    before = path.read_text()
    lab("exec", host, "apt-get", "-y", "install", "libfaketime")
    try:
        lab("exec", host, "sh", "-c", 'printf %s "$1" > /usr/local/bin/python-late', "write", LATE)
        lab("exec", host, "chmod", "755", "/usr/local/bin/python-late")
        document = yaml.safe_load(before)
        document["hosts"][host]["python"] = "/usr/local/bin/python-late"
        path.write_text(yaml.safe_dump(document))
        yield
    finally:
        path.write_text(before)
        lab("exec", host, "apt-get", "-y", "purge", "--auto-remove", "libfaketime")
        lab("exec", host, "rm", "-f", "/usr/local/bin/python-late")
