# SPDX-License-Identifier: Apache-2.0
"""Every block of the pages says what it is, and every command in them is run by a test or says why not."""

from __future__ import annotations

import argparse
import ast
import functools
import re
import shlex
from collections import Counter
from itertools import pairwise
from typing import TYPE_CHECKING

import pytest
from rackbench.cli.main import VERBS, build_parser

from tests.pages import COMMENT, DATA, KINDS, PAGES, ROOT, SHELLS, Block, blocks

if TYPE_CHECKING:
    from collections.abc import Iterator

BLOCKS = [block for page in PAGES for block in blocks(page)]
COMMAND = re.compile(
    r"^\s*(?:[$#] )?(?:rackbench|ansible(?:-\w+)?|make|git|gh|ssh(?:-\w+)?|rsync|python3?|pip|molecule|sudo|tools/\S+|"
    r"tests/lab/lab\.py|\.venv/bin/\S+) [a-z-]"
)
INLINE = re.compile(r"`(rackbench [^`]+)`")
MAKE = re.compile(r"(?:`|^\$ )make ([a-z-]+)")
PATHS = re.compile(r"(?:^|[` ])((?:playbooks|tools|tests)/[\w/-]+\.(?:yml|py))\b")
FROM_AN_INDEX = re.compile(r"\b(?:pip|ansible-galaxy collection) install rackbench(?:\.lab)?(?:\s|$)")
OPTION = re.compile(r"(?<![\w-])(--[a-z][a-z-]*|-[a-z])(?![\w-])")


def test_each_block_has_a_language() -> None:
    assert [block.where for block in BLOCKS if block.language not in SHELLS | DATA] == []


def test_no_command_stands_in_a_block_of_text() -> None:
    texts = [block for block in BLOCKS if block.language == "text"]
    assert [block.where for block in texts if any(map(COMMAND.match, block.text.splitlines()))] == []


def test_no_command_stands_in_a_block_by_indentation() -> None:
    found = []
    for page in PAGES:
        fenced = {
            number
            for block in blocks(page)
            for number in range(block.line, block.line + block.text.count("\n") + 2)
        }
        for number, line in enumerate((ROOT / page).read_text().splitlines(), 1):
            if number not in fenced and line.startswith("    ") and COMMAND.match(line):
                found.append(f"{page}:{number}")
    assert found == []


def test_each_comment_before_a_block_is_one_that_tests_know() -> None:
    for block in BLOCKS:
        if block.kind is None:
            continue
        assert block.kind in KINDS, block.where
        assert (block.value is None) == (block.kind in {"lab", "dry"}), block.where
        assert block.shell or block.kind in {"file", "run by"}, block.where
        assert block.kind != "file" or not block.shell, block.where


def test_each_block_of_a_console_begins_with_a_command() -> None:
    consoles = [block for block in BLOCKS if block.language == "console"]
    assert [block.where for block in consoles if not block.text.startswith(("$ ", "# "))] == []


@pytest.mark.parametrize(
    "block", [block for block in BLOCKS if block.kind == "run by"], ids=lambda block: block.where
)
def test_a_test_that_runs_a_block_is_there_and_has_its_verbs(block: Block) -> None:
    sources = ""
    for test in (block.value or "").split(", "):
        path, _, name = test.partition("::")
        source = (ROOT / path).read_text()
        (function,) = [
            node for node in ast.parse(source).body if isinstance(node, ast.FunctionDef) and node.name == name
        ]
        if _takes_from(block.page, function):
            return
        sources += source
    for line in block.lines:
        assert not FROM_AN_INDEX.search(line), f"no test has an index to run this with: {line}"
        words = shlex.split(line, comments=True)
        if words[:1] == ["rackbench"]:
            assert re.search(rf"[\"' .]{words[1]}[\"' (]", sources), line
        if words[:1] == ["ansible-playbook"]:
            assert words[1] in sources, line


def _takes_from(page: str, function: ast.FunctionDef) -> bool:
    """Return whether a test takes blocks from a page: by `blocks(PAGE)` or `block(PAGE)`, or by `ROOT / PAGE`."""
    named: list[ast.expr] = []
    for node in ast.walk(function):
        if (
            isinstance(node, ast.Call)
            and isinstance(node.func, ast.Name)
            and node.func.id in {"block", "blocks"}
        ):
            named += node.args[:1]
        elif isinstance(node, ast.BinOp) and isinstance(node.left, ast.Name) and node.left.id == "ROOT":
            named.append(node.right)
    # `block` of a test may add the folder of all its pages.
    return any(
        isinstance(name, ast.Constant) and page in {name.value, f"docs/how-to/{name.value}"} for name in named
    )


@pytest.mark.parametrize(
    ("body", "taken"),
    [
        ('blocks("README.md")', True),
        ('(ROOT / "README.md").read_text()', True),
        ('lab.root / "README.md"', False),
        ('shutil.copy("README.md", lab)', False),
        ('blocks("tests/README.md")', False),
    ],
)
def test_a_page_whose_name_a_test_only_mentions_is_not_taken_for_run(body: str, taken: bool) -> None:
    (function,) = ast.parse(f"def test() -> None:\n    {body}\n").body
    assert isinstance(function, ast.FunctionDef)
    assert _takes_from("README.md", function) is taken


