# SPDX-License-Identifier: Apache-2.0
"""Plain `ansible` through the jump box, and what it says when something is in the way."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pytest
from rackbench.transport import failures

if TYPE_CHECKING:
    from collections.abc import Callable

    from .conftest import LabControl

ROOT = Path(__file__).resolve().parents[2]
NINE = [f"nine{index}" for index in range(9)]


def nine_targets(document: dict[str, Any]) -> None:
    """Put nine names for turind8 behind thor."""
    (key,) = [
        line.split(None, 1)[1].strip()
        for line in (ROOT / ".lab" / "run" / "known_hosts").read_text().splitlines()
        if line.split()[0] == "turind8"
    ]
    document["hosts"] = {name: document["hosts"]["turind8"] | {"host_key": key, "tags": []} for name in NINE}


def wrong_password(document: dict[str, Any]) -> None:
    document["auth_refs"]["thor-password"]["command"] = ["echo", "certainly-wrong"]


def turind8(**changes: Any) -> Callable[[dict[str, Any]], None]:
    def change(document: dict[str, Any]) -> None:
        document["hosts"]["turind8"].update(changes)

    return change


def with_sudo(document: dict[str, Any]) -> None:
    document["auth_refs"]["sudo"] = {
        "type": "command",
        "command": ["cat", str(ROOT / ".lab/run/secrets/careful.pw")],
    }
    document["hosts"]["turind8"].update(user="careful", become={"auth_ref": "sudo"})


def test_plain_ansible_reaches_every_host_with_nothing_started_by_hand(lab: LabControl) -> None:
    done = lab.tool("ansible", "-m", "ansible.builtin.ping", "lab")
    assert done.returncode == 0, done.stdout + done.stderr
    assert done.stdout.count('"ping": "pong"') == 4


def test_files_go_through_two_hops_and_come_back(lab: LabControl, tmp_path: Path) -> None:
    source = tmp_path / "a file"
    source.write_bytes(os.urandom(300_000))
    target = "/tmp/rackbench transport test"
    done = lab.tool(
        "ansible", "skadi", "-m", "ansible.builtin.copy", "-a", f"src='{source}' dest='{target}' mode=0600"
    )
    assert done.returncode == 0, done.stdout + done.stderr
    done = lab.tool(
        "ansible",
        "skadi",
        "-m",
        "ansible.builtin.fetch",
        "-a",
        f"src='{target}' dest='{tmp_path}/back' flat=true",
    )
    assert done.returncode == 0, done.stdout + done.stderr
    assert (tmp_path / "back").read_bytes() == source.read_bytes()
    lab.tool("ansible", "skadi", "-m", "ansible.builtin.file", "-a", f"path='{target}' state=absent")


@pytest.mark.full
def test_a_wrong_password_is_one_failed_login_for_nine_hosts(
    lab: LabControl, lab_file: Callable[..., Path]
) -> None:
    def change(document: dict[str, Any]) -> None:
        nine_targets(document)
        wrong_password(document)

    before = lab.failed_logins("thor")
    done = lab.tool("ansible", "-i", lab_file(change), "-m", "ansible.builtin.ping", "nine*")
    assert done.returncode == 4, done.stdout + done.stderr
    assert done.stdout.count("UNREACHABLE") == 9
    for name in NINE:
        (part,) = [part for part in done.stdout.split("\n}\n") if f"{name} | UNREACHABLE" in part]
        error = failures.connection_error(name, part)
        assert (error.code, error.where) == ("auth_refused", "thor")
    assert lab.failed_logins("thor") == before + 1


def test_nine_hosts_behind_the_jump_box_share_one_login(
    lab: LabControl, lab_file: Callable[..., Path]
) -> None:
    done = lab.tool("ansible", "-i", lab_file(nine_targets), "-m", "ansible.builtin.ping", "nine*")
    assert done.returncode == 0, done.stdout + done.stderr
    assert done.stdout.count('"ping": "pong"') == 9


@pytest.mark.full
def test_a_missing_environment_variable_is_named_and_dials_nothing(
    lab: LabControl, lab_file: Callable[..., Path]
) -> None:
    def change(document: dict[str, Any]) -> None:
        document["auth_refs"]["thor-password"] = {
            "type": "password_env",
            "variable": "RACKBENCH_TEST_NOT_SET",
        }

    done = lab.tool("ansible", "-i", lab_file(change), "-m", "ansible.builtin.ping", "skadi")
    assert done.returncode == 4
    assert "[missing_secret] thor: missing secret: " in done.stdout
    assert "RACKBENCH_TEST_NOT_SET is not set" in done.stdout


@pytest.mark.full
def test_a_password_from_the_environment_works(lab: LabControl, lab_file: Callable[..., Path]) -> None:
    def change(document: dict[str, Any]) -> None:
        document["auth_refs"]["thor-password"] = {
            "type": "password_env",
            "variable": "RACKBENCH_THOR_PASSWORD",
        }

    password = (lab.secrets / "thor.pw").read_text()
    done = lab.tool(
        "ansible",
        "-i",
        lab_file(change),
        "-m",
        "ansible.builtin.ping",
        "turind8",
        env={"RACKBENCH_THOR_PASSWORD": password},
    )
    assert done.returncode == 0, done.stdout + done.stderr


@pytest.mark.full
def test_a_password_in_the_file_encrypted_by_ansible_vault_works(
    lab: LabControl, lab_file: Callable[..., Path], tmp_path: Path
) -> None:
    (tmp_path / "vault.pw").write_text("vault password\n")
    vault = [
        Path(sys.executable).parent / "ansible-vault",
        "encrypt_string",
        "--vault-password-file",
        tmp_path / "vault.pw",
    ]
    text = subprocess.run(
        vault, input=(lab.secrets / "thor.pw").read_text(), capture_output=True, text=True, check=True
    ).stdout
    body = "".join(f"      {line.strip()}\n" for line in text.splitlines()[1:])
    path = lab_file(lambda document: document["auth_refs"].update({"thor-password": "HERE"}))
    entry = f"\n    type: vault\n    value: !vault |\n{body}".rstrip("\n")
    path.write_text(path.read_text().replace(" HERE", entry))
    password = {"ANSIBLE_VAULT_PASSWORD_FILE": str(tmp_path / "vault.pw")}
    done = lab.tool("ansible", "-i", path, "-m", "ansible.builtin.ping", "turind8", env=password)
    assert done.returncode == 0, done.stdout + done.stderr
    done = lab.tool("rackbench", "validate", "--inventory", path, "--host", "turind8", env=password)
    assert done.returncode == 0, done.stdout + done.stderr


@pytest.mark.full
def test_a_key_with_a_passphrase_works(lab: LabControl, lab_file: Callable[..., Path]) -> None:
    def change(document: dict[str, Any]) -> None:
        words = str(lab.secrets / "id_ed25519_locked.pw")
        document["auth_refs"]["words"] = {"type": "command", "command": ["cat", words]}
        document["auth_refs"]["lab-key"] = {
            "type": "key_file",
            "path": str(lab.secrets / "id_ed25519_locked"),
            "passphrase": "words",
        }

    path = lab_file(change)
    done = lab.tool("ansible", "-i", path, "-m", "ansible.builtin.ping", "skadi")
    assert done.returncode == 0, done.stdout + done.stderr
    assert lab.tool("rackbench", "validate", "-i", path, "--host", "skadi").returncode == 0


@pytest.mark.full
def test_sudo_that_asks_gets_its_password_from_the_lookup(
    lab: LabControl, lab_file: Callable[..., Path]
) -> None:
    done = lab.tool(
        "ansible", "-i", lab_file(with_sudo), "-b", "-m", "ansible.builtin.command", "-a", "id -un", "turind8"
    )
    assert done.returncode == 0, done.stdout + done.stderr
    assert "root" in done.stdout
    listed = lab.tool("ansible-inventory", "-i", lab_file(with_sudo), "--list")
    assert "lookup('rackbench.lab.secret', 'sudo')" in listed.stdout
    assert (lab.secrets / "careful.pw").read_text().strip() not in listed.stdout


@pytest.mark.full
def test_a_refused_port_behind_the_jump_box_is_named(lab: LabControl, lab_file: Callable[..., Path]) -> None:
    done = lab.tool("ansible", "-i", lab_file(turind8(port=9)), "-m", "ansible.builtin.ping", "turind8")
    assert done.returncode == 4
    assert "[host_unreachable] turind8: network: " in done.stdout
    assert "Connection refused" in done.stdout


def test_a_changed_host_key_stops_and_says_so(broken_lab: LabControl, lab_file: Callable[..., Path]) -> None:
    broken_lab("rekey", "turind8")
    done = broken_lab.tool("ansible", "-i", lab_file(), "-m", "ansible.builtin.ping", "turind8")
    assert done.returncode == 4
    assert "[host_key_changed] turind8: host key: " in done.stdout
    probed = broken_lab.tool("rackbench", "validate", "-i", lab_file(), "--host", "turind8")
    assert probed.returncode == 3
    assert "turind8: failed at turind8: host key" in probed.stdout


@pytest.mark.full
def test_a_cut_cable_names_the_host_and_the_others_go_on(
    broken_lab: LabControl, lab_file: Callable[..., Path]
) -> None:
    broken_lab("cut", "turind8")
    done = broken_lab.tool("ansible", "-i", lab_file(), "-m", "ansible.builtin.ping", "turind8,skadi")
    assert done.returncode == 4
    assert "[host_unreachable] turind8: " in done.stdout
    assert "skadi | SUCCESS" in done.stdout


@pytest.mark.full
def test_a_jump_box_without_power_is_named_for_every_host_behind_it(
    broken_lab: LabControl, lab_file: Callable[..., Path]
) -> None:
    broken_lab("kill", "thor")
    done = broken_lab.tool("ansible", "-i", lab_file(), "-m", "ansible.builtin.ping", "turind8,skadi")
    assert done.returncode == 4
    assert done.stdout.count("[hop_unreachable] thor: ") >= 2


@pytest.mark.full
def test_the_password_is_in_no_command_line_environment_or_file(lab: LabControl, tmp_path: Path) -> None:
    secret = (lab.secrets / "thor.pw").read_bytes().strip()
    assert len(secret) >= 10
    temporary = Path("/tmp") / f"rbc{os.getpid()}"
    temporary.mkdir()
    environment = {
        **os.environ,
        "HOME": str(tmp_path),
        "TMPDIR": str(temporary),
        "ANSIBLE_LOCAL_TEMP": str(tmp_path / "local"),
    }
    process = subprocess.Popen(
        [
            Path(sys.executable).parent / "ansible",
            "-vvvv",
            "turind8,skadi",
            "-m",
            "ansible.builtin.command",
            "-a",
            "sleep 2",
        ],
        cwd=ROOT,
        env=environment,
        stdin=subprocess.DEVNULL,
        stdout=(tmp_path / "out").open("wb"),
        stderr=subprocess.STDOUT,
    )
    seen_master = False
    try:
        while process.poll() is None:
            for folder in Path("/proc").glob("[0-9]*"):
                for name in ("cmdline", "environ"):
                    try:
                        content = (folder / name).read_bytes()
                    except OSError:
                        continue
                    assert secret not in content, folder / name
                    seen_master |= b"thor+dial" in content
            for path in temporary.rglob("*"):
                if path.is_file():
                    try:
                        assert secret not in path.read_bytes(), path
                    except OSError:
                        continue
    finally:
        process.wait()
    assert process.returncode == 0, (tmp_path / "out").read_text()
    assert seen_master
    for folder in (tmp_path, temporary, ROOT / "inventories"):
        for path in folder.rglob("*"):
            if path.is_file():
                assert secret not in path.read_bytes(), path
    assert list(temporary.iterdir()) == []
    temporary.rmdir()


@pytest.mark.full
@pytest.mark.parametrize("arguments", [("--graph",), ("--list",)])
def test_the_inventory_works_beside_plain_ones(lab: LabControl, arguments: tuple[str, ...]) -> None:
    done = lab.tool("ansible-inventory", *arguments)
    assert done.returncode == 0, done.stderr
    for name in ("local", "thor", "loki", "turind8", "skadi", "target", "jump_box"):
        assert name in done.stdout
