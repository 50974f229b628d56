#!/usr/bin/env python3
# SPDX-License-Identifier: Apache-2.0
"""Check that the collection works with every supported ansible-core: `make test-matrix`.

For each core: unit tests of the plugins and of the ledger, and a whole run on this machine. What `ansible-test sanity`
of each core says is a matter of `make check-collection`.
"""

from __future__ import annotations

import argparse
import sys
from functools import partial
from typing import TYPE_CHECKING

from cores import CORES, WORK, Core, make_environment, make_home, with_core
from verdict import command, report

if TYPE_CHECKING:
    from collections.abc import Callable


def unit_tests(core: Core) -> str:
    """Run the quick tests of the plugins and of the ledger with one core; raises `CheckError`."""
    # The slow ones start programs as a target does, with none of ansible-core in them; `make test` runs them.
    said = command(
        *with_core(make_environment(core)),
        # One after the other: the processes of pytest-xdist have threads, and Python 3.12 warns of forking there.
        "python", "-m", "pytest", "-q", "-m", "not slow and not full", "tests/unit/plugins", "tests/unit/ledger",
    )  # fmt: skip
    return said.splitlines()[-1]


def run(core: Core) -> None:
    """Run the benchmarks on this machine with one core; raises `CheckError`."""
    bin_dir = make_environment(core)
    command(
        *with_core(bin_dir, HOME=str(make_home(core, bin_dir))),
        "ansible-playbook", "run.yml", "-l", "local", "-e", f"lab_runs_dir={WORK / core.name / 'runs'}",
        # A home and a lease of its own: nothing is measured here that another run on this machine could disturb.
        "-e", f"lab_lease_dir={WORK / core.name / 'lease'}",
    )  # fmt: skip


def main() -> int:
    """Check the cores that were asked for."""
    names = [core.name for core in CORES]
    parser = argparse.ArgumentParser(description=__doc__.partition("\n")[0])
    parser.add_argument("cores", nargs="*", metavar="CORE", help=f"only these of {', '.join(names)}")
    wanted = parser.parse_args().cores
    # Not with `choices`: Python 3.11.2, that of Debian 12, refuses an empty list then.
    if unknown := set(wanted).difference(names):
        parser.error(f"there is no {', '.join(sorted(unknown))}; supported are {', '.join(names)}")

    checks: dict[str, Callable[[], str | None]] = {}
    for core in CORES:
        if not wanted or core.name in wanted:
            checks[f"unit tests on {core.name}"] = partial(unit_tests, core)
            checks[f"run on {core.name}"] = partial(run, core)
    return report("test-matrix", checks)


if __name__ == "__main__":
    sys.exit(main())
