# SPDX-License-Identifier: GPL-3.0-or-later
"""The noise guard as the real module on a copy of a recorded machine's knobs: apply, kill, put back."""

from __future__ import annotations

import contextlib
import json
import os
import random
import signal
import subprocess
import sys
import time
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest
from rackbench.models.noise import NoiseOriginals

from tests.unit.plugins.machine import BOOT_ID, CONTROL, LOUD, NO_TURBO, QUIET, SWAPS, THP, Machine
from tests.unit.plugins.target import PATIENCE_S, REPOSITORY, RUN_ID, code

pytestmark = pytest.mark.slow

# Each one costs three processes.
KILLS = 6
OTHER_RUN = "20261120T080000Z-thor"
GOVERNOR = "sys/devices/system/cpu/cpufreq/policy{}/scaling_governor"
# Runs the module as Ansible does. It counts what touches the machine or the originals, tells the files that it opens
# to write, and ends by SIGKILL right before one of these operations if it is told which.
DRIVER = """
import atexit, json, os, runpy, signal, sys
watched, at, module = sys.argv[1], int(sys.argv[2]), sys.argv[3]
sys.argv[1:] = []
seen = []
def hook(event, arguments):
    if event not in ("open", "os.mkdir", "os.rename", "os.remove", "os.rmdir", "subprocess.Popen"):
        return
    if not str(arguments[0]).startswith(watched):
        return
    seen.append(str(arguments[0]) if event == "open" and arguments[2] & os.O_WRONLY else None)
    if len(seen) == at:
        os.kill(os.getpid(), signal.SIGKILL)
atexit.register(lambda: print(json.dumps(seen), file=sys.stderr))
sys.addaudithook(hook)
runpy.run_path(module, run_name="__main__")
"""


@dataclass
class Host:
    """A recorded machine, and the home of the user who becomes root there."""

    folder: Path
    machine: Machine

    @property
    def root(self) -> Path:
        return self.folder / "home/.rackbench"

    @property
    def originals(self) -> list[str]:
        return sorted(path.name for path in self.root.glob("noise/*"))

    def start(
        self, state: str, *, at: int = 0, check: bool = False, **arguments: Any
    ) -> subprocess.Popen[str]:
        given = {"state": state, "run_id": RUN_ID, **self.machine.places, **arguments}
        process = subprocess.Popen(
            [
                sys.executable,
                "-B",
                "-c",
                DRIVER,
                str(self.folder),
                str(at),
                str(REPOSITORY / "plugins/modules/target_noise.py"),
            ],
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
            text=True,
            env={
                **os.environ,
                "HOME": str(self.folder / "home"),
                "PYTHONPATH": str(REPOSITORY / "collections"),
            },
        )
        assert process.stdin is not None
        process.stdin.write(json.dumps({"ANSIBLE_MODULE_ARGS": {**given, "_ansible_check_mode": check}}))
        process.stdin.close()
        process.stdin = None
        return process

    def call(self, state: str, **arguments: Any) -> dict[str, Any]:
        """Run the module to its end."""
        return self.traced(state, **arguments)[0]

    def traced(self, state: str, **arguments: Any) -> tuple[dict[str, Any], list[str | None]]:
        """Run the module to its end and return its result, and its operations."""
        process = self.start(state, **arguments)
        stdout, stderr = process.communicate(timeout=PATIENCE_S)
        assert stdout, stderr
        return json.loads(stdout), json.loads(stderr.splitlines()[-1])

    def kill(self, state: str, at: int, **arguments: Any) -> None:
        """Run the module and let it die by SIGKILL right before one of its operations."""
        process = self.start(state, at=at, **arguments)
        process.communicate(timeout=PATIENCE_S)
        assert process.returncode == -signal.SIGKILL


@pytest.fixture
def host(tmp_path: Path) -> Host:
    return Host(tmp_path, Machine(tmp_path))


def test_everything_that_there_is_can_be_seen_and_each_word_means_what_it_says(host: Host) -> None:
    everything = host.call("observed", settings=QUIET)
    assert everything["settings"] == LOUD
    assert not everything["changed"]
    unasked = host.call("observed")["settings"]
    assert unasked == {name: value for name, value in LOUD.items() if name != "irqbalance"}


