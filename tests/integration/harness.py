# SPDX-License-Identifier: Apache-2.0
"""A private copy of the checkout, with a home of its own, in which tests run the real commands."""

from __future__ import annotations

import json
import os
import shutil
import subprocess
import sys
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

ROOT = Path(__file__).resolve().parents[2]
LEFT_OUT = {
    ".git", ".venv", ".lab", ".ci", ".rackbench", "automation-runs", "docs", "tests", "__pycache__",
    ".mypy_cache", ".ruff_cache", ".pytest_cache", ".hypothesis", ".ansible",
}  # fmt: skip
# A whole play on a machine that is busy with other tests.
LIMIT_S = 600


@dataclass
class Done:
    """A command that ended."""

    rc: int
    stdout: str
    stderr: str

    @property
    def said(self) -> str:
        """Everything that the command printed."""
        return self.stdout + self.stderr

    @property
    def last_line(self) -> str:
        """The last line of standard output."""
        return self.stdout.rstrip("\n").rpartition("\n")[2]


@dataclass
class LabProject:
    """A checkout in a temporary directory. Relative paths of commands start from its root."""

    root: Path
    home: Path
    environment: dict[str, str] = field(default_factory=dict)

    def environ(self) -> dict[str, str]:
        """Return the environment of commands: ours without what this session's Ansible set, and a home of their own."""
        kept = {
            name: value
            for name, value in os.environ.items()
            if not name.startswith(("ANSIBLE_", "RACKBENCH_"))
        }
        path = os.pathsep.join((str(Path(sys.executable).parent), kept["PATH"]))
        return {**kept, "HOME": str(self.home), "PATH": path, "NO_COLOR": "1", **self.environment}

    def start(self, *argv: str | Path, **options: Any) -> subprocess.Popen[str]:
        """Start a command in a session of its own, with its output in pipes."""
        return subprocess.Popen(
            [str(part) for part in argv],
            cwd=self.root,
            env=self.environ(),
            text=True,
            start_new_session=True,
            **{
                "stdin": subprocess.DEVNULL,
                "stdout": subprocess.PIPE,
                "stderr": subprocess.PIPE,
                **options,
            },
        )

    def command(self, *argv: str | Path, **options: Any) -> Done:
        """Run a command to its end; `options` are those of `Popen`."""
        process = self.start(*argv, **options)
        try:
            stdout, stderr = process.communicate(timeout=LIMIT_S)
        except subprocess.TimeoutExpired:
            os.killpg(process.pid, 9)
            raise
        return Done(process.returncode, stdout, stderr)

    def playbook(self, *arguments: str | Path, host: str = "local") -> Done:
        """Run `ansible-playbook run.yml -l HOST ARGUMENTS`."""
        return self.command("ansible-playbook", "run.yml", "-l", host, *arguments)

    def rackbench(self, *arguments: str | Path) -> Done:
        """Run the `rackbench` command."""
        return self.command("rackbench", *arguments)

    def runs(self, host: str = "local") -> list[Run]:
        """Return the runs of a host, oldest first."""
        return [Run(path) for path in sorted(self.root.glob(f"automation-runs/[0-9]*/{host}/*"))]

    def run(self, host: str = "local") -> Run:
        """Return the only run of a host."""
        (run,) = self.runs(host)
        return run


@dataclass
class Run:
    """A run directory as it is on the disk."""

    path: Path

    def document(self, name: str) -> Any:
        """Return a JSON document of the run directory."""
        return json.loads((self.path / name).read_text())

    def lines(self, name: str) -> list[Any]:
        """Return the records of a JSON-lines file of the run directory."""
        return [json.loads(line) for line in (self.path / name).read_text().splitlines()]

    @property
    def journal(self) -> list[Any]:
        """The records of the journal."""
        return self.lines("events.jsonl")

    def records(self, kind: str) -> list[Any]:
        """Return the journal's records of one kind."""
        return [record for record in self.journal if record["kind"] == kind]

    @property
    def status(self) -> Any:
        """The document status.json."""
        return self.document("status.json")

    @property
    def states(self) -> dict[str, str]:
        """How each step of the run ended, by the journal; steps that have not ended are left out."""
        return {record["step"]: record["state"] for record in self.records("step.ended")}


def make_project(folder: Path) -> LabProject:
    """Copy the checkout into `folder`, with the built bundles and without anything that runs left behind."""

    def left_out(directory: str, names: list[str]) -> set[str]:
        top = Path(directory) == ROOT
        return {name for name in names if name == "__pycache__" or (top and name in LEFT_OUT)}

    root, home = folder / "checkout", folder / "home"
    shutil.copytree(ROOT, root, symlinks=True, ignore=left_out)
    home.mkdir()
    # The lease of this machine is shared by all who use it, and each test is a lab of its own. Hosts of an inventory
    # that are all this one machine pass for several.
    lease = home / "lease{{ '-' ~ inventory_hostname if inventory_hostname != 'local' and here else '' }}"
    variables = {
        "lab_lease_dir": str(lease),
        "here": "{{ 'local' in ansible_connection | default('') }}",
        # No test may ever set a knob of this machine: there are none.
        "noise_sysfs": str(home / "no-sysfs"),
        "noise_procfs": str(home / "no-procfs"),
    }
    (root / "playbooks/group_vars").mkdir()
    (root / "playbooks/group_vars/all.yml").write_text(json.dumps(variables))
    return LabProject(root, home)
