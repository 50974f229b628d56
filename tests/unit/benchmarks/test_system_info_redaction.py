# SPDX-License-Identifier: Apache-2.0
"""Tests of the benchmark system-info: what a level of redaction leaves of a recorded machine."""

from __future__ import annotations

import json
import re
from typing import TYPE_CHECKING, Any

import pytest

from tests.unit.benchmarks.system_info_program import RECORDED, imported, job, load, parameters, run

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator
    from pathlib import Path

# Each class of the table in README.md, planted in the recorded files in the form in which it really comes.
PLANTED = {
    "raw/dmi_system.txt": "\tSerial Number: CANARY-SERIAL\n\tAsset Tag: CANARY-ASSET\n\tString 1: CANARY-OEM\n"
    "\tUUID: ca9a1100-0000-4000-8000-00000000c0de\n",
    "raw/lshw_network.txt": "       serial: ca:9a:11:00:c0:de\n       configuration: ip=203.0.113.77 driver=x\n",
    "raw/ipaddr.txt": "9: enxca9a1100c0de: <UP>\n    inet6 2001:db8:ca9a::11/64 scope global\n",
    "raw/lspci_verbose.txt": "\t\t[VU] Vendor specific: CANARY-VPD\n\tDevice Serial Number ca-9a-11-ff-fe-00-c0-de\n",
    "raw/cmdline.txt": "root=PARTUUID=ca9a11-02 rd.password=CANARY-SECRET inst.ks=https://canary-server.example/a ro\n",
    "raw/df.txt": "canary-nas.example:/canary-export nfs4 1 1 0 1% /canary-mount\n"
    "/dev/mapper/canaryvg-lv ext4 1 1 0 1% /home/canaryuser\n",
    "raw/uname.txt": "Linux canaryhost.canary-domain.example 6.8.0 #1 SMP x86_64 GNU/Linux\n",
    "topology/lstopo.xml": '<info name="HostName" value="canaryhost"/>\n'
    '<info name="SerialNumber" value="CANARY-HWLOC"/><info name="Model" value="CANARY DISK 9000"/>\n',
    "topology/lstopo.svg": "<text>Host: canaryhost</text>\n<text>canaryvg-lv CANARY DISK 9000</text>\n",
    "topology/lstopo.txt": "Block(Disk) of canaryuser on canaryhost, CANARY DISK 9000, LABEL=CANARY-LABEL\n",
}
DISK = {
    "name": "sda",
    "model": "CANARY DISK 9000",
    "serial": "CANARY-LSBLK",
    "wwn": "0xCANARY",
    "size": "1T",
    "type": "disk",
    "mountpoint": "/canary-mount",
}
# What only the level full takes out.
OF_THE_OWNER = (
    "canaryuser",
    "canary-mount",
    "canary-export",
    "canaryvg-lv",
    "CANARY DISK 9000",
    "CANARY-LABEL",
)
RECORDED_SECRETS = ("48:21:0b", "48210b7f905a", "02210b7f905a", "10.11.11.", "3F1685CF")


def plant_machine(root: Path) -> Path:
    """The files from which the names of the machine are read."""
    files = {
        "proc/sys/kernel/hostname": "canaryhost.canary-domain.example\n",
        "etc/hostname": "amponed8\n",
        "proc/sys/kernel/domainname": "(none)\n",
        "etc/passwd": "root:x:0:0::/root:/bin/sh\ncanaryuser:x:1000:1000::/home/canaryuser:/bin/sh\n",
        "proc/self/mounts": "/dev/sda1 / ext4 rw 0 0\nproc /proc proc rw 0 0\nnas:/x /canary-mount nfs4 rw 0 0\n",
        "sys/block/dm-0/dm/name": "canaryvg-lv\n",
        "sys/block/sda/device/model": "CANARY DISK 9000\n",
    }
    for name, text in files.items():
        (root / name).parent.mkdir(parents=True, exist_ok=True)
        (root / name).write_text(text)
    return root


def planted(path: str) -> bytes:
    """The recorded file with the canaries of its kind in it; one that was not recorded has only canaries."""
    recorded, canaries = RECORDED / path, PLANTED.get(path, "").encode()
    if path == "raw/uname.txt" or not recorded.exists():
        return canaries
    if path == "raw/lsblk.json":
        document = load(recorded)
        document["blockdevices"].append(DISK)
        return json.dumps(document).encode()
    return recorded.read_bytes() + b"\n" + canaries


@pytest.fixture(scope="module")
def package() -> Iterator[Any]:
    with imported() as package:
        yield package


