# SPDX-License-Identifier: Apache-2.0
"""Tests of the in-tree benchmark system-info, mostly by running it as a target does."""

from __future__ import annotations

import ast
import contextlib
import hashlib
import json
import math
import os
import re
import shutil
import signal
import subprocess
import sys
import time
import tomllib
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from tests.unit.benchmarks.system_info_program import (
    BENCH,
    PATIENCE_S,
    RECORDED,
    assert_obeys_the_contract,
    captures,
    command,
    fake_tools,
    imported,
    job,
    load,
    parameters,
    run,
)

if TYPE_CHECKING:
    from collections.abc import Iterator

pytestmark = pytest.mark.slow

# A command line that no other process has.
UNUSUAL_SLEEP_S = 86391 + os.getpid() / 10_000_000

DIFFERENCES = {
    "schema_version": "documents of this project name their schema in `schema`",
    "schema": "takes the place of `schema_version`",
    "collector_version": "another collector",
    "captured_at": "one form of time in all documents; given by the clock, not by the raw files",
    "host.hostname": "the address the controller used; it is in the controller's inventory, not on the machine",
    "host.display_name": "a name from the controller's inventory; the raw files do not hold it",
    "host.username": "login of the controller; not a fact of the machine",
    "host.port": "connection of the controller; not a fact of the machine",
    "host.tags": "from the controller's inventory",
    "virtual": "a virtual machine must not be taken for a whole one",
    "memory.total_bytes": "an exact number beside the recorded fraction of GiB",
    "collection.commands": "they are in `manifest.json` and not repeated",
}

CANARIES = {
    "mac": "48:21:0b:7f:90:ee",
    "mac_in_interface_name": "02210b7f905a",
    "eui64": "48-21-0b-ff-fe-7f-90-ed",
    "ipv4": "10.11.11.210",
    "ipv6": "fe80::4a21:bff:fe7f:90ee",
    "serial": "NFRNF8000800011",
    "dimm_serial": "3F1685CF",
    "vital_product_data": "MT2023X01234MLNXS0D0F0",
    "asset_tag": "ASSET-4711",
    "uuid": "675f9b70-bfde-1000-01eb-48210b7f905a",
    "hwloc_serial": "25215B802464",
    "error_text": "192.168.77.66",
}


@pytest.fixture(scope="module")
def package() -> Iterator[Any]:
    with imported() as package:
        yield package


def wait_for(condition: Any) -> None:
    end = time.monotonic() + PATIENCE_S
    while not condition():
        assert time.monotonic() < end, "the awaited condition never came"
        time.sleep(0.02)


def running(command_line: str) -> bool:
    for path in Path("/proc").glob("[0-9]*/cmdline"):
        with contextlib.suppress(OSError):
            if path.read_bytes() == command_line.encode():
                return True
    return False


def leaves(value: Any, path: str = "") -> Iterator[tuple[str, Any]]:
    if isinstance(value, dict) and value:
        for key, item in value.items():
            yield from leaves(item, f"{path}.{key}" if path else key)
    elif isinstance(value, list) and value:
        for index, item in enumerate(value):
            yield from leaves(item, f"{path}[{index}]")
    else:
        yield path, value


# The recorded machine


def test_recorded_raw_files_give_the_recorded_facts_but_for_the_documented_differences(package: Any) -> None:
    module = package("summary")
    summary = module.summarise(module.read_raw(RECORDED), ["captured"] * 25, "2026-04-17T22:03:59Z")
    ours, recorded = dict(leaves(summary.facts)), dict(leaves(load(RECORDED / "summary.json")))
    different = {p for p in ours.keys() | recorded.keys() if ours.get(p, ...) != recorded.get(p, ...)}
    found = {
        fact for path in different for fact in DIFFERENCES if re.match(rf"{re.escape(fact)}(\W|$)", path)
    }
    unexplained = {
        p for p in different if not any(re.match(rf"{re.escape(f)}(\W|$)", p) for f in DIFFERENCES)
    }
    assert unexplained == set()
    assert found == set(DIFFERENCES)
    assert summary.problems == []
    assert len(set(ours) & set(recorded) - different) > 1300


def test_the_readme_explains_the_same_differences() -> None:
    section = (BENCH / "README.md").read_text().partition("## Differences")[2]
    rows = re.findall(r"^\| `([\w.]+)` \|.*\| ([^|]+) \|$", section, re.MULTILINE)
    assert dict(rows) == DIFFERENCES


