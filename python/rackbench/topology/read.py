# SPDX-License-Identifier: Apache-2.0
"""A topology from any source that tells one."""

from __future__ import annotations

import base64
import json
import zlib
from typing import TYPE_CHECKING, Any

from rackbench.errors import RackbenchError
from rackbench.files import read_regular
from rackbench.ledger import rundir
from rackbench.models.common import check
from rackbench.models.topology import TopologyDocument
from rackbench.topology import lscpu, lstopo, sysfs
from rackbench.topology.facts import assemble
from rackbench.topology.model import Topology

if TYPE_CHECKING:
    from collections.abc import Mapping
    from pathlib import Path

# A snapshot of 384 CPUs unpacks to a third of a megabyte.
LARGEST_SNAPSHOT = 64 * 1024 * 1024


def from_snapshot(files: Mapping[str, str]) -> Topology:
    """Return the topology of files of /sys and /proc, by their path relative to `/`.

    Raises `RackbenchError(topology_unknown)` if they name no CPU. All else that is missing or makes no sense is
    left out and said in `problems`.
    """
    return assemble(sysfs.read(files))


def from_answer(answer: Mapping[str, Any]) -> Topology:
    """Return the topology that the module `discover` found: its files as `files`, or `packed` by zlib and base64.

    Raises `RackbenchError(topology_unknown)` if it is no such answer, or as `from_snapshot`.
    """
    try:
        files = _unpack(answer)
    except (zlib.error, ValueError, KeyError, TypeError, AttributeError, RecursionError) as error:
        raise RackbenchError(
            "topology_unknown", f"What the host answered about its topology cannot be read: {error}."
        ) from error
    return from_snapshot(files)


def recorded(run_dir: Path) -> Topology | None:
    """Return the topology that a run found on its host; None if it wrote none, or none that can be read."""
    path = run_dir / rundir.TOPOLOGY
    try:
        document = check(TopologyDocument, json.loads(read_regular(path)), path=path, code="topology_unknown")
        return Topology.from_dict(document.model_dump())
    except (OSError, ValueError, RecursionError, RackbenchError):
        return None


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


def _unpack(answer: Mapping[str, Any]) -> dict[str, str]:
    if "packed" not in answer:
        files = answer["files"]
    else:
        stream = zlib.decompressobj()
        data = stream.decompress(base64.b64decode(answer["packed"], validate=True), LARGEST_SNAPSHOT)
        if not stream.eof:
            raise ValueError("it is cut off, or larger than any host's")
        files = json.loads(data)
    return {str(path): str(text) for path, text in files.items()}
