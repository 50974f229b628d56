# SPDX-License-Identifier: Apache-2.0
"""The gate's table on terminals of any width."""

from __future__ import annotations

import io
import re
import sys
from typing import TYPE_CHECKING

import pytest
from rackbench.cli.main import main

from tests.unit.baselines.test_compare import entry, gate, times, write_baseline, write_results

if TYPE_CHECKING:
    from pathlib import Path

NAME = "latency:every-pair-of-cpus round_trip {from=12, to=113}"
SPARED = ("│", "[", "p50")


class Terminal(io.StringIO):
    """A stand-in for a terminal that keeps what it is sent."""

    def isatty(self) -> bool:
        """Say yes."""
        return True


def drawn(folder: Path, monkeypatch: pytest.MonkeyPatch, width: int) -> list[str]:
    """Return the lines of the table that compare draws on a terminal of `width` cells, without colour."""
    baseline = write_baseline(folder, {NAME: entry(times(1, 7000)), "gone": entry(times(3, 7000))})
    results = write_results(folder, **{NAME: times(2, 14000)})
    terminal = Terminal()
    monkeypatch.setattr(sys, "stdout", terminal)
    monkeypatch.setenv("COLUMNS", str(width))
    monkeypatch.setenv("TERM", "xterm")
    monkeypatch.delenv("NO_COLOR", raising=False)
    assert main(gate(baseline, results)) == 1
    text = re.sub(r"\x1b\[[0-9;]*m", "", terminal.getvalue())
    table = text[text.index(" scenario") :]
    return table[: table.index("\n\n")].splitlines()


@pytest.mark.parametrize(
    ("width", "seen"), [(80, 0), (102, 1), (118, 2), (160, 3)], ids=["80", "102", "118", "160"]
)
def test_no_number_goes_on_in_the_next_line_however_narrow_the_terminal(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, width: int, seen: int
) -> None:
    lines = drawn(tmp_path, monkeypatch, width)
    assert max(map(len, lines)) <= width
    (row,) = [line for line in lines if "REGRESSED" in line]
    assert re.search(r" 7\d{3}(\.\d+)? +1\d{4}(\.\d+)? +us +(1\.9|2\.)\d+ ", row), row
    # The other lines of a row hold nothing but the rest of its name.
    assert all(
        not line[30:].strip() for line in lines[2:] if not re.search("REGRESSED|MISSING|RESULTS", line)
    )
    assert "…" not in "".join(lines)
    assert [mark in row for mark in SPARED] == [False] * (3 - seen) + [True] * seen
    name = "".join(line[: row.index("REGRESSED")].strip() for line in lines if "gone" not in line)
    assert NAME.replace(" ", "") in name.replace(" ", "")
