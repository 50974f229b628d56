# SPDX-License-Identifier: Apache-2.0
"""The callback rackbench.lab.run_ledger in real plays: what it records, what it never writes, how it stops one."""

from __future__ import annotations

import json
import os
import shutil
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest
from rackbench.ledger import documents, journal
from rackbench.models.journal import JournalRecord
from rackbench.models.run_documents import Status

ROOT = Path(__file__).resolve().parents[2]
SECRET = "canary-7c1f0a"
LIMIT_S = 600

CONFIG = f"""\
[defaults]
inventory = inventory.ini
collections_path = {ROOT / "collections"}
callbacks_enabled = rackbench.lab.run_ledger
stdout_callback = default
retry_files_enabled = False
"""
PLAN = """\
- name: Rackbench test play
  hosts: all
  gather_facts: false
  strategy: ansible.builtin.host_pinned
  vars:
    secret: {secret}
  tasks:
    - name: Plan the run
      rackbench.lab.plan:
        limit: all
        benchmarks: [preflight]
      register: rackbench_plan
"""
BEGIN = """\
    - name: Begin the step
      rackbench.lab.step: {run_dir: "{{ rackbench_plan.run_dir }}", step: host.discover, state: running}
"""
END = """\
    - name: End the step
      rackbench.lab.step: {run_dir: "{{ rackbench_plan.run_dir }}", step: host.discover, state: completed}
"""
CLOSE = """\
    - name: Close the run
      rackbench.lab.close: {run_dir: "{{ rackbench_plan.run_dir }}"}
"""


class Lab:
    """A directory with a small ansible.cfg, an inventory of this machine, and a playbook."""

    def __init__(self, root: Path) -> None:
        self.root = root
        (root / "ansible.cfg").write_text(CONFIG)
        self.inventory("here ansible_connection=local")

    def inventory(self, host: str) -> None:
        """Set the only host of the inventory."""
        (self.root / "inventory.ini").write_text(f"{host} ansible_python_interpreter={sys.executable}\n")

    def play(self, text: str) -> subprocess.CompletedProcess[str]:
        """Run a playbook to its end."""
        (self.root / "play.yml").write_text(text)
        kept = {k: v for k, v in os.environ.items() if not k.startswith(("ANSIBLE_", "RACKBENCH_"))}
        path = os.pathsep.join((str(Path(sys.executable).parent), kept["PATH"]))
        return subprocess.run(
            [str(Path(sys.executable).parent / "ansible-playbook"), "play.yml"],
            cwd=self.root,
            env={
                **kept,
                "PATH": path,
                "HOME": str(self.root),
                "PYTHONPATH": str(ROOT / "python"),
                "NO_COLOR": "1",
            },
            stdin=subprocess.DEVNULL,
            capture_output=True,
            text=True,
            timeout=LIMIT_S,
        )

    @property
    def run_dir(self) -> Path:
        """The only run directory."""
        (found,) = self.root.glob("automation-runs/*/here/*")
        return found

    @property
    def records(self) -> list[dict[str, Any]]:
        """The journal of the only run."""
        read = journal.read(self.run_dir / "events.jsonl")
        assert (read.torn, read.bad_lines) == (False, [])
        return read.records


@pytest.fixture
def lab(tmp_path: Path) -> Lab:
    """Return a lab of its own."""
    return Lab(tmp_path)


def plan() -> str:
    """Return the play's head and its plan task."""
    return PLAN.format(secret=SECRET)


VARIOUS = """\
    - name: "Name with {{ secret }}"
      ansible.builtin.debug: {msg: "{{ secret }}"}
    - name: Secret arguments
      ansible.builtin.command: {argv: [echo, "{{ secret }}"]}
      no_log: true
      changed_when: true
    - name: Loop over {{ item }}
      ansible.builtin.debug: {msg: "{{ secret }}"}
      loop: [one, two, "{{ secret }}"]
    - ansible.builtin.debug: {msg: without a name}
    - name: Skipped
      ansible.builtin.debug: {msg: never}
      when: false
    - name: A meta task that is skipped
      ansible.builtin.meta: end_host
      when: false
    - name: Fails and is ignored
      ansible.builtin.fail: {msg: "{{ secret }}"}
      ignore_errors: true
    - name: Include
      ansible.builtin.include_tasks: more.yml
      loop: [1, 2]
    - block:
        - name: Fails and is rescued
          ansible.builtin.fail: {msg: "{{ secret }}"}
      rescue:
        - name: Rescue
          ansible.builtin.debug: {msg: rescued}
"""