def test_all_settings_are_applied_once_and_restored_exactly(host: Host) -> None:
    before = host.machine.knobs()
    applied = host.call("applied", settings=QUIET)
    assert applied["settings"] == QUIET
    assert applied["changes"] == list(QUIET)
    quiet = host.machine.knobs()
    changed = {name: quiet[name] for name in quiet if quiet[name] != before[name]}
    assert changed == {
        **{GOVERNOR.format(number): "performance" for number in range(4)},
        NO_TURBO: "1",
        THP: "never",
        "proc/sys/kernel/numa_balancing": "0",
        "proc/sys/kernel/randomize_va_space": "0",
        "sys/kernel/mm/ksm/run": "0",
        "irqbalance": "inactive",
        SWAPS: {},
        CONTROL: "off",
    }
    again = host.call("applied", settings=QUIET)
    assert (again["changed"], again["changes"]) == (False, [])
    assert host.call("verified", settings=QUIET)["disturbed"] == {}

    restored = host.call("restored")
    assert (restored["changed"], restored["outcome"], restored["meanwhile"]) == (True, "restored", [])
    assert restored["settings"] == LOUD
    assert host.machine.knobs() == before
    assert not host.root.exists()
    twice = host.call("restored")
    assert (twice["changed"], twice["outcome"]) == (False, "absent")
    assert host.machine.knobs() == before


def test_what_is_put_back_is_put_back_in_the_reverse_order(host: Host) -> None:
    def written(seen: list[str | None]) -> list[str]:
        return [path for path in seen if path and path.startswith(str(host.machine.tree))]

    settings = {name: value for name, value in QUIET.items() if name not in ("irqbalance", "swap")}
    _result, applying = host.traced("applied", settings=settings)
    _result, restoring = host.traced("restored")
    assert written(restoring) == written(applying)[::-1]
    assert written(restoring)[0].endswith(CONTROL)


def test_a_machine_without_most_knobs_reports_them_as_absent_and_does_not_fail(tmp_path: Path) -> None:
    host = Host(tmp_path, Machine(tmp_path, "nvidia-dgx-gb10"))
    (host.machine.tools / "systemctl").unlink()
    before = host.machine.knobs()
    absent = dict.fromkeys(("thp", "numa_balancing", "aslr", "ksm", "irqbalance", "swap", "smt"), "absent")
    there = {"governor": "performance", "boost": False}
    assert host.call("observed", settings=QUIET)["settings"] == {**there, **absent}
    wanted = {**QUIET, "governor": "schedutil", "boost": True}
    applied = host.call("applied", settings=wanted)
    assert applied["changes"] == ["governor", "boost"]
    assert applied["settings"] == {"governor": "schedutil", "boost": True, **absent}
    assert host.call("verified", settings=wanted)["disturbed"] == {}
    assert host.machine.get("sys/devices/system/cpu/cpufreq/boost") == "1"
    host.call("restored")
    assert host.machine.knobs() == before


def test_a_machine_whose_cpus_have_no_hyper_threads_has_no_such_setting(host: Host) -> None:
    host.machine.set(CONTROL, "notsupported")
    assert host.call("applied", settings={"smt": False})["settings"] == {"smt": "absent"}
    assert host.machine.get(CONTROL) == "notsupported"


@pytest.mark.parametrize(
    ("settings", "words"),
    [
        ({"boost": False, "turbo": False}, "'turbo' is no noise setting"),
        ({"boost": False, "governor": "fast"}, "governor cannot be 'fast'. It can be performance,"),
        ({"boost": 0}, "boost cannot be 0"),
        ({"boost": None}, "boost cannot be None"),
        ({"boost": "off"}, "boost cannot be 'off'. It can be true, false"),
        ({"boost": False, "thp": False}, "thp cannot be False. It can be never, madvise, always"),
        ({"boost": False, "swap": True}, "swap cannot be True. It can be false"),
        ({"boost": False, "thp": ["never"]}, "thp cannot be ['never']"),
    ],
    ids=str,
)
def test_a_setting_or_value_that_there_is_not_is_refused_before_anything_is_written(
    host: Host, settings: dict[str, Any], words: str
) -> None:
    before = host.machine.knobs()
    for state in ("observed", "applied", "verified"):
        refused = host.call(state, settings=settings)
        assert code(refused) == "unknown_option"
        assert words in refused["msg"]
    assert host.machine.knobs() == before
    assert not host.root.exists()


