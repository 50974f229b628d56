#!/usr/bin/python
# Copyright (c) 2026 Rackbench contributors
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

from __future__ import annotations

DOCUMENTATION = r"""
module: rust_toolchain
short_description: Install a pinned Rust toolchain for one user
version_added: 0.1.0
description:
  - Installs rustup and one toolchain below C(~/.rackbench/rust) of the user who is logged in, from a mirror of
    L(static.rust-lang.org,https://static.rust-lang.org). Needs no root, and changes no profile and nothing else of the
    user.
  - Nothing is run before its SHA-256 is right.
  - Toolchains that are there stay; the named one becomes the default of this directory.
  - A lost connection is a failure that a step can rescue, and not an unreachable host.
extends_documentation_fragment:
  - rackbench.lab.attributes
  - rackbench.lab.package
  - rackbench.lab.attributes.linux
  - rackbench.lab.target
attributes:
  check_mode:
    details: Nothing is downloaded or written.
  idempotent:
    support: full
    details: With the same options again, one command is asked for its version and nothing is downloaded.
options:
  mirror:
    description:
      - The base address of the mirror, C(https), C(http) or C(file). With C(file) it is a directory on the target.
      - It holds C(rustup/archive/VERSION/TRIPLE/rustup-init), C(dist/channel-rust-TOOLCHAIN.toml) with its C(.sha256),
        and the archives that this manifest names.
    type: str
    required: true
  init_version:
    description: The version of rustup.
    type: str
    required: true
  init_sha256:
    description: The SHA-256 of rustup-init by target triple, such as C(x86_64-unknown-linux-gnu).
    type: dict
    required: true
  toolchain:
    description: The version of the toolchain.
    type: str
    required: true
  toolchain_sha256:
    description:
      - The SHA-256 of the manifest C(channel-rust-TOOLCHAIN.toml), which holds those of all archives.
      - Empty means that the C(.sha256) beside it on the mirror is believed. With an C(http) mirror it is required, as
        anybody on the way could change what comes.
    type: str
    default: ""
  profile:
    description: Which components rustup installs.
    type: str
    choices: [minimal, default, complete]
    default: minimal
author:
  - Rackbench contributors (!UNKNOWN)
"""

EXAMPLES = r"""
- name: Install Rust
  rackbench.lab.rust_toolchain:
    mirror: https://static.rust-lang.org
    init_version: 1.29.0
    init_sha256:
      x86_64-unknown-linux-gnu: 4acc9acc76d5079515b46346a485974457b5a79893cfb01112423c89aeb5aa10
    toolchain: 1.95.0
"""

RETURN = r"""
cargo:
  description: Where cargo is, or will be, on the target.
  returned: success
  type: str
  sample: /home/lab/.rackbench/rust/cargo/bin/cargo
toolchain:
  description: The toolchain as rustup calls it.
  returned: success
  type: str
  sample: 1.95.0-x86_64-unknown-linux-gnu
version:
  description: What cargo says of itself. Null in check mode when it is not installed.
  returned: success
  type: str
  sample: cargo 1.95.0 (f2d3ce0bd 2026-03-21)
rackbench:
  description: What the ledger takes from this task, such as its failure.
  returned: always
  type: dict
"""

import contextlib
import fcntl
import hashlib
import http.client
import json
import os
import platform
import re
import shutil
import subprocess
import tempfile
import urllib.error
from pathlib import Path
from typing import TYPE_CHECKING, Any

from ansible.module_utils.basic import AnsibleModule
from ansible.module_utils.urls import open_url
from ansible_collections.rackbench.lab.plugins.module_utils import _host
from ansible_collections.rackbench.lab.plugins.module_utils._supervisor import write_document
from ansible_collections.rackbench.lab.plugins.module_utils._target import (
    DIGEST,
    ROOT_OPTION,
    TargetError,
    answer,
    root_of,
)

if TYPE_CHECKING:
    from collections.abc import Iterator

