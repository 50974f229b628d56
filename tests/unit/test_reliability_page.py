# SPDX-License-Identifier: Apache-2.0
"""docs/explanation/reliability.md: each fault has a test that exists, and codes that exist, with their exit status."""

from __future__ import annotations

import ast
import re
from pathlib import Path

import pytest
from rackbench.errors import FAILURES

ROOT = Path(__file__).resolve().parents[2]
PAGE = (ROOT / "docs/explanation/reliability.md").read_text()
TEST = re.compile(r"`(tests/[\w/]+\.py)::(\w+)`")
CODE = re.compile(r"`([a-z]+(?:_[a-z]+)+|interrupted)`")
# What was seen when a whole run was put right stands in the last table only.
HEAD = re.compile(r"\| Fault \| What happens \| What you see \| Exit \|( Seen \|)? Test \|")
ROWS = [
    [cell.strip() for cell in line.strip("|").split(" | ")]
    for line in PAGE.splitlines()
    if line.startswith("| ") and line.endswith("` |")
]


def test_the_page_has_all_its_tables() -> None:
    assert len(HEAD.findall(PAGE)) == 5
    tables = [line for line in PAGE.splitlines() if line.startswith("| ") and not HEAD.fullmatch(line)]
    assert [line for line in tables if "tests/" in line] == [line for line in tables if line.endswith("` |")]
    assert len(ROWS) >= 25


@pytest.mark.parametrize(("path", "name"), sorted(set(TEST.findall(PAGE))))
def test_each_test_that_the_page_names_exists(path: str, name: str) -> None:
    tree = ast.parse((ROOT / path).read_text())
    assert name in {node.name for node in tree.body if isinstance(node, ast.FunctionDef)}


@pytest.mark.parametrize("row", ROWS, ids=lambda row: row[0])
def test_each_row_names_a_test_and_codes_with_their_exit_status(row: list[str]) -> None:
    assert len(row) in {5, 6}
    _fault, _happens, seen, exit_status = row[:4]
    tests = row[-1]
    assert TEST.findall(tests)
    codes = CODE.findall(seen)
    assert set(codes) <= set(FAILURES)
    assert {str(FAILURES[code].exit_status) for code in codes} <= set(re.findall(r"\d+", exit_status))
    assert codes or exit_status == "0"
