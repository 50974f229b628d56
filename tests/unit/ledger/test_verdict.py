# SPDX-License-Identifier: Apache-2.0
"""The verdict on an execution: each disturbance by itself, what is unknown, and that nothing makes a verdict better."""

from __future__ import annotations

import json
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st
from rackbench.ledger import verdict as verdicts
from rackbench.ledger.verdict import REQUIRED, RULES, SUSPECT, VALID, VOID, clock_offset, judge
from rackbench.models.journal import VerdictRecord

BETTER_FIRST = [VALID, SUSPECT, VOID]
KEYS = ("SHA256:one", "SHA256:other")
# Ten seconds on four CPUs, of which the benchmark kept one busy; nobody else did anything.
BEFORE: dict[str, Any] = {
    "at": "2026-11-21T08:00:00.000Z",
    "mono": 100.0,
    "boot_id": "a boot",
    "host_key": KEYS[0],
    "cpu_busy_ticks": 50_000,
    "cpu_steal_ticks": 10,
    "cpu_total_ticks": 400_000,
    "ticks_per_s": 100,
    "cpus": 4,
    "load_1m": 0.2,
    "since_job_s": None,
    "sessions": 1,
    "throttle_events": 7,
    "pressure_cpu_us": 1_000_000,
    "own_cpu_s": None,
}
AFTER = {
    **BEFORE,
    "at": "2026-11-21T08:00:10.000Z",
    "mono": 110.0,
    "cpu_busy_ticks": 51_000,
    "cpu_total_ticks": 404_000,
    "load_1m": 0.9,
    "pressure_cpu_us": 1_200_000,
    "own_cpu_s": 10.0,
}


def conditions(before: dict[str, Any] | None = None, after: dict[str, Any] | None = None) -> dict[str, Any]:
    """Return the conditions of an undisturbed execution with changes."""
    return {
        "schema": "rackbench.conditions/1.0",
        "before": {**BEFORE, **(before or {})},
        "after": {**AFTER, **(after or {})},
    }


def judged(
    before: dict[str, Any] | None = None,
    after: dict[str, Any] | None = None,
    *,
    outcome: str = "passed",
    clock_offset_s: float | None = 0.0,
) -> verdicts.Verdict:
    return judge(conditions(before, after), outcome=outcome, clock_offset_s=clock_offset_s)


def test_an_execution_that_nothing_disturbed_is_valid() -> None:
    verdict = judged()
    assert (verdict.verdict, verdict.reasons, verdict.unknown) == (VALID, [], [])
    assert verdict.inputs["others_cpus"] == 0
    assert verdict.inputs["pressure_share"] == 0.02
    assert {rule.name for rule in RULES} == set(verdict.inputs)


@pytest.mark.parametrize(
    ("before", "after", "expected", "words"),
    [
        pytest.param({}, {"boot_id": "another boot"}, VOID, "rebooted", id="rebooted"),
        pytest.param({}, {"host_key": KEYS[1]}, VOID, "SHA256:other", id="another machine answers"),
        pytest.param({}, {"cpu_busy_ticks": 52_000}, SUSPECT, "CPUs busy, more than 0.5", id="a burner"),
        pytest.param({}, {"cpu_busy_ticks": 51_195}, VALID, None, id="others had less than a twentieth"),
        pytest.param(
            {}, {"cpu_busy_ticks": 51_215}, SUSPECT, "had 5.2 %", id="others had more than a twentieth"
        ),
        pytest.param(
            {}, {"cpu_busy_ticks": 50_500}, VALID, None, id="its own time is counted finer than ticks"
        ),
        pytest.param({}, {"cpu_steal_ticks": 45}, VALID, None, id="a little steal"),
        pytest.param({}, {"cpu_steal_ticks": 60}, SUSPECT, "hypervisor took 1.2 %", id="steal"),
        pytest.param({"load_1m": 1.0}, {}, VALID, None, id="one process before"),
        pytest.param({"load_1m": 1.5}, {}, SUSPECT, "load was 1.50", id="more than one process before"),
        pytest.param(
            {"load_1m": 9.0, "since_job_s": 299.0}, {}, VALID, None, id="the load is our last job's"
        ),
        pytest.param(
            {"load_1m": 9.0, "since_job_s": 300.0}, {}, SUSPECT, "load was 9.00", id="it faded long ago"
        ),
        pytest.param({}, {"sessions": 2}, SUSPECT, "logins changed from 1 to 2", id="a login"),
        pytest.param({}, {"sessions": 0}, SUSPECT, "logins changed from 1 to 0", id="a logout"),
        pytest.param({}, {"throttle_events": 9}, SUSPECT, "slowed down 2 times", id="throttled"),
        pytest.param({}, {"at": "2026-11-21T08:00:10.500Z"}, VALID, None, id="a delay between two looks"),
        pytest.param(
            {}, {"at": "2026-11-21T16:00:10.000Z"}, SUSPECT, "set by 28800 s", id="the clock set forward"
        ),
        pytest.param(
            {}, {"at": "2026-11-21T08:00:00.000Z"}, SUSPECT, "set by -10 s", id="the clock set back"
        ),
        pytest.param(
            {}, {"pressure_cpu_us": 11_000_000}, VALID, None, id="its own processes wait for each other"
        ),
    ],
)
def test_each_disturbance_is_told_by_its_number(
    before: dict[str, Any], after: dict[str, Any], expected: str, words: str | None
) -> None:
    verdict = judged(before, after)
    assert verdict.verdict == expected
    assert any(words in reason for reason in verdict.reasons) if words else verdict.reasons == []


