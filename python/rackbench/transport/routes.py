# SPDX-License-Identifier: Apache-2.0
"""From a lab file to the way to each machine: every alias that ssh knows, and the alias it is reached through."""

from __future__ import annotations

import itertools
from dataclasses import dataclass
from typing import TYPE_CHECKING

from rackbench.models import lab as models
from rackbench.yaml_source import Place, dotted, nearest

if TYPE_CHECKING:
    from collections.abc import Mapping
    from pathlib import Path

    from rackbench.transport.labfile import LabFile


@dataclass(frozen=True)
class Endpoint:
    """One machine as ssh sees it: a hop, a host, or both. `via` is the alias of the hop before it."""

    name: str
    hostname: str
    user: str
    port: int
    auth_ref: str
    auth: models.AuthRef
    via: str | None
    proxy_command: tuple[str, ...] | None
    host_key: str | None
    attempts: int
    backoff_s: float
    connect_timeout_s: int
    is_hop: bool


@dataclass(frozen=True)
class Routes:
    """All endpoints of a lab by alias, hops before what is reached through them."""

    lab: LabFile
    endpoints: Mapping[str, Endpoint]

    def route(self, name: str) -> list[Endpoint]:
        """Return the endpoints from the first hop to `name` itself."""
        found = [self.endpoints[name]]
        while found[0].via is not None:
            found.insert(0, self.endpoints[found[0].via])
        return found

    def hops(self, name: str) -> list[str]:
        """Return the names of the hops before `name`, the nearest to the controller first."""
        return [endpoint.name for endpoint in self.route(name)[:-1]]

    def longest_wait_s(self, name: str) -> int:
        """Return an upper bound in seconds for opening the whole chain, retries included."""
        total = 0.0
        for endpoint in self.route(name):
            pauses = sum(pause_s(endpoint.backoff_s, attempt) for attempt in range(1, endpoint.attempts))
            total += endpoint.attempts * login_limit_s(endpoint.connect_timeout_s) + pauses
        return int(total) + 1

    def key_path(self, endpoint: Endpoint) -> Path | None:
        """Return the private key of an endpoint if its auth is a key file."""
        return self.lab.resolve(endpoint.auth.path) if isinstance(endpoint.auth, models.KeyFile) else None

    def passphrase_ref(self, endpoint: Endpoint) -> str | None:
        """Return the name of the auth reference with the passphrase of an endpoint's key, if it has one."""
        return endpoint.auth.passphrase if isinstance(endpoint.auth, models.KeyFile) else None

    def password_ref(self, endpoint: Endpoint) -> str | None:
        """Return the name of the auth reference with the password of an endpoint, if it logs in with one."""
        return endpoint.auth_ref if endpoint.auth.type in models.PASSWORD_TYPES else None


def pause_s(backoff_s: float, attempt: int) -> float:
    """Return the seconds to wait after the `attempt`-th failed attempt (from 1): doubling, at most a minute."""
    return min(backoff_s * float(2 ** (attempt - 1)), 60.0)


def login_limit_s(connect_timeout_s: int) -> int:
    """Return the seconds that one attempt may take in all: connecting, key exchange and login."""
    return connect_timeout_s + 20


def resolve(lab: LabFile) -> Routes:
    """Return the routes of a checked lab file.

    Raises `RackbenchError("inventory_invalid")` for an unknown hop, a loop of hops, a hop that would be reached in two
    ways, and a proxy command behind another hop.
    """
    problems: list[tuple[Place, str]] = []
    via = _via(lab.model, problems)
    if problems:
        raise lab.source.error(problems)
    endpoints: dict[str, Endpoint] = {}

    def add(name: str) -> None:
        before = via.get(name)
        if before is not None and before not in endpoints:
            add(before)
        endpoints[name] = _endpoint(lab.model, name, before)

    for name in (*lab.model.hops, *lab.model.hosts):
        if name not in endpoints:
            add(name)
    return Routes(lab, endpoints)


def _via(lab: models.Lab, problems: list[tuple[Place, str]]) -> dict[str, str]:
    """Return the hop before each alias that has one."""
    via: dict[str, str] = {}
    origin: dict[str, Place] = {}

    def known(place: Place, hop: str) -> bool:
        if hop in lab.hops:
            return True
        problems.append((place, f"there is no hop {hop!r}; {nearest(hop, list(lab.hops))}"))
        return False

    def reach(name: str, hop: str, place: Place) -> None:
        if via.get(name, hop) != hop:
            problems.append(
                (
                    place,
                    f"{name!r} is reached through {via[name]!r} in {dotted(origin[name])}; describe two hops",
                )
            )
        via.setdefault(name, hop)
        origin.setdefault(name, place)

    for name, hop in lab.hops.items():
        if hop.via is not None and known(("hops", name, "via"), hop.via):
            reach(name, hop.via, ("hops", name, "via"))
    for name, host in lab.hosts.items():
        if not isinstance(host.transport, models.JumpChain):
            continue
        place: Place = ("hosts", name, "transport", "hops")
        chain = host.transport.hops
        if not all([known((*place, index), hop) for index, hop in enumerate(chain)]):  # noqa: C419 (name them all)
            continue
        for index, (before, hop_name) in enumerate(itertools.pairwise(chain), start=1):
            reach(hop_name, before, (*place, index))
        via[name] = chain[-1]
    if not problems:
        problems.extend(_loops(lab, via, origin))
        problems.extend(
            (
                ("hops", name, "proxy_command"),
                f"{name!r} is reached through {via[name]!r}: only a first hop has one",
            )
            for name, hop in lab.hops.items()
            if hop.proxy_command and name in via
        )
    return via


def _loops(lab: models.Lab, via: dict[str, str], origin: dict[str, Place]) -> list[tuple[Place, str]]:
    found: dict[frozenset[str], tuple[Place, str]] = {}
    for name in lab.hops:
        walked = [name]
        while (before := via.get(walked[-1])) is not None:
            walked.append(before)
            if before in walked[:-1]:
                loop = walked[walked.index(before) :]
                text = " -> ".join(loop)
                found.setdefault(frozenset(loop), (origin[loop[0]], f"a loop of hops: {text}"))
                break
    return list(found.values())


def _endpoint(lab: models.Lab, name: str, via: str | None) -> Endpoint:
    is_hop = name in lab.hops
    item: models.Hop | models.Host = lab.hops[name] if is_hop else lab.hosts[name]
    retry = item.retry or lab.defaults.retry
    auth_ref = item.auth_ref or lab.defaults.auth_ref or ""
    return Endpoint(
        name=name,
        hostname=item.hostname or name,
        user=item.user or lab.defaults.user or "",
        port=item.port or lab.defaults.port,
        auth_ref=auth_ref,
        auth=lab.auth_refs[auth_ref],
        via=via,
        proxy_command=tuple(item.proxy_command) if item.proxy_command else None,
        host_key=item.host_key,
        attempts=retry.attempts,
        backoff_s=retry.backoff_s,
        connect_timeout_s=retry.connect_timeout_s,
        is_hop=is_hop,
    )
