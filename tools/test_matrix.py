#!/usr/bin/env python3
# SPDX-License-Identifier: Apache-2.0
"""Check the collection on every supported ansible-core that installs here: `make test-matrix`.

For each core: `ansible-test sanity` on the unpacked tarball, the plugins' unit tests, and a whole run on this machine.
A core whose Python is not on this machine is named as such, and is no failure.
"""

from __future__ import annotations

import argparse
import os
import re
import shutil
import subprocess
import sys
import tarfile
from functools import cache, partial
from pathlib import Path
from typing import TYPE_CHECKING, NamedTuple

from artifacts import collection
from verdict import ROOT, command, report

if TYPE_CHECKING:
    from collections.abc import Callable

WORK = ROOT / ".lab" / "matrix"
# What our package is built with, and what its tests need.
PACKAGES = ("hatchling", "editables", "hypothesis", "pytest")

# ansible-test installs pip into its environments with a script that it downloads, from a host of Ansible's own and not
# from the package index. With this one in its cache the index is enough.
GET_PIP = """\
import subprocess
import sys

packages = [word for word in sys.argv[1:] if word not in ("--no-setuptools", "--no-wheel")]
sys.exit(subprocess.call([{python!r}, "-m", "pip", "--python", sys.executable, "install", "--quiet", *packages]))
"""


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


@cache
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


def unpack(tarball: Path, place: Path) -> Path:
    """Unpack the collection into `place`, as Ansible wants a collection to lie there, and return its directory."""
    target = place / "ansible_collections/rackbench/lab"
    shutil.rmtree(target, ignore_errors=True)
    target.mkdir(parents=True)
    with tarfile.open(tarball) as archive:
        archive.extractall(target, filter="data")
    # Without a repository of its own, ansible-test asks ours, which ignores what lies here, and tests nothing.
    command("git", "init", "--quiet", target)
    return target


def sanity(core: Core, tarball: Callable[[], Path]) -> str:
    """Run `ansible-test sanity` of one core on the unpacked tarball; raises `CheckError`."""
    python = find_python(core.python)
    if python is None:
        return _absent(core)
    bin_dir = _make_environment(core, python)
    skips = [part for test in core.skipped_tests for part in ("--skip-test", test)]
    command(
        *_with(bin_dir, HOME=str(_make_home(core, bin_dir))),
        "ansible-test", "sanity", "--python", core.python, "--color", "no", *skips,
        cwd=unpack(tarball(), WORK / core.name),
        # It wants a locale that small machines have not, and none of our tests needs it. pip, when it first makes the
        # environments of the tests, tells of the settings of the machine.
        quiet_about=['Using locale "C.UTF-8"', "WARNING: Location 'file:"],
    )  # fmt: skip
    return f"without {', '.join(core.skipped_tests)}" if skips else ""


def unit_tests(core: Core) -> str:
    """Run the tests of the plugins and of the ledger with one core; raises `CheckError`."""
    python = find_python(core.python)
    if python is None:
        return _absent(core)
    bin_dir = _make_environment(core, python)
    said = command(*_with(bin_dir), "python", "-m", "pytest", "-q", "tests/unit/plugins", "tests/unit/ledger")
    return said.splitlines()[-1]


def run(core: Core) -> str:
    """Run the benchmarks on this machine with one core; raises `CheckError`."""
    python = find_python(core.python)
    if python is None:
        return _absent(core)
    bin_dir = _make_environment(core, python)
    command(
        *_with(bin_dir, HOME=str(_make_home(core, bin_dir))),
        "ansible-playbook", "run.yml", "-l", "local", "-e", f"lab_runs_dir={WORK / core.name / 'runs'}",
        # A home and a lease of its own: nothing is measured here that another run on this machine could disturb.
        "-e", f"lab_lease_dir={WORK / core.name / 'lease'}",
    )  # fmt: skip
    return ""


def _absent(core: Core) -> str:
    return f"not checked: there is no Python {core.python} on this machine"


@cache
def _make_environment(core: Core, python: Path) -> Path:
    """Make (or find) a virtual environment with this core and our package, and return its bin directory."""
    environment = WORK / core.name / "venv"
    if not (environment / ".complete").exists():
        command(python, "-m", "venv", "--clear", environment)
        pip: list[str | Path] = [environment / "bin/pip", "install", "--quiet", "--disable-pip-version-check"]
        subprocess.run([*pip, core.requirement, *PACKAGES], check=True)
        subprocess.run([*pip, "--no-build-isolation", "--editable", ROOT], check=True)
        (environment / ".complete").touch()
    return environment / "bin"


def _make_home(core: Core, bin_dir: Path) -> Path:
    """Make (or find) a home directory for ansible-test, with the user's settings of pip, and return it."""
    home = WORK / core.name / "home"
    for name in (".config/pip", ".cache/pip"):
        theirs, ours = Path.home() / name, home / name
        if theirs.is_dir() and not ours.is_symlink():
            ours.parent.mkdir(parents=True, exist_ok=True)
            ours.symlink_to(theirs)
    cache_dir = home / ".ansible/test/cache"
    cache_dir.mkdir(parents=True, exist_ok=True)
    (source,) = bin_dir.parent.glob("lib/python*/site-packages/ansible_test/_internal/python_requirements.py")
    for version in set(re.findall(r"pip='([\d.]+)'", source.read_text())):
        script = cache_dir / f"get_pip_{version.replace('.', '_')}.py"
        script.write_text(GET_PIP.format(python=str(bin_dir / "python")))
    return home


def _with(bin_dir: Path, **variables: str) -> list[str]:
    """Return what is put before a command that runs with this core, and with none of the user's settings of Ansible."""
    unset = [word for name in os.environ if name.startswith("ANSIBLE_") for word in ("-u", name)]
    path = f"{bin_dir}:{os.environ['PATH']}"
    return ["env", *unset, *(f"{name}={value}" for name, value in {"PATH": path, **variables}.items())]


def main() -> int:
    """Check the cores that were asked for."""
    names = [core.name for core in CORES]
    parser = argparse.ArgumentParser(description=__doc__.partition("\n")[0])
    parser.add_argument("cores", nargs="*", metavar="CORE", help=f"only these of {', '.join(names)}")
    wanted = parser.parse_args().cores
    # Not with `choices`: Python 3.11.2, that of Debian 12, refuses an empty list then.
    if unknown := set(wanted).difference(names):
        parser.error(f"there is no {', '.join(sorted(unknown))}; supported are {', '.join(names)}")

    @cache
    def tarball() -> Path:
        return collection(WORK)

    checks: dict[str, Callable[[], str]] = {}
    for core in CORES:
        if not wanted or core.name in wanted:
            checks[f"sanity on {core.name}"] = partial(sanity, core, tarball)
            checks[f"unit tests on {core.name}"] = partial(unit_tests, core)
            checks[f"run on {core.name}"] = partial(run, core)
    return report("test-matrix", checks)


if __name__ == "__main__":
    sys.exit(main())
