# SPDX-License-Identifier: Apache-2.0
"""What needs a person, and for each the next step to take: one table of rules, and nothing that decides beside it.

`RULES` says what is an alert, `REMEDIES` what follows the code of a failed step, `COMMANDS` how commands are written.
docs/reference/alerts.md shows the three tables. Status, recovery summary, webhook and exit status come from them.
"""

from __future__ import annotations

import shlex
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

from rackbench.errors import FAILURES, GOOD, INTERRUPTED, OUR_FAULT, Failure
from rackbench.ledger import monitoring, rundir
from rackbench.ledger.publish_states import CREATE_PR, STATES

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Iterator, Mapping
    from datetime import datetime

    from rackbench.ledger.state import ExecutionState, RunState, StepState

CONNECTIVITY_CODES = frozenset(
    {
        "auth_refused",
        "become_failed",
        "hop_unreachable",
        "host_key_changed",
        "host_key_unknown",
        "host_unreachable",
        "missing_secret",
        "target_python_missing",
    }
)
STAGING_CODES = frozenset(
    {
        "packaging_blocked",
        "setting_missing",
        "attachment_unfit",
        "bundle_unreadable",
        "bundle_toml_invalid",
        "bundle_digest_mismatch",
        "archive_unsafe",
        "signature_refused",
        "cache_unreachable",
        "cache_refused",
        "cache_unwritable",
        "snapshot_failed",
        "build_failed",
        "build_tool_missing",
    }
)
# Codes of a host that is not fit; only the host itself can tell whether it is now.
HOST_CODES = frozenset(
    {
        "platform_unknown",
        "host_too_small",
        "root_required",
        "target_disk_full",
        "target_unwritable",
        "store_full",
        "source_build_failed",
        "bootstrap_failed",
        "environment_failed",
        "python_version_missing",
    }
)
# Codes of a publish target, its remote and its forge, which only the controller has to do with.
PUBLISH_CODES = frozenset(
    {
        "publish_target_invalid",
        "embargo_invalid",
        "publish_not_a_repository",
        "publish_target_bare",
        "publish_target_empty",
        "publish_base_missing",
        "publish_target_dirty",
        "publish_target_locked",
        "publish_target_unsupported",
        "publish_branch_taken",
        "publish_remote_missing",
        "publish_remote_mismatch",
        "publish_remote_unreachable",
        "publish_remote_auth",
        "publish_push_rejected",
        "publish_branch_protected",
        "publish_diverged",
        "publish_unwritable",
        "gh_missing",
        "gh_auth_missing",
        "pr_create_failed",
        "git_missing",
        "git_failed",
    }
)
LEASE_CODES = frozenset({"lease_held", "lease_lost"})
# A run that was stopped takes this long to come to its end before it is an alert.
STOP_LIMIT_S = 60.0

# A step that only follows another one's failure, or the wish of a person, needs nobody.
_CONSEQUENCES = frozenset({"steps_failed", "run_cancelled"})
_LEFT_BEHIND = "left_behind"
_HOLDS_LEASE = frozenset({"taken", "stolen"})
_UNREACHABLE = "unreachable"
_MOST_PATHS = 5
_UNKNOWN_CODE = Failure(OUR_FAULT, "A failure without a known code.", "Read the file that is named.")
_RESUME = "Then resume the run."

# How commands are written. A command with a name that is not known is left out; `inventories` and `benchmarks` may be
# empty. `resume`, `recover` and `rerun` know the inventory from the journal.
COMMANDS: dict[str, tuple[str, ...]] = {
    "status": ("rackbench", "status", "--run-dir", "{run_dir}"),
    "resume": ("rackbench", "resume", "--run-dir", "{run_dir}"),
    "resume --wait": ("rackbench", "resume", "--run-dir", "{run_dir}", "--wait"),
    "recover": ("rackbench", "recover", "--run-dir", "{run_dir}"),
    "rerun": ("rackbench", "rerun", "--run-dir", "{run_dir}", "--family", "{family}"),
    "lease list": ("rackbench", "lease", "list", "--host", "{host}", "{inventories}"),
    "validate connectivity": (
        "rackbench", "validate", "--host", "{host}", "--scope", "connectivity", "{inventories}",
    ),
    "validate staging": ("rackbench", "validate", "--host", "{host}", "--scope", "staging", "{inventories}"),
    "validate all": ("rackbench", "validate", "--host", "{host}", "--scope", "all", "{inventories}"),
    "validate publish": (
        "rackbench", "validate", "--host", "{host}", "--scope", "publish", "{benchmarks}", "{inventories}",
    ),
    "publish": ("rackbench", "publish", "--run-dir", "{run_dir}"),
    "publish --push": ("rackbench", "publish", "--run-dir", "{run_dir}", "--push"),
    "publish --create-pr": ("rackbench", "publish", "--run-dir", "{run_dir}", "--create-pr"),
    "dry run": ("rackbench", "run", "--host", "{host}", "{benchmarks}", "--check", "{inventories}"),
    # What is installed belongs on the target, and a person pastes it here.
    "install": ("ansible", "{host}", "{become}", "-m", "ansible.builtin.command", "-a", "{install}", "{inventories}"),
}  # fmt: skip


