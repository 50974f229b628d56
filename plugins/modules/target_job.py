#!/usr/bin/python
# Copyright (c) 2026 Rackbench contributors
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

from __future__ import annotations

DOCUMENTATION = r"""
module: target_job
short_description: Run one execution detached on a target, wait for it, stop it
version_added: 0.1.0
description:
  - Starts one execution of a benchmark under a small supervisor which outlives the connection, waits for it, or stops
    it.
  - The supervisor is a transient unit of systemd where that runs and the user is root or has services that run without
    a login, and has a session of its own otherwise. It has one too where O(inherited) variables are set, because
    everybody may read the environment of a unit.
  - An execution that was begun is never begun a second time; O(state=started) finds it again.
  - An execution whose supervisor vanished is ended as lost, and what is left of its processes is killed.
  - With a O(lease) no execution is begun beside another one that runs on the target.
  - M(rackbench.lab.job) calls it, and so do all actions that have to know what runs on the host.
extends_documentation_fragment:
  - rackbench.lab.attributes
  - rackbench.lab.attributes.linux
  - rackbench.lab.target
  - rackbench.lab.target.private
attributes:
  check_mode:
    details: Nothing is started, stopped or removed, and a lost execution is reported but not written down.
  idempotent:
    support: full
    details: Executions are known by O(run_id) and O(execution_id).
options:
  state:
    description:
      - V(started) makes the job directory, starts the supervisor and waits up to O(wait_s) for the end.
      - V(waited) only waits.
      - V(stopped) ends a running execution with all its processes, and waits for that. One that has ended by itself
        before keeps its outcome. One whose C(state.json) is damaged is ended by what is found of it, and is then lost.
      - V(absent) removes the job directory of an execution that has ended.
      - V(listed) tells of all executions of the run and of the bundles on the target, and needs only O(run_id).
    type: str
    choices: [started, waited, stopped, absent, listed]
    default: started
  run_id:
    description: The run that the execution belongs to.
    type: str
    required: true
  execution_id:
    description: The execution's name within the run. Required unless O(state=listed).
    type: str
  bundle:
    description: The SHA-256 of the bundle to run. Required with O(state=started).
    type: str
  entry_point:
    description: The bundle's program, relative to its directory. Required with O(state=started).
    type: str
  job:
    description: The document that the benchmark reads as C(job.json). Required with O(state=started).
    type: dict
  attachments:
    description:
      - The SHA-256 of each attachment of the benchmark, by its name. They are on the target as bundles are.
      - C(job.json) gets their places as C(attachments).
    type: dict
    default: {}
  private:
    description:
      - Secrets that the benchmark is handed, in base64, by the names of their files in C(private) beside C(job.json).
      - That directory is for the owner only, and is gone when the execution has ended.
    type: dict
    default: {}
  inherited:
    description:
      - Names of environment variables that the benchmark takes over from where it is started. Their values stand in no
        file.
    type: list
    elements: str
    default: []
  lease:
    description:
      - The C(path) and the C(lease_id) of the target's lease, which the supervisor renews.
      - An execution is begun only if the run has the target, or nobody has it; then the run takes it again, with
        C(owner) and C(purpose).
      - An execution that was begun with another C(lease_id) is of another run that has the same O(run_id), and is
        refused.
    type: dict
  lease_id:
    description:
      - The lease of the run. With O(state=listed) executions of another lease are left out, and with O(state=stopped)
        they are refused. One that was begun without a lease is of any run.
    type: str
  by:
    description: Who stops the execution. Required with O(state=stopped).
    type: str
  reason:
    description: Why the execution is stopped.
    type: str
  time_limit_s:
    description: Seconds after which the benchmark is ended. Required with O(state=started).
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
  with_result:
    description: Whether to answer with what the benchmark measured.
    type: bool
    default: false
author:
  - Rackbench contributors (!UNKNOWN)
"""

