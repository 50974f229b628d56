# SPDX-License-Identifier: Apache-2.0
"""``rackbench submit``: package results for a corpus, checked as its CI checks them."""

from __future__ import annotations

import json
import os
from pathlib import Path
from typing import TYPE_CHECKING, Any

from rackbench.cli.inputs import given_inventories, inventory_variable, recorded_inventories, there
from rackbench.cli.output import add_json_option
from rackbench.errors import CHECK_SAYS_NO, GOOD, RackbenchError

if TYPE_CHECKING:
    import argparse
    from collections.abc import Sequence

    from rackbench.cli.output import Output
    from rackbench.corpus.submit import Original, Packed
    from rackbench.corpus.validate import Checked
    from rackbench.publish.embargo import Embargo

SOURCES = ("community", "internal", "vendor")
EMBARGOES = "lab_embargoes"


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Describe the command line."""
    what = parser.add_mutually_exclusive_group(required=True)
    what.add_argument("--run-dir", metavar="D", help="the directory of a run: all of its results")
    what.add_argument(
        "files", nargs="*", default=[], type=Path, metavar="FILE", help="a bundle, for example of BenchBox"
    )
    parser.add_argument(
        "--output",
        type=Path,
        default=Path("submission"),
        metavar="DIR",
        help="where the submission is written, or added to (default: ./submission)",
    )
    parser.add_argument("--submitted-by", default="", metavar="NAME", help="who submits the results")
    parser.add_argument("--notes", metavar="TEXT", help="what is to be known of them, at most 500 characters")
    parser.add_argument(
        "--source",
        choices=SOURCES,
        default=SOURCES[0],
        help="who measured: the community, the maintainers of the corpus, or a vendor (default: community)",
    )
    parser.add_argument(
        "-i",
        "--inventory",
        action="append",
        default=[],
        help="an inventory to read the embargoes from, instead of the run's own",
    )
    add_json_option(parser)


def run(args: argparse.Namespace, output: Output) -> int:
    """Package the results; 0, or 1 when they are refused, and then nothing is written."""
    from rackbench import clock
    from rackbench.corpus import submit
    from rackbench.publish import embargo

    now = clock.utc_now()
    inventories = given_inventories(args.inventory)
    if args.run_dir:
        originals, embargoes = _of_run(args.run_dir, inventories)
    else:
        originals, report = submit.of_files(there(path) for path in args.files)
        if not report.ok:
            return _tell(submit.Packed(report, ()), args.output, output)
        project = _lab_of_files()
        embargoes = _embargoes(project, inventories) if project else ()
    packed = submit.package(
        originals,
        args.output,
        submit.Declaration(args.submitted_by, args.source, args.notes),
        forbidden=embargo.words(embargoes, now),
        now=now,
    )
    return _tell(packed, args.output, output)


def _of_run(given: str, inventories: Sequence[str]) -> tuple[list[Original], tuple[Embargo, ...]]:
    """Return the bundles of a run, and the embargoes; none of them concerns the run itself."""
    from rackbench import clock
    from rackbench.cli.status import run_dir_of
    from rackbench.corpus import submit
    from rackbench.ledger import documents
    from rackbench.project import find_project
    from rackbench.publish import embargo

    run_dir = run_dir_of(given)
    state = documents.load(run_dir).state
    if state.host is None:
        raise RackbenchError(
            "ledger_unreadable",
            f"The journal of {given} does not tell which run this was.",
            where=given,
        )
    embargoes = _embargoes(find_project(), inventories or recorded_inventories(state), state.host)
    embargo.require_none(embargoes, run_dir, state, clock.utc_now())
    return submit.of_run(run_dir, state), embargoes


def _lab_of_files() -> Path | None:
    """Return the project that we are in. Whoever submits a file may have none, and then there is no lab to ask."""
    from rackbench.project import find_project

    try:
        return find_project()
    except RackbenchError:
        if os.environ.get("RACKBENCH_PROJECT"):
            raise
        return None


def _embargoes(project: Path, inventories: Sequence[str], host: str | None = None) -> tuple[Embargo, ...]:
    """Return the embargoes of all hosts of a lab: that of one of them may name a label or a processor of another.

    Whoever cannot tell whether something is under embargo gives nothing out. Raises `RackbenchError`: ansible_failed,
    embargo_invalid, unknown_host when the inventory does not know `host`, whose embargo may then be elsewhere.
    """
    from rackbench.publish import embargo

    values = inventory_variable(project, EMBARGOES, inventories)
    if host is not None and host not in values:
        raise RackbenchError(
            "unknown_host",
            f"The inventory does not know {host}, and so not whether it is under embargo.",
            where=host,
            next_step="Name the inventory that has the host with -i.",
        )
    found: dict[Embargo, None] = {}
    # Many hosts have one list.
    for text in {json.dumps(value, sort_keys=True) for value in values.values() if value is not None}:
        if "{{" in text or "{%" in text:
            raise RackbenchError(
                "embargo_invalid",
                f"{EMBARGOES} holds a template, and nothing is templated here.",
                where=EMBARGOES,
                next_step="Write the entries out.",
            )
        found.update(dict.fromkeys(embargo.read(json.loads(text))))
    return tuple(found)


def _tell(packed: Packed, place: Path, output: Output) -> int:
    from rackbench.cli.corpus_validate import finding_row, tell_findings
    from rackbench.corpus.submit import CONTRIBUTING

    report = packed.report
    page = place / CONTRIBUTING
    if output.as_json:
        output.document(
            {
                "schema": "rackbench.submission/1.0",
                "ok": report.ok,
                "output": str(place),
                "next_path": str(page) if report.ok else None,
                "bundles": [_bundle(one, packed) for one in report.bundles],
                "findings": [{"path": path, **finding_row(finding)} for path, finding in report.findings()],
            }
        )
    tell_findings(report, output)
    if not report.ok:
        output.line("Nothing was written.", "bold red")
        return CHECK_SAYS_NO
    for one in report.bundles:
        output.line(f"{'added' if one.path in packed.added else 'was there':<9}  {one.path}")
    output.line(f"{page} has the commands that come next.", "green")
    return GOOD


def _bundle(one: Checked, packed: Packed) -> dict[str, Any]:
    names = ("kind", "id", "benchmark", "scale", "platform", "version", "measured_at")
    return {
        "path": one.path,
        "manifest": one.manifest,
        "added": one.path in packed.added,
        "ok": one.ok,
        "sha256": one.seen.sha256,
        **{name: one.seen.facts.get(name) for name in names},
        "trust": one.label,
    }
