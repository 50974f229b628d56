#!/usr/bin/python
# Copyright (c) 2026 Rackbench contributors
# SPDX-License-Identifier: Apache-2.0

from __future__ import annotations

DOCUMENTATION = r"""
module: job
short_description: Run a benchmark detached on a target, and wait for it
version_added: 0.1.0
description:
  - Starts one execution of a benchmark under a small supervisor which outlives the connection, or waits for one.
  - An execution that was begun is never begun a second time; O(state=started) finds it again.
  - An execution whose supervisor vanished is ended as lost, and what is left of its processes is killed.
  - The action plugin of the same name starts and then waits. Use the action in playbooks; its options are O(run_dir),
    O(adapter) and O(execution).
attributes:
  check_mode:
    support: full
    description: Nothing is started, and a lost execution is reported but not written down.
  diff_mode:
    support: none
    description: There is nothing to show a difference of.
  idempotent:
    support: full
    description: Executions are known by O(run_id) and O(execution_id).
options:
  run_dir:
    description: The run's directory on the controller. Read by the action plugin only.
    type: path
  adapter:
    description: The adapter that is executed. Read by the action plugin only.
    type: str
  execution:
    description: The planned execution, as the plan gives it. Read by the action plugin only.
    type: dict
  root:
    description: The directory on the target that holds everything of Rackbench.
    type: str
    default: ~/.rackbench
  state:
    description:
      - V(started) makes the job directory, starts the supervisor and waits up to O(wait_s) for the end.
      - V(waited) only waits.
    type: str
    choices: [started, waited]
    default: started
  run_id:
    description: The run that the execution belongs to. The action plugin gives it.
    type: str
  execution_id:
    description: The execution's name within the run. The action plugin gives it.
    type: str
  bundle:
    description: The SHA-256 of the bundle to run. Needed with O(state=started).
    type: str
  entry_point:
    description: The bundle's program, relative to its directory. Needed with O(state=started).
    type: str
  job:
    description: The document that the benchmark reads as C(job.json). Needed with O(state=started).
    type: dict
  inherited:
    description:
      - Names of environment variables that the benchmark takes over from where it is started. Their values stand in no
        file.
    type: list
    elements: str
    default: []
  time_limit_s:
    description: Seconds after which the benchmark is ended. Needed with O(state=started).
    type: float
  grace_s:
    description: Seconds between C(SIGTERM) and C(SIGKILL).
    type: float
    default: 10
  interval_s:
    description: Seconds between heartbeats.
    type: float
    default: 1
  wait_s:
    description: Seconds to wait for the end. It answers at once when the execution ends.
    type: float
    default: 0
author:
  - Rackbench contributors (!UNKNOWN)
"""

EXAMPLES = r"""
- name: Run the benchmark
  rackbench.lab.job:
    run_dir: "{{ rackbench_plan.run_dir }}"
    adapter: latency
    execution: "{{ lab_execution }}"
  loop: "{{ lifecycle_step.executions }}"
  loop_control:
    loop_var: lab_execution
    label: "{{ lab_execution.execution_id }}"
"""

RETURN = r"""
job_dir:
  description: The job directory on the target.
  returned: success
  type: str
  sample: /home/lab/.rackbench/jobs/20261121T080000Z-thor/latency.smoke.1
started:
  description: Whether this call started the benchmark.
  returned: success
  type: bool
  sample: true
argv:
  description: The command that the supervisor runs.
  returned: success
  type: list
  elements: str
  sample: [/home/lab/.rackbench/bundles/5f0c/bin/run, --config, job.json, --out, out]
job_state:
  description: The execution's C(state.json).
  returned: success
  type: dict
  sample: {state: ended, outcome: passed, rc: 0, duration_s: 4.2}
heartbeat:
  description: The execution's last C(heartbeat.json).
  returned: success
  type: dict
  sample: {done: 3, total: 10, unit: pairs, elapsed_s: 2.0}
stderr_tail:
  description: The last lines that the benchmark wrote to standard error.
  returned: when the execution has ended and did not pass
  type: str
  sample: "bin/run: no such option"
"""

import contextlib
import hashlib
import os
import signal
import subprocess
import sys
import time
from pathlib import Path
from typing import Any

from ansible.module_utils.basic import AnsibleModule
from ansible_collections.rackbench.lab.plugins.module_utils import _store, _supervisor
from ansible_collections.rackbench.lab.plugins.module_utils._target import (
    DIGEST,
    INSIDE,
    NAME,
    ROOT_OPTION,
    TargetError,
    answer,
    require,
    root_of,
)