EXAMPLES = r"""
- name: See which executions of a run are on the host
  rackbench.lab.target_job:
    state: listed
    run_id: 20261121T080000Z-thor
"""

RETURN = r"""
now:
  description: The time of the target, in UTC.
  returned: success
  type: str
  sample: "2026-11-21T08:00:04.125Z"
jobs:
  description: The C(state.json) of each execution of the run. One that cannot be read has the state V(unknown).
  returned: when O(state=listed)
  type: dict
  sample: {latency.smoke.1: {state: ended, outcome: passed, rc: 0}}
bundles:
  description: The digests of the bundles on the target.
  returned: when O(state=listed)
  type: list
  elements: str
  sample: [5f0c]
conditions:
  description: The execution's C(conditions.json), which says what may have disturbed it.
  returned: when the execution has ended
  type: dict
  sample: {before: {load_1m: 0.1, sessions: 0}, after: {load_1m: 0.9, sessions: 0}}
job_dir:
  description: The job directory on the target.
  returned: unless O(state=listed)
  type: str
  sample: /home/lab/.rackbench/jobs/20261121T080000Z-thor/latency.smoke.1
started:
  description: Whether this call started the benchmark.
  returned: unless O(state=absent) or O(state=listed)
  type: bool
  sample: true
argv:
  description: The command that the supervisor runs.
  returned: unless O(state=absent) or O(state=listed)
  type: list
  elements: str
  sample: [/home/lab/.rackbench/bundles/5f0c/bin/run, --config, job.json, --out, out]
job_state:
  description: The execution's C(state.json).
  returned: unless O(state=absent) or O(state=listed)
  type: dict
  sample: {state: ended, outcome: passed, rc: 0, duration_s: 4.2}
heartbeat:
  description: The execution's last C(heartbeat.json).
  returned: unless O(state=absent) or O(state=listed)
  type: dict
  sample: {done: 3, total: 10, unit: pairs, elapsed_s: 2.0}
result:
  description:
    - What the execution left as C(result.json), unread.
    - Null if it left none, or one of more than 32 MiB.
  returned: when O(with_result=true) and the execution has ended and passed
  type: str
  sample: '{"schema": "rackbench.result/1.0"}'
told:
  description: What the benchmark itself says went wrong, as C(failure) in its C(result.json).
  returned: when the execution has ended and did not pass
  type: dict
  sample: {code: upload_refused, message: Geekbench could not upload its result.}
stderr_tail:
  description: The last lines that the benchmark wrote to standard error.
  returned: when the execution has ended and did not pass
  type: str
  sample: "bin/run: no such option"
rackbench_failure:
  description: The code of the failure, and what happened in plain words.
  returned: when the module fails for a reason that has a code
  type: dict
  sample: {code: target_disk_full, what: "No space left on device: /home/lab/.rackbench."}
"""

import base64
import calendar
import contextlib
import os
import secrets
import select
import signal
import time
from pathlib import Path
from typing import Any

from ansible.module_utils.basic import AnsibleModule
from ansible_collections.rackbench.lab.plugins.module_utils import _launch, _lease, _store, _supervisor
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

STATES = ("started", "waited", "stopped", "absent", "listed")
SETTLE_S = 60.0
# How often to look where nothing tells of a change; each look costs the machine that measures.
POLL_S = 0.1
WATCH_S = 0.5
# Seconds beyond its grace that a supervisor has to end what it is asked to end, before it is killed itself.
STOP_S = 10.0
# A large server takes many minutes from the end of its services to its next boot.
REBOOT_S = 3600.0
# A supervisor lives on for a moment after it wrote down the end.
LOCK_S = 5.0
TAIL_BYTES = 4096
# A result with the samples of every pair of a large machine's CPUs takes some ten MiB.
RESULT_BYTES = 32 * 2**20