def test_a_governor_that_the_host_lacks_is_refused_before_anything_is_written(host: Host) -> None:
    before = host.machine.knobs()
    refused = host.call("applied", settings={**QUIET, "governor": "ondemand"})
    assert code(refused) == "noise_failed"
    assert "no governor ondemand" in refused["msg"]
    assert "performance, powersave" in refused["msg"]
    assert host.machine.knobs() == before
    assert not host.root.exists()


def test_words_for_true_and_false_are_taken_as_text_too(host: Host) -> None:
    assert host.call("applied", settings={"boost": "False"})["settings"] == {"boost": False}
    assert host.machine.get(NO_TURBO) == "1"


@pytest.mark.parametrize("tool", ["systemctl", "swapoff"])
def test_a_change_that_fails_half_way_puts_back_what_was_set_before_it(host: Host, tool: str) -> None:
    before = host.machine.knobs()
    (host.machine.broken / tool).touch()
    failed = host.call("applied", settings=QUIET)
    assert code(failed) == "noise_failed"
    assert f"{tool}: broken on purpose" in failed["msg"]
    assert "What had been set was put back" in failed["msg"]
    assert host.machine.knobs() == before
    assert not host.root.exists()


def test_a_change_that_does_not_stay_is_a_failure(host: Host) -> None:
    before = host.machine.knobs()
    (host.machine.tools / "swapoff").write_text("#!/bin/sh\nexit 0\n")
    failed = host.call("applied", settings={"governor": "performance", "swap": False})
    assert code(failed) == "noise_failed"
    assert "swap is true after it was set" in failed["msg"]
    assert host.machine.knobs() == before


def test_an_original_that_cannot_be_put_back_is_kept_and_the_others_are_put_back(host: Host) -> None:
    before = host.machine.knobs()
    host.call("applied", settings=QUIET)
    (host.machine.broken / "swapon").touch()
    failed = host.call("restored")
    assert code(failed) == "noise_failed"
    assert "/dev/nvme0n1p3: swapon" in failed["msg"]
    assert str(host.root / f"noise/{RUN_ID}.json") in failed["msg"]
    now = host.machine.knobs()
    assert {name for name in now if now[name] != before[name]} == {SWAPS}
    (host.machine.broken / "swapon").unlink()
    assert host.call("restored")["changes"] == ["swap"]
    assert host.machine.knobs() == before
    assert not host.root.exists()


@pytest.mark.full
@pytest.mark.parametrize("seed", [1, 2])
def test_killed_while_it_applies_at_a_random_operation_it_leaves_what_restores_exactly(
    host: Host, seed: int
) -> None:
    before = host.machine.knobs()
    _result, operations = host.traced("applied", settings=QUIET)
    host.call("restored")
    for at in sorted(random.Random(seed).sample(range(1, len(operations) + 1), KILLS)):
        host.kill("applied", at, settings=QUIET)
        host.call("restored")
        assert host.machine.knobs() == before, (seed, at)
        assert not host.root.exists(), (seed, at)


@pytest.mark.full
@pytest.mark.parametrize("seed", [3])
def test_killed_while_it_restores_at_a_random_operation_it_restores_exactly_when_called_again(
    host: Host, seed: int
) -> None:
    before = host.machine.knobs()
    host.call("applied", settings=QUIET)
    _result, operations = host.traced("restored")
    for at in sorted(random.Random(seed).sample(range(1, len(operations) + 1), KILLS)):
        host.call("applied", settings=QUIET)
        host.kill("restored", at)
        host.call("restored")
        assert host.machine.knobs() == before, (seed, at)
        assert not host.root.exists(), (seed, at)


