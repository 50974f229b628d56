# SPDX-License-Identifier: Apache-2.0
"""CPU pools by name and by list."""

from __future__ import annotations

import contextlib
from dataclasses import replace
from typing import TYPE_CHECKING

import pytest
from hypothesis import given
from hypothesis import strategies as st
from rackbench.topology import cpulist
from rackbench.topology.pools import PoolError, pool

from tests.unit.topology.machines import host, hosts

if TYPE_CHECKING:
    from rackbench.topology.model import Topology

NAMES = st.sampled_from(
    ["all", "p-core", "e-core", "dense-core", "socket:0", "socket:1", "node:0", "l3:0", "l3:1"]
)
# Two sockets with 4 cores of 2 threads each: 0-3 and 8-11 in socket 0, 4-7 and 12-15 in socket 1.
SERVER = host(cores=8, threads=2, sockets=2)
HYBRID = host(cores=8, threads=1, fast=2)


@given(hosts(), NAMES, st.sampled_from(["logical", "physical"]))
def test_a_named_pool_is_of_usable_cpus_or_impossible(topology: Topology, name: str, threading: str) -> None:
    with contextlib.suppress(PoolError):
        cpus = pool(topology, name, threading)
        assert cpus
        assert set(cpus) <= set(topology.usable)
        assert list(cpus) == sorted(cpus)


@given(hosts())
def test_all_is_all_that_may_be_used(topology: Topology) -> None:
    assert pool(topology, "all", "logical") == topology.usable


@given(hosts(), st.data())
def test_physical_is_one_cpu_of_each_core_of_the_logical_pool(
    topology: Topology, data: st.DataObject
) -> None:
    chosen = data.draw(st.sets(st.sampled_from(topology.usable), min_size=1))
    logical = pool(topology, cpulist.text(chosen), "logical")
    physical = pool(topology, cpulist.text(chosen), "physical")
    core_of = {cpu.id: cpu.core for cpu in topology.cpus}
    assert set(logical) == chosen
    assert set(physical) <= chosen
    assert sorted(core_of[cpu] for cpu in physical) == sorted({core_of[cpu] for cpu in logical})


@pytest.mark.parametrize(
    ("name", "threading", "cpus"),
    [
        ("all", "logical", "0-15"),
        ("all", "physical", "0-7"),
        ("socket:1", "logical", "4-7,12-15"),
        ("node:0", "physical", "0-3"),
        ("l3:1", "logical", "2-3,10-11"),
        ("8-11,0", "logical", "0,8-11"),
        ("8-11,0", "physical", "0,9-11"),
    ],
)
def test_pools_of_a_server(name: str, threading: str, cpus: str) -> None:
    assert cpulist.text(pool(SERVER, name, threading)) == cpus


def test_pools_by_kind_of_core() -> None:
    assert pool(HYBRID, "p-core", "logical") == (0, 1)
    assert pool(HYBRID, "e-core", "physical") == (2, 3, 4, 5, 6, 7)


def test_a_named_pool_takes_what_may_be_used_of_it() -> None:
    topology = host(cores=8, threads=2, sockets=2, offline=[0], allowed=range(10))
    assert cpulist.text(pool(topology, "socket:0", "logical")) == "1-3,8-9"
    assert cpulist.text(pool(topology, "socket:0", "physical")) == "1-3,8"


@pytest.mark.parametrize(
    ("name", "why"),
    [
        ("p-core", "one kind of core"),
        ("socket:2", "There is no socket 2: the host has 0-1"),
        ("node:9", "There is no NUMA node 9: the host has 0-1"),
        ("l3:4", "There is no L3 group 4: the host has 0-3"),
        ("99", "CPU 99: the host has 0-15"),
        ("14-17", "CPUs 16-17: the host has 0-15"),
        ("3-1", "backwards"),
        ("0-999999999", "beyond what any host has"),
        ("fast-cores", "none of all, p-core"),
        ("socket:-1", "none of all, p-core"),
        ("", "empty"),
    ],
)
def test_a_pool_that_the_host_does_not_have_is_refused(name: str, why: str) -> None:
    with pytest.raises(PoolError, match=why):
        pool(SERVER, name, "logical")


def test_a_list_with_a_cpu_that_cannot_be_used_is_refused() -> None:
    topology = host(cores=8, threads=1, offline=[3], allowed=range(6))
    with pytest.raises(PoolError, match=r"CPU 3: offline\. Online are 0-2,4-7"):
        pool(topology, "0-3", "logical")
    with pytest.raises(
        PoolError, match=r"CPUs 6-7: affinity or a cgroup keeps jobs off\. Allowed are 0-2,4-5"
    ):
        pool(topology, "5-7", "logical")


def test_a_pool_without_any_usable_cpu_is_refused() -> None:
    topology = host(cores=8, threads=1, sockets=2, allowed=[0])
    with pytest.raises(PoolError, match="affinity or a cgroup allows 0"):
        pool(topology, "socket:1", "logical")


def test_an_absent_kind_of_core_is_refused_with_those_that_there_are() -> None:
    with pytest.raises(PoolError, match="the host's cores are 2 performance, 6 efficient"):
        pool(HYBRID, "dense-core", "logical")


def test_physical_and_kinds_need_known_cores() -> None:
    coreless = replace(SERVER, cores=(), kinds={}, cpus=tuple(replace(cpu, core=-1) for cpu in SERVER.cpus))
    assert pool(coreless, "0-3", "logical") == (0, 1, 2, 3)
    with pytest.raises(PoolError, match="share a core is not known"):
        pool(coreless, "0-3", "physical")
    with pytest.raises(PoolError, match="cores are not known"):
        pool(coreless, "p-core", "logical")


def test_another_threading_is_refused() -> None:
    with pytest.raises(PoolError, match="'both' is neither logical nor physical"):
        pool(SERVER, "all", "both")
