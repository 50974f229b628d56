#!/usr/bin/env python3
# SPDX-License-Identifier: Apache-2.0
"""A real Rust mirror without a network: this machine's rustup and toolchain, packed as Rust's own server has them.

The installed `rustup` is rustup-init under another name, and a toolchain's own lists of files say what each archive
holds. `tests/lab/rust_mirror.py` builds it into `.lab/rust-mirror`, which each host of the lab sees as
/srv/rust-mirror.
"""

from __future__ import annotations

import fcntl
import gzip
import hashlib
import io
import json
import os
import pwd
import re
import shutil
import subprocess
import sys
import tarfile
import tempfile
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from pathlib import Path
from typing import Any

ROOT = Path(__file__).resolve().parents[2]
MIRRORS = ROOT / ".lab" / "rust-mirror"
ON_HOSTS = "/srv/rust-mirror"
VARIABLES = "variables.json"
# Manifests name their archives at this address; rustup puts the mirror's in its place.
ORIGIN = "https://static.rust-lang.org"
OTHER_CHANNEL = "stable"
COMPONENTS = ("rustc", "cargo", "rust-std")
# Manual pages, completions and licences: no build reads them.
LEFT_OUT = ("share/", "etc/")


class NoToolchainError(Exception):
    """This machine has nothing that a mirror can be made of; says what is missing."""


@dataclass(frozen=True)
class RustMirror:
    """A mirror on this machine, and the variables of a lab host that installs from it."""

    directory: Path
    variables: dict[str, Any]


@dataclass(frozen=True)
class _Toolchain:
    """What the machine has: rustup with its version, and one stable toolchain."""

    rustup: Path
    rustup_version: str
    sysroot: Path
    version: str
    triple: str

    @property
    def digest(self) -> str:
        """Sixteen hex digits that change with what the mirror is made of, and with how it is made."""
        whole = hashlib.sha256(f"{self.version} {self.triple}".encode())
        for file in (self.rustup, Path(__file__)):
            whole.update(file.read_bytes())
        return whole.hexdigest()[:16]


def build() -> RustMirror:
    """Return the mirror, made now unless it is there; raises `NoToolchainError`."""
    toolchain = _find()
    MIRRORS.mkdir(parents=True, exist_ok=True)
    directory = MIRRORS / toolchain.digest
    with (MIRRORS / "lock").open("w") as lock:
        fcntl.flock(lock, fcntl.LOCK_EX)
        if not directory.is_dir():
            for old in MIRRORS.iterdir():
                if old.is_dir():
                    shutil.rmtree(old)
            building = Path(tempfile.mkdtemp(dir=MIRRORS))
            building.chmod(0o755)
            variables = _fill(building, toolchain)
            variables["lab_rust_mirror"] = f"file://{ON_HOSTS}/{directory.name}"
            (building / VARIABLES).write_text(json.dumps(variables, indent=2))
            building.rename(directory)
        shutil.copy(directory / VARIABLES, MIRRORS / VARIABLES)
    return RustMirror(directory, json.loads((directory / VARIABLES).read_text()))


def missing() -> str | None:
    """Say why no mirror can be made here, or None."""
    try:
        _find()
    except NoToolchainError as error:
        return str(error)
    return None


def _find() -> _Toolchain:
    # CI may have no HOME: what the account installed is found all the same.
    home = Path(pwd.getpwuid(os.getuid()).pw_dir)
    found = shutil.which("rustup") or shutil.which(home / ".cargo/bin/rustup")
    if found is None:
        raise NoToolchainError(
            "this machine has no rustup, on PATH or in ~/.cargo/bin, to make a Rust mirror of"
        )
    rustup = Path(found).resolve()
    settings = Path(os.environ.get("RUSTUP_HOME") or home / ".rustup")
    for compiler in sorted(settings.glob("toolchains/*/bin/rustc")):
        said = subprocess.run([compiler, "-vV"], capture_output=True, text=True).stdout
        fields = dict(line.split(": ", 1) for line in said.splitlines() if ": " in line)
        if re.fullmatch(r"[0-9]+\.[0-9]+\.[0-9]+", fields.get("release", "")):
            version = subprocess.run([rustup, "--version"], capture_output=True, text=True).stdout.split()[1]
            return _Toolchain(rustup, version, compiler.parents[1], fields["release"], fields["host"])
    raise NoToolchainError(f"rustup of this machine has no stable toolchain in {settings}/toolchains")


