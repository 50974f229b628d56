# SPDX-License-Identifier: Apache-2.0
"""CPUs split among agents."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest
from hypothesis import given
from hypothesis import strategies as st
from rackbench.errors import RackbenchError
from rackbench.topology.pools import PoolError
from rackbench.topology.splits import split

from tests.unit.topology.machines import host, hosts

if TYPE_CHECKING:
    from rackbench.topology.model import Topology

# Two sockets with 4 cores of 2 threads each, and an L3 for each two cores: 0,1,8,9 | 2,3,10,11 | 4,5,12,13 | 6,7,14,15.
SERVER = host(cores=8, threads=2, sockets=2)


@given(hosts(), st.data())
def test_splits_are_disjoint_and_within_the_cpus(topology: Topology, data: st.DataObject) -> None:
    cpus = data.draw(st.sets(st.sampled_from(topology.usable), min_size=1))
    agents = data.draw(st.integers(1, len(cpus)))
    each = data.draw(st.integers(1, len(cpus) // agents))
    groups = split(topology, cpus, agents, each)
    given_out = [cpu for group in groups for cpu in group]
    assert [len(group) for group in groups] == [each] * agents
    assert len(set(given_out)) == len(given_out)
    assert set(given_out) <= cpus
    assert all(list(group) == sorted(group) for group in groups)


@given(hosts(), st.data())
def test_agents_share_a_core_only_when_no_agent_could_have_one_alone(
    topology: Topology, data: st.DataObject
) -> None:
    cores = [set(core.cpus) & set(topology.usable) for core in topology.cores]
    agents = data.draw(st.integers(1, sum(map(bool, cores))))
    groups = split(topology, topology.usable, agents, 1)
    core_of = {cpu.id: cpu.core for cpu in topology.cpus}
    assert len({core_of[group[0]] for group in groups}) == agents


@pytest.mark.parametrize(
    ("agents", "each", "groups"),
    [
        (3, 2, ((0, 8), (1, 9), (2, 10))),  # siblings
        (4, 1, ((0,), (1,), (2,), (3,))),  # a core for each
        (3, 4, ((0, 1, 8, 9), (2, 3, 10, 11), (4, 5, 12, 13))),  # an L3
        (2, 8, ((0, 1, 2, 3, 8, 9, 10, 11), (4, 5, 6, 7, 12, 13, 14, 15))),  # a node
        (
            2,
            6,
            ((0, 1, 2, 8, 9, 10), (4, 5, 6, 12, 13, 14)),
        ),  # not the rest of one node and some of the other
        (1, 16, (tuple(range(16)),)),
    ],
)
def test_near_cpus_stay_together(agents: int, each: int, groups: tuple[tuple[int, ...], ...]) -> None:
    assert split(SERVER, range(16), agents, each) == groups


def test_an_agent_gets_cores_of_one_kind_while_there_are_enough() -> None:
    hybrid = host(cores=8, threads=1, l3_cores=8, fast=3)
    assert split(hybrid, range(8), 3, 2) == ((0, 1), (3, 4), (5, 6))


def test_a_list_without_some_siblings_still_keeps_the_others_together() -> None:
    assert split(SERVER, (0, 1, 9, 2, 10), 2, 2) == ((1, 9), (2, 10))


@pytest.mark.parametrize(
    ("agents", "each", "why"),
    [
        (4, 5, "4 agents with 5 CPUs each take 20 CPUs, and there are 16"),
        (17, 1, "take 17 CPUs"),
        (0, 4, "both must be at least 1"),
        (4, 0, "both must be at least 1"),
        (-2, -2, "both must be at least 1"),
    ],
)
def test_a_split_that_does_not_fit_is_refused(agents: int, each: int, why: str) -> None:
    with pytest.raises(RackbenchError, match=why) as failure:
        split(SERVER, range(16), agents, each)
    assert failure.value.code == "cpu_split_impossible"


def test_a_split_of_cpus_that_cannot_be_used_is_refused() -> None:
    with pytest.raises(PoolError, match="CPU 16: the host has 0-15"):
        split(SERVER, range(17), 1, 1)
    with pytest.raises(PoolError, match="CPU 5: offline"):
        split(host(cores=8, threads=1, offline=[5]), range(8), 2, 2)