@dataclass(frozen=True)
class Health:
    """How whole the journal was when it was read."""

    missing: bool = False
    torn: bool = False
    bad_lines: tuple[int, ...] = ()


@dataclass(frozen=True, slots=True)
class Situation:
    """What is known of a run at a moment. `run_dir` is where it was found, for a journal that does not tell."""

    state: RunState
    now: datetime
    live: monitoring.Live = field(default_factory=dict)
    alive: bool | None = None
    health: Health = field(default_factory=Health)
    run_dir: str | None = None

    @property
    def name(self) -> str:
        """Return the state of the run."""
        return monitoring.run_state(self.state, self.alive)

    @property
    def given_up(self) -> bool:
        """Return whether nothing of the run is to come."""
        return self.state.closed is not None or self.state.recovered is not None


@dataclass(frozen=True, slots=True)
class Finding:
    """One thing that a rule found. Empty `commands` are those of the rule."""

    message: str
    code: str | None = None
    step: str | None = None
    adapter: str | None = None
    phase: str | None = None
    action: str | None = None
    commands: tuple[str, ...] = ()
    values: Mapping[str, str | None] = field(default_factory=dict)
    install: str | None = None
    paths: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True)
class Rule:
    """What is an alert: `when` in words and `findings` in code, its code unless a finding has its own, what is next.

    A rule that `decides` gives the run its exit status, which is that of the code.
    """

    kind: str
    when: str
    code: str
    findings: Callable[[Situation], Iterable[Finding]]
    commands: tuple[str, ...]
    decides: bool = True


@dataclass(frozen=True, slots=True)
class Remedy:
    """What follows a failed step with one of these codes."""

    codes: frozenset[str]
    commands: tuple[str, ...]


# `own` is the command that the failure itself names; of `A or B` the first that can be written is taken.
REMEDIES: tuple[Remedy, ...] = (
    Remedy(CONNECTIVITY_CODES, ("validate connectivity", "resume")),
    Remedy(STAGING_CODES, ("own or validate staging", "resume")),
    Remedy(HOST_CODES, ("own or validate all", "resume")),
    Remedy(frozenset({"runtime_missing"}), ("install or validate all", "resume")),
    Remedy(PUBLISH_CODES, ("validate publish", "own or publish")),
)
# Another code of the step `host.discover`, and of any other step.
DISCOVER_REMEDY = ("own or validate connectivity", "resume")
OTHER_REMEDY = ("own", "resume")


def alerts_block(situation: Situation, exists: Callable[[str], bool] = lambda _path: False) -> dict[str, Any]:
    """Return the `alerts` block of the status document, the most urgent alert first.

    `exists` tells whether a path relative to the run directory is there: only those that are get named. The result is a
    pure function of the arguments.
    """
    items = [
        _item(situation, rule, finding, exists) for rule in RULES for finding in rule.findings(situation)
    ]
    lists = (
        "next_actions",
        "next_commands",
        "next_paths",
        "next_install_commands",
        "next_diagnostic_commands",
    )
    return {
        "active": bool(items),
        "count": len(items),
        "primary": items[0] if items else None,
        "items": items,
        **{name: _distinct(value for item in items for value in item[name]) for name in lists},
    }


def exit_status(situation: Situation) -> int | None:
    """Return what `rackbench` exits with for this run: the highest of what decides; None while it runs."""
    if situation.name in monitoring.AT_WORK:
        return None
    found = {
        exit_status_of(finding.code or rule.code)
        for rule in RULES
        if rule.decides
        for finding in rule.findings(situation)
    }
    closed = situation.state.closed or {}
    told = closed.get("exit_status")
    if type(told) is int:
        # What the steps came to is kept when their own records are lost.
        found.add(told)
    elif closed.get("outcome") == "cancelled":
        found.add(INTERRUPTED)
    return max(found, default=GOOD)