def test_the_captures_are_the_25_recorded_ones_and_the_readme_lists_each(package: Any) -> None:
    recorded = {entry["command_id"]: entry for entry in load(RECORDED / "manifest.json")["captures"]}
    table = package("captures").CAPTURES
    assert [capture.name for capture in table] == list(recorded)
    assert len(table) == 25
    readme = (BENCH / "README.md").read_text()
    for capture in table:
        entry = recorded[capture.name]
        assert capture.path == entry["stdout_path"]
        assert re.sub("^read ", "cat ", capture.command) == entry["command"]
        row = rf"^\| `{capture.name}` \| `{re.escape(capture.command)}` \| `{re.escape(capture.path)}` \| .* \| "
        assert re.search(row + ("yes" if capture.optional else "no") + r" \|$", readme, re.MULTILINE), (
            capture.name
        )


def test_an_echoed_password_line_and_carriage_returns_are_passed_over(package: Any) -> None:
    parse = package("parse")
    text = "secret\r\n\r\n\rDMI\r   \r  *-network\r\n       logical name: eth0\r\n       serial: x\r\n"
    assert parse.lshw_nodes(text) == [{"logical name": "eth0", "serial": "x"}]
    text = "key: secret\r\n\r\n# dmidecode 3.5\r\nHandle 0x0001, DMI type 1, 27 bytes\r\nSystem\r\n\tVersion:   \r\n"
    assert parse.dmi_structures(text, 1) == [{"Version": ""}]


def test_the_profile_of_the_recorded_machine_names_its_main_facts(package: Any) -> None:
    module = package("summary")
    facts = module.summarise(module.read_raw(RECORDED), ["captured"] * 25, "2026-04-17T22:03:59Z").facts
    page = package("profile").profile(facts, [])
    for row in (
        "# System Profile: amponed8",
        "| Model | Ampere-1a |",
        "| Physical cores | 192 |",
        "| L3 cache | Unknown |",
        "| Total memory | 502.3 GiB |",
        "| Populated DIMMs / devices | 8 / 8 |",
        "| nvme0n1 | disk | 1.8T | WD_BLACK SN850X 2000GB |",
        "| Ethernet interface | Unknown | enx02210b7f905a | cdc_ether |",
        "| captured | 25 |",
    ):
        assert row in page.splitlines()


# Other machines


def test_sibling_threads_offline_cpus_and_a_missing_node_are_understood(package: Any) -> None:
    rows = "# CPU,Core,Socket,Node,Online\n0,0,0,,Y\n1,1,0,,Y\n2,0,0,,Y\n3,1,0,,N\n4,0,1,,Y\n"
    facts = package("summary").summarise({"lscpu_topology": rows}, [], "").facts
    topology = facts["cpu"]["topology"]
    assert topology["logical_cpus"] == [0, 1, 2, 4]
    assert topology["primary_cpus"] == [0, 1, 4]
    assert topology["sibling_pairs"] == [[0, 2]]
    assert topology["groups"][0] == {"socket": 0, "core": 0, "node": None, "cpus": [0, 2]}
    assert (facts["cpu"]["physical_cores"], facts["cpu"]["logical_cores"]) == (3, 4)
    assert facts["cpu"]["sockets"] == 2
    assert facts["cpu"]["threads_per_core"] == 2
    assert facts["cpu"]["numa_nodes"] is None


def test_a_machine_with_two_kinds_of_cores_keeps_both_models_and_the_highest_clock(package: Any) -> None:
    text = (
        "Architecture: aarch64\nModel name: Cortex-X925\n  CPU max MHz: 3900.0000\n"
        "Model name: Cortex-A725\n  CPU max MHz: 2808.0000\n"
    )
    cpu = package("summary").summarise({"lscpu": text}, [], "").facts["cpu"]
    assert cpu["model_names"] == ["Cortex-X925", "Cortex-A725"]
    assert cpu["display_model"] == "Cortex-X925"
    assert cpu["max_mhz"] == "3900.0000"


def test_the_base_clock_is_read_from_an_intel_model_name(package: Any) -> None:
    text = "Model name: Intel(R) Xeon(R) Gold 6152 CPU @ 2.10GHz\n"
    assert package("summary").summarise({"lscpu": text}, [], "").facts["cpu"]["base_mhz"] == "2100.0000"


@pytest.mark.parametrize(
    ("text", "kib"),
    [
        ("12 MiB (192 instances)", 12288),
        ("32K", 32),
        ("1.5M", 1536),
        ("1 GiB", 1024**2),
        ("65536 B", 64),
        ("unknown", None),
        ("", None),
        (None, None),
    ],
)
def test_cache_sizes_are_read_in_all_their_forms(package: Any, text: str | None, kib: int | None) -> None:
    assert package("parse").size_kib(text) == kib


