# SPDX-License-Identifier: Apache-2.0
"""Settings of benchmarks, and the families that follow from them."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pytest
from hypothesis import given
from hypothesis import strategies as st
from rackbench.adapters.catalog import Adapter, Family, Pinning, read_adapter
from rackbench.adapters.families import on_host
from rackbench.adapters.plan import plan
from rackbench.adapters.settings import changed, configured, configured_catalog
from rackbench.errors import RackbenchError
from rackbench.topology import read
from rackbench.topology.model import Node

from tests import recordings

if TYPE_CHECKING:
    from rackbench.topology.model import Topology

    from tests.unit.adapters.conftest import MakeRole

DATA = Path(__file__).resolve().parents[2] / "data/topology"
AGENTS = {
    "profiles": [
        {"name": "v1-core", "summary": "Usual", "time_limit_s": 60, "parameters": {"turns": 9}},
        {"name": "v1-more", "summary": "More", "time_limit_s": 90},
    ],
    "defaults": {"profile": "v1-core"},
    "heartbeat_s": 2,
}


@pytest.fixture
def agents(make_role: MakeRole) -> Adapter:
    """Return an adapter whose families follow from settings."""
    settings = [{"name": "seed", "summary": "x", "default": 7}]
    return read_adapter(
        make_role(
            "agents",
            schema="rackbench.adapter/1.1",
            agents=AGENTS,
            families=...,
            default_families=...,
            settings=settings,
        )
    )


@pytest.fixture
def usual(make_role: MakeRole) -> Adapter:
    """Return an adapter with settings and a family with CPUs of its own."""
    return read_adapter(
        make_role(
            "usual",
            settings=[
                {"name": "redact", "summary": "x", "default": "none", "choices": ["none", "full"]},
                {"name": "upload", "summary": "x", "default": True},
                {"name": "pairs", "summary": "x", "default": 4},
                {"name": "share", "summary": "x", "default": 0.5},
                {"name": "install", "summary": "x"},
                {"name": "parts", "summary": "x", "default": ["a"]},
            ],
            families=[
                {"name": "all", "summary": "x", "time_limit_s": 5, "parameters": {"pairs": 1}},
                {"name": "sockets", "summary": "x", "time_limit_s": 5, "selector": "per-socket"},
                {"name": "cores", "summary": "x", "time_limit_s": 5, "selector": "physical"},
                {"name": "listed", "summary": "x", "time_limit_s": 5, "selector": "0-1,3"},
            ],
            default_families=["all"],
        )
    )


def machine(
    sockets: int = 1, cores: int = 2, threads: int = 1, offline: frozenset[int] = frozenset()
) -> Topology:
    """Return a host of this shape, as lscpu would print it."""
    rows = [
        f"{thread * sockets * cores + core},{core},{core // cores},{core // cores},"
        f"{'N' if thread * sockets * cores + core in offline else 'Y'}"
        for thread in range(threads)
        for core in range(sockets * cores)
    ]
    return read.from_lscpu("# CPU,Core,Socket,Node,Online\n" + "\n".join(rows) + "\n")


def names(families: tuple[Family, ...]) -> list[str]:
    return [family.name for family in families]


def test_settings_become_parameters_and_a_family_keeps_its_own(usual: Adapter) -> None:
    given_ = {"redact": "full", "pairs": 9, "share": 1, "install": "/opt/x", "parts": ["b"]}
    families = configured(usual, given_).families
    assert families[0].parameters == {
        "redact": "full", "upload": True, "pairs": 1, "share": 1, "install": "/opt/x", "parts": ["b"],
    }  # fmt: skip
    assert families[1].parameters["pairs"] == 9
    assert configured(usual, {}).families[1].parameters["redact"] == "none"


@pytest.mark.parametrize(
    ("given_", "said"),
    [
        ({"redakt": "full"}, "lab_settings.usual.redakt is no setting of usual. Did you mean redact?"),
        ({"redact": "most"}, "lab_settings.usual.redact must be one of none, full, and is 'most'."),
        ({"upload": 1}, "lab_settings.usual.upload must be true or false, and is 1."),
        ({"upload": "yes"}, "must be true or false"),
        ({"pairs": True}, "must be a whole number"),
        ({"pairs": "4"}, "must be a whole number"),
        ({"pairs": None}, "must be a whole number"),
        ({"parts": "a"}, "must be a list"),
        ({"cpu_pool": "all"}, "is no setting of usual"),
        ({"install": ["/opt"]}, "must be a single value"),
        ({"install": {}}, "must be a single value"),
        (["redact"], "must be a mapping of settings"),
    ],
)
def test_a_wrong_setting_is_said_with_its_place(usual: Adapter, given_: Any, said: str) -> None:
    with pytest.raises(RackbenchError) as caught:
        configured(usual, given_)
    assert caught.value.code == "unknown_setting"
    assert said in caught.value.message


@pytest.mark.parametrize(
    ("given_", "code", "said"),
    [
        ({"profile": "v2"}, "unknown_profile", "agents has no profile 'v2'. Known are: v1-core, v1-more."),
        ({"cpu_pool": "3-1"}, "unknown_setting", "lab_settings.agents.cpu_pool"),
        ({"cpu_pool": "p-cores"}, "unknown_setting", "lab_settings.agents.cpu_pool"),
        ({"cpu_pool": "per-socket"}, "unknown_setting", "lab_settings.agents.cpu_pool"),
        ({"threading": "smt"}, "unknown_setting", "threading"),
        ({"single_agent": False, "multi_agent": False}, "unknown_setting", "both off"),
        ({"supplemental": ["p-cores"]}, "unknown_setting", "Did you mean p-core?"),
        ({"supplemental": [{"label": "x", "profile": "v2"}]}, "unknown_profile", "v2"),
        (
            {"supplemental": [{"label": "x", "cpu_pool": "0,0-"}]},
            "unknown_setting",
            "supplemental.x.cpu_pool",
        ),
        ({"supplemental": [{"label": "x"}, {"label": "x"}]}, "unknown_setting", "label x twice"),
        ({"supplemental": [{"label": "official"}]}, "unknown_setting", "label official twice"),
        (
            {"supplemental": [{"label": "x", "splits": [{"agents": 0, "cpus_each": 1}]}]},
            "unknown_setting",
            "agents",
        ),
        ({"supplemental": "p-core"}, "unknown_setting", "supplemental"),
        (
            {"supplemental": [{"label": "x", "splits": [{"agents": 2, "cpus_each": 1}] * 2}]},
            "unknown_setting",
            "the split 2x1 is there twice",
        ),
    ],
)
def test_wrong_settings_of_agents_are_said(
    agents: Adapter, given_: dict[str, Any], code: str, said: str
) -> None:
    with pytest.raises(RackbenchError) as caught:
        configured(agents, given_)
    assert caught.value.code == code
    assert said in caught.value.message


def test_settings_of_a_benchmark_that_there_is_not_are_refused(usual: Adapter) -> None:
    with pytest.raises(RackbenchError, match=r"usuall.*Did you mean usual"):
        configured_catalog({"usual": usual}, {"usuall": {}})


def test_changes_are_read_as_yaml_and_leave_the_rest() -> None:
    site = {"a": {"x": 1, "y": 2}}
    assert changed(site, ["a.x=false", "b.list=[1, two]", "a.z=p-core"]) == {
        "a": {"x": False, "y": 2, "z": "p-core"},
        "b": {"list": [1, "two"]},
    }
    assert site == {"a": {"x": 1, "y": 2}}


@pytest.mark.parametrize("change", ["a", "a=1", "a.=1", ".x=1", "a.x=[1"])
def test_a_change_of_another_form_is_refused(change: str) -> None:
    with pytest.raises(RackbenchError, match="sets nothing"):
        changed({}, [change])


def test_official_families_first_and_each_supplement_has_a_single_and_a_multi_family(agents: Adapter) -> None:
    given_ = {
        "supplemental": [
            "p-core",
            "socket-local",
            {"label": "more", "profile": "v1-more"},
            {"label": "matrix", "splits": [{"agents": 2, "cpus_each": 1}, {"agents": 1, "cpus_each": 2}]},
        ]
    }
    families = configured(agents, given_).families
    assert names(families) == [
        "official-single", "official-multi", "p-core-single", "p-core-multi", "socket-local-single",
        "socket-local-multi", "more-single", "more-multi", "matrix-single", "matrix-multi-2x1", "matrix-multi-1x2",
    ]  # fmt: skip
    assert families[1].parameters == {"seed": 7, "turns": 9, "profile": "v1-core", "mode": "multi"}
    assert families[1].pinning == Pinning("all", "logical", "official", "multi")
    assert (families[1].time_limit_s, families[1].heartbeat_s, families[7].time_limit_s) == (60, 2, 90)
    assert names(configured(agents, {"single_agent": False}).families) == ["official-multi"]


def test_agents_get_the_cpus_of_the_host(agents: Adapter) -> None:
    given_ = {
        "supplemental": [
            "physical-only",
            "socket-local",
            {"label": "pinned", "cpu_pool": "1,3"},
            {"label": "matrix", "splits": [{"agents": 2, "cpus_each": 2}]},
        ]
    }
    ready = configured(agents, given_)
    families, unavailable = on_host(ready, ready.families, machine(sockets=2, cores=2, threads=2))
    assert not unavailable
    groups = {family.name: family.groups for family in families}
    assert groups["official-single"] == ((0,),)
    assert groups["official-multi"] == tuple((cpu,) for cpu in range(8))
    assert groups["physical-only-multi"] == ((0,), (1,), (2,), (3,))
    assert groups["socket-local-0-multi"] == ((0,), (1,), (4,), (5,))
    assert groups["socket-local-1-single"] == ((2,),)
    assert groups["pinned-multi"] == ((1,), (3,))
    # Siblings stay together.
    assert groups["matrix-multi-2x2"] == ((0, 4), (1, 5))
    by_name = {family.name: family for family in families}
    assert by_name["socket-local-1-multi"].parameters["label"] == "socket-local-1"
    assert by_name["matrix-multi-2x2"].cpus == (0, 1, 4, 5)


def test_what_a_host_cannot_run_is_named_with_the_reason(agents: Adapter) -> None:
    given_ = {
        "supplemental": [
            "p-core",
            "physical-only",
            "socket-local",
            {"label": "far", "cpu_pool": "0,99"},
            {"label": "big", "splits": [{"agents": 2, "cpus_each": 2}]},
        ]
    }
    ready = configured(agents, given_)
    families, unavailable = on_host(ready, ready.families, machine(offline=frozenset({1})))
    assert [family.name for family in families] == ["official-single", "official-multi", "big-single"]
    reasons = {each.family: (each.code, each.reason) for each in unavailable}
    assert reasons["p-core-multi"][0] == "cpu_pool_impossible"
    assert "one kind of core" in reasons["p-core-multi"][1]
    assert "same CPUs and profile" in reasons["physical-only-multi"][1]
    assert "in one socket" in reasons["socket-local-single"][1]
    assert "99" in reasons["far-multi"][1]
    assert reasons["big-multi-2x2"][0] == "cpu_split_impossible"


def test_a_label_that_is_also_the_name_of_a_socket_s_families_leaves_those_out(agents: Adapter) -> None:
    given_ = {"supplemental": ["socket-local", {"label": "socket-local-0", "cpu_pool": "0"}]}
    ready = configured(agents, given_)
    families, unavailable = on_host(ready, ready.families, machine(sockets=2))
    names_there = [family.name for family in families]
    assert len(names_there) == len(set(names_there))
    assert {each.family for each in unavailable} == {"socket-local-single", "socket-local-multi"}
    (own,) = [family for family in families if family.name == "socket-local-0-multi"]
    assert own.cpus == (0,)


def test_a_node_with_memory_only_is_no_unit_of_per_node(usual: Adapter) -> None:
    family = replace(usual.families[1], pinning=Pinning("per-node", "logical"))
    host = machine(sockets=2)
    beside = replace(host, nodes=(*host.nodes, Node(2, (), 2**30)))
    families, unavailable = on_host(usual, [family], beside)
    assert [each.cpus for each in families] == [(0, 1), (2, 3)]
    assert not unavailable
    one, missing = on_host(usual, [family], replace(machine(), nodes=(*machine().nodes, Node(1, (), 2**30))))
    assert (one, [each.code for each in missing]) == ([], ["cpu_pool_impossible"])


def test_a_hybrid_host_has_families_for_each_kind_of_core(agents: Adapter, tmp_path: Path) -> None:
    recordings.unpack(DATA / "intel-i7-1370p-hybrid.sysfs.tar.bz2", tmp_path)
    (root,) = tmp_path.glob("*/sys")
    ready = configured(agents, {"supplemental": ["p-core", "e-core", "physical-only", "dense-core"]})
    families, unavailable = on_host(ready, ready.families, read.from_tree(root.parent))
    agents_of = {family.name: len(family.groups or ()) for family in families}
    assert agents_of["official-multi"] == 20
    assert agents_of["p-core-multi"] == 12
    assert agents_of["e-core-multi"] == 8
    assert agents_of["physical-only-multi"] == 14
    assert {each.family for each in unavailable} == {"dense-core-single", "dense-core-multi"}


def test_families_with_selectors_get_cpus_and_one_for_each_socket(usual: Adapter) -> None:
    planned = plan(
        {"usual": usual}, ["usual"], ["sockets", "cores", "listed", "all"], topology=machine(2, 2, 2)
    )
    assert [(each["family"], each.get("cpus")) for each in planned.executions["usual"]] == [
        ("all", None), ("sockets-0", [0, 1, 4, 5]), ("sockets-1", [2, 3, 6, 7]), ("cores", [0, 1, 2, 3]),
        ("listed", [0, 1, 3]),
    ]  # fmt: skip


def test_without_a_topology_the_executions_wait_for_it(usual: Adapter) -> None:
    planned = plan({"usual": usual}, ["usual"], ["cores", "all"])
    assert planned.executions == {}
    assert [each.code for each in planned.unavailable["usual"]] == ["topology_unknown"]
    assert list(plan({"usual": usual}, ["usual"], ["all"]).executions) == ["usual"]


@given(
    st.integers(1, 4), st.integers(1, 8), st.integers(1, 2), st.lists(st.sampled_from(
        ["p-core", "physical-only", "socket-local", "logical"]), unique=True)
)  # fmt: skip
def test_supplements_never_change_the_official_families(
    sockets: int, cores: int, threads: int, supplements: list[str]
) -> None:
    adapter = read_adapter(Path(__file__).resolve().parents[3] / "roles/agentsth/adapter.yml")
    host = machine(sockets, cores, threads)
    alone = configured(adapter, {})
    beside = configured(adapter, {"supplemental": supplements})
    official = plan({"agentsth": alone}, ["agentsth"], topology=host).executions["agentsth"]
    both = plan({"agentsth": beside}, ["agentsth"], topology=host).executions["agentsth"]
    assert both[: len(official)] == official
    for each in both:
        cpus = [cpu for group in each["groups"] for cpu in group]
        assert len(cpus) == len(set(cpus))
        assert sorted(cpus) == each["cpus"]