def main() -> None:
    """Run the module."""
    module = AnsibleModule(
        argument_spec={
            **ROOT_OPTION,
            "state": {"type": "str", "choices": list(STATES), "default": "started"},
            "run_id": {"type": "str", "required": True},
            "execution_id": {"type": "str"},
            "bundle": {"type": "str"},
            "entry_point": {"type": "str"},
            "job": {"type": "dict"},
            "attachments": {"type": "dict", "default": {}},
            "private": {"type": "dict", "default": {}, "no_log": True},
            "inherited": {"type": "list", "elements": "str", "default": []},
            "lease": {"type": "dict"},
            "lease_id": {"type": "str"},
            "by": {"type": "str"},
            "reason": {"type": "str"},
            "time_limit_s": {"type": "float"},
            "grace_s": {"type": "float", "default": 10},
            "interval_s": {"type": "float", "default": 1},
            "wait_s": {"type": "float", "default": 0},
            "with_result": {"type": "bool", "default": False},
        },
        required_if=[
            ("state", "started", ["execution_id", "bundle", "entry_point", "job", "time_limit_s"]),
            ("state", "waited", ["execution_id"]),
            ("state", "stopped", ["execution_id", "by"]),
            ("state", "absent", ["execution_id"]),
        ],
        supports_check_mode=True,
    )
    answer(module, work)


def work(module: Any) -> dict[str, Any]:
    """Return the module's result."""
    root = root_of(module)
    jobs = root / "jobs" / require(NAME, module.params["run_id"], "run id")
    if module.params["state"] == "listed":
        result = listed(root, jobs, module.params["lease_id"], may_write=not module.check_mode)
    else:
        job_dir = jobs / require(NAME, module.params["execution_id"], "execution id")
        result = {"job_dir": str(job_dir), **one_job(module, root, job_dir)}
    # Last, so that the controller can compare it with the time at which it gets the answer.
    return {**result, "now": _supervisor.utc_text()}


def one_job(module: Any, root: Path, job_dir: Path) -> dict[str, Any]:
    """Return the result for one execution: start it, wait for it, stop it or remove it."""
    wanted, may_write = module.params["state"], not module.check_mode
    if wanted == "absent":
        return {"changed": remove(job_dir, may_write=may_write)}
    changed = wanted == "started" and start(module, root, job_dir)
    if not job_dir.is_dir():
        if changed:
            return {"changed": True, "started": True, "argv": [], "job_state": {}, "heartbeat": {}}
        raise TargetError("execution_lost", f"The job directory {job_dir} is gone.")
    if wanted == "stopped":
        require_ours(job_dir, module.params["lease_id"])
        changed = stop(job_dir, module.params["by"], module.params["reason"], may_write=may_write)
    state = wait(job_dir, float(module.params["wait_s"]), may_write=may_write)
    spec = _supervisor.read_document(job_dir / "spec.json") or {}
    result = {
        "changed": changed,
        "started": changed and wanted == "started",
        "argv": spec.get("argv", []),
        "job_state": state,
        "heartbeat": _supervisor.read_document(job_dir / "heartbeat.json") or {},
    }
    if state["state"] != "ended":
        return result
    if spec and may_write:
        # The next execution of this run may be about to begin with the same bundle.
        _store.touch(Path(spec["bundle_dir"]))
    result["conditions"] = _supervisor.read_document(job_dir / "conditions.json") or {}
    if state["outcome"] != "passed":
        result["stderr_tail"] = tail(job_dir / "stderr") or tail(job_dir / "supervisor.log")
        result["told"] = (_supervisor.read_document(job_dir / "out/result.json") or {}).get("failure")
    elif module.params["with_result"]:
        result["result"] = small_text(job_dir / "out/result.json")
    return result