def test_an_empty_memory_slot_counts_as_a_slot_only(package: Any) -> None:
    text = (
        "Handle 0x0001, DMI type 17, 92 bytes\nMemory Device\n\tSize: 64 GB\n\tType: DDR5\n\tSpeed: 5600 MT/s\n\n"
        "Handle 0x0002, DMI type 17, 92 bytes\nMemory Device\n\tSize: No Module Installed\n\tType: Unknown\n"
    )
    memory = package("summary").summarise({"dmi_memory": text}, [], "").facts["memory"]
    assert (memory["slot_count"], memory["populated_count"]) == (2, 1)
    assert (memory["memory_type"], memory["memory_speed"]) == ("DDR5", "5600 MT/s")


def test_without_lshw_the_interfaces_come_from_ip_addr(package: Any) -> None:
    raw = {"ipaddr": (RECORDED / "raw" / "ipaddr.txt").read_text()}
    interfaces = package("summary").summarise(raw, [], "").facts["network"]["interfaces"]
    assert [i["logical name"] for i in interfaces] == ["enP1p3s0f0np0", "enP1p3s0f1np1", "enx02210b7f905a"]
    assert interfaces[0]["serial"] == "48:21:0b:7f:90:ed"


def test_without_lscpu_the_number_of_cpus_comes_from_cpuinfo(package: Any) -> None:
    raw = {"cpuinfo": (RECORDED / "raw" / "cpuinfo.txt").read_text()}
    cpu = package("summary").summarise(raw, [], "").facts["cpu"]
    assert (cpu["logical_cores"], cpu["physical_cores"], cpu["flags_count"]) == (192, None, 39)


@pytest.mark.parametrize(
    "text",
    [
        "{",
        "[]",
        '{"blockdevices": 3}',
        '{"blockdevices": [3]}',
        "[" * 100_000,
        '{"blockdevices": [{"a": 1e999}]}',
    ],
)
def test_a_broken_lsblk_document_is_a_named_problem(package: Any, text: str) -> None:
    summary = package("summary").summarise({"lsblk": text}, [], "")
    assert summary.facts["storage"]["devices"] == []
    assert [problem.partition(":")[0] for problem in summary.problems] == ["lsblk"]


TEXT = st.text(max_size=60) | st.lists(
    st.sampled_from(
        ["Handle 0x1, DMI type 17", "\t", " ", ":", ",", "=", '"', "\r", "\n", "²", "٣", "-1", "9" * 30, "MemTotal:",
         "Model name", "CPU max MHz: ", "nan", "inf", "*-network", "1: lo: <", "link/ether", "Y", "NAME ALL-SIZE",
         "Size: ", "kB", "1e9", "12 MiB", "CPU(s):", "{", "}", "[", "]", '{"blockdevices": [{}]}']
    ),
    max_size=30,
).map("".join)  # fmt: skip


@settings(deadline=None, max_examples=100, suppress_health_check=[HealthCheck.too_slow])
@given(data=st.data())
def test_no_text_makes_the_parser_raise_or_give_something_unwritable(
    package: Any, data: st.DataObject
) -> None:
    names = [capture.name for capture in package("captures").CAPTURES]
    raw = data.draw(st.dictionaries(st.sampled_from(names), TEXT))
    summary = package("summary").summarise(raw, ["captured"] * len(raw), "2026-11-21T08:00:00Z")
    json.dumps(summary.facts, allow_nan=False)
    package("profile").profile(summary.facts, [])


