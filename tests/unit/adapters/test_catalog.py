# SPDX-License-Identifier: Apache-2.0
"""adapter.yml: what is read, and how a mistake in it is said."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from rackbench.adapters.catalog import Adapter, known, load_catalog, require
from rackbench.errors import RackbenchError

MakeRole = Callable[..., Path]
PROJECT = Path(__file__).resolve().parents[3]


def test_the_adapters_of_this_project_are_valid() -> None:
    adapters = load_catalog([PROJECT / "roles"])
    assert {"latency", "system-info"} <= adapters.keys()
    for adapter in adapters.values():
        assert (
            adapter.bundle is None
            or adapter.bundle.source is None
            or (PROJECT / adapter.bundle.source).is_dir()
        )


def test_an_adapter_is_found_by_its_file_alone(make_role: MakeRole, tmp_path: Path) -> None:
    make_role("made-up")
    adapter = load_catalog([tmp_path / "roles"])["made-up"]
    assert adapter.directory == tmp_path / "roles" / "made_up"
    assert [family.name for family in adapter.families] == ["smoke", "full"]
    assert adapter.default_families == ("full",)


AGENTS = {"profiles": [{"name": "v1", "summary": "x", "time_limit_s": 5}], "defaults": {"profile": "v1"}}


@pytest.mark.parametrize(
    ("fields", "said"),
    [
        ({"name": "Bad"}, "name: "),
        ({"name": "preflight"}, "name: "),
        ({"name": "other"}, "role directory called other"),
        ({"summary": ...}, "summary: Field required"),
        ({"colour": "blue"}, "colour: "),
        ({"schema": "rackbench.adapter/2.0"}, "rackbench.adapter/1.0"),
        (
            {"bundle": {"name": "x", "platform": "linux"}},
            "bundle.platform: Input should be 'any' or 'native'",
        ),
        ({"bundle": {"name": "x", "source": "../x"}}, "bundle.source: "),
        ({"default_families": ["nope"]}, "default_families.0: nope is not one of smoke, full"),
        ({"families": []}, "a benchmark without agents needs families and default_families"),
        (
            {"families": [{"name": "a", "summary": "b", "time_limit_s": 1, "selector": "0-x"}]},
            "families.0.selector",
        ),
        ({"settings": [{"name": "a", "summary": "b", "default": 1, "choices": [2]}]}, "settings.0: "),
        ({"settings": [{"name": "a", "summary": "b"}] * 2}, "the setting a is there twice"),
        ({"agents": AGENTS}, "follow from its settings; name none"),
        (
            {"agents": AGENTS | {"defaults": {"profile": "v9"}}, "families": [], "default_families": []},
            "defaults.profile v9 is not one of v1",
        ),
        ({"families": [{"name": "a", "summary": "b", "time_limit_s": 0}]}, "families.0.time_limit_s: "),
        ({"families": [{"name": "a", "summary": "b", "time_limit_s": 1}] * 2}, "the family a is there twice"),
        ({"results": {"headline": [{"label": "a", "query": "metrics[", "unit": "s"}]}}, "headline.0.query: "),
        (
            {"requirements": {"commands": [{"command": "x", "packages": {"brew": "x"}}]}},
            "'apt', 'dnf', 'zypper'",
        ),
    ],
)
def test_a_mistake_is_said_with_file_place_and_what_is_allowed(
    make_role: MakeRole, tmp_path: Path, fields: dict[str, Any], said: str
) -> None:
    path = make_role("probe", **fields)
    with pytest.raises(RackbenchError) as caught:
        load_catalog([tmp_path / "roles"])
    assert caught.value.code == "adapter_invalid"
    assert str(path) in caught.value.message
    assert said in caught.value.message


@pytest.mark.parametrize(
    "content", [b"name: [", b"\xff\xfe\x00", b"", b"- 1", b"a: !!python/object:os.system {}"]
)
def test_bytes_that_are_no_mapping_are_refused(make_role: MakeRole, tmp_path: Path, content: bytes) -> None:
    path = make_role()
    path.write_bytes(content)
    with pytest.raises(RackbenchError) as caught:
        load_catalog([tmp_path / "roles"])
    assert caught.value.code == "adapter_invalid"
    assert str(path) in caught.value.message


def test_two_roles_with_one_name_are_refused(make_role: MakeRole, tmp_path: Path) -> None:
    path = make_role()
    other = tmp_path / "more" / "probe"
    other.mkdir(parents=True)
    (other / "adapter.yml").write_text(path.read_text())
    with pytest.raises(RackbenchError, match="already the adapter of"):
        load_catalog([tmp_path / "roles", tmp_path / "more"])


def test_an_unknown_benchmark_lists_the_known_and_the_nearest(catalog: dict[str, Adapter]) -> None:
    with pytest.raises(RackbenchError) as caught:
        require(catalog, ["one", "tow-more"])
    assert caught.value.code == "unknown_benchmark"
    assert caught.value.exit_status == 2
    assert "Did you mean two-more?" in caught.value.message
    assert ", ".join(known(catalog)) in caught.value.message
