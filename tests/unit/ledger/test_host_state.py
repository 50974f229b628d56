# SPDX-License-Identifier: Apache-2.0
"""The state in which a run measured, and what makes two of them different."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING, Any

import pytest
from hypothesis import given
from hypothesis import strategies as st
from rackbench.errors import RackbenchError
from rackbench.ledger import host_state, labels
from rackbench.ledger.host_state import Facts, HostState, differences, document, of_run
from rackbench.ledger.state import RunState

if TYPE_CHECKING:
    from pathlib import Path

FOUND = {
    "facts": {"firmware.version": "1", "settings.governor": "powersave"},
    "unknown": {"bmc": "no ipmitool"},
}
FACTS = st.dictionaries(st.sampled_from("abcd"), st.text(max_size=3), max_size=4)


def write(run_dir: Path, content: Any) -> None:
    (run_dir / "preflight").mkdir(exist_ok=True)
    (run_dir / host_state.PATH).write_text(content if isinstance(content, str) else json.dumps(content))


def state_of(tmp_path: Path, noise: Any = None, **platform: Any) -> HostState:
    write(tmp_path, document("X-thor", "thor", FOUND, None))
    return of_run(tmp_path, RunState(opened={"options": {"noise": noise}}, platform=platform))


def test_the_platform_of_the_run_belongs_to_its_state(tmp_path: Path) -> None:
    before = state_of(tmp_path, os_id="debian", os_version="12", libc={"name": "glibc", "version": "2.36"})
    after = state_of(tmp_path, os_id="debian", os_version="13", libc={"name": "glibc", "version": "2.41"})
    assert [str(each) for each in differences(before.facts, after.facts)] == [
        "os.libc: glibc 2.36 -> glibc 2.41",
        "os.version: 12 -> 13",
    ]
    assert before.digest != after.digest


def test_a_setting_of_the_run_counts_in_place_of_what_was_found(tmp_path: Path) -> None:
    assert state_of(tmp_path, {"governor": "powersave"}).digest == state_of(tmp_path).digest
    assert state_of(tmp_path, {"governor": "performance"}).digest != state_of(tmp_path).digest
    assert state_of(tmp_path, {"boost": False}).facts.known["settings.boost"] == "false"


@given(FACTS, FACTS, FACTS, FACTS)
def test_digests_are_alike_exactly_when_nothing_differs(
    known: dict[str, str], unknown: dict[str, str], known2: dict[str, str], unknown2: dict[str, str]
) -> None:
    one, two = Facts(known, unknown), Facts(known2, unknown2)
    alike = known == known2 and unknown.keys() == unknown2.keys()
    assert (HostState(one).digest == HostState(two).digest) == alike
    assert (differences(one, two) == []) == alike
    assert {each.name for each in differences(one, two)} == {each.name for each in differences(two, one)}


def test_the_reason_why_something_is_unknown_is_no_difference() -> None:
    one, two = Facts({}, {"bmc": "no ipmitool"}), Facts({}, {"bmc": "not root"})
    assert differences(one, two) == []
    assert HostState(one).digest == HostState(two).digest


def test_what_became_known_is_a_difference_in_words() -> None:
    (found,) = differences(Facts({}, {"bmc": "not root"}), Facts({"bmc": "1.2"}, {}))
    assert str(found) == "bmc: unknown (not root) -> 1.2"
    (gone,) = differences(Facts({"bmc": "1.2"}, {}), Facts({}, {}))
    assert str(gone) == "bmc: 1.2 -> none"


def test_a_host_that_changed_before_a_resume_is_in_the_document_and_in_the_digest(tmp_path: Path) -> None:
    first = document("X-thor", "thor", FOUND, None)
    same = document("X-thor", "thor", FOUND, first)
    assert same == first
    changed = {**FOUND, "facts": {**FOUND["facts"], "firmware.version": "2"}}
    second = document("X-thor", "thor", changed, first)
    assert second["earlier"] == [{"facts": FOUND["facts"], "unknown": FOUND["unknown"]}]
    back = document("X-thor", "thor", FOUND, second)
    assert [part["facts"]["firmware.version"] for part in back["earlier"]] == ["1", "2"]
    digests = set()
    for content in (first, second, back):
        write(tmp_path, content)
        found = of_run(tmp_path, RunState())
        digests.add(found.digest)
    assert len(digests) == 3
    write(tmp_path, second)
    assert [str(each) for each in of_run(tmp_path, RunState()).changes] == ["firmware.version: 1 -> 2"]


@pytest.mark.parametrize(
    "content",
    [None, "", "{", "[]", '{"schema": "rackbench.host-state/1.0"}', '{"facts": {"a": 1}}', "[" * 100_000],
    ids=["missing", "empty", "torn", "a list", "without facts", "a number", "nested too deep"],
)
def test_a_state_that_cannot_be_read_is_unknown_and_has_no_digest(
    tmp_path: Path, content: str | None
) -> None:
    if content is not None:
        write(tmp_path, content)
    with pytest.raises(RackbenchError) as caught:
        host_state.read(tmp_path)
    assert caught.value.code == "no_host_state"
    found = of_run(tmp_path, RunState())
    assert found.digest is None
    assert found.problem
    assert str(tmp_path) + "/" not in found.problem


@pytest.mark.parametrize("label", [None, "a", "bios-2.3", "7", "A_b+c.d", "x" * 64])
def test_a_label(label: str | None) -> None:
    labels.check(label)


@pytest.mark.parametrize("label", ["", "-x", ".x", "=1", "a b", "a/b", "a\n", "ü", "{{ x }}", "x" * 65])
def test_no_label(label: str) -> None:
    with pytest.raises(RackbenchError, match="lab_label") as caught:
        labels.check(label)
    assert caught.value.code == "unknown_option"
