# SPDX-License-Identifier: Apache-2.0
"""Which embargoes there are, which runs they concern, and which words they forbid elsewhere."""

from __future__ import annotations

from datetime import UTC, date, datetime, timedelta
from typing import TYPE_CHECKING, Any

import pytest
from rackbench.errors import RackbenchError
from rackbench.publish import embargo

from tests.unit.publish.made_payloads import Made

if TYPE_CHECKING:
    from pathlib import Path

UNTIL = datetime(2027, 1, 10, tzinfo=UTC)


@pytest.mark.parametrize(
    ("until", "expected"),
    [
        ("2027-01-10", UNTIL),
        (date(2027, 1, 10), UNTIL),
        ("2027-01-10T00:00:00Z", UNTIL),
        (datetime(2027, 1, 10, tzinfo=UTC), UNTIL),
        ("2027-01-10T02:30:00+02:00", UNTIL + timedelta(minutes=30)),
    ],
)
def test_a_date_counts_from_midnight_utc_and_a_time_as_it_stands(until: Any, expected: datetime) -> None:
    (found,) = embargo.read([{"host": "turind8", "until": until}])
    assert found.until == expected
    assert found.in_force(expected - timedelta(microseconds=1))
    assert not found.in_force(expected)


@pytest.mark.parametrize(
    ("settings", "told"),
    [
        ([{"host": "a", "until": "2027-01-10"}, {"until": "2027-01-10"}], "entry 2: .*host.*label"),
        ([{"cpu": "EPYC", "until": "2027-01-10"}], "host.*label"),
        ([{"host": "a"}], "until"),
        ([{"host": "a", "until": "2027-01-10T08:00:00"}], "until: .*Z"),
        ([{"host": "a", "until": "soon"}], "until"),
        ([{"host": "a", "until": 20270110}], "until"),
        ([{"host": "a", "until": "2027-13-10"}], "until"),
        ([{"host": "", "until": "2027-01-10"}], "host"),
        ([{"host": "a", "until": "2027-01-10", "hots": "b"}], "hots"),
        ([{"host": "a", "until": "2027-01-10", "cpu": "x"}], "cpu"),
        (["turind8"], "entry 1"),
        ({"host": "a", "until": "2027-01-10"}, "list"),
        ("turind8", "list"),
        (None, "list"),
    ],
)
def test_an_embargo_that_cannot_be_used_is_named(settings: Any, told: str) -> None:
    with pytest.raises(RackbenchError, match=told) as caught:
        embargo.read(settings)
    assert (caught.value.code, caught.value.exit_status) == ("embargo_invalid", 2)


@pytest.mark.parametrize(
    ("entry", "concerned"),
    [
        ({"host": "thor"}, True),
        ({"host": "THOR"}, True),
        ({"host": "thor2"}, False),
        ({"label": "spring"}, True),
        ({"label": "spring article"}, False),
        ({"host": "other", "label": "spring"}, True),
        ({"host": "other", "cpu": "made-up"}, True),
        ({"host": "other", "cpu": "Made-up  Processor 2"}, False),
    ],
)
def test_an_embargo_concerns_the_runs_of_its_host_its_label_and_its_processor(
    tmp_path: Path, entry: dict[str, str], concerned: bool
) -> None:
    run_dir, state = Made(changes={"options": {"label": "Spring"}}).write(tmp_path)
    found = embargo.read([{"host": "elsewhere", "until": "2027-01-10"}, {**entry, "until": "2027-01-10"}])
    of = embargo.of_run(found, run_dir, state, UNTIL - timedelta(days=1))
    assert of == (found[1] if concerned else None)
    assert embargo.of_run(found, run_dir, state, UNTIL) is None


def test_a_run_without_a_topology_and_a_label_has_a_host(tmp_path: Path) -> None:
    run_dir, state = Made().write(tmp_path)
    (run_dir / "preflight/topology.json").unlink()
    found = embargo.read(
        [
            {"label": "None", "until": "2027-01-10", "cpu": "Made-up"},
            {"host": "thor", "until": "2027-01-10"},
        ]
    )
    assert embargo.of_run(found, run_dir, state, UNTIL - timedelta(days=1)) == found[1]


def test_the_words_of_embargoes_in_force_are_forbidden_with_what_they_are() -> None:
    found = embargo.read(
        [
            {"host": "turind8", "cpu": "EPYC 9xx5", "until": "2027-01-10", "reason": "NDA"},
            {"host": "over", "until": "2026-01-10"},
        ]
    )
    words = embargo.words(found, UNTIL - timedelta(days=1))
    assert set(words) == {"turind8", "EPYC 9xx5"}
    assert words["turind8"].endswith("under embargo until 2027-01-10T00:00:00.000Z (NDA)")
    assert not any(word in what for word, what in words.items())
