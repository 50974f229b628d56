# SPDX-License-Identifier: Apache-2.0
"""Two operators and one machine: the second is told who has it, waits for it, or steals it for a reason."""

from __future__ import annotations

import json
import os
import shutil
import time
from typing import TYPE_CHECKING, Any

import pytest

from tests.integration import made_up
from tests.integration.harness import LabProject, Run, make_project

if TYPE_CHECKING:
    import subprocess
    from collections.abc import Callable, Iterator
    from pathlib import Path

PATIENCE_S = 300
TTL_S = 1800


class Operators:
    """Ann and Bob have projects of their own on one machine. Ann's benchmark has two executions and waits in each."""

    def __init__(self, folder: Path) -> None:
        (folder / "ann").mkdir()
        (folder / "bob").mkdir()
        self.folder = folder
        self.lease = folder / "lease/lease.json"
        self.ann = self.project("ann", [self.waiting("one"), self.waiting("two")])
        self.bob = self.project("bob", [made_up.family()])
        self.started: list[subprocess.Popen[str]] = []

    def project(self, name: str, families: list[dict[str, Any]]) -> LabProject:
        project = make_project(self.folder / name)
        made_up.add(project, families=families)
        # The project's own lab_lease_dir would hide them from each other.
        (project.root / "playbooks/group_vars/all.yml").write_text(f"lab_lease_dir: {self.lease.parent}\n")
        return project

    def waiting(self, name: str) -> dict[str, Any]:
        return made_up.family(name, until=str(self.folder / name), count=str(self.folder / "count"))

    def let_end(self, *names: str) -> None:
        """Let executions of Ann's come to their end."""
        for name in names:
            (self.folder / name).touch()

    def ann_at_work(self) -> subprocess.Popen[str]:
        """Start Ann's run and return when its first execution runs."""
        process = self.ann.start("rackbench", "run", "--host", "local", "--benchmarks", "made-up")
        self.started.append(process)
        until((self.folder / "count").exists, process)
        return process

    def clear(self) -> None:
        """End what still runs, and forget it."""
        self.let_end("one", "two")
        for process in self.started:
            process.communicate(timeout=PATIENCE_S)
        for name in ("one", "two", "count"):
            (self.folder / name).unlink(missing_ok=True)
        for project in (self.ann, self.bob):
            shutil.rmtree(project.root / "automation-runs", ignore_errors=True)
        shutil.rmtree(self.lease.parent, ignore_errors=True)


def until(condition: Callable[[], object], process: subprocess.Popen[str]) -> None:
    """Wait for something that a process brings about."""
    deadline = time.monotonic() + PATIENCE_S
    while not condition():
        assert process.poll() is None, process.communicate()
        assert time.monotonic() < deadline
        time.sleep(0.05)


def leases(run: Run) -> list[tuple[str, str | None]]:
    """Return what the journal has of the lease, each with the other one's run."""
    return [
        (record["state"], record["holder"] and record["holder"]["run_id"]) for record in run.records("lease")
    ]


def failures(run: Run) -> list[dict[str, Any]]:
    """Return why steps failed."""
    return [record["failure"] for record in run.records("step.ended") if record.get("failure")]


@pytest.fixture(scope="module")
def both(tmp_path_factory: pytest.TempPathFactory) -> Operators:
    return Operators(tmp_path_factory.mktemp("operators"))


@pytest.fixture
def operators(both: Operators) -> Iterator[Operators]:
    yield both
    both.clear()


