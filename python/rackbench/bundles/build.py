# SPDX-License-Identifier: Apache-2.0
"""Build bundles: a benchmark's source becomes a reproducible tarball with a sidecar beside it."""

from __future__ import annotations

import os
import re
import shutil
import subprocess
import tempfile
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

from rackbench import __version__
from rackbench.bundles.archive import Packed, pack
from rackbench.bundles.catalog import SIDECAR_SUFFIX, TARBALL_SUFFIX, needs_of, read_sidecar, sidecar_path
from rackbench.bundles.platforms import ANY, Platform, local_platform, matches, version_key
from rackbench.bundles.source import (
    TOML_NAME,
    Source,
    find_sources,
    included_files,
    read_source,
    source_digest,
)
from rackbench.errors import RackbenchError
from rackbench.files import json_text, sha256_of, write_atomic
from rackbench.models.bundle import Provenance, Sidecar, SidecarPlatform
from rackbench.package_managers import local_install_text, package_name

if TYPE_CHECKING:
    from collections.abc import Iterable

# Builds see this time instead of the clock: 1980-01-01, the oldest that every archive format can hold.
_EPOCH = "315532800"
_OUT = "BUNDLE_OUT"
_LAST_LINES = 20


@dataclass(frozen=True, slots=True)
class Built:
    """A bundle in `dist`: tarball, sidecar, the tarball's SHA-256, and whether this call had to build it."""

    name: str
    version: str
    tarball: Path
    sidecar: Path
    digest: str
    rebuilt: bool


def build_all(project_root: Path, dist: Path) -> list[Built]:
    """Bring the bundle of every in-tree benchmark up to date, and return them in the order of their directories.

    A bundle is built again only when its source's digest is not the one in its sidecar, or when its bytes are not
    those that the sidecar names. Raises what `build` raises.
    """
    return [_current(source, dist) or _build(source, dist) for source in find_sources(project_root)]


def build(source_dir: Path, dist: Path) -> Built:
    """Build the bundle of one source directory into `dist`.

    Raises `RackbenchError`: bundle_toml_invalid, build_tool_missing (names the package and how to install it),
    build_failed (with the last lines and the log's path), cache_unwritable (`dist` cannot be written).
    """
    return _build(read_source(source_dir), dist)


def _current(source: Source, dist: Path) -> Built | None:
    """Return the bundle that is already there for exactly this source and this machine, or None."""
    wanted = source_digest(source.directory)
    here = local_platform()
    head = source.toml.bundle
    for path in sorted(dist.glob(f"{head.name}-{head.version}-*{TARBALL_SUFFIX}{SIDECAR_SUFFIX}")):
        tarball = path.with_name(path.name.removesuffix(SIDECAR_SUFFIX))
        try:
            sidecar = read_sidecar(tarball)
            fits = matches(needs_of(sidecar), here) is None
            same = sidecar.provenance.source_digest == wanted and sha256_of(tarball) == sidecar.sha256
        except (RackbenchError, OSError):
            continue
        if fits and same and sidecar.name == head.name:
            return Built(head.name, head.version, tarball, path, sidecar.sha256, rebuilt=False)
    return None


def _build(source: Source, dist: Path) -> Built:
    try:
        dist.mkdir(parents=True, exist_ok=True)
        with tempfile.TemporaryDirectory(prefix=".build-", dir=dist) as scratch:
            return _build_in(source, dist, Path(scratch).resolve())
    except OSError as error:
        where = error.filename or str(dist)
        raise RackbenchError(
            "cache_unwritable",
            f"The bundle of {source.name} cannot be written to {dist}: {error.strerror} ({where}).",
            where=str(dist),
        ) from error


def _build_in(source: Source, dist: Path, scratch: Path) -> Built:
    head = source.toml.bundle
    digest = source_digest(source.directory)
    built, tools = _run_build_command(source, dist, scratch)
    files = included_files(source)
    if doubled := sorted(files.keys() & built.keys()):
        raise _toml_error(source, f"{doubled[0]} is both included and built")
    files |= built
    entry = files.get(head.entry_point)
    if entry is None or not os.access(entry, os.X_OK):
        reason = "is not among the bundle's files" if entry is None else "is not executable"
        raise _toml_error(source, f"bundle.entry_point {head.entry_point!r} {reason}")
    needs = _native_needs(files.values()) if head.platform == "native" else None
    tarball = dist / f"{head.name}-{head.version}-{needs.tag() if needs else ANY}{TARBALL_SUFFIX}"
    packed = pack(files, tarball)
    commit, dirty = _commit(source.directory)
    provenance = Provenance(
        source_digest=digest,
        commit=commit,
        dirty=dirty,
        built_by=f"rackbench {__version__}",
        tool_versions=tools,
    )
    path = sidecar_path(tarball)
    document = _sidecar(source, needs, packed, provenance).model_dump(by_alias=True)
    write_atomic(path, json_text(document))
    return Built(head.name, head.version, tarball, path, packed.digest, rebuilt=True)


def _sidecar(source: Source, needs: Platform | None, packed: Packed, provenance: Provenance) -> Sidecar:
    head = source.toml.bundle
    return Sidecar(
        schema=Sidecar.schema_name(),
        name=head.name,
        version=head.version,
        platform=SidecarPlatform.model_validate(needs.as_dict()) if needs else "any",
        capabilities=head.capabilities,
        entry_point=head.entry_point,
        sha256=packed.digest,
        size=packed.size,
        unpacked_size=packed.unpacked_size,
        file_count=packed.file_count,
        provenance=provenance,
    )


