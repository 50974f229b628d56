# SPDX-License-Identifier: Apache-2.0
"""Bundles for tests of the shared cache: bytes with a sidecar that names them."""

from __future__ import annotations

import random
from typing import TYPE_CHECKING

from rackbench.bundles.catalog import sidecar_path
from rackbench.bundles.index import write_index
from rackbench.files import json_text, sha256_of

if TYPE_CHECKING:
    from pathlib import Path

FILE = "probe-1.0.0-any.tar.gz"
SIZE = 3_000_000


def publish(
    directory: Path, *, name: str = "probe", version: str = "1.0.0", size: int = SIZE, seed: int = 1
) -> Path:
    """Put a bundle and the index into a directory; return the tarball."""
    directory.mkdir(exist_ok=True)
    tarball = directory / f"{name}-{version}-any.tar.gz"
    tarball.write_bytes(random.Random(seed).randbytes(size))
    sidecar_path(tarball).write_text(json_text(sidecar_of(tarball, name=name, version=version)))
    write_index(directory)
    return tarball


def sidecar_of(tarball: Path, *, name: str = "probe", version: str = "1.0.0") -> dict[str, object]:
    """Return the sidecar document of a tarball."""
    return {
        "schema": "rackbench.bundle/1.0",
        "name": name,
        "version": version,
        "platform": "any",
        "entry_point": "bin/run",
        "sha256": sha256_of(tarball),
        "size": tarball.stat().st_size,
        "unpacked_size": 1,
        "file_count": 1,
        "provenance": {"source_digest": "0" * 64, "built_by": "a test"},
    }
