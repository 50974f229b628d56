# SPDX-License-Identifier: Apache-2.0
"""``rackbench recover``: give up a run in order. Its host and its directory get back what they can get back."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from rackbench.cli import summary
from rackbench.cli.inputs import add_play_options, given_inventories, recorded_inventories
from rackbench.cli.output import add_json_option
from rackbench.cli.status import run_dir_of
from rackbench.errors import BLOCKED, CHECK_SAYS_NO, FAILURES, GOOD, RackbenchError

if TYPE_CHECKING:
    import argparse
    from pathlib import Path

    from rackbench.cli.output import Output
    from rackbench.ledger.recovery import OnHost, Restored
    from rackbench.ledger.state import RunState

RECOVER = "rackbench.lab.recover"


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Describe the command line."""
    parser.add_argument("--run-dir", required=True, metavar="DIR", help="the run's directory")
    add_play_options(parser, inventory_of="run")
    add_json_option(parser)


def run(args: argparse.Namespace, output: Output) -> int:
    """Recover; 3 when something may be left on the host, 1 when parts of the directory are lost, else 0."""
    from rackbench import clock
    from rackbench.ledger import documents, recovery
    from rackbench.ledger.claim import claim

    run_dir = run_dir_of(args.run_dir).resolve()
    on_host: OnHost | None = None
    with claim(run_dir) as found:
        recovery.keep_fold(found)
        restored = recovery.restore(run_dir)
        state = restored.loaded.state
        if not recovery.is_known(state):
            raise _nothing_known(run_dir)
        _export_again(restored)
        if recovery.may_have_left_something(state):
            on_host = _ask_host(args, run_dir, state, output)
        loaded = recovery.record(restored, on_host)
        recovery.keep_fold(loaded)
    answer: dict[str, Any] = {
        "schema": "rackbench.recovery/1.0",
        "exit_status": _exit_status(restored.not_rebuilt, on_host),
        "rebuilt": restored.rebuilt,
        "not_rebuilt": restored.not_rebuilt,
        "lease": on_host.lease if on_host else None,
        "noise": on_host.noise if on_host else None,
        "jobs": on_host.jobs if on_host else {},
        "failures": on_host.failures if on_host else [],
        "status": documents.status_of(loaded, clock.utc_now()),
    }
    if output.as_json:
        output.document(answer)
    else:
        _show(answer, output)
    return int(answer["exit_status"])


def _nothing_known(run_dir: Path) -> RackbenchError:
    return RackbenchError(
        "ledger_unreadable",
        "The journal of this run is lost, and no document tells which run it was.",
        where=str(run_dir),
    )


def _export_again(restored: Restored) -> None:
    """Write exports that are gone, as long as they come out as they were."""
    from hashlib import sha256

    from rackbench.adapters.export import rendered
    from rackbench.files import write_atomic
    from rackbench.ledger import journal, recovery

    run_dir, state = restored.loaded.run_dir, restored.loaded.state
    gone = [path for path in state.exports if not restored.loaded.exists(path)]
    if not gone:
        return
    try:
        texts = rendered(run_dir, state, state.options.get("export_formats") or ())
    except (RackbenchError, TypeError, ValueError, KeyError, AttributeError):
        # Settings or results that are damaged: what is gone is told as lost.
        return
    for target, text in texts.items():
        path = target.relative_to(run_dir).as_posix()
        if path not in gone or sha256(text.encode()).hexdigest() != state.artifacts[path].get("sha256"):
            continue
        try:
            write_atomic(target, text)
        except OSError as error:
            raise journal.write_failed(target, error) from error
        restored.rebuilt.append(path)
    restored.not_rebuilt = recovery.lost(restored.loaded)


def _ask_host(args: argparse.Namespace, run_dir: Path, state: RunState, output: Output) -> OnHost:
    """Put right what the run left on its host; what keeps that from being done stands in the answer."""
    from rackbench.ledger.recovery import OnHost, unreached
    from rackbench.playbooks import run_playbook
    from rackbench.project import find_project

    try:
        answers = run_playbook(
            find_project(),
            RECOVER,
            str(state.host),
            {"lab_run_dir": str(run_dir)},
            action=RECOVER,
            check=False,
            say=output.note,
            inventories=given_inventories(args.inventory) or recorded_inventories(state),
            given_vars=args.extra_vars,
        )
    except RackbenchError as error:
        return unreached(state, error.as_dict())
    if answers.interrupted:
        raise KeyboardInterrupt
    answer = answers.results.get(str(state.host)) or {}
    if "found" not in answer:
        failure = (answer.get("rackbench") or {}).get("failure") or RackbenchError(
            "task_failed", f"The playbook that recovers a host failed: {answer.get('msg')}", where=state.host
        ).as_dict()
        return unreached(state, failure)
    found = answer["found"]
    return OnHost(found["lease"], found["noise"], found["jobs"], found["failures"])


def _exit_status(not_rebuilt: list[str], on_host: OnHost | None) -> int:
    worst = CHECK_SAYS_NO if not_rebuilt else GOOD
    for failure in on_host.failures if on_host else ():
        code = failure.get("code")
        worst = max(worst, FAILURES[code].exit_status if code in FAILURES else BLOCKED)
    return worst if on_host is None or on_host.is_reached else max(worst, BLOCKED)


def _show(answer: dict[str, Any], output: Output) -> None:
    status = answer["status"]
    output.line(summary.headline(status), "bold")
    for path in answer["rebuilt"]:
        output.line(f"rebuilt  {path}")
    for execution, outcome in answer["jobs"].items():
        output.line(f"ended    {execution}: {outcome}")
    for name in ("noise", "lease"):
        if answer[name]:
            output.line(f"{name:<8} {answer[name].replace('_', ' ')}")
    for words in answer["not_rebuilt"]:
        output.line(f"lost     {words}", "yellow")
    for failure in answer["failures"]:
        output.line(f"{failure['message']} [{failure['code']}]", "bold red")
    if not (answer["rebuilt"] or answer["not_rebuilt"] or answer["lease"] or answer["failures"]):
        output.line("There was nothing to recover.")
    for line in summary.alert_lines(status):
        output.line(line, "" if line.startswith(" ") else "bold red")
    output.line(f"run_dir: {status['run_dir']}")