def listed(root: Path, jobs: Path, lease_id: str | None, *, may_write: bool) -> dict[str, Any]:
    """Return the result that tells of all executions of a run and of the bundles that are here."""
    states = {}
    for job_dir in sorted(path for path in jobs.glob("[!.]*") if path.is_dir() and not path.is_symlink()):
        if is_of_another(job_dir, lease_id):
            continue
        try:
            states[job_dir.name] = wait(job_dir, 0.0, may_write=may_write)
        except TargetError:
            states[job_dir.name] = {"execution_id": job_dir.name, "state": "unknown", "outcome": None}
    markers = sorted((root / "bundles").glob(f"[!.]*/{_store.MARKER}"))
    return {"changed": False, "jobs": states, "bundles": [marker.parent.name for marker in markers]}


def start(module: Any, root: Path, job_dir: Path) -> bool:
    """Make the job directory and start its supervisor, unless both happened before; return whether this call did."""
    bundle = root / "bundles" / require(DIGEST, module.params["bundle"], "SHA-256")
    known = _supervisor.read_document(job_dir / "spec.json")
    if known is not None and known.get("bundle_dir") != str(bundle):
        raise TargetError(
            "execution_conflict", f"{job_dir} was begun with another bundle: {known.get('bundle_dir')}."
        )
    lease = module.params["lease"]
    if lease:
        require_ours(job_dir, str(lease["lease_id"]))
    if known is None and module.params["job"].get("target") is None:
        # The CPUs are those of the machine under test.
        require_cpus(module.params["job"])
    if module.check_mode:
        return known is None
    if known is None or state_of(job_dir)["state"] == "starting":
        if lease:
            require_turn(root, job_dir, lease)
        # Nobody removes the bundle while it is looked at, nor later: a job that was made holds it.
        with _store.locked(root, exclusive=False):
            if _store.verify(bundle) is None:
                raise TargetError("bundle_not_staged", f"The bundle is not on the target: {bundle}.")
            _store.touch(bundle)
            if known is None:
                job = {**module.params["job"], **attached(root, module.params["attachments"])}
                _supervisor.prepare(job_dir, spec_of(module, bundle, job_dir), job, private_of(module))
        if lease:
            keep_turn(root, job_dir, lease)
    if state_of(job_dir)["state"] != "starting":
        return False
    launch(root, job_dir, module.params["inherited"], module.params["grace_s"])
    return True


def attached(root: Path, digests: dict[str, Any]) -> dict[str, Any]:
    """Return where the job's attachments are, as job.json has them. Raises `TargetError` if they are not whole.

    The benchmark takes what it needs of them when it begins: whoever makes room later takes nothing from it.
    """
    found = {}
    for name, digest in digests.items():
        place = root / "bundles" / require(DIGEST, digest, "SHA-256")
        if _store.verify(place) is None:
            raise TargetError("bundle_not_staged", f"The {name} is not on the target: {place}.")
        _store.touch(place)
        found[name] = {"path": str(place), "sha256": digest}
    return {"attachments": found} if found else {}


def private_of(module: Any) -> dict[str, bytes]:
    """Return the secrets that the benchmark is handed, by the names of their files."""
    return {
        require(NAME, name, "name of a secret"): base64.b64decode(text)
        for name, text in module.params["private"].items()
    }


def require_cpus(job: dict[str, Any]) -> None:
    """Raise `TargetError` when the job is to run on CPUs that are not there: they may go offline after the plan."""
    missing = sorted(set(job.get("cpus") or ()) - os.sched_getaffinity(0))
    if missing:
        raise TargetError(
            "cpus_offline",
            f"The CPUs {', '.join(map(str, missing))}, which the run was planned with, are offline now, or it may not "
            "use them.",
        )


def require_turn(root: Path, job_dir: Path, lease: dict[str, Any]) -> None:
    """Hold the run's lease. Raises `TargetError` when the run has not got the target, or something else runs on it.

    The run itself may be at work: with a job that a broken connection hid from the controller.
    """
    _lease.hold(lease)
    for path in sorted((root / "jobs").glob("[!.]*/[!.]*/state.json")):
        other = path.parent
        if other != job_dir and is_at_work(other):
            raise TargetError(
                "host_at_work",
                f"{other.name} of the run {other.parent.name} still runs on this host, in {other}.",
            )


