# SPDX-License-Identifier: GPL-3.0-or-later
"""Jobs on real hosts with systemd: as root a unit that ends whole, as a user a session that outlives its connection."""

from __future__ import annotations

import hashlib
import json
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import pytest
from rackbench.ledger.verdict import judge

from tests.lab.at_work import wait_for

if TYPE_CHECKING:
    from pathlib import Path

    from tests.lab.conftest import LabControl

pytestmark = pytest.mark.full

HOST, USER = "turind8", "deploy"
RUN_ID = "20261121T080000Z-units"
PATIENCE_S = 120
# Leaves a process that belongs to no group, session or parent of ours, and waits; `good` says what it was given.
PROGRAM = """#!/bin/sh
out="$4"
{ ulimit -n; ulimit -l; ulimit -u; ulimit -c; } > "$out/limits"
env > "$out/environment"
if grep -q good "$2"; then exit 0; fi
setsid sh -c 'sleep 10000 & echo $! > "$1/daemon"' daemon "$out" &
wait
echo > "$out/ready"
while [ ! -e "$out/go" ]; do sleep 0.1; done
"""
DIGEST = hashlib.sha256(PROGRAM.encode()).hexdigest()
MARKER = {"files": [{"path": "bin/run", "size": len(PROGRAM), "sha256": DIGEST}]}
CALL_MODULE = """
from ansible.plugins.action import ActionBase


class ActionModule(ActionBase):
    def run(self, tmp=None, task_vars=None):
        module, arguments = self._task.args["module"], self._task.args["arguments"]
        return self._execute_module(module_name=module, module_args=arguments, task_vars=task_vars)
"""


@dataclass(frozen=True)
class Account:
    """Root or the login's own user on the host, and the calls that the action plugins make there."""

    lab: LabControl
    actions: Path
    root: bool

    @property
    def home(self) -> str:
        """Where this user has everything of ours."""
        return "/root" if self.root else f"/home/{USER}"

    def call(self, module: str, **arguments: Any) -> dict[str, Any]:
        """Run a module of ours over ssh and return its result."""
        done = self.lab.tool(
            "ansible",
            HOST,
            *(["--become"] if self.root else []),
            "-m",
            "call_module",
            "-a",
            json.dumps({"module": f"rackbench.lab.{module}", "arguments": arguments}),
            env={
                "ANSIBLE_ACTION_PLUGINS": str(self.actions),
                "ANSIBLE_LOAD_CALLBACK_PLUGINS": "1",
                "ANSIBLE_STDOUT_CALLBACK": "ansible.builtin.minimal",
                "ANSIBLE_NOCOLOR": "1",
            },
        )
        assert "{" in done.stdout, done.stdout + done.stderr
        result: dict[str, Any] = json.loads(done.stdout[done.stdout.index("{") :])
        return result

    def job(self, state: str, act: str, **arguments: Any) -> dict[str, Any]:
        """Call the job module for one execution."""
        result = self.call("target_job", state=state, run_id=RUN_ID, execution_id=name_of(act), **arguments)
        assert not result.get("failed"), result
        return result

    def start(self, act: str, **arguments: Any) -> dict[str, Any]:
        """Start an execution that does one thing."""
        job = {"parameters": {"act": act}}
        return self.job(
            "started", act, bundle=DIGEST, entry_point="bin/run", job=job, time_limit_s=600, **arguments
        )

    def stage(self) -> None:
        """Put the bundle to its place as an unpacked one, owned by this user."""
        place = f"{self.home}/.rackbench/bundles/{DIGEST}"
        script = f"mkdir -p {place}/bin && cat > {place}/bin/run && chmod 755 {place}/bin/run"
        self.as_user("sh", "-ec", f'printf %s "$1" | ({script})', "sh", PROGRAM)
        self.as_user("sh", "-ec", f'printf %s "$1" > {place}/.complete', "sh", json.dumps(MARKER))

    def as_user(self, *command: str) -> str:
        """Run a command on the host as this user."""
        user = () if self.root else ("runuser", "-u", USER, "--")
        return self.lab("exec", HOST, *user, *command)

    def out(self, act: str, name: str) -> str:
        """Return the path of a file that an execution writes."""
        return f"{self.home}/.rackbench/jobs/{RUN_ID}/{name_of(act)}/out/{name}"

    def read(self, act: str, name: str) -> str:
        """Return what an execution wrote to a file, nothing while it is not there."""
        return self.lab("exec", HOST, "sh", "-c", f"cat '{self.out(act, name)}' 2>/dev/null || true")


def name_of(act: str) -> str:
    """Return the name of an execution; systemd would put the value of a variable in place of a part of it."""
    return f"made-up.{act}$HOME.1"


def is_there(lab: LabControl, pid: int) -> bool:
    """Say whether a process of the host lives."""
    return bool(lab("exec", HOST, "sh", "-c", f"ps -o pid= -p {pid} || true").strip())


def properties(lab: LabControl, unit: str, *names: str) -> dict[str, str]:
    """Return properties of a unit as anybody on the host may read them."""
    wanted = [f"--property={name}" for name in names]
    lines = lab("exec", HOST, "systemctl", "show", *wanted, unit).splitlines()
    return dict(line.split("=", 1) for line in lines)


