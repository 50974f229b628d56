# SPDX-License-Identifier: Apache-2.0
"""The index of a directory of bundles: one document by which a web server or object store is a shared cache."""

from __future__ import annotations

import fcntl
import json
import os
from collections import Counter
from typing import TYPE_CHECKING, Any

from pydantic import ValidationError

from rackbench.bundles.catalog import list_bundles, signature_path
from rackbench.errors import RackbenchError
from rackbench.files import json_text, sha256_of, write_atomic
from rackbench.models.bundle_index import BundleIndex, IndexEntry
from rackbench.models.common import explain

if TYPE_CHECKING:
    from pathlib import Path

INDEX_NAME = "index.json"


def write_index(directory: Path) -> Path:
    """Bring the index of a directory up to date and return its path; the same bundles give the same bytes.

    Bundles that cannot be used are left out. Raises `RackbenchError` (cache_unwritable).
    """
    path = directory / INDEX_NAME
    try:
        directory.mkdir(parents=True, exist_ok=True)
        handle = os.open(directory, os.O_RDONLY | os.O_DIRECTORY)
        try:
            # Of two that write at the same time the later one has seen what both have built.
            fcntl.flock(handle, fcntl.LOCK_EX)
            text = json_text({"schema": BundleIndex.schema_name(), "bundles": _entries(directory)})
            if not path.is_file() or path.read_bytes() != text.encode():
                write_atomic(path, text)
        finally:
            os.close(handle)
    except OSError as error:
        raise RackbenchError(
            "cache_unwritable", f"The index {path} cannot be written: {error.strerror}.", where=str(path)
        ) from error
    return path


def _entries(directory: Path) -> list[dict[str, Any]]:
    entries = []
    for listed in sorted(list_bundles([directory]), key=lambda listed: listed.tarball.name):
        if listed.sidecar is None:
            continue
        signature = signature_path(listed.tarball)
        entry = {
            "file": listed.tarball.name,
            "sidecar": listed.sidecar.model_dump(by_alias=True),
            "signature": sha256_of(signature) if signature.is_file() else None,
        }
        try:
            IndexEntry.model_validate(entry)
        except ValidationError:
            continue
        entries.append(entry)
    return entries


def read_index(content: bytes, where: str) -> list[IndexEntry | tuple[str, str]]:
    """Return the entries of an index; for one that cannot be used its file name and the reason.

    Raises `RackbenchError` (cache_refused) when the document is no index at all.
    """
    try:
        document = json.loads(content)
    except (ValueError, RecursionError) as error:
        raise _no_index(where, f"it is not whole JSON ({error})") from error
    if not isinstance(document, dict):
        raise _no_index(where, "it is no JSON object")
    schema, ours = document.get("schema"), BundleIndex.schema_name()
    if not isinstance(schema, str) or schema.rpartition(".")[0] != ours.rpartition(".")[0]:
        raise _no_index(where, f"its schema is {str(schema)[:60]!r}, and this version reads {ours}")
    bundles = document.get("bundles")
    if not isinstance(bundles, list):
        raise _no_index(where, "its field bundles is no list")
    counts = Counter(str(one["file"]) for one in bundles if isinstance(one, dict) and "file" in one)
    return [_entry(number, one, counts, where) for number, one in enumerate(bundles)]


def _entry(number: int, content: Any, counts: Counter[str], where: str) -> IndexEntry | tuple[str, str]:
    name = str(content.get("file")) if isinstance(content, dict) else f"entry {number}"
    try:
        entry = IndexEntry.model_validate(content)
    except ValidationError as error:
        return name, f"{where}, bundles.{number}: {explain(error)}"
    if counts[entry.file] > 1:
        return name, f"{where} names {entry.file} {counts[entry.file]} times."
    return entry


def _no_index(where: str, reason: str) -> RackbenchError:
    return RackbenchError(
        "cache_refused",
        f"{where} is no index of bundles: {reason}.",
        where=where,
        next_step="Correct lab_bundle_cache, or let whoever keeps the cache write its index again.",
    )
