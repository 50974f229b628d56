# SPDX-License-Identifier: Apache-2.0
"""The table of the 25 captures: what is run or read, and where its output is stored."""

from __future__ import annotations

from dataclasses import dataclass, replace


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


def planned(*, redact: bool) -> tuple[Capture, ...]:
    """The captures of one run.

    The usual SVG of lstopo draws its text as shapes, in which an interface name made from a MAC cannot be found;
    when redacting, lstopo's own SVG writer is asked for, which writes text.
    """
    if not redact:
        return CAPTURES
    argv = ("lstopo", "--of", "nativesvg")
    return tuple(replace(c, argv=argv) if c.name == "lstopo_svg" else c for c in CAPTURES)
