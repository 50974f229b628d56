# SPDX-License-Identifier: Apache-2.0
"""Finds Geekbench in a directory, and makes a private copy of it that takes the licence."""

from __future__ import annotations

import contextlib
import os
import re
import shutil
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from pathlib import Path

PROGRAM = re.compile(r"geekbench([567])")
PREFERENCES = ".preferences"


class NoGeekbenchError(Exception):
    """There is no Geekbench where one should be."""


def find_program(source: Path, version: int | None) -> Path:
    """Returns `geekbench5`, `6` or `7` in `source` or in a directory of it; the newest, unless `version` names one.

    Raises NoGeekbenchError.
    """
    found: list[Path] = []
    try:
        places = [source, *sorted(path for path in source.iterdir() if path.is_dir())]
        for place in places:
            found += [path for path in sorted(place.iterdir()) if _is_program(path, version)]
    except OSError as error:
        raise NoGeekbenchError(f"{error.filename} cannot be read: {error.strerror}") from error
    if not found:
        wanted = f"geekbench{version}" if version else "geekbench5, geekbench6 or geekbench7"
        raise NoGeekbenchError(f"{source} holds no program {wanted}")
    return max(found, key=lambda path: path.name)


def _is_program(path: Path, version: int | None) -> bool:
    match = PROGRAM.fullmatch(path.name)
    wanted = match is not None and (version is None or int(match.group(1)) == version)
    return wanted and path.is_file() and os.access(path, os.X_OK)


def private_copy(program: Path, place: Path, licence: Path | None) -> Path:
    """Copies the program's directory to the new directory `place`, with the licence in it; returns the program there.

    Files are linked where that can be done: Geekbench has hundreds of megabytes, and only reads them. Raises OSError.
    """
    place.mkdir(mode=0o700)
    for path in sorted(program.parent.iterdir()):
        if path.is_file() and not path.name.endswith(PREFERENCES):
            _link_or_copy(path.resolve(), place / path.name)
    if licence is not None:
        handle = os.open(place / _preferences(program), os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600)
        with os.fdopen(handle, "wb") as stream:
            stream.write(licence.read_bytes())
    return place / program.name


def own_licence(program: Path) -> Path | None:
    """Returns the preferences file that an unlocked install has beside its program; None if there is none."""
    path = program.parent / _preferences(program)
    return path if path.is_file() else None


def _preferences(program: Path) -> str:
    return f"Geekbench {program.name[len('geekbench') :]}{PREFERENCES}"


def _link_or_copy(path: Path, target: Path) -> None:
    with contextlib.suppress(OSError):
        os.link(path, target)
        return
    shutil.copy2(path, target)
