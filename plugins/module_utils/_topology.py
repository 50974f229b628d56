# SPDX-License-Identifier: GPL-3.0-or-later
"""PRIVATE. A snapshot of the files that tell which processors a host has; the controller reads them.

The files are those of `rackbench.topology.sysfs.PATTERNS`, cut down to what is read of them. Of SMT siblings only the
first tells caches and speeds, and of CPUs that share a cache only the first tells that cache: a host with 384 CPUs
is read in a fraction of a second.
"""

from __future__ import annotations

import base64
import json
import os
import re
import zlib
from pathlib import Path

CPU = "sys/devices/system/cpu"
NODE = "sys/devices/system/node"
CPU_FILES = (
    "cpu_capacity",
    "regs/identification/midr_el1",
    "acpi_cppc/highest_perf",
    "acpi_cppc/nominal_perf",
    "cpufreq/base_frequency",
    "cpufreq/cpuinfo_max_freq",
)
HOST_FILES = (
    f"{CPU}/present",
    f"{CPU}/online",
    "sys/devices/cpu_core/cpus",
    "sys/devices/cpu_atom/cpus",
    "sys/devices/cpu_lowpower/cpus",
    "sys/devices/virtual/dmi/id/sys_vendor",
    "sys/devices/virtual/dmi/id/product_name",
)
CPUINFO_FIELDS = (
    "processor",
    "vendor_id",
    "model name",
    "cpu",
    "CPU implementer",
    "CPU architecture",
    "CPU part",
)
# A larger answer is packed.
LARGEST_PLAIN = 16 * 1024
# At most a megabyte of any file.
PART_BYTES, MOST_PARTS = 64 * 1024, 16
MOST_CPUS = 65536


def snapshot(root: str = "/") -> dict[str, object]:
    """Return `{"files": {path: text}}`, or `{"packed": text}` when that is large: base64 of zlib of the files as JSON.

    Never raises: what cannot be read is left out.
    """
    files = _Files(root)
    try:
        _collect(files)
    except Exception as error:  # noqa: BLE001 - a host that is odd in a new way must still be discovered
        files.found["rackbench/problem"] = f"{type(error).__name__}: {error}"
    text = json.dumps(files.found, sort_keys=True, separators=(",", ":"))
    if len(text) <= LARGEST_PLAIN:
        return {"files": files.found}
    return {"packed": base64.b64encode(zlib.compress(text.encode(), 6)).decode()}


class _Files:
    """The files that were read, by their path relative to the root."""

    def __init__(self, root: str) -> None:
        self.root = root
        self.found: dict[str, str] = {}

    def text(self, path: str) -> str | None:
        """Return a file's text, or None if it cannot be read."""
        try:
            # Files of the kernel, and thousands of them: unbuffered reads take a third of the time of open().
            file = os.open(f"{self.root}/{path}", os.O_RDONLY | os.O_NONBLOCK)
        except (OSError, ValueError):
            return None
        try:
            parts = []
            while len(parts) < MOST_PARTS and (part := os.read(file, PART_BYTES)):
                parts.append(part)
        except OSError:
            return None
        finally:
            os.close(file)
        return b"".join(parts).decode("utf-8", "replace")

    def take(self, path: str) -> str | None:
        """Keep a file's text, and return it."""
        text = self.text(path)
        if text is not None:
            self.found[path] = text.strip()
        return text

    def names(self, path: str) -> list[str]:
        """Return the names in a directory."""
        try:
            return sorted(os.listdir(os.path.join(self.root, path)))  # noqa: PTH118, PTH208 - thousands of them
        except OSError:
            return []

    def numbered(self, path: str, prefix: str) -> list[int]:
        """Return the numbers of the entries of a directory that are called so."""
        found = (re.fullmatch(rf"{prefix}(\d{{1,5}})", name, re.ASCII) for name in self.names(path))
        return sorted(int(match.group(1)) for match in found if match)


def _collect(files: _Files) -> None:
    for path in HOST_FILES:
        files.take(path)
    if files.root == "/":
        files.found["proc/sys/kernel/arch"] = os.uname().machine
    else:
        files.take("proc/sys/kernel/arch")
    _cpuinfo(files)
    _allowed(files)
    for node in files.numbered(NODE, "node"):
        if files.take(f"{NODE}/node{node}/cpulist") is None:
            files.take(f"{NODE}/node{node}/cpumap")
        memory = re.search(r"MemTotal:.*", files.text(f"{NODE}/node{node}/meminfo") or "")
        if memory:
            files.found[f"{NODE}/node{node}/meminfo"] = memory.group()
    _cpus(files)