def is_at_work(job_dir: Path) -> bool:
    """Say whether an execution runs; one whose state cannot be read does not count."""
    try:
        state = state_of(job_dir)
    except TargetError:
        return False
    return state["state"] == "running" and not is_gone(state)


def keep_turn(root: Path, job_dir: Path, lease: dict[str, Any]) -> None:
    """Do as `require_turn` does, for a job that is about to be launched; when it fails, nothing of the job stays.

    The bundle's check and the wait for the store may take minutes, in which the run may have been given up.
    """
    try:
        require_turn(root, job_dir, lease)
    except (TargetError, OSError):
        with _supervisor.job_lock(job_dir) as held:
            # Else another call has started it meanwhile, and it is that one's.
            if held and state_of(job_dir)["state"] == "starting":
                put_away(job_dir)
        raise


def is_of_another(job_dir: Path, lease_id: str | None) -> bool:
    """Say whether an execution was begun under another lease than this one, as far as both are known."""
    theirs = (_supervisor.read_document(job_dir / "spec.json") or {}).get("lease")
    return bool(lease_id and isinstance(theirs, dict) and theirs.get("lease_id") not in (None, lease_id))


def require_ours(job_dir: Path, lease_id: str | None) -> None:
    """Raise `TargetError` for an execution of another run with the same id."""
    if is_of_another(job_dir, lease_id):
        raise TargetError(
            "execution_conflict",
            f"{job_dir} is of another run with the same id; its lease is not {lease_id}.",
        )


def spec_of(module: Any, bundle: Path, job_dir: Path) -> dict[str, Any]:
    """Return what the supervisor is told to run. Raises `TargetError` for a program that is not of the bundle."""
    lease = module.params["lease"]
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
        "lease": {name: lease[name] for name in ("path", "lease_id")} if lease else None,
        "time_limit_s": module.params["time_limit_s"],
        "grace_s": module.params["grace_s"],
        "interval_s": max(0.1, module.params["interval_s"]),
    }


def launch(root: Path, job_dir: Path, inherited: list[str], grace_s: float) -> None:
    """Start the supervisor and wait until it has begun. Raises `TargetError` if it does not."""
    said = _launch.launch(root, job_dir, inherited, grace_s)
    deadline = time.monotonic() + SETTLE_S
    while not said and time.monotonic() < deadline:
        if state_of(job_dir)["state"] != "starting":
            return
        time.sleep(POLL_S)
    said = said or tail(job_dir / "supervisor.log") or "it said nothing"
    raise TargetError("execution_lost", f"The supervisor did not start: {said}.")


def wait(job_dir: Path, wait_s: float, *, may_write: bool) -> dict[str, Any]:
    """Return the execution's state: at its end, or after `wait_s` seconds."""
    deadline = time.monotonic() + wait_s
    while True:
        state = state_of(job_dir)
        if looks_lost(state):
            state = declare_lost(job_dir, may_write=may_write)
        left = deadline - time.monotonic()
        if state["state"] == "ended" or left <= 0:
            return state
        pause(state, left)


def pause(state: dict[str, Any], left: float) -> None:
    """Sleep until the supervisor is gone, at most `left` seconds; for a moment where the kernel does not tell."""
    try:
        handle = os.pidfd_open(int(state["pid"]))
    except (AttributeError, OSError, TypeError):
        time.sleep(min(WATCH_S, left))
        return
    try:
        if is_gone(state):
            # The number is another process's by now, or nobody has taken note of its end yet.
            time.sleep(min(POLL_S, left))
        else:
            poller = select.poll()
            poller.register(handle, select.POLLIN)
            poller.poll(left * 1000)
    finally:
        os.close(handle)