SETTLE_S = 60.0
POLL_S = 0.1
# What the supervisor gets of our environment. On the controller there may be secrets in the rest.
ENVIRONMENT = ("PATH", "HOME", "USER", "LD_LIBRARY_PATH")
TAIL_BYTES = 4096


def main() -> None:
    """Run the module."""
    module = AnsibleModule(
        argument_spec={
            **ROOT_OPTION,
            "run_dir": {"type": "path"},
            "adapter": {"type": "str"},
            "execution": {"type": "dict"},
            "state": {"type": "str", "choices": ["started", "waited"], "default": "started"},
            "run_id": {"type": "str"},
            "execution_id": {"type": "str"},
            "bundle": {"type": "str"},
            "entry_point": {"type": "str"},
            "job": {"type": "dict"},
            "inherited": {"type": "list", "elements": "str", "default": []},
            "time_limit_s": {"type": "float"},
            "grace_s": {"type": "float", "default": 10},
            "interval_s": {"type": "float", "default": 1},
            "wait_s": {"type": "float", "default": 0},
        },
        required_if=[
            ("state", "started", ["run_id", "execution_id", "bundle", "entry_point", "job", "time_limit_s"]),
            ("state", "waited", ["run_id", "execution_id"]),
        ],
        supports_check_mode=True,
    )
    answer(module, work)


def work(module: Any) -> dict[str, Any]:
    """Return the module's result."""
    root = root_of(module)
    run_id = require(NAME, module.params["run_id"], "run id")
    execution_id = require(NAME, module.params["execution_id"], "execution id")
    job_dir = root / "jobs" / run_id / execution_id
    started = False
    if module.params["state"] == "started":
        started = start(module, root, job_dir)
        if module.check_mode and not job_dir.is_dir():
            return {
                "changed": True,
                "job_dir": str(job_dir),
                "started": True,
                "argv": [],
                "job_state": {},
                "heartbeat": {},
            }
    elif not job_dir.is_dir():
        raise TargetError("execution_lost", f"The job directory {job_dir} is gone.")
    state = wait(job_dir, float(module.params["wait_s"]), may_write=not module.check_mode)
    spec = _supervisor.read_document(job_dir / "spec.json") or {}
    if state["state"] == "ended" and spec and not module.check_mode:
        # The next execution of this run may be about to begin with the same bundle.
        _store.touch(Path(spec["bundle_dir"]))
    result = {
        "changed": started,
        "job_dir": str(job_dir),
        "started": started,
        "argv": spec.get("argv", []),
        "job_state": state,
        "heartbeat": _supervisor.read_document(job_dir / "heartbeat.json") or {},
    }
    if state["state"] == "ended" and state["outcome"] != "passed":
        result["stderr_tail"] = tail(job_dir / "stderr") or tail(job_dir / "supervisor.log")
    return result


def start(module: Any, root: Path, job_dir: Path) -> bool:
    """Make the job directory and start its supervisor, unless both happened before; return whether this call did."""
    bundle = root / "bundles" / require(DIGEST, module.params["bundle"], "SHA-256")
    known = _supervisor.read_document(job_dir / "spec.json")
    if known is not None and known.get("bundle_dir") != str(bundle):
        raise TargetError(
            "execution_conflict", f"{job_dir} was begun with another bundle: {known.get('bundle_dir')}."
        )
    if module.check_mode:
        return known is None
    if known is None or state_of(job_dir)["state"] == "starting":
        # Nobody removes the bundle while it is looked at, nor later: a job that was made holds it.
        with _store.locked(root, exclusive=False):
            if _store.verify(bundle) is None:
                raise TargetError("bundle_not_staged", f"The bundle is not on the target: {bundle}.")
            _store.touch(bundle)
            if known is None:
                _supervisor.prepare(job_dir, spec_of(module, bundle, job_dir), module.params["job"])
    if state_of(job_dir)["state"] != "starting":
        return False
    launch(root, job_dir, [*ENVIRONMENT, *module.params["inherited"]])
    return True


def spec_of(module: Any, bundle: Path, job_dir: Path) -> dict[str, Any]:
    """Return what the supervisor is told to run. Raises `TargetError` for a program that is not of the bundle."""
    return {
        "run_id": module.params["run_id"],
        "execution_id": module.params["execution_id"],
        "bundle_dir": str(bundle),
        "argv": [
            str(bundle / require(INSIDE, module.params["entry_point"], "path inside a bundle")),
            "--config",
            str(job_dir / "job.json"),
            "--out",
            str(job_dir / "out"),
        ],
        "inherited": module.params["inherited"],
        "time_limit_s": module.params["time_limit_s"],
        "grace_s": module.params["grace_s"],
        "interval_s": max(0.1, module.params["interval_s"]),
    }