def _cpuinfo(files: _Files) -> None:
    """Keep what is read of /proc/cpuinfo. On x86 the first CPU tells all, and the kernel need not write the rest."""
    lines: list[str] = []
    listed = f"{CPU}/online" in files.found
    try:
        with Path(files.root, "proc/cpuinfo").open(encoding="utf-8", errors="replace") as file:
            for line in file:
                name, colon, value = line.partition(":")
                name = name.strip()
                if listed and not line.strip() and any(kept.startswith("vendor_id") for kept in lines):
                    break
                if colon and name in CPUINFO_FIELDS:
                    lines.append(f"{name}: {value.strip()}")
                elif colon and name == "flags":
                    flags = [flag for flag in value.split() if flag in ("hypervisor", "lm")]
                    lines.append(f"flags: {' '.join(flags)}")
                if len(lines) > 4 * MOST_CPUS:
                    break
    except OSError:
        return
    files.found["proc/cpuinfo"] = "\n".join(lines)


def _allowed(files: _Files) -> None:
    """Keep where this process may run: its affinity, and the nearest cpuset of its cgroup."""
    affinity = re.search(r"^Cpus_allowed_list:.*", files.text("proc/self/status") or "", re.MULTILINE)
    if affinity:
        files.found["proc/self/status"] = affinity.group()
    for line in (files.text("proc/self/cgroup") or "").splitlines():
        number, _colon, rest = line.partition(":")
        controllers, _colon, place = rest.partition(":")
        if number == "0" and not controllers:
            mounts = ["sys/fs/cgroup", "sys/fs/cgroup/unified"]
            names = ["cpuset.cpus.effective"]
        elif "cpuset" in controllers.split(","):
            mounts = ["sys/fs/cgroup/cpuset", f"sys/fs/cgroup/{controllers}"]
            names = ["cpuset.effective_cpus", "cpuset.cpus"]
        else:
            continue
        kept = files.found.get("proc/self/cgroup")
        files.found["proc/self/cgroup"] = line if kept is None else f"{kept}\n{line}"
        parts = [part for part in place.strip().split("/") if part not in ("", ".", "..")]
        candidates = (
            "/".join([mount, *parts[:depth], name])
            for depth in range(len(parts), -1, -1)
            for mount in mounts
            for name in names
        )
        for path in candidates:
            if (files.take(path) or "").strip():
                break


def _cpus(files: _Files) -> None:
    """Keep the places of all CPUs, and what else is known of the first of each core."""
    told: dict[str, set[int]] = {}
    done: set[int] = set()
    for cpu in files.numbered(CPU, "cpu"):
        place = f"{CPU}/cpu{cpu}"
        if f"{CPU}/online" not in files.found:
            files.take(f"{place}/online")
        files.take(f"{place}/topology/physical_package_id")
        siblings = _first(
            files,
            f"{place}/topology",
            "core_cpus_list",
            "thread_siblings_list",
            "thread_siblings",
        )
        if cpu in done:
            continue
        done |= siblings
        for name in CPU_FILES:
            files.take(f"{place}/{name}")
        for index in files.numbered(f"{place}/cache", "index"):
            _cache(files, f"{place}/cache/index{index}", cpu, told.setdefault(str(index), set()))


def _first(files: _Files, place: str, *names: str) -> set[int]:
    """Keep the first of these files that there is, and return the CPUs of it if it is a list, and not a mask."""
    for name in names:
        text = files.take(f"{place}/{name}")
        if text is not None:
            return _cpu_list(text) if name.endswith("_list") else set()
    return set()


def _cache(files: _Files, place: str, cpu: int, told: set[int]) -> None:
    """Keep what a cache is, unless a CPU that shares it has told it."""
    if cpu in told:
        return
    told |= _first(files, place, "shared_cpu_list", "shared_cpu_map")
    for name in ("level", "type", "size"):
        files.take(f"{place}/{name}")


def _cpu_list(text: str) -> set[int]:
    """Return the CPUs of a list; the controller says what is wrong with one that makes no sense."""
    cpus: set[int] = set()
    for part in text.strip().split(","):
        match = re.fullmatch(r"(\d{1,5})(?:-(\d{1,5}))?", part, re.ASCII)
        if match:
            cpus.update(range(int(match.group(1)), int(match.group(2) or match.group(1)) + 1))
    return cpus