@pytest.mark.full
@pytest.mark.parametrize("seed", [4])
def test_killed_at_a_random_time_it_leaves_what_restores_exactly(host: Host, seed: int) -> None:
    before = host.machine.knobs()
    began = time.monotonic()
    host.call("applied", settings=QUIET)
    whole_s = time.monotonic() - began
    host.call("restored")
    chance = random.Random(seed)
    for _turn in range(KILLS):
        process = host.start("applied", settings=QUIET)
        time.sleep(chance.uniform(whole_s / 3, whole_s))
        process.kill()
        process.communicate(timeout=PATIENCE_S)
        host.call("restored")
        assert host.machine.knobs() == before, seed
        assert host.originals == [], seed


def test_a_knob_that_a_kill_left_empty_is_put_back(host: Host) -> None:
    before = host.machine.knobs()
    host.call("applied", settings=QUIET)
    (host.machine.tree / CONTROL).write_text("")
    host.call("restored")
    assert host.machine.knobs() == before


def test_the_swapoff_of_a_killed_call_is_waited_for_before_its_swap_comes_back(host: Host) -> None:
    before = host.machine.knobs()
    gate = host.folder / "gate"
    os.mkfifo(gate)
    killed = host.start("applied", settings={"swap": False})
    with os.fdopen(writer_of(gate, killed), "w") as opened:
        # The next swapoff finds no gate any more.
        gate.unlink()
        killed.kill()
        killed.wait(PATIENCE_S)
        restoring = host.start("restored")
        place, deadline = host.root / "noise", time.monotonic() + PATIENCE_S
        while place not in links(restoring.pid):
            assert restoring.poll() is None
            assert time.monotonic() < deadline
            time.sleep(0.01)
        opened.write("go")
    stdout, stderr = restoring.communicate(timeout=PATIENCE_S)
    killed.communicate(timeout=PATIENCE_S)
    assert json.loads(stdout)["outcome"] == "restored", stderr
    assert host.machine.knobs() == before


def writer_of(gate: Path, reader: subprocess.Popen[str]) -> int:
    """Open a named pipe as soon as a command of the process has come to read it."""
    deadline = time.monotonic() + PATIENCE_S
    while time.monotonic() < deadline:
        assert reader.poll() is None, reader.communicate()
        with contextlib.suppress(OSError):
            return os.open(gate, os.O_WRONLY | os.O_NONBLOCK)
        time.sleep(0.01)
    raise AssertionError("nobody came to the gate")


def links(pid: int) -> list[Path]:
    """Return what a process has open."""
    found = []
    for each in Path(f"/proc/{pid}/fd").glob("*"):
        with contextlib.suppress(FileNotFoundError):
            found.append(each.readlink())
    return found


def test_what_a_killed_run_left_is_put_back_before_the_next_run_saves_its_originals(host: Host) -> None:
    before = host.machine.knobs()
    host.call("applied", settings=QUIET, run_id=OTHER_RUN)
    planned = host.call("applied", settings={"boost": False}, check=True)
    assert planned["leftovers"] == [OTHER_RUN]
    applied = host.call("applied", settings={"boost": False})
    assert applied["leftovers"] == [OTHER_RUN]
    assert host.originals == [f"{RUN_ID}.json"]
    now = host.machine.knobs()
    assert {name for name in now if now[name] != before[name]} == {NO_TURBO}
    host.call("restored")
    assert host.machine.knobs() == before


