# SPDX-License-Identifier: Apache-2.0
"""A clean snapshot of a benchmark's repository: the same files from any clone of it, or from an exported directory."""

from __future__ import annotations

import os
import stat
import subprocess
import tarfile
from pathlib import Path
from typing import TYPE_CHECKING

from rackbench.bundles.source import LITTER_DIRECTORIES, LITTER_SUFFIXES, digest_of
from rackbench.errors import RackbenchError

if TYPE_CHECKING:
    from collections.abc import Iterable

_GITLINK = "160000"
# What macOS leaves beside files, and git's own; no snapshot holds them, tracked or not.
_NEVER = frozenset({".git", "__MACOSX", ".DS_Store", "__pycache__"})
# A message names this many files at most.
_NAMED = 5


def snapshot(repo: Path) -> dict[str, Path]:
    """Return name and file of everything that a snapshot of the directory holds, sorted by name.

    In a git work tree those are the tracked files, as they stand there; in any other directory all files but what
    compilers and editors leave. Of a link the file that it leads to is taken. Raises `RackbenchError` (snapshot_failed)
    for submodules, tracked files that are missing, links that leave the repository, and what no archive can hold.
    """
    try:
        names = _tracked(repo)
        return _files(repo, sorted(_all(repo) if names is None else names))
    except OSError as error:
        raise _failed(repo, f"{error.filename or repo} cannot be read: {error.strerror}") from error


def snapshot_digest(repo: Path) -> str:
    """Return a SHA-256 over what a snapshot of the directory holds. Raises as `snapshot` does, and `OSError`."""
    return digest_of(snapshot(repo).items())


def commit_of(directory: Path) -> tuple[str | None, bool | None]:
    """Return the commit of a directory and whether its files differ from it; nothing outside a git work tree."""
    commit = _git(directory, "rev-parse", "HEAD")
    changes = _git(directory, "status", "--porcelain", "--", ".")
    if commit is None or changes is None:
        return None, None
    return commit.strip(), bool(changes.strip())


def _git(directory: Path, *arguments: str) -> str | None:
    """Return what git prints, or None when it cannot answer: there is no git, or no work tree."""
    environment = {name: value for name, value in os.environ.items() if not name.startswith("GIT_")}
    # Read only, and whoever owns the clone.
    settings = ("--no-optional-locks", "-c", "safe.directory=*", "-c", "core.fsmonitor=false")
    try:
        answer = subprocess.run(
            ["git", *settings, *arguments],
            cwd=directory,
            env=environment,
            stdin=subprocess.DEVNULL,
            capture_output=True,
        )
    except OSError:
        return None
    return os.fsdecode(answer.stdout) if answer.returncode == 0 else None


def _tracked(repo: Path) -> set[str] | None:
    """Return the names of the tracked files below the directory, or None when git tracks nothing there."""
    listing = _git(repo, "ls-files", "--stage", "-z")
    if not listing:
        return None
    entries = [line.partition("\t") for line in listing.split("\0") if line]
    if modules := sorted({name for head, _tab, name in entries if head.startswith(_GITLINK)}):
        raise _failed(
            repo,
            f"it has submodules, which a snapshot does not follow: {_some(modules)}",
            next_step="Put their files into the repository, or give it a [build] command in bundle.toml.",
        )
    return {name for _head, _tab, name in entries if not _is_never(name)}


def _is_never(name: str) -> bool:
    """Return whether a name is git's, macOS's or Python's own, wherever it stands."""
    parts = name.split("/")
    return any(part in _NEVER for part in parts) or parts[-1].startswith("._")


def _all(repo: Path) -> Iterable[str]:
    """Yield the names of all files and links below a directory that is no git work tree."""
    for folder, folders, names in os.walk(repo, onerror=_raise):
        above = Path(folder).relative_to(repo)
        links = [name for name in folders if Path(folder, name).is_symlink()]
        folders[:] = [name for name in folders if name not in LITTER_DIRECTORIES | _NEVER]
        for name in (*names, *links):
            path = (above / name).as_posix()
            if not _is_never(path) and not path.endswith(LITTER_SUFFIXES):
                yield path


def _raise(error: OSError) -> None:
    raise error


def _files(repo: Path, names: list[str]) -> dict[str, Path]:
    root = repo.resolve()
    found: dict[str, Path] = {}
    links: list[str] = []
    missing: list[str] = []
    for name in names:
        _check_name(repo, name)
        path = root / name
        try:
            mode = path.lstat().st_mode
            # A directory on the way may have become a link to anywhere.
            outside = path.parent.resolve(strict=True) != path.parent
        except (FileNotFoundError, NotADirectoryError):
            missing.append(name)
            continue
        if outside or not (stat.S_ISLNK(mode) or stat.S_ISREG(mode)):
            raise _failed(repo, f"{name} is no plain file there any more")
        if stat.S_ISLNK(mode):
            links.append(name)
        else:
            found[name] = path
    if missing:
        raise _failed(
            repo,
            f"git tracks files that are not there: {_some(missing)}",
            next_step="Bring them back with `git checkout`, or remove them with `git rm`.",
        )
    if not found:
        raise _failed(repo, "it holds no file")
    plain = dict(found)
    for name in links:
        found |= _behind(repo, root, name, plain, links)
    return dict(sorted(found.items()))


def _behind(repo: Path, root: Path, name: str, plain: dict[str, Path], links: list[str]) -> dict[str, Path]:
    """Return the file, or the files of the directory, that a link leads to, under the link's own name."""
    link = root / name
    told = os.readlink(link)  # noqa: PTH115 - as it is written, not as a path
    lexical = os.path.normpath(os.path.join(os.path.dirname(name), told))  # noqa: PTH118, PTH120
    try:
        target = link.resolve(strict=True)
    except (OSError, RuntimeError):
        raise _failed(repo, f"the link {name} leads nowhere ({told})") from None
    leaves = told.startswith("/") or lexical == ".." or lexical.startswith("../")
    if leaves or not target.is_relative_to(root):
        raise _failed(repo, f"the link {name} leaves the repository ({told})")
    inside = target.relative_to(root).as_posix()
    if inside in plain:
        return {name: plain[inside]}
    below = f"{inside}/" if inside != "." else ""
    if inside_links := [other for other in links if other.startswith(below)]:
        raise _failed(repo, f"the link {name} leads to a directory with the link {inside_links[0]} in it")
    behind = {
        f"{name}/{path.removeprefix(below)}": file for path, file in plain.items() if path.startswith(below)
    }
    if not behind:
        raise _failed(repo, f"the link {name} leads to {inside}, which is no part of the snapshot")
    for each in behind:
        _check_name(repo, each)
    return behind


def _check_name(repo: Path, name: str) -> None:
    """Refuse a name that a bundle cannot have."""
    problem = None
    if any(letter < " " or letter == "\x7f" for letter in name):
        problem = "holds a control character"
    else:
        try:
            name.encode()
            tarfile.TarInfo(name).tobuf(tarfile.USTAR_FORMAT)
        except UnicodeEncodeError:
            problem = "is not UTF-8"
        except ValueError:
            problem = "is too long for a bundle: 100 bytes, and 155 more for its directories"
    if problem:
        raise _failed(repo, f"the name {name!a} {problem}")


def _some(names: list[str]) -> str:
    more = f" and {len(names) - _NAMED} more" if len(names) > _NAMED else ""
    return ", ".join(names[:_NAMED]) + more


def _failed(repo: Path, what: str, *, next_step: str | None = None) -> RackbenchError:
    return RackbenchError(
        "snapshot_failed", f"{repo} cannot be packed: {what}.", where=str(repo), next_step=next_step
    )