FAILED = "bootstrap_failed"
VERSION = re.compile(r"[0-9A-Za-z][0-9A-Za-z._-]*")
# The names that Rust has for machine types, where they are not those of the kernel.
MACHINES = {"amd64": "x86_64", "arm64": "aarch64", "ppc64le": "powerpc64le", "riscv64": "riscv64gc"}
INIT_OPTIONS = ("--no-modify-path", "--profile", "minimal", "--default-toolchain", "none")
BLOCK = 1 << 20
# For an answer of the mirror, and for a command of rustup: far above what a slow line needs.
SOCKET_LIMIT_S = 60
COMMAND_LIMIT_S = 3600


def main() -> None:
    """Run the module."""
    module = AnsibleModule(
        argument_spec={
            **ROOT_OPTION,
            "mirror": {"type": "str", "required": True},
            "init_version": {"type": "str", "required": True},
            "init_sha256": {"type": "dict", "required": True},
            "toolchain": {"type": "str", "required": True},
            "toolchain_sha256": {"type": "str", "default": ""},
            "profile": {"type": "str", "choices": ["minimal", "default", "complete"], "default": "minimal"},
        },
        supports_check_mode=True,
    )
    answer(module, work)


def work(module: Any) -> dict[str, Any]:
    """Return the module's result."""
    wanted = Wanted(module.params, host_triple())
    place = Place(root_of(module) / "rust")
    result: dict[str, Any] = {"cargo": str(place.cargo), "toolchain": wanted.toolchain}
    version = place.installed(wanted)
    if version is None and not module.check_mode:
        place.home.mkdir(parents=True, exist_ok=True)
        with locked(place.home):
            # Another run on this host may have installed it meanwhile.
            version = place.installed(wanted)
            if version is None:
                return {**result, "changed": True, "version": install(place, wanted)}
    return {**result, "changed": version is None, "version": version}


def host_triple() -> str:
    """Return what Rust calls this machine."""
    machine = platform.machine().lower()
    libc = "musl" if _host.libc()["name"] == "musl" else "gnu"
    if machine == "armv7l":
        return f"armv7-unknown-linux-{libc}eabihf"
    return f"{MACHINES.get(machine, machine)}-unknown-linux-{libc}"


class Wanted:
    """What is to be installed, with all that becomes part of a path or an address checked."""

    def __init__(self, params: dict[str, Any], triple: str) -> None:
        self.triple = triple
        self.mirror = str(params["mirror"]).rstrip("/")
        if not self.mirror.startswith(("https://", "http://", "file:///")):
            raise TargetError(FAILED, f"The Rust mirror {self.mirror!r} is no https, http or file address.")
        self.init_version = version_text(params["init_version"], "version of rustup")
        self.channel = version_text(params["toolchain"], "Rust toolchain")
        self.toolchain = f"{self.channel}-{triple}"
        self.profile = str(params["profile"])
        digest = params["init_sha256"].get(triple)
        if digest is None:
            raise TargetError(
                FAILED,
                f"rustup-init {self.init_version} has no SHA-256 for {triple}: nothing was installed. Add it to "
                "lab_rust_init_sha256.",
            )
        self.init_sha256 = digest_text(digest, "rustup-init")
        pin = params["toolchain_sha256"]
        if not pin and not self.mirror.startswith(("https://", "file://")):
            raise TargetError(
                FAILED,
                f"The Rust mirror {self.mirror} is not encrypted, and the toolchain has no SHA-256: nothing was "
                "installed. Set lab_rust_toolchain_sha256, or name a mirror by https.",
            )
        self.channel_sha256 = digest_text(pin, f"the manifest of Rust {self.channel}") if pin else ""

    @property
    def init_url(self) -> str:
        """Where the mirror has rustup-init."""
        return f"{self.mirror}/rustup/archive/{self.init_version}/{self.triple}/rustup-init"

    @property
    def channel_url(self) -> str:
        """Where the mirror has the toolchain's manifest."""
        return f"{self.mirror}/dist/channel-rust-{self.channel}.toml"

    @property
    def rustup_mark(self) -> list[str]:
        """What the record says of this rustup."""
        return [self.init_version, self.init_sha256]

    @property
    def toolchain_mark(self) -> list[str]:
        """What the record says of this toolchain."""
        return [self.channel_sha256, self.profile]


