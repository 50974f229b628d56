# SPDX-License-Identifier: Apache-2.0
"""Build bundles: a benchmark's source becomes a reproducible tarball with a sidecar beside it."""

from __future__ import annotations

import contextlib
import os
import subprocess
import tempfile
import time
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

from rackbench import __version__
from rackbench.bundles.archive import pack
from rackbench.bundles.catalog import (
    SIDECAR_SUFFIX,
    TARBALL_SUFFIX,
    needs_of,
    read_sidecar,
    sidecar_path,
    signature_path,
)
from rackbench.bundles.elf import program_needs
from rackbench.bundles.platforms import ANY, Platform, local_platform, mismatch
from rackbench.bundles.process_group import ended_whole
from rackbench.bundles.snapshot import commit_of
from rackbench.bundles.source import (
    TOML_NAME,
    Source,
    included_files,
    lacking_tools,
    read_source,
    source_digest,
)
from rackbench.errors import RackbenchError
from rackbench.files import json_text, sha256_of, write_atomic
from rackbench.models.bundle import Provenance, Sidecar, SidecarPlatform
from rackbench.package_managers import local_install_text, package_name

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping

    from rackbench.models.bundle import BundleSection

# Builds see this time instead of the clock: 1980-01-01, the oldest that every archive format can hold.
EPOCH = "315532800"
OUT = "BUNDLE_OUT"
LAST_LINES = 20
# Seconds between two looks at a build that runs.
_LOOK_S = 1.0


@dataclass(frozen=True, slots=True)
class Built:
    """A bundle: tarball, sidecar, the tarball's SHA-256, and whether this call had to build it."""

    name: str
    version: str
    tarball: Path
    sidecar: Path
    digest: str
    rebuilt: bool


@dataclass(frozen=True, slots=True)
class NotBuilt:
    """A benchmark whose bundle was not built, and why."""

    name: str
    error: RackbenchError


class Follower:
    """Who is told how a build goes. This one does not listen."""

    def goes_on(self, label: str, elapsed_s: float) -> None:
        """Hear that the build is alive, and what it does for how long."""

    def ended(self, argv: list[str], rc: int, duration_s: float, log: Path) -> None:
        """Hear how the build's command ended."""


def build_all(sources: Iterable[Source], dist: Path) -> tuple[list[Built], list[NotBuilt]]:
    """Bring the bundles of sources up to date in `dist`, and return them in their order.

    A bundle is built again only when its source's digest is not the one in its sidecar, or when its bytes are not
    those that the sidecar names. A benchmark whose tools are not here keeps no other one from being built: it is among
    the second ones, with its build_tool_missing. Raises what else `build` raises.
    """
    built: list[Built] = []
    lacking: list[NotBuilt] = []
    for source in sources:
        try:
            built.append(current(source, dist) or build_source(source, dist))
        except RackbenchError as error:
            if error.code != "build_tool_missing":
                raise
            lacking.append(NotBuilt(source.name, error))
    return built, lacking


def build(source_dir: Path, dist: Path) -> Built:
    """Build the bundle of one source directory into `dist`.

    Raises `RackbenchError`: bundle_toml_invalid, build_tool_missing (names the package and how to install it),
    build_failed (with the last lines and the log's path), cache_unwritable (`dist` cannot be written).
    """
    return build_source(read_source(source_dir), dist)


def current(source: Source, dist: Path) -> Built | None:
    """Return the bundle that is already there for exactly this source and this machine, or None."""
    wanted = source_digest(source.directory)
    here = local_platform()
    head = source.toml.bundle
    for path in sorted(dist.glob(f"{head.name}-{head.version}-*{TARBALL_SUFFIX}{SIDECAR_SUFFIX}")):
        tarball = path.with_name(path.name.removesuffix(SIDECAR_SUFFIX))
        try:
            sidecar = read_sidecar(tarball)
            fits = mismatch(needs_of(sidecar), here) is None
            same = sidecar.provenance.source_digest == wanted and sha256_of(tarball) == sidecar.sha256
        except (RackbenchError, OSError):
            continue
        if fits and same and sidecar.name == head.name:
            return Built(head.name, head.version, tarball, path, sidecar.sha256, rebuilt=False)
    return None


def build_source(
    source: Source, dist: Path, *, log: Path | None = None, follower: Follower | None = None
) -> Built:
    """Build the bundle of a source into `dist`, with the words of its command in `log`. Raises what `build` raises."""
    try:
        dist.mkdir(parents=True, exist_ok=True)
        with tempfile.TemporaryDirectory(prefix=".build-", dir=dist) as scratch:
            out = Path(scratch).resolve() / "out"
            out.mkdir()
            digest = source_digest(source.directory)
            log = log or dist / f"{source.name}-{source.toml.bundle.version}.build.log"
            tools = _run_build_command(source, out, log, follower or Follower())
            files = contents(source, out)
            needs = _native_needs(files.values()) if source.toml.bundle.platform == "native" else None
            return write_bundle(
                source.toml.bundle, files, needs, dist, provenance_of(source.directory, digest, tools)
            )
    except OSError as error:
        where = error.filename or str(dist)
        raise RackbenchError(
            "cache_unwritable",
            f"The bundle of {source.name} cannot be written to {dist}: {error.strerror} ({where}).",
            where=str(dist),
        ) from error


