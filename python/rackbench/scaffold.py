# SPDX-License-Identifier: Apache-2.0
"""Making a new directory of the files of a template, which is a directory of this package."""

from __future__ import annotations

import errno
import os
import shutil
import tempfile
from pathlib import Path
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Callable


def scaffold(template: Path, directory: Path, finish: Callable[[Path], None] | None = None) -> list[str]:
    """Fill a directory, new or empty, with all files of a template or with none.

    Returns the paths of the files below `directory`, sorted. `finish` is called before, with a directory that has them
    all, and may change and add some.

    Raises `FileExistsError` where there is anything already, and other `OSError`.
    """
    is_new = not directory.is_dir()
    if is_new:
        directory.mkdir()
    elif any(directory.iterdir()):
        raise FileExistsError(errno.EEXIST, os.strerror(errno.EEXIST), str(directory))
    try:
        with tempfile.TemporaryDirectory(dir=directory, prefix=".new-") as scratch:
            new = Path(scratch)
            _copy(template, new)
            if finish is not None:
                finish(new)
            files = sorted(str(path.relative_to(new)) for path in new.rglob("*") if path.is_file())
            for entry in new.iterdir():
                entry.rename(directory / entry.name)
    except OSError:
        if is_new:
            shutil.rmtree(directory, ignore_errors=True)
        raise
    return files


def _copy(template: Path, new: Path) -> None:
    """Copy what the files hold, and not their modes: an installed package may be read-only."""
    for path in sorted(template.rglob("*")):
        target = new / path.relative_to(template)
        if path.is_file() and "__pycache__" not in target.parts:
            target.parent.mkdir(parents=True, exist_ok=True)
            shutil.copyfile(path, target)
