# SPDX-License-Identifier: Apache-2.0
"""`rackbench validate` and `playbooks/validate.yml` against the lab, whole and broken."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING, Any

from rackbench.models.lab import Validation

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path

    from .conftest import LabControl


def probe(lab: LabControl, path: Path, hosts: str, status: int) -> dict[str, Any]:
    """Return the findings by host."""
    done = lab.tool("rackbench", "validate", "-i", path, "--host", hosts, "--scope", "connectivity", "--json")
    assert done.returncode == status, done.stdout + done.stderr
    report = Validation.model_validate_json(done.stdout)
    assert report.ok == (status == 0)
    return {item["host"]: item for item in json.loads(done.stdout)["hosts"]}


def found(item: dict[str, Any]) -> tuple[Any, ...]:
    return item["failed_at"], item["cause"], item["code"]


def test_every_hop_of_every_host_is_passed_and_timed(lab: LabControl) -> None:
    done = lab.tool("rackbench", "validate", "--scope", "connectivity", "--json")
    assert done.returncode == 0, done.stdout + done.stderr
    hosts = {item["host"]: item for item in json.loads(done.stdout)["hosts"]}
    assert hosts["skadi"]["route"] == ["thor", "loki", "skadi"]
    logins = [check for check in hosts["skadi"]["checks"] if check["name"] == "login"]
    assert [check["at"] for check in logins] == ["thor", "loki", "skadi"]
    assert all(check["duration_s"] > 0 for check in logins)


def test_a_wrong_password_is_one_failed_login_for_all_hosts(
    lab: LabControl, lab_file: Callable[..., Path]
) -> None:
    def change(document: dict[str, Any]) -> None:
        document["auth_refs"]["thor-password"]["command"] = ["echo", "certainly-wrong"]

    before = lab.failed_logins("thor")
    hosts = probe(lab, lab_file(change), "thor,loki,turind8,skadi", 3)
    assert {found(item) for item in hosts.values()} == {("thor", "auth", "auth_refused")}
    assert lab.failed_logins("thor") == before + 1


def test_a_missing_secret_is_in_the_report(lab: LabControl, lab_file: Callable[..., Path]) -> None:
    def change(document: dict[str, Any]) -> None:
        document["auth_refs"]["thor-password"] = {
            "type": "password_env",
            "variable": "RACKBENCH_TEST_NOT_SET",
        }

    hosts = probe(lab, lab_file(change), "skadi", 3)
    assert found(hosts["skadi"]) == ("thor", "missing secret", "missing_secret")


def test_a_refused_port_and_a_wrong_name_are_told_apart(
    lab: LabControl, lab_file: Callable[..., Path]
) -> None:
    def change(document: dict[str, Any]) -> None:
        document["hosts"]["turind8"]["port"] = 9
        document["hosts"]["far"] = {"hostname": "no..name", "user": "x"}

    hosts = probe(lab, lab_file(change), "turind8,far", 3)
    assert found(hosts["turind8"]) == ("turind8", "network", "host_unreachable")
    assert found(hosts["far"]) == ("far", "name", "host_unreachable")


def test_a_hop_that_is_cut_off_is_named_and_the_others_pass(
    broken_lab: LabControl, lab_file: Callable[..., Path]
) -> None:
    broken_lab("cut", "loki")
    hosts = probe(broken_lab, lab_file(), "turind8,skadi", 3)
    assert hosts["turind8"]["ok"]
    assert hosts["skadi"]["failed_at"] == "loki"
    assert hosts["skadi"]["code"] == "hop_unreachable"


def test_a_target_without_python_is_named(broken_lab: LabControl, lab_file: Callable[..., Path]) -> None:
    broken_lab("hide-python", "turind8")
    hosts = probe(broken_lab, lab_file(), "turind8", 3)
    assert found(hosts["turind8"]) == ("turind8", "Python", "target_python_missing")


def test_sudo_that_asks_without_a_password_is_a_failure_only_where_sudo_is_wanted(
    lab: LabControl, lab_file: Callable[..., Path]
) -> None:
    def careful(document: dict[str, Any]) -> None:
        document["hosts"]["turind8"]["user"] = "careful"

    def wanted(document: dict[str, Any]) -> None:
        careful(document)
        document["hosts"]["turind8"]["vars"] = {"ansible_become": True}

    def wrong(document: dict[str, Any]) -> None:
        careful(document)
        document["auth_refs"]["sudo"] = {"type": "command", "command": ["echo", "certainly-wrong"]}
        document["hosts"]["turind8"]["become"] = {"auth_ref": "sudo"}

    assert probe(lab, lab_file(careful), "turind8", 0)["turind8"]["ok"]
    for change in (wanted, wrong):
        hosts = probe(lab, lab_file(change), "turind8", 3)
        assert found(hosts["turind8"]) == ("turind8", "become", "become_failed")


def test_the_playbook_says_the_same_and_fails_the_host(
    lab: LabControl, lab_file: Callable[..., Path]
) -> None:
    done = lab.tool("ansible-playbook", "playbooks/validate.yml", "-l", "turind8,skadi")
    assert done.returncode == 0, done.stdout + done.stderr
    assert "skadi: ok in " in done.stdout

    def change(document: dict[str, Any]) -> None:
        document["hosts"]["turind8"]["port"] = 9

    done = lab.tool(
        "ansible-playbook", "-i", lab_file(change), "playbooks/validate.yml", "-l", "turind8,skadi"
    )
    assert done.returncode == 2
    assert "turind8: network [host_unreachable]" in done.stdout
    assert "skadi: ok in " in done.stdout


def test_an_unknown_host_is_refused_before_anything_is_dialled(lab: LabControl) -> None:
    done = lab.tool("rackbench", "validate", "--host", "turind9")
    assert done.returncode == 2
    assert "did you mean 'turind8'?" in done.stderr


def test_keys_are_enrolled_through_the_chain(
    lab: LabControl, lab_file: Callable[..., Path], tmp_path: Path
) -> None:
    known = tmp_path / "keys" / "known_hosts"

    def change(document: dict[str, Any]) -> None:
        document["known_hosts"] = str(known)

    path = lab_file(change)
    assert probe(lab, path, "skadi", 3)["skadi"]["code"] == "host_key_unknown"
    done = lab.tool("rackbench", "hosts", "enroll", "-i", path, "--host", "skadi", "--yes")
    assert done.returncode == 0, done.stdout + done.stderr
    assert done.stderr.count("SHA256:") == 3
    assert [line.split()[0] for line in known.read_text().splitlines()[1:]] == ["thor", "loki", "skadi"]
    assert probe(lab, path, "skadi", 0)["skadi"]["ok"]
