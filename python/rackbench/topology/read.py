# SPDX-License-Identifier: Apache-2.0
"""A topology from any source that tells one."""

from __future__ import annotations

import base64
import binascii
import json
import zlib
from typing import TYPE_CHECKING, Any

from rackbench.errors import RackbenchError
from rackbench.topology import lscpu, lstopo, sysfs
from rackbench.topology.facts import assemble

if TYPE_CHECKING:
    from collections.abc import Mapping
    from pathlib import Path

    from rackbench.topology.model import Topology

# A snapshot of 384 CPUs unpacks to a third of a megabyte.
LARGEST_SNAPSHOT = 64 * 1024 * 1024


def from_snapshot(files: Mapping[str, str]) -> Topology:
    """Return the topology of files of /sys and /proc, by their path relative to `/`.

    Raises `RackbenchError(topology_unknown)` if they name no CPU. All else that is missing or makes no sense is
    left out and said in `problems`.
    """
    return assemble(sysfs.read(files))


def from_tree(root: Path) -> Topology:
    """Return the topology of a recorded tree, a directory that holds `sys` and `proc`. Raises as `from_snapshot`."""
    return from_snapshot(sysfs.files_of(root))


def from_lscpu(text: str) -> Topology:
    """Return the topology of what `lscpu -J`, `lscpu -J -e` or `lscpu -p` printed.

    Raises `RackbenchError(topology_unknown)` if it is not that.
    """
    return assemble(lscpu.read(text))


def from_lstopo(text: str) -> Topology:
    """Return the topology of lstopo's XML of version 1, 2 or 3.

    Raises `RackbenchError(topology_unknown)` if it is not that, is cut off, or defines entities.
    """
    return assemble(lstopo.read(text))


def unpack(snapshot: Mapping[str, Any]) -> dict[str, str]:
    """Return the files of a target's snapshot: `files` as they are, or `packed` by base64 and zlib.

    Raises `RackbenchError(topology_unknown)` if it is no snapshot.
    """
    try:
        if "packed" in snapshot:
            stream = zlib.decompressobj()
            data = stream.decompress(base64.b64decode(snapshot["packed"], validate=True), LARGEST_SNAPSHOT)
            if not stream.eof:
                raise ValueError("it is cut off, or larger than any host's")  # noqa: TRY301
            files = json.loads(data)
        else:
            files = snapshot["files"]
        return {str(path): str(text) for path, text in files.items()}
    except (binascii.Error, zlib.error, ValueError, KeyError, TypeError, AttributeError) as error:
        raise RackbenchError(
            "topology_unknown", f"The host's snapshot of its topology cannot be read: {error}."
        ) from error