class Place:
    """Our directory of Rust on this host, with a record of what was installed completely."""

    def __init__(self, home: Path) -> None:
        self.home = home
        self.rustup_home = home / "rustup"
        self.cargo_home = home / "cargo"
        self.rustup = self.cargo_home / "bin" / "rustup"
        self.cargo = self.cargo_home / "bin" / "cargo"
        self.record = home / "installed.json"

    def recorded(self) -> dict[str, Any]:
        """Return the record: the mark of rustup, those of the toolchains, and which one is the default."""
        nothing: dict[str, Any] = {"rustup": None, "toolchains": {}, "default": None}
        try:
            found = json.loads(self.record.read_text(encoding="utf-8"))
        except (FileNotFoundError, ValueError, RecursionError):
            return nothing
        return {**nothing, **found} if isinstance(found, dict) else nothing

    def note(self, wanted: Wanted) -> Path:
        """Where rustup notes which manifest it installed a toolchain from."""
        return self.rustup_home / "update-hashes" / wanted.toolchain

    def remove(self, wanted: Wanted) -> None:
        """Remove the toolchain, whole or in part."""
        shutil.rmtree(self.rustup_home / "toolchains" / wanted.toolchain, ignore_errors=True)
        self.note(wanted).unlink(missing_ok=True)

    def keep(self, record: dict[str, Any]) -> None:
        """Write the record."""
        write_document(self.record, record, sync=False)

    def installed(self, wanted: Wanted) -> str | None:
        """Return what cargo says of itself if exactly the wanted is installed, else None."""
        record = self.recorded()
        complete = (
            record["rustup"] == wanted.rustup_mark
            and record["toolchains"].get(wanted.toolchain) == wanted.toolchain_mark
            and record["default"] == wanted.toolchain
        )
        return self.works(wanted) if complete else None

    def works(self, wanted: Wanted) -> str | None:
        """Return what the toolchain's cargo says of itself, or None when it does not start."""
        try:
            return self.version(wanted)
        except TargetError:
            return None

    def version(self, wanted: Wanted) -> str:
        """Return what the toolchain's cargo says of itself; raises `TargetError`."""
        return self.run(wanted, self.cargo, f"+{wanted.toolchain}", "--version").strip()

    def run(self, wanted: Wanted, program: Path, *words: str) -> str:
        """Run a command of rustup in our directory, and from our mirror only; raises `TargetError`."""
        environment = {
            name: value for name, value in os.environ.items() if not name.startswith(("RUSTUP_", "CARGO_"))
        }
        environment.update(
            RUSTUP_HOME=str(self.rustup_home),
            CARGO_HOME=str(self.cargo_home),
            RUSTUP_DIST_SERVER=wanted.mirror,
            RUSTUP_UPDATE_ROOT=f"{wanted.mirror}/rustup",
            RUSTUP_AUTO_INSTALL="0",
            # Another Rust on this host is not in the way of ours.
            RUSTUP_INIT_SKIP_PATH_CHECK="yes",
        )
        called = " ".join([program.name, *words])
        try:
            done = subprocess.run(  # pylint: disable=ansible-bad-function # run_command has no time limit
                [str(program), *words],
                stdin=subprocess.DEVNULL,
                capture_output=True,
                timeout=COMMAND_LIMIT_S,
                cwd=self.home,
                env=environment,
                check=False,
            )
        except subprocess.TimeoutExpired as error:
            raise TargetError(FAILED, f"`{called}` did not end in {COMMAND_LIMIT_S} s.") from error
        except OSError as error:
            raise TargetError(FAILED, f"`{called}` cannot be started: {error.strerror}.") from error
        if done.returncode != 0:
            said = done.stderr.decode(errors="replace").strip()
            code = "target_disk_full" if "No space left on device" in said else FAILED
            last = "\n".join(said.splitlines()[-5:])
            raise TargetError(code, f"`{called}` ended with {done.returncode}. Its last words:\n{last}")
        return done.stdout.decode(errors="replace")