@pytest.mark.full
def test_originals_of_the_run_that_took_an_expired_lease_are_no_leftovers_to_the_run_that_lost_it(
    host: Host,
) -> None:
    directory = host.folder / "lease"

    def lease(run: str) -> dict[str, Any]:
        path = str(directory / "lease.json")
        return {"path": path, "lease_id": f"{run}-1", "owner": f"{run}@desk", "purpose": "latency"}

    def take(run: str) -> None:
        directory.mkdir(exist_ok=True)
        ours = {name: value for name, value in lease(run).items() if name != "path"}
        document = {"schema": "rackbench.lease/1.0", "run_id": run, "ttl_s": 1800, "taken_at": None, **ours}
        (directory / "lease.json").write_text(json.dumps(document))

    before = host.machine.knobs()
    take("ann")
    host.call("applied", settings=QUIET, lease=lease("ann"), run_id="ann")
    host.call("restored", run_id="ann")
    take("bob")
    host.call("applied", settings=QUIET, lease=lease("bob"), run_id="bob")
    quiet = host.machine.knobs()
    late = host.call("applied", settings=QUIET, lease=lease("ann"), run_id="ann")
    assert code(late) == "lease_lost"
    assert "bob@desk" in late["msg"]
    assert host.machine.knobs() == quiet
    assert host.originals == ["bob.json"]
    # An expired lease is taken again, and what its run left is put back first.
    long_ago = time.time() - 1900
    os.utime(directory / "lease.json", (long_ago, long_ago))
    assert host.call("applied", settings=QUIET, lease=lease("ann"), run_id="ann")["leftovers"] == ["bob"]
    host.call("restored", run_id="ann")
    assert host.machine.knobs() == before


def test_the_file_of_the_originals_fits_its_model(host: Host) -> None:
    host.machine.set("sys/devices/system/cpu/cpu3/online", "0")
    host.call("applied", settings=QUIET)
    document = NoiseOriginals.model_validate_json((host.root / f"noise/{RUN_ID}.json").read_text())
    assert document.schema_ == NoiseOriginals.schema_name()
    assert document.run_id == RUN_ID
    assert {change.kind for change in document.changes} == {"file", "turned", "swap", "service"}
    assert {change.setting for change in document.changes} == set(QUIET)
    assert document.model_extra == {}
    assert all(change.model_extra == {} for change in document.changes)


def test_leftovers_are_put_back_where_they_were_found_though_the_next_run_knows_other_places(
    host: Host, tmp_path: Path
) -> None:
    before = host.machine.knobs()
    host.call("applied", settings=QUIET)
    elsewhere = tmp_path / "elsewhere"
    elsewhere.mkdir()
    nothing = {"sysfs": str(elsewhere), "procfs": str(elsewhere), "tools": str(elsewhere)}
    assert host.call("restored", **nothing)["settings"] == LOUD
    assert host.machine.knobs() == before


def test_a_knob_that_somebody_else_changed_is_put_back_and_said(host: Host) -> None:
    before = host.machine.knobs()
    host.call("applied", settings=QUIET)
    host.machine.set(THP, "[always] madvise never")
    host.machine.set(NO_TURBO, "0")
    assert host.call("verified", settings=QUIET)["disturbed"] == {
        "boost": {"wanted": False, "found": True},
        "thp": {"wanted": "never", "found": "always"},
    }
    restored = host.call("restored")
    assert len(restored["meanwhile"]) == 1
    assert restored["meanwhile"][0].startswith("somebody had set thp to always since")
    assert host.machine.knobs() == before


def test_cpus_that_differ_are_reported_with_all_their_values_and_put_back_one_by_one(host: Host) -> None:
    host.machine.set(GOVERNOR.format(2), "performance")
    before = host.machine.knobs()
    assert host.call("observed")["settings"]["governor"] == "performance, powersave"
    host.call("applied", settings={"governor": "performance"})
    host.machine.set(GOVERNOR.format(1), "powersave")
    found = host.call("verified", settings={"governor": "performance"})["disturbed"]
    assert found == {"governor": {"wanted": "performance", "found": "performance, powersave"}}
    host.call("applied", settings={"governor": "performance"})
    host.call("restored")
    assert host.machine.knobs() == before


def test_a_cpu_that_somebody_had_put_to_sleep_sleeps_again_when_hyper_threads_are_back(host: Host) -> None:
    asleep = "sys/devices/system/cpu/cpu3/online"
    host.machine.set(asleep, "0")
    before = host.machine.knobs()
    host.call("applied", settings={"smt": False})
    # The kernel wakes every CPU when `on` is written.
    host.machine.set(asleep, "1")
    restored = host.call("restored")
    assert restored["meanwhile"] == []
    assert host.machine.knobs() == before