def test_each_block_has_one_comment_of_ours() -> None:
    twice = []
    for page in PAGES:
        rows = [row for row in (ROOT / page).read_text().splitlines() if row.strip()]
        twice += [
            f"{page}: {row}" for row, after in pairwise(rows) if COMMENT.match(row) and COMMENT.match(after)
        ]
    assert twice == []


def test_the_dry_blocks_have_nothing_but_verbs_of_make() -> None:
    dry = [line for block in BLOCKS if block.kind == "dry" for line in block.lines]
    assert [line for line in dry if not line.startswith("make ")] == []


def rackbench_commands() -> Iterator[tuple[str, str]]:
    """Return each `rackbench ...` of the pages, in blocks and in prose, with where it stands."""
    for block in BLOCKS:
        for command in block.commands:
            joined = command.replace("\\\n", " ")
            for line in re.split(r"\n|&&|\|", joined):
                if line.strip().startswith("rackbench "):
                    yield block.where, line.strip()
    for page in PAGES:
        for number, line in enumerate((ROOT / page).read_text().splitlines(), 1):
            for command in INLINE.findall(line):
                yield f"{page}:{number}", command


@functools.cache
def parsers_of(verb: str) -> dict[str, argparse.ArgumentParser]:
    """Return the parser of a verb, under an empty name, and those of its own verbs."""
    parser = _verbs(build_parser([verb]))[verb]
    return {"": parser, **_verbs(parser)}


def _verbs(parser: argparse.ArgumentParser) -> dict[str, argparse.ArgumentParser]:
    for action in parser._actions:
        if isinstance(action, argparse._SubParsersAction):
            return dict(action.choices)
    return {}


def test_each_command_of_rackbench_has_a_verb_and_options_that_there_are() -> None:
    wrong = []
    for where, command in rackbench_commands():
        words = [word for word in re.split(r"[\s()|\[\]]+", command) if word][1:]
        if words[0] not in VERBS:
            if words[0] not in {"VERB", "--version", "--help"}:
                wrong.append((where, command))
            continue
        parsers = parsers_of(words[0])
        own_verb = words[1] if len(words) > 1 and len(parsers) > 1 and words[1][0] != "-" else ""
        known = parsers.get(own_verb, parsers[""])._option_string_actions
        if own_verb not in parsers or any(option not in known for option in OPTION.findall(command)):
            wrong.append((where, command))
    assert wrong == []


def test_each_verb_of_make_and_each_playbook_and_tool_that_pages_name_is_there() -> None:
    verbs = set(re.findall(r"^([a-z-]+):", (ROOT / "Makefile").read_text(), re.MULTILINE))
    wrong = [
        (block.where, line)
        for block in BLOCKS
        for line in block.lines
        if line.startswith("make ") and line.split()[1] not in verbs
    ]
    for page in PAGES:
        for number, line in enumerate((ROOT / page).read_text().splitlines(), 1):
            absent = [verb for verb in MAKE.findall(line) if verb not in verbs]
            absent += [path for path in PATHS.findall(line) if not (ROOT / path).exists()]
            wrong += [(f"{page}:{number}", name) for name in absent]
    assert wrong == []


def test_the_page_of_the_command_line_has_every_option_of_every_verb() -> None:
    page = (ROOT / "docs/reference/cli.md").read_text()
    missing = []
    for verb in VERBS:
        section = page.partition(f"## rackbench {verb}\n")[2].partition("\n## ")[0]
        if "with the options of [`run`](#rackbench-run)" in section:
            section += page.partition("## rackbench run\n")[2].partition("\n## ")[0]
        for own_verb, parser in parsers_of(verb).items():
            if f"rackbench {verb} {own_verb}".strip() not in section:
                missing.append(f"{verb} {own_verb}")
            for action in parser._actions:
                spellings = [option for option in action.option_strings if option not in {"-h", "--help"}]
                if spellings and not set(spellings) & set(OPTION.findall(section)):
                    missing.append(f"{verb} {own_verb} {spellings[-1]}")
    assert missing == []


def test_how_the_commands_of_the_pages_are_covered(capsys: pytest.CaptureFixture[str]) -> None:
    counted: Counter[str] = Counter()
    reasons: Counter[str] = Counter()
    for block in BLOCKS:
        if not block.shell:
            continue
        how = block.kind if block.kind not in {None, "exits"} else "run"
        counted[how or ""] += len(block.lines)
        if block.kind == "not run":
            reasons[block.value or ""] += len(block.lines)
    with capsys.disabled():
        print(f"\ncommands of the pages: {', '.join(f'{many} {how}' for how, many in counted.most_common())}")
        for reason, many in reasons.most_common():
            print(f"  not run, {many}: {reason}")
    assert counted["run"] > counted["not run"]
