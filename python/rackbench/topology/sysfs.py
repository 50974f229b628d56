# SPDX-License-Identifier: Apache-2.0
"""Read a topology from files of /sys and /proc, by their paths relative to `/`: of a host, or of a recorded tree."""

from __future__ import annotations

import re
from typing import TYPE_CHECKING

from rackbench.topology import cpulist
from rackbench.topology.facts import Facts
from rackbench.topology.kinds import Signals
from rackbench.topology.model import Cache, CacheKind, Node
from rackbench.topology.virtual import hypervisor

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Mapping
    from pathlib import Path

CPU = "sys/devices/system/cpu"
NODE = "sys/devices/system/node"
DMI = "sys/devices/virtual/dmi/id"
PMU = "sys/devices"
PMU_NAMES = ("cpu_core", "cpu_atom", "cpu_lowpower")
# What is taken from a recorded tree; plugins/module_utils/_topology.py takes the same from a host.
PATTERNS = (
    "proc/cpuinfo",
    "proc/self/cgroup",
    "proc/self/status",
    "proc/sys/kernel/arch",
    *(f"{CPU}/{name}" for name in ("present", "online")),
    *(f"{PMU}/{name}/cpus" for name in PMU_NAMES),
    *(f"{DMI}/{name}" for name in ("sys_vendor", "product_name")),
    *(f"{NODE}/node[0-9]*/{name}" for name in ("cpulist", "cpumap", "meminfo")),
    *(
        f"{CPU}/cpu[0-9]*/{name}"
        for name in (
            "online",
            "cpu_capacity",
            "topology/core_cpus_list",
            "topology/thread_siblings_list",
            "topology/thread_siblings",
            "topology/physical_package_id",
            "cache/index[0-9]*/level",
            "cache/index[0-9]*/type",
            "cache/index[0-9]*/size",
            "cache/index[0-9]*/shared_cpu_list",
            "cache/index[0-9]*/shared_cpu_map",
            "regs/identification/midr_el1",
            "acpi_cppc/highest_perf",
            "acpi_cppc/nominal_perf",
            "cpufreq/base_frequency",
            "cpufreq/cpuinfo_max_freq",
        )
    ),
)
# Where a snapshot says what broke it off.
PROBLEM = "rackbench/problem"
LARGEST_FILE = 16 * 1024 * 1024
_CPU_FILE = re.compile(rf"{CPU}/cpu(\d{{1,9}})/(.+)", re.ASCII)
_NODE_FILE = re.compile(rf"{NODE}/node(\d{{1,9}})/.+", re.ASCII)
_CACHE_FILE = re.compile(r"cache/index\d{1,4}", re.ASCII)
_SIZE = re.compile(r"(\d{1,12})([KMG]?)", re.ASCII)
_UNITS = {"": 1, "K": 1024, "M": 1024**2, "G": 1024**3}
_CACHE_KINDS: dict[str, CacheKind] = {"Data": "data", "Instruction": "instruction", "Unified": "unified"}


def files_of(root: Path) -> dict[str, str]:
    """Return the files of a recorded tree that tell its topology; links out of the tree are not followed."""
    root = root.resolve()
    paths = {path for pattern in PATTERNS for path in root.glob(pattern)}
    cgroup = root / "proc/self/cgroup"
    if cgroup.is_file():
        paths.update(root / name for name in cpuset_paths(_read(cgroup)))
    return {
        path.relative_to(root).as_posix(): _read(path)
        for path in sorted(paths)
        if path.is_file() and path.resolve().is_relative_to(root) and path.stat().st_size <= LARGEST_FILE
    }


def _read(path: Path) -> str:
    return path.read_text(encoding="utf-8", errors="replace")


def cpuset_paths(cgroup: str) -> list[str]:
    """Return where the CPUs of a process's cgroup stand, by its /proc/self/cgroup, the nearest first.

    A cgroup without a cpuset of its own has that of the next one above it that has one.
    """
    found = []
    for line in cgroup.splitlines():
        number, _, rest = line.partition(":")
        controllers, _, place = rest.partition(":")
        if number == "0" and not controllers:
            mounts: tuple[str, ...] = ("sys/fs/cgroup", "sys/fs/cgroup/unified")
            names: tuple[str, ...] = ("cpuset.cpus.effective",)
        elif "cpuset" in controllers.split(","):
            mounts = ("sys/fs/cgroup/cpuset", f"sys/fs/cgroup/{controllers}")
            names = ("cpuset.effective_cpus", "cpuset.cpus")
        else:
            continue
        parts = [part for part in place.strip().split("/") if part not in {"", ".", ".."}]
        for depth in range(len(parts), -1, -1):
            found += ["/".join((mount, *parts[:depth], name)) for mount in mounts for name in names]
    return list(dict.fromkeys(found))


