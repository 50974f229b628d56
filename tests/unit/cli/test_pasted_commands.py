# SPDX-License-Identifier: Apache-2.0
"""Commands that we print are there to be pasted, whatever a directory or host is called."""

from __future__ import annotations

import re
import shlex
from typing import TYPE_CHECKING

import pytest

from .conftest import ROOT

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path

    from rackbench.ledger.recorder import Recorder

    from .conftest import Command

# A path or host that is put into a command as it is.
UNQUOTED = re.compile(r"--(run-dir|host|family|limit|inventory) \{(?!shlex\.)")


@pytest.mark.parametrize("verb", ["resume", "rerun"])
def test_a_directory_with_a_space_is_quoted(
    rackbench: Command, project: Path, begin_run: Callable[[], Recorder], verb: str
) -> None:
    recorder = begin_run()
    recorder.close()
    (project / "inventory").write_text("box ansible_connection=local\n")
    (project / "ansible.cfg").write_text("[defaults]\ninventory = inventory\n")
    recorder.run_dir.rename(project / "a run")
    family = ("--family", "demo:smoke") if verb == "rerun" else ()
    answer = rackbench(verb, "--run-dir", "a run", *family)
    assert answer.returncode == 2, answer.stderr
    (printed,) = re.findall(r"^  run    (.*)$", answer.stderr, re.MULTILINE)
    assert shlex.split(printed) == ["rackbench", verb, "--run-dir", "a run", *family, "--yes"]


def test_no_command_is_put_together_without_quotes() -> None:
    found = [
        f"{path.relative_to(ROOT)}:{number}"
        for folder in ("python", "plugins")
        for path in sorted((ROOT / folder).rglob("*.py"))
        for number, line in enumerate(path.read_text().splitlines(), 1)
        if UNQUOTED.search(line)
    ]
    assert found == []