def test_a_burner_on_a_large_machine_is_much_though_its_share_is_small() -> None:
    before = {"cpus": 384}
    verdict = judged(before, {"cpu_total_ticks": 400_000 + 384_000, "cpu_busy_ticks": 52_000})
    assert (verdict.verdict, len(verdict.reasons)) == (SUSPECT, 1)
    assert verdict.inputs["others_share"] < verdicts.OTHERS_SHARE


@pytest.mark.parametrize("offset", [-28800.0, -5.1, 5.1, 28800.0])
def test_a_clock_that_is_not_the_controllers_is_suspect(offset: float) -> None:
    verdict = judged(clock_offset_s=offset)
    assert verdict.verdict == SUSPECT
    assert f"{offset:g} s off" in verdict.reasons[0]


def test_a_lost_execution_is_void_though_nothing_else_is_known_of_it() -> None:
    verdict = judge({}, outcome="lost", clock_offset_s=None)
    assert verdict.verdict == VOID
    assert "lost" in verdict.reasons[0]
    assert verdict.unknown == [rule.name for rule in RULES]


def test_an_execution_that_nobody_saw_end_by_a_reboot_names_both() -> None:
    verdict = judged({}, {"boot_id": "another boot", "mono": 3.0, "own_cpu_s": None}, outcome="lost")
    assert verdict.verdict == VOID
    assert [word in " ".join(verdict.reasons) for word in ("lost", "rebooted")] == [True, True]
    # Counters of two boots have nothing to do with each other.
    assert {"others_cpus", "steal_share", "clock_step_s", "throttle_events"} <= set(verdict.unknown)


@pytest.mark.parametrize("where", ["before", "after"])
@pytest.mark.parametrize(
    "name", ["boot_id", "cpu_busy_ticks", "cpu_steal_ticks", "cpu_total_ticks", "mono", "at"]
)
def test_a_required_input_that_is_unknown_forbids_valid(where: str, name: str) -> None:
    document = conditions()
    document[where][name] = None
    verdict = judge(document, outcome="passed", clock_offset_s=0.0)
    assert verdict.verdict == SUSPECT
    assert set(verdict.unknown) & REQUIRED
    assert all(f"It is unknown: {name}." in verdict.reasons for name in set(verdict.unknown) & REQUIRED)


@pytest.mark.parametrize(
    ("name", "unknown"),
    [
        ("host_key", "host_key"),
        ("sessions", "sessions"),
        ("throttle_events", "throttle_events"),
        ("load_1m", "load_before"),
        ("pressure_cpu_us", "pressure_share"),
    ],
)
def test_what_a_machine_does_not_tell_is_named_and_may_be_required(name: str, unknown: str) -> None:
    document = conditions({name: None}, {name: None})
    verdict = judge(document, outcome="passed", clock_offset_s=0.0)
    assert (verdict.verdict, verdict.unknown) == (VALID, [unknown])
    strict = judge(document, outcome="passed", clock_offset_s=0.0, required=[unknown])
    assert strict.verdict == SUSPECT


@pytest.mark.parametrize(
    "given", [None, [], "x", {"before": []}, {"before": {}, "after": 3}, {"after": None}]
)
def test_conditions_that_are_none_are_unknown(given: Any) -> None:
    verdict = judge(given, outcome="passed", clock_offset_s=0.0)
    assert verdict.verdict == SUSPECT
    assert set(verdict.unknown) >= REQUIRED


