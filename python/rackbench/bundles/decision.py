# SPDX-License-Identifier: Apache-2.0
"""What the resolver works on and answers: sources, candidates, and the decision with its reasons."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from pathlib import Path

    from rackbench.adapters.catalog import Requirement
    from rackbench.bundles.attachments import Attachment
    from rackbench.bundles.cache import Cache
    from rackbench.bundles.digests import Digests
    from rackbench.bundles.signing import SignaturePolicy

# Where a bundle may come from, in the order of precedence. `RUNNER` takes the place of `REPO` for a single program.
CONFIGURED, CACHE, CAPTURED, DIST = "configured", "cache", "captured", "dist"
BUILDER, REPO, RUNNER, SOURCE = "builder", "repo", "runner", "source"
# What stands in `basis` for each of them.
BASIS = {
    CONFIGURED: "prebuilt",
    CACHE: "prebuilt",
    CAPTURED: "captured",
    DIST: "prebuilt",
    BUILDER: "builder",
    REPO: "repo",
    RUNNER: "runner",
    SOURCE: "source",
}
NONE = "none"
# Where a bundle that is not there yet would be made.
ON_CONTROLLER, ON_TARGET = "controller", "target"


@dataclass(frozen=True, slots=True)
class BundleRequirements:
    """What a bundle must have: capabilities, and a signature as the policy says."""

    capabilities: frozenset[str]
    signatures: SignaturePolicy


@dataclass(frozen=True, slots=True)
class Sources:
    """Where the bundles of one adapter may come from.

    `configured` is a tarball, `cache` the shared cache, `captured` and `dist` are directories, and `repo` is the
    benchmark's own repository: a directory or a single program. `digests` says what the files' digests are.
    """

    configured: Path | None
    cache: Cache | None
    captured: Path | None
    dist: tuple[Path, ...]
    repo: Path | None
    digests: Digests


@dataclass(frozen=True, slots=True)
class Candidate:
    """A bundle that was looked at. `reason` is the code and `detail` the words of a rejection; sizes in bytes.

    `path` is a text where a place is no path of this machine. Digest and sizes are None for a bundle that the stage
    step has to make first; `made_on` then says where: `controller` or `target`. `needs` are the commands that a build
    on the target calls.
    """

    path: Path | str
    source: str
    reason: str | None = None
    detail: str | None = None
    version: str | None = None
    entry_point: str | None = None
    platform: str | None = None
    sha256: str | None = None
    size: int | None = None
    unpacked_size: int | None = None
    download_bytes: int = 0
    made_on: str | None = None
    needs: tuple[Requirement, ...] = field(default=(), compare=False)

    @property
    def accepted(self) -> bool:
        """Return whether nothing speaks against this bundle."""
        return self.reason is None

    @property
    def basis(self) -> str:
        """Return what a choice of this bundle rests on."""
        return BASIS[self.source]

    def as_dict(self) -> dict[str, Any]:
        """Return the candidate as it stands in the journal."""
        return {
            "path": str(self.path),
            "source": self.source,
            "basis": self.basis,
            "accepted": self.accepted,
            "reason": self.reason,
            "detail": self.detail,
            "version": self.version,
            "entry_point": self.entry_point,
            "platform": self.platform,
            "sha256": self.sha256,
            "size": self.size,
            "unpacked_size": self.unpacked_size,
            # Bytes to fetch to the controller and to bring to the target, each at most, and where a build would run.
            "cost": {
                "download_bytes": self.download_bytes,
                "upload_bytes": self.size,
                "build": self.made_on,
            },
        }


@dataclass(frozen=True, slots=True)
class Decision:
    """Which bundle an adapter gets on a host, with every candidate in the order of precedence.

    `attachments` are the operator's own files that go to the host beside the bundle.
    """

    adapter: str
    chosen: Candidate | None
    candidates: tuple[Candidate, ...]
    attachments: tuple[Attachment, ...] = ()

    @property
    def basis(self) -> str:
        """Return what the choice rests on, or `none` without a choice."""
        return self.chosen.basis if self.chosen else NONE

    @property
    def rejected_configured(self) -> Candidate | None:
        """Return the configured bundle when it was rejected."""
        return next(
            (each for each in self.candidates if each.source == CONFIGURED and not each.accepted), None
        )

    def as_dict(self) -> dict[str, Any]:
        """Return the decision as it stands in the journal and in the run manifest."""
        told = {
            "adapter": self.adapter,
            "basis": self.basis,
            "chosen": self.chosen.as_dict() if self.chosen else None,
            "candidates": [candidate.as_dict() for candidate in self.candidates],
        }
        if self.attachments:
            told["attachments"] = [attachment.as_dict() for attachment in self.attachments]
        return told