def exit_status_of(code: str) -> int:
    """Return the exit status of a code; one that the table does not know is our own fault."""
    return FAILURES.get(code, _UNKNOWN_CODE).exit_status


def publish_commands(state: RunState, entry: Mapping[str, Any]) -> dict[str, str | None]:
    """Return `next_command` and `diagnostic_command` of how far publishing came, as publish_ledger.json has them."""
    known = STATES.get(str(entry.get("state")))
    following = known.next if known else None
    if following == CREATE_PR and entry.get("forge") != "github":
        # There a person opens the compare_url.
        following = None
    return {
        "next_command": _command(state, following) if following else None,
        "diagnostic_command": _command(state, known.diagnostic if known else "status"),
    }


def _item(
    situation: Situation, rule: Rule, finding: Finding, exists: Callable[[str], bool]
) -> dict[str, Any]:
    code = finding.code or rule.code
    names = finding.commands or rule.commands
    commands = _written(situation, finding, names)
    actions = [finding.action or FAILURES.get(code, _UNKNOWN_CODE).next_step]
    if len(commands) > 1 and names[-1].startswith("resume") and not situation.state.check:
        actions.append(_RESUME)
    lists = {
        "next_action": actions,
        "next_command": commands,
        "next_path": [path for path in _distinct(finding.paths) if exists(path)][:_MOST_PATHS],
        "next_install_command": [finding.install] if finding.install else [],
        "next_diagnostic_command": _written(situation, finding, ("status",)),
    }
    return {
        "kind": rule.kind,
        "code": code,
        "message": finding.message,
        "step": finding.step,
        "adapter": finding.adapter,
        "phase": finding.phase,
        **{name: values[0] if values else None for name, values in lists.items()},
        **{f"{name}s": values for name, values in lists.items()},
    }


def _written(situation: Situation, finding: Finding, names: Iterable[str]) -> list[str]:
    """Return the commands that can be written with what is known."""
    found = []
    for name in names:
        written = (
            _command(situation.state, one, finding.values, situation.run_dir) for one in name.split(" or ")
        )
        found.append(next(filter(None, written), None))
    return _distinct(found)


def _command(
    state: RunState, name: str, known: Mapping[str, str | None] | None = None, run_dir: str | None = None
) -> str | None:
    """Return a command of `COMMANDS`, or None if not enough is known; `run_dir` is where the run was found."""
    known = known or {}
    if name == "own":
        return known.get(name)
    if state.check and name.startswith(("resume", "rerun")):
        # A dry run is not resumed: it is made again.
        name = "dry run"
    values = {
        "host": state.host,
        "run_dir": state.run_dir or run_dir,
        "inventories": " ".join(_inventories(state)),
        "benchmarks": shlex.join(["--benchmarks", ",".join(state.benchmarks)]) if state.benchmarks else "",
        "become": "",
        **known,
    }
    words = []
    for part in COMMANDS[name]:
        if not part.startswith("{"):
            words.append(part)
            continue
        value = values.get(part.strip("{}"))
        if value is None:
            return None
        # These three are words already, none or many.
        words += shlex.split(value) if part in {"{inventories}", "{benchmarks}", "{become}"} else [value]
    return shlex.join(words)


def _inventories(state: RunState) -> list[str]:
    """Return the options that name the inventories of a run that did not take the project's own."""
    last = state.resumed[-1] if state.resumed else state.opened
    inventory = last.get("inventory")
    named = _texts(inventory.get("named")) if isinstance(inventory, dict) else []
    return [word for source in named for word in ("-i", shlex.quote(source))]


# The rules. Each yields what it finds; it looks at nothing but the situation.


def _unreadable(situation: Situation) -> Iterator[Finding]:
    if situation.name == "unknown":
        yield Finding(
            "The journal of this run is missing or holds no record that can be read.", paths=(rundir.EVENTS,)
        )


