# SPDX-License-Identifier: Apache-2.0
"""Which hosts, networks and users the lab has."""

from __future__ import annotations

from dataclasses import dataclass

NETWORKS = {"edge": "10.77.1", "core": "10.77.2", "deep": "10.77.3"}
SWITCH = "lab-sw"
CONTROLLER = "lab-ctl"
CONTROLLER_LEGS = {"edge": 1}


@dataclass(frozen=True)
class Host:
    """One host: its legs are network name -> last byte of its address, in the order of nearness."""

    name: str
    legs: dict[str, int]
    port: int
    user: str
    auth: str
    careful_user: str | None = None

    @property
    def namespace(self) -> str:
        """The host's network namespace."""
        return f"lab-{self.name}"

    @property
    def address(self) -> str:
        """The address that the hop before it uses."""
        network, last = next(iter(self.legs.items()))
        return f"{NETWORKS[network]}.{last}"

    @property
    def users(self) -> list[str]:
        """Everyone with a home on this host."""
        return [self.user] if self.careful_user is None else [self.user, self.careful_user]


# turind8 has no leg on edge: only thor leads to it. skadi is behind thor and then loki.
HOSTS = {
    host.name: host
    for host in (
        Host("thor", {"edge": 10, "core": 10}, 2201, "jump", "password"),
        Host("loki", {"core": 11, "deep": 11}, 2202, "hop", "key"),
        Host("turind8", {"core": 20}, 22, "deploy", "key", careful_user="careful"),
        Host("skadi", {"deep": 30}, 2222, "ops", "key"),
    )
}

NAMESPACES = [SWITCH, CONTROLLER, *(host.namespace for host in HOSTS.values())]
