# SPDX-License-Identifier: Apache-2.0
"""``rackbench corpus inventory``: write `corpus-inventory.json`, or say how the corpus differs from it."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Any

from rackbench.cli.output import add_json_option
from rackbench.cli.progress import progress_bar
from rackbench.errors import CHECK_SAYS_NO, GOOD, RackbenchError

if TYPE_CHECKING:
    import argparse

    from rackbench.cli.output import Output
    from rackbench.corpus.inventory import Difference


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Describe the command line."""
    what = parser.add_mutually_exclusive_group(required=True)
    what.add_argument("--write", action="store_true", help="bring the inventory up to date")
    what.add_argument(
        "--check", action="store_true", help="name the files that were added, removed and changed"
    )
    parser.add_argument(
        "corpus", nargs="?", type=Path, default=Path(), metavar="DIR", help="the corpus (default: here)"
    )
    parser.add_argument("--full", action="store_true", help="read every file again, whatever its times say")
    add_json_option(parser)


def run(args: argparse.Namespace, output: Output) -> int:
    """Write or compare; 0, or 1 when the corpus differs from its inventory."""
    from rackbench.corpus import inventory
    from rackbench.corpus.checks import Finding
    from rackbench.corpus.read import INVENTORY_NAME
    from rackbench.corpus.validate import check_corpus

    root: Path = args.corpus
    if root.is_symlink():
        raise RackbenchError(
            "input_missing", f"{root} is a symbolic link; name the directory itself.", where=str(root)
        )
    if not root.is_dir():
        raise RackbenchError("input_missing", f"{root} is no directory.", where=str(root))
    path = root / INVENTORY_NAME
    with progress_bar("reading") as progress:
        files = check_corpus(root, full=args.full, progress=progress)
    old = inventory.read(path)
    if isinstance(old, Finding) and args.check:
        raise RackbenchError("corpus_inventory_invalid", f"{path}: {old.message}", where=str(path))
    if old is None and args.check:
        raise RackbenchError("corpus_inventory_invalid", f"There is no {path}.", where=str(path))
    nothing: dict[str, Any] = {"files": {}, "bundles": []}
    difference = inventory.difference(old if isinstance(old, dict) else nothing, files)
    written = args.write and inventory.write(root, files)
    if output.as_json:
        output.document(
            {
                "schema": "rackbench.corpus-inventory-compared/1.0",
                "path": str(path),
                "ok": args.write or not difference,
                "written": written,
                "files": len(files),
                "added": difference.added,
                "removed": difference.removed,
                "changed": difference.changed + [INVENTORY_NAME] * bool(difference.rest),
            }
        )
    _tell(difference, output)
    if args.write:
        output.line(f"{path}: {'written' if written else 'up to date'}, {len(files)} files.", "green")
        return GOOD
    output.line(
        f"{path}: {'the corpus differs' if difference else 'up to date'}, {len(files)} files.",
        "bold red" if difference else "green",
    )
    return CHECK_SAYS_NO if difference else GOOD


def _tell(difference: Difference, output: Output) -> None:
    from rackbench.corpus.checks import one_line

    for how, paths in (
        ("added", difference.added),
        ("removed", difference.removed),
        ("changed", difference.changed),
    ):
        for path in paths:
            output.line(one_line(f"{how:<7}  {path}"))
    if difference.rest:
        output.line(f"false    {', '.join(difference.rest)}")
