# SPDX-License-Identifier: Apache-2.0
"""The report of a preflight for machines and for people."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

from rackbench.adapters.families import Unavailable
from rackbench.adapters.plan import Plan, plan
from rackbench.errors import RackbenchError
from rackbench.models.preflight import Preflight
from rackbench.readiness.assess import assess
from rackbench.readiness.report import report, summary
from rackbench.readiness.states import Evidence

from tests.unit.readiness.samples import ADAPTER, HOST, HUNGRY, candidate, decision, evidence, probe

PLATFORM = {"os": "linux", "machine": "x86_64", "os_id": "debian", "os_version": "12"}
PLAN = plan({"probe": ADAPTER}, ["probe"], ["full"], repeats=2)
# As on a host with one kind of core.
PINNED = replace(
    PLAN,
    families={"probe": [replace(PLAN.families["probe"][0], cpus=(0, 1, 2, 8), groups=((0, 1), (2, 8)))]},
    unavailable={"probe": [Unavailable("p-core", "cpu_pool_impossible", "The host has one kind | of core.")]},
)
BAD = replace(candidate("configured", "checksum"), detail="its digest | is\nanother.")


def made(known: Evidence, failure: RackbenchError | None = None, planned: Plan = PLAN) -> dict[str, Any]:
    document = report(
        HOST,
        platform=PLATFORM,
        probe=known.probe and dict(known.probe),
        controller_probe=None,
        verdicts=[assess(HUNGRY, HOST, known)],
        decisions={"probe": known.decision},
        plan=planned,
        failure=failure,
    )
    Preflight.model_validate(document)
    return document


def test_the_summary_tells_people_everything_of_the_report() -> None:
    seen = probe("cargo", "cc", "numactl", user="lab")
    text = summary(made(evidence(BAD, candidate("source"), seen=seen)))
    for part in (
        "# Preflight of thor",
        "debian 12, x86_64, apt, Python 3.11.2, user lab, 1000000000 bytes free",
        "`runtime_missing (commands)`: The host lacks cc (gcc).",
        "- Bundle: `source/probe.tar.gz` 1.0.0, from source, built on the host",
        "- Needs: 500 bytes of disk, 4000 bytes of memory, root, a bundle with turns",
        "- Install: `sudo apt-get install --yes gcc numactl`",
        "- The run installs by itself, by role: rustup",
        "- Next: `sudo apt-get install --yes gcc numactl`",
        "| cargo | cargo | required, else by the role rustup | missing |",
        "| numactl | numactl | optional | missing |",
        "| lstopo | hwloc-nox | required | /usr/bin/lstopo |",
        "| configured/probe.tar.gz | configured | checksum | its digest \\| is another. |",
        "| full | All. | 2 | all | 600 |",
    ):
        assert part in text
    assert "cannot run" not in text


def test_families_with_cpus_of_their_own_and_those_that_the_host_cannot_run_are_told() -> None:
    document = made(evidence(candidate("dist")), planned=PINNED)
    (family,) = document["planned_families"]["probe"]
    assert (family["cpus"], family["agents"]) == ("0-2,8", 2)
    text = summary(document)
    assert "| full | All. | 2 | 0-2,8 | 600 |" in text
    assert "| p-core | The host has one kind \\| of core. | cpu_pool_impossible |" in text


def test_a_bundle_that_is_there_is_told_with_its_sizes() -> None:
    text = summary(made(evidence(candidate("dist"))))
    assert "- Bundle: `dist/probe.tar.gz` 1.0.0, from dist, 1000 bytes, 2000 unpacked" in text
    assert "- Next: run\n" in text
    assert "### Bundles that are not used" not in text


def test_what_a_role_installs_first_is_the_next_step() -> None:
    text = summary(made(evidence(candidate("source"), seen=probe("cargo"))))
    assert "- Next: run; it begins with the role rustup" in text
    assert "- Install:" not in text


def test_a_host_that_was_not_reached_has_a_whole_report_with_the_cause() -> None:
    failure = RackbenchError("auth_refused", "thor: auth: Permission denied (publickey).")
    document = made(evidence(candidate("dist"), reached=False), failure)
    assert (document["checked"], document["failure"]["code"]) == (False, "auth_refused")
    text = summary(document)
    assert "The host was not reached: thor: auth: Permission denied (publickey). [auth_refused]" in text
    assert "`unreachable (connectivity)`" in text
    assert "| lstopo | hwloc | required | not looked for |" in text
    assert "| full | All. | 2 | all | 600 |" in text


def test_a_benchmark_without_a_bundle_is_told_so() -> None:
    document = made(Evidence(decision()))
    assert "- Bundle: none" in summary(document)
    assert "There is no bundle of probe." in summary(document)
