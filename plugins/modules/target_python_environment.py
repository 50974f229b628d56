#!/usr/bin/python
# Copyright (c) 2026 Rackbench contributors
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

from __future__ import annotations

DOCUMENTATION = r"""
module: target_python_environment
short_description: Install pinned Python packages on a target
version_added: 0.1.0
description:
  - Makes a virtual environment in C(environments/) below O(root) with exactly the packages that C(requirements.txt) of
    a bundle pins, each with its SHA-256. Its name is made of that file's digest and the machine type, so it is made
    once.
  - It is made in a temporary directory and gets its name in one step, when it is whole. Needs no root.
  - M(rackbench.lab.python_environment) calls it, and uploads the wheelhouse if that is on the controller.
extends_documentation_fragment:
  - rackbench.lab.attributes
  - rackbench.lab.attributes.linux
  - rackbench.lab.target
  - rackbench.lab.target.private
attributes:
  check_mode:
    details: Nothing is changed; the answers are those of a real run.
  idempotent:
    support: full
    details: With the same requirements again, the environment's Python is started once and nothing is installed.
options:
  bundle:
    description: The SHA-256 of the bundle that holds C(requirements.txt). It is on the host.
    type: str
    required: true
  pythons:
    description: The versions of Python that the packages are for, such as V(3.11), the preferred one first.
    type: list
    elements: str
    required: true
  wheelhouse:
    description:
      - A directory or a tar archive on the host with the packages as wheels; nothing is downloaded then.
      - Empty means that pip downloads, from O(index_url) or as the user's pip on the host is set up.
    type: str
    default: ""
  wheelhouse_sha256:
    description: The SHA-256 of O(wheelhouse) if it is an archive that was uploaded; it is removed afterwards.
    type: str
  index_url:
    description: The address of the package index to download from, without a password in it.
    type: str
    default: ""
  index_user:
    description: The user name for O(index_url).
    type: str
    default: ""
  index_password:
    description: The password for O(index_url). pip reads it from a file that is removed afterwards.
    type: str
    default: ""
  state:
    description:
      - V(looked) only says whether the environment is there, and where to upload a wheelhouse to.
      - V(present) makes it.
    type: str
    choices: [looked, present]
    default: present
author:
  - Rackbench contributors (!UNKNOWN)
"""

EXAMPLES = r"""
- name: Make the environment of a bundle from the wheels in a directory of the host
  rackbench.lab.target_python_environment:
    bundle: 5f0c6c5e29ee0d0b6a53f2d6d2f8f8d3d5a8f7c1e0b9a8f7c6d5e4f3a2b1c0d9
    pythons: ["3.13", "3.12", "3.11"]
    wheelhouse: /srv/wheels
"""

RETURN = r"""
present:
  description: Whether the environment is there, whole.
  returned: success
  type: bool
  sample: true
path:
  description: Its directory on the host.
  returned: success
  type: str
  sample: /home/lab/.rackbench/environments/5f0c6c5e29ee0d0b-x86_64
python:
  description: The version of its Python. Null when it is not there.
  returned: success
  type: str
  sample: 3.11.7
upload:
  description: Where to put an archive that the next call takes as O(wheelhouse).
  returned: when O(state=looked)
  type: str
  sample: /home/lab/.rackbench/uploads/5f0c6c5e.0f3a9c4d5b6e7f80.part
rackbench_failure:
  description: The code of the failure, and what happened in plain words.
  returned: when the module fails for a reason that has a code
  type: dict
  sample: {code: target_disk_full, what: "No space left on device: /home/lab/.rackbench."}
"""

import contextlib
import fcntl
import hashlib
import os
import platform
import re
import secrets
import shutil
import subprocess
import sys
import tarfile
from pathlib import Path
from typing import TYPE_CHECKING, Any
from urllib.parse import urlsplit

from ansible.module_utils.basic import AnsibleModule
from ansible_collections.rackbench.lab.plugins.module_utils import _host, _store
from ansible_collections.rackbench.lab.plugins.module_utils._supervisor import sync_directory, write_document
from ansible_collections.rackbench.lab.plugins.module_utils._target import (
    DIGEST,
    ROOT_OPTION,
    TargetError,
    answer,
    expanded,
    require,
    root_of,
)