# Redaction of text


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("link/ether 48:21:0b:7f:90:ed brd", "link/ether [redacted-mac] brd"),
        ("BOOTIF=01-48-21-0b-7f-90-ed", "BOOTIF=[redacted-mac]"),
        ("4: enx02210b7f905a: <UP>", "4: enx[redacted-mac]: <UP>"),
        ("inet 10.11.11.210/23 brd 10.11.11.255", "inet [redacted-ip]/23 brd [redacted-ip]"),
        ("ip=10.0.0.1::10.0.0.254:255.255.255.0:h", "ip=[redacted-ip]::[redacted-ip]:[redacted-ip]:h"),
        ("inet6 addr:fe80::1/64", "inet6 addr:[redacted-ip]/64"),
        ("[2001:db8::5]:/export", "[[redacted-ip]]:/export"),
        ("Linux db7 6.8.0-90-generic #91 SMP", "Linux [redacted-host] 6.8.0-90-generic #91 SMP"),
        ("nas.example.org:/export nfs4", "[redacted-host]:/export nfs4"),
        ("//nas/share cifs", "//[redacted-host]/share cifs"),
        ("inst.ks=https://kick.example.org/a.cfg ro", "inst.ks=https://[redacted-host]/a.cfg ro"),
        ("ds=nocloud;s=http://me:pw@seed/x", "ds=nocloud;s=http://[redacted-secret]@[redacted-host]/x"),
        ("kernel.hostname = db7", "kernel.hostname = [redacted-host]"),
        ("net.ipv4.tcp_fastopen_key = 1-2-3-4", "net.ipv4.tcp_fastopen_key = [redacted-secret]"),
        ("rd.password=hunter2 quiet", "rd.password=[redacted-secret] quiet"),
        ('<info name="HostName" value="db7"/>', '<info name="HostName" value="[redacted-host]"/>'),
        ("<text>Host: db7</text>", "<text>Host: [redacted-host]</text>"),
        (
            '{"serial":"S4E", "wwn": "0x5", "ro":false}',
            '{"serial":"[redacted]", "wwn": "[redacted]", "ro":false}',
        ),
        ("subnqn: nqn.2014-08.org.nvmexpress:x1", "subnqn: [redacted]"),
        ("\tString 1: 7XK2Q13", "\tString 1: [redacted]"),
        ("ip-10-0-0-1 host", "ip-[redacted-ip] host"),
        ("\tSerial Number: AB 12\n\tRank: 2", "\tSerial Number: [redacted]\n\tRank: 2"),
        ("Serial\t\t: 100000009a", "Serial\t\t: [redacted]"),
        ("\tSerial Number:       \n", "\tSerial Number:       \n"),
        ("root=UUID=ab12-34 ro", "root=UUID=[redacted] ro"),
        ("root=PARTUUID=ab12cd34-02 ro", "root=PARTUUID=[redacted] ro"),
        ("root=/dev/disk/by-id/ata-WD_123 ro", "root=/dev/disk/by-id/[redacted] ro"),
        ("id 675f9b70-bfde-1000-01eb-48210b7f905a.", "id [redacted-uuid]."),
        ("x=0123456789abcdef0123456789abcdef", "x=[redacted-uuid]"),
        ('<info name="DMIProductSerial" value="S1"/>', '<info name="DMIProductSerial" value="[redacted]"/>'),
    ],
)
def test_redaction_replaces_each_kind_of_identifier(package: Any, text: str, expected: str) -> None:
    redact = package("redact").Redactor("shared").text
    assert redact(text) == expected
    assert redact(expected) == expected


@pytest.mark.parametrize(
    "text",
    [
        "0001:03:00.0 Ethernet controller: Broadcom Inc. and subsidiaries (rev 01)",
        "6.8.0-90-generic #91-Ubuntu SMP Tue Nov 18 13:53:54 UTC 2025 aarch64",
        "07:00.0 Serial Attached SCSI controller: LSI",
        'cpuset="0xffffffff,0xffffffff" path d="M 0.5 1.25 L 10.5 20.25"',
        "resources: irq:65 memory:740100200000-74010020ffff",
        "CPU MHz: 2400.000 :: std",
        'HOME_URL="https://www.debian.org/"',
        "kernel.domainname = (none)",
        "vm.swappiness = 60\nkernel.sched_rt_runtime_us = 950000",
        "/dev/sda1 / ext4 rw 0 0\ntmpfs /run tmpfs rw 0 0",
        "cpupower frequency-info: driver: amd-pstate-epp",
    ],
)
def test_redaction_leaves_pci_addresses_times_and_numbers_alone(package: Any, text: str) -> None:
    assert package("redact").Redactor("full").text(text) == text


AROUND = st.text(alphabet=" \t\n/[]()=,;", max_size=4)


@settings(deadline=None, max_examples=100, suppress_health_check=[HealthCheck.too_slow])
@given(
    st.ip_addresses().map(str).filter(lambda text: text != "::")
    | st.uuids().map(str)
    | st.binary(min_size=6, max_size=6).map(lambda raw: raw.hex(":")),
    AROUND,
    AROUND,
)
def test_no_address_mac_or_uuid_survives_redaction(
    package: Any, secret: str, before: str, after: str
) -> None:
    redacted = package("redact").Redactor("shared").text(f"a {before}{secret}{after} z")
    assert secret not in redacted
    assert "[redacted" in redacted


def test_bytes_that_are_not_text_come_through_redaction(package: Any) -> None:
    redactor = package("redact").Redactor("shared")
    assert redactor.data(b"\xff\xfe serial: X\n\x80") == b"\xff\xfe serial: [redacted]\n\x80"


# Whole runs


