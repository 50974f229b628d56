# SPDX-License-Identifier: Apache-2.0
"""The table of an article: what is put together, what never is, and that its bytes depend on nothing else."""

from __future__ import annotations

import csv
import io
import json
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st
from markdown_it import MarkdownIt
from rackbench.adapters.export import csv_text, markdown_table
from rackbench.compare import tables
from rackbench.compare.article import article
from rackbench.errors import RackbenchError
from rackbench.ledger.host_state import Facts, HostState
from rackbench.words import one_line, printable

from tests.unit.compare.made_runs import KEY, execution, run

# Reasons not to put the numbers of two runs together: changes of the run, changes of its execution, and what is named.
# What has a column or a row of its own needs no name.
APART: dict[str, tuple[dict[str, Any], dict[str, Any], str]] = {
    "another host": ({"host": "loki"}, {}, ""),
    "a label": ({"label": "tuned"}, {}, "label"),
    "another state": ({"bios": "2"}, {}, "state"),
    "a fact that is not known": ({"state": HostState(Facts({}, {"firmware.version": "no"}))}, {}, "state"),
    "a host that was changed meanwhile": (
        {"state": HostState(Facts({"firmware.version": "1"}, {}), (Facts({"firmware.version": "0"}, {}),))},
        {},
        "",
    ),
    "another bundle": ({}, {"bundle_sha256": "00" * 32}, "bundle"),
    "another version": ({}, {"benchmark_version": "2.0.0"}, "benchmark"),
    "another adapter": ({"adapters": {"one": "00" * 32}}, {}, "adapter"),
    "other parameters": ({}, {"setup": '{"parameters": {"size": 2}}'}, "family"),
    "a stand-in": ({}, {"simulated": True}, ""),
    "another unit": ({}, {"key": replace(KEY, unit="turns/min")}, ""),
    "another label set": ({}, {"key": replace(KEY, labels=(("cpu", 1),))}, ""),
}


def test_runs_of_the_same_thing_are_put_together() -> None:
    found = article([run("a", [execution(1.0), execution(3.0)]), run("b", [execution(5.0)])])
    (row,) = found.rows
    assert (row.summary.n, row.summary.of, row.summary.median) == (3, "executions", 3.0)
    assert row.runs == ("a-thor", "b-thor")
    assert found.differences == ()
    assert found.remarks == ()


@pytest.mark.parametrize("reason", APART)
def test_they_are_kept_apart_by(reason: str) -> None:
    of_run, of_execution, named = APART[reason]
    found = article([run("a", [execution(1.0)]), run("b", [execution(2.0, **of_execution)], **of_run)])
    assert sorted(row.summary.n for row in found.rows) == [1, 1]
    assert [each.what for pair in found.differences for each in pair.differences] == (
        [named] if named else []
    )


def test_a_host_that_was_changed_before_the_run_was_resumed_is_said() -> None:
    of_run, _of_execution, _named = APART["a host that was changed meanwhile"]
    (remark,) = article([run("a", [execution(1.0)], **of_run)]).remarks
    assert "firmware.version: 0 -> 1" in remark


def test_a_state_that_nobody_knows_is_like_no_other_and_that_is_said() -> None:
    unknown = HostState(Facts(), problem="It recorded no state.")
    found = article([run(name, [execution(1.0)], state=unknown) for name in ("a", "b")])
    assert [row.runs for row in found.rows] == [("a-thor",), ("b-thor",)]
    assert len([remark for remark in found.remarks if "is not known" in remark]) == 2


def test_a_run_and_its_copy_count_once() -> None:
    one = run("a", [execution(1.0)])
    (row,) = article([one, replace(one, run_dir=Path("/elsewhere/a")), one]).rows
    assert row.summary.n == 1


@given(st.permutations(range(5)), st.lists(st.sampled_from(sorted(APART)), min_size=5, max_size=5))
def test_the_order_of_the_runs_changes_no_byte(order: list[int], reasons: list[str]) -> None:
    runs = []
    for number, reason in enumerate(reasons):
        of_run, of_execution, _named = APART[reason]
        runs.append(run("abcde"[number], [execution(float(number), **of_execution)], **of_run))
    assert texts(runs) == texts([runs[index] for index in order])


