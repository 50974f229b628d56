# SPDX-License-Identifier: Apache-2.0
"""`rackbench validate` and `playbooks/validate.yml` against the lab, whole and broken."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING, Any

import jsonschema
import pytest
from rackbench.models.validation import Validation

from tests.integration import made_up
from tests.lab.at_work import make_lab_project

from .conftest import ROOT

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path

    from tests.integration.harness import LabProject

    from .conftest import LabControl

pytestmark = pytest.mark.full

# What is asked of a host that is not reached stands in the report as it would be looked for.
EXPECTED = [{"command": "python3", "package": "python3", "required": True, "checked": False, "found": None}]


@pytest.fixture(scope="module")
def checkout(lab: LabControl, tmp_path_factory: pytest.TempPathFactory) -> LabProject:
    """A checkout that reaches the lab, with the made-up benchmark and its bundle."""
    project = make_lab_project(tmp_path_factory.mktemp("validate"))
    made_up.add(project, families=[made_up.family()])
    return project


def look(
    project: LabProject, scope: str, hosts: str, status: int, *more: str | Path
) -> dict[str, dict[str, Any]]:
    """Return what is found of the made-up benchmark's readiness, by host."""
    done = project.rackbench(
        "validate", "--scope", scope, "--host", hosts, "--benchmarks", "made-up", "--json", *more
    )
    assert done.rc == status, done.said
    report = json.loads(done.stdout)
    schema = json.loads((ROOT / "docs/reference/schemas/validation.schema.json").read_text())
    jsonschema.validate(report, schema)
    return {item["host"]: item for item in report["hosts"]}


def readiness(item: dict[str, Any]) -> tuple[str, str, str]:
    (benchmark,) = item["staging"]["benchmarks"]
    record = benchmark["readiness"]
    return record["status"], record["status_basis"], record["readiness_basis"]


def expected(item: dict[str, Any]) -> list[dict[str, Any]]:
    """Return the commands of a report, without what only some kinds of them have."""
    (benchmark,) = item["staging"]["benchmarks"]
    return [{name: each[name] for name in EXPECTED[0]} for each in benchmark["readiness"]["commands"]]


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
    done = lab.tool("rackbench", "hosts", "enroll", "-i", path, "--host", "skadi", "--yes", "--json")
    assert done.returncode == 0, done.stdout + done.stderr
    enrolled = json.loads((ROOT / "docs/reference/schemas/hosts-enrolled.schema.json").read_text())
    jsonschema.validate(json.loads(done.stdout), enrolled)
    assert [machine["state"] for machine in json.loads(done.stdout)["machines"]] == ["recorded"] * 3
    assert done.stderr.count("SHA256:") == 3
    assert [line.split()[0] for line in known.read_text().splitlines()[1:]] == ["thor", "loki", "skadi"]
    assert probe(lab, path, "skadi", 0)["skadi"]["ok"]


def test_scope_all_says_how_hosts_are_reached_and_whether_they_are_ready(checkout: LabProject) -> None:
    hosts = look(checkout, "all", "turind8,skadi", 0)
    for host in ("turind8", "skadi"):
        assert [check["at"] for check in hosts[host]["checks"] if check["name"] == "login"][-1] == host
        assert readiness(hosts[host]) == ("ready_with_local_bundle", "dist", "live_probe")
        assert (checkout.root / hosts[host]["staging"]["evidence"]).is_file()
        assert checkout.runs(host) == []


def test_staging_contacts_no_host_and_knows_what_the_last_preflight_saw(
    broken_lab: LabControl, checkout: LabProject
) -> None:
    before = look(checkout, "staging", "turind8", 0)["turind8"]
    assert readiness(before) == ("ready_with_local_bundle", "dist", "none")
    assert before["checks"] == []
    done = checkout.playbook("-e", "lab_benchmarks=made-up", "-e", "lab_phases=preflight", host="turind8")
    assert done.rc == 0, done.said
    broken_lab("cut", "thor")
    after = look(checkout, "staging", "turind8", 0)["turind8"]
    assert readiness(after) == ("ready_with_local_bundle", "dist", "cached_preflight")
    assert after["staging"]["platform"]["hostname"] == "turind8"

    gone = look(checkout, "all", "turind8", 3)["turind8"]
    assert found(gone) == ("thor", gone["cause"], "hop_unreachable")
    assert readiness(gone) == ("unreachable", "connectivity", "live_probe")
    assert expected(gone) == EXPECTED


def test_a_wrong_password_is_tried_once_in_scope_all_and_the_report_is_whole(
    lab: LabControl, checkout: LabProject, lab_file: Callable[..., Path]
) -> None:
    def change(document: dict[str, Any]) -> None:
        document["auth_refs"]["thor-password"]["command"] = ["echo", "certainly-wrong"]

    before = lab.failed_logins("thor")
    hosts = look(checkout, "all", "thor,skadi", 3, "-i", lab_file(change))
    assert {found(item) for item in hosts.values()} == {("thor", "auth", "auth_refused")}
    assert {readiness(item)[0] for item in hosts.values()} == {"unreachable"}
    assert lab.failed_logins("thor") == before + 1


def test_a_missing_secret_keeps_what_would_have_been_looked_for(
    checkout: LabProject, lab_file: Callable[..., Path]
) -> None:
    def change(document: dict[str, Any]) -> None:
        document["auth_refs"]["thor-password"] = {
            "type": "password_env",
            "variable": "RACKBENCH_TEST_NOT_SET",
        }

    path = lab_file(change)
    host = look(checkout, "all", "skadi", 3, "-i", path)["skadi"]
    assert found(host) == ("thor", "missing secret", "missing_secret")
    assert readiness(host)[0] == "unreachable"
    assert expected(host) == EXPECTED
    done = checkout.command(
        "ansible-playbook", "-i", path, "playbooks/validate.yml", "-l", "skadi", "-e", "lab_scope=all"
    )
    assert done.rc == 2, done.said
    assert "skadi: thor: missing secret [missing_secret]" in done.stdout.replace("FAILED! => ", "")
