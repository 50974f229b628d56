# SPDX-License-Identifier: Apache-2.0
"""An adapter with requirements of every kind, candidates, and probes, for the tests of readiness."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path
from typing import Any

from rackbench.adapters.catalog import Adapter, BundleRef, Family, Needs, Requirement
from rackbench.bundles.decision import ON_CONTROLLER, ON_TARGET, Candidate, Decision
from rackbench.readiness.states import Evidence

HOST = "thor"
LSTOPO = Requirement("lstopo", {"default": "hwloc", "apt": "hwloc-nox"})
NUMACTL = Requirement("numactl", {"default": "numactl"}, required=False)
# What a build on the target calls.
CARGO = Requirement("cargo", {"default": "cargo"}, bootstrap="rustup")
CC = Requirement("cc", {"default": "gcc"})
ADAPTER = Adapter(
    name="probe",
    summary="",
    description="",
    publish_target="probe",
    bundle=BundleRef("probe", None, "any"),
    requirements=(LSTOPO, NUMACTL),
    capabilities=frozenset({"turns"}),
    families=(
        Family("smoke", "A few.", {}, 60.0, None),
        Family("full", "All.", {}, 600.0, None),
    ),
    default_families=("full",),
    headline=(),
    artifacts=(),
    directory=Path("roles/probe"),
)
HUNGRY = replace(ADAPTER, needs=Needs(disk_bytes=500, memory_bytes=4000, root=True))
EVERYTHING = {name: f"/usr/bin/{name}" for name in ("lstopo", "numactl", "cargo", "cc")}
PREBUILT = ("configured", "cache", "captured", "dist")
MADE = {"builder": ON_CONTROLLER, "repo": ON_CONTROLLER, "runner": ON_CONTROLLER, "source": ON_TARGET}


def probe(*lacking: str, **fields: Any) -> dict[str, Any]:
    """Return the probe of a host on which only the commands `lacking` are missing."""
    return {
        "commands": {**EVERYTHING, **dict.fromkeys(lacking)},
        "package_manager": "apt",
        "user": "root",
        "root": True,
        "python": "3.11.2",
        "free_bytes": 10**9,
        "memory_bytes": 10**9,
        **fields,
    }


def candidate(source: str, reason: str | None = None) -> Candidate:
    """Return a candidate of 1000 bytes, 2000 unpacked; of one that must be made the sizes are not known."""
    made = source in MADE
    return Candidate(
        path=Path(f"{source}/probe.tar.gz"),
        source=source,
        reason=reason,
        detail=f"because of the {reason}." if reason else None,
        version="1.0.0",
        entry_point="bin/run",
        sha256=None if made else "0" * 64,
        size=None if made else 1000,
        unpacked_size=None if made else 2000,
        made_on=MADE.get(source),
        needs=(CARGO, CC) if source == "source" else (),
    )


def decision(*candidates: Candidate) -> Decision:
    """Return the decision for the first accepted candidate."""
    chosen = next((each for each in candidates if each.accepted), None)
    return Decision("probe", chosen, candidates)


def evidence(*candidates: Candidate, seen: dict[str, Any] | None = None, reached: bool = True) -> Evidence:
    """Return evidence about these candidates; a host that was reached has everything unless `seen` says otherwise."""
    return Evidence(decision(*candidates), (probe() if seen is None else seen) if reached else None, reached)
