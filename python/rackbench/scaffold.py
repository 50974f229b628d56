# SPDX-License-Identifier: Apache-2.0
"""Making a new directory of the files of a template, which is a directory of this package."""

from __future__ import annotations

import os
import shutil
import tempfile
from pathlib import Path
from typing import TYPE_CHECKING

from rackbench.errors import RackbenchError

if TYPE_CHECKING:
    from collections.abc import Callable


def scaffold(
    kind: str, template: Path, directory: Path, finish: Callable[[Path], None] | None = None
) -> list[str]:
    """Fill a directory, new or empty, with all files of a template or with none.

    Returns the paths of the files below `directory`, sorted. `finish` is called before, with a directory that has them
    all, and may change and add some. Whatever ends the work before it is done, nothing is left of it.

    Raises `RackbenchError` with a code of the `kind`: KIND_exists where there is anything already, KIND_unwritable.
    """
    is_new = not os.path.lexists(directory)
    try:
        if not is_new and not (directory.is_dir() and next(directory.iterdir(), None) is None):
            raise RackbenchError(
                f"{kind}_exists", f"{directory} is there already, and not empty.", where=str(directory)
            )
        # A new directory gets its name when it is whole; one that is there stays the one that it is.
        beside = directory.parent if is_new else directory
        with tempfile.TemporaryDirectory(dir=beside, prefix=f".{kind}-") as scratch:
            new = Path(scratch, "new")
            new.mkdir()
            _copy(template, new)
            if finish is not None:
                finish(new)
            files = sorted(str(path.relative_to(new)) for path in new.rglob("*") if path.is_file())
            if is_new:
                new.rename(directory)
            else:
                _move(new, directory)
    except OSError as error:
        raise RackbenchError(
            f"{kind}_unwritable", f"{directory} cannot be made: {error.strerror}.", where=str(directory)
        ) from error
    return files


def _copy(template: Path, new: Path) -> None:
    """Copy what the files hold, and not their modes: an installed package may be read-only."""
    for path in sorted(template.rglob("*")):
        target = new / path.relative_to(template)
        if path.is_file() and "__pycache__" not in target.parts:
            target.parent.mkdir(parents=True, exist_ok=True)
            shutil.copyfile(path, target)


def _move(new: Path, directory: Path) -> None:
    """Move all entries of a directory into another one, or none."""
    names = sorted(entry.name for entry in new.iterdir())
    try:
        for name in names:
            (new / name).rename(directory / name)
    except BaseException:
        for name in names:
            if not os.path.lexists(new / name):
                (directory / name).rename(new / name)
        raise