def test_a_run_on_this_machine_obeys_the_job_contract(tmp_path: Path) -> None:
    done = run(tmp_path, job())
    out = tmp_path / "out"
    result = load(out / "result.json")
    assert_obeys_the_contract(result)
    assert done.returncode == {"passed": 0}.get(result["status"], 1), done.stderr
    assert result["facts"] == load(out / "summary.json")
    metrics = {metric["name"]: metric["samples"][0] for metric in result["metrics"]}
    total = re.search(r"MemTotal: +(\d+) kB", (out / "raw" / "meminfo.txt").read_text())
    assert total is not None
    assert metrics["memory_total_bytes"] == int(total.group(1)) * 1024
    assert metrics["captures_done"] + metrics["captures_skipped"] == 25
    entries = captures(tmp_path)
    assert len(entries) == 25
    for entry in entries.values():
        assert entry["status"] in ("captured", "skipped", "failed")
        assert (entry["reason"] is None) == (entry["status"] == "captured")
        if entry["path"] is not None:
            data = (out / entry["path"]).read_bytes()
            assert (entry["bytes"], entry["sha256"]) == (len(data), hashlib.sha256(data).hexdigest())
    lines = [json.loads(line) for line in (out / "progress.ndjson").read_text().splitlines()]
    assert [line["done"] for line in lines] == list(range(1, 26))
    assert all(line["total"] == 25 and line["unit"] == "captures" for line in lines)
    assert sorted(line["label"].split()[0] for line in lines) == sorted(entries)
    assert all(re.fullmatch(r"[-\d]{10}T[:\d]{8}\.\d{3}Z", line["at"]) for line in lines)
    assert (out / "system_profile.md").read_text().startswith("# System Profile: ")
    assert not [path for path in out.rglob("*") if path.name.endswith(".tmp")]


def test_a_run_writes_nothing_into_the_bundle(tmp_path: Path) -> None:
    bundle, out, config = tmp_path / "bundle", tmp_path / "out", tmp_path / "job.json"
    shutil.copytree(BENCH, bundle, ignore=shutil.ignore_patterns("__pycache__"))
    out.mkdir()
    config.write_text(json.dumps(job()))
    before = sorted(bundle.rglob("*"))
    argv = [sys.executable, "bin/run", "--config", str(config), "--out", str(out)]
    subprocess.run(argv, cwd=bundle, timeout=PATIENCE_S, check=False)
    assert (out / "result.json").is_file()
    assert sorted(bundle.rglob("*")) == before


def test_without_any_tool_on_path_each_command_is_skipped_with_its_reason(tmp_path: Path) -> None:
    only_python = tmp_path / "bin"
    only_python.mkdir()
    (only_python / "python3").symlink_to(Path(sys.executable).resolve())
    argv = command(tmp_path, job())[1:]
    environment = {**os.environ, "PATH": str(only_python)}
    done = subprocess.run(argv, cwd=BENCH, env=environment, capture_output=True, timeout=PATIENCE_S)
    assert done.returncode == 1
    result = load(tmp_path / "out" / "result.json")
    assert_obeys_the_contract(result)
    assert result["status"] == "partial"
    entries = captures(tmp_path)
    for entry in entries.values():
        if not entry["command"].startswith("read "):
            tool = entry["command"].split()[0]
            assert entry["status"] == "skipped"
            assert entry["reason"].startswith(f"{tool} is not on PATH (Debian package ")
    assert entries["meminfo"]["status"] == "captured"
    reasons = {item["name"]: item["reason"] for item in result["skipped"]}
    assert "lscpu is not on PATH" in reasons["lscpu"]
    assert reasons["cpu_core_count"] == "no capture holds this fact"
    required = next(check for check in result["checks"] if check["name"] == "required_captures")
    assert required == {
        "name": "required_captures",
        "ok": False,
        "detail": "missing: uname, lscpu, lscpu_topology",
    }


