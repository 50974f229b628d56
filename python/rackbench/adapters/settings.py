# SPDX-License-Identifier: Apache-2.0
"""What a site sets about benchmarks: checked against `adapter.yml`, and turned into families and their parameters."""

from __future__ import annotations

import re
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, Any

import yaml
from pydantic import ValidationError

from rackbench.adapters.catalog import Family, Pinning, Setting, suggest
from rackbench.errors import RackbenchError
from rackbench.models.adapter import AgentSettings, AgentsSection, ProfileEntry, Supplement
from rackbench.models.common import explain
from rackbench.topology import pools

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping, Sequence

    from rackbench.adapters.catalog import Adapter

OFFICIAL = "official"
# Pools that are one family for each unit of the host: what one of them is called, and its name in words.
UNITS = {"per-socket": ("socket", "socket"), "per-node": ("node", "NUMA node"), "per-l3": ("l3", "L3 cache")}
# Supplements that go by a name alone.
_KNOWN = {
    "p-core": {"cpu_pool": "p-core"},
    "e-core": {"cpu_pool": "e-core"},
    "dense-core": {"cpu_pool": "dense-core"},
    "physical-only": {"threading": "physical"},
    "logical": {"threading": "logical"},
    "socket-local": {"cpu_pool": "per-socket"},
}

# A user name or password, or a query or fragment, where tokens are.
_CREDENTIALS = re.compile(r"://([^/?#]*@|[^?#]*[?#])")


def configured_catalog(
    catalog: Mapping[str, Adapter], given: Mapping[str, Mapping[str, Any]]
) -> dict[str, Adapter]:
    """Return the adapters with a site's settings, `{adapter: {name: value}}`, in their families.

    Raises `RackbenchError`: unknown_benchmark, unknown_setting, unknown_profile.
    """
    for name in given:
        if name not in catalog:
            raise RackbenchError(
                "unknown_benchmark",
                f"lab_settings is about {name!r}, which is no benchmark.{suggest(name, sorted(catalog))}",
            )
    return {name: configured(adapter, given.get(name) or {}) for name, adapter in catalog.items()}


def changed(given: Mapping[str, Any], changes: Sequence[str]) -> dict[str, Any]:
    """Return settings with changes, each `ADAPTER.NAME=VALUE` with the value in YAML.

    Raises `RackbenchError` (unknown_setting) for a change of another form.
    """
    settings = {name: dict(values) if isinstance(values, dict) else values for name, values in given.items()}
    for change in changes:
        place, equals, text = change.partition("=")
        adapter, dot, name = place.partition(".")
        try:
            value = yaml.safe_load(text)
        except yaml.YAMLError as error:
            raise _not_a_change(change) from error
        own = settings.setdefault(adapter, {})
        if not (equals and adapter and dot and name and isinstance(own, dict)):
            raise _not_a_change(change)
        own[name] = value
    return settings


def _not_a_change(change: str) -> RackbenchError:
    return RackbenchError(
        "unknown_setting",
        f"{change!r} sets nothing.",
        next_step="Write a setting as ADAPTER.NAME=VALUE, with the value in YAML.",
    )


def configured(adapter: Adapter, given: Mapping[str, Any]) -> Adapter:
    """Return the adapter with settings in its families. Raises `RackbenchError`: unknown_setting, unknown_profile."""
    if not isinstance(given, dict):
        raise _wrong(adapter, "", f"must be a mapping of settings, and is {given!r}.")
    own = {setting.name: setting for setting in adapter.settings}
    of_agents = AgentSettings.model_fields if adapter.agents else {}
    for name in given:
        if name not in own and name not in of_agents:
            allowed = sorted([*own, *of_agents])
            raise _wrong(adapter, name, f"is no setting of {adapter.name}.{suggest(name, allowed)}")
    values = {name: _checked(adapter, setting, given) for name, setting in own.items()}
    if adapter.agents is not None:
        chosen = {name: value for name, value in given.items() if name in of_agents}
        families = tuple(_agent_families(adapter, adapter.agents, chosen, values))
        return replace(adapter, families=families, default_families=tuple(family.name for family in families))
    return replace(
        adapter,
        families=tuple(
            replace(family, parameters={**values, **family.parameters}) for family in adapter.families
        ),
    )


def all_settings(adapter: Adapter) -> list[Setting]:
    """Return what a site may set about a benchmark: its own settings, and those of its agents."""
    of_agents = [] if adapter.agents is None else list(_of_agents(adapter.agents))
    return [*of_agents, *adapter.settings]


def _of_agents(section: AgentsSection) -> Iterator[Setting]:
    for name, default in section.defaults.model_dump().items():
        choices: tuple[str, ...] | None = None
        if name == "profile":
            choices = tuple(profile.name for profile in section.profiles)
        elif name == "threading":
            choices = (pools.LOGICAL, pools.PHYSICAL)
        yield Setting(name, str(AgentSettings.model_fields[name].description), default, choices)


def _checked(adapter: Adapter, setting: Setting, given: Mapping[str, Any]) -> Any:
    """Return a setting's value: the given one if its type and value are allowed, else the default."""
    value = given.get(setting.name, setting.default)
    if value is None and setting.default is None:
        return None
    if setting.default is None and isinstance(value, (dict, list)):
        raise _wrong(adapter, setting.name, f"must be a single value, and is {value!r}.")
    if setting.default is not None and not _same_type(value, setting.default):
        kind = type(setting.default).__name__
        raise _wrong(adapter, setting.name, f"must be {_TYPES.get(kind, kind)}, and is {value!r}.")
    if isinstance(value, str) and _CREDENTIALS.search(value):
        words = "is an address with a user name, a password, a query or a fragment in it. "
        words += "Settings are recorded: name a user and a password apart from it."
        raise _wrong(adapter, setting.name, words)
    if setting.choices is not None and value not in setting.choices:
        allowed = ", ".join(str(choice) for choice in setting.choices if choice is not None)
        raise _wrong(adapter, setting.name, f"must be one of {allowed}, and is {value!r}.")
    return value


