# SPDX-License-Identifier: Apache-2.0
"""The table of captures: what is run or read, and where its output is stored."""

from __future__ import annotations

from dataclasses import dataclass, replace
from pathlib import Path


@dataclass(frozen=True)
class Capture:
    """One command to run, or one file to read.

    Exactly one of `argv` and `file` is set. `path` is relative to the output directory. A capture that is not
    `optional` makes the result partial when it is missing.
    """

    name: str
    path: str
    argv: tuple[str, ...] = ()
    file: str = ""
    optional: bool = True
    needs_root: bool = False
    package: str = ""

    @property
    def command(self) -> str:
        """The command as a person would type it; a file is read by this program and needs no tool."""
        return " ".join(self.argv) if self.argv else f"read {self.file}"


def _dmi(kind: str) -> Capture:
    argv = ("dmidecode", "-t", kind)
    return Capture(f"dmi_{kind}", f"raw/dmi_{kind}.txt", argv, needs_root=True, package="dmidecode")


def _lstopo(name: str, output_format: str, suffix: str) -> Capture:
    argv = ("lstopo", "--of", output_format)
    return Capture(f"lstopo_{name}", f"topology/lstopo.{suffix}", argv, package="hwloc")


_LSBLK = ("lsblk", "--json", "-o", "NAME,MODEL,SIZE,TYPE,TRAN,VENDOR,MOUNTPOINT")
_LSCPU_TOPOLOGY = ("lscpu", "-p=CPU,CORE,SOCKET,NODE,ONLINE")
_GOVERNOR = "/sys/devices/system/cpu/cpu0/cpufreq/scaling_governor"
_HUGEPAGE = "/sys/kernel/mm/transparent_hugepage/enabled"

CAPTURES = (
    Capture("uname", "raw/uname.txt", ("uname", "-a"), optional=False, package="coreutils"),
    Capture("os_release", "raw/os-release.txt", file="/etc/os-release", optional=False),
    Capture("lscpu", "raw/lscpu.txt", ("lscpu",), optional=False, package="util-linux"),
    Capture(
        "lscpu_topology", "raw/lscpu-topology.csv", _LSCPU_TOPOLOGY, optional=False, package="util-linux"
    ),
    Capture("lscpu_cache", "raw/lscpu-cache.txt", ("lscpu", "-C"), package="util-linux"),
    Capture("cpuinfo", "raw/cpuinfo.txt", file="/proc/cpuinfo", optional=False),
    Capture("meminfo", "raw/meminfo.txt", file="/proc/meminfo", optional=False),
    Capture("numactl", "raw/numactl.txt", ("numactl", "--hardware"), package="numactl"),
    Capture("lsblk", "raw/lsblk.json", _LSBLK, package="util-linux"),
    Capture("df", "raw/df.txt", ("df", "-T"), package="coreutils"),
    Capture("ipaddr", "raw/ipaddr.txt", ("ip", "addr"), package="iproute2"),
    Capture("iproute", "raw/iproute.txt", ("ip", "route"), package="iproute2"),
    Capture("lspci", "raw/lspci.txt", ("lspci",), package="pciutils"),
    Capture("lspci_verbose", "raw/lspci_verbose.txt", ("lspci", "-vvv"), package="pciutils"),
    Capture("lshw_network", "raw/lshw_network.txt", ("lshw", "-C", "network"), package="lshw"),
    _dmi("system"),
    _dmi("baseboard"),
    _dmi("processor"),
    _dmi("memory"),
    Capture("cmdline", "raw/cmdline.txt", file="/proc/cmdline", optional=False),
    Capture("cpu_governor", "raw/cpu_governor.txt", file=_GOVERNOR),
    Capture("transparent_hugepage", "raw/transparent_hugepage.txt", file=_HUGEPAGE),
    _lstopo("text", "console", "txt"),
    _lstopo("xml", "xml", "xml"),
    _lstopo("svg", "svg", "svg"),
)


# What the family `full` captures besides: it takes longer, and is asked for seldom.
MORE_CAPTURES = (
    Capture("dmidecode_all", "raw/dmidecode_all.txt", ("dmidecode",), needs_root=True, package="dmidecode"),
    Capture("lshw_all", "raw/lshw_all.txt", ("lshw",), package="lshw"),
    Capture("lsblk_all", "raw/lsblk_all.json", ("lsblk", "--json", "-O"), package="util-linux"),
    Capture("lspci_drivers", "raw/lspci_drivers.txt", ("lspci", "-nnk"), package="pciutils"),
    Capture("nvme_list", "raw/nvme_list.json", ("nvme", "list", "-o", "json"), package="nvme-cli"),
    Capture("sysctl", "raw/sysctl.txt", ("sysctl", "-a"), package="procps"),
    Capture(
        "cpu_frequency", "raw/cpu_frequency.txt", ("cpupower", "frequency-info"), package="linux-cpupower"
    ),
    Capture("cpu_idle", "raw/cpu_idle.txt", ("cpupower", "idle-info"), package="linux-cpupower"),
    Capture("numastat", "raw/numastat.txt", ("numastat", "-m"), package="numactl"),
    Capture("modules", "raw/modules.txt", file="/proc/modules"),
    Capture("interrupts", "raw/interrupts.txt", file="/proc/interrupts"),
    Capture("mounts", "raw/mounts.txt", file="/proc/self/mounts"),
)

DEFAULT = "default"
FULL = "full"
KINDS = (DEFAULT, FULL)


def interface_captures(interfaces: list[str]) -> tuple[Capture, ...]:
    """Driver and firmware, and the link, of each network interface. The files have numbers: a name can hold a MAC."""
    found = []
    for number, name in enumerate(interfaces):
        for what, argv in (("driver", ("ethtool", "-i", name)), ("link", ("ethtool", name))):
            path = f"raw/ethtool_{what}_{number}.txt"
            found.append(Capture(f"ethtool_{what}_{number}", path, argv, package="ethtool"))
    return tuple(found)


def devices(root: Path = Path("/")) -> list[str]:
    """The network interfaces below `root` that are devices, not bridges and the like, by name."""
    return sorted(path.parent.name for path in root.glob("sys/class/net/*/device"))


def planned(*, redact: bool, kind: str = DEFAULT) -> tuple[Capture, ...]:
    """The captures of one run.

    The usual SVG of lstopo draws its text as shapes, in which an interface name made from a MAC cannot be found;
    when redacting, lstopo's own SVG writer is asked for, which writes text.
    """
    captures: tuple[Capture, ...] = CAPTURES
    if kind == FULL:
        captures += MORE_CAPTURES + interface_captures(devices())
    if not redact:
        return captures
    argv = ("lstopo", "--of", "nativesvg")
    return tuple(replace(c, argv=argv) if c.name == "lstopo_svg" else c for c in captures)