def _run_build_command(source: Source, dist: Path, scratch: Path) -> tuple[dict[str, Path], dict[str, str]]:
    """Run `[build] command`, and return the files that it made (name in the bundle: file) and its tools' versions."""
    section = source.toml.build
    if section is None:
        return {}, {}
    out = scratch / "out"
    out.mkdir()
    environment = {
        "PATH": os.environ.get("PATH", os.defpath),
        "LC_ALL": "C",
        "TZ": "UTC",
        "SOURCE_DATE_EPOCH": _EPOCH,
        _OUT: str(out),
    }
    _require_tools(source, environment["PATH"])
    command = [part.replace(f"${_OUT}", str(out)) for part in section.command]
    log = dist / f"{source.name}-{source.toml.bundle.version}.build.log"
    with log.open("wb") as stream:
        status = subprocess.run(
            command,
            cwd=source.directory,
            env=environment,
            stdin=subprocess.DEVNULL,
            stdout=stream,
            stderr=stream,
        ).returncode
    if status != 0:
        lines = log.read_text(encoding="utf-8", errors="replace").splitlines()[-_LAST_LINES:]
        ended = f"exited with {status}" if status > 0 else f"was ended by signal {-status}"
        last = f" Its last line: {lines[-1].strip()}." if lines else ""
        raise RackbenchError(
            "build_failed",
            f"The build command of {source.name} ({command[0]}) {ended}.{last}",
            where=str(source.directory / TOML_NAME),
            next_path=str(log),
            detail="\n".join(lines) or None,
        )
    files = {path.relative_to(out).as_posix(): path for path in sorted(out.rglob("*")) if not path.is_dir()}
    return files, {need.command: _tool_version(need.command, environment) for need in section.needs}


def _require_tools(source: Source, search_path: str) -> None:
    """Refuse a build whose tools are not all there, naming each package and the command that installs them."""
    section = source.toml.build
    assert section is not None  # noqa: S101 - the caller has one
    missing = [need for need in section.needs if shutil.which(need.command, path=search_path) is None]
    if missing:
        names = ", ".join(f"{need.command} (package {package_name(need.package, None)})" for need in missing)
        raise RackbenchError(
            "build_tool_missing",
            f"The bundle of {source.name} cannot be built here: {names} is missing.",
            where=str(source.directory / TOML_NAME),
            next_command=local_install_text([need.package for need in missing]),
        )
    first = section.command[0]
    # As the kernel does it: a name with a slash is looked up from the source directory, any other one on PATH.
    found = (
        os.access(source.directory / first, os.X_OK)
        if "/" in first
        else shutil.which(first, path=search_path)
    )
    if not found:
        raise RackbenchError(
            "build_tool_missing",
            f"The bundle of {source.name} cannot be built here: its build command {first} is missing.",
            where=str(source.directory / TOML_NAME),
        )


def _tool_version(command: str, environment: dict[str, str]) -> str:
    """Return the first line that `command --version` prints, or nothing when it cannot say."""
    try:
        answer = subprocess.run(
            [command, "--version"],
            env=environment,
            stdin=subprocess.DEVNULL,
            capture_output=True,
            text=True,
            timeout=60,
        )
    except (OSError, subprocess.TimeoutExpired, UnicodeDecodeError):
        return ""
    return answer.stdout.strip().splitlines()[0] if answer.returncode == 0 and answer.stdout.strip() else ""


def _native_needs(files: Iterable[Path]) -> Platform:
    """Return what the built programs need: this machine's type, and the oldest C library that has their symbols.

    The C library is read from the programs and not from this machine, so a bundle also runs on older hosts when it can.
    """
    here = local_platform()
    libc: str | None = None
    versions: set[str] = set()
    for path in files:
        content = path.read_bytes()
        if not content.startswith(b"\x7fELF"):
            continue
        if b"/ld-musl-" in content:
            libc = "musl"
        # A static program has no interpreter: symbol versions in it are its own and ask nothing of the host.
        elif b"/ld-linux" in content or b"/ld64.so" in content or b"/ld.so.1" in content:
            libc = "gnu"
            versions |= {found.decode() for found in re.findall(rb"\0GLIBC_(\d+(?:\.\d+)+)\0", content)}
    newest = max(versions, key=version_key) if versions else None
    return Platform(here.os, here.machine, libc, newest)


def _commit(directory: Path) -> tuple[str | None, bool | None]:
    """Return the source's commit and whether files differ from it; nothing outside a git checkout."""
    answers = []
    for arguments in (["rev-parse", "HEAD"], ["status", "--porcelain", "--", "."]):
        try:
            answer = subprocess.run(
                ["git", "--no-optional-locks", *arguments],
                cwd=directory,
                stdin=subprocess.DEVNULL,
                capture_output=True,
                text=True,
            )
        except OSError:
            return None, None
        if answer.returncode != 0:
            return None, None
        answers.append(answer.stdout.strip())
    return answers[0], bool(answers[1])


def _toml_error(source: Source, problem: str) -> RackbenchError:
    path = source.directory / TOML_NAME
    return RackbenchError("bundle_toml_invalid", f"{path}: {problem}.", where=str(path))