if TYPE_CHECKING:
    from collections.abc import Iterator

FAILED = "environment_failed"
NO_PYTHON = "python_version_missing"
MARKER = "environment.json"
BLOCK = 1 << 20
ASK_LIMIT_S = 60
# A slow line needs far less.
INSTALL_LIMIT_S = 3600
PYTHON_VERSION = "import sys; print('.'.join(map(str, sys.version_info[:3])))"
VERSION = re.compile(r"3\.\d+")


def main() -> None:
    """Run the module."""
    module = AnsibleModule(
        argument_spec={
            **ROOT_OPTION,
            "bundle": {"type": "str", "required": True},
            "pythons": {"type": "list", "elements": "str", "required": True},
            "wheelhouse": {"type": "str", "default": ""},
            "wheelhouse_sha256": {"type": "str"},
            "index_url": {"type": "str", "default": ""},
            "index_user": {"type": "str", "default": ""},
            "index_password": {"type": "str", "default": "", "no_log": True},
            "state": {"type": "str", "choices": ["looked", "present"], "default": "present"},
        },
        required_by={"wheelhouse_sha256": ["wheelhouse"]},
        supports_check_mode=True,
    )
    answer(module, work)


def work(module: Any) -> dict[str, Any]:
    """Return the module's result."""
    root = root_of(module)
    bundle = root / "bundles" / require(DIGEST, module.params["bundle"], "SHA-256")
    requirements = bundle / "requirements.txt"
    if module.check_mode and not bundle.exists():
        # The dry run uploaded no bundle either.
        usable_python(module.params["pythons"])
        return {"changed": True, "present": False, "path": str(root / "environments"), "python": None}
    if not requirements.is_file():
        raise TargetError(FAILED, f"The bundle pins no packages: {requirements} is not there.")
    place = root / "environments" / name_of(requirements)
    if module.params["wheelhouse_sha256"] is None:
        return placed(module, root, place, requirements)
    upload = Path(module.params["wheelhouse"])
    if upload.parent != root / "uploads":
        raise TargetError("internal_error", f"{upload} is no upload.")
    try:
        return placed(module, root, place, requirements)
    finally:
        if not module.check_mode:
            upload.unlink(missing_ok=True)


def placed(module: Any, root: Path, place: Path, requirements: Path) -> dict[str, Any]:
    """Return the module's result; make the environment if that is asked for and it is not there."""
    result: dict[str, Any] = {"path": str(place), "upload": None}
    version = installed(place)
    if version is not None:
        return {**result, "changed": False, "present": True, "python": version}
    if module.check_mode or module.params["state"] == "looked":
        # A Python that is missing is said before anything is uploaded.
        usable_python(module.params["pythons"])
        if not module.check_mode:
            result["upload"] = upload_place(root, requirements)
        return {**result, "changed": module.check_mode, "present": False, "python": None}
    place.parent.mkdir(parents=True, exist_ok=True)
    with locked(place.parent):
        # Another run on this host may have made it meanwhile.
        version = installed(place)
        made = make(place, requirements, module.params) if version is None else version
    return {**result, "changed": version is None, "present": True, "python": made}


def name_of(requirements: Path) -> str:
    """Return the name of the environment for a requirements file; a benchmark's program finds it in the same way."""
    return f"{sha256_of(requirements)[:16]}-{platform.machine()}"


def upload_place(root: Path, requirements: Path) -> str:
    """Return where to upload the wheelhouse; the directory is there then."""
    (root / "uploads").mkdir(parents=True, exist_ok=True)
    _store.remove_given_up(root)
    return str(_store.new_part(root, sha256_of(requirements)))


def installed(place: Path) -> str | None:
    """Return the version of the environment's Python if it is whole and starts, else None."""
    if not (place / MARKER).is_file():
        return None
    return version_of(str(place / "bin/python"))


def version_of(python: str) -> str | None:
    """Return the version of a Python, or None when it does not start."""
    try:
        done = subprocess.run(  # pylint: disable=ansible-bad-function # run_command has no time limit
            [python, "-I", "-c", PYTHON_VERSION],
            stdin=subprocess.DEVNULL,
            capture_output=True,
            timeout=ASK_LIMIT_S,
            check=False,
        )
    except (OSError, subprocess.TimeoutExpired):
        return None
    return done.stdout.decode(errors="replace").strip() if done.returncode == 0 else None


