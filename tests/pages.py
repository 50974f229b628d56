# SPDX-License-Identifier: Apache-2.0
"""The fenced blocks of our pages, and what the comment before a block says of its commands.

Blocks of `sh` are commands; in blocks of `console` commands begin with `$ ` (as root: `# `) and the other lines are
what they print. tests/integration/test_docs_commands.py runs them all. A comment before a block, which readers do not
see, says otherwise:

    <!-- not run: REASON -->           nothing can run it here
    <!-- run by: PATH::TEST -->        that test runs it: it takes the block from the page, or has the verbs of its
                                       commands; several are parted by a comma and a space
    <!-- lab -->                       tests/lab/test_docs_commands.py runs it, on the lab's hosts
    <!-- dry -->                       verbs of make that CI runs as they are; only `make -n` of them is run
    <!-- exits: N -->                  its last command exits with N, and not with 0
    <!-- file: PATH -->                the block is put into that file, as the page asks its reader to
"""

from __future__ import annotations

import re
from dataclasses import dataclass
from pathlib import Path

ROOT = Path(__file__).resolve().parents[1]
FOLDERS = ("docs/**", ".", "roles/*", "benchmarks/*", "tests/*", "tests/*/*", "inventories/*")
PAGES = sorted(
    {page.relative_to(ROOT).as_posix() for folder in FOLDERS for page in ROOT.glob(f"{folder}/*.md")}
)
SHELLS = {"sh", "console"}
DATA = {"yaml", "json", "toml", "ini", "python", "text"}
KINDS = {"not run", "run by", "lab", "dry", "exits", "file"}
FENCE = re.compile(r"^(?P<indent> *)```(?P<language>\S*)$")
COMMENT = re.compile(r"^ *<!-- (?P<kind>[a-z ]+?)(?:: (?P<value>.+))? -->$")


@dataclass(frozen=True)
class Block:
    """A fenced block: `line` is that of its fence, `kind` and `value` are of the comment before it, if there is one."""

    page: str
    line: int
    language: str
    text: str
    kind: str | None = None
    value: str | None = None

    @property
    def where(self) -> str:
        """Page and line, as editors take them."""
        return f"{self.page}:{self.line}"

    @property
    def shell(self) -> bool:
        """Whether the block has commands."""
        return self.language in SHELLS

    @property
    def commands(self) -> list[str]:
        """The commands of the block: each of a console, all in one of a script."""
        if self.language == "console":
            return [command for command, _printed in self.dialogue]
        return [self.text] if self.shell else []

    @property
    def dialogue(self) -> list[tuple[str, str]]:
        """The commands of a console, each with what the page shows of its answer."""
        found: list[tuple[list[str], list[str]]] = []
        for line in self.text.splitlines():
            if line.startswith(("$ ", "# ")):
                found.append(([line[2:]], []))
            elif found and not found[-1][1] and found[-1][0][-1].endswith("\\"):
                found[-1][0].append(line)
            elif found:
                found[-1][1].append(line)
        return [("\n".join(command), "\n".join(printed)) for command, printed in found]

    @property
    def lines(self) -> list[str]:
        """The lines that a shell reads, without remarks and without empty ones."""
        return [
            line
            for command in self.commands
            for line in command.splitlines()
            if line.strip() and not line.lstrip().startswith("#")
        ]


def blocks(page: str) -> list[Block]:
    """Return the fenced blocks of a page, in its order."""
    found: list[Block] = []
    opened: re.Match[str] | None = None
    comment: re.Match[str] | None = None
    line, text = 0, []
    for number, row in enumerate((ROOT / page).read_text().splitlines(), 1):
        fence = FENCE.match(row)
        if opened is not None:
            if fence is None:
                text.append(row.removeprefix(opened["indent"]))
                continue
            kind, value = (comment["kind"], comment["value"]) if comment else (None, None)
            found.append(Block(page, line, opened["language"], "\n".join(text) + "\n", kind, value))
            opened, comment = None, None
        elif fence is not None:
            opened, line, text = fence, number, []
        elif row.strip():
            comment = COMMENT.match(row)
    return found