def _fill(mirror: Path, toolchain: _Toolchain) -> dict[str, Any]:
    """Write all files of the mirror; returns the variables that pin them."""
    init = mirror / "rustup" / "archive" / toolchain.rustup_version / toolchain.triple / "rustup-init"
    init.parent.mkdir(parents=True)
    shutil.copyfile(toolchain.rustup, init)
    (mirror / "dist").mkdir()
    with ThreadPoolExecutor(len(COMPONENTS)) as pool:
        entries = list(pool.map(lambda name: _pack(mirror, toolchain, name), COMPONENTS))
    # Two names for the same toolchain, so that a change from one to the other can be tested.
    for channel in (toolchain.version, OTHER_CHANNEL):
        manifest = mirror / "dist" / f"channel-rust-{channel}.toml"
        manifest.write_text(_manifest(toolchain, entries))
        digest = _sha256(manifest)
        Path(f"{manifest}.sha256").write_text(f"{digest}  {manifest.name}\n")
    return {
        "lab_rust_toolchain": toolchain.version,
        "lab_rust_toolchain_sha256": digest,
        "lab_rust_init_version": toolchain.rustup_version,
        "lab_rust_init_sha256": {toolchain.triple: _sha256(init)},
    }


def _pack(mirror: Path, toolchain: _Toolchain, component: str) -> str:
    """Write a component's archive in the form of rust-installer; returns its entry in the channel's manifest."""
    listed = toolchain.sysroot / "lib" / "rustlib" / f"manifest-{component}-{toolchain.triple}"
    lines = [
        line for line in listed.read_text().splitlines() if not line.partition(":")[2].startswith(LEFT_OUT)
    ]
    top = f"{component}-{toolchain.version}-{toolchain.triple}"
    path = mirror / "dist" / f"{top}.tar.gz"
    # The fastest compression: the archives are read once or twice.
    with gzip.open(path, "wb", compresslevel=1) as stream, tarfile.open(fileobj=stream, mode="w|") as archive:
        names = [line.partition(":")[2] for line in lines]
        for directory in sorted({parent for name in names for parent in Path(component, name).parents}):
            member = tarfile.TarInfo(f"{top}/{directory}")
            member.type, member.mode = tarfile.DIRTYPE, 0o755
            archive.addfile(member)
        for name, text in {
            "rust-installer-version": "3\n",
            "components": f"{component}\n",
            f"{component}/manifest.in": "".join(f"{line}\n" for line in lines),
        }.items():
            member = tarfile.TarInfo(f"{top}/{name}")
            member.size = len(text.encode())
            archive.addfile(member, io.BytesIO(text.encode()))
        for name in names:
            archive.add(toolchain.sysroot / name, f"{top}/{component}/{name}")
    return (
        f'[pkg.{component}]\nversion = "{toolchain.version}"\n\n'
        f"[pkg.{component}.target.{toolchain.triple}]\navailable = true\n"
        f'url = "{ORIGIN}/dist/{path.name}"\nhash = "{_sha256(path)}"\n'
    )


def _manifest(toolchain: _Toolchain, entries: list[str]) -> str:
    parts = "".join(
        f"\n[[pkg.rust.target.{toolchain.triple}.components]]\n"
        f'pkg = "{component}"\ntarget = "{toolchain.triple}"\nis_extension = false\n'
        for component in COMPONENTS
    )
    return "\n".join(
        (
            'manifest-version = "2"\ndate = "2026-01-01"\n',
            *entries,
            f'[pkg.rust]\nversion = "{toolchain.version}"\n',
            f"[pkg.rust.target.{toolchain.triple}]\navailable = true\n{parts}",
            f"[profiles]\nminimal = {json.dumps(COMPONENTS)}\n",
        )
    )


def _sha256(path: Path) -> str:
    with path.open("rb") as stream:
        return hashlib.file_digest(stream, "sha256").hexdigest()


if __name__ == "__main__":
    try:
        print(build().directory)
    except NoToolchainError as error:
        sys.exit(str(error))
