# SPDX-License-Identifier: GPL-3.0-or-later
"""Runs with noise settings on a copy of a recorded machine's knobs: quiet while a benchmark runs, and back after it."""

from __future__ import annotations

import contextlib
import json
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import pytest
import yaml

from tests.integration import made_up
from tests.integration.harness import LabProject, make_project
from tests.unit.plugins.machine import CONTROL, THP, Machine

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

    from tests.integration.harness import Done, Run

pytestmark = pytest.mark.full

SETTINGS = {"governor": "performance", "boost": False, "thp": "never", "swap": False, "smt": False}
WORDS = {"governor": "powersave", "boost": True, "thp": "madvise", "swap": True, "smt": True}
# What the made-up benchmark does besides: it writes down a knob, and with another parameter it moves one.
LOOKS = """
tree = pathlib.Path({tree!r})
(out / "during.txt").write_text((tree / {control!r}).read_text())
if job["parameters"].get("disturb"):
    (tree / {thp!r}).write_text("[always] madvise never\\n")
"""


@dataclass
class Quiet:
    """A checkout with the made-up benchmark, and the machine whose knobs its runs set."""

    project: LabProject
    machine: Machine

    def play(self, *arguments: str, settings: dict[str, Any] | None = None) -> Done:
        places = {f"noise_{name}": path for name, path in self.machine.places.items()}
        # Nobody has to become root to write in a copy.
        variables = {
            "lab_benchmarks": "made-up",
            "lab_noise": SETTINGS if settings is None else settings,
            "ansible_become": False,
            **places,
        }
        return self.project.playbook("-e", json.dumps(variables), *arguments)

    def states(self) -> list[str]:
        """Return what became of the settings in the newest run, one after the other."""
        return [record["state"] for record in self.records()]

    def records(self) -> list[Any]:
        return self.run().records("noise")

    def run(self) -> Run:
        return self.project.runs()[-1]

    @contextlib.contextmanager
    def while_staged(self, task: dict[str, Any]) -> Iterator[None]:
        """Let runs in the block do one task more in their stage step."""
        path = self.project.root / "roles/made_up/tasks/stage.yml"
        text = path.read_text()
        path.write_text(yaml.safe_dump([*yaml.safe_load(text), task], sort_keys=False))
        yield
        path.write_text(text)

    def originals(self) -> list[Path]:
        return list(self.project.home.glob(".rackbench/noise*"))


@pytest.fixture(scope="module")
def checkout(tmp_path_factory: pytest.TempPathFactory) -> LabProject:
    folder = tmp_path_factory.mktemp("noise")
    project = make_project(folder)
    looks = LOOKS.format(tree=str(folder / "machine"), control=CONTROL, thp=THP)
    made_up.add(
        project,
        families=[made_up.family("calm"), made_up.family("rude", disturb=True)],
        program=made_up.PROGRAM.replace("\n\ndef progress", f"\n{looks}\n\ndef progress", 1),
        default_families=["calm"],
    )
    return project


@pytest.fixture(scope="module")
def quiet(checkout: LabProject) -> Quiet:
    return Quiet(checkout, Machine(checkout.root.parent))


def test_the_host_is_quiet_while_the_benchmark_runs_and_as_it_was_afterwards(quiet: Quiet) -> None:
    before = quiet.machine.knobs()
    done = quiet.play("-e", "lab_families=calm")
    assert done.rc == 0, done.said
    assert quiet.machine.knobs() == before
    assert quiet.originals() == []
    (during,) = quiet.project.home.glob(f".rackbench/jobs/{quiet.run().status['run_id']}/*/out/during.txt")
    assert during.read_text() == "off\n"
    assert quiet.states() == ["observed", "applied", "verified", "restored"]
    observed, applied, verified, restored = quiet.records()
    assert set(observed["settings"]) == set(SETTINGS)
    assert applied["settings"] == verified["settings"] == SETTINGS
    assert (restored["settings"], restored["reason"]) == (WORDS, None)


def test_what_was_set_is_put_back_by_a_run_that_begins_no_execute_step(quiet: Quiet) -> None:
    before = quiet.machine.knobs()
    # As a run has it that was killed while it executed, and is then resumed up to the stage step.
    apply = {"run_dir": "{{ rackbench_plan.run_dir }}", "state": "applied", **quiet.machine.places}
    with quiet.while_staged({"name": "Quiet the host", "rackbench.lab.noise": apply}):
        done = quiet.play("-e", "lab_phases=stage")
    assert done.rc == 0, done.said
    assert quiet.states() == ["observed", "applied", "restored"]
    assert quiet.records()[-1]["settings"] == WORDS
    assert quiet.machine.knobs() == before
    assert quiet.originals() == []


