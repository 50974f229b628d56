# SPDX-License-Identifier: Apache-2.0
"""The catalogue of adapters: every `roles/*/adapter.yml`, read and checked."""

from __future__ import annotations

import difflib
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import yaml

from rackbench.adapters.headline import query_problem
from rackbench.errors import RackbenchError
from rackbench.models.adapter import AdapterYml
from rackbench.models.common import check

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping, Sequence
    from pathlib import Path

    from rackbench.models.adapter import AgentsSection

FILE_NAME = "adapter.yml"


@dataclass(frozen=True, slots=True)
class BundleRef:
    """Which bundle an adapter needs; `runs_on` is `target` or `controller`.

    `source` is relative to the project, or where it has no such directory to the one with the adapter's `roles`.
    """

    name: str
    source: str | None
    platform: str
    runs_on: str = "target"


@dataclass(frozen=True, slots=True)
class Requirement:
    """A command on the target, and its package for each package manager (`default` for the others).

    `instead` names other commands that do as well.
    `bootstrap` names the role by which a run installs it by itself: only for what a build on the target calls.
    """

    command: str
    packages: Mapping[str, str]
    required: bool = True
    bootstrap: str | None = None
    instead: tuple[str, ...] = ()

    @property
    def commands(self) -> tuple[str, ...]:
        """Every command that does."""
        return (self.command, *self.instead)


@dataclass(frozen=True, slots=True)
class Needs:
    """What the benchmark needs of a target beside commands: sizes in bytes, and whether it must become root."""

    disk_bytes: int = 0
    memory_bytes: int = 0
    root: bool = False


@dataclass(frozen=True, slots=True)
class Setting:
    """What a site may set; `choices` is None when every value of the default's type is allowed."""

    name: str
    summary: str
    default: Any
    choices: tuple[Any, ...] | None


@dataclass(frozen=True, slots=True)
class AttachmentRule:
    """An archive of the operator: the setting with its path, what it is, the expression of its program's path in it.

    With the setting `instead` the benchmark does without it.
    """

    setting: str
    what: str
    entry_point: str
    instead: str | None


@dataclass(frozen=True, slots=True)
class Pinning:
    """Which CPUs a family gets: a pool by the topology's names, or `per-socket`, `per-node` and `per-l3`.

    With agents it has the `label` of its families, the `mode` (`single` or `multi`), and the split into so many agents
    with so many CPUs each; None: one agent on each CPU. `splits` says whether its supplement is about splits.
    """

    pool: str
    threading: str
    label: str | None = None
    mode: str | None = None
    split: tuple[int, int] | None = None
    splits: bool = False


@dataclass(frozen=True, slots=True)
class Family:
    """One way to run the benchmark; times in seconds. Without `pinning` it gets all CPUs."""

    name: str
    summary: str
    parameters: Mapping[str, Any]
    time_limit_s: float
    heartbeat_s: float | None
    pinning: Pinning | None = None


@dataclass(frozen=True, slots=True)
class Headline:
    """A number that a summary shows: a JMESPath expression over result.json."""

    label: str
    query: str
    unit: str


@dataclass(frozen=True, slots=True)
class ArtifactRule:
    """What the files that match a glob (relative to the output directory) are."""

    glob: str
    kind: str
    publishable: bool


@dataclass(frozen=True, slots=True)
class Adapter:
    """One benchmark as its `adapter.yml` describes it; `directory` is its role."""

    name: str
    summary: str
    description: str
    publish_target: str
    bundle: BundleRef | None
    requirements: tuple[Requirement, ...]
    capabilities: frozenset[str]
    families: tuple[Family, ...]
    default_families: tuple[str, ...]
    headline: tuple[Headline, ...]
    artifacts: tuple[ArtifactRule, ...]
    directory: Path
    needs: Needs = Needs()
    settings: tuple[Setting, ...] = ()
    attachments: tuple[AttachmentRule, ...] = ()
    secrets: tuple[str, ...] = ()
    agents: AgentsSection | None = None
    in_default_runs: bool = True

    @property
    def on_controller(self) -> bool:
        """Return whether the benchmark's own command line runs on the controller and reaches the host by itself."""
        return self.bundle is not None and self.bundle.runs_on == "controller"

    def family(self, name: str) -> Family | None:
        """Return the family of this name, or None."""
        return next((family for family in self.families if family.name == name), None)


def catalog_of(project: Path, collection: Path) -> dict[str, Adapter]:
    """Return the adapters of the collection and of the project's own `roles/` by name, sorted.

    Raises what `load_catalog` raises.
    """
    folders = [collection / "roles"]
    if (own := (project / "roles").resolve()) not in folders and own.is_dir():
        folders.append(own)
    return load_catalog(folders)