class Reader:
    """Reads files of one host, and notes what cannot be understood instead of failing."""

    def __init__(self, files: Mapping[str, str]) -> None:
        self.files = files
        self.problems: list[str] = []
        self.cpus: dict[int, set[str]] = {}
        for path in files:
            match = _CPU_FILE.fullmatch(path)
            if match and int(match[1]) < cpulist.MOST_CPUS:
                self.cpus.setdefault(int(match[1]), set()).add(match[2])

    def text(self, path: str) -> str | None:
        """Return a file's text without its ends, or None if it is absent or empty."""
        return (self.files.get(path) or "").strip() or None

    def list(self, path: str, parse: Callable[[str], tuple[int, ...]] = cpulist.parse) -> set[int] | None:
        """Return the CPUs of a file, or None if it is absent or makes no sense."""
        text = self.files.get(path)
        if text is None:
            return None
        try:
            return set(parse(text))
        except ValueError as error:
            self.problems.append(f"{path} makes no sense: {error}.")
            return None

    def number(self, path: str) -> int | None:
        """Return the number in a file, or None."""
        text = self.text(path)
        if text is None:
            return None
        try:
            return int(text[:20])
        except ValueError:
            self.problems.append(f"{path} holds no number: {text[:40]!r}.")
            return None

    def first(self, cpu: int, *names: str) -> set[int] | None:
        """Return the CPUs of the first of these files of a CPU; names without `_list` hold masks."""
        for name in names:
            parse = cpulist.parse if name.endswith("_list") else cpulist.parse_mask
            found = self.list(f"{CPU}/cpu{cpu}/{name}", parse)
            if found is not None:
                return found
        return None


def read(files: Mapping[str, str]) -> Facts:
    """Return what the files of a host tell; files that make no sense are left out and named in `problems`."""
    reader = Reader(files)
    blocks = _cpuinfo(files.get("proc/cpuinfo", ""))
    facts = Facts(problems=reader.problems, sources=["sysfs"] if reader.cpus else [])
    if blocks:
        facts.sources.append("cpuinfo")
    _presence(reader, blocks, facts)
    _places(reader, facts)
    facts.nodes = list(_nodes(reader))
    facts.caches = list(_caches(reader, sorted(facts.online)))
    facts.allowed = _allowed(reader, facts)
    facts.signals = _signals(reader, blocks, facts)
    if PROBLEM in files:
        facts.problems.append(f"The host could not be read to the end: {files[PROBLEM]}.")
    first = next(iter(blocks.values()), {})
    facts.machine = reader.text("proc/sys/kernel/arch") or _machine(first)
    facts.model = " ".join((first.get("model name") or first.get("cpu") or "").split()) or None
    facts.virtual = hypervisor(
        reader.text(f"{DMI}/sys_vendor") or "",
        reader.text(f"{DMI}/product_name") or "",
        flagged="hypervisor" in first.get("flags", "").split(),
    )
    return facts


def _cpuinfo(text: str) -> dict[int, dict[str, str]]:
    """Return the fields of /proc/cpuinfo by CPU."""
    blocks: dict[int, dict[str, str]] = {}
    current: dict[str, str] = {}
    for line in text.splitlines():
        name, colon, value = line.partition(":")
        name, value = name.strip(), value.strip()
        if colon and name == "processor" and re.fullmatch(r"\d{1,5}", value, re.ASCII):
            current = blocks.setdefault(int(value), {})
        elif colon:
            current[name] = value
    return blocks


def _machine(first: Mapping[str, str]) -> str:
    if "CPU implementer" in first:
        return "aarch64" if first.get("CPU architecture", "8") == "8" else "arm"
    if "vendor_id" in first:
        return "x86_64" if "lm" in first.get("flags", "").split() else "i686"
    return "unknown"


def _presence(reader: Reader, blocks: Iterable[int], facts: Facts) -> None:
    """Find which CPUs there are and which are online. Old kernels have no lists of them, only directories."""
    present, online = reader.list(f"{CPU}/present"), reader.list(f"{CPU}/online")
    if online is None:
        if reader.cpus:
            online = {cpu for cpu in reader.cpus if reader.text(f"{CPU}/cpu{cpu}/online") != "0"}
        else:
            online = set(blocks)
            if online:
                reader.problems.append("There is no /sys/devices/system/cpu: offline CPUs are not known.")
    facts.online = online
    facts.present = (present if present is not None else set(reader.cpus)) | online


def _places(reader: Reader, facts: Facts) -> None:
    """Find cores and sockets. A kernel that tells no topology gets a core for each CPU, and one socket."""
    for cpu in facts.online:
        siblings = reader.first(
            cpu, "topology/core_cpus_list", "topology/thread_siblings_list", "topology/thread_siblings"
        )
        if siblings is not None:
            facts.siblings[cpu] = tuple(sorted(siblings))
        socket = reader.number(f"{CPU}/cpu{cpu}/topology/physical_package_id")
        if socket is not None and socket >= 0:
            facts.socket[cpu] = socket
    if facts.online and not facts.siblings:
        facts.siblings = {cpu: (cpu,) for cpu in facts.online}
        facts.problems.append("The kernel does not tell which CPUs share a core: each counts as a core.")
    if facts.online and not facts.socket:
        facts.socket = dict.fromkeys(facts.online, 0)
        facts.problems.append("The kernel does not tell its sockets: all CPUs count as in socket 0.")