def contents(source: Source, out: Path) -> dict[str, Path]:
    """Return name and file of what goes into the bundle: what `[files]` selects, and what the build left in `out`.

    Raises `RackbenchError` (bundle_toml_invalid) for a name that is in both, and for an entry point that is missing.
    """
    built = {path.relative_to(out).as_posix(): path for path in sorted(out.rglob("*")) if not path.is_dir()}
    files = included_files(source)
    if doubled := sorted(files.keys() & built.keys()):
        raise _toml_error(source, f"{doubled[0]} is both included and built")
    files |= built
    entry_point = source.toml.bundle.entry_point
    entry = files.get(entry_point)
    if entry is None or not os.access(entry, os.X_OK):
        reason = "is not among the bundle's files" if entry is None else "is not executable"
        raise _toml_error(source, f"bundle.entry_point {entry_point!r} {reason}")
    return files


def provenance_of(directory: Path, digest: str, tools: dict[str, str]) -> Provenance:
    """Return where a bundle comes from that this program makes now of the source in a directory."""
    commit, dirty = commit_of(directory)
    return Provenance(
        source_digest=digest,
        commit=commit,
        dirty=dirty,
        built_by=f"rackbench {__version__}",
        tool_versions=tools,
    )


def write_bundle(
    head: BundleSection,
    files: Mapping[str, Path],
    needs: Platform | None,
    directory: Path,
    provenance: Provenance,
    *,
    mark: str = "",
) -> Built:
    """Pack files to a bundle with its sidecar; `needs` is None for any platform, `mark` goes into the file's name.

    Raises `OSError`, and `RackbenchError` as `pack` does.
    """
    tarball = directory / f"{head.name}-{head.version}-{needs.tag() if needs else ANY}{mark}{TARBALL_SUFFIX}"
    packed = pack(files, tarball)
    path = sidecar_path(tarball)
    # A signature that is there is one of other bytes.
    signature_path(tarball).unlink(missing_ok=True)
    document = Sidecar(
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
    write_atomic(path, json_text(document.model_dump(mode="json", by_alias=True)))
    return Built(head.name, head.version, tarball, path, packed.digest, rebuilt=True)


def _run_build_command(source: Source, out: Path, log: Path, follower: Follower) -> dict[str, str]:
    """Run `[build] command`, which leaves its files in `out`, and return its tools' versions."""
    section = source.toml.build
    if section is None:
        return {}
    environment = {
        "PATH": os.environ.get("PATH", os.defpath),
        "LC_ALL": "C",
        "TZ": "UTC",
        "SOURCE_DATE_EPOCH": EPOCH,
        OUT: str(out),
    }
    _require_tools(source)
    command = [part.replace(f"${OUT}", str(out)) for part in section.command]
    status = _follow(command, source.directory, environment, log, follower)
    if status != 0:
        lines = log.read_text(encoding="utf-8", errors="replace").splitlines()[-LAST_LINES:]
        ended = f"exited with {status}" if status > 0 else f"was ended by signal {-status}"
        last = f" Its last line: {lines[-1].strip()}." if lines else ""
        raise RackbenchError(
            "build_failed",
            f"The build command of {source.name} ({command[0]}) {ended}.{last}",
            where=str(source.directory / TOML_NAME),
            next_path=str(log),
            detail="\n".join(lines) or None,
        )
    return {need.command: _tool_version(need.command, environment) for need in section.needs}


def _follow(
    command: list[str], directory: Path, environment: dict[str, str], log: Path, follower: Follower
) -> int:
    """Run a command to its end with its words in a file, and return its exit status."""
    began = time.monotonic()
    with (
        log.open("wb") as stream,
        subprocess.Popen(
            command,
            cwd=directory,
            env=environment,
            stdin=subprocess.DEVNULL,
            stdout=stream,
            stderr=stream,
            start_new_session=True,
        ) as process,
        ended_whole(process.pid),
    ):
        while True:
            follower.goes_on("building", round(time.monotonic() - began, 3))
            with contextlib.suppress(subprocess.TimeoutExpired):
                status = process.wait(timeout=_LOOK_S)
                break
    follower.ended(command, status, round(time.monotonic() - began, 3), log)
    return status


def _require_tools(source: Source) -> None:
    """Refuse a build whose tools are not all there, naming each package and the command that installs them."""
    missing, command = lacking_tools(source)
    if missing:
        names = ", ".join(f"{need.command} (package {package_name(need.package, None)})" for need in missing)
        raise RackbenchError(
            "build_tool_missing",
            f"The bundle of {source.name} cannot be built here: {names} is missing.",
            where=str(source.directory / TOML_NAME),
            next_command=local_install_text([need.package for need in missing]),
        )
    if command:
        raise RackbenchError(
            "build_tool_missing",
            f"The bundle of {source.name} cannot be built here: its build command {command} is missing.",
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
    """Return what the built programs need; a build without programs still is for this machine's type."""
    here = local_platform()
    return program_needs(files) or Platform(here.os, here.machine)


def _toml_error(source: Source, problem: str) -> RackbenchError:
    path = source.directory / TOML_NAME
    return RackbenchError("bundle_toml_invalid", f"{path}: {problem}.", where=str(path))
