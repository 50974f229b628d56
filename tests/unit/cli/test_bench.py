# SPDX-License-Identifier: Apache-2.0
"""`make bench` has no arguments: the program behind it then makes every measurement it has."""

from __future__ import annotations

import subprocess
import sys
from typing import TYPE_CHECKING

import pytest

from .conftest import ROOT

if TYPE_CHECKING:
    from pathlib import Path

pytestmark = pytest.mark.slow

CALL = """\
import sys
sys.path.insert(0, sys.argv.pop(1))
import run
for name, (add_arguments, _) in run.MEASUREMENTS.items():
    run.MEASUREMENTS[name] = (add_arguments, lambda args: print(args.measurement, args.rounds > 0))
sys.exit(run.main())
"""


def _bench(*arguments: str, cwd: Path) -> str:
    command = [sys.executable, "-c", CALL, str(ROOT / "tests" / "bench"), *arguments]
    return subprocess.run(command, cwd=cwd, capture_output=True, text=True, check=True).stdout


def test_no_argument_makes_all_measurements(tmp_path: Path) -> None:
    assert _bench(cwd=tmp_path).split("\n") == [
        "startup True",
        "journal True",
        "reattach True",
        "recovery True",
        "selection True",
        "runs True",
        "callback True",
        "corpus True",
        "report True",
        "archives True",
        "agents True",
        "gate True",
        "",
    ]


def test_one_name_makes_one(tmp_path: Path) -> None:
    assert _bench("journal", "--rounds", "2", cwd=tmp_path) == "journal True\n"
