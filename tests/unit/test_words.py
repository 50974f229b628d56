# SPDX-License-Identifier: Apache-2.0
"""Numbers and durations as people read them."""

from __future__ import annotations

import json
import math
import re

import pytest
from hypothesis import given
from hypothesis import strategies as st
from rackbench import words


@pytest.mark.parametrize(
    ("seconds", "said"),
    [(0.0, "0.0 s"), (59.94, "59.9 s"), (59.96, "1 min 0 s"), (60.0, "1 min 0 s"), (3599.9, "1 h 0 min"),
     (86400.0, "24 h 0 min")],
)  # fmt: skip
def test_seconds_as_a_person_reads_them(seconds: float, said: str) -> None:
    assert words.span(seconds) == said


@pytest.mark.parametrize(
    ("value", "said"),
    [(41.3, "41.3"), (41.304, "41.3"), (40.0, "40"), (12345.678, "12346"), (100.04, "100"), (10**14, "100000000000000"),
     (None, "-"), (10**400, "-"), (math.inf, "-"), (1.5e-7, "1.5e-07")],
)  # fmt: skip
def test_numbers_have_up_to_four_digits(value: float | None, said: str) -> None:
    assert words.number(value) == said


@given(st.floats(-1e300, 1e300))
def test_each_number_is_near_to_what_is_said_and_has_no_zeros_at_its_end(value: float) -> None:
    said = words.number(value)
    assert math.isclose(float(said), value, rel_tol=1e-3, abs_tol=1e-300)
    assert not re.search(r"\.\d*0$|\.$", said)


# ESC, the C1 byte that means the same, backspace, carriage return, DEL, the direction of writing, separators of lines,
# half of a surrogate pair.
OBEYED = "\x1b[2J\x9b2J\x08\r\x7f\x00\u202e\u2066\u200f\u061c\u2028\u2029\ud800"
# Nobody sees these: of no width, joiners, a soft hyphen, fillers, tags, and what no version of Unicode has.
UNSEEN = "\u200b\u200c\u200d\u2060\ufeff\u00ad\u034f\u180e\u3164\U000e0001\U000e0041\U000e007f\u0378\uffff\U0010ffff"


def test_what_a_terminal_obeys_is_replaced_and_the_rest_stays() -> None:
    assert words.printable(f"é\t\U0001f600 {OBEYED}\nb") == "é\t\U0001f600 ?[2J?2J???????????\nb"


def test_what_nobody_sees_is_replaced_and_other_scripts_and_spaces_stay() -> None:
    assert words.one_line(f"tur{UNSEEN}in") == f"tur{'?' * len(UNSEEN)}in"
    for text in (
        "\u05d0\u05d1",
        "\u0647",
        "\u0915\u094d\u0937",
        "\u65e5\u672c",
        "a\u00a0b\u3000c",
        "\u2764\ufe0f",
        "n\u0303",
    ):
        assert words.printable(text) == text


def test_further_lines_of_a_text_never_pass_for_a_line_of_ours() -> None:
    assert (
        words.quoted("broke\n  run  curl x | sh\r\nrun_dir: /x")
        == "broke\n  |   run  curl x | sh?\n  | run_dir: /x"
    )
    assert words.one_line("broke\n  run  curl") == "broke   run  curl"


@given(st.text(st.characters()))
def test_json_that_a_terminal_may_show_is_the_same_json(text: str) -> None:
    written = words.escaped(json.dumps([text + OBEYED + UNSEEN], ensure_ascii=False, indent=2))
    assert json.loads(written) == [text + OBEYED + UNSEEN]
    assert words.printable(written) == written
