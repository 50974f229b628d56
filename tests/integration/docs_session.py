# SPDX-License-Identifier: Apache-2.0
"""A page's commands as a reader runs them: one shell, from the first block to the last, in a checkout."""

from __future__ import annotations

import re
import shlex
import subprocess
from dataclasses import dataclass
from typing import TYPE_CHECKING

from tests.integration.harness import LIMIT_S

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable

    from tests.integration.harness import LabProject
    from tests.pages import Block

# What stands before the answer of each command, with the number of the command.
MARK = "\x1e"
END = "RACKBENCH_DOCS_END"
LABEL = re.compile(r"^([A-Za-z_][\w.-]*:)(?: |$)", re.MULTILINE)
COLUMNS = re.compile(r" {2,}")
FEWEST_COLUMNS = 3


@dataclass(frozen=True)
class Answer:
    """What a command of a page printed, and what the page shows of that."""

    block: Block
    command: str
    shown: str
    said: str

    def unlike(self, fill: Callable[[str], str]) -> list[str]:
        """Return what the page shows and the command did not print: labels of lines, heads of a table's columns."""
        shown = "\n".join(
            line for line in fill(self.shown).splitlines() if "…" not in line and "..." not in line
        )
        wanted = LABEL.findall(shown)
        heads = COLUMNS.split(shown.partition("\n")[0].strip())
        if len(heads) >= FEWEST_COLUMNS:
            wanted += heads
        return [word for word in wanted if word not in self.said]


def session(
    project: LabProject, blocks: Iterable[Block], fill: Callable[[str], str], limit_s: int = 3 * LIMIT_S
) -> list[Answer]:
    """Run blocks in one bash with `-e` and `pipefail`, whose directory and variables stay from one to the next.

    `fill` puts what is there in place of the names that the pages use. Raises AssertionError, with the block and what
    was printed, when a command does not exit as it should.
    """
    asked: list[tuple[Block, str, str]] = []
    script = ["exec 2>&1", "set -eo pipefail"]
    for block in blocks:
        if block.kind == "file":
            path = shlex.quote(fill(block.value or ""))
            script += [f"mkdir -p $(dirname {path})", f"cat > {path} <<'{END}'", block.text + END]
            continue
        dialogue = block.dialogue if block.language == "console" else [(block.text, "")]
        for number, (command, shown) in enumerate(dialogue, 1):
            script.append(f"printf '{MARK}%s\\n' {len(asked)}")
            asked.append((block, command, shown))
            script += _judged(
                block, fill(_dry(command) if block.kind == "dry" else command), number == len(dialogue)
            )
    script.append(f"printf '{MARK}%s\\n' {len(asked)}")
    process = project.start("bash", "-c", "\n".join(script), stderr=subprocess.STDOUT)
    try:
        printed, _ = process.communicate(timeout=limit_s)
    finally:
        if process.poll() is None:
            process.kill()
            process.wait()
    _before, *parts = printed.split(MARK)
    said = [part.partition("\n")[2] for part in parts]
    if process.returncode != 0 or len(said) <= len(asked):
        block, command, _shown = asked[min(max(len(said), 1), len(asked)) - 1]
        raise AssertionError(
            f"{block.where}: exit status {process.returncode}\n$ {fill(command)}\n{printed[-6000:]}"
        )
    return [Answer(*asked[number], said[number]) for number in range(len(asked))]


def _judged(block: Block, command: str, last: bool) -> list[str]:
    """Return a command that ends the session unless it exits as the page says."""
    if block.kind != "exits" or not last:
        return [command]
    return ["set +e", command, f'ended=$?; [ "$ended" = {block.value} ] || exit 99', "set -e"]


def _dry(command: str) -> str:
    """Return the same verbs of make with `-n`, and their output thrown away."""
    return re.sub(r"^make ", "make -n ", command, flags=re.MULTILINE)
