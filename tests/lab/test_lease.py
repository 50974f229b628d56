# SPDX-License-Identifier: Apache-2.0
"""Two users of one host, each with an account of his own there: they see and respect each other's lease."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING, Any

import pytest

from tests.integration import made_up
from tests.lab.at_work import failure_of, finish, make_lab_project, wait_for

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator
    from pathlib import Path

    from tests.integration.harness import LabProject
    from tests.lab.conftest import LabControl

pytestmark = pytest.mark.full

HOST = "turind8"
PLACE = "/var/tmp/rackbench"
FILE = f"{PLACE}/lease.json"
GO = "/tmp/lease-go"
TTL_S = 1800
CALL = ("-e", f"lab_lease_dir={PLACE}", "--benchmarks", "made-up")


class Users:
    """deploy and careful: two accounts of the host, and for each of them a lab file that logs in as he."""

    def __init__(self, lab: LabControl, lab_files: dict[str, Path]) -> None:
        self.lab = lab
        self.lab_files = lab_files

    def lease(self, user: str, state: str, **arguments: Any) -> dict[str, Any]:
        """Call the module as one of them, for a run with his name."""
        wish = {"lease_id": f"{user}-1", "run_id": user, "owner": f"{user}@desk", "purpose": "latency"}
        return self._call(user, "lease", state=state, **wish, **arguments)

    def look(self, user: str) -> dict[str, Any]:
        """Look at the lease as one of them."""
        return self._call(user, "lease_info")

    def _call(self, user: str, module: str, **arguments: Any) -> dict[str, Any]:
        given = json.dumps({"dir": PLACE, **arguments})
        done = self.lab.tool(
            "ansible", HOST, "-i", self.lab_files[user], "-m", f"rackbench.lab.{module}", "-a", given, "-o",
            env={"ANSIBLE_STDOUT_CALLBACK": "ansible.builtin.minimal"},
        )  # fmt: skip
        assert done.returncode == 0, done.stdout + done.stderr
        answer: dict[str, Any] = json.loads(done.stdout[done.stdout.index("{") :])
        return answer

    def holder(self) -> str | None:
        """Return who has the host, as each of the two sees it."""
        seen = {self._seen_by(user) for user in self.lab_files}
        assert len(seen) == 1, seen
        return seen.pop()

    def _seen_by(self, user: str) -> str | None:
        found = self.look(user)
        return found["holder"]["run_id"] if found["holder"] and found["expires_in_s"] else None

    def owner_of_file(self) -> str:
        """Return the account that the file belongs to."""
        return self.lab("exec", HOST, "stat", "-c", "%U %a", FILE).strip()


@pytest.fixture
def clean(lab: LabControl) -> Iterator[LabControl]:
    """The lab without a lease on the host, before and after."""
    lab("exec", HOST, "rm", "-rf", PLACE, GO)
    yield lab
    lab("exec", HOST, "touch", GO)
    lab("exec", HOST, "rm", "-rf", PLACE, GO)


def login_as(user: str) -> Callable[[dict[str, Any]], None]:
    """Return a change of the lab file: the host's account."""

    def change(document: dict[str, Any]) -> None:
        document["hosts"][HOST]["user"] = user

    return change


@pytest.fixture
def users(clean: LabControl, lab_file: Callable[..., Path]) -> Users:
    files = {}
    for user in ("deploy", "careful"):
        made = lab_file(login_as(user))
        files[user] = made.rename(made.with_name(f"{user}.lab.yml"))
    return Users(clean, files)


def test_a_lease_of_one_account_goes_from_hand_to_hand(users: Users) -> None:
    assert users.lease("deploy", "taken")["held"]
    assert users.owner_of_file() == "deploy 666"
    refused = users.lease("careful", "taken")
    assert (refused["held"], refused["holder"]["owner"]) == (False, "deploy@desk")
    assert not users.lease("careful", "released")["changed"]
    assert users.holder() == "deploy"

    # What the other account made can be taken over, renewed and given back, though not replaced or removed.
    users.lab("exec", HOST, "touch", "-d", f"-{TTL_S + 60} seconds", FILE)
    assert users.holder() is None
    assert users.lease("careful", "taken")["changed"]
    assert users.owner_of_file() == "deploy 666"
    users.lab("exec", HOST, "touch", "-d", f"-{TTL_S - 120} seconds", FILE)
    assert users.lease("careful", "taken")["held"]
    assert users.look("deploy")["expires_in_s"] > 120
    assert users.holder() == "careful"
    assert users.lease("careful", "released")["changed"]
    assert users.holder() is None

    stolen = users.lease("careful", "taken")
    assert stolen["held"]
    stolen = users.lease("deploy", "taken", steal=True, reason="a test")
    assert stolen["stolen_from"]["run_id"] == "careful"
    assert users.lease("deploy", "released")["changed"]


def test_rubbish_of_another_account_is_kept_aside(users: Users) -> None:
    users.lease("deploy", "taken")
    users.lab("exec", HOST, "sh", "-c", f"echo rubbish > {FILE}")
    taken = users.lease("careful", "taken")
    assert taken["held"]
    assert users.lab("exec", HOST, "cat", taken["kept_aside"]) == "rubbish\n"


def test_a_run_of_one_account_holds_up_the_run_of_another_until_it_ends(
    clean: LabControl, tmp_path: Path
) -> None:
    projects: dict[str, LabProject] = {}
    for user, family in (("deploy", made_up.family(until=GO)), ("careful", made_up.family())):
        (tmp_path / user).mkdir()
        projects[user] = make_lab_project(tmp_path / user)
        made_up.add(projects[user], families=[family])
        inventory = projects[user].root / "inventories/lab/lab.yml"
        inventory.write_text(inventory.read_text().replace("user: deploy", f"user: {user}"))
    deploy, careful = projects["deploy"], projects["careful"]

    first = deploy.start("rackbench", "run", "--host", HOST, *CALL)
    wait_for(lambda: beats(deploy), first)
    refused = careful.rackbench("run", "--host", HOST, *CALL)
    assert refused.rc == 3, refused.said
    failure = failure_of(careful.run(HOST), "host.discover")
    assert failure["code"] == "lease_held"
    assert deploy.run(HOST).records("run.opened")[0]["run_id"] in failure["message"]

    waiting = careful.start("rackbench", "run", "--host", HOST, *CALL, "--wait")
    wait_for(lambda: waits(careful), waiting)
    clean("exec", HOST, "touch", GO)
    done = finish(first)
    assert done.rc == 0, done.said
    done = finish(waiting)
    assert done.rc == 0, done.said
    states = [record["state"] for record in careful.runs(HOST)[-1].records("lease")]
    assert states == ["waiting", "taken", "released"]
    assert clean("exec", HOST, "ls", PLACE).split() == ["lease.lock"]


def beats(project: LabProject) -> list[Path]:
    """Return the live beats of executions."""
    return [path for run in project.runs(HOST) for path in run.path.glob("state/live/made-up.only.1.json")]


def waits(project: LabProject) -> bool:
    """Say whether the newest run tells that it waits for the lease."""
    path = project.runs(HOST)[-1].path / "state/live/host.discover.json"
    return path.exists() and "waiting for the lease of" in path.read_text()
