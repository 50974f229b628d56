# SPDX-License-Identifier: Apache-2.0
"""What needs a person: failed steps, stalled phases, blocked publishing, and for each the next step to take."""

from __future__ import annotations

import shlex
from typing import TYPE_CHECKING, Any

from rackbench.errors import FAILURES, Failure
from rackbench.ledger import monitoring, rundir

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Mapping
    from datetime import datetime

    from rackbench.ledger.state import RunState, StepState

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
# Codes of a bundle or a host that is not fit, and the scope that looks at it again; `all` asks the host too.
_SCOPES = {
    **dict.fromkeys(
        (
            "packaging_blocked",
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
        ),
        "staging",
    ),
    **dict.fromkeys(
        (
            "runtime_missing",
            "platform_unknown",
            "host_too_small",
            "root_required",
            "target_disk_full",
            "target_unwritable",
            "store_full",
            "source_build_failed",
            "bootstrap_failed",
        ),
        "all",
    ),
}
# A step that only follows another one's failure says nothing new.
_CONSEQUENCES = frozenset({"steps_failed"})
_BLOCKED_PUBLISH = frozenset({"blocked", "refused", "failed"})
_MOST_PATHS = 5
_UNKNOWN_CODE = Failure(4, "A failure without a known code.", "Read the file that is named.")


def _nothing_exists(_path: str) -> bool:
    return False


def alerts_block(
    state: RunState,
    now: datetime,
    live: monitoring.Live | None = None,
    alive: bool | None = None,  # noqa: FBT001 - three values
    exists: Callable[[str], bool] = _nothing_exists,
) -> dict[str, Any]:
    """Return the `alerts` block of the status document, the most urgent alert first.

    `exists` tells whether a path relative to the run directory is there: only those that are get named. The result is a
    pure function of the arguments.
    """
    items = [
        *_interrupted(state, alive),
        *(_failed_step(state, entry) for entry in _causes(state)),
        *_stalled(state, now, live, alive),
        *_blocked_publish(state),
        *_incomplete(state),
    ]
    for item in items:
        paths = [path for path in dict.fromkeys(item.pop("candidates")) if path and exists(path)]
        item["next_paths"] = paths[:_MOST_PATHS]
        item["next_path"] = paths[0] if paths else None
    return {
        "active": bool(items),
        "count": len(items),
        "primary": items[0] if items else None,
        "items": items,
        "next_actions": _distinct(item["next_action"] for item in items),
        "next_commands": _distinct(item["next_command"] for item in items),
        "next_paths": _distinct(path for item in items for path in item["next_paths"]),
        "next_install_commands": _distinct(item["next_install_command"] for item in items),
        "next_diagnostic_commands": _distinct(item["next_diagnostic_command"] for item in items),
    }


def _alert(state: RunState, kind: str, *, code: str, message: str, **more: Any) -> dict[str, Any]:
    return {
        "kind": kind,
        "code": code,
        "message": message,
        "step": more.get("step"),
        "adapter": more.get("adapter"),
        "phase": more.get("phase"),
        "next_action": more.get("action") or FAILURES.get(code, _UNKNOWN_CODE).next_step,
        "next_command": more.get("command"),
        "next_install_command": more.get("install"),
        "next_diagnostic_command": more.get("diagnostic") or _status_command(state),
        "candidates": more.get("candidates", ()),
    }


def _status_command(state: RunState) -> str | None:
    return shlex.join(["rackbench", "status", "--run-dir", state.run_dir]) if state.run_dir else None


def _run_command(state: RunState, adapter: str | None) -> str | None:
    if state.host is None:
        return None
    benchmarks = [adapter] if adapter else state.benchmarks
    chosen = ["--benchmarks", ",".join(benchmarks)] if benchmarks else []
    return shlex.join(["rackbench", "run", "--host", state.host, *chosen])


def _validate_command(state: RunState, scope: str) -> str | None:
    if state.host is None:
        return None
    return shlex.join(["rackbench", "validate", "--host", state.host, "--scope", scope])


def _causes(state: RunState) -> list[StepState]:
    failed = state.failed_steps
    causes = [entry for entry in failed if (entry.failure or {}).get("code") not in _CONSEQUENCES]
    return causes or failed


