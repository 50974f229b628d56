# SPDX-License-Identifier: Apache-2.0
"""The last preflight of a host: what it was and had when a run looked at it."""

from __future__ import annotations

import json
import re
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from rackbench.files import read_regular
from rackbench.ledger import rundir

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping
    from pathlib import Path

    from rackbench.adapters.catalog import Adapter

# Dry runs and campaigns have other names.
# What the report was called up to version 1.0 of it.
_OLD_NAME = f"{rundir.PREFLIGHT}/report.json"
_DAY = re.compile(r"\d{4}-\d\d-\d\d")


@dataclass(frozen=True, slots=True)
class Cached:
    """What a report said: the journal's `platform`, the probe of the host, and that of the controller if it was one."""

    path: Path
    platform: Mapping[str, Any]
    probe: Mapping[str, Any]
    controller_probe: Mapping[str, Any] | None = None

    @property
    def run_dir(self) -> Path:
        """Return the directory of the run that asked."""
        return self.path.parent.parent

    def probe_for(self, adapter: Adapter) -> Mapping[str, Any] | None:
        """Return the probe of the machine that runs the adapter."""
        return self.controller_probe if adapter.on_controller else self.probe


def last_preflight(runs_dir: Path, host: str, exclude: Path | None = None) -> Cached | None:
    """Return the newest preflight for which this host was asked, or None. `exclude` is a run directory to leave out.

    A report that cannot be read is passed over: there is an older one, or none.
    """
    for run_dir in _newest_first(runs_dir, host):
        if run_dir == exclude:
            continue
        for name in (rundir.PREFLIGHT_REPORT, _OLD_NAME):
            if found := _read(run_dir / name):
                return found
    return None


def _newest_first(runs_dir: Path, host: str) -> Iterator[Path]:
    if not runs_dir.is_dir():
        return
    days = sorted((day for day in runs_dir.iterdir() if _DAY.fullmatch(day.name)), reverse=True)
    for day in days:
        folder = day / host
        if folder.is_dir():
            yield from sorted(folder.iterdir(), reverse=True)


def _read(path: Path) -> Cached | None:
    try:
        report = json.loads(read_regular(path))
        platform, probe, controller = report["platform"], report["probe"], report.get("controller_probe")
        usable = (
            isinstance(platform, dict) and {"os", "machine"} <= platform.keys() and isinstance(probe, dict)
        )
    except (OSError, ValueError, RecursionError, KeyError, TypeError, AttributeError):
        return None
    if not usable:
        return None
    return Cached(path, platform, probe, controller if isinstance(controller, dict) else None)