JSON = st.recursive(
    st.none()
    | st.booleans()
    | st.integers()
    | st.sampled_from([10**400, -(10**400), 0, 1e308])
    | st.floats()
    | st.text()
    | st.sampled_from(["2026-11-21T08:00:05.000Z", "0001-01-01T00:00:00+23:59"]),
    lambda children: st.lists(children, max_size=3) | st.dictionaries(st.text(), children, max_size=3),
    max_leaves=3,
)
LOOKS = st.dictionaries(st.sampled_from(sorted(BEFORE)), JSON)


@pytest.mark.slow
@given(
    before=LOOKS,
    after=LOOKS,
    offset=st.none() | st.floats(),
    outcome=st.sampled_from(["passed", "lost", None]),
)
def test_whatever_a_target_says_is_judged_and_fits_the_journal(
    before: dict[str, Any], after: dict[str, Any], offset: float | None, outcome: str | None
) -> None:
    verdict = judge(conditions(before, after), outcome=outcome, clock_offset_s=offset)
    record = {
        "kind": "verdict", "seq": 1, "at": "2026-11-21T08:00:00.000Z", "mono": 1.0, "event": "e", "execution": "x",
        **json.loads(json.dumps(verdict.as_dict(), allow_nan=False)),
    }  # fmt: skip
    VerdictRecord.model_validate(record)
    if set(verdict.unknown) & REQUIRED:
        assert verdict.verdict != VALID
    if verdict.verdict != VALID:
        assert verdict.reasons


# Each makes an execution more disturbed by a number that is not negative.
DISTURBANCES: dict[str, Any] = {
    "others": lambda document, much: _add(document, "cpu_busy_ticks", much),
    "steal": lambda document, much: _add(document, "cpu_steal_ticks", much),
    "throttling": lambda document, much: _add(document, "throttle_events", much),
    "load": lambda document, much: _add(document, "load_1m", much, "before"),
    "a login": lambda document, much: _add(document, "sessions", much),
    "host key": lambda document, _: document["after"].update(host_key=KEYS[1]),
    "boot": lambda document, _: document["after"].update(boot_id="another boot"),
    "clock": lambda document, much: document["after"].update(at=f"2026-11-21T08:{10 + much % 50}:10.000Z"),
}


def _add(document: dict[str, Any], name: str, much: int, where: str = "after") -> None:
    document[where][name] += much


MORE = st.lists(st.tuples(st.sampled_from(sorted(DISTURBANCES)), st.integers(0, 3_000)), max_size=6)


@given(
    first=MORE,
    more=MORE,
    offset=st.floats(0, 100),
    further=st.floats(0, 100),
    unknown=st.sets(st.sampled_from(sorted(BEFORE)), max_size=3),
)
def test_another_disturbance_never_makes_a_verdict_better(
    first: list[tuple[str, int]],
    more: list[tuple[str, int]],
    offset: float,
    further: float,
    unknown: set[str],
) -> None:
    document = conditions()
    ranks = []
    for disturbances, offset_s in ((first, offset), (more, offset + further)):
        for name, much in disturbances:
            # Somebody who logs in while somebody else logs out cannot be seen: logins only grow here.
            DISTURBANCES[name](document, much)
        seen = {
            where: {name: None if name in unknown else value for name, value in document[where].items()}
            for where in ("before", "after")
        }
        ranks.append(BETTER_FIRST.index(judge(seen, outcome="passed", clock_offset_s=offset_s).verdict))
    assert ranks[0] <= ranks[1]
    document["after"].update(boot_id="yet another boot")
    assert judge(document, outcome="passed", clock_offset_s=0.0).verdict == VOID


@given(
    asked=st.floats(1e9, 2e9),
    took=st.floats(0, 60),
    at=st.floats(0, 1),
    offset=st.floats(-1e6, 1e6),
)
def test_a_clock_offset_is_never_said_to_be_larger_than_it_is(
    asked: float, took: float, at: float, offset: float
) -> None:
    from rackbench import clock

    answered = asked + took
    told = clock.utc_text(clock.datetime.fromtimestamp(asked + at * took + offset, clock.UTC))
    found = clock_offset(told, asked, answered)
    assert found is not None
    assert abs(found) <= abs(offset) + 0.01
    assert abs(found) >= abs(offset) - took - 0.01


@pytest.mark.parametrize("told", [None, "", "now", "2026-11-21T08:00:00", 7])
def test_an_answer_without_a_time_tells_no_clock_offset(told: Any) -> None:
    assert clock_offset(told, 0.0, 1.0) is None
