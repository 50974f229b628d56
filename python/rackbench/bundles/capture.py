# SPDX-License-Identifier: Apache-2.0
"""Builds on targets: what goes there to be built, and the bundle that is made of what comes back."""

from __future__ import annotations

import json
import shutil
import tempfile
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

from rackbench import clock
from rackbench.bundles import _build_on_target
from rackbench.bundles.build import EPOCH, Built, contents, provenance_of, write_bundle
from rackbench.bundles.elf import program_needs
from rackbench.bundles.platforms import Platform
from rackbench.bundles.scratch import remove_stale
from rackbench.bundles.snapshot import snapshot, snapshot_digest
from rackbench.bundles.source import digest_of, read_source
from rackbench.errors import RackbenchError
from rackbench.models.bundle import BundleSection, CapturedFrom

if TYPE_CHECKING:
    from rackbench.bundles.source import Source

# The versions of these are asked along with those of the tools that the recipe names.
_ALONG = {"cargo": ["rustc"]}


@dataclass(frozen=True, slots=True)
class SourceBuild:
    """A source as it is built on a target: its bundle, the digest that it had then, and the job that builds it."""

    source: Source
    digest: str
    bundle: Built
    job: dict[str, Any]


def prepare(repo: Path, made: Path) -> SourceBuild:
    """Pack a snapshot of a repository into a source bundle in `made`, with our program that builds it.

    Raises `RackbenchError`: snapshot_failed, bundle_toml_invalid, cache_unwritable.
    """
    source = read_source(repo)
    section = source.toml.build
    assert section is not None  # noqa: S101 - without a recipe the resolver does not choose a source build
    files = {f"{_build_on_target.SOURCE}/{name}": path for name, path in snapshot(repo).items()}
    try:
        digest = snapshot_digest(repo)
        made.mkdir(parents=True, exist_ok=True)
        remove_stale(made)
        with tempfile.TemporaryDirectory(prefix=".source-", dir=made) as scratch:
            program = Path(scratch, "run")
            shutil.copyfile(_build_on_target.__file__, program)
            program.chmod(0o755)
            files["bin/run"] = program
            packed = digest_of(sorted(files.items()))
            head = BundleSection(
                name=f"{source.name[:33].rstrip('-')}-source", version=source.toml.bundle.version
            )
            bundle = write_bundle(
                head, files, None, made, provenance_of(repo, packed, {}), mark=f".{packed[:12]}"
            )
    except OSError as error:
        raise _unwritable(source, made, error) from error
    tools = [need.command for need in section.needs]
    job = {
        "schema": "rackbench.source-build/1.0",
        "command": section.command,
        "environment": {"LC_ALL": "C", "TZ": "UTC", "SOURCE_DATE_EPOCH": EPOCH},
        "tools": sorted({*tools, *(along for tool in tools for along in _ALONG.get(tool, ()))}),
    }
    return SourceBuild(source, digest, bundle, job)


def capture(
    build: SourceBuild, out: Path, captured: Path, platform: Platform, origin: tuple[str, str]
) -> Built:
    """Make a bundle in `captured` of what a build left in `out`; `origin` is the host that built it, and the run.

    Raises `RackbenchError`: source_build_failed, bundle_toml_invalid, cache_unwritable.
    """
    source = build.source
    if snapshot_digest(source.directory) != build.digest:
        raise RackbenchError(
            "source_build_failed",
            f"{source.directory} changed while it was built on {origin[0]}, so the result belongs to no state of it.",
            where=str(source.directory),
            next_step="Run again.",
        )
    try:
        told = json.loads((out / _build_on_target.RESULT).read_bytes())
        tools = {str(name): str(said) for name, said in told["tool_versions"].items()}
        files = contents(source, out / _build_on_target.OUT)
        native = source.toml.bundle.platform == "native"
        needs = program_needs(files.values()) or (Platform(platform.os, platform.machine) if native else None)
        provenance = provenance_of(source.directory, build.digest, tools)
        now = clock.utc_text(clock.utc_now())
        provenance.captured_from = CapturedFrom(host=origin[0], run_id=origin[1], at=now)
        return write_bundle(source.toml.bundle, files, needs, captured, provenance)
    except (ValueError, KeyError, TypeError, AttributeError, RecursionError) as error:
        raise RackbenchError(
            "source_build_failed",
            f"What {origin[0]} says of its build cannot be understood: {error}.",
            where=origin[0],
        ) from error
    except OSError as error:
        raise _unwritable(source, captured, error) from error


def _unwritable(source: Source, directory: Path, error: OSError) -> RackbenchError:
    return RackbenchError(
        "cache_unwritable",
        f"The bundle of {source.name} cannot be written to {directory}: {error.strerror} "
        f"({error.filename or directory}).",
        where=str(directory),
    )