def usable_python(versions: list[str]) -> str:
    """Return the path of a Python of one of the versions, such as `3.11`; raises `TargetError`."""
    for version in versions:
        require(VERSION, version, "version of Python")
    found: dict[str, str] = {}
    for candidate in (sys.executable, *(f"python{version}" for version in versions), "python3"):
        path = _host.which(candidate)
        version = version_of(path) if path else None
        if path and version:
            if version.rpartition(".")[0] in versions:
                return path
            found.setdefault(version, path)
    known = ", ".join(f"{version} ({path})" for version, path in found.items())
    raise TargetError(
        NO_PYTHON,
        f"The packages need Python {' or '.join(versions)}, and this host has {known or 'none'}.",
    )


def make(place: Path, requirements: Path, params: dict[str, Any]) -> str:
    """Make the environment and return the version of its Python; raises `TargetError`."""
    base = usable_python(params["pythons"])
    # What a process that was killed had begun. We hold the lock, so nobody is at it.
    for path in place.parent.glob(".*.tmp"):
        shutil.rmtree(path, ignore_errors=True)
    temporary = place.with_name(f".{place.name}.{secrets.token_hex(8)}.tmp")
    temporary.mkdir()
    try:
        source = sources(params, temporary)
        made = temporary / "environment"
        run([base, "-I", "-m", "venv", str(made)], source)
        python = made / "bin/python"
        run([str(python), *install_words(requirements, source)], source)
        drop_scripts(made / "bin")
        version = version_of(str(python))
        write_document(
            made / MARKER, {"python": version, "base": base, "requirements": requirements.name}, sync=True
        )
        if place.exists():
            # It is damaged, or its Python left the host.
            shutil.rmtree(place)
        os.sync()
        made.rename(place)
        sync_directory(place.parent)
    finally:
        shutil.rmtree(temporary, ignore_errors=True)
    return str(version)


class Source:
    """Where packages come from: words for pip, and the environment of all commands. `said` names it in messages."""

    def __init__(self, words: list[str], environment: dict[str, str], said: str) -> None:
        self.words = words
        self.environment = environment
        self.said = said


def sources(params: dict[str, Any], temporary: Path) -> Source:
    """Return where the packages come from; raises `TargetError` for a wheelhouse or address that cannot be used."""
    environment = {
        name: value for name, value in os.environ.items() if not name.startswith(("PYTHON", "VIRTUAL_ENV"))
    }
    # What pip unpacks is large, and /tmp may be small.
    environment.update(TMPDIR=str(temporary), PIP_DISABLE_PIP_VERSION_CHECK="1", PIP_NO_INPUT="1", LC_ALL="C")
    if params["wheelhouse"]:
        folder = wheels(params, temporary)
        # How this host's pip is set up would bring other sources in.
        kept = {name: value for name, value in environment.items() if not name.startswith("PIP_")}
        kept.update(PIP_CONFIG_FILE=os.devnull, PIP_DISABLE_PIP_VERSION_CHECK="1")
        return Source(["--no-index", "--find-links", str(folder)], kept, "the wheelhouse")
    url = params["index_url"]
    if not url:
        return Source([], environment, "the package index of this host's pip")
    address = urlsplit(url)
    if address.scheme not in ("https", "http") or not address.hostname:
        raise TargetError(
            FAILED, f"The package index {address.hostname or url!r} is no https or http address."
        )
    if address.username or address.password:
        raise TargetError(
            FAILED,
            f"The address of the package index {address.hostname} has a user name or password in it, where everybody "
            "can read it: nothing was installed. Name them apart from the address.",
        )
    environment["PIP_INDEX_URL"] = url
    if params["index_password"]:
        environment["NETRC"] = str(netrc(temporary, address.hostname, params))
    return Source([], environment, f"the package index {address.hostname}")


def netrc(temporary: Path, host: str, params: dict[str, Any]) -> Path:
    """Write the password where pip looks for it: neither on a command line nor in an environment."""
    user, password = params["index_user"], params["index_password"]
    if any(character in f"{user}{password}" for character in '"\\\n\r'):
        raise TargetError(
            FAILED, "The user name or password of the package index has a quote or a line end in it."
        )
    path = temporary / "netrc"
    with os.fdopen(os.open(path, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600), "w") as stream:
        stream.write(f'machine {host} login "{user}" password "{password}"\n')
    return path