def test_swaps_come_back_in_the_order_of_their_priorities(host: Host) -> None:
    assert host.machine.get(SWAPS) == {"/dev/nvme0n1p3": -2, "/swap\\040file": 5, "/dev/nvme1n1p3": -3}
    host.call("applied", settings={"swap": False})
    assert host.machine.get(SWAPS) == {}
    assert host.call("observed")["settings"]["swap"] is False
    host.call("restored")
    assert list(host.machine.get(SWAPS).items()) == [
        ("/swap\\040file", 5), ("/dev/nvme0n1p3", -2), ("/dev/nvme1n1p3", -3),
    ]  # fmt: skip


def test_after_a_reboot_only_what_still_has_our_value_is_put_back(host: Host) -> None:
    host.call("applied", settings=QUIET)
    host.machine.set(BOOT_ID, "0d3c5a57-0b42-4b43-9f2c-3a8c8f0b7711")
    host.machine.set(THP, "always")
    host.machine.set(CONTROL, "forceoff")
    restored = host.call("restored")
    assert restored["meanwhile"] == []
    assert (host.machine.get(THP), host.machine.get(CONTROL)) == ("always", "forceoff")
    assert host.machine.get(NO_TURBO) == "0"
    assert not host.root.exists()


def test_a_dry_run_writes_nothing_and_says_what_it_would(host: Host) -> None:
    before = host.machine.knobs()
    planned = host.call("applied", settings=QUIET, check=True)
    assert (planned["changed"], planned["changes"]) == (True, list(QUIET))
    assert host.machine.knobs() == before
    assert not host.root.exists()
    host.call("applied", settings=QUIET)
    quiet = host.machine.knobs()
    planned = host.call("restored", check=True)
    assert planned["changed"]
    assert set(planned["changes"]) == set(QUIET)
    assert host.machine.knobs() == quiet
    assert host.originals == [f"{RUN_ID}.json"]
    assert not host.call("applied", settings=QUIET, check=True)["changed"]


def test_originals_that_cannot_be_read_stop_everything_with_what_to_do(host: Host) -> None:
    host.call("applied", settings=QUIET, run_id=OTHER_RUN)
    path = host.root / f"noise/{OTHER_RUN}.json"
    path.write_text(path.read_text()[:-40])
    quiet = host.machine.knobs()
    for answer in (
        host.call("restored", run_id=OTHER_RUN),
        host.call("applied", settings={"boost": True}),
    ):
        assert code(answer) == "noise_failed"
        assert f"{path} is not whole" in answer["msg"]
    assert host.machine.knobs() == quiet


def test_the_machines_own_commands_are_never_called_for_another_tree(host: Host) -> None:
    before = host.machine.knobs()
    places = {name: value for name, value in host.machine.places.items() if name != "tools"}
    failed = host.call("applied", settings={"irqbalance": False, "swap": False}, **places, tools=None)
    assert code(failed) == "noise_failed"
    assert "there is no command swapoff" in failed["msg"]
    assert host.call("observed", settings={"irqbalance": False}, tools=None)["settings"] == {
        "irqbalance": "absent"
    }
    assert host.machine.knobs() == before


def test_a_run_id_that_leaves_the_directory_is_refused(host: Host) -> None:
    for state in ("applied", "restored"):
        assert code(host.call(state, run_id="../other", settings=QUIET)) == "internal_error"
    assert not host.root.exists()


def test_the_real_machine_can_be_looked_at() -> None:
    """Only looked at: every setting has a value, or is absent here."""
    done = subprocess.run(
        [sys.executable, "-B", str(REPOSITORY / "plugins/modules/target_noise.py")],
        input=json.dumps({"ANSIBLE_MODULE_ARGS": {}}),
        capture_output=True,
        text=True,
        env={**os.environ, "PYTHONPATH": str(REPOSITORY / "collections")},
    )
    found = json.loads(done.stdout)["settings"]
    assert set(found) == QUIET.keys() - {"irqbalance"}
    assert None not in found.values()