def _damaged(situation: Situation) -> Iterator[Finding]:
    state, health = situation.state, situation.health
    if situation.name == "unknown":
        return
    recovered = state.recovered
    if lost := _texts((recovered or {}).get("not_rebuilt")):
        yield Finding(
            f"Recovering could not bring everything back. {' '.join(lost)}",
            commands=("status",),
            paths=(rundir.EVENTS, rundir.RECOVERY_SUMMARY),
        )
        return
    damage = []
    # The line that a controller at work is writing is no damage.
    if health.torn and situation.name not in monitoring.AT_WORK:
        damage.append("its last line is torn")
    if health.bad_lines and recovered is None:
        damage.append(f"{len(health.bad_lines)} of its lines are no records")
    if state.missing_records and recovered is None:
        damage.append(f"{state.missing_records} of its records are missing")
    if damage:
        yield Finding(
            f"The journal is damaged: {', '.join(damage)}.",
            action="Recover the run: what can be computed is written anew, and what is lost is named.",
            paths=(rundir.EVENTS, rundir.RECOVERY_SUMMARY),
        )


def _interrupted(situation: Situation) -> Iterator[Finding]:
    state = situation.state
    if situation.name != "interrupted":
        return
    step = state.steps.get(state.last_began or "")
    yield Finding(
        FAILURES["interrupted"].meaning,
        step=state.last_began,
        adapter=step.step.adapter if step else None,
        phase=step.step.phase if step else None,
        paths=(rundir.step_document(state.last_began) if state.last_began else "", rundir.EVENTS),
    )


def _stop_unanswered(situation: Situation) -> Iterator[Finding]:
    state = situation.state
    if situation.name != "cancelling" or state.stop is None:
        return
    age = monitoring.seconds_since(state.stop.get("at"), situation.now)
    if age is None or age <= STOP_LIMIT_S:
        return
    pid, user, machine = (state.controller.get(name) for name in ("pid", "user", "hostname"))
    yield Finding(
        f"{state.stop.get('by') or 'Somebody'} asked the run to stop {age:.0f} s ago, and it has not come to its end. "
        f"Its controller is process {pid} of {user} on {machine}.",
        step=state.active_step.step.step_id if state.active_step else None,
        paths=(rundir.EVENTS,),
    )


def _lease_held(situation: Situation) -> Iterator[Finding]:
    return (
        _of_step(situation.state, entry, ()) for entry in _causes(situation) if _code(entry) in LEASE_CODES
    )


def _failed_steps(situation: Situation) -> Iterator[Finding]:
    return (
        _of_step(situation.state, entry, _remedy(entry))
        for entry in _causes(situation)
        if _code(entry) not in LEASE_CODES
    )


def _causes(situation: Situation) -> list[StepState]:
    """Return the steps that failed by themselves; a run that was cancelled has what its person wanted.

    What the host still has is an alert of its own, which recovering ends.
    """
    if situation.name == "cancelled":
        return []
    failed = [entry for entry in situation.state.failed_steps if _code(entry) != _LEFT_BEHIND]
    causes = [entry for entry in failed if _code(entry) not in _CONSEQUENCES]
    return causes or ([] if situation.state.stop else failed)


def _code(entry: StepState) -> str:
    return str((entry.failure or {}).get("code") or "task_failed")


def _remedy(entry: StepState) -> tuple[str, ...]:
    code = _code(entry)
    for remedy in REMEDIES:
        if code in remedy.codes:
            return remedy.commands
    return DISCOVER_REMEDY if entry.step.step_id == "host.discover" else OTHER_REMEDY


def _of_step(state: RunState, entry: StepState, commands: tuple[str, ...]) -> Finding:
    failure, step = entry.failure or {}, entry.step
    install = _install_command(state, step.adapter) if _code(entry) == "runtime_missing" else None
    # Ansible becomes root in the place of sudo: it has the password, if one is needed.
    as_root = (install or "").removeprefix("sudo ")
    return Finding(
        str(failure.get("message") or entry.reason or f"{step.step_id} failed."),
        code=_code(entry),
        step=step.step_id,
        adapter=step.adapter,
        phase=step.phase,
        action=next_step if isinstance(next_step := failure.get("next_step"), str) else None,
        commands=commands,
        values={
            "own": _own_command(state, failure),
            "install": as_root or None,
            "become": "--become" if as_root != install else "",
        },
        install=install,
        paths=(
            _relative(state, failure.get("next_path")),
            *entry.artifacts,
            *_publish_paths(state, step.adapter, step.phase),
            rundir.step_document(step.step_id),
            rundir.COMMAND_LEDGER,
            rundir.EVENTS,
        ),
    )