_TYPES = {
    "bool": "true or false",
    "int": "a whole number",
    "float": "a number",
    "str": "text",
    "list": "a list",
}


def _same_type(value: Any, default: Any) -> bool:
    if isinstance(default, bool) or isinstance(value, bool):
        return isinstance(value, bool) and isinstance(default, bool)
    if isinstance(default, float):
        return isinstance(value, (int, float))
    return isinstance(value, type(default))


@dataclass(frozen=True, slots=True)
class _Set:
    """The official families, or those of a supplement."""

    label: str
    profile: ProfileEntry
    pool: str
    threading: str
    splits: tuple[tuple[int, int], ...] = ()


def _agent_families(
    adapter: Adapter, section: AgentsSection, given: Mapping[str, Any], values: Mapping[str, Any]
) -> Iterator[Family]:
    """Give the official families, then those of each supplement, the same whatever supplements there are."""
    settings = _agent_settings(adapter, section, given)
    modes = [
        mode
        for mode, wanted in (("single", settings.single_agent), ("multi", settings.multi_agent))
        if wanted
    ]
    if not modes:
        raise _wrong(
            adapter, "multi_agent", "and single_agent are both off, so there is nothing left to run."
        )
    official = _Set(
        OFFICIAL, _profile(adapter, section, settings.profile), settings.cpu_pool, settings.threading
    )
    labels = {OFFICIAL}
    for chosen in (
        official,
        *(_supplement(adapter, section, official, each) for each in settings.supplemental),
    ):
        if chosen is not official and chosen.label in labels:
            raise _wrong(adapter, "supplemental", f"has the label {chosen.label} twice.")
        labels.add(chosen.label)
        yield from _families_of(section, chosen, modes, values)


def _families_of(
    section: AgentsSection, chosen: _Set, modes: list[str], values: Mapping[str, Any]
) -> Iterator[Family]:
    for mode in modes:
        splits: tuple[tuple[int, int] | None, ...] = (None,)
        if mode == "multi" and chosen.splits:
            splits = chosen.splits
        for split in splits:
            name = f"{chosen.label}-{mode}" + (f"-{split[0]}x{split[1]}" if split else "")
            yield Family(
                name=name,
                summary=_summary(chosen, mode, split),
                parameters={
                    **values,
                    **chosen.profile.parameters,
                    "profile": chosen.profile.name,
                    "mode": mode,
                },
                time_limit_s=chosen.profile.time_limit_s,
                heartbeat_s=section.heartbeat_s,
                pinning=Pinning(
                    chosen.pool, chosen.threading, chosen.label, mode, split, splits=bool(chosen.splits)
                ),
            )


def _summary(chosen: _Set, mode: str, split: tuple[int, int] | None) -> str:
    agents = "One agent" if mode == "single" else "One agent on each CPU"
    if split:
        agents = f"{split[0]} agents with {split[1]} CPUs each"
    threads = ", one thread of each core" if chosen.threading == "physical" else ""
    kind = "official" if chosen.label == OFFICIAL else "supplement"
    return f"{agents}, pool {chosen.pool}{threads}, profile {chosen.profile.name} ({kind})"


def _agent_settings(adapter: Adapter, section: AgentsSection, given: Mapping[str, Any]) -> AgentSettings:
    try:
        settings = AgentSettings.model_validate({**section.defaults.model_dump(), **given})
    except ValidationError as error:
        raise _wrong(adapter, "", explain(error)) from error
    _check_pool(adapter, "cpu_pool", settings.cpu_pool)
    return settings


def _supplement(adapter: Adapter, section: AgentsSection, official: _Set, given: Supplement | str) -> _Set:
    if isinstance(given, str):
        if given not in _KNOWN:
            raise _wrong(adapter, "supplemental", f"has {given!r}.{suggest(given, sorted(_KNOWN))}")
        given = Supplement.model_validate({"label": given, **_KNOWN[given]})
    pool = given.cpu_pool or official.pool
    _check_pool(adapter, f"supplemental.{given.label}.cpu_pool", pool)
    return _Set(
        given.label,
        _profile(adapter, section, given.profile) if given.profile else official.profile,
        pool,
        given.threading or official.threading,
        tuple((split.agents, split.cpus_each) for split in given.splits),
    )


def _profile(adapter: Adapter, section: AgentsSection, name: str) -> ProfileEntry:
    for profile in section.profiles:
        if profile.name == name:
            return profile
    names = [profile.name for profile in section.profiles]
    raise RackbenchError("unknown_profile", f"{adapter.name} has no profile {name!r}.{suggest(name, names)}")


def _check_pool(adapter: Adapter, setting: str, pool: str) -> None:
    """Refuse what no host can have. What this host has is known when it was asked."""
    if pool in UNITS and "." in setting:
        # Only a supplement may be several families.
        return
    try:
        pools.check_name(pool)
    except pools.PoolError as error:
        raise _wrong(adapter, setting, f"is wrong: {error.message}") from error


def _wrong(adapter: Adapter, setting: str, problem: str) -> RackbenchError:
    place = ".".join(part for part in ("lab_settings", adapter.name, setting) if part)
    return RackbenchError(
        "unknown_setting", f"{place} {problem}", next_command=f"rackbench adapters show {adapter.name}"
    )
