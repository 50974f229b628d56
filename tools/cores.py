# SPDX-License-Identifier: Apache-2.0
"""The versions of ansible-core that the collection is for, and an environment with each in .lab/matrix."""

from __future__ import annotations

import contextlib
import fcntl
import os
import re
import shutil
import subprocess
from functools import cache
from pathlib import Path
from typing import NamedTuple

from verdict import ROOT, CheckError, command

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


def find_python(version: str) -> Path:
    """Return a Python of this version that starts, from the PATH or of pyenv; raises `CheckError` if there is none."""
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
    raise CheckError(
        f"NOT CHECKED: there is no Python {version} on this machine.\n"
        f"Next: `pyenv install {version}`, or have a python{version} on the PATH."
    )


@cache
def make_environment(core: Core) -> Path:
    """Make (or find) a virtual environment with this core and our package, and return its bin directory."""
    environment = WORK / core.name / "venv"
    stamp = environment / "made-from"
    made_from = f"{core.requirement} {PACKAGES} {(ROOT / 'pyproject.toml').read_text()}"
    environment.parent.mkdir(parents=True, exist_ok=True)
    # Two verbs may be at work in two terminals.
    with (environment.parent / "lock").open("w") as lock:
        fcntl.flock(lock, fcntl.LOCK_EX)
        if not stamp.is_file() or stamp.read_text() != made_from:
            command(find_python(core.python), "-m", "venv", "--clear", environment)
            pip: list[str | Path] = [environment / "bin/pip", "install", "-qq", "--disable-pip-version-check"]
            command(*pip, core.requirement, *PACKAGES)
            command(*pip, "--no-build-isolation", "--editable", ROOT)
            stamp.write_text(made_from)
    return environment / "bin"


def make_home(core: Core, bin_dir: Path) -> Path:
    """Make (or find) a home directory for ansible-test, with the user's settings of pip, and return it."""
    home = WORK / core.name / "home"
    for name in (".config/pip", ".cache/pip"):
        theirs, ours = Path.home() / name, home / name
        if theirs.is_dir() and not ours.is_symlink():
            ours.parent.mkdir(parents=True, exist_ok=True)
            ours.symlink_to(theirs)
    cache_dir = home / ".ansible/test/cache"
    cache_dir.mkdir(parents=True, exist_ok=True)
    source = _source(bin_dir, "_internal/python_requirements.py")
    for version in set(re.findall(r"pip='([\d.]+)'", source)):
        script = cache_dir / f"get_pip_{version.replace('.', '_')}.py"
        script.write_text(GET_PIP.format(python=str(bin_dir / "python")))
    return home


def link_pythons(core: Core, bin_dir: Path) -> Path:
    """Make a directory with each Python that this core knows and this machine has, and return it.

    ansible-test takes those of the PATH. A shim of pyenv is one to it, whether it starts or not.
    """
    pythons = WORK / core.name / "pythons"
    shutil.rmtree(pythons, ignore_errors=True)
    pythons.mkdir(parents=True)
    for version in re.findall(r"'(3\.\d+)'", _source(bin_dir, "_util/target/common/constants.py")):
        with contextlib.suppress(CheckError):
            (pythons / f"python{version}").symlink_to(find_python(version))
    return pythons


def _source(bin_dir: Path, name: str) -> str:
    """Return a source of the ansible-test of an environment."""
    (path,) = bin_dir.parent.glob(f"lib/python*/site-packages/ansible_test/{name}")
    return path.read_text()


def with_core(bin_dir: Path, **variables: str) -> list[str]:
    """Return what is put before a command that runs with this core, and with none of the user's settings of Ansible."""
    unset = [word for name in os.environ if name.startswith("ANSIBLE_") for word in ("-u", name)]
    path = f"{bin_dir}:{os.environ['PATH']}"
    return ["env", *unset, *(f"{name}={value}" for name, value in {"PATH": path, **variables}.items())]