def test_a_run_is_recorded_whole_and_without_any_secret(lab: Lab) -> None:
    (lab.root / "more.yml").write_text("- name: Included\n  ansible.builtin.debug: {msg: more}\n")
    done = lab.play(plan() + BEGIN + VARIOUS + END + CLOSE)
    assert done.returncode == 0, done.stdout + done.stderr
    records = lab.records
    for record in records:
        JournalRecord.model_validate(record)
    assert [record["kind"] for record in records[:2]] == ["run.opened", "play.began"]
    assert records[1]["play"] == "Rackbench test play"
    assert records[-1]["kind"] == "run.closed"
    began = [record["task"] for record in records if record["kind"] == "task.began"]
    assert "Name with {{ secret }}" in began
    assert "Loop over {{ item }}" in began
    ended = {record["task"]: record["status"] for record in records if record["kind"] == "task.ended"}
    assert ended["Skipped"] == "skipped"
    assert ended["Fails and is ignored"] == "ignored"
    assert ended["Fails and is rescued"] == "failed"
    assert ended["Secret arguments"] == "changed"
    items = [
        record["item"]
        for record in records
        if record.get("task") == "Loop over {{ item }}" and "item" in record
    ]
    assert items == [0, 1, 2, None]
    for path in lab.run_dir.rglob("*"):
        assert not path.is_file() or SECRET not in path.read_text(errors="replace"), path
    status = json.loads((lab.run_dir / "status.json").read_text())
    Status.model_validate(status)
    assert status["steps"] == documents.current_status(lab.run_dir)["steps"]
    assert status["ledger"]["complete"] is True
    open_tasks = {record["uuid"] for record in records if record["kind"] == "task.began"}
    assert open_tasks == {record["uuid"] for record in records if record["kind"] == "task.ended"}


def test_a_playbook_that_is_not_ours_leaves_nothing_behind(lab: Lab) -> None:
    play = "- hosts: all\n  gather_facts: false\n  tasks:\n    - ansible.builtin.debug: {msg: hello}\n"
    done = lab.play(play)
    assert done.returncode == 0, done.stdout + done.stderr
    assert not list(lab.root.rglob("*.jsonl"))
    assert "rackbench" not in done.stderr


def test_a_play_that_ends_early_fails_the_open_step_and_closes_the_run(lab: Lab) -> None:
    done = lab.play(plan() + BEGIN + "    - ansible.builtin.fail: {msg: enough}\n" + END + CLOSE)
    assert done.returncode == 2
    status = documents.current_status(lab.run_dir)
    states = {row["step_id"]: (row["state"], row["code"]) for row in status["steps"]}
    assert states["host.discover"] == ("failed", "play_ended_early")
    assert states["host.finalize"][0] == "skipped"
    assert (status["state"], status["exit_status"]) == ("failed", 3)
    assert lab.records[-1]["kind"] == "run.closed"


@pytest.mark.skipif(shutil.which("ssh") is None, reason="There is no ssh client here.")
def test_a_host_that_is_lost_closes_its_run_as_unreachable(lab: Lab) -> None:
    lab.inventory("here ansible_connection=ssh ansible_host=127.0.0.1 ansible_port=1")
    done = lab.play(plan() + BEGIN + "    - name: Reach it\n      ansible.builtin.ping:\n" + END + CLOSE)
    assert done.returncode == 4, done.stdout + done.stderr
    status = documents.current_status(lab.run_dir)
    assert (status["state"], status["exit_status"]) == ("failed", 3)
    primary = status["alerts"]["primary"]
    assert (primary["step"], primary["code"]) == ("host.discover", "host_unreachable")
    assert primary["next_command"] == "rackbench validate --host here --scope connectivity"
    kinds = [record["kind"] for record in lab.records]
    assert kinds[-1] == "run.closed"


def test_a_ledger_that_cannot_be_written_stops_the_play_with_one_clear_error(lab: Lab) -> None:
    # A directory in the place of status.json can be replaced by nobody, not even by root.
    harm = """\
    - name: Take the place of status.json
      ansible.builtin.shell: |
        rm {{ rackbench_plan.run_dir }}/status.json
        mkdir -p {{ rackbench_plan.run_dir }}/status.json/in_the_way
      changed_when: true
"""
    done = lab.play(plan() + BEGIN + harm + END + CLOSE)
    said = done.stdout + done.stderr
    assert done.returncode == 1, said
    assert "ledger_write_failed" in said
    assert "status.json cannot be written" in said
    assert "run.closed" not in [record["kind"] for record in lab.records]
