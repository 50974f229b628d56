# SPDX-License-Identifier: Apache-2.0
"""`corpus-inventory.json`: every file of a corpus with its digest, its bundles and its cohorts."""

from __future__ import annotations

import os
from dataclasses import dataclass
from pathlib import Path, PurePosixPath
from typing import TYPE_CHECKING, Any

from rackbench import clock
from rackbench.corpus import trust
from rackbench.corpus.checks import Finding, found, shown
from rackbench.corpus.cohorts import cohorts
from rackbench.corpus.read import BUNDLE, INVENTORY_NAME
from rackbench.errors import RackbenchError
from rackbench.files import json_text, write_atomic

if TYPE_CHECKING:
    from collections.abc import Mapping

    from rackbench.corpus.validate import Checked

SCHEMA = "rackbench.corpus-inventory/1.0"
_READ = "rackbench.corpus-inventory/1."
# Ten thousand bundles take 5 MB.
_BYTES = 100 * 1024 * 1024
_FACTS = ("kind", "id", "benchmark", "scale", "platform", "version", "measured_at")


@dataclass(frozen=True, slots=True)
class Difference:
    """Paths, sorted: in the corpus and not in the inventory, the other way round, and in both but different."""

    added: list[str]
    removed: list[str]
    changed: list[str]

    def __bool__(self) -> bool:
        """Return whether there is any."""
        return bool(self.added or self.removed or self.changed)

    def findings(self) -> list[tuple[str, Finding]]:
        """Return each path with its finding."""
        return [
            (path, found("inventory_drift", path=path, how=how))
            for how, paths in (("added", self.added), ("removed", self.removed), ("changed", self.changed))
            for path in paths
        ]


def document(files: Mapping[str, Checked], generated_at: str) -> dict[str, Any]:
    """Return the inventory of the files of a corpus, by their paths below it."""
    bundles = [_bundle(path, one) for path, one in sorted(files.items()) if one.seen.role == BUNDLE]
    groups = cohorts(one.seen.facts for one in files.values() if one.seen.role == BUNDLE)
    return {
        "schema": SCHEMA,
        "generated_at": generated_at,
        "counts": {"files": len(files), "bundles": len(bundles), "cohorts": len(groups)},
        "cohorts": [
            {
                "kind": one.kind,
                "benchmark": one.benchmark,
                "scale": one.scale,
                "platforms": list(one.platforms),
                "bundles": one.bundles,
            }
            for one in groups
        ],
        "bundles": bundles,
        "files": {_text(path): one.seen.sha256 for path, one in sorted(files.items())},
    }


def _bundle(path: str, one: Checked) -> dict[str, Any]:
    label = one.label or trust.COMMUNITY
    return {
        "path": _text(path),
        "sha256": one.seen.sha256,
        "bytes": one.seen.stamp.size,
        **{name: one.seen.facts.get(name) for name in _FACTS},
        "manifest": _text(one.manifest) if one.manifest else None,
        "trust": label,
        "ranked": one.ok and trust.is_ranked(label),
    }


def _text(path: str) -> str:
    return os.fsencode(path).decode("utf-8", "backslashreplace")


def write(root: Path, files: Mapping[str, Checked]) -> bool:
    """Write the inventory of a corpus and say whether it changed; the same content keeps its time.

    Raises `RackbenchError("corpus_unwritable")`.
    """
    path = root / INVENTORY_NAME
    new = document(files, clock.utc_text(clock.utc_now()))
    old = read(path)
    if isinstance(old, dict) and {**old, "generated_at": None} == {**new, "generated_at": None}:
        return False
    try:
        write_atomic(path, json_text(new))
    except OSError as error:
        raise RackbenchError(
            "corpus_unwritable", f"{path} cannot be written: {error.strerror}.", where=str(path)
        ) from error
    return True


def read(path: Path) -> dict[str, Any] | Finding | None:
    """Return the inventory at `path`, what is wrong with it, or None when there is none."""
    import json

    try:
        if path.is_symlink():
            return found("inventory_invalid", what="it is a symbolic link")
        if path.stat().st_size > _BYTES:
            return found("inventory_invalid", what=f"it has more than {_BYTES} bytes")
        content = json.loads(path.read_bytes())
    except FileNotFoundError:
        return None
    except OSError as error:
        return found("inventory_invalid", what=error.strerror or "it cannot be read")
    except (ValueError, RecursionError) as error:
        return found("inventory_invalid", what=f"it is no JSON ({type(error).__name__})")
    if not isinstance(content, dict):
        return found("inventory_invalid", what="it is no object")
    schema = content.get("schema")
    if not isinstance(schema, str) or not schema.startswith(_READ):
        return found("inventory_invalid", what=f"its schema is {shown(schema)}, and {_READ}x is read")
    files, bundles = content.get("files"), content.get("bundles")
    if not isinstance(files, dict) or not isinstance(bundles, list):
        return found("inventory_invalid", what="it has no files or no bundles")
    if not all(isinstance(row, dict) and isinstance(row.get("path"), str) for row in bundles):
        return found("inventory_invalid", what="a bundle in it has no path")
    if any(PurePosixPath(name).is_absolute() or ".." in PurePosixPath(name).parts for name in files):
        return found("inventory_invalid", what="a path in it leads out of the corpus")
    return content


def difference(old: Mapping[str, Any], files: Mapping[str, Checked], prefix: str = "") -> Difference:
    """Return how an inventory differs from the files of a corpus. Every digest is compared, and every bundle's row.

    With `prefix` (`bundles/`) the files are those of that directory, and only what is said of it is compared.
    """
    new = document(files, "")
    digests = {prefix + name: digest for name, digest in new["files"].items()}
    said = {name: digest for name, digest in old["files"].items() if name.startswith(prefix)}
    rows = {prefix + row["path"]: _moved(row, prefix) for row in new["bundles"]}
    rows_said = {row["path"]: row for row in old["bundles"] if row["path"].startswith(prefix)}
    both = digests.keys() & said.keys()
    return Difference(
        added=sorted(digests.keys() - said.keys()),
        removed=sorted((said.keys() | rows_said.keys()) - digests.keys()),
        changed=sorted(
            name for name in both if digests[name] != said[name] or rows.get(name) != rows_said.get(name)
        ),
    )


def _moved(row: dict[str, Any], prefix: str) -> dict[str, Any]:
    manifest = row["manifest"]
    return {**row, "path": prefix + row["path"], "manifest": manifest and prefix + manifest}


def drift(root: Path, files: Mapping[str, Checked]) -> list[tuple[str, Finding]]:
    """Return what is wrong with the inventory of a corpus, or of the directory above `bundles/`; none: nothing."""
    for place, prefix in ((root, ""), (root.resolve().parent, f"{root.resolve().name}/")):
        old = read(place / INVENTORY_NAME)
        if isinstance(old, Finding):
            return [(str(place / INVENTORY_NAME), old)]
        if old is not None:
            return [*difference(old, files, prefix).findings()]
    return []


def says_none(root: Path) -> bool:
    """Return whether the inventory of a corpus, or of the directory above `bundles/`, is there and has no bundles."""
    old = [read(place / INVENTORY_NAME) for place in (root, root.resolve().parent)]
    said = next((one for one in old if one is not None), None)
    return isinstance(said, dict) and not said["bundles"]
