# SPDX-License-Identifier: Apache-2.0
"""`corpus-inventory.json`: every file of a corpus with its digest, its bundles and its cohorts."""

from __future__ import annotations

import os
from dataclasses import dataclass, field, replace
from pathlib import Path, PurePosixPath
from typing import TYPE_CHECKING, Any

from rackbench import clock, strict_json
from rackbench.corpus import trust
from rackbench.corpus.checks import Finding, found, listed, shown
from rackbench.corpus.cohorts import cohorts
from rackbench.corpus.read import BUNDLE, INVENTORY_NAME
from rackbench.errors import RackbenchError
from rackbench.files import json_text, write_atomic

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from rackbench.corpus.validate import Checked

SCHEMA = "rackbench.corpus-inventory/1.0"
_READ = "rackbench.corpus-inventory/1."
# Ten thousand bundles take 5 MB.
_BYTES = 100 * 1024 * 1024
_FACTS = ("kind", "id", "benchmark", "scale", "platform", "version", "measured_at")


@dataclass(frozen=True, slots=True)
class Difference:
    """Paths, sorted: in the corpus and not in the inventory, the other way round, and in both but different.

    The inventory itself is changed when what it says beside its files, such as its counts, is not what they give.
    """

    added: list[str]
    removed: list[str]
    changed: list[str]
    rest: list[str] = field(default_factory=list)

    def __bool__(self) -> bool:
        """Return whether there is any."""
        return bool(self.added or self.removed or self.changed or self.rest)

    def findings(self) -> list[tuple[str, Finding]]:
        """Return each path with its finding."""
        told = [(INVENTORY_NAME, found("inventory_false", keys=listed(self.rest)))] if self.rest else []
        return told + [
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
    try:
        if path.is_symlink():
            return found("inventory_invalid", what="it is a symbolic link")
        if path.stat().st_size > _BYTES:
            return found("inventory_invalid", what=f"it has more than {_BYTES} bytes")
        content = strict_json.loads(path.read_bytes())
    except FileNotFoundError:
        return None
    except OSError as error:
        return found("inventory_invalid", what=error.strerror or "it cannot be read")
    except (ValueError, RecursionError) as error:
        return found("inventory_invalid", what=f"it is no JSON ({type(error).__name__})")
    if not isinstance(content, dict):
        return found("inventory_invalid", what="it is no object")
    wrong = _wrong(content)
    return found("inventory_invalid", what=wrong) if wrong else content


def _wrong(content: dict[str, Any]) -> str | None:
    """Return what is wrong with the shape of an inventory."""
    schema = content.get("schema")
    if not isinstance(schema, str) or not schema.startswith(_READ):
        return f"its schema is {shown(schema)}, and {_READ}x is read"
    files, bundles = content.get("files"), content.get("bundles")
    if not isinstance(files, dict) or not isinstance(bundles, list):
        return "it has no files or no bundles"
    if not all(isinstance(row, dict) and isinstance(row.get("path"), str) for row in bundles):
        return "a bundle in it has no path"
    if len({row["path"] for row in bundles}) < len(bundles):
        return "a bundle stands in it twice"
    if not _is_time(content.get("generated_at")):
        return f"its generated_at is {shown(content.get('generated_at'))}"
    if any(PurePosixPath(name).is_absolute() or ".." in PurePosixPath(name).parts for name in files):
        return "a path in it leads out of the corpus"
    return None


def _is_time(value: object) -> bool:
    try:
        return isinstance(value, str) and clock.utc_text(clock.parse_utc(value)) == value
    except (ValueError, OverflowError):
        return False


def difference(old: Mapping[str, Any], files: Mapping[str, Checked]) -> Difference:
    """Return how an inventory differs from all files of its corpus.

    Digests and rows first: where one differs, counts and cohorts do too. Otherwise all but its time is compared.
    """
    new = document(files, "")
    rows, rows_said = ({row["path"]: row for row in one["bundles"]} for one in (new, old))
    is_now, said = new["files"], old["files"]
    both = is_now.keys() & said.keys()
    named = Difference(
        added=sorted(is_now.keys() - said.keys()),
        removed=sorted((said.keys() | rows_said.keys()) - is_now.keys()),
        changed=sorted(
            name for name in both if is_now[name] != said[name] or rows.get(name) != rows_said.get(name)
        ),
    )
    if named:
        return named
    keys = (new.keys() | old.keys()) - {"generated_at"}
    return replace(
        named, rest=sorted(key for key in keys if key not in old or key not in new or old[key] != new[key])
    )


def corpus_of(directory: Path) -> Path | None:
    """Return the corpus that a directory is in or is: where the outermost inventory of the repository is.

    An inner one would hide it. Without a repository that ends the search, the outermost of all counts.
    """
    top = None
    whole = directory.resolve()
    for place in (whole, *whole.parents):
        if os.path.lexists(place / INVENTORY_NAME):
            top = place
        if (place / ".git").exists():
            break
    return top


def drift(root: Path, paths: Sequence[str], files: Mapping[str, Checked]) -> list[tuple[str, Finding]]:
    """Return what is wrong with the inventories of a corpus, given by their paths below it; none: nothing.

    Each is compared with the files of its own directory. One inside of another's directory is an error.
    """
    findings = []
    places: list[str] = []
    for path in sorted(paths, key=lambda path: (path.count("/"), path)):
        prefix = path.removesuffix(INVENTORY_NAME)
        if outer := [place for place in places if prefix.startswith(place)]:
            findings.append((path, found("inventory_nested", outer=outer[0] + INVENTORY_NAME)))
            continue
        places.append(prefix)
        old = read(root / path)
        if isinstance(old, Finding):
            findings.append((path, old))
        elif old is not None:
            findings += difference(old, _below(files, prefix)).findings()
    return findings


def _below(files: Mapping[str, Checked], prefix: str) -> Mapping[str, Checked]:
    """Return the files of a directory (`results/`, or nothing), with their paths below it."""
    if not prefix:
        return files
    return {
        path.removeprefix(prefix): replace(one, manifest=one.manifest and one.manifest.removeprefix(prefix))
        for path, one in files.items()
        if path.startswith(prefix)
    }


def says_none(root: Path) -> bool:
    """Return whether the inventory of a corpus is there and has no bundles."""
    said = read(root / INVENTORY_NAME)
    return isinstance(said, dict) and not said["bundles"]
