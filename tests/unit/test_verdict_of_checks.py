# SPDX-License-Identifier: Apache-2.0
"""The checks of a release: one that fails in any way is told, the others run all the same, and the verdict is last."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

import pytest

pytestmark = pytest.mark.slow

TOOLS = Path(__file__).resolve().parents[2] / "tools"
CHECKS = """
import sys
from verdict import CheckError, command, report
sys.exit(report("checks", {{"the first": lambda: {first}, "the second": lambda: "a remark"}}))
"""


def report(first: str) -> subprocess.CompletedProcess[str]:
    """Run two checks: the first one is this expression, the second one passes."""
    return subprocess.run(
        [sys.executable, "-c", CHECKS.format(first=first)], cwd=TOOLS, capture_output=True, text=True
    )


def test_checks_that_pass_say_so_with_their_remarks() -> None:
    done = report('command("echo", "all is well").strip()')
    assert (done.returncode, done.stderr) == (0, "")
    first, second, verdict = done.stdout.splitlines()
    assert first.startswith("checks: the first ")
    assert first.endswith(" all is well")
    assert second.endswith(" a remark")
    assert verdict == "checks: passed"


@pytest.mark.parametrize(
    ("first", "said"),
    [
        pytest.param(
            'command("sh", "-c", "echo broken; exit 3")', "ended with 3:\nbroken", id="exit status 3"
        ),
        pytest.param('command("echo", "a WARNING of it")', "warned:\na WARNING of it", id="a warning"),
        pytest.param(
            'command("./no-such-program", "--now")',
            "./no-such-program --now could not be started in ",
            id="a missing program",
        ),
        pytest.param(
            'command("true", cwd="/no/such/place")', "could not be started in /no/such/place", id="no cwd"
        ),
        pytest.param("[][0]", "IndexError: list index out of range", id="an error of the check itself"),
    ],
)
def test_a_check_that_fails_is_told_and_the_next_one_runs(first: str, said: str) -> None:
    done = report(first)
    assert done.returncode == 1
    assert said in done.stderr
    lines = done.stdout.splitlines()
    assert "FAILED" in lines[0]
    assert "passed" in lines[1]
    assert lines[2] == "checks: FAILED: the first"


def test_only_an_error_that_nobody_foresaw_has_a_traceback() -> None:
    assert "Traceback" in report("[][0]").stderr
    assert "Traceback" not in report('command("false")').stderr


def test_a_warning_that_is_excused_is_none() -> None:
    assert report('command("echo", "0 warnings", quiet_about=["0 warnings"])').returncode == 0