def texts(runs: list[Any]) -> list[str]:
    found = article(runs)
    document = json.dumps(tables.article_document(found))
    return [tables.article_csv(found), tables.article_markdown(found), document]


def test_what_is_void_comes_first_and_what_is_partial_is_marked() -> None:
    found = article(
        [
            run("a", [execution(1.0, verdict="suspect", status="partial")], problems=("one.full.2: lost",)),
            run("b", [execution(2.0, verdict="void")], closed=False),
        ]
    )
    assert [remark.split(":")[0] for remark in found.remarks[:2]] == ["b-thor", "a-thor"]
    assert "void" in found.remarks[0]
    assert "suspect" in found.remarks[1]
    assert any("partial: one.full.1" in remark for remark in found.remarks)
    assert any("one.full.2: lost" in remark for remark in found.remarks)
    assert any("b-thor: it is not closed" in remark for remark in found.remarks)
    (row,) = found.rows
    assert (row.status, row.verdict) == ("partial", "void")
    assert "partial, void" in tables.article_markdown(found)


def test_without_any_result_there_is_no_table() -> None:
    with pytest.raises(RackbenchError, match="a-thor, b-thor: there is no result that counts") as caught:
        article([run("b", check=True), run("a")])
    assert caught.value.code == "no_results"
    assert "b-thor is a dry run" in str(caught.value.detail)


@pytest.mark.parametrize(
    "text",
    ["=1+1", "+1", "-1", "@SUM(A1)", "\tx", "\rx", "\0x", " =1+1", "\n=1+1", "\u00a0 @x", "\0-1", "\ufeff=1"],
)
def test_a_text_that_begins_as_a_formula_is_none_in_csv(text: str) -> None:
    (row,) = csv.DictReader(io.StringIO(csv_text(["a", "b"], [{"a": text, "b": -1.5}]), newline=""))
    assert row == {"a": "'" + one_line(text.replace("\r", " ")), "b": "-1.5"}


def test_a_formula_in_a_unit_of_a_result_is_none() -> None:
    found = article([run("a", [execution(-1.0, key=replace(KEY, unit="=cmd|' /C calc'!A0"))])])
    (row,) = csv.DictReader(io.StringIO(tables.article_csv(found)))
    assert row["unit"] == "'=cmd|' /C calc'!A0"
    assert row["median"] == "-1.0"
    assert (row["interval"], row["low"], row["high"]) == ("not available", "", "")


@pytest.mark.parametrize(
    ("text", "cell"),
    [
        ("a|b", "a\\|b"),
        ("a\\|b", "a\\\\\\|b"),
        ("one\ntwo", "one two"),
        ("<script>", "&lt;script>"),
        ("![x](http://127.0.0.1/x)", "!\\[x\\](http:&#8203;//127.0.0.1/x)"),
        ("https://example.org", "https:&#8203;//example.org"),
        ("WWW.example.org", "WWW&#8203;.example.org"),
        ("ask @user or a@example.org", "ask @&#8203;user or a@&#8203;example.org"),
        ("*a* **b**", "\\*a\\* \\*\\*b\\*\\*"),
        ("_a_ core_to_core", "\\_a\\_ core_to_core"),
        ("`rm` ~~x~~ $y$", "\\`rm\\` \\~\\~x\\~\\~ \\$y\\$"),
        ("&lt;b>", "&amp;lt;b>"),
        ("\x1b[2Ja\x9b1m", "?\\[2Ja?1m"),
    ],
)
def test_a_text_makes_no_markup_in_markdown(text: str, cell: str) -> None:
    assert markdown_table(["head"], [[text]])[-1] == f"| {cell} |"


@given(st.one_of(st.text(max_size=30), st.text("ab_*`~|[]()<>!&#;:/@. \\\n", max_size=30)))
def test_any_text_is_read_in_markdown_as_it_was(text: str) -> None:
    lines = markdown_table(["head", "next"], [[text, "end"]])
    tokens = MarkdownIt("commonmark").enable(["table", "strikethrough"]).parse("\n".join(lines))
    cell, last = [token for token in tokens if token.type == "inline"][2:]
    assert {child.type for child in cell.children or ()} <= {"text", "text_special"}
    read = "".join(child.content for child in cell.children or ()).replace("\u200b", "")
    assert read == printable(" ".join(text.split())).replace("\u200b", "")
    assert last.content == "end"