@pytest.fixture
def left(package: Any, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Callable[[str], str]:
    """All that is left at a level: captures, topology, summary and profile, one behind the other."""
    for name in ("USER", "LOGNAME", "SUDO_USER"):
        monkeypatch.delenv(name, raising=False)
    names = package("names").of_this_machine(plant_machine(tmp_path / "root"))
    module = package("summary")

    def at_level(level: str) -> str:
        redactor = package("redact").Redactor(level, names)
        out = tmp_path / level
        for capture in package("captures").CAPTURES:
            (out / capture.path).parent.mkdir(parents=True, exist_ok=True)
            (out / capture.path).write_bytes(redactor.data(planted(capture.path)))
        facts = module.summarise(module.read_raw(out), ["captured"] * 25, "2026-11-21T08:00:00Z").facts
        # What is no secret is still understood.
        assert (facts["cpu"]["logical_cores"], facts["memory"]["slot_count"]) == (192, 8)
        assert [device["name"] for device in facts["storage"]["devices"]][-1] == "sda"
        (out / "summary.json").write_text(json.dumps(facts))
        (out / "system_profile.md").write_text(package("profile").profile(facts, []))
        return "".join(path.read_text(errors="replace") for path in sorted(out.rglob("*")) if path.is_file())

    return at_level


def secrets_in(text: str) -> list[str]:
    found = re.findall(r"canary[\w.-]*|ca.?9a.?11|203\.0\.113\.77", text, re.IGNORECASE)
    return found + [secret for secret in (*RECORDED_SECRETS, "amponed8") if secret in text]


def test_no_canary_is_left_in_recorded_files_redacted_in_full(left: Callable[[str], str]) -> None:
    assert secrets_in(left("full")) == []


def test_redaction_for_sharing_leaves_of_the_canaries_only_what_tells_of_the_owner(
    left: Callable[[str], str],
) -> None:
    text = left("shared")
    for name in OF_THE_OWNER:
        assert name in text
        text = text.replace(name, "")
    assert secrets_in(text) == []


def test_without_redaction_every_canary_is_there(left: Callable[[str], str]) -> None:
    text = left("none")
    for lines in PLANTED.values():
        assert lines in text
    for name in (*OF_THE_OWNER, *RECORDED_SECRETS):
        assert name in text


def test_the_host_name_of_this_machine_is_in_no_capture_of_a_shared_run(package: Any, tmp_path: Path) -> None:
    run(tmp_path, job(parameters=parameters(redact="shared")))
    # The placeholder itself has two words.
    names = set(package("names").of_this_machine().hosts) - {"redacted", "host"}
    for directory in ("raw", "topology"):
        for path in (tmp_path / "out" / directory).iterdir():
            words = set(re.findall(r"[0-9A-Za-z]+", path.read_text(errors="replace")))
            assert words.isdisjoint(names), path
    assert load(tmp_path / "out" / "summary.json")["host"]["name"] == "[redacted-host]"


def test_the_names_of_a_machine_are_those_that_say_something(
    package: Any, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("USER", "root")
    monkeypatch.setenv("LOGNAME", "Operator")
    monkeypatch.delenv("SUDO_USER", raising=False)
    names = package("names").of_this_machine(plant_machine(tmp_path))
    domain, host = "canary-domain.example", "canaryhost"
    assert names.hosts == ("amponed8", domain, host, f"{host}.{domain}")
    assert names.users == ("Operator", "canaryuser")
    assert (names.paths, names.volumes) == (("/canary-mount",), ("canaryvg-lv",))
    empty = package("names").of_this_machine(tmp_path / "absent")
    assert (empty.hosts, empty.paths, empty.volumes, empty.models) == ((), (), (), ())


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("/home/eve/src here", "[redacted-path] here"),
        ("on /data type ext4", "on [redacted-path] type ext4"),
        ("/dev/mapper/vg-root /", "/dev/mapper/[redacted-path] /"),
        ('{"label":"eves disk", "size": 1}', '{"label":"[redacted-path]", "size": 1}'),
        ("root=LABEL=eve ro", "root=LABEL=[redacted-path] ro"),
        ('{"ModelNumber" : "Disk 9"}', '{"ModelNumber" : "[redacted-model]"}'),
        ("nas:/vol/eve nfs4", "[redacted-host]:[redacted-path] nfs4"),
    ],
)
def test_full_redaction_replaces_what_tells_of_the_owner(package: Any, text: str, expected: str) -> None:
    redactor = package("redact").Redactor("full")
    assert redactor.text(text) == expected
    assert redactor.text(expected) == expected


@pytest.mark.parametrize(
    "text",
    [
        "/usr/share/data/x /sys/devices/net/eth0 /var/opt/x",
        "/dev/mapper/control",
        '{"mountpoint":"/", "name":"sda"}',
        "Model name: AMD EPYC 9654",
    ],
)
def test_full_redaction_leaves_what_all_machines_have(package: Any, text: str) -> None:
    assert package("redact").Redactor("full").text(text) == text


def test_a_name_is_taken_out_only_where_it_is_a_word(package: Any) -> None:
    names = package("names").Names(hosts=("db", "db.lab"))
    redactor = package("redact").Redactor("shared", names)
    assert redactor.text("db.lab db-vg dbus /dev/db") == (
        "[redacted-host] [redacted-host]-vg dbus /dev/[redacted-host]"
    )