def _own_command(state: RunState, failure: Mapping[str, Any]) -> str | None:
    """Return the command that a failure names, if it does more than to show what is shown here."""
    command = failure.get("next_command")
    if not isinstance(command, str) or command.startswith("rackbench status"):
        return None
    if command.startswith(("rackbench validate ", "rackbench run ")):
        return " ".join([command, *_inventories(state)])
    return command


def _stalled(situation: Situation) -> Iterator[Finding]:
    state = situation.state
    block = monitoring.monitoring_block(state, situation.now, situation.live, situation.alive)
    beats = {beat["step"]: beat for beat in block["heartbeats"]}
    for phase in block["stalled_phases"]:
        age = "an unknown time" if phase["age_s"] is None else f"{phase['age_s']:.0f} s"
        execution = beats[phase["step"]]["execution"]
        yield Finding(
            f"{phase['step']} has given no sign of life for {age} "
            f"(expected at least every {phase['stale_after_s']:.0f} s).",
            step=phase["step"],
            adapter=phase["adapter"],
            phase=phase["phase"],
            paths=(
                rundir.live_document(execution) if execution else "",
                *state.steps[phase["step"]].artifacts,
                rundir.step_document(phase["step"]),
                rundir.EVENTS,
            ),
        )


def _left_behind(situation: Situation) -> Iterator[Finding]:
    state = situation.state
    if state.check or not situation.given_up:
        return
    told = [
        str((entry.failure or {}).get("message") or "")
        for entry in state.failed_steps
        if _code(entry) == _LEFT_BEHIND and state.recovered is None
    ]
    held = list(_held(state))
    if held:
        told.insert(
            0,
            f"The run is over and {state.host or 'the host'} still has what it took there: {', '.join(held)}.",
        )
    if told:
        yield Finding(
            " ".join(filter(None, told)) or FAILURES[_LEFT_BEHIND].meaning,
            step="host.finalize",
            phase="finalize",
            paths=(rundir.step_document("host.finalize"), rundir.EVENTS),
        )


def _held(state: RunState) -> Iterator[str]:
    """Yield in words what the host still has of a run that is over. What recovering found is newer than the rest."""
    recovered = state.recovered or {}
    lease, noise, jobs = recovered.get("lease"), recovered.get("noise"), recovered.get("jobs")
    taken = state.lease is not None and state.lease["state"] in _HOLDS_LEASE
    if lease == _UNREACHABLE or (lease is None and taken):
        yield "the lease"
    if noise == _UNREACHABLE or (noise is None and state.noise_may_be_in_force):
        yield "noise settings"
    if isinstance(jobs, dict):
        running = [str(name) for name, ended in jobs.items() if ended == _UNREACHABLE]
    else:
        running = [entry.execution for entry in state.active_executions]
    for name in running:
        yield f"the job {name}"


def _blocked_publish(situation: Situation) -> Iterator[Finding]:
    state = situation.state
    failed = {entry.step.adapter for entry in state.failed_steps if entry.step.phase == "publish"}
    for adapter, entry in state.publish.items():
        told = STATES.get(str(entry.get("state")))
        if told is not None and told.blocks and adapter not in failed:
            yield Finding(
                str(entry.get("reason") or told.meaning),
                code=str(entry["code"]) if entry.get("code") in FAILURES else None,
                step=f"{adapter}.publish",
                adapter=adapter,
                phase="publish",
                paths=(
                    *_publish_paths(state, adapter, "publish"),
                    rundir.step_document(f"{adapter}.publish"),
                ),
            )


def _disturbed(situation: Situation) -> Iterator[Finding]:
    """Yield one finding for each family with numbers that something disturbed; what does not count disturbs nobody."""
    families: dict[tuple[str, str], list[ExecutionState]] = {}
    for entry in situation.state.executions.values():
        told = (entry.verdict or {}).get("verdict")
        counts = not entry.warmup and not entry.superseded and entry.execution in situation.state.results
        if counts and told in {"suspect", "void"}:
            families.setdefault((entry.adapter, str(entry.family)), []).append(entry)
    for (adapter, family), entries in families.items():
        reasons = _distinct(why for entry in entries for why in _texts((entry.verdict or {}).get("reasons")))
        names = ", ".join(f"{entry.execution} is {(entry.verdict or {})['verdict']}" for entry in entries)
        yield Finding(
            f"{names}: {' '.join(reasons) or 'no reason was told.'}",
            step=f"{adapter}.execute",
            adapter=adapter,
            phase="execute",
            values={"family": f"{adapter}:{family}"},
            paths=(rundir.step_document(f"{adapter}.execute"), rundir.EVENTS),
        )