def _failed_step(state: RunState, entry: StepState) -> dict[str, Any]:
    failure = entry.failure or {}
    code = str(failure.get("code") or "task_failed")
    step = entry.step
    scope = _SCOPES.get(code)
    if code in CONNECTIVITY_CODES or step.step_id == "host.discover":
        command = _validate_command(state, "connectivity")
    else:
        # What was broken is looked at again before anything runs blindly.
        again = _validate_command(state, scope) if scope else _run_command(state, step.adapter)
        command = failure.get("next_command") or again
    return _alert(
        state,
        "failed_step",
        code=code,
        message=str(failure.get("message") or entry.reason or f"{step.step_id} failed."),
        step=step.step_id,
        adapter=step.adapter,
        phase=step.phase,
        action=failure.get("next_step"),
        command=command,
        install=_install_command(state, step.adapter) if code == "runtime_missing" else None,
        candidates=[
            _relative(state, failure.get("next_path")),
            *entry.artifacts,
            *_publish_paths(step.adapter, step.phase),
            rundir.step_document(step.step_id),
            rundir.COMMAND_LEDGER,
            rundir.EVENTS,
        ],
    )


def _interrupted(state: RunState, alive: bool | None) -> list[dict[str, Any]]:  # noqa: FBT001 - three values
    if monitoring.run_state(state, alive) != "interrupted":
        return []
    step = state.steps.get(state.last_began or "")
    return [
        _alert(
            state,
            "interrupted",
            code="interrupted",
            message=FAILURES["interrupted"].meaning,
            step=state.last_began,
            adapter=step.step.adapter if step else None,
            phase=step.step.phase if step else None,
            command=_run_command(state, None),
            candidates=[rundir.step_document(state.last_began) if state.last_began else "", rundir.EVENTS],
        )
    ]


def _stalled(
    state: RunState,
    now: datetime,
    live: monitoring.Live | None,
    alive: bool | None,  # noqa: FBT001 - three values
) -> list[dict[str, Any]]:
    block = monitoring.monitoring_block(state, now, live, alive)
    found = []
    for phase in block["stalled_phases"]:
        age = "an unknown time" if phase["age_s"] is None else f"{phase['age_s']:.0f} s"
        beat = next(one for one in block["heartbeats"] if one["step"] == phase["step"])
        found.append(
            _alert(
                state,
                "stalled_phase",
                code="stalled",
                message=f"{phase['step']} has given no sign of life for {age} "
                f"(expected at least every {phase['stale_after_s']:.0f} s).",
                step=phase["step"],
                adapter=phase["adapter"],
                phase=phase["phase"],
                command=_validate_command(state, "connectivity"),
                candidates=[
                    rundir.live_document(beat["execution"]) if beat["execution"] else "",
                    *state.steps[phase["step"]].artifacts,
                    rundir.step_document(phase["step"]),
                    rundir.EVENTS,
                ],
            )
        )
    return found


def _blocked_publish(state: RunState) -> list[dict[str, Any]]:
    failed = {entry.step.adapter for entry in state.failed_steps if entry.step.phase == "publish"}
    return [
        _alert(
            state,
            "blocked_publish",
            code="publish_blocked",
            message=str(entry.get("reason") or f"Publishing the results of {adapter} is {entry['state']}."),
            step=f"{adapter}.publish",
            adapter=adapter,
            phase="publish",
            command=_status_command(state),
            candidates=[*_publish_paths(adapter, "publish"), rundir.step_document(f"{adapter}.publish")],
        )
        for adapter, entry in state.publish.items()
        if entry.get("state") in _BLOCKED_PUBLISH and adapter not in failed
    ]


def _incomplete(state: RunState) -> list[dict[str, Any]]:
    if state.incomplete is None:
        return []
    return [
        _alert(
            state,
            "ledger_incomplete",
            code="ledger_incomplete",
            message=FAILURES["ledger_incomplete"].meaning,
            command=_status_command(state),
            candidates=[rundir.EVENTS],
        )
    ]


def _publish_paths(adapter: str | None, phase: str) -> list[str]:
    if phase != "publish" or not adapter:
        return []
    return [f"{rundir.PUBLISH_STAGING}/{adapter}/manifest.json", rundir.PUBLISH_LEDGER]


def _install_command(state: RunState, adapter: str | None) -> str | None:
    owners: Iterable[Mapping[str, Any]]
    owners = [state.readiness.get(adapter, {})] if adapter else state.readiness.values()
    for readiness in owners:
        command = readiness.get("install_command")
        if command and readiness.get("missing"):
            return command if isinstance(command, str) else shlex.join(str(part) for part in command)
    return None


def _relative(state: RunState, path: Any) -> str:
    """Return a path as it is seen from the run directory; failures may name it from the project's root."""
    text = str(path) if path else ""
    prefix = f"{state.run_dir}/" if state.run_dir else ""
    return text.removeprefix(prefix) if prefix else text


def _distinct(values: Iterable[str | None]) -> list[str]:
    return list(dict.fromkeys(value for value in values if value))
