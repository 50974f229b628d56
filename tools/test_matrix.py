#!/usr/bin/env python3
# SPDX-License-Identifier: Apache-2.0
"""Check the plugins on every supported ansible-core that installs here: `make test-matrix`.

For each core: `ansible-test sanity` on a real copy of the collection, the plugins' unit tests, and a whole run on this
machine. Prints a table, and ends with 1 when anything failed. A core whose Python is not here is listed as such.
"""

from __future__ import annotations

import argparse
import os
import re
import shutil
import subprocess
import sys
from pathlib import Path
from typing import NamedTuple

ROOT = Path(__file__).resolve().parents[1]
WORK = ROOT / ".lab" / "matrix"
PACKAGES = ("ansible-runner", "hatchling", "editables", "hypothesis", "isal", "jmespath", "paramiko", "pydantic",
            "pytest", "pytest-xdist", "PyYAML", "rich", "shtab", "urllib3")  # fmt: skip

# ansible-test installs pip into its environments with a script that it downloads, from a host of Ansible's own and not
# from the package index. With this one in its cache the index is enough.
GET_PIP = """\
import subprocess
import sys

packages = [word for word in sys.argv[1:] if word not in ("--no-setuptools", "--no-wheel")]
sys.exit(subprocess.call([{python!r}, "-m", "pip", "--python", sys.executable, "install", "--quiet", *packages]))
"""

# What Ansible loads or shows. The Python package, the benchmarks and the tests are for ruff and mypy: `make lint`.
COLLECTION = (
    "LICENSE", "README.md", "galaxy.yml", "changelogs/", "docs/", "extensions/", "meta/", "playbooks/", "plugins/",
    "roles/", "tests/sanity/",
)  # fmt: skip


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
    on_path = shutil.which(f"python{version}")
    names = [
        *([Path(on_path)] if on_path else []),
        *sorted(Path.home().glob(f".pyenv/versions/{version}.*/bin/python3")),
    ]
    for name in names:
        # A shim of pyenv is there for each version, and starts none that is not switched on.
        done = subprocess.run([name, "-c", "import sys; print(sys.version)"], capture_output=True, text=True)
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
    """Copy what git knows of the collection to where ansible-test wants a collection, and return that directory."""
    target = WORK / core.name / "ansible_collections/rackbench/lab"
    shutil.rmtree(target, ignore_errors=True)
    listed = subprocess.run(
        ["git", "ls-files", "-z"], cwd=ROOT, check=True, capture_output=True, text=True
    ).stdout
    for name in filter(None, listed.split("\0")):
        source = ROOT / name
        if not name.startswith(COLLECTION) or not source.is_file():
            continue
        destination = target / name
        destination.parent.mkdir(parents=True, exist_ok=True)
        shutil.copy2(source, destination)
    # Without a repository of its own, ansible-test asks ours, which ignores the copy, and tests nothing.
    subprocess.run(["git", "init", "--quiet", target], check=True)
    return target


def make_home(core: Core, bin_dir: Path) -> Path:
    """Make (or find) a home directory for ansible-test, with the user's settings of pip, and return it."""
    home = WORK / core.name / "home"
    for name in (".config/pip", ".cache/pip"):
        theirs, ours = Path.home() / name, home / name
        if theirs.is_dir() and not ours.is_symlink():
            ours.parent.mkdir(parents=True, exist_ok=True)
            ours.symlink_to(theirs)
    cache = home / ".ansible/test/cache"
    cache.mkdir(parents=True, exist_ok=True)
    (source,) = bin_dir.parent.glob("lib/python*/site-packages/ansible_test/_internal/python_requirements.py")
    for version in set(re.findall(r"pip='([\d.]+)'", source.read_text())):
        script = cache / f"get_pip_{version.replace('.', '_')}.py"
        script.write_text(GET_PIP.format(python=str(bin_dir / "python")))
    return home


def check(core: Core, python: Path) -> dict[str, bool]:
    """Return for each kind of check whether it passed on this core; what failed has said so on the terminal."""
    bin_dir = make_environment(core, python)
    collection = copy_collection(core)
    environment = {
        **{name: value for name, value in os.environ.items() if not name.startswith("ANSIBLE_")},
        "PATH": f"{bin_dir}:{os.environ['PATH']}",
    }

    def passes(*argv: str | Path, cwd: Path = ROOT, **variables: str) -> bool:
        command = [str(part) for part in argv]
        return subprocess.run(command, cwd=cwd, env={**environment, **variables}).returncode == 0

    skips = [part for test in core.skipped_tests for part in ("--skip-test", test)]
    runs = WORK / core.name / "runs"
    return {
        "sanity": passes(
            bin_dir / "ansible-test",
            "sanity",
            "--python",
            core.python,
            "--color",
            "no",
            *skips,
            cwd=collection,
            HOME=str(make_home(core, bin_dir)),
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
