# SPDX-License-Identifier: GPL-3.0-or-later
"""The state of a host that measurements depend on: firmware, microcode, kernel, mitigations, memory modules, settings.

PRIVATE to rackbench.lab. Nothing here needs root, and nothing is changed. What this user cannot read, or what the host
does not have, is unknown, with the reason. Serial numbers are never read.
"""

from __future__ import annotations

import os
import re
import subprocess
from typing import TYPE_CHECKING

from ansible_collections.rackbench.lab.plugins.module_utils import _noise

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence
    from pathlib import Path

# A command that asks a controller on the board may wait for one that does not answer.
LIMIT_S = 10
DMI = {"vendor": "bios_vendor", "version": "bios_version", "date": "bios_date", "release": "bios_release"}
BOARD = {"vendor": "sys_vendor", "product": "product_name", "board": "board_name"}
# What /proc/cpuinfo of an Arm machine has in place of a name.
ARM = ("CPU implementer", "CPU variant", "CPU part", "CPU revision")
# A kernel's command line may hold passwords, such as those of iSCSI: of parameters with these names only the name.
SECRET = re.compile(r"passw|secret|token|credential|key|auth|chap|iscsi", re.IGNORECASE)
ADDRESS_WITH_USER = re.compile(r"//[^/@\s]*@")
HIDDEN = "[redacted]"
# A parameter; its value may have spaces between double quotes.
PARAMETER = re.compile(r'(?:[^\s"]|"[^"]*"|")+')
EMPTY_SLOT = ("", "No Module Installed", "Not Specified", "Unknown")


class UnknownError(Exception):
    """Something cannot be told; the message says why."""


class State:
    """Collects facts by their names, and the reasons of what is unknown."""

    def __init__(self, places: _noise.Places) -> None:
        self.places = places
        self.facts: dict[str, str] = {}
        self.unknown: dict[str, str] = {}

    def put(self, name: str, text: str) -> None:
        """Keep a fact as one line."""
        self.facts[name] = " ".join(text.split())

    def file(self, name: str, path: Path) -> None:
        """Keep what a small file says."""
        try:
            self.put(name, read(path))
        except UnknownError as error:
            self.unknown[name] = str(error)

    def tool(self, *command: str) -> str:
        """Return what a command prints. Raises `UnknownError`."""
        path = self.places.tool(command[0])
        if path is None:
            raise UnknownError(f"{command[0]} is not installed")
        try:
            done = subprocess.run(  # pylint: disable=ansible-bad-function # run_command has no time limit
                [path, *command[1:]],
                check=False,
                stdin=subprocess.DEVNULL,
                capture_output=True,
                timeout=LIMIT_S,
                env={**os.environ, "LC_ALL": "C"},
            )
        except subprocess.TimeoutExpired:
            raise UnknownError(f"{command[0]} did not answer within {LIMIT_S} s") from None
        except OSError as error:
            raise UnknownError(f"{command[0]} cannot be called: {error.strerror}") from None
        if done.returncode != 0:
            said = done.stderr.decode("utf-8", "replace").strip().splitlines()
            raise UnknownError(f"{command[0]} failed: {said[-1].strip() if said else done.returncode}")
        return done.stdout.decode("utf-8", "replace")


def collect(places: _noise.Places) -> dict[str, dict[str, str]]:
    """Return `facts`, texts by name, and `unknown`, reasons by name."""
    state = State(places)
    for look in (
        _firmware,
        _bmc,
        _processors,
        _kernel,
        _mitigations,
        _memory,
        _network,
        _settings,
    ):
        look(state)
    return {"facts": dict(sorted(state.facts.items())), "unknown": dict(sorted(state.unknown.items()))}


def read(path: Path) -> str:
    """Return a small file's text. Raises `UnknownError` when it cannot be read or is empty."""
    try:
        text = path.read_text(encoding="utf-8", errors="replace").strip("\x00 \t\r\n")
    except OSError as error:
        raise UnknownError(f"{path}: {error.strerror}") from None
    if not text:
        raise UnknownError(f"{path} is empty")
    return text


def _firmware(state: State) -> None:
    folder = state.places.sysfs / "class/dmi/id"
    if not folder.is_dir():
        state.unknown["firmware"] = state.unknown["system"] = (
            f"{folder}: the host tells nothing of itself by DMI"
        )
        return
    for prefix, names in (("firmware", DMI), ("system", BOARD)):
        for name, file in names.items():
            state.file(f"{prefix}.{name}", folder / file)


def _bmc(state: State) -> None:
    name = "bmc.firmware"
    found = sorted(state.places.sysfs.glob("class/ipmi/ipmi*/device/bmc/firmware_revision"))
    try:
        if found:
            state.put(name, read(found[0]))
            return
        said = state.tool("ipmitool", "mc", "info")
    except UnknownError as error:
        state.unknown[name] = str(error)
        return
    match = re.search(r"^Firmware Revision\s*:\s*(\S+)", said, re.MULTILINE)
    if match:
        state.put(name, match[1])
    else:
        state.unknown[name] = "ipmitool told no firmware revision"


def _processors(state: State) -> None:
    state.file("cpu.online", state.places.sysfs / "devices/system/cpu/online")
    path = state.places.procfs / "cpuinfo"
    try:
        blocks = [dict(_fields(block)) for block in read(path).split("\n\n")]
    except UnknownError as error:
        state.unknown["cpu.model"] = state.unknown["cpu.microcode"] = str(error)
        return
    models = {block.get("model name") or _arm_model(block) for block in blocks}
    for name, values in (
        ("cpu.model", models - {""}),
        ("cpu.microcode", {block["microcode"] for block in blocks if block.get("microcode")}),
    ):
        if values:
            state.put(name, "; ".join(sorted(values)))
        else:
            state.unknown[name] = f"{path} does not tell it"


