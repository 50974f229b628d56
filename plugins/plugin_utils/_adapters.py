# SPDX-License-Identifier: Apache-2.0
"""PRIVATE. What the actions ask of the package about adapters and bundles, always with the options of the run."""

from __future__ import annotations

import typing as t
from pathlib import Path

if t.TYPE_CHECKING:
    from rackbench.adapters.catalog import Adapter
    from rackbench.bundles.decision import Candidate, Decision, Sources
    from rackbench.bundles.platforms import Platform
    from rackbench.ledger.state import RunState

COLLECTION = Path(__file__).resolve().parents[2]


def catalog(project: Path) -> dict[str, Adapter]:
    """Return the adapters of the collection and of the project's own `roles/`, by name."""
    from rackbench.adapters.catalog import load_catalog

    folders = [COLLECTION / "roles"]
    if (own := (project / "roles").resolve()) not in folders and own.is_dir():
        folders.append(own)
    return load_catalog(folders)


def role_of(adapter: Adapter) -> str:
    """Return the name by which a play includes the adapter's role."""
    folder = adapter.directory
    return f"rackbench.lab.{folder.name}" if folder.parent == COLLECTION / "roles" else folder.name


def decide(state: RunState, project: Path, adapter: Adapter) -> Decision:
    """Return the one decision about the adapter's bundle on this host, with what the run knows of the host."""
    return Bundles(state.options, project).decide(_platform(state), adapter)


def settle(before: t.Mapping[str, t.Any], decision: Decision) -> tuple[dict[str, t.Any], Candidate | None]:
    """Return the decision as the journal has it, and the bundle to take.

    A decision of this run to build something stands, also when somebody else has built it by now: that is taken then.
    """
    told = before.get("chosen")
    if told and told["cost"]["build"] and decision.chosen and decision.chosen.made_on is None:
        return {name: value for name, value in before.items() if name != "made"}, decision.chosen
    return decision.as_dict(), decision.chosen


def platform_for(state: RunState, adapter: Adapter) -> Platform | None:
    """Return the platform that the adapter's bundle runs on, or None when nobody knows it."""
    from rackbench.bundles.platforms import local_platform

    # A benchmark that reaches the host by itself must fit the machine that it runs on.
    return local_platform() if adapter.on_controller else _platform(state)


def _platform(state: RunState) -> Platform | None:
    from rackbench.bundles.platforms import platform_of

    return platform_of(state.platform) if state.platform else None


class Bundles:
    """Decides about bundles with the options of one run. The shared cache is asked for its index once.

    Raises `RackbenchError` (unknown_option) for a shared cache that nobody can read.
    """

    def __init__(self, options: t.Mapping[str, t.Any], project: Path) -> None:
        from rackbench.bundles.cache import open_cache
        from rackbench.bundles.digests import Digests
        from rackbench.bundles.signing import SignaturePolicy

        self._options = options
        self._project = project
        own = project / options["cache_dir"]
        self._digests = Digests(own / "digests.json")
        self._captured = own / "captured"
        signers = options["allowed_signers"]
        self._signatures = SignaturePolicy(
            project / signers if signers else None, options["require_signature"]
        )
        shared = options["bundle_cache"]
        self._cache = None
        if shared:
            location = shared if "://" in shared else str(self._in_project(shared))
            self._cache = open_cache(location, own / "downloads", digest=self._digests.of)

    def decide(self, platform: Platform | None, adapter: Adapter) -> Decision:
        """Return the decision about an adapter's bundle for a host of this platform."""
        from rackbench.bundles.decision import BundleRequirements
        from rackbench.bundles.platforms import local_platform
        from rackbench.bundles.resolve import resolve

        return resolve(
            # A benchmark that reaches the host by itself must fit the machine that it runs on.
            local_platform() if adapter.on_controller else platform,
            adapter,
            BundleRequirements(adapter.capabilities, self._signatures),
            self._sources(adapter),
        )

    def _sources(self, adapter: Adapter) -> Sources:
        from rackbench.bundles.decision import Sources

        configured = self._options["bundles"].get(adapter.name)
        repo = self._options["benchmark_repos"].get(adapter.name) or (
            adapter.bundle and adapter.bundle.source
        )
        return Sources(
            configured=self._in_project(configured) if configured else None,
            cache=self._cache,
            captured=self._captured,
            dist=(self._project / self._options["dist_dir"],),
            repo=self._in_project(repo) if repo else None,
            digests=self._digests,
        )

    def _in_project(self, path: str) -> Path:
        return self._project / Path(path).expanduser()
