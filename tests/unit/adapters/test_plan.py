# SPDX-License-Identifier: Apache-2.0
"""Plans: steps in order, what each waits for, and the executions."""

from __future__ import annotations

import math
from dataclasses import replace
from typing import Any

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from rackbench.adapters.catalog import Adapter, Headline
from rackbench.adapters.plan import plan
from rackbench.errors import RackbenchError
from rackbench.ledger.steps import PHASES

Catalog = dict[str, Adapter]


def _ids(catalog: Catalog, **arguments: object) -> list[str]:
    return [step.step_id for step in plan(catalog, **arguments).steps]  # type: ignore[arg-type]


def test_one_benchmark_gets_its_steps_between_those_of_the_host(catalog: Catalog) -> None:
    assert _ids(catalog, benchmarks=["one"]) == [
        "host.discover",
        "host.preflight",
        "one.stage",
        "one.execute",
        "one.collect",
        "one.publish",
        "host.finalize",
    ]


def test_no_benchmark_given_means_every_adapter_with_a_bundle(catalog: Catalog) -> None:
    for nothing in (None, []):
        assert plan(catalog, nothing).benchmarks == ["one", "two-more"]


def test_benchmarks_keep_the_order_that_was_asked_for_and_come_once(catalog: Catalog) -> None:
    assert plan(catalog, ["two-more", "one", "two-more", "preflight"]).benchmarks == ["two-more", "one"]


def test_preflight_alone_plans_the_steps_of_the_host_only(catalog: Catalog) -> None:
    planned = plan(catalog, ["preflight"])
    assert [step.step_id for step in planned.steps] == ["host.discover", "host.preflight", "host.finalize"]
    assert planned.executions == {}
    assert planned.benchmarks == ["one", "two-more"]


def test_roles_are_those_of_the_collection_and_of_the_adapter(catalog: Catalog) -> None:
    steps = plan(catalog, ["two-more"], role_of=lambda adapter: f"my.{adapter.directory.name}").steps
    roles = {step.step_id: step.role for step in steps}
    assert roles["host.discover"] == "rackbench.lab.discover"
    assert roles["two-more.stage"] == "my.two_more"
    assert roles["two-more.publish"] == "rackbench.lab.publish"


def test_each_step_waits_for_those_that_it_rests_on(catalog: Catalog) -> None:
    depends = {step.step_id: step.depends for step in plan(catalog, ["one"]).steps}
    assert depends["one.stage"] == ("host.discover", "host.preflight")
    assert depends["one.execute"] == ("one.stage",)
    assert depends["one.collect"] == ("one.execute",)
    assert depends["one.publish"] == ("one.execute", "one.collect")
    assert depends["host.finalize"] == ()


def test_a_phase_limit_ends_the_run_after_that_phase(catalog: Catalog) -> None:
    assert _ids(catalog, benchmarks=["one"], phases=["preflight", "stage"]) == [
        "host.discover",
        "host.preflight",
        "one.stage",
        "host.finalize",
    ]
    assert _ids(catalog, benchmarks=["one"], phases=["discover"]) == ["host.discover", "host.finalize"]
    assert plan(catalog, ["one"], phases=["stage"]).executions == {}


def test_an_execution_has_its_name_limits_and_parameters(catalog: Catalog) -> None:
    assert plan(catalog, ["one"], ["smoke"], repeats=2).executions["one"] == [
        {
            "execution_id": f"one.smoke.{repeat}",
            "family": "smoke",
            "repeat": repeat,
            "time_limit_s": 5.0,
            "parameters": {"mode": "smoke"},
        }
        for repeat in (1, 2)
    ]


@pytest.mark.parametrize(
    ("families", "one", "two"),
    [
        ([], ["full"], ["short"]),
        (["smoke"], ["smoke"], ["short"]),
        (["one:smoke", "full"], ["smoke", "full"], ["short"]),
        (["two-more:short"], ["full"], ["short"]),
    ],
)
def test_families_go_to_the_adapters_that_have_them(
    catalog: Catalog, families: list[str], one: list[str], two: list[str]
) -> None:
    executions = plan(catalog, None, families).executions
    assert [each["family"] for each in executions["one"]] == one
    assert [each["family"] for each in executions["two-more"]] == two


@pytest.mark.parametrize("family", ["smok", "one:short", "nobody:full", ":", "one:"])
def test_an_unknown_family_is_refused_with_the_known_ones(catalog: Catalog, family: str) -> None:
    with pytest.raises(RackbenchError) as caught:
        plan(catalog, ["one", "two-more"], [family])
    assert caught.value.code == "unknown_family"
    assert "Known are:" in caught.value.message