def load_catalog(roles_dirs: Sequence[Path]) -> dict[str, Adapter]:
    """Return the adapters of the roles directories by name, sorted.

    Raises `RackbenchError` (adapter_invalid) naming the file, the place in it and what is allowed there, also for a
    name that two roles have.
    """
    found: dict[str, Adapter] = {}
    for folder in roles_dirs:
        for path in sorted(folder.glob(f"*/{FILE_NAME}")):
            adapter = read_adapter(path)
            if adapter.name in found:
                other = found[adapter.name].directory / FILE_NAME
                raise _error(path, f"name: {adapter.name} is already the adapter of {other}.")
            found[adapter.name] = adapter
    return dict(sorted(found.items()))


def read_adapter(path: Path) -> Adapter:
    """Read one `adapter.yml`. Raises `RackbenchError` (adapter_invalid)."""
    try:
        content = yaml.load(path.read_bytes(), Loader=getattr(yaml, "CSafeLoader", yaml.SafeLoader))  # noqa: S506
    except (OSError, ValueError, yaml.YAMLError) as error:
        raise _error(path, " ".join(str(error).split())) from error
    document = check(AdapterYml, content, path=path, code="adapter_invalid")
    _check_meaning(document, path)
    return _adapter(document, path.parent)


def _check_meaning(document: AdapterYml, path: Path) -> None:
    role = document.name.replace("-", "_")
    if path.parent.name != role:
        raise _error(path, f"name: {document.name} belongs in a role directory called {role}.")
    families = [family.name for family in document.families]
    for position, name in enumerate(document.default_families):
        if name not in families:
            raise _error(path, f"default_families.{position}: {name} is not one of {', '.join(families)}.")
    for position, entry in enumerate(document.results.headline):
        if problem := query_problem(entry.query):
            raise _error(path, f"results.headline.{position}.query: {problem}")


def _adapter(document: AdapterYml, directory: Path) -> Adapter:
    reference = document.bundle
    return Adapter(
        name=document.name,
        summary=document.summary,
        description=document.description,
        publish_target=document.publish_target,
        bundle=BundleRef(reference.name, reference.source, reference.platform, reference.runs_on)
        if reference
        else None,
        requirements=tuple(
            Requirement(
                entry.command,
                {str(manager): package for manager, package in entry.packages.items()},
                entry.required,
                instead=tuple(entry.instead),
            )
            for entry in document.requirements.commands
        ),
        capabilities=frozenset(document.capabilities),
        families=tuple(
            Family(
                entry.name,
                entry.summary,
                entry.parameters,
                entry.time_limit_s,
                entry.heartbeat_s,
                _pinning(entry.selector),
            )
            for entry in document.families
        ),
        default_families=tuple(document.default_families),
        headline=tuple(Headline(entry.label, entry.query, entry.unit) for entry in document.results.headline),
        artifacts=tuple(
            ArtifactRule(entry.glob, entry.kind, entry.publishable) for entry in document.artifacts
        ),
        directory=directory,
        needs=Needs(
            document.requirements.disk_bytes, document.requirements.memory_bytes, document.requirements.root
        ),
        settings=tuple(
            Setting(entry.name, entry.summary, entry.default, tuple(entry.choices) if entry.choices else None)
            for entry in document.settings
        ),
        attachments=tuple(
            AttachmentRule(entry.setting, entry.what, entry.entry_point, entry.instead)
            for entry in document.attachments
        ),
        secrets=tuple(document.secrets),
        agents=document.agents,
        in_default_runs=document.in_default_runs,
    )


def _pinning(selector: str) -> Pinning | None:
    if selector == "all":
        return None
    return Pinning("all", "physical") if selector == "physical" else Pinning(selector, "logical")


def known(catalog: Mapping[str, Adapter]) -> list[str]:
    """Return the names that `lab_benchmarks` may hold, sorted, `preflight` among them."""
    return sorted([*catalog, "preflight"])


def require(catalog: Mapping[str, Adapter], names: Iterable[str]) -> list[Adapter]:
    """Return the adapters of these names, in their order, each once.

    Raises `RackbenchError` (unknown_benchmark) that lists the known names and suggests the nearest.
    """
    adapters = []
    for name in dict.fromkeys(names):
        if name not in catalog:
            raise RackbenchError(
                "unknown_benchmark", f"No benchmark is called {name!r}.{suggest(name, known(catalog))}"
            )
        adapters.append(catalog[name])
    return adapters


def suggest(name: str, allowed: Sequence[str]) -> str:
    """Return the end of a message: the nearest allowed name, if one is near, and all of them."""
    near = difflib.get_close_matches(name, allowed, n=1)
    return (f" Did you mean {near[0]}?" if near else "") + f" Known are: {', '.join(allowed) or 'none'}."


def _error(path: Path, problem: str) -> RackbenchError:
    return RackbenchError("adapter_invalid", f"{path}: {problem}", where=str(path))
