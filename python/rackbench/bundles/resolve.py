# SPDX-License-Identifier: Apache-2.0
"""The one decision about bundles: which one a host gets for an adapter, and why not the others."""

from __future__ import annotations

import re
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from rackbench.bundles.catalog import Listed, checksum_problem, list_bundles, needs_of, read_sidecar
from rackbench.bundles.platforms import matches
from rackbench.errors import RackbenchError
from rackbench.files import sha256_of

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

    from rackbench.adapters.catalog import Adapter
    from rackbench.bundles.platforms import Platform
    from rackbench.models.bundle import Sidecar

CONFIGURED, CACHE, DIST = "configured", "cache", "dist"
PREBUILT, NONE = "prebuilt", "none"
# Why a candidate was rejected.
MISSING, UNREADABLE, NAME, CAPABILITY, PLATFORM, CHECKSUM, LATER = (
    "missing",
    "unreadable",
    "name",
    "capability",
    "platform",
    "checksum",
    "lower_precedence",
)


@dataclass(frozen=True, slots=True)
class Sources:
    """Where bundles may come from, in this order: one configured tarball, a cache, directories of built ones."""

    configured: Path | None
    dist: tuple[Path, ...]
    cache: Path | None = None


@dataclass(frozen=True, slots=True)
class Candidate:
    """A bundle that was looked at. `reason` is the code and `detail` the words of a rejection; sizes in bytes."""

    path: Path
    source: str
    accepted: bool
    reason: str | None
    detail: str | None
    version: str | None
    entry_point: str | None
    sha256: str | None
    size: int | None
    unpacked_size: int | None
    basis: str

    def as_dict(self) -> dict[str, Any]:
        """Return the candidate as it stands in the journal."""
        return {name: getattr(self, name) for name in self.__slots__} | {"path": str(self.path)}


@dataclass(frozen=True, slots=True)
class Decision:
    """Which bundle an adapter gets on a host, with every candidate in the order of precedence."""

    adapter: str
    chosen: Candidate | None
    candidates: tuple[Candidate, ...]

    @property
    def basis(self) -> str:
        """Return what the choice rests on: `prebuilt`, or `none` without a choice."""
        return self.chosen.basis if self.chosen else NONE

    @property
    def rejected_configured(self) -> Candidate | None:
        """Return the configured bundle when it was rejected."""
        return next(
            (each for each in self.candidates if each.source == CONFIGURED and not each.accepted), None
        )

    def as_dict(self) -> dict[str, Any]:
        """Return the decision as it stands in the journal and in the run manifest."""
        return {
            "adapter": self.adapter,
            "basis": self.basis,
            "chosen": self.chosen.as_dict() if self.chosen else None,
            "candidates": [candidate.as_dict() for candidate in self.candidates],
        }


def resolve(platform: Platform | None, adapter: Adapter, sources: Sources) -> Decision:
    """Return the first bundle that is the adapter's, fits the platform and has the bytes that its sidecar names.

    `platform` is None when nobody could ask the host: then only bundles for any platform fit. Never raises for a bad
    bundle: it is among the candidates with its reason.
    """
    if adapter.bundle is None:
        return Decision(adapter.name, None, ())
    candidates: list[Candidate] = []
    chosen: Candidate | None = None
    for source, listed in _found(adapter.bundle.name, sources):
        if chosen:
            rejection: tuple[str, str] | None = (LATER, f"{chosen.path} comes before it.")
        else:
            rejection = _rejection(platform, adapter, listed)
        candidate = _candidate(source, listed, rejection)
        candidates.append(candidate)
        if candidate.accepted:
            chosen = candidate
    return Decision(adapter.name, chosen, tuple(candidates))


def _found(name: str, sources: Sources) -> Iterator[tuple[str, Listed]]:
    if sources.configured:
        yield CONFIGURED, _configured(sources.configured)
    directories = [(CACHE, sources.cache)] if sources.cache else []
    directories += [(DIST, folder) for folder in sources.dist]
    named = re.compile(rf"{re.escape(name)}-\d")
    for source, folder in directories:
        for listed in list_bundles([folder]):
            if listed.sidecar.name == name if listed.sidecar else named.match(listed.tarball.name):
                yield source, listed


def _configured(tarball: Path) -> Listed:
    if not tarball.is_file():
        return Listed(tarball, None, f"{tarball} is missing.")
    try:
        return Listed(tarball, read_sidecar(tarball), None)
    except RackbenchError as error:
        return Listed(tarball, None, error.message)


def _rejection(platform: Platform | None, adapter: Adapter, listed: Listed) -> tuple[str, str] | None:
    """Return code and words of the first thing that speaks against a bundle."""
    sidecar = listed.sidecar
    if sidecar is None:
        there = listed.tarball.is_file()
        return (UNREADABLE if there else MISSING), listed.reason or "It cannot be read."
    if adapter.bundle and sidecar.name != adapter.bundle.name:
        return NAME, f"it is a bundle of {sidecar.name}, and {adapter.name} needs {adapter.bundle.name}."
    if lacking := sorted(adapter.capabilities.difference(sidecar.capabilities)):
        return CAPABILITY, f"it lacks {', '.join(lacking)}."
    if reason := matches(needs_of(sidecar), platform):
        return PLATFORM, f"{reason}."
    return _bytes_problem(listed.tarball, sidecar)


def _bytes_problem(tarball: Path, sidecar: Sidecar) -> tuple[str, str] | None:
    try:
        size = tarball.stat().st_size
        digest = sha256_of(tarball)
    except FileNotFoundError:
        return MISSING, f"{tarball} is missing."
    except OSError as error:
        return UNREADABLE, f"{tarball}: {error.strerror}."
    if size != sidecar.size or digest != sidecar.sha256:
        return CHECKSUM, f"{checksum_problem(sidecar, size, digest)}."
    return None


def _candidate(source: str, listed: Listed, rejection: tuple[str, str] | None) -> Candidate:
    sidecar = listed.sidecar
    return Candidate(
        path=listed.tarball,
        source=source,
        accepted=rejection is None,
        reason=rejection[0] if rejection else None,
        detail=rejection[1] if rejection else None,
        version=sidecar.version if sidecar else None,
        entry_point=sidecar.entry_point if sidecar else None,
        sha256=sidecar.sha256 if sidecar else None,
        size=sidecar.size if sidecar else None,
        unpacked_size=sidecar.unpacked_size if sidecar else None,
        basis=PREBUILT,
    )