@pytest.mark.full
def test_the_second_operator_is_told_who_has_the_host_for_what_and_until_when(operators: Operators) -> None:
    process = operators.ann_at_work()
    holder = json.loads(operators.lease.read_text())
    refused = operators.bob.rackbench("run", "--host", "local", "--benchmarks", "made-up")
    assert refused.rc == 3, refused.said
    run = operators.bob.run()
    (failure,) = failures(run)
    assert failure["code"] == "lease_held"
    for part in (holder["owner"], holder["run_id"], "made-up", holder["taken_at"], "and until 20"):
        assert part in failure["message"]
    assert failure["next_command"] == f"rackbench resume --run-dir {run.path} --wait"
    assert leases(run) == [("refused", holder["run_id"])]
    assert 0 < run.records("lease")[0]["expires_in_s"] <= TTL_S

    listed = json.loads(operators.bob.rackbench("lease", "list", "--host", "local", "--json").stdout)
    assert listed["hosts"][0]["holder"]["lease_id"] == holder["lease_id"]
    kept = operators.bob.rackbench("lease", "release", "--host", "local", "--json")
    assert kept.rc == 3
    assert json.loads(kept.stdout)["hosts"][0]["code"] == "lease_held"

    operators.let_end("one", "two")
    said, _errors = process.communicate(timeout=PATIENCE_S)
    assert process.returncode == 0, said
    assert leases(operators.ann.run()) == [("taken", None), ("released", None)]
    assert not operators.lease.exists()


@pytest.mark.full
def test_with_wait_the_run_starts_when_the_host_is_free(operators: Operators) -> None:
    ann = operators.ann_at_work()
    bob = operators.bob.start("rackbench", "run", "--host", "local", "--benchmarks", "made-up", "--wait")
    operators.started.append(bob)

    def waits() -> bool:
        beats = operators.bob.root.glob("automation-runs/*/local/*/state/live/host.discover.json")
        return any("waiting for the lease of" in path.read_text() for path in beats)

    until(waits, bob)
    status = json.loads(operators.bob.rackbench("status", "--json").stdout)
    assert status["state"] == "running"
    assert status["alerts"]["primary"] is None, status["alerts"]
    operators.let_end("one", "two")
    said, _errors = bob.communicate(timeout=PATIENCE_S)
    assert bob.returncode == 0, said
    ann.communicate(timeout=PATIENCE_S)
    owner = operators.ann.run().records("run.opened")[0]["run_id"]
    assert leases(operators.bob.run()) == [("waiting", owner), ("taken", None), ("released", None)]


@pytest.mark.full
def test_a_run_that_waits_ends_when_it_is_stopped(operators: Operators) -> None:
    operators.ann_at_work()
    bob = operators.bob.start("rackbench", "run", "--host", "local", "--benchmarks", "made-up", "--wait")
    operators.started.append(bob)
    until(lambda: list(operators.bob.root.glob("automation-runs/*/local/*/state/live/host.*")), bob)
    run = operators.bob.run()
    (run.path / "control").mkdir(exist_ok=True)
    request = {
        "schema": "rackbench.control/1.0",
        "id": "a",
        "action": "stop",
        "by": "bob@desk",
        "reason": "lunch",
    }
    (run.path / "control/a.tmp").write_text(
        json.dumps({**request, "requested_at": "2026-11-21T08:00:00.000Z"})
    )
    (run.path / "control/a.tmp").rename(run.path / "control/a.json")
    bob.communicate(timeout=PATIENCE_S)
    assert run.status["state"] == "cancelled"
    assert run.states["host.discover"] == "cancelled"
    assert json.loads(operators.lease.read_text())["run_id"] != run.records("run.opened")[0]["run_id"]


def test_a_theft_needs_a_reason_before_anything_is_begun(operators: Operators) -> None:
    for arguments in (["--steal"], ["--reason", "because"], ["-e", "lab_steal=true"]):
        refused = operators.bob.rackbench("run", "--host", "local", "--benchmarks", "made-up", *arguments)
        assert refused.rc == 2, refused.said
        assert not operators.bob.runs()


