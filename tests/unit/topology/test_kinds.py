# SPDX-License-Identifier: Apache-2.0
"""Kinds of core, from what kernels are known to say. The figures are written by hand after the machines named."""

from __future__ import annotations

import pytest
from rackbench.topology.kinds import Signals, kinds


def groups(cpus: int, signals: Signals) -> tuple[dict[str, list[int]], str]:
    """Return the CPUs of each kind, and what told them apart."""
    kind_of, by = kinds(range(cpus), signals)
    found: dict[str, list[int]] = {}
    for cpu, kind in kind_of.items():
        found.setdefault(kind, []).append(cpu)
    return found, by


def test_event_units_come_first_and_low_power_cores_are_efficient() -> None:
    signals = Signals(
        vendor="GenuineIntel",
        pmu={"cpu_core": [0, 1], "cpu_atom": [2, 3], "cpu_lowpower": [4]},
        max_frequency={0: 1, 1: 100, 2: 1, 3: 1, 4: 1},
    )
    assert groups(5, signals) == ({"performance": [0, 1], "efficient": [2, 3, 4]}, "pmu")


def test_event_units_that_leave_out_a_cpu_do_not_count() -> None:
    signals = Signals(pmu={"cpu_core": [0], "cpu_atom": [1]}, capacity={0: 1024, 1: 1024, 2: 400})
    assert groups(3, signals) == ({"performance": [0, 1], "efficient": [2]}, "cpu_capacity")


def test_arm_parts_tell_kinds_that_are_near_in_capacity() -> None:
    signals = Signals(part={0: "0x41/0xd44", 1: "0x41/0xd41"}, capacity={0: 1024, 1: 917})
    assert groups(2, signals) == ({"performance": [0], "efficient": [1]}, "cpu_part")


def test_parts_without_any_speed_tell_nothing() -> None:
    assert groups(2, Signals(part={0: "0x41/0xd03", 1: "0x41/0xd09"})) == ({"uniform": [0, 1]}, "none")


def test_one_arm_part_with_favoured_cores_is_one_kind() -> None:
    signals = Signals(part=dict.fromkeys(range(4), "0x51/0x001"), capacity={0: 1024, 1: 1024, 2: 930, 3: 930})
    assert groups(4, signals) == ({"uniform": [0, 1, 2, 3]}, "none")


def test_turbo_boost_max_favours_cores_of_one_kind() -> None:
    signals = Signals(
        vendor="GenuineIntel",
        highest_performance={0: 48, 1: 48, 2: 50, 3: 51},
        max_frequency={0: 4_800_000, 1: 4_800_000, 2: 5_000_000, 3: 5_100_000},
    )
    assert groups(4, signals) == ({"uniform": [0, 1, 2, 3]}, "none")


def test_amd_grades_its_preferred_cores_in_steps_of_one_kind() -> None:
    signals = Signals(vendor="AuthenticAMD", highest_performance=dict(enumerate(range(236, 160, -5))))
    assert groups(16, signals) == ({"uniform": list(range(16))}, "none")


def test_lower_ranks_of_amd_are_dense() -> None:
    signals = Signals(
        vendor="AuthenticAMD",
        highest_performance={0: 208, 1: 196, 2: 132, 3: 132},
        max_frequency={0: 5_157_000, 1: 5_157_000, 2: 3_300_000, 3: 3_300_000},
    )
    assert groups(4, signals) == ({"performance": [0, 1], "dense": [2, 3]}, "cppc")


def test_nominal_performance_tells_what_the_highest_does_not() -> None:
    signals = Signals(highest_performance={0: 255, 1: 255}, nominal_performance={0: 24, 1: 19})
    assert groups(2, signals) == ({"performance": [0], "efficient": [1]}, "cppc")


def test_speed_select_gives_equal_cores_other_base_frequencies() -> None:
    signals = Signals(base_frequency={0: 2_800_000, 1: 2_100_000}, max_frequency={0: 3_600_000, 1: 3_600_000})
    assert groups(2, signals) == ({"uniform": [0, 1]}, "none")


@pytest.mark.parametrize(("slower", "kind"), [(86, "uniform"), (85, "uniform"), (84, "efficient")])
def test_fifteen_per_cent_are_near(slower: int, kind: str) -> None:
    kind_of, _ = kinds((0, 1), Signals(max_frequency={0: 100, 1: slower}))
    assert kind_of[1] == kind


def test_a_value_that_some_cpus_lack_or_that_is_zero_tells_nothing() -> None:
    assert groups(2, Signals(capacity={0: 1024}, max_frequency={0: 100, 1: 0})) == (
        {"uniform": [0, 1]},
        "none",
    )


def test_nothing_said_is_one_kind() -> None:
    assert groups(3, Signals()) == ({"uniform": [0, 1, 2]}, "none")