def install(place: Place, wanted: Wanted) -> str:
    """Install what is wanted and not there, record it, and return what cargo says of itself."""
    record = place.recorded()
    toolchains = record["toolchains"]
    with tempfile.TemporaryDirectory(prefix=".download-", dir=place.home) as temporary:
        if wanted.channel_sha256 and toolchains.get(wanted.toolchain) != wanted.toolchain_mark:
            download(wanted.channel_url, Path(temporary) / "channel", wanted.channel_sha256)
        if record["rustup"] != wanted.rustup_mark or not place.rustup.exists():
            init = Path(temporary) / "rustup-init"
            download(wanted.init_url, init, wanted.init_sha256)
            init.chmod(0o700)
            place.run(wanted, init, "-y", *INIT_OPTIONS)
            record["rustup"] = wanted.rustup_mark
    if toolchains.get(wanted.toolchain) != wanted.toolchain_mark or place.works(wanted) is None:
        # What an install left that did not end is nothing to build upon.
        toolchains.pop(wanted.toolchain, None)
        place.keep(record)
        place.remove(wanted)
        chosen = ("--profile", wanted.profile, "--no-self-update")
        place.run(wanted, place.rustup, "toolchain", "install", wanted.toolchain, *chosen)
        require_pinned(place, wanted)
    place.run(wanted, place.rustup, "default", wanted.toolchain)
    version = place.version(wanted)
    toolchains[wanted.toolchain] = wanted.toolchain_mark
    place.keep({**record, "default": wanted.toolchain})
    return version


def require_pinned(place: Place, wanted: Wanted) -> None:
    """Require that rustup read the manifest that was checked: it notes the first digits of that one's SHA-256.

    A toolchain of another one is removed again; raises `TargetError`.
    """
    if not wanted.channel_sha256:
        return
    note = place.note(wanted)
    noted = note.read_text(encoding="ascii").strip() if note.exists() else ""
    if not noted or not wanted.channel_sha256.startswith(noted):
        place.remove(wanted)
        raise TargetError(
            FAILED,
            f"{wanted.channel_url} changed while it was installed: what it brought was removed again.",
        )


def download(url: str, path: Path, sha256: str) -> None:
    """Write what a URL has to a file; raises `TargetError` when it is not what the SHA-256 says."""
    digest = hashlib.sha256()
    with path.open("wb") as stream:
        for block in blocks(url):
            digest.update(block)
            stream.write(block)
    if digest.hexdigest() != sha256:
        raise TargetError(
            FAILED,
            f"{url} has the SHA-256 {digest.hexdigest()}, and {sha256} is expected: it was refused and nothing was "
            "run. Correct the checksum, or ask who changed the mirror.",
        )


def blocks(url: str) -> Iterator[bytes]:
    """Read a URL block by block; raises `TargetError`."""
    try:
        with open_url(url, timeout=SOCKET_LIMIT_S) as reply:
            while True:
                block = reply.read(BLOCK)
                if not block:
                    return
                yield block
    except (OSError, ValueError, http.client.HTTPException) as error:
        plain = isinstance(error, urllib.error.URLError) and not isinstance(error, urllib.error.HTTPError)
        reason = error.reason if plain else error
        raise TargetError(FAILED, f"{url} cannot be read from this host: {reason}.") from error


@contextlib.contextmanager
def locked(directory: Path) -> Iterator[None]:
    """Hold a directory against other runs on this host; it ends with the process."""
    handle = os.open(directory, os.O_RDONLY)
    try:
        fcntl.flock(handle, fcntl.LOCK_EX)
        yield
    finally:
        os.close(handle)


def version_text(value: Any, what: str) -> str:
    """Return a version that can be part of a path; raises `TargetError`."""
    text = str(value)
    if VERSION.fullmatch(text) is None:
        raise TargetError(FAILED, f"{text!r} is no {what}.")
    return text


def digest_text(value: Any, what: str) -> str:
    """Return a SHA-256 in lower case; raises `TargetError`."""
    text = str(value).lower()
    if DIGEST.fullmatch(text) is None:
        raise TargetError(FAILED, f"{value!r} is no SHA-256 of {what}: it has 64 hexadecimal digits.")
    return text


if __name__ == "__main__":
    main()
