# SPDX-License-Identifier: Apache-2.0
"""The store of bundles on hosts behind jump boxes: killed uploads, runs at the same time, pruning and cleaning."""

from __future__ import annotations

import json
import os
import random
import signal
from typing import TYPE_CHECKING, Any

import pytest
from rackbench.models.store import StoreReport

from tests.integration import made_up
from tests.lab.at_work import finish, make_lab_project, wait_for

if TYPE_CHECKING:
    from tests.integration.harness import Done, LabProject
    from tests.lab.conftest import LabControl

pytestmark = pytest.mark.full

HOST, HOME = "turind8", "/home/deploy"
ROOT = f"{HOME}/.rackbench"
PLAN = ("-e", "lab_benchmarks=made-up", "-e", "lab_families=made-up:only")
STAGE = (*PLAN, "-e", "lab_phases=stage")
# At 2000 kbit/s, more than a minute: time to be killed in the middle.
TABLE_BYTES = 16_000_000
SLOW_KBIT = "2000"


@pytest.fixture(scope="module")
def checkout(lab: LabControl, tmp_path_factory: pytest.TempPathFactory) -> LabProject:
    """A checkout that reaches the lab, with a made-up benchmark whose bundle takes a while to upload."""
    project = make_lab_project(tmp_path_factory.mktemp("store"))
    made_up.add(project, families=[made_up.family(), made_up.family("slow", seconds=60)])
    source = project.root / "benchmarks/made-up"
    (source / "table").write_bytes(random.Random(1).randbytes(TABLE_BYTES))
    text = (source / "bundle.toml").read_text()
    (source / "bundle.toml").write_text(text.replace('["bin/run"]', '["bin/run", "table"]'))
    built = project.rackbench("bundle", "build", "benchmarks/made-up")
    assert built.rc == 0, built.said
    return project


@pytest.fixture
def target(lab: LabControl, checkout: LabProject) -> LabProject:
    """The checkout, and the host without anything of ours."""
    lab("exec", HOST, "rm", "-rf", ROOT, f"{checkout.home}/lease")
    return checkout


def listing(lab: LabControl, folder: str, *options: str) -> list[str]:
    """Return what is below a directory of the host; nothing if the directory is not there."""
    return sorted(lab("exec", HOST, "sh", "-c", f"find {folder} {' '.join(options)} || true").split())


def parts(lab: LabControl) -> list[str]:
    """Return the uploads that have any bytes."""
    return listing(lab, f"{ROOT}/uploads", "-type", "f", "-size", "+0c", "2>/dev/null")


def report(done: Done) -> dict[str, Any]:
    """Return the hosts of the document that a command printed."""
    document = json.loads(done.stdout)
    StoreReport.model_validate(document)
    return {host["host"]: host for host in document["hosts"]}


def test_a_controller_killed_in_the_middle_of_an_upload_leaves_no_part_after_the_next_run(
    broken_lab: LabControl, target: LabProject
) -> None:
    broken_lab("rate", HOST, SLOW_KBIT)
    process = target.start("ansible-playbook", "run.yml", "-l", HOST, *STAGE)
    wait_for(lambda: parts(broken_lab), process)
    os.killpg(process.pid, signal.SIGKILL)
    process.communicate()
    broken_lab("rate", HOST, "0")
    assert parts(broken_lab)
    # The run that was killed still has the lease.
    done = target.playbook(*STAGE, "-e", f"lab_lease_dir={target.home}/lease-of-another", host=HOST)
    assert done.rc == 0, done.said
    assert parts(broken_lab) == []
    assert len(listing(broken_lab, f"{ROOT}/bundles", "-mindepth", "1", "-maxdepth", "1")) == 1


def test_two_runs_that_stage_one_bundle_on_a_host_at_once_both_end_well(
    lab: LabControl, target: LabProject
) -> None:
    play = ("ansible-playbook", "run.yml", "-l", HOST, *STAGE, "-e")
    # Under one lease the second would wait for the first.
    plays = [target.start(*play, f"lab_lease_dir={target.home}/lease-{number}") for number in range(2)]
    for done in [finish(play) for play in plays]:
        assert done.rc == 0, done.said
    assert parts(lab) == []
    assert len(listing(lab, f"{ROOT}/bundles", "-mindepth", "1", "-maxdepth", "1")) == 1


def test_cleaning_keeps_a_running_job_and_afterwards_leaves_the_home_as_it_was(
    lab: LabControl, target: LabProject
) -> None:
    before = listing(lab, HOME)
    slow = ("-e", "lab_benchmarks=made-up", "-e", "lab_families=made-up:slow")
    process = target.start("ansible-playbook", "run.yml", "-l", HOST, *slow)
    wait_for(lambda: listing(lab, f"{ROOT}/jobs", "-name", "heartbeat.json", "2>/dev/null"), process)
    refused = target.rackbench("hosts", "clean", "--host", HOST, "--yes", "--json")
    assert refused.rc == 1, refused.said
    kept = report(refused)[HOST]["kept"]
    assert {item["kind"] for item in kept} == {"job", "bundle", "other"}
    assert all("made-up.slow.1" in item["reason"] for item in kept)
    done = finish(process)
    assert done.rc == 0, done.said

    full = listing(lab, HOME)
    planned = target.rackbench("hosts", "clean", "--host", HOST, "--check", "--json")
    assert listing(lab, HOME) == full
    cleaned = target.rackbench("hosts", "clean", "--host", HOST, "--yes", "--json")
    assert (planned.rc, cleaned.rc) == (0, 0), cleaned.said
    assert report(planned) == report(cleaned)
    assert {f"{HOME}/.rackbench", f"{ROOT}/bundles", f"{ROOT}/lib"} <= set(full) - set(before)
    assert listing(lab, HOME) == before


def test_pruning_names_the_hop_of_a_host_that_cannot_be_reached_and_prunes_the_others(
    broken_lab: LabControl, target: LabProject
) -> None:
    assert target.playbook(*STAGE, host=HOST).rc == 0
    # A bundle that was staged just now is in use.
    broken_lab("exec", HOST, "sh", "-c", f"touch -d @0 {ROOT}/bundles/*/.complete")
    broken_lab("cut", "loki")
    done = target.rackbench("bundle", "prune", "--host", f"skadi,{HOST}", "--json")
    assert done.rc == 3, done.said
    hosts = report(done)
    assert (hosts["skadi"]["ok"], hosts["skadi"]["code"]) == (False, "hop_unreachable")
    assert "loki" in hosts["skadi"]["message"]
    assert [item["name"] for item in hosts[HOST]["removed"]] == ["made-up 1.0.0"]
    assert listing(broken_lab, f"{ROOT}/bundles", "-mindepth", "1") == []