def _nodes(reader: Reader) -> Iterable[Node]:
    numbers = {int(match[1]) for path in reader.files if (match := _NODE_FILE.fullmatch(path))}
    for number in sorted(numbers):
        cpus = reader.list(f"{NODE}/node{number}/cpulist")
        if cpus is None:
            cpus = reader.list(f"{NODE}/node{number}/cpumap", cpulist.parse_mask) or set()
        memory = re.search(
            r"MemTotal:\s+(\d{1,15}) kB", reader.files.get(f"{NODE}/node{number}/meminfo", ""), re.ASCII
        )
        yield Node(number, tuple(sorted(cpus)), int(memory[1]) * 1024 if memory else None)


def _caches(reader: Reader, online: list[int]) -> Iterable[Cache]:
    for cpu in online:
        indices = {match[0] for name in reader.cpus.get(cpu, ()) if (match := _CACHE_FILE.match(name))}
        for index in sorted(indices):
            place = f"{CPU}/cpu{cpu}/{index}"
            level = reader.number(f"{place}/level")
            kind = _CACHE_KINDS.get(reader.text(f"{place}/type") or "")
            size = _SIZE.fullmatch(reader.text(f"{place}/size") or "")
            cpus = reader.first(cpu, f"{index}/shared_cpu_list", f"{index}/shared_cpu_map")
            if level is not None and kind is not None and size and cpus:
                yield Cache(level, kind, int(size[1]) * _UNITS[size[2]], tuple(sorted(cpus)))


def _allowed(reader: Reader, facts: Facts) -> set[int] | None:
    """Return where the process that looked may run: its affinity and its cgroup's cpuset."""
    allowed: set[int] | None = None
    affinity = re.search(
        r"^Cpus_allowed_list:\s*(\S+)", reader.files.get("proc/self/status", ""), re.MULTILINE
    )
    if affinity:
        try:
            allowed = set(cpulist.parse(affinity[1]))
            facts.sources.append("affinity")
        except ValueError as error:
            reader.problems.append(f"Cpus_allowed_list of proc/self/status makes no sense: {error}.")
    for path in cpuset_paths(reader.files.get("proc/self/cgroup", "")):
        cpus = reader.list(path)
        if cpus:
            facts.sources.append("cgroup")
            return cpus if allowed is None else allowed & cpus
    return allowed


def _signals(reader: Reader, blocks: Mapping[int, Mapping[str, str]], facts: Facts) -> Signals:
    """Return what tells kinds of core. A host's snapshot gives it for the first sibling of each core only."""
    signals = Signals(vendor=next(iter(blocks.values()), {}).get("vendor_id"))
    for name in PMU_NAMES:
        members = reader.list(f"{PMU}/{name}/cpus")
        if members is not None:
            signals.pmu[name] = members
    sources = (
        (signals.capacity, "cpu_capacity"),
        (signals.base_frequency, "cpufreq/base_frequency"),
        (signals.highest_performance, "acpi_cppc/highest_perf"),
        (signals.nominal_performance, "acpi_cppc/nominal_perf"),
        (signals.max_frequency, "cpufreq/cpuinfo_max_freq"),
    )
    for cpu in facts.online:
        core = sorted(facts.online.intersection((cpu, *facts.siblings.get(cpu, ()))))
        for values, name in sources:
            value = next(
                (number for of in core if (number := reader.number(f"{CPU}/cpu{of}/{name}")) is not None),
                None,
            )
            if value is not None:
                values[cpu] = value
        part = next((part for of in core if (part := _part(reader, blocks, of))), None)
        if part:
            signals.part[cpu] = part
    return signals


def _part(reader: Reader, blocks: Mapping[int, Mapping[str, str]], cpu: int) -> str | None:
    """Return implementer and part number of an Arm core: of its register, or of /proc/cpuinfo."""
    register = reader.text(f"{CPU}/cpu{cpu}/regs/identification/midr_el1")
    if register:
        try:
            midr = int(register[:20], 16)
        except ValueError:
            reader.problems.append(f"midr_el1 of CPU {cpu} holds no number: {register[:40]!r}.")
        else:
            return f"{midr >> 24 & 0xFF:#04x}/{midr >> 4 & 0xFFF:#05x}"
    block = blocks.get(cpu, {})
    if "CPU part" in block:
        return f"{block.get('CPU implementer', '')}/{block['CPU part']}"
    return None