def canary_tools(directory: Path) -> str:
    c = CANARIES
    return fake_tools(
        directory,
        ip=f'echo "4: enx{c["mac_in_interface_name"]}: <UP>"; echo "    link/ether {c["mac"]} brd x"\n'
        f'echo "    inet {c["ipv4"]}/23"; echo "    inet6 {c["ipv6"]}/64"',
        lshw=f'echo "  *-network"; echo "       logical name: enx{c["mac_in_interface_name"]}"\n'
        f'echo "       serial: {c["mac"]}"; echo "       configuration: driver=x ip={c["ipv4"]}"',
        lspci=f'echo "Capabilities: [13c v1] Device Serial Number {c["eui64"]}"\n'
        f'echo "[VU] Vendor specific: {c["vital_product_data"]}"',
        dmidecode="echo 'Handle 0x0001, DMI type 1, 27 bytes'; echo 'System Information'\n"
        f"printf '\\tSerial Number: {c['serial']}\\n\\tUUID: {c['uuid']}\\n\\tAsset Tag: {c['asset_tag']}\\n'\n"
        "echo 'Handle 0x0002, DMI type 17, 92 bytes'; echo 'Memory Device'\n"
        f"printf '\\tSize: 64 GB\\n\\tSerial Number: {c['dimm_serial']}\\n'",
        lstopo=f'echo \'<info name="SerialNumber" value="{c["hwloc_serial"]}"/>\'\n'
        f"echo '<text>enx{c['mac_in_interface_name']}</text>'",
        numactl=f"echo 'no route to {c['error_text']}' >&2; exit 5",
    )


def found_canaries(out: Path) -> set[str]:
    text = "".join(path.read_text(errors="replace") for path in out.rglob("*") if path.is_file())
    return {name for name, value in CANARIES.items() if value in text}


@pytest.mark.parametrize("redact", ["full", "shared", True, False, "none", None])
def test_redaction_leaves_no_canary_in_any_file(tmp_path: Path, redact: object) -> None:
    run(tmp_path, job(parameters=parameters(redact=redact)), path=canary_tools(tmp_path / "bin"))
    out = tmp_path / "out"
    assert_obeys_the_contract(load(out / "result.json"))
    levels: dict[object, str] = {True: "shared", False: "none", None: "none"}
    level = levels.get(redact, redact)
    manifest = load(out / "manifest.json")
    assert (manifest["redaction"], manifest["redacted"]) == (level, level != "none")
    # Without root there is no dmidecode, and so none of what only it shows.
    only_dmi = set() if os.geteuid() == 0 else {"serial", "uuid", "asset_tag", "dimm_serial"}
    assert found_canaries(out) == (set() if level != "none" else set(CANARIES) - only_dmi)


def test_a_redacted_run_on_this_machine_holds_no_mac_and_no_address(tmp_path: Path) -> None:
    run(tmp_path, job(parameters=parameters(redact="shared")))
    for path in (tmp_path / "out").rglob("*.*"):
        text = path.read_text(errors="replace")
        assert not re.search(r"\b[0-9a-f]{2}(:[0-9a-f]{2}){5}\b", text, re.IGNORECASE), path
        assert not re.search(r"(?<![\d.])\d{1,3}(\.\d{1,3}){3}(?![\d.])", text), path


def test_redaction_asks_lstopo_for_a_drawing_whose_text_can_be_searched(package: Any) -> None:
    planned = {capture.name: capture.command for capture in package("captures").planned(redact=True)}
    assert planned["lstopo_svg"] == "lstopo --of nativesvg"


def test_redacted_recorded_files_still_parse_to_the_same_machine(package: Any) -> None:
    module, redact = package("summary"), package("redact").Redactor("shared").text
    raw = {name: redact(text) for name, text in module.read_raw(RECORDED).items()}
    facts = module.summarise(raw, ["captured"] * 25, "").facts
    text = json.dumps(facts)
    recorded = load(RECORDED / "summary.json")
    assert facts["cpu"] == recorded["cpu"]
    assert facts["storage"] == recorded["storage"]
    assert len(facts["network"]["interfaces"]) == 3
    for secret in ("48:21:0b", "48210b7f905a", "02210b7f905a", "10.11.11.210", "3F1685CF"):
        assert secret in json.dumps(recorded)
        assert secret not in text


@pytest.mark.full
def test_a_hanging_command_is_ended_at_its_limit_and_failed(tmp_path: Path) -> None:
    path = fake_tools(tmp_path / "bin", numactl=f"exec sleep {UNUSUAL_SLEEP_S}")
    run(tmp_path, job(parameters=parameters(limit_s=3)), path=path)
    entry = captures(tmp_path)["numactl"]
    assert entry["status"] == "failed"
    assert entry["reason"] == "no end within its time limit of 3 s"
    assert (entry["rc"], entry["path"], entry["bytes"]) == (None, None, None)
    assert not running(f"sleep\0{UNUSUAL_SLEEP_S}\0")
    assert (
        "failed: no end within"
        in {i["name"]: i["reason"] for i in load(tmp_path / "out/result.json")["skipped"]}["numactl"]
    )


