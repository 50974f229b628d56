# SPDX-License-Identifier: GPL-3.0-or-later
"""The state of hosts as the module reads it: recorded machines, and trees with what they lack."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from typing import TYPE_CHECKING, Any

import pytest

from tests import recordings
from tests.unit.plugins.target import REPOSITORY, Target

if TYPE_CHECKING:
    from pathlib import Path

pytestmark = pytest.mark.slow

DATA = REPOSITORY / "tests/data"
RECORDED = DATA / "system-info/amponed8/raw"
COLLECT = """
import json, pathlib, sys
from ansible_collections.rackbench.lab.plugins.module_utils import _host_state, _noise
tree = pathlib.Path(sys.argv[1])
_host_state.LIMIT_S = float(sys.argv[2])
print(json.dumps(_host_state.collect(_noise.Places(tree / "sys", tree / "proc", tree / "tools"))))
"""


def collect(tree: Path, limit_s: float = 60) -> dict[str, Any]:
    """Read the state of the machine that a tree is of, with the tools in it only."""
    done = subprocess.run(
        [sys.executable, "-B", "-c", COLLECT, str(tree), str(limit_s)],
        capture_output=True,
        text=True,
        env={**os.environ, "PYTHONPATH": str(REPOSITORY / "collections")},
    )
    assert done.returncode == 0, done.stderr
    found: dict[str, Any] = json.loads(done.stdout)
    assert not found["facts"].keys() & found["unknown"].keys()
    assert not any("\n" in text for text in found["facts"].values())
    return found


def write(tree: Path, **files: str) -> None:
    """Write files of the tree; `__` in a name stands for `/`."""
    for name, text in files.items():
        path = tree / name.replace("__", "/")
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(text)


def tool(tree: Path, name: str, script: str) -> None:
    """Put a stand-in for a command into the tree."""
    write(tree, **{f"tools__{name}": f"#!/bin/sh\n{script}\n"})
    (tree / "tools" / name).chmod(0o755)


@pytest.mark.parametrize(
    ("archive", "facts", "unknown"),
    [
        (
            "intel-i7-1370p-hybrid",
            {
                "firmware.version": "V70 Ver. 01.02.03",
                "firmware.date": "09/13/2023",
                "system.product": "HP EliteBook 840 14 inch G10 Notebook PC",
                "cpu.model": "13th Gen Intel(R) Core(TM) i7-1370P",
                "cpu.microcode": "0x4119",
                "cpu.online": "0-19",
                "settings.governor": "powersave",
            },
            {"mitigations", "memory.modules", "bmc.firmware", "network", "kernel.release"},
        ),
        (
            "nvidia-dgx-gb10",
            {
                "firmware.version": "5.36_0ACUM018",
                "cpu.model": "implementer 0x41, variant 0x0, part 0xd85, revision 1; "
                "implementer 0x41, variant 0x0, part 0xd87, revision 1",
                "mitigations.spectre_v2": "Mitigation: CSV2, BHB",
            },
            {"cpu.microcode"},
        ),
    ],
)
def test_recorded_machines_tell_what_they_are(
    tmp_path: Path, archive: str, facts: dict[str, str], unknown: set[str]
) -> None:
    recordings.unpack(DATA / f"topology/{archive}.sysfs.tar.bz2", tmp_path)
    (tree,) = tmp_path.iterdir()
    found = collect(tree)
    assert facts.items() <= found["facts"].items()
    assert unknown <= found["unknown"].keys()


def test_memory_modules_come_from_dmidecode_without_their_serial_numbers(tmp_path: Path) -> None:
    # It was recorded through a terminal, which adds carriage returns.
    tool(tmp_path, "dmidecode", f"tr -d '\\r' < {RECORDED}/dmi_memory.txt")
    facts = collect(tmp_path)["facts"]
    modules = {name: text for name, text in facts.items() if name.startswith("memory.modules.")}
    assert len(modules) == 8
    assert modules["memory.modules.Bank 0 Socket 0 DIMM 0"] == (
        "64 GB, DDR5, 5600 MT/s, 5200 MT/s, Kingston, 9965788-052.A00G"
    )
    assert not any(serial in json.dumps(facts) for serial in ("3F1685CF", "CD0685F9", "AB06868F"))


def test_empty_slots_are_no_modules_and_without_root_the_edac_driver_tells_them(tmp_path: Path) -> None:
    tool(tmp_path, "dmidecode", "printf 'Memory Device\\n\\tSize: No Module Installed\\n\\tLocator: A1\\n'")
    assert "names no memory module" in collect(tmp_path)["unknown"]["memory.modules"]
    tool(tmp_path, "dmidecode", "echo /dev/mem: Permission denied >&2; exit 1")
    reason = collect(tmp_path)["unknown"]["memory.modules"]
    assert reason.startswith("dmidecode failed: /dev/mem: Permission denied")
    dimm = "sys__devices__system__edac__mc__mc0__dimm"
    write(tmp_path, **{f"{dimm}0__size": "32768\n", f"{dimm}0__dimm_mem_type": "Registered-DDR5\n"})
    write(tmp_path, **{f"{dimm}1__size": "0\n"})
    found = collect(tmp_path)
    assert found["facts"]["memory.modules.mc0 dimm0"] == "32768 MB, Registered-DDR5"
    assert "memory.modules.mc0 dimm1" not in found["facts"]
    assert "memory.modules" not in found["unknown"]


def test_online_memory_is_counted_in_blocks(tmp_path: Path) -> None:
    memory = "sys__devices__system__memory__"
    write(tmp_path, **{f"{memory}block_size_bytes": "8000000\n", f"{memory}memory0__online": "1\n"})
    write(tmp_path, **{f"{memory}memory1__online": "1\n", f"{memory}memory2__online": "0\n"})
    assert collect(tmp_path)["facts"]["memory.online_bytes"] == str(2 * 0x8000000)


@pytest.mark.parametrize(
    ("written", "kept"),
    [
        ("ro quiet", "ro quiet"),
        ("rd.iscsi.password=hunter2 ro", "rd.iscsi.password=[redacted] ro"),
        ("netroot=iscsi:me:hunter2@192.0.2.1::3260::lun", "netroot=[redacted]"),
        ('a.secret="hunter2 hunter2" ro', "a.secret=[redacted] ro"),
        ("url=http://me:hunter2@192.0.2.1/ks", "url=http://[redacted]@192.0.2.1/ks"),
        ('ends="open', 'ends="open'),
    ],
)
def test_a_command_line_is_kept_without_its_secrets(tmp_path: Path, written: str, kept: str) -> None:
    write(tmp_path, proc__cmdline=f"{written}\n")
    found = collect(tmp_path)
    assert found["facts"]["kernel.command_line"] == kept
    assert "hunter2" not in json.dumps(found)


def test_the_firmware_of_the_bmc_comes_from_the_driver_before_the_command(tmp_path: Path) -> None:
    tool(tmp_path, "ipmitool", "echo 'Firmware Revision         : 1.72'")
    assert collect(tmp_path)["facts"]["bmc.firmware"] == "1.72"
    write(tmp_path, sys__class__ipmi__ipmi0__device__bmc__firmware_revision="2.1\n")
    assert collect(tmp_path)["facts"]["bmc.firmware"] == "2.1"


def test_a_bmc_that_does_not_answer_is_unknown(tmp_path: Path) -> None:
    tool(tmp_path, "ipmitool", "exec sleep 600")
    assert "did not answer within" in collect(tmp_path, limit_s=0.2)["unknown"]["bmc.firmware"]


def test_a_bmc_that_answers_without_a_version_is_unknown(tmp_path: Path) -> None:
    tool(tmp_path, "ipmitool", "echo hello")
    assert collect(tmp_path)["unknown"]["bmc.firmware"] == "ipmitool told no firmware revision"


def test_cards_have_driver_and_firmware_and_their_virtual_functions_are_left_out(tmp_path: Path) -> None:
    (tmp_path / "sys/bus/pci/drivers/ice").mkdir(parents=True)
    for name in ("eth0", "eth0v0", "eth1", "lo"):
        (tmp_path / "sys/class/net" / name).mkdir(parents=True)
    for name in ("eth0", "eth0v0", "eth1"):
        (tmp_path / "sys/class/net" / name / "device").mkdir()
        (tmp_path / "sys/class/net" / name / "device/driver").symlink_to(tmp_path / "sys/bus/pci/drivers/ice")
    (tmp_path / "sys/class/net/eth0v0/device/physfn").mkdir()
    script = "[ $2 = eth0 ] && printf 'driver: ice\\nversion: 6.1\\nfirmware-version: 4.40 0x8001c967\\n'"
    tool(tmp_path, "ethtool", f"{script} || printf 'driver: ice\\nversion: 6.1\\nfirmware-version: \\n'")
    found = collect(tmp_path)
    network = {name: text for name, text in found["facts"].items() if name.startswith("network.")}
    assert network == {
        "network.eth0.driver": "ice",
        "network.eth0.driver_version": "6.1",
        "network.eth0.firmware": "4.40 0x8001c967",
        "network.eth1.driver": "ice",
        "network.eth1.driver_version": "6.1",
    }
    assert found["unknown"]["network.eth1.firmware"] == "its driver does not tell it"


def test_a_host_that_tells_nothing_is_all_unknown(tmp_path: Path) -> None:
    found = collect(tmp_path)
    assert set(found["unknown"]) >= {
        "firmware",
        "system",
        "bmc.firmware",
        "cpu.model",
        "cpu.microcode",
        "cpu.online",
        "kernel.release",
        "kernel.build",
        "kernel.command_line",
        "mitigations",
        "memory.modules",
        "memory.online_bytes",
        "network",
    }
    assert set(found["facts"].values()) <= {"absent", "false"}


def test_the_module_tells_this_machine_and_changes_nothing(target: Target) -> None:
    found = target.call("target_discover", check=True)
    assert found["host_state"]["facts"]["kernel.release"] == os.uname().release
    assert not found["changed"]
