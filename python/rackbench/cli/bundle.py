# SPDX-License-Identifier: Apache-2.0
"""``rackbench bundle``: build, list, show and verify the archives that carry benchmarks to their targets."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Any

from rackbench.cli.inputs import there
from rackbench.cli.output import add_json_option
from rackbench.errors import CHECK_SAYS_NO

if TYPE_CHECKING:
    import argparse

    from rackbench.cli.output import Output

DIST = "dist"


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Describe the command line."""
    actions = parser.add_subparsers(dest="action", metavar="ACTION", required=True)
    build = actions.add_parser(
        "build", help="build one source directory, or bring all in-tree bundles up to date"
    )
    build.add_argument("source", nargs="?", metavar="SOURCE", help="a directory with a bundle.toml")
    listing = actions.add_parser("list", help="list the bundles in dist/")
    show = actions.add_parser("show", help="show the sidecar of a bundle")
    show.add_argument("file", metavar="FILE")
    verify = actions.add_parser("verify", help="check bundles against their sidecars")
    verify.add_argument("files", nargs="+", metavar="FILE")
    for action in (build, listing):
        action.add_argument(
            "--dist", metavar="DIR", help="where the bundles are (default: the project's dist/)"
        )
    for action in (build, listing, show, verify):
        add_json_option(action)


def run(args: argparse.Namespace, output: Output) -> int:
    """Do the action; 0, or 1 when a bundle is not good."""
    actions = {"build": _build, "list": _list, "show": _show, "verify": _verify}
    return actions[args.action](args, output)


def _dist(args: argparse.Namespace) -> Path:
    if args.dist:
        return Path(args.dist)
    from rackbench.project import find_project

    return find_project() / DIST


def _build(args: argparse.Namespace, output: Output) -> int:
    from rackbench.bundles.build import build, build_all

    dist = _dist(args)
    if args.source:
        built = [build(there(Path(args.source)), dist)]
    else:
        from rackbench.project import find_project

        built = build_all(find_project(), dist)
    if output.as_json:
        bundles = [
            {
                "name": one.name,
                "version": one.version,
                "path": str(one.tarball),
                "sha256": one.digest,
                "rebuilt": one.rebuilt,
            }
            for one in built
        ]
        output.document({"schema": "rackbench.bundles-built/1.0", "bundles": bundles})
    for one in built:
        output.line(f"{'built' if one.rebuilt else 'up to date'}: {one.tarball.name} sha256:{one.digest}")
    return 0


def _list(args: argparse.Namespace, output: Output) -> int:
    from rackbench.bundles.catalog import list_bundles, needs_of

    dist = there(Path(args.dist)) if args.dist else _dist(args)
    listed = list_bundles([dist])
    if output.as_json:
        bundles: list[dict[str, Any]] = [
            {
                "path": str(one.tarball),
                "sidecar": one.sidecar.model_dump(by_alias=True) if one.sidecar else None,
                "problem": one.reason,
            }
            for one in listed
        ]
        output.document({"schema": "rackbench.bundles/1.0", "bundles": bundles})
        return 0
    rows = []
    for one in listed:
        if one.sidecar is None:
            rows.append((one.tarball.name, "-", "-", "-", one.reason or ""))
        else:
            needs = needs_of(one.sidecar)
            head = one.sidecar
            rows.append(
                (head.name, head.version, needs.tag() if needs else "any", str(head.size), head.sha256[:12])
            )
    if rows:
        output.table(("bundle", "version", "platform", "bytes", "sha256"), rows, right=(3,))
    else:
        output.note("No bundles yet; `rackbench bundle build` makes them.")
    return 0


def _show(args: argparse.Namespace, output: Output) -> int:
    from rackbench.bundles.catalog import read_sidecar

    # The sidecar is a JSON document already: it is its own best description.
    output.document(read_sidecar(there(Path(args.file))).model_dump(by_alias=True))
    return 0


def _verify(args: argparse.Namespace, output: Output) -> int:
    from rackbench.bundles.catalog import verify

    problems = {name: verify(there(Path(name))) for name in args.files}
    good = not any(problems.values())
    if output.as_json:
        files = [{"path": name, "problems": found} for name, found in problems.items()]
        output.document({"schema": "rackbench.bundles-verified/1.0", "ok": good, "files": files})
    for name, found in problems.items():
        output.line(f"{name}: {'good' if not found else 'NOT GOOD'}", "green" if not found else "bold red")
        for problem in found:
            output.line(f"  {problem}")
    return 0 if good else CHECK_SAYS_NO