def account(lab: LabControl, folder: Path, *, root: bool) -> Account:
    (folder / "call_module.py").write_text(CALL_MODULE)
    made = Account(lab, folder, root)
    lab("exec", HOST, "rm", "-rf", f"{made.home}/.rackbench")
    made.stage()
    return made


@pytest.fixture
def root(lab: LabControl, tmp_path: Path) -> Account:
    return account(lab, tmp_path, root=True)


@pytest.fixture
def user(lab: LabControl, tmp_path: Path) -> Account:
    return account(lab, tmp_path, root=False)


def begun(who: Account, **arguments: Any) -> tuple[dict[str, Any], int]:
    """Start an execution that waits; return its state and the process that left it."""
    who.start("stay", **arguments)
    wait_for(lambda: who.read("stay", "ready"))
    return who.job("waited", "stay")["job_state"], int(who.read("stay", "daemon"))


def test_a_job_of_root_is_a_unit_and_a_stop_ends_also_what_left_its_group(
    lab: LabControl, root: Account
) -> None:
    state, daemon = begun(root)
    unit = state["unit"]
    job_dir = f"/root/.rackbench/jobs/{RUN_ID}/{name_of('stay')}"
    assert unit == f"rackbench-{hashlib.sha256(job_dir.encode()).hexdigest()[:16]}"
    shown = properties(lab, unit, "ActiveState", "MainPID", "Environment")
    assert (shown["ActiveState"], int(shown["MainPID"])) == ("active", state["pid"])
    # Nothing but where programs and the home are: everybody may read it.
    names = {word.partition("=")[0] for word in shown["Environment"].split()}
    assert names <= {"HOME", "PATH", "USER", "LD_LIBRARY_PATH"}
    assert f"/{unit}.service" in lab("exec", HOST, "cat", f"/proc/{daemon}/cgroup")

    stopped = root.job("stopped", "stay", by="thora@desk", reason="tea")
    assert stopped["job_state"]["outcome"] == "cancelled", stopped
    assert stopped["job_state"]["reason"] == "thora@desk stopped it: tea"
    assert not is_there(lab, daemon)
    wait_for(lambda: properties(lab, unit, "LoadState")["LoadState"] == "not-found")
    assert root.job("absent", "stay")["changed"]


def test_a_unit_whose_supervisor_is_killed_leaves_nothing_and_is_lost(lab: LabControl, root: Account) -> None:
    state, daemon = begun(root)
    lab("exec", HOST, "kill", "-KILL", str(state["pid"]))
    wait_for(lambda: not is_there(lab, daemon))
    wait_for(lambda: properties(lab, state["unit"], "LoadState")["LoadState"] == "not-found")
    assert root.job("waited", "stay")["job_state"]["outcome"] == "lost"


def test_a_unit_has_the_limits_of_the_login_and_inherited_variables_need_a_session(
    lab: LabControl, root: Account
) -> None:
    unit = root.start("good", wait_s=PATIENCE_S)["job_state"]
    # sudo sets it, so it is there to be taken over.
    session = root.start("good.session", wait_s=PATIENCE_S, inherited=["SUDO_USER"])["job_state"]
    assert (unit["outcome"], session["outcome"]) == ("passed", "passed")
    assert unit["unit"] is not None
    assert session["unit"] is None
    assert root.read("good", "limits") == root.read("good.session", "limits") != ""
    given = [set(root.read(act, "environment").splitlines()) for act in ("good", "good.session")]
    assert given[1] - given[0] == {f"SUDO_USER={USER}"}
    assert "HOME=/root" in given[0]


def test_a_reboot_in_order_makes_the_job_of_a_unit_lost_and_void(
    broken_lab: LabControl, root: Account
) -> None:
    state, _daemon = begun(root)
    broken_lab("reboot", HOST)
    answer = root.job("waited", "stay")
    assert answer["job_state"]["boot_id"] == state["boot_id"]
    assert (answer["job_state"]["outcome"], answer["job_state"]["reason"]) == ("lost", "target_rebooted")
    verdict = judge(answer["conditions"], outcome="lost", clock_offset_s=0.0)
    assert verdict.verdict == "void"
    assert "The machine rebooted." in verdict.reasons


def test_a_job_of_a_user_outlives_the_connection_in_a_session_of_its_own(
    lab: LabControl, user: Account
) -> None:
    state, daemon = begun(user)
    assert state["unit"] is None
    sessions = lab("exec", HOST, "ps", "-o", "sid=", "-p", f"{state['pid']}").split()
    # The line breaks: each sshd that serves this user dies.
    for pid in lab("exec", HOST, "sh", "-c", f"pgrep -u {USER} -x sshd || true").split():
        lab("exec", HOST, "sh", "-c", f"kill -KILL {pid} || true")
    wait_for(lambda: not lab("exec", HOST, "sh", "-c", f"pgrep -u {USER} -x sshd || true").split())
    assert is_there(lab, state["pid"])
    assert is_there(lab, daemon)
    assert sessions != lab("exec", HOST, "ps", "-o", "sid=", "-p", "1").split()
    user.as_user("touch", user.out("stay", "go"))
    ended = user.job("waited", "stay", wait_s=PATIENCE_S)
    assert (ended["job_state"]["outcome"], ended["job_state"]["pid"]) == ("passed", state["pid"])
    assert not is_there(lab, daemon)
