# SPDX-License-Identifier: Apache-2.0
"""The lab's cables: bridges in a namespace of their own, one cable for each leg of a host."""

from __future__ import annotations

from pathlib import Path

from testlab import mounts, netns
from testlab.cgroups import kill
from testlab.commands import run
from testlab.topology import CONTROLLER, CONTROLLER_LEGS, HOSTS, NAMESPACES, NETWORKS, SWITCH, Host

FAULT_TABLE = "lab_fault"


def make() -> None:
    """Make all namespaces, bridges and cables."""
    for namespace in NAMESPACES:
        run("ip", "netns", "add", namespace)
        # A host passes nothing on by itself: the only way through thor is its sshd.
        run(
            "ip",
            "netns",
            "exec",
            namespace,
            "sysctl",
            "-q",
            "-w",
            "net.ipv4.ip_forward=0",
            "net.ipv6.conf.all.forwarding=0",
        )
    bridges = "".join(f"link add br-{name} type bridge\nlink set br-{name} up\n" for name in NETWORKS)
    _batch(SWITCH, bridges)
    _cables("ctl", CONTROLLER, CONTROLLER_LEGS)
    for host in HOSTS.values():
        _cables(host.name, host.namespace, host.legs)
        power(host, on=False)


def remove() -> None:
    """End what still runs in the lab's namespaces and delete them, also when only some exist."""
    for namespace in NAMESPACES:
        kill(set(netns.members(namespace)))
    for namespace in NAMESPACES:
        if Path(netns.path_of(namespace)).exists():
            run("ip", "netns", "delete", namespace)
    directory = Path(netns.DIRECTORY)
    if directory.is_dir() and not any(directory.iterdir()):
        # `ip netns add` makes this directory a mount of its own; nobody else uses it when it is empty.
        mounts.unmount_below(directory)
        directory.rmdir()


def power(host: Host, *, on: bool, cut: frozenset[str] = frozenset()) -> None:
    """Give a host's legs a live switch port, or none; a leg that is cut stays dead."""
    for network in host.legs:
        set_port(host, network, up=on and network not in cut)


def set_port(host: Host, network: str, *, up: bool) -> None:
    """Switch one port on or off."""
    run("ip", "-n", SWITCH, "link", "set", _port(host.name, network), "up" if up else "down")


def lose(host: Host, percent: int) -> None:
    """Drop a random share of the packets that reach a host; 0 ends it."""
    rules = f"add table inet {FAULT_TABLE}\ndelete table inet {FAULT_TABLE}\n"
    if percent:
        # nft refuses a comparison that always holds.
        share = f"numgen random mod 100 < {percent} " if percent < 100 else ""
        rules += (
            f"table inet {FAULT_TABLE} {{\nchain input {{\ntype filter hook input priority -10;\n"
            f'iifname != "lo" {share}drop\n}}\n}}\n'
        )
    # Only the network namespace is entered, by nft alone: nothing of the host's runs here.
    run("nsenter", f"--net={netns.path_of(host.namespace)}", "nft", "-f", "-", feed=rules)


def slow(host: Host, kilobits: int) -> None:
    """Give a host a line of so many kbit/s in each direction; 0 ends it."""
    # The burst holds several full packets: a smaller one starves slow lines altogether.
    bucket = ("tbf", "rate", f"{kilobits}kbit", "burst", "16kb", "latency", "4000ms")
    shape = bucket if kilobits else ("noqueue",)
    for network in host.legs:
        for namespace, device in ((SWITCH, _port(host.name, network)), (host.namespace, network)):
            run("tc", "-n", namespace, "qdisc", "replace", "dev", device, "root", *shape)


def _cables(name: str, namespace: str, legs: dict[str, int]) -> None:
    inside = "link set lo up\n"
    for network, last in legs.items():
        port = _port(name, network)
        _batch(
            SWITCH,
            f"link add {port} type veth peer name {network} netns {namespace}\n"
            f"link set {port} master br-{network} up\n",
        )
        inside += f"addr add {NETWORKS[network]}.{last}/24 dev {network}\nlink set {network} up\n"
    _batch(namespace, inside)


def _port(name: str, network: str) -> str:
    return f"{name}-{network}"


def _batch(namespace: str, lines: str) -> None:
    run("ip", "-n", namespace, "-batch", "-", feed=lines)