def wheels(params: dict[str, Any], temporary: Path) -> Path:
    """Return the directory with the wheels; raises `TargetError`."""
    expected = params["wheelhouse_sha256"]
    path = expanded(params["wheelhouse"])
    if path.is_dir():
        return path
    if not path.is_file():
        raise TargetError(FAILED, f"The wheelhouse {path} is not on this host.")
    if expected and sha256_of(path) != require(DIGEST, expected, "SHA-256"):
        raise TargetError(
            FAILED, "The wheelhouse changed on its way to this host: its SHA-256 is not the one sent."
        )
    folder = temporary / "wheels"
    folder.mkdir()
    try:
        with tarfile.open(path) as archive:
            for member in archive:
                # Only names and bytes are taken over, so nothing in the archive can lead anywhere else.
                name = member.name.rpartition("/")[2]
                if member.isfile() and name.endswith(".whl"):
                    content = archive.extractfile(member)
                    if content is None:
                        raise AssertionError("it is a file")
                    with (folder / name).open("wb") as stream:
                        shutil.copyfileobj(content, stream, BLOCK)
    except (tarfile.TarError, EOFError) as error:
        raise TargetError(FAILED, f"The wheelhouse is no whole tar archive: {error}.") from error
    return folder


def sha256_of(path: Path) -> str:
    """Return the SHA-256 of a file."""
    digest = hashlib.sha256()
    with path.open("rb") as stream:
        while block := stream.read(BLOCK):
            digest.update(block)
    return digest.hexdigest()


def install_words(requirements: Path, source: Source) -> list[str]:
    """Return the words after Python that install the requirements: only wheels, and only with the right SHA-256."""
    words = ["-I", "-m", "pip", "install", "--quiet", "--no-cache-dir", "--only-binary", ":all:"]
    return [*words, *source.words, "--require-hashes", "--requirement", str(requirements)]


def drop_scripts(directory: Path) -> None:
    """Remove the commands that packages brought: they name the directory that the environment was made in."""
    for path in directory.iterdir():
        if not path.name.startswith("python"):
            path.unlink()


def run(argv: list[str], source: Source) -> None:
    """Run one command of the installation; raises `TargetError` with what it said."""
    called = " ".join(argv[2:5])
    try:
        done = subprocess.run(  # pylint: disable=ansible-bad-function # run_command has no time limit
            argv,
            stdin=subprocess.DEVNULL,
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            timeout=INSTALL_LIMIT_S,
            env=source.environment,
            check=False,
        )
    except subprocess.TimeoutExpired as error:
        raise TargetError(FAILED, f"`{called}` did not end in {INSTALL_LIMIT_S} s.") from error
    if done.returncode == 0:
        return
    said = done.stdout.decode(errors="replace")
    if "No space left on device" in said:
        raise TargetError("target_disk_full", f"The disk became full while `{called}` ran.")
    if "ensurepip is not available" in said:
        raise TargetError(NO_PYTHON, f"{argv[0]} cannot make virtual environments: python3-venv is missing.")
    raise TargetError(
        FAILED, f"The packages cannot be installed from {source.said}; nothing was kept. {errors_in(said)}"
    )


def errors_in(said: str) -> str:
    """Return what pip says of an error: all from its first line that does, and the last warning before it."""
    lines = [line.strip() for line in said.splitlines() if line.strip()]
    marked = [number for number, line in enumerate(lines) if line.startswith("ERROR:")]
    first = marked[0] if marked else max(len(lines) - 5, 0)
    warnings = [line for line in lines[:first] if line.startswith("WARNING:")]
    words = " ".join(line.replace("ERROR: ", "", 1) for line in [*lines[first:], *warnings[-1:]])
    return words[:1500]


@contextlib.contextmanager
def locked(directory: Path) -> Iterator[None]:
    """Hold a directory against other runs on this host; it ends with the process."""
    handle = os.open(directory, os.O_RDONLY)
    try:
        fcntl.flock(handle, fcntl.LOCK_EX)
        yield
    finally:
        os.close(handle)


if __name__ == "__main__":
    main()
