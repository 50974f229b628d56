# SPDX-License-Identifier: Apache-2.0
"""A benchmark that runs on the controller reaches hosts behind a jump box with a password, and never sees that."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING

import pytest

from tests.integration import made_up, reaching
from tests.lab.at_work import check_left_behind, make_lab_project

if TYPE_CHECKING:
    from tests.integration.harness import LabProject
    from tests.lab.conftest import LabControl

pytestmark = pytest.mark.full

USERS = {"turind8": ("10.77.2.20", 22, "deploy"), "skadi": ("10.77.3.30", 2222, "ops")}


@pytest.fixture(scope="module")
def checkout(lab: LabControl, tmp_path_factory: pytest.TempPathFactory) -> LabProject:
    """A checkout in which both hosts were measured at once from here, for some seconds."""
    project = make_lab_project(tmp_path_factory.mktemp("controller"))
    # Long enough that the looks of one execution fall together with the logins of the other host.
    reaching.add(project, made_up.family(seconds=5))
    done = project.rackbench("run", "--host", "turind8,skadi", "--benchmarks", "made-up")
    assert done.rc == 0, done.said
    return project


@pytest.mark.parametrize("host", USERS)
def test_the_program_runs_here_and_its_commands_on_the_host_behind_the_jump_box(
    checkout: LabProject, lab: LabControl, host: str
) -> None:
    run = check_left_behind(checkout, checkout.run(host).path)
    facts = reaching.facts_of(run)
    hostname, port, user = USERS[host]
    assert facts["there"][:2] == [host, user]
    assert Path(facts["argv"][0]).is_relative_to((checkout.root / ".rackbench/store").resolve())
    target = facts["target"]
    assert (target["name"], target["connection"]) == (host, "ssh")
    assert (target["hostname"], target["port"], target["user"]) == (hostname, port, user)
    assert {record["where"] for record in run.records("command")} == {"controller"}
    # No bundle and no job was put on the host.
    (row,) = [each for each in run.records("transfer") if each["direction"] == "upload"]
    assert row["destination"].startswith(str(checkout.root))
    digest = Path(facts["argv"][0]).parents[1].name
    found = lab("exec", host, "sh", "-c", f"find / -xdev -name {digest} 2>/dev/null || true")
    assert found == ""


@pytest.mark.parametrize("host", USERS)
def test_the_password_of_the_jump_box_is_in_nothing_that_the_program_sees_or_leaves(
    checkout: LabProject, lab: LabControl, host: str
) -> None:
    secret = (lab.secrets / "thor.pw").read_bytes().strip()
    assert len(secret) >= 10
    run = checkout.run(host)
    seen = (run.path / "benchmarks/made-up/made-up.only.1/seen.txt").read_bytes()
    # It looked at the right moment: the command lines of Ansible and of the ssh that logged in were among them.
    for word in ("ansible", "thor+dial", f"{host}+dial"):
        assert word.encode() in seen
    for folder in (run.path, checkout.root / ".rackbench", checkout.home):
        for path in (row for row in folder.rglob("*") if row.is_file()):
            assert secret not in path.read_bytes(), path


def test_the_program_can_log_in_anew_and_the_password_stays_with_the_controller(
    lab: LabControl, tmp_path: Path
) -> None:
    def logins() -> int:
        lab("exec", "thor", "journalctl", "--sync")
        journal = lab("exec", "thor", "journalctl", "-o", "cat", "--no-pager", "-t", "sshd")
        return journal.count("Accepted password for jump")

    project = make_lab_project(tmp_path)
    reaching.add(project, made_up.family(forget=["turind8", "thor"]))
    before = logins()
    done = project.rackbench("run", "--host", "turind8", "--benchmarks", "made-up")
    assert done.rc == 0, done.said
    assert reaching.facts_of(project.run("turind8"))["there"][0] == "turind8"
    # The run, the program, and the run again at its end: what the program opened is ended with the program.
    assert logins() == before + 3
    secret = (lab.secrets / "thor.pw").read_bytes().strip()
    for path in (row for row in tmp_path.rglob("*") if row.is_file() and not row.is_symlink()):
        assert secret not in path.read_bytes(), path
