# SPDX-License-Identifier: GPL-3.0-or-later
"""PRIVATE. What the actions ask of the package about adapters and bundles, always with the options of the run."""

from __future__ import annotations

import typing as t
from dataclasses import replace
from pathlib import Path

if t.TYPE_CHECKING:
    from rackbench.adapters.catalog import Adapter
    from rackbench.bundles.decision import Candidate, Decision, Sources
    from rackbench.bundles.platforms import Platform
    from rackbench.errors import RackbenchError
    from rackbench.ledger.state import RunState

COLLECTION = Path(__file__).resolve().parents[2]


def catalog(project: Path) -> dict[str, Adapter]:
    """Return the adapters of the collection and of the project's own `roles/`, by name."""
    from rackbench.adapters.catalog import catalog_of

    return catalog_of(project, COLLECTION)


def role_of(adapter: Adapter) -> str:
    """Return the name by which a play includes the adapter's role."""
    folder = adapter.directory
    return f"rackbench.lab.{folder.name}" if folder.parent == COLLECTION / "roles" else folder.name


def require_tasks(adapter: Adapter, phase: str) -> None:
    """Raise `RackbenchError` (adapter_invalid) when the role has no tasks for a phase: Ansible would end the play."""
    from rackbench.errors import RackbenchError

    tasks = adapter.directory / "tasks" / f"{phase}.yml"
    if not tasks.is_file():
        raise RackbenchError(
            "adapter_invalid",
            f"The role of {adapter.name} has no tasks for the phase {phase}: there is no {tasks}.",
            where=str(tasks),
            next_step="Write the file, as docs/how-to/add-a-benchmark.md shows it.",
        )


def decide(state: RunState, project: Path, adapter: Adapter) -> Decision:
    """Return the one decision about the adapter's bundle on this host, with what the run knows of the host."""
    return Bundles(state.options, project).decide(_platform(state), adapter)


def settled(state: RunState, project: Path, adapter: Adapter) -> dict[str, t.Any]:
    """Return the decision of this run about the adapter's bundle: what preflight recorded stands."""
    recorded = state.packaging.get(adapter.name)
    if recorded is None:
        return decide(state, project, adapter).as_dict()
    return {name: value for name, value in recorded.items() if name != "made"}


def still_good(state: RunState, project: Path, adapter: Adapter, told: t.Mapping[str, t.Any]) -> Path:
    """Return the tarball that was chosen. Raises `RackbenchError` (packaging_blocked) if it is another one now."""
    from rackbench.errors import RackbenchError

    tarball = Path(told["path"])
    now = Bundles(state.options, project).look_at(_platform(state), adapter, tarball)
    if now.accepted and now.sha256 == told["sha256"]:
        return tarball
    raise RackbenchError(
        "packaging_blocked",
        f"{tarball} was chosen for {adapter.name}, and has changed since: {now.detail or 'it holds other bytes.'}",
        where=str(tarball),
        next_step="Run again: the choice is then made anew.",
    )


def to_build(
    state: RunState, project: Path, adapter: Adapter, told: t.Mapping[str, t.Any]
) -> Candidate | None:
    """Return what to take where a decision was to build: what was told, or what somebody else has built by now.

    None when neither can be had any more.
    """
    chosen = decide(state, project, adapter).chosen
    is_same = chosen is not None and (chosen.source, str(chosen.path)) == (told["source"], told["path"])
    return chosen if chosen and (is_same or chosen.made_on is None) else None


def not_to_be_built(adapter: Adapter, told: t.Mapping[str, t.Any]) -> RackbenchError:
    """Return the failure of a bundle that was to be built and cannot be any more."""
    from rackbench.errors import RackbenchError

    return RackbenchError(
        "packaging_blocked",
        f"The bundle of {adapter.name} was to be built from {told['path']}, which cannot be done any more.",
        where=str(told["path"]),
        next_step="Run again: the choice is then made anew.",
    )


def platform_for(state: RunState, adapter: Adapter) -> Platform | None:
    """Return the platform that the adapter's bundle runs on, or None when nobody knows it."""
    return _where_it_runs(_platform(state), adapter)


def _where_it_runs(host: Platform | None, adapter: Adapter) -> Platform | None:
    from rackbench.bundles.platforms import local_platform

    # A benchmark that reaches the host by itself must fit the machine that it runs on.
    return local_platform() if adapter.on_controller else host


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
        from rackbench.errors import RackbenchError

        self._options = options
        self._project = project
        own = project / options["cache_dir"]
        self._digests = Digests(own / "digests.json")
        self._captured = own / "captured"
        signers = options["allowed_signers"]
        if signers and not (project / signers).is_file():
            raise RackbenchError(
                "unknown_option",
                f"lab_allowed_signers names {project / signers}, which is no file.",
                where=str(project / signers),
            )
        self._signatures = SignaturePolicy(
            project / signers if signers else None, options["require_signature"]
        )
        shared = options["bundle_cache"]
        self._cache = None
        if shared:
            self._cache = open_cache(shared, own / "downloads", base=project, digest=self._digests.of)

    def decide(self, platform: Platform | None, adapter: Adapter) -> Decision:
        """Return the decision about an adapter's bundle for a host of this platform."""
        from rackbench.bundles.attachments import look_at

        decision = self._resolve(platform, adapter, self._sources(adapter))
        settings = (self._options.get("settings") or {}).get(adapter.name) or {}
        host = _where_it_runs(platform, adapter)
        return replace(decision, attachments=look_at(adapter, settings, host, self._digests, self._project))

    def look_at(self, platform: Platform | None, adapter: Adapter, tarball: Path) -> Candidate:
        """Return one bundle with what speaks against it, whatever else there is."""
        from rackbench.bundles.decision import Sources

        only = Sources(tarball, None, None, (), None, self._digests)
        return self._resolve(platform, adapter, only).candidates[0]

    def _resolve(self, platform: Platform | None, adapter: Adapter, sources: Sources) -> Decision:
        from rackbench.bundles.decision import BundleRequirements
        from rackbench.bundles.resolve import resolve

        requirements = BundleRequirements(adapter.capabilities, self._signatures)
        return resolve(_where_it_runs(platform, adapter), adapter, requirements, sources)

    def _sources(self, adapter: Adapter) -> Sources:
        from rackbench.bundles.decision import Sources

        configured = self._options["bundles"].get(adapter.name)
        return Sources(
            configured=self._in_project(configured) if configured else None,
            cache=self._cache,
            captured=self._captured,
            dist=(self._project / self._options["dist_dir"],),
            repo=self._repo(adapter),
            digests=self._digests,
        )

    def _repo(self, adapter: Adapter) -> Path | None:
        if configured := self._options["benchmark_repos"].get(adapter.name):
            return self._in_project(configured)
        if adapter.bundle is None or adapter.bundle.source is None:
            return None
        own = self._project / adapter.bundle.source
        # That of the collection lies beside the roles.
        shipped = adapter.directory.parents[1] / adapter.bundle.source
        return shipped if shipped.is_dir() and not own.is_dir() else own

    def _in_project(self, path: str) -> Path:
        return self._project / Path(path).expanduser()
