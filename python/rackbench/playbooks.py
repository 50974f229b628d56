# SPDX-License-Identifier: Apache-2.0
"""Running one of the collection's smaller playbooks and getting its answer back.

A playbook's answer is what the tasks of one action returned, for each host; ansible-runner brings it with its events,
so nothing is written for it. A host whose task failed has a failure with a code there (`rackbench.failure`), as all
our actions return it. A host without an answer was never asked: the play ended before.
"""

from __future__ import annotations

import json
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

from rackbench import runner
from rackbench.errors import RackbenchError

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping, Sequence
    from pathlib import Path

_ANSWERS = {"runner_on_ok", "runner_on_failed", "runner_on_unreachable"}


@dataclass
class Answers:
    """What the hosts answered, and whether the user interrupted the play."""

    results: dict[str, dict[str, Any]] = field(default_factory=dict)
    interrupted: bool = False


def run_playbook(
    project: Path,
    playbook: str,
    hosts: str,
    extra_vars: Mapping[str, Any],
    *,
    action: str,
    check: bool,
    say: Callable[[str], None],
    inventories: Sequence[str] = (),
    given_vars: Sequence[str] = (),
) -> Answers:
    """Run `playbook`, such as `rackbench.lab.clean`, quietly on `hosts`; return what the tasks of `action` returned.

    `given_vars` are extra variables as a user writes them; those of `extra_vars` come after them.

    Raises `RackbenchError("ansible_failed")` when no host gave an answer.
    """
    answers = Answers()

    def on_event(event: dict[str, Any]) -> None:
        data = event.get("event_data") or {}
        if event.get("event") in _ANSWERS and data.get("task_action") == action:
            answers.results[str(data["host"])] = data.get("res") or {}

    arguments = [
        "--limit",
        hosts,
        *runner.variables_options(given_vars),
        "--extra-vars",
        json.dumps(dict(extra_vars)),
        *(["--check"] if check else []),
    ]
    for inventory in inventories:
        arguments += ["--inventory", inventory]
    ended = runner.start(project, playbook, arguments, quiet=True, say=say, on_event=on_event)
    answers.interrupted = ended.interrupted
    if not answers.results and not ended.interrupted:
        raise RackbenchError(
            "ansible_failed",
            f"ansible-playbook {playbook} ended with exit code {ended.rc}, and no host gave an answer.",
            detail="\n".join(filter(None, ended.last_output)) or None,
            next_command="ansible-inventory --graph",
        )
    return answers
