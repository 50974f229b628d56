# SPDX-License-Identifier: Apache-2.0
"""Templates: what a file may say, which one is meant, and what comes before what."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Any

import pytest
from hypothesis import given
from hypothesis import strategies as st
from rackbench import templates
from rackbench.errors import RackbenchError
from rackbench.yaml_source import Source

if TYPE_CHECKING:
    from collections.abc import Mapping

ROOT = Path(__file__).resolve().parents[2]
HEAD = "schema: rackbench.template/1.0\nsummary: A preset\n"
# The options of a run before a template: all that a template may set, with their defaults.
DEFAULTS: dict[str, Any] = {
    "benchmarks": None,
    "families": [],
    "repeats": None,
    "repeats_until": None,
    "repeats_max": 20,
    "warmups": 0,
    "noise": {},
    "settings": {},
    "tags": [],
    "label": None,
}


def template(path: Path, **options: Any) -> templates.Template:
    """Return a template that sets these options."""
    return templates.Template(
        "some", "A preset", options, Source(path, {}, {("families",): 7}, "template_invalid")
    )


def applied(path: Path, sets: Mapping[str, Any], own: Mapping[str, Any]) -> dict[str, Any]:
    """Return the options of a run with a template that sets `sets`, when `own` is set on the command line."""
    return template(path, **sets).applied({**DEFAULTS, **own}, own)


@pytest.mark.parametrize(
    ("text", "line", "what"),
    [
        ("", 1, "is a mapping"),
        ("- smoke\n", 1, "is a mapping"),
        (f"{HEAD}repeat: 3\n", 3, "repeat: unknown key; did you mean 'repeats'?"),
        (f"{HEAD}repeats: '3'\n", 3, "repeats: Input should be a valid integer (given: '3')"),
        (f"{HEAD}repeats: true\n", 3, "repeats: Input should be a valid integer (given: True)"),
        (f"{HEAD}repeats: 0\n", 3, "greater than or equal to 1 (given: 0)"),
        (f"{HEAD}repeats_until: .nan\n", 3, "repeats_until: Input should be"),
        (f"{HEAD}repeats_max: 2\n", 3, "greater than or equal to 3"),
        (f"{HEAD}benchmarks: latency\n", 3, "benchmarks: Input should be a valid list"),
        (f"{HEAD}benchmarks: []\n", 3, "at least 1 item"),
        (f"{HEAD}families:\n- smoke\n- Full Size\n", 5, "families[1]: String should match"),
        (f"{HEAD}tags: [A b]\n", 3, "tags[0]: String should match"),
        (f"{HEAD}settings: {{latency: 3}}\n", 3, "settings.latency: Input should be a valid dictionary"),
        (f"{HEAD}repeats: 3\nrepeats_until: 3\n", 1, "repeats and repeats_until exclude each other"),
        (f"{HEAD}summary: Another\n", 3, "this key stands twice; the first is on line 2"),
        ("schema: rackbench.template/1.0\n", 1, "summary: the key is missing"),
        ("schema: rackbench.template/9.0\nsummary: x\n", 1, "Input should be 'rackbench.template/1.0'"),
        ("tags: [", 1, "this is not YAML"),
        ("\x00", 1, "cannot be read"),
    ],
)
def test_a_broken_file_is_refused_with_its_line_and_what_is_allowed(
    tmp_path: Path, text: str, line: int, what: str
) -> None:
    path = tmp_path / "some.yml"
    path.write_text(text)
    with pytest.raises(RackbenchError) as caught:
        templates.read(path)
    assert caught.value.code == "template_invalid"
    assert what in caught.value.message
    if "cannot be read" not in what:
        assert f"{path}:{line}: " in caught.value.message
    assert str(caught.value.where).startswith(str(path))


def test_an_unknown_name_suggests_the_nearest_and_a_path_is_none(tmp_path: Path) -> None:
    (tmp_path / "smoke.yml").write_text(HEAD)
    for name in ("smoek", "../smoke", f"{tmp_path}/smoke", ""):
        with pytest.raises(RackbenchError) as caught:
            templates.load(name, [tmp_path])
        assert caught.value.code == "unknown_template"
        assert "Known are: smoke." in caught.value.message
    with pytest.raises(RackbenchError, match="Did you mean smoke"):
        templates.load("smoek", [tmp_path])


def test_the_project_comes_before_the_collection_and_neither_has_to_be_there(tmp_path: Path) -> None:
    project, collection = tmp_path / "project", tmp_path / "collection"
    places = templates.folders(project, collection)
    assert templates.available(places) == {}
    for root, names in ((project, ("own", "both")), (collection, ("both", "ours"))):
        (root / "templates").mkdir(parents=True)
        for name in names:
            (root / f"templates/{name}.yml").write_text(HEAD)
    assert templates.available(places) == {
        "both": project / "templates/both.yml",
        "ours": collection / "templates/ours.yml",
        "own": project / "templates/own.yml",
    }


def test_a_checkout_that_is_its_own_collection_has_each_template_once(tmp_path: Path) -> None:
    (tmp_path / "templates").mkdir()
    (tmp_path / "collections/ansible_collections/rackbench").mkdir(parents=True)
    (tmp_path / "collections/ansible_collections/rackbench/lab").symlink_to(tmp_path)
    collection = tmp_path / "collections/ansible_collections/rackbench/lab"
    assert templates.folders(tmp_path, collection) == [tmp_path / "templates"]


VALUES = {
    "benchmarks": st.lists(st.sampled_from(["latency", "system-info"]), min_size=1),
    "families": st.lists(st.sampled_from(["smoke", "full"]), min_size=1),
    "repeats": st.integers(1, 9),
    "repeats_max": st.integers(3, 9),
    "warmups": st.integers(0, 3),
    "noise": st.dictionaries(st.sampled_from(["boost", "smt"]), st.booleans()),
    "label": st.sampled_from(["bios-a", "bios-b"]),
}
OPTIONS = st.fixed_dictionaries({}, optional=VALUES)


@given(sets=OPTIONS, own=OPTIONS, inventory=OPTIONS)
def test_the_command_line_comes_before_the_template_and_that_before_the_inventory(
    sets: dict[str, Any],
    own: dict[str, Any],
    inventory: dict[str, Any],
    tmp_path_factory: pytest.TempPathFactory,
) -> None:
    one = template(tmp_path_factory.getbasetemp(), **sets)
    found = one.applied({**DEFAULTS, **inventory, **own}, own)
    expected = {**DEFAULTS, **inventory, **sets, **own}
    if "repeats" in own:
        expected["repeats_until"] = None
    assert found == expected


def test_tags_add_up_so_that_smoke_stays(tmp_path: Path) -> None:
    assert applied(tmp_path, {"tags": ["smoke", "ci"]}, {"tags": ["nightly", "ci"]})["tags"] == [
        "smoke",
        "ci",
        "nightly",
    ]


def test_settings_are_taken_one_by_one(tmp_path: Path) -> None:
    one = template(tmp_path, settings={"a": {"x": 1, "y": 2}, "b": {"z": 3}})
    others = {**DEFAULTS, "settings": {"a": {"y": 9, "v": 8}, "c": {"w": 4}}}
    rest = {"b": {"z": 3}, "c": {"w": 4}}
    # Those of the command line come before the template's, those of the inventory after them.
    assert one.applied(others, {"settings"})["settings"] == {"a": {"x": 1, "y": 9, "v": 8}, **rest}
    assert one.applied(others, ())["settings"] == {"a": {"x": 1, "y": 2, "v": 8}, **rest}


@pytest.mark.parametrize(
    ("sets", "own"),
    [
        ({"repeats_until": 2.0, "repeats_max": 10}, {"repeats": 5}),
        ({"repeats": 5}, {"repeats_until": 2.0}),
    ],
)
def test_another_end_of_the_repeats_replaces_that_of_the_template(
    tmp_path: Path, sets: dict[str, Any], own: dict[str, Any]
) -> None:
    found = applied(tmp_path, sets, own)
    assert {name: found[name] for name in ("repeats", "repeats_until")} == {
        "repeats": None,
        "repeats_until": None,
        **own,
    }


def test_another_end_of_the_repeats_in_the_inventory_gives_way_to_that_of_the_template(
    tmp_path: Path,
) -> None:
    found = template(tmp_path, repeats=5).applied({**DEFAULTS, "repeats_until": 2.0}, ())
    assert (found["repeats"], found["repeats_until"]) == (5, None)


def test_a_refused_plan_names_the_file_when_the_template_is_to_blame(tmp_path: Path) -> None:
    one = template(tmp_path / "some.yml", families=["no-such"])
    with pytest.raises(RackbenchError) as caught, one.named(given=set()):
        raise RackbenchError("unknown_family", "No benchmark has the family 'no-such'.")
    assert caught.value.message.startswith(f"{tmp_path}/some.yml:7: families: No benchmark has")
    assert caught.value.next_path == f"{tmp_path}/some.yml"


def test_a_refused_plan_does_not_name_the_file_when_somebody_else_is_to_blame(tmp_path: Path) -> None:
    one = template(tmp_path / "some.yml", families=["smoke"])
    with pytest.raises(RackbenchError) as caught, one.named(given={"families"}):
        raise RackbenchError("unknown_family", "No benchmark has the family 'no-such'.")
    assert caught.value.message == "No benchmark has the family 'no-such'."


@pytest.mark.parametrize("bad", ["", "A", "a b", "-a", "a" * 41, "ä", "a\n"])
def test_a_tag_that_is_no_name_is_refused(bad: str) -> None:
    with pytest.raises(RackbenchError, match="lab_tags has") as caught:
        templates.check_tags([bad])
    assert caught.value.code == "unknown_option"
    templates.check_tags(["a", "0.b_c-d"])


def test_the_templates_of_the_collection_are_good() -> None:
    known = templates.available(templates.folders(ROOT, ROOT))
    assert {"smoke", "standard", "thorough"} <= known.keys()
    read = {name: templates.read(path) for name, path in known.items()}
    assert read["smoke"].options["tags"] == ["smoke"]
