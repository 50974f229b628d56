# SPDX-License-Identifier: Apache-2.0
"""Whether the files of a run directory are those that their digests tell of."""

from __future__ import annotations

import hashlib
from typing import TYPE_CHECKING

from rackbench.files import open_regular

if TYPE_CHECKING:
    from pathlib import Path


def digest_of(run_dir: Path, name: str) -> str:
    """Return the SHA-256 of a file of the run directory, as hexadecimal digits.

    Raises `OSError` when it cannot be read and `ValueError` for a name that leads out of the directory; both have the
    reason in words.
    """
    root = run_dir.resolve()
    try:
        name.encode()
    except UnicodeEncodeError as error:
        raise ValueError("its name is not UTF-8") from error
    try:
        path = (root / name).resolve(strict=True)
    except RuntimeError as error:
        raise ValueError("its name leads through links in a circle") from error
    # A link may lead to the right bytes, but not in a copy of the directory.
    if path == root or path != root / name or root not in path.parents:
        raise ValueError("its name leads through a link, or out of the run directory")
    with open_regular(path) as stream:
        return hashlib.file_digest(stream, "sha256").hexdigest()


def wrong_with(run_dir: Path, name: str, sha256: str) -> str | None:
    """Return in words what is wrong with a file that has to have this digest; None when it has it."""
    try:
        found = digest_of(run_dir, name)
    except FileNotFoundError:
        return "it is missing"
    except OSError as error:
        return f"it cannot be read: {error.strerror or error}"
    except ValueError as error:
        return str(error)
    return None if found == sha256 else "its bytes are others"