def test_a_family_of_a_benchmark_that_the_run_leaves_out_is_left_out_with_it(catalog: Catalog) -> None:
    executions = plan(catalog, ["two-more"], ["one:smoke", "smoke"]).executions
    assert [each["family"] for each in executions["two-more"]] == ["short"]


def test_an_unknown_phase_is_refused_with_the_known_ones(catalog: Catalog) -> None:
    with pytest.raises(RackbenchError, match="Did you mean execute") as caught:
        plan(catalog, ["one"], phases=["exceute"])
    assert caught.value.code == "unknown_phase"


def test_no_repeat_at_all_is_refused(catalog: Catalog) -> None:
    with pytest.raises(RackbenchError) as caught:
        plan(catalog, ["one"], repeats=0)
    assert caught.value.code == "unknown_option"


def test_warm_ups_come_before_the_repeats_of_each_family(catalog: Catalog) -> None:
    executions = plan(catalog, ["one"], ["smoke", "full"], repeats=2, warmups=1).executions["one"]
    assert [each["execution_id"] for each in executions] == [
        *("one.smoke.w1", "one.smoke.1", "one.smoke.2"),
        *("one.full.w1", "one.full.1", "one.full.2"),
    ]
    assert [each.get("warmup") for each in executions] == [True, None, None] * 2
    assert [each["repeat"] for each in executions] == [1, 1, 2] * 2


def test_a_precision_plans_as_many_repeats_as_may_be_needed(catalog: Catalog) -> None:
    planned = plan(_with_headline(catalog), ["one"], ["smoke"], warmups=1, repeats_until=2.5, repeats_max=4)
    assert [(each["execution_id"], each.get("until_percent")) for each in planned.executions["one"]] == [
        ("one.smoke.w1", None),
        *((f"one.smoke.{number}", 2.5) for number in (1, 2, 3, 4)),
    ]


@pytest.mark.parametrize(
    ("wrong", "message"),
    [
        ({"warmups": -1}, "lab_warmups is -1, and must be 0 or more"),
        ({"repeats_until": 0.0}, "lab_repeats_until is 0.0"),
        ({"repeats_until": -3.0}, "lab_repeats_until is -3.0"),
        ({"repeats_until": 100.5}, "lab_repeats_until is 100.5"),
        ({"repeats_until": math.nan}, "lab_repeats_until is nan"),
        ({"repeats_until": math.inf}, "lab_repeats_until is inf"),
        ({"repeats_until": 5.0, "repeats_max": 2}, "lab_repeats_max is 2, and must be 3 or more"),
        ({"repeats_until": 5.0, "repeats": 3}, "lab_repeats and lab_repeats_until are both set"),
    ],
)
def test_repeats_out_of_their_range_and_two_ways_to_end_them_are_refused(
    catalog: Catalog, wrong: dict[str, Any], message: str
) -> None:
    with pytest.raises(RackbenchError, match=message) as caught:
        plan(_with_headline(catalog), ["one"], **wrong)
    assert caught.value.code == "unknown_option"


def test_a_precision_for_an_adapter_without_a_headline_number_is_refused(catalog: Catalog) -> None:
    without = {name: replace(adapter, headline=()) for name, adapter in catalog.items()}
    with pytest.raises(RackbenchError, match="names no headline number") as caught:
        plan(without, ["one"], repeats_until=5.0)
    assert caught.value.code == "unknown_option"
    # Nothing is executed, so nothing has to be judged.
    assert plan(without, ["one"], phases=["stage"], repeats_until=5.0).executions == {}


def _with_headline(catalog: Catalog) -> Catalog:
    headline = (Headline("rate", "metrics[0].samples[0]", "1/s"),)
    return {name: replace(adapter, headline=headline) for name, adapter in catalog.items()}


@settings(deadline=None, max_examples=100, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(
    benchmarks=st.none() | st.lists(st.sampled_from(["one", "two-more", "bare", "preflight"])),
    phases=st.none() | st.lists(st.sampled_from(PHASES)),
    repeats=st.integers(1, 4),
)
def test_every_plan_is_in_order_and_closed(
    catalog: Catalog, benchmarks: list[str] | None, phases: list[str] | None, repeats: int
) -> None:
    planned = plan(catalog, benchmarks, phases=phases, repeats=repeats)
    ids = [step.step_id for step in planned.steps]
    assert len(set(ids)) == len(ids)
    assert ids[-1] == "host.finalize"
    for position, step in enumerate(planned.steps):
        assert set(step.depends) <= set(ids[:position])
        assert step.phase in planned.phases
    executing = {step.adapter for step in planned.steps if step.phase == "execute"}
    if executing:
        assert set(planned.executions) == executing
    names = [each["execution_id"] for group in planned.executions.values() for each in group]
    assert len(set(names)) == len(names)
    assert planned.phases == [phase for phase in PHASES if phase in planned.phases]