def test_a_hanging_file_is_given_up_at_its_limit(package: Any, tmp_path: Path) -> None:
    fifo = tmp_path / "fifo"
    os.mkfifo(fifo)
    module = package("collect")
    capture = package("captures").Capture("fifo", "raw/fifo.txt", file=str(fifo))
    how = module.Settings(tmp_path, package("redact").Redactor("none"), 0.2, time.monotonic() + PATIENCE_S)
    seen: list[str] = []
    outcomes = module.collect(
        (capture,), how, module.Stop(), lambda outcome: seen.append(outcome.capture.name)
    )
    # Lets the reading thread end.
    os.close(os.open(fifo, os.O_WRONLY))
    assert [(o.status, o.reason) for o in outcomes] == [("failed", "no end within its time limit of 0.2 s")]
    assert seen == ["fifo"]


def test_a_command_that_fails_keeps_its_output_and_names_its_last_error_line(tmp_path: Path) -> None:
    path = fake_tools(tmp_path / "bin", numactl="echo half; echo first >&2; echo No NUMA here >&2; exit 5")
    run(tmp_path, job(), path=path)
    entry = captures(tmp_path)["numactl"]
    assert (entry["status"], entry["rc"]) == ("failed", 5)
    assert entry["reason"] == "ended with exit status 5: No NUMA here"
    assert (tmp_path / "out" / entry["path"]).read_text() == "half\n"


