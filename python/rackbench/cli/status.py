# SPDX-License-Identifier: Apache-2.0
"""``rackbench status``: where a run stands, folded afresh from its journal."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Any

from rackbench.cli import summary
from rackbench.cli.output import add_json_option
from rackbench.errors import RackbenchError
from rackbench.ledger.rundir import EVENTS

if TYPE_CHECKING:
    import argparse
    from collections.abc import Mapping

    from rackbench.cli.output import Output
    from rackbench.ledger.documents import Loaded

# The state of a run whose journal says nothing.
UNKNOWN = "unknown"


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Describe the command line."""
    parser.add_argument("--run-dir", metavar="DIR", help="the run's directory (default: the newest run)")
    add_json_option(parser)


def run(args: argparse.Namespace, output: Output) -> int:
    """Show the run and return its own exit status; 0 while it is running, that of `ledger_unreadable` if unknown."""
    from rackbench import clock
    from rackbench.ledger import documents
    from rackbench.project import find_project, newest_run

    run_dir = newest_run(find_project()) if args.run_dir is None else run_dir_of(args.run_dir)
    loaded = _restored(documents.load(run_dir), output)
    status = documents.status_of(loaded, clock.utc_now())
    if output.as_json:
        output.document(status)
    else:
        show(status, output)
    if status["state"] == UNKNOWN:
        failure = RackbenchError(
            "ledger_unreadable",
            "The journal of this run is missing or holds no record that can be read.",
            where=str(run_dir / EVENTS),
        )
        if not output.as_json:
            output.error(failure)
    return int(status["exit_status"] or 0)


def _restored(loaded: Loaded, output: Output) -> Loaded:
    """Bring a directory up to date that nobody works on, and say what was done or why nothing could be."""
    from rackbench.ledger import recovery

    try:
        restored = recovery.first_touch(loaded)
    except RackbenchError as error:
        output.note(f"Documents of this run are missing or of an older form, and stay so: {error.message}")
        return loaded
    if restored is None:
        recovery.keep_fold(loaded)
        return loaded
    output.note(f"Restored: {', '.join(restored.rebuilt)}.")
    for words in restored.not_rebuilt:
        output.note(f"Lost: {words}")
    recovery.keep_fold(restored.loaded)
    return restored.loaded


def run_dir_of(given: str) -> Path:
    """Return the run directory that a user named: from here, as a run's last line does it, or by the run's id."""
    from rackbench.ledger import index
    from rackbench.project import RUNS, find_project

    path = Path(given)
    if path.is_absolute() or path.exists():
        return path
    # The last line of a run names its directory from the project's root.
    project = find_project()
    from_project = project / path
    return from_project if from_project.exists() else index.directory_of(project / RUNS, given) or path


def show(status: Mapping[str, Any], output: Output) -> None:
    """Print a status document for a person."""
    output.line(summary.headline(status), "bold")
    if status["run_dir"]:
        output.line(f"run_dir: {status['run_dir']}")
    if status["rerun_of"]:
        output.line(f"rerun of: {status['rerun_of']}")
    if status["label"]:
        output.line(f"label: {status['label']}")
    if status["template"]:
        output.line(f"template: {status['template']}")
    if status["tags"]:
        output.line(f"tags: {', '.join(status['tags'])}")
    _show_position(status, output)
    for problem in status["ledger"]["problems"]:
        output.line(f"ledger: {problem}", "yellow")
    primary = True
    for line in summary.alert_lines(status):
        if primary:
            output.line()
        output.line(line, "" if line.startswith(" ") else "bold red")
        primary = False
    for columns, rows, right in (
        (summary.STEP_COLUMNS, summary.step_rows(status), (2,)),
        (summary.READINESS_COLUMNS, summary.readiness_rows(status), ()),
        (summary.RESULT_COLUMNS, summary.result_rows(status), (2,)),
        (summary.PHASE_COLUMNS, summary.phase_rows(status), (1, 2, 3, 4, 5)),
    ):
        if rows:
            output.line()
            output.table(columns, rows, right=right)


def _show_position(status: Mapping[str, Any], output: Output) -> None:
    if position := status["position"]:
        task = f", task `{position['task']}`" if position["task"] else ""
        output.line(f"step {position['number']} of {position['of']}: {position['step']}{task}")
    if progress := status["progress"]:
        output.line(f"{progress['execution']}: {summary.progress_text(progress)}")
    for beat in status["monitoring"]["heartbeats"]:
        name = beat["execution"] or beat["step"]
        output.line(
            f"heartbeat of {name}: {beat['state']}, {summary.seconds(beat['age_s'])} s old",
            "yellow" if beat["state"] == "stale" else "",
        )
