# SPDX-License-Identifier: Apache-2.0
"""Routes through generated chains."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest
import yaml
from hypothesis import given, settings
from hypothesis import strategies as st
from rackbench.errors import RackbenchError
from rackbench.transport import labfile, routes

if TYPE_CHECKING:
    from pathlib import Path


def load(folder: Path, via: dict[str, str | None]) -> routes.Routes:
    document = {
        "schema": "rackbench.lab/1.0",
        "plugin": "rackbench.lab.lab",
        "auth_refs": {"a": {"type": "agent"}},
        "defaults": {"user": "u", "auth_ref": "a"},
        "hops": {
            name: {"hostname": name} | ({"via": before} if before else {}) for name, before in via.items()
        },
        "hosts": {
            f"host-{name}": {"hostname": "x", "transport": {"type": "jump_chain", "hops": [name]}}
            for name in via
        },
    }
    path = folder / "g.lab.yml"
    path.write_text(yaml.safe_dump(document))
    return routes.resolve(labfile.load(path))


@settings(deadline=None, max_examples=60)
@given(st.lists(st.integers(0, 7), min_size=1, max_size=8))
def test_any_graph_of_hops_has_a_route_to_every_host_or_is_a_loop(
    tmp_path_factory: pytest.TempPathFactory, parents: list[int]
) -> None:
    names = [f"h{index}" for index in range(len(parents))]
    via = {
        name: names[parent] if parent < len(names) else None
        for name, parent in zip(names, parents, strict=True)
    }
    expected: dict[str, list[str]] | None = {}
    for name in names:
        walked: list[str] = [name]
        while (before := via[walked[0]]) is not None and before not in walked:
            walked.insert(0, before)
        if before is not None:
            expected = None
            break
        expected[f"host-{name}"] = walked
    folder = tmp_path_factory.mktemp("graph")
    if expected is None:
        with pytest.raises(RackbenchError, match="a loop of hops"):
            load(folder, via)
        return
    found = load(folder, via)
    assert {host: found.hops(host) for host in expected} == expected
    order = list(found.endpoints)
    assert all(
        order.index(item.via) < order.index(item.name) for item in found.endpoints.values() if item.via
    )


def test_pauses_double_and_stop_growing_at_a_minute() -> None:
    assert [routes.pause_s(2.0, attempt) for attempt in (1, 2, 3, 7)] == [2.0, 4.0, 8.0, 60.0]