def test_dmidecode_is_skipped_without_root(
    package: Any, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("PATH", fake_tools(tmp_path / "bin", dmidecode="exit 0"))
    monkeypatch.setattr(os, "geteuid", lambda: 1000)
    module = package("collect")
    wanted = tuple(c for c in package("captures").CAPTURES if c.needs_root)
    how = module.Settings(
        tmp_path, package("redact").Redactor("none"), PATIENCE_S, time.monotonic() + PATIENCE_S
    )
    outcomes = module.collect(wanted, how, module.Stop(), lambda _outcome: None)
    assert [o.capture.name for o in outcomes] == [
        "dmi_system",
        "dmi_baseboard",
        "dmi_processor",
        "dmi_memory",
    ]
    assert {(o.status, o.reason) for o in outcomes} == {
        ("skipped", "dmidecode needs root, and this program does not use sudo")
    }


def test_sigterm_writes_what_is_there_as_partial(tmp_path: Path) -> None:
    # All three workers end up in lscpu, after uname and os_release have ended.
    path = fake_tools(tmp_path / "bin", lscpu=f"exec sleep {PATIENCE_S}")
    process = subprocess.Popen(command(tmp_path, job()), cwd=BENCH, env={**os.environ, "PATH": path})
    out = tmp_path / "out"
    try:
        progress = out / "progress.ndjson"
        wait_for(lambda: progress.is_file() and progress.read_bytes().count(b"\n") == 2)
        process.send_signal(signal.SIGTERM)
        assert process.wait(timeout=PATIENCE_S) == 1
    finally:
        process.kill()
        process.wait()
    result = load(out / "result.json")
    assert_obeys_the_contract(result)
    assert result["status"] == "partial"
    assert {"name": "not_interrupted", "ok": False, "detail": "stopped by SIGTERM"} in result["checks"]
    entries = captures(tmp_path)
    assert entries["uname"]["status"] == entries["os_release"]["status"] == "captured"
    assert entries["lscpu"]["reason"] == "stopped by SIGTERM"
    assert entries["cmdline"]["reason"] == "stopped by SIGTERM before it began"
    assert len(progress.read_text().splitlines()) == 25


@pytest.mark.full
def test_the_time_limit_of_the_job_ends_a_run_as_partial(tmp_path: Path) -> None:
    path = fake_tools(tmp_path / "bin", lscpu=f"exec sleep {PATIENCE_S}")
    done = run(tmp_path, job(time_limit_s=3), path=path)
    assert done.returncode == 1
    result = load(tmp_path / "out" / "result.json")
    assert_obeys_the_contract(result)
    assert result["status"] in ("partial", "failed")
    assert captures(tmp_path)["cmdline"]["reason"] == "the time limit of the job was reached before it began"


BAD_JOBS: list[Any] = [
    "{",
    "[]",
    '{"schema": "rackbench.job/1.0"}',
    job(schema="rackbench.job/9.0"),
    job(run_id=7),
    job(repeat=0),
    job(repeat=True),
    job(parameters=[]),
    job(parameters={"redact": "yes"}),
    job(parameters={"redact": 1}),
    job(parameters={"captures": "some"}),
    job(parameters={"capture_time_limit_s": "20"}),
    job(parameters={"capture_time_limit_s": 0}),
    job(time_limit_s=None),
    job(time_limit_s=10**400),
    "[" * 100_000,
    json.dumps(job(time_limit_s=math.nan)),
    job(cpus="0-3"),
    job(cpus=[]),
    job(cpus=[0.5]),
]


@pytest.mark.parametrize("document", BAD_JOBS, ids=range(len(BAD_JOBS)))
def test_a_bad_job_is_refused_with_exit_2_and_nothing_written(tmp_path: Path, document: Any) -> None:
    done = run(tmp_path, document)
    assert done.returncode == 2
    assert done.stderr.startswith("system-info: ")
    assert "Traceback" not in done.stderr
    assert list((tmp_path / "out").iterdir()) == []


def test_an_absent_job_file_and_an_absent_directory_are_refused_with_exit_2(tmp_path: Path) -> None:
    argv = command(tmp_path, job())
    (tmp_path / "out").rmdir()
    assert subprocess.run(argv, capture_output=True, timeout=PATIENCE_S).returncode == 2
    (tmp_path / "out").mkdir()
    (tmp_path / "job.json").unlink()
    assert subprocess.run(argv, capture_output=True, timeout=PATIENCE_S).returncode == 2
    assert subprocess.run(argv[:2], capture_output=True, timeout=PATIENCE_S).returncode == 2


def test_a_cpu_that_this_machine_lacks_is_refused_with_exit_3(tmp_path: Path) -> None:
    done = run(tmp_path, job(cpus=[100_000]))
    assert done.returncode == 3
    assert "100000" in done.stderr
    assert list((tmp_path / "out").iterdir()) == []


def test_unknown_fields_of_the_job_are_ignored(tmp_path: Path) -> None:
    allowed = sorted(os.sched_getaffinity(0))[:1]
    run(tmp_path, job(new_field=1, cpus=allowed, parameters={"later": 1}))
    assert_obeys_the_contract(load(tmp_path / "out" / "result.json"))
    assert load(tmp_path / "out" / "manifest.json")["capture_time_limit_s"] == 20


def test_an_output_that_cannot_be_written_is_an_error_and_leaves_no_result(tmp_path: Path) -> None:
    argv = command(tmp_path, job())
    (tmp_path / "out" / "summary.json").mkdir()
    done = subprocess.run(argv, capture_output=True, text=True, timeout=PATIENCE_S)
    assert done.returncode == 1
    assert done.stderr.startswith("system-info: the output cannot be written: ")
    assert not (tmp_path / "out" / "result.json").exists()
    assert not list((tmp_path / "out").glob(".*"))


def test_a_full_disk_leaves_nothing_half_written_that_looks_complete(tmp_path: Path) -> None:
    # A limit on the size of each file stands in for the full disk: the same writes fail half-way.
    limited = ["/bin/sh", "-c", 'ulimit -f 1; exec "$@"', "sh", *command(tmp_path, job())]
    done = subprocess.run(limited, capture_output=True, text=True, timeout=PATIENCE_S)
    assert done.returncode == 1
    assert done.stderr.startswith("system-info: the output cannot be written: ")
    out = tmp_path / "out"
    assert not (out / "result.json").exists()
    stored = out / "raw" / "os-release.txt"
    assert not stored.exists() or stored.read_bytes() == Path("/etc/os-release").read_bytes()
    stored = out / "raw" / "meminfo.txt"
    assert not stored.exists() or stored.read_text().endswith(" kB\n")
    assert not list(out.rglob("*.tmp"))


# The bundle


def test_the_bundle_names_the_version_that_the_program_reports() -> None:
    bundle = tomllib.loads((BENCH / "bundle.toml").read_text())["bundle"]
    source = (BENCH / "system_info" / "__init__.py").read_text()
    assert f'VERSION = "{bundle["version"]}"' in source
    assert f'NAME = "{bundle["name"]}"' in source
    assert os.access(BENCH / bundle["entry_point"], os.X_OK)


def test_all_sources_are_valid_python_3_9_and_import_only_the_standard_library() -> None:
    for path in [BENCH / "bin" / "run", *sorted((BENCH / "system_info").glob("*.py"))]:
        tree = ast.parse(path.read_text(), str(path), feature_version=(3, 9))
        for node in ast.walk(tree):
            names = [alias.name for alias in node.names] if isinstance(node, ast.Import) else []
            names += [node.module or ""] if isinstance(node, ast.ImportFrom) else []
            for name in names:
                assert name.partition(".")[0] in {*sys.stdlib_module_names, "system_info"}, path


@pytest.mark.skipif(not Path("/usr/bin/python3").exists(), reason="this machine has no system Python")
def test_it_runs_under_the_system_python(tmp_path: Path) -> None:
    run(tmp_path, job(), python="/usr/bin/python3")
    assert_obeys_the_contract(load(tmp_path / "out" / "result.json"))