def launch(root: Path, job_dir: Path, environment: list[str]) -> None:
    """Start the supervisor and wait until it has begun. Raises `TargetError` if it does not."""
    program = install(root)
    began = subprocess.run(  # pylint: disable=ansible-bad-function # a list of arguments, apart from AnsibleModule
        [sys.executable, "-I", str(program), str(job_dir)],
        stdin=subprocess.DEVNULL,
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        cwd="/",
        env={name: os.environ[name] for name in environment if name in os.environ},
        check=False,
    )
    deadline = time.monotonic() + SETTLE_S
    while began.returncode == 0 and time.monotonic() < deadline:
        if state_of(job_dir)["state"] != "starting":
            return
        time.sleep(POLL_S)
    said = began.stdout.decode("utf-8", "replace") or tail(job_dir / "supervisor.log")
    raise TargetError("execution_lost", f"The supervisor did not start: {said.strip() or 'it said nothing'}.")


def install(root: Path) -> Path:
    """Return the supervisor's program on this target; it is named by its digest and written if it is missing."""
    # The module runs from a zip file, where only the loader can read sources.
    loader: Any = _supervisor.__loader__
    source: bytes = loader.get_data(_supervisor.__file__)
    program = root / "lib" / f"supervisor-{hashlib.sha256(source).hexdigest()[:16]}.py"
    with contextlib.suppress(OSError):
        if program.read_bytes() == source:
            return program
    program.parent.mkdir(parents=True, exist_ok=True)
    temporary = program.with_name(f".{program.name}.{os.getpid()}.tmp")
    try:
        temporary.write_bytes(source)
        temporary.replace(program)
    finally:
        with contextlib.suppress(OSError):
            temporary.unlink()
    return program


def wait(job_dir: Path, wait_s: float, *, may_write: bool) -> dict[str, Any]:
    """Return the execution's state: at its end, or after `wait_s` seconds."""
    deadline = time.monotonic() + wait_s
    while True:
        state = state_of(job_dir)
        if state["state"] == "running" and is_gone(state):
            state = declare_lost(job_dir, may_write=may_write)
        left = deadline - time.monotonic()
        if state["state"] == "ended" or left <= 0:
            return state
        time.sleep(min(POLL_S, left))


def is_gone(state: dict[str, Any]) -> bool:
    """Say whether the supervisor that wrote this state no longer exists."""
    if state["boot_id"] != _supervisor.boot_id():
        return True
    return bool(_supervisor.start_ticks(int(state["pid"])) != state["start_ticks"])


def declare_lost(job_dir: Path, *, may_write: bool) -> dict[str, Any]:
    """End an execution whose supervisor vanished, and kill what it left; return its state.

    The lock proves that no supervisor is left: the kernel holds it for one that lives, in whatever namespace.
    """
    with _supervisor.job_lock(job_dir) as held:
        state = state_of(job_dir)
        if not held or state["state"] != "running":
            return state
        rebooted = state["boot_id"] != _supervisor.boot_id()
        state.update(
            state="ended",
            outcome="lost",
            ended_at=_supervisor.utc_text(),
            reason="target_rebooted" if rebooted else "supervisor_gone",
        )
        if may_write:
            if not rebooted:
                kill_leftovers(state)
            with contextlib.suppress(OSError):
                (job_dir / ".reserve").unlink()
            _supervisor.write_document(job_dir / "state.json", state, sync=True)
        return state


def kill_leftovers(state: dict[str, Any]) -> None:
    """Kill the benchmark's process group if its first process is still the one that was started."""
    pid, ticks = state.get("benchmark_pid"), state.get("benchmark_start_ticks")
    if pid and ticks and _supervisor.start_ticks(pid) == ticks:
        with contextlib.suppress(ProcessLookupError):
            os.killpg(pid, signal.SIGKILL)


def state_of(job_dir: Path) -> dict[str, Any]:
    """Return `state.json`. Raises `TargetError` if it is not there or not whole."""
    state = _supervisor.read_document(job_dir / "state.json")
    if state is None or not {"state", "outcome", "boot_id", "pid", "start_ticks"} <= set(state):
        raise TargetError("execution_lost", f"{job_dir}/state.json is missing or not whole.")
    return state


def tail(path: Path) -> str:
    """Return the last bytes of a text file; empty if there is none."""
    try:
        with path.open("rb") as stream:
            stream.seek(max(0, stream.seek(0, os.SEEK_END) - TAIL_BYTES))
            return stream.read(TAIL_BYTES).decode("utf-8", "replace").strip()
    except OSError:
        return ""


if __name__ == "__main__":
    main()