@pytest.mark.full
def test_a_theft_is_recorded_and_the_robbed_run_starts_no_further_job(operators: Operators) -> None:
    process = operators.ann_at_work()
    robbed = json.loads(operators.lease.read_text())["run_id"]
    stolen = operators.bob.rackbench(
        "run", "--host", "local", "--benchmarks", "made-up", "--steal", "--reason", "her desk burns"
    )
    assert stolen.rc == 0, stolen.said
    run = operators.bob.run()
    assert leases(run) == [("stolen", robbed), ("released", None)]
    assert run.records("lease")[0]["reason"] == "her desk burns"
    # Another one comes after him.
    eve = {"lease_id": "eve-1", "run_id": "eve", "owner": "eve@cafe", "purpose": "latency", "ttl_s": TTL_S}
    operators.lease.write_text(json.dumps({"schema": "rackbench.lease/1.0", "taken_at": None, **eve}))

    operators.let_end("one", "two")
    process.communicate(timeout=PATIENCE_S)
    assert process.returncode == 3
    run = operators.ann.run()
    failure = failures(run)[0]
    assert failure["code"] == "lease_lost"
    assert "eve@cafe" in failure["message"]
    assert (operators.folder / "count").read_text().splitlines() == ["made-up.one.1"]
    assert leases(run) == [("taken", None), ("lost", "eve")]
    assert json.loads(operators.lease.read_text())["run_id"] == "eve"


@pytest.mark.full
def test_what_expired_is_taken_and_what_is_no_lease_is_kept_aside(operators: Operators) -> None:
    operators.lease.parent.mkdir(mode=0o1777)
    operators.lease.write_text("no lease")
    done = operators.bob.rackbench("run", "--host", "local", "--benchmarks", "made-up")
    assert done.rc == 0, done.said
    (kept,) = operators.lease.parent.glob("lease.broken-*.json")
    assert kept.read_text() == "no lease"
    assert str(kept) in operators.bob.run().records("lease")[0]["reason"]

    gone = {"lease_id": "a-1", "run_id": "a", "owner": "a@b", "purpose": "", "taken_at": None, "ttl_s": TTL_S}
    operators.lease.write_text(json.dumps({"schema": "rackbench.lease/1.0", **gone}))
    long_ago = time.time() - TTL_S - 60
    os.utime(operators.lease, (long_ago, long_ago))
    listed = operators.bob.rackbench("lease", "list", "--host", "local")
    assert "expired" in listed.stdout
    done = operators.bob.rackbench("run", "--host", "local", "--benchmarks", "made-up")
    assert done.rc == 0, done.said
    assert leases(operators.bob.runs()[-1]) == [("taken", None), ("released", None)]


def test_a_lease_that_is_not_given_back_is_removed_by_hand(operators: Operators) -> None:
    operators.lease.parent.mkdir(mode=0o1777)
    lost = {"lease_id": "a-1", "run_id": "a", "owner": "a@\x1b[31mb", "purpose": "", "ttl_s": TTL_S}
    operators.lease.write_text(json.dumps({"schema": "rackbench.lease/1.0", "taken_at": None, **lost}))
    refused = operators.bob.rackbench("lease", "release", "--host", "local")
    assert refused.rc == 3
    assert "a@?[31mb" in refused.stdout
    assert "\x1b" not in refused.said
    # A run may have had its lease elsewhere.
    elsewhere = f"lab_lease_dir={operators.folder / 'elsewhere'}"
    listed = operators.bob.rackbench("lease", "list", "--host", "local", "-e", elsewhere, "--json")
    assert json.loads(listed.stdout)["hosts"][0]["holder"] is None
    without = operators.bob.rackbench("lease", "release", "--host", "local", "--steal")
    assert without.rc == 2
    stolen = operators.bob.rackbench(
        "lease", "release", "--host", "local", "--steal", "--reason", "scrapped", "--json"
    )
    assert stolen.rc == 0, stolen.said
    answer = json.loads(stolen.stdout)
    assert (answer["reason"], answer["hosts"][0]["stolen_from"]["run_id"]) == ("scrapped", "a")
    assert not operators.lease.exists()


