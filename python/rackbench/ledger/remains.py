# SPDX-License-Identifier: Apache-2.0
"""What is left of a run directory: links are not followed, and what is no JSON counts as missing."""

from __future__ import annotations

import json
import os
import stat
from typing import TYPE_CHECKING, Any

from rackbench.files import open_regular, sha256_of
from rackbench.ledger import rundir

if TYPE_CHECKING:
    from collections.abc import Mapping
    from pathlib import Path

    from rackbench.ledger.reconstruct import Documents

# A document that is larger than this is none of ours.
MOST_BYTES = 256 * 1024 * 1024


def read_json(path: Path) -> Any:
    """Return what a JSON file of the directory holds; None for one that is missing, no regular file, or damaged."""
    data = bytes_of(path)
    if data is None:
        return None
    try:
        return json.loads(data)
    except (ValueError, RecursionError):
        return None


def bytes_of(path: Path) -> bytes | None:
    """Return a regular file's bytes. Links are not followed, and nothing is waited for."""
    try:
        with open_regular(path) as stream:
            return stream.read() if os.fstat(stream.fileno()).st_size <= MOST_BYTES else None
    except (OSError, ValueError):
        return None


def size_of(path: Path) -> int | None:
    """Return the size of a regular file, or None."""
    try:
        about = path.lstat()
    except (OSError, ValueError):
        return None
    return about.st_size if stat.S_ISREG(about.st_mode) else None


def read_documents(run_dir: Path) -> Documents:
    """Return what is left of a directory's documents, for `reconstruct.rebuild`."""
    from rackbench.ledger import control, reconstruct  # here and not above: they are slow to import

    path = run_dir.absolute()
    found = {
        name: _object(run_dir / name)
        for name in (
            rundir.STATUS,
            rundir.RUN_MANIFEST,
            rundir.ARTIFACT_MANIFEST,
            rundir.PUBLISH_LEDGER,
            rundir.INVENTORY_SNAPSHOT,
            rundir.PREFLIGHT_REPORT,
        )
    }
    told = [document for document in found.values() if document]
    left = reconstruct.Documents(
        run_id=_told(told, "run_id") or rundir.run_id_of(path),
        host=_told(told, "host") or path.parent.name,
        run_dir=os.fspath(run_dir),
        status=found[rundir.STATUS],
        manifest=found[rundir.RUN_MANIFEST],
        artifacts=found[rundir.ARTIFACT_MANIFEST],
        publish=found[rundir.PUBLISH_LEDGER],
        snapshot=found[rundir.INVENTORY_SNAPSHOT],
        preflight=found[rundir.PREFLIGHT_REPORT],
        export=_object(run_dir / rundir.EXPORTS / "results.json"),
        commands=_lines(run_dir / rundir.COMMAND_LEDGER),
        transfers=_lines(run_dir / rundir.TRANSFER_LEDGER),
        controls=[*control.requests(run_dir)],
    )
    for document in sorted((run_dir / rundir.STEPS).glob("*.json")):
        content = _object(document)
        if content is not None and content.get("step_id") == document.stem:
            left.steps[document.stem] = content
    for step in left.steps.values():
        artifacts = step.get("artifacts")
        for name in artifacts if isinstance(artifacts, list) else ():
            size = (
                size_of(run_dir / name)
                if isinstance(name, str) and _is_inside(run_dir, run_dir / name)
                else None
            )
            if size is not None:
                left.files[name] = reconstruct.Registered(size, sha256_of(run_dir / name))
    for path in sorted((run_dir / rundir.BENCHMARKS).glob("*/*/*.json")):
        if path.name not in {"result.json", "job.json"} or not _is_inside(run_dir, path):
            continue
        adapter, execution = path.parts[-3:-1]
        content = _object(path)
        if content is not None and path.name == "job.json":
            left.jobs[execution] = content
        elif content is not None:
            left.results[execution] = {"adapter": adapter, "status": content.get("status")}
    return left


def _is_inside(run_dir: Path, path: Path) -> bool:
    """Return whether a path leads to something in the directory and nowhere else."""
    try:
        return path.resolve().is_relative_to(run_dir.resolve())
    except (OSError, ValueError, RuntimeError):
        return False


def _told(found: list[dict[str, Any]], name: str) -> str | None:
    return next((text for document in found if isinstance(text := document.get(name), str) and text), None)


def _object(path: Path) -> dict[str, Any] | None:
    content = read_json(path)
    return content if isinstance(content, dict) else None


def _lines(path: Path) -> list[Mapping[str, Any]] | None:
    """Return the objects of a ledger, one a line; None when it is missing."""
    data = bytes_of(path)
    if data is None:
        return None
    found: list[Mapping[str, Any]] = []
    for line in data.splitlines():
        try:
            content = json.loads(line)
        except (ValueError, RecursionError):
            continue
        if isinstance(content, dict):
            found.append(content)
    return found
