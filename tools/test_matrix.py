#!/usr/bin/env python3
# SPDX-License-Identifier: Apache-2.0
"""Check the plugins on every supported ansible-core that installs here: `make test-matrix`.

For each core: `ansible-test sanity` on a real copy of the collection, the plugins' unit tests, and a whole run on this
machine. Prints a table, and ends with 1 when anything failed. A core whose Python is not here is listed as such.
"""

from __future__ import annotations

import argparse
import os
import shutil
import subprocess
import sys
from pathlib import Path
from typing import NamedTuple

ROOT = Path(__file__).resolve().parents[1]
WORK = ROOT / ".lab" / "matrix"
PACKAGES = ("ansible-runner", "hatchling", "editables", "hypothesis", "jmespath", "paramiko", "pydantic", "pytest",
            "pytest-xdist", "PyYAML", "rich", "shtab")  # fmt: skip


class Core(NamedTuple):
    """A supported ansible-core: what pip is asked for, the Python it runs on, sanity tests that cannot be had."""

    name: str
    requirement: str
    python: str
    skipped_tests: tuple[str, ...] = ()


CORES = (
    Core("2.19", "ansible-core~=2.19.0", "3.11"),
    Core("2.20", "ansible-core~=2.20.0", "3.12"),
    Core("2.21", "ansible-core~=2.21.0", "3.12"),
    # Its pylint is pinned to an archive of a commit, which no package registry has.
    Core("2.22", "ansible-core>=2.22.0rc1,<2.23", "3.13", ("pylint",)),
)


def find_python(version: str) -> Path | None:
    """Return a Python of this version that starts: from the PATH, or one that pyenv installed."""
    names = [
        shutil.which(f"python{version}"),
        *sorted(Path.home().glob(f".pyenv/versions/{version}.*/bin/python3")),
    ]
    for name in filter(None, names):
        done = subprocess.run(
            [str(name), "-c", "import sys; print(sys.version)"], capture_output=True, text=True
        )
        if done.returncode == 0 and done.stdout.startswith(version + "."):
            return name
    return None


def make_environment(core: Core, python: Path) -> Path:
    """Make (or find) a virtual environment with this core and our package, and return its bin directory."""
    environment = WORK / core.name / "venv"
    if not (environment / ".complete").exists():
        subprocess.run([python, "-m", "venv", "--clear", environment], check=True)
        pip: list[str | Path] = [environment / "bin/pip", "install", "--quiet", "--disable-pip-version-check"]
        subprocess.run([*pip, core.requirement, *PACKAGES], check=True)
        subprocess.run([*pip, "--no-deps", "--no-build-isolation", "--editable", ROOT], check=True)
        (environment / ".complete").touch()
    return environment / "bin"


def copy_collection(core: Core) -> Path:
    """Copy what git knows of the checkout to where ansible-test wants a collection, and return that directory."""
    target = WORK / core.name / "ansible_collections/rackbench/lab"
    shutil.rmtree(target, ignore_errors=True)
    listed = subprocess.run(
        ["git", "ls-files", "-z"], cwd=ROOT, check=True, capture_output=True, text=True
    ).stdout
    for name in filter(None, listed.split("\0")):
        source = ROOT / name
        if name.startswith("collections/") or not source.is_file():
            continue
        destination = target / name
        destination.parent.mkdir(parents=True, exist_ok=True)
        shutil.copy2(source, destination)
    return target


def check(core: Core, python: Path) -> dict[str, bool]:
    """Return for each kind of check whether it passed on this core; what failed has said so on the terminal."""
    bin_dir = make_environment(core, python)
    collection = copy_collection(core)
    environment = {
        **{name: value for name, value in os.environ.items() if not name.startswith("ANSIBLE_")},
        "PATH": f"{bin_dir}:{os.environ['PATH']}",
    }

    def passes(*argv: str | Path, cwd: Path = ROOT) -> bool:
        return subprocess.run([str(part) for part in argv], cwd=cwd, env=environment).returncode == 0

    skips = [part for test in core.skipped_tests for part in ("--skip-test", test)]
    runs = WORK / core.name / "runs"
    return {
        "sanity": passes(
            bin_dir / "ansible-test",
            "sanity",
            "--venv",
            "--python",
            core.python,
            "--color",
            "no",
            *skips,
            cwd=collection,
        ),
        "unit": passes(bin_dir / "python", "-m", "pytest", "-q", "tests/unit/plugins", "tests/unit/ledger"),
        "run": passes(bin_dir / "ansible-playbook", "run.yml", "-l", "local", "-e", f"lab_runs_dir={runs}"),
    }


def main() -> int:
    """Check the cores that were asked for."""
    parser = argparse.ArgumentParser(description=__doc__.partition("\n")[0])
    parser.add_argument("cores", nargs="*", choices=[core.name for core in CORES], help="only these")
    wanted = parser.parse_args().cores
    rows = []
    for core in CORES:
        if wanted and core.name not in wanted:
            continue
        python = find_python(core.python)
        outcome = check(core, python) if python else {}
        rows.append((core, outcome))
    for core, outcome in rows:
        words = [f"{kind} {'passed' if passed else 'FAILED'}" for kind, passed in outcome.items()]
        skipped = f" (skipped: {', '.join(core.skipped_tests)})" if outcome and core.skipped_tests else ""
        print(f"ansible-core {core.name}: {', '.join(words) or f'no Python {core.python} here'}{skipped}")
    return 0 if all(all(outcome.values()) for _core, outcome in rows) else 1


if __name__ == "__main__":
    sys.exit(main())
