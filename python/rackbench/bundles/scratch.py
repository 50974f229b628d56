# SPDX-License-Identifier: Apache-2.0
"""What programs that were killed leave in the directories of bundles."""

from __future__ import annotations

import contextlib
import shutil
import time
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from pathlib import Path

_SCRATCH = (".build-*", ".source-*")
# Nothing works on such a directory for longer (s).
_STALE_S = 86_400.0


def remove_stale(directory: Path) -> None:
    """Remove the temporary directories that were left in a directory a day ago or earlier."""
    for pattern in _SCRATCH:
        for path in directory.glob(pattern):
            # Another program may remove it at the same time.
            with contextlib.suppress(FileNotFoundError):
                if time.time() - path.lstat().st_mtime > _STALE_S:
                    shutil.rmtree(path, ignore_errors=True)