def _incomplete(situation: Situation) -> Iterator[Finding]:
    if situation.state.incomplete is not None and situation.state.recovered is None:
        yield Finding(
            FAILURES["ledger_incomplete"].meaning,
            action="Recover the run: its documents then show what the journal has, and a person has seen it.",
            paths=(rundir.EVENTS,),
        )


# The most urgent first.
RULES: tuple[Rule, ...] = (
    Rule(
        "ledger_damaged",
        "The journal is missing, or none of its lines can be read.",
        "ledger_unreadable",
        _unreadable,
        ("recover",),
    ),
    Rule(
        "interrupted",
        "The run is not closed, and its controller is gone.",
        "interrupted",
        _interrupted,
        ("resume",),
    ),
    Rule(
        "stop_unanswered",
        f"The run was asked to stop more than {STOP_LIMIT_S:.0f} s ago, and its controller, which is not known to be "
        "gone, has not closed it.",
        "stop_unanswered",
        _stop_unanswered,
        ("validate connectivity", "recover"),
    ),
    Rule(
        "lease_held",
        "A step failed because another run holds the host, or took it.",
        "lease_held",
        _lease_held,
        ("lease list", "resume --wait"),
    ),
    Rule(
        "failed_step",
        "A step failed, or was left out for a failure of its own. Steps that only follow another one's failure are no "
        "alerts, and a cancelled run has none.",
        "task_failed",
        _failed_steps,
        OTHER_REMEDY,
    ),
    Rule(
        "stalled_phase",
        "A running step's heartbeat is stale.",
        "stalled",
        _stalled,
        ("validate connectivity",),
    ),
    Rule(
        "left_behind",
        "The run is closed or recovered, and the host's lease, its noise settings or a job of the run were not given "
        "back.",
        _LEFT_BEHIND,
        _left_behind,
        ("recover",),
    ),
    Rule(
        "blocked_publish",
        "A publish target is configured and cannot be reached as it is, and nobody asked to push.",
        "publish_blocked",
        _blocked_publish,
        ("validate publish", "publish"),
        decides=False,
    ),
    Rule(
        "disturbed",
        "The verdict on an execution that counts is suspect or void; one alert for each family.",
        "execution_disturbed",
        _disturbed,
        ("rerun",),
        decides=False,
    ),
    Rule(
        "ledger_damaged",
        "Lines of the journal are torn, unreadable or missing and the run was not recovered, or recovering could not "
        "rebuild everything.",
        "ledger_damaged",
        _damaged,
        ("recover",),
        decides=False,
    ),
    Rule(
        "ledger_incomplete",
        "Ansible counted other tasks than the ledger saw, and the run was not recovered.",
        "ledger_incomplete",
        _incomplete,
        ("recover",),
    ),
)


def _publish_paths(state: RunState, adapter: str | None, phase: str) -> list[str]:
    if phase != "publish" or not adapter:
        return []
    target = (state.publish.get(adapter) or {}).get("target") or adapter
    staged = f"{rundir.PUBLISH_STAGING}/{target}/{adapter}"
    return [f"{staged}/pull-request.json", f"{staged}/manifest.json", rundir.PUBLISH_LEDGER]


def _install_command(state: RunState, adapter: str | None) -> str | None:
    owners: Iterable[Mapping[str, Any]]
    owners = [state.readiness.get(adapter, {})] if adapter else state.readiness.values()
    for readiness in owners:
        command = readiness.get("install_command")
        if command and readiness.get("missing"):
            return command if isinstance(command, str) else shlex.join(_texts(command)) or None
    return None


def _relative(state: RunState, path: Any) -> str:
    """Return a path as it is seen from the run directory; failures may name it from the project's root."""
    text = str(path) if path else ""
    prefix = f"{state.run_dir}/" if state.run_dir else ""
    return text.removeprefix(prefix) if prefix else text


def _texts(value: Any) -> list[str]:
    """Return a list of a record as texts; records of other versions and damaged ones may hold anything."""
    return [str(item) for item in value] if isinstance(value, list) else []


def _distinct(values: Iterable[str | None]) -> list[str]:
    return list(dict.fromkeys(value for value in values if value))