@pytest.mark.full
def test_the_playbook_says_whose_lease_is_there_and_who_was_robbed(operators: Operators) -> None:
    operators.lease.parent.mkdir(mode=0o1777)
    lost = {"lease_id": "a-1", "run_id": "a", "owner": "a@b", "purpose": "", "ttl_s": TTL_S}
    operators.lease.write_text(json.dumps({"schema": "rackbench.lease/1.0", "taken_at": None, **lost}))
    theft = {"lab_lease": "released", "lab_steal": True, "lab_steal_reason": "scrapped"}
    for asked, robbed in (
        ({}, False),
        ({"lab_lease": "read"}, False),
        ({"lab_lease": "released"}, False),
        (theft, True),
    ):
        done = operators.bob.command(
            "ansible-playbook", "playbooks/lease.yml", "-l", "local", "-e", json.dumps(asked)
        )
        assert done.rc == 0, done.said
        assert done.stdout.count('"run_id": "a"') == 1
        assert ('"holder": null' in done.stdout) == robbed
        assert ('"stolen_from": null' in done.stdout) != robbed
    assert not operators.lease.exists()


def test_a_dry_run_takes_no_lease(operators: Operators) -> None:
    done = operators.bob.rackbench("run", "--host", "local", "--benchmarks", "made-up", "--check")
    assert done.rc == 0, done.said
    assert not operators.lease.parent.exists()


def test_a_lease_that_cannot_be_given_back_does_not_cost_the_exports(operators: Operators) -> None:
    process = operators.ann_at_work()
    operators.let_end("one")
    until(lambda: (operators.folder / "count").read_text().count("\n") == 2, process)
    place = operators.lease.parent
    place.rename(place.with_name("moved"))
    place.symlink_to("moved")
    operators.let_end("two")
    process.communicate(timeout=PATIENCE_S)
    place.unlink()
    shutil.rmtree(place.with_name("moved"))
    assert process.returncode == 3
    run = operators.ann.run()
    (failure,) = failures(run)
    assert (failure["code"], run.states["host.finalize"]) == ("left_behind", "failed")
    assert "rackbench recover" in failure["next_command"]
    assert leases(run) == [("taken", None), ("taken", None)]
    assert len(run.document("exports/results.json")["executions"]) == 2


@pytest.mark.full
def test_a_benchmark_on_the_controller_renews_the_lease_of_its_host_and_needs_it(
    project: LabProject, tmp_path: Path
) -> None:
    bundle = {**made_up.ADAPTER["bundle"], "runs_on": "controller"}
    wait = {name: made_up.family(name, until=str(tmp_path / name)) for name in ("one", "two")}
    made_up.add(project, families=list(wait.values()), bundle=bundle)
    # It renews ten minutes later otherwise.
    plugin = project.root / "plugins/plugin_utils/_lease.py"
    plugin.write_text(plugin.read_text().replace("RENEW_S = 600.0", "RENEW_S = 0.0"))
    lease = project.home / "lease/lease.json"
    process = project.start("rackbench", "run", "--host", "local", "--benchmarks", "made-up")
    until(lambda: list(project.root.glob("automation-runs/*/local/*/state/live/made-up.one.1.json")), process)
    long_ago = time.time() - 1000
    os.utime(lease, (long_ago, long_ago))
    until(lambda: time.time() - lease.stat().st_mtime < 900, process)

    eve = {"lease_id": "eve-1", "run_id": "eve", "owner": "eve@cafe", "purpose": "latency", "ttl_s": TTL_S}
    # In one step: an empty file is a lease that was given back.
    theft = tmp_path / "lease.json"
    theft.write_text(json.dumps({"schema": "rackbench.lease/1.0", "taken_at": None, **eve}))
    theft.replace(lease)
    (tmp_path / "one").touch()
    process.communicate(timeout=PATIENCE_S)
    assert process.returncode == 3
    failure = failures(project.run())[0]
    assert failure["code"] == "lease_lost"
    assert "eve@cafe" in failure["message"]
    # The one that ran when the lease was lost came to its end.
    assert leases(project.run()) == [("taken", None), ("lost", None)]
    assert "eve@cafe" in project.run().records("lease")[1]["reason"]
    assert project.run().records("execution.ended")[0]["outcome"] == "passed"
    assert [row["execution"] for row in project.run().records("execution.began")] == ["made-up.one.1"]