def stop(job_dir: Path, by: str, reason: str | None, *, may_write: bool) -> bool:
    """End an execution; return whether that was needed. It has ended when this returns.

    The supervisor asks the benchmark first, and kills what is left after its grace. One that does not get that done is
    killed itself, and the execution is then lost.
    """
    try:
        state = wait(job_dir, 0.0, may_write=may_write)
    except TargetError:
        if not may_write or not job_dir.is_dir():
            raise
        stop_damaged(job_dir, by, reason)
        return True
    if state["state"] == "ended" or not may_write:
        return state["state"] != "ended"
    ask_to_stop(job_dir, by, reason)
    spec = _supervisor.read_document(job_dir / "spec.json") or {}
    kill_at = time.monotonic() + float(spec.get("grace_s") or 0.0) + STOP_S
    give_up_at = kill_at + STOP_S
    asked = False
    while state["state"] != "ended":
        now = time.monotonic()
        if now >= give_up_at:
            raise TargetError(
                "execution_conflict", f"The supervisor of {job_dir} cannot be ended: {state['pid']}."
            )
        if state["state"] == "starting":
            cancel(job_dir)
            time.sleep(POLL_S)
        elif now >= kill_at:
            send(state, signal.SIGKILL)
            pause(state, POLL_S)
        else:
            asked = asked or send(state, signal.SIGTERM)
            pause(state, kill_at - now)
        state = wait(job_dir, 0.0, may_write=True)
    return True


def stop_damaged(job_dir: Path, by: str, reason: str | None) -> None:
    """End an execution whose state does not tell its processes, by what else is found of it.

    A supervisor that is asked in time writes the end down itself; without one the execution is lost.
    """
    ask_to_stop(job_dir, by, reason)
    spec = _supervisor.read_document(job_dir / "spec.json") or {}
    patience_s = float(spec.get("grace_s") or 0.0) + STOP_S
    for number in (signal.SIGTERM, signal.SIGKILL):
        for pid in _launch.supervisors(job_dir):
            with contextlib.suppress(ProcessLookupError, PermissionError):
                os.kill(pid, number)
        if number == signal.SIGKILL:
            _launch.kill_unit(job_dir)
        with _supervisor.job_lock(job_dir, patience_s=patience_s) as held:
            if held:
                end_damaged(job_dir)
                return
    raise TargetError("execution_conflict", f"The supervisor of {job_dir} cannot be ended.")


def end_damaged(job_dir: Path) -> None:
    """Kill what is left of an execution with a damaged state, and say that it is lost. For who holds its lock."""
    with contextlib.suppress(TargetError):
        # Its supervisor has mended it.
        state_of(job_dir)
        return
    for pid in _launch.benchmarks(job_dir):
        with contextlib.suppress(ProcessLookupError, PermissionError):
            os.killpg(pid, signal.SIGKILL)
    state = _supervisor.first_state(job_dir.name)
    state.update(
        state="ended", outcome="lost", ended_at=_supervisor.utc_text(), reason="its state was damaged"
    )
    write_end(job_dir, state)


def ask_to_stop(job_dir: Path, by: str, reason: str | None) -> None:
    """Write down who wants the execution to stop, for its supervisor; the first request stays."""
    path = job_dir / "stop.json"
    if not path.exists():
        request = {
            "schema": _supervisor.STOP_SCHEMA,
            "by": by,
            "reason": reason,
            "at": _supervisor.utc_text(),
        }
        _supervisor.write_document(path, request, sync=True)


def cancel(job_dir: Path) -> None:
    """End an execution that was never begun; its supervisor, if one is about to start, then leaves it alone."""
    with _supervisor.job_lock(job_dir) as held:
        state = state_of(job_dir)
        if held and state["state"] == "starting":
            outcome, reason = _supervisor.stopped_by(job_dir)
            state.update(state="ended", outcome=outcome, ended_at=_supervisor.utc_text(), reason=reason)
            write_end(job_dir, state)


def send(state: dict[str, Any], number: signal.Signals) -> bool:
    """Send a signal to the supervisor that wrote this state; return whether it was still there."""
    if is_gone(state):
        return False
    with contextlib.suppress(ProcessLookupError):
        os.kill(int(state["pid"]), number)
    return True