def _arm_model(block: dict[str, str]) -> str:
    return ", ".join(f"{name[4:]} {block[name]}" for name in ARM if name in block)


def _kernel(state: State) -> None:
    state.file("kernel.release", state.places.procfs / "sys/kernel/osrelease")
    state.file("kernel.build", state.places.procfs / "sys/kernel/version")
    try:
        words = PARAMETER.findall(read(state.places.procfs / "cmdline"))
    except UnknownError as error:
        state.unknown["kernel.command_line"] = str(error)
        return
    state.put("kernel.command_line", " ".join(_without_secret(word) for word in words))


def _without_secret(word: str) -> str:
    name, assigned, value = word.partition("=")
    if assigned and (SECRET.search(name) or SECRET.match(value)):
        return f"{name}={HIDDEN}"
    return ADDRESS_WITH_USER.sub(f"//{HIDDEN}@", word)


def _mitigations(state: State) -> None:
    folder = state.places.sysfs / "devices/system/cpu/vulnerabilities"
    found = _entries(folder)
    if not found:
        state.unknown["mitigations"] = f"{folder} is not there"
    for path in found:
        state.file(f"mitigations.{path.name}", path)


def _memory(state: State) -> None:
    _memory_size(state)
    try:
        modules = list(_modules(state.tool("dmidecode", "-t", "17")))
        reason = "dmidecode names no memory module"
    except UnknownError as error:
        modules, reason = [], str(error)
    modules = modules or list(_edac_modules(state.places.sysfs))
    if not modules:
        state.unknown["memory.modules"] = f"{reason}; no EDAC driver names them either"
    for place, text in modules:
        state.put(f"memory.modules.{place}", text)


def _memory_size(state: State) -> None:
    """Keep the size of the memory that is online: unlike what is left of it for programs, it is a round number."""
    folder = state.places.sysfs / "devices/system/memory"
    try:
        block = int(read(folder / "block_size_bytes"), 16)
    except (UnknownError, ValueError) as error:
        state.unknown["memory.online_bytes"] = str(error)
        return
    online = sum(1 for path in folder.glob("memory[0-9]*/online") if _is_on(path))
    state.put("memory.online_bytes", str(online * block))


def _is_on(path: Path) -> bool:
    try:
        return read(path) == "1"
    except UnknownError:
        return False


def _modules(text: str) -> Iterator[tuple[str, str]]:
    """Yield slot and description of each memory module that dmidecode names."""
    for block in text.split("\n\n"):
        fields = dict(_fields(block))
        if fields.get("Size", "") in EMPTY_SLOT:
            continue
        place = " ".join(
            fields[name] for name in ("Bank Locator", "Locator") if fields.get(name, "") not in EMPTY_SLOT
        )
        kept = [
            fields.get(name, "")
            for name in ("Size", "Type", "Speed", "Configured Memory Speed", "Manufacturer", "Part Number")
        ]
        yield place or "?", ", ".join(part for part in kept if part not in EMPTY_SLOT)


def _edac_modules(sysfs: Path) -> Iterator[tuple[str, str]]:
    for path in sorted(sysfs.glob("devices/system/edac/mc/mc*/dimm*")):
        parts = []
        for name, unit in (("size", " MB"), ("dimm_mem_type", ""), ("dimm_dev_type", "")):
            try:
                parts.append(read(path / name) + unit)
            except UnknownError:
                continue
        if parts and parts[0] != "0 MB":
            yield f"{path.parent.name} {path.name}", ", ".join(parts)


def _network(state: State) -> None:
    """Keep driver and firmware of each network card; virtual functions of a card have those of the card."""
    cards = [
        path
        for path in _entries(state.places.sysfs / "class/net")
        if (path / "device").exists() and not (path / "device/physfn").exists()
    ]
    if not cards:
        state.unknown["network"] = "the host has no network card of its own"
    for path in cards:
        name = f"network.{path.name}"
        driver = path / "device/driver"
        if driver.exists():
            state.put(f"{name}.driver", driver.resolve().name)
        try:
            fields = dict(_fields(state.tool("ethtool", "-i", path.name)))
        except UnknownError as error:
            state.unknown[f"{name}.firmware"] = str(error)
            continue
        if fields.get("version"):
            state.put(f"{name}.driver_version", fields["version"])
        if fields.get("firmware-version", "N/A") not in ("", "N/A"):
            state.put(f"{name}.firmware", fields["firmware-version"])
        else:
            state.unknown[f"{name}.firmware"] = "its driver does not tell it"


def _settings(state: State) -> None:
    """Keep the settings of the noise guard as they are now, in its words."""
    for name, value in _noise.observe((), state.places).items():
        if value == _noise.UNREADABLE:
            state.unknown[f"settings.{name}"] = "its files cannot be read"
        else:
            state.put(f"settings.{name}", str(value).lower())


def _entries(folder: Path) -> Sequence[Path]:
    try:
        return sorted(folder.iterdir())
    except OSError:
        return ()


def _fields(text: str) -> Iterator[tuple[str, str]]:
    """Yield the `name: value` lines of a text."""
    for line in text.splitlines():
        name, separator, value = line.partition(":")
        if separator:
            yield name.strip(), value.strip()