def test_a_run_that_lost_its_lease_before_the_execute_step_sets_nothing(quiet: Quiet) -> None:
    before = quiet.machine.knobs()
    lease = quiet.project.home / "lease/lease.json"
    eve = {"lease_id": "eve-1", "run_id": "eve", "owner": "eve@cafe", "purpose": "latency", "ttl_s": 1800}
    steal = {
        "content": json.dumps({"schema": "rackbench.lease/1.0", "taken_at": None, **eve}),
        "dest": str(lease),
        "mode": "0666",
    }
    with quiet.while_staged({"name": "Steal the host", "ansible.builtin.copy": steal}):
        done = quiet.play("-e", "lab_families=calm")
    assert json.loads(lease.read_text())["run_id"] == "eve"
    lease.unlink()
    assert done.rc != 0
    assert "[lease_lost]" in done.said
    assert quiet.run().records("execution.began") == []
    assert quiet.states() == ["observed", "restored"]
    assert quiet.machine.knobs() == before


def test_a_setting_that_changed_meanwhile_fails_the_step_and_is_put_back(quiet: Quiet) -> None:
    before = quiet.machine.knobs()
    done = quiet.play("-e", "lab_families=rude")
    assert done.rc != 0
    assert "[noise_disturbed]" in done.said
    assert quiet.machine.knobs() == before
    assert quiet.originals() == []
    assert quiet.states() == ["observed", "applied", "disturbed", "restored"]
    disturbed, restored = quiet.records()[2:]
    assert disturbed["reason"] == "thp is always and was set to never"
    assert "somebody had set thp to always since" in restored["reason"]
    states = quiet.run().states
    assert (states["made-up.execute"], states["made-up.collect"]) == ("failed", "completed")
    assert states["host.finalize"] == "completed"


def test_a_host_that_cannot_be_set_as_asked_runs_no_benchmark_and_is_as_it_was(quiet: Quiet) -> None:
    before = quiet.machine.knobs()
    broken = quiet.machine.broken / "swapoff"
    broken.touch()
    done = quiet.play("-e", "lab_families=calm")
    broken.unlink()
    assert done.rc != 0
    assert "[noise_failed]" in done.said
    assert quiet.run().records("execution.began") == []
    assert quiet.states() == ["observed", "applied", "restored"]
    assert "this failed: " in quiet.records()[1]["reason"]
    assert quiet.machine.knobs() == before
    assert quiet.originals() == []


def test_a_dry_run_and_a_run_without_settings_write_nothing(quiet: Quiet) -> None:
    before = quiet.machine.knobs()
    runs = len(quiet.project.runs())
    dry = quiet.play("--check")
    assert dry.rc == 0, dry.said
    assert len(quiet.project.runs()) == runs
    assert quiet.machine.knobs() == before

    done = quiet.play("-e", "lab_families=calm", settings={})
    assert done.rc == 0, done.said
    assert quiet.machine.knobs() == before
    assert quiet.states() == ["observed"]
    asked = [record for record in quiet.run().records("task.began") if "noise" in record["action"]]
    assert asked == []


def test_an_original_that_cannot_be_put_back_fails_the_run_and_names_the_command_that_tries_again(
    quiet: Quiet,
) -> None:
    before = quiet.machine.knobs()
    broken = quiet.machine.broken / "swapon"
    broken.touch()
    done = quiet.play("-e", "lab_families=calm")
    assert done.rc != 0
    assert "[noise_failed]" in done.said
    assert "rackbench recover --run-dir" in done.said
    run = quiet.run()
    assert run.states["host.finalize"] == "failed"
    assert (run.path / "exports/results.json").is_file()
    assert len(quiet.originals()) == 1
    # The next run puts it back before it does anything else.
    broken.unlink()
    done = quiet.play("-e", "lab_families=calm")
    assert done.rc == 0, done.said
    assert run.status["run_id"] in quiet.records()[1]["reason"]
    assert quiet.machine.knobs() == before
    assert quiet.originals() == []


@pytest.mark.parametrize(
    ("settings", "words"),
    [
        ({"turbo": False}, "'turbo' is no noise setting. There are governor, boost,"),
        ({"thp": "sometimes"}, "thp cannot be 'sometimes'"),
    ],
    ids=str,
)
def test_a_setting_or_value_that_there_is_not_is_refused_before_the_benchmark_is_staged(
    quiet: Quiet, settings: dict[str, Any], words: str
) -> None:
    before = quiet.machine.knobs()
    done = quiet.play(settings=settings)
    assert done.rc != 0
    assert "[unknown_option]" in done.said
    assert words in done.said
    assert quiet.run().records("transfer") == []
    assert quiet.machine.knobs() == before