def remove(job_dir: Path, *, may_write: bool) -> bool:
    """Remove the job directory of an execution that has ended; return whether there is one."""
    if not job_dir.is_dir():
        return False
    with contextlib.suppress(TargetError):
        # One whose supervisor vanished has left processes, perhaps; one whose state is damaged can be removed.
        wait(job_dir, 0.0, may_write=may_write)
    with _supervisor.job_lock(job_dir, patience_s=LOCK_S) as held:
        state = (_supervisor.read_document(job_dir / "state.json") or {}).get("state")
        if not held or state == "starting":
            raise TargetError(
                "execution_conflict", f"{job_dir} is of an execution that has not ended. Stop it first."
            )
        if may_write:
            put_away(job_dir)
    return True


def put_away(job_dir: Path) -> None:
    """Remove a job directory; it vanishes in one step. Only for who holds its lock."""
    gone = job_dir.with_name(f".{job_dir.name}.{secrets.token_hex(8)}.gone")
    job_dir.rename(gone)
    _store.remove(gone)


def looks_lost(state: dict[str, Any]) -> bool:
    """Say whether nobody saw this execution's end, or only that the machine was about to go down."""
    if state["state"] == "running":
        return is_gone(state)
    return state["outcome"] == "killed" and state["boot_id"] != _supervisor.boot_id() and went_down(state)


def went_down(state: dict[str, Any]) -> bool:
    """Say whether this execution ended shortly before this machine was booted: its shutdown ended it."""
    try:
        ended = calendar.timegm(time.strptime(str(state.get("ended_at"))[:19], "%Y-%m-%dT%H:%M:%S"))
    except ValueError:
        return False
    # A container is younger than its kernel.
    first_process_s = (_supervisor.start_ticks(1) or 0) / os.sysconf("SC_CLK_TCK")
    booted = time.time() - time.clock_gettime(time.CLOCK_BOOTTIME) + first_process_s
    return 0 <= booted - ended <= REBOOT_S


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
        if not held or not looks_lost(state):
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
            known = _supervisor.read_document(job_dir / "conditions.json") or {}
            if rebooted or not known.get("after"):
                # Another boot or host key stands there then.
                _supervisor.write_conditions(job_dir, known.get("before"), _supervisor.snapshot(job_dir))
            write_end(job_dir, state)
        return state


def write_end(job_dir: Path, state: dict[str, Any]) -> None:
    """Write down how an execution ended that has no supervisor. Only for who holds the job directory's lock."""
    _supervisor.remove_private(job_dir)
    with contextlib.suppress(OSError):
        (job_dir / ".reserve").unlink()
    _supervisor.write_document(job_dir / "state.json", state, sync=True)


def kill_leftovers(state: dict[str, Any]) -> None:
    """Kill the benchmark's process group if its first process is still the one that was started."""
    pid, ticks = state.get("benchmark_pid"), state.get("benchmark_start_ticks")
    if pid and ticks and _supervisor.start_ticks(pid) == ticks:
        with contextlib.suppress(ProcessLookupError):
            os.killpg(pid, signal.SIGKILL)


def state_of(job_dir: Path) -> dict[str, Any]:
    """Return `state.json`. Raises `TargetError` if it is not there or not whole."""
    state = _supervisor.read_document(job_dir / "state.json") or {}
    is_whole = {"state", "outcome", "boot_id", "pid", "start_ticks"} <= set(state)
    if not is_whole or (state["state"] == "running" and not isinstance(state["pid"], int)):
        raise TargetError("execution_lost", f"{job_dir}/state.json is missing or not whole.")
    return state


def small_text(path: Path) -> str | None:
    """Return a text file; None if there is none, or one that is too large for an answer."""
    with contextlib.suppress(OSError):
        if path.is_file() and path.stat().st_size <= RESULT_BYTES:
            return path.read_bytes().decode("utf-8", "replace")
    return None


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
