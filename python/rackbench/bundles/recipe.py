# SPDX-License-Identifier: Apache-2.0
"""What a benchmark's own repository offers when no bundle is there: its builder, a snapshot, a build on the target."""

from __future__ import annotations

import os
from typing import TYPE_CHECKING

from rackbench.adapters.catalog import Requirement
from rackbench.bundles.decision import BUILDER, ON_CONTROLLER, ON_TARGET, REPO, RUNNER, SOURCE, Candidate
from rackbench.bundles.elf import program_needs
from rackbench.bundles.platforms import ANY, PLATFORM_UNKNOWN, local_platform, mismatch
from rackbench.bundles.snapshot import snapshot
from rackbench.bundles.source import TOML_NAME, included_files, lacking_tools, read_source
from rackbench.errors import RackbenchError

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

    from rackbench.adapters.catalog import Adapter
    from rackbench.bundles.platforms import Platform
    from rackbench.bundles.source import Source

ENTRY_POINT = "bin/run"
# Why a repository is not used.
MISSING, UNREADABLE, NAME, CAPABILITY = "missing", "unreadable", "name", "capability"
NO_ENTRY_POINT, BUILD_TOOL, NO_RECIPE = "no_entry_point", "build_tool", "no_recipe"
UNPACKABLE = "unpackable"


def offers(
    platform: Platform | None, adapter: Adapter, capabilities: frozenset[str], repo: Path
) -> Iterator[Candidate]:
    """Yield what the repository offers, best first, each with the reason that speaks against it, if one does.

    Raises `OSError` for a place that cannot be looked at.
    """
    if repo.is_file():
        yield _runner(platform, repo)
        return
    if not repo.is_dir():
        yield Candidate(repo, BUILDER, MISSING, f"{repo} is missing.")
        return
    if not (repo / TOML_NAME).is_file():
        yield Candidate(repo / TOML_NAME, BUILDER, NO_RECIPE, f"{repo} has no {TOML_NAME}.")
        yield _snapshot(platform, repo, ENTRY_POINT, None)
        return
    try:
        source = read_source(repo)
    except RackbenchError as error:
        yield Candidate(repo / TOML_NAME, BUILDER, UNREADABLE, error.message)
        return
    wrong = _not_the_adapters(source, adapter, capabilities)
    yield _builder(platform, source, wrong)
    yield _snapshot(platform, repo, source.toml.bundle.entry_point, source, wrong)
    if not adapter.on_controller:
        # On the controller it would be the builder's work once more.
        yield _source_build(platform, source, wrong)


def _not_the_adapters(
    source: Source, adapter: Adapter, capabilities: frozenset[str]
) -> tuple[str, str] | None:
    wanted = adapter.bundle.name if adapter.bundle else adapter.name
    if source.name != wanted:
        return NAME, f"it makes a bundle of {source.name}, and {adapter.name} needs {wanted}."
    if lacking := sorted(capabilities.difference(source.toml.bundle.capabilities)):
        return CAPABILITY, f"it lacks {', '.join(lacking)}."
    return None


def _builder(platform: Platform | None, source: Source, wrong: tuple[str, str] | None) -> Candidate:
    head = source.toml.bundle
    needs = local_platform() if head.platform == "native" else None
    # The programs may need less than this machine's C library; nobody knows before they are built.
    reason, detail = (
        wrong
        or mismatch(needs, platform)
        or (_not_included(source) if source.toml.build is None else _lacking_tool(source))
        or (None, None)
    )
    return Candidate(
        source.directory / TOML_NAME,
        BUILDER,
        reason,
        detail,
        version=head.version,
        entry_point=head.entry_point,
        platform=needs.tag() if needs else ANY,
        made_on=ON_CONTROLLER,
    )


def _lacking_tool(source: Source) -> tuple[str, str] | None:
    needs, command = lacking_tools(source)
    lacking = [need.command for need in needs]
    if command and command not in lacking:
        lacking.append(command)
    return (BUILD_TOOL, f"the controller lacks {', '.join(lacking)}, which it calls.") if lacking else None


def _not_included(source: Source) -> tuple[str, str] | None:
    """Return why a recipe that builds nothing makes no bundle that could run: its files are all that there is."""
    try:
        files = included_files(source)
    except RackbenchError as error:
        return UNREADABLE, error.message
    entry_point = source.toml.bundle.entry_point
    if _runs(files.get(entry_point)):
        return None
    return NO_ENTRY_POINT, f"it has no [build] command, and includes no program {entry_point}."


def _runs(program: Path | None) -> bool:
    return program is not None and os.access(program, os.X_OK)


def _snapshot(
    platform: Platform | None,
    repo: Path,
    entry_point: str,
    source: Source | None,
    wrong: tuple[str, str] | None = None,
) -> Candidate:
    needs: Platform | None = None
    try:
        reason, detail = wrong or _not_packable(repo, entry_point) or (None, None)
        if reason is None:
            needs = program_needs([repo / entry_point])
            reason, detail = mismatch(needs, platform) or (None, None)
    except OSError as error:
        reason, detail = _unreadable(repo, error)
    return Candidate(
        repo,
        REPO,
        reason,
        detail,
        version=source.toml.bundle.version if source else None,
        entry_point=entry_point,
        platform=needs.tag() if needs else ANY,
        made_on=ON_CONTROLLER,
    )


def _not_packable(repo: Path, entry_point: str) -> tuple[str, str] | None:
    """Return why no snapshot of a repository can be packed that has its entry point."""
    if not _runs(repo / entry_point):
        return NO_ENTRY_POINT, f"{repo} has no program {entry_point} that could run as it is."
    try:
        files = snapshot(repo)
    except RackbenchError as error:
        return UNPACKABLE, error.message
    if not _runs(files.get(entry_point)):
        return NO_ENTRY_POINT, f"a snapshot of {repo} has no program {entry_point}: git does not track it."
    return None


def _unreadable(path: Path, error: OSError) -> tuple[str, str]:
    return UNREADABLE, f"{error.filename or path} cannot be read: {error.strerror}."


def _runner(platform: Platform | None, program: Path) -> Candidate:
    needs: Platform | None = None
    try:
        needs = program_needs([program])
        reason, detail = mismatch(needs, platform) or (None, None)
    except OSError as error:
        reason, detail = _unreadable(program, error)
    if reason is None and not _runs(program):
        reason, detail = NO_ENTRY_POINT, f"{program} is not executable."
    return Candidate(
        program,
        RUNNER,
        reason,
        detail,
        entry_point=ENTRY_POINT,
        platform=needs.tag() if needs else ANY,
        made_on=ON_CONTROLLER,
    )


def _source_build(platform: Platform | None, source: Source, wrong: tuple[str, str] | None) -> Candidate:
    head = source.toml.bundle
    section = source.toml.build
    reason, detail = wrong or (None, None)
    if reason is None and section is None:
        reason, detail = NO_RECIPE, f"its {TOML_NAME} has no [build] command that could run on the target."
    if reason is None and platform is None:
        reason, detail = PLATFORM_UNKNOWN, "it would be built for the host, whose platform is not known."
    return Candidate(
        source.directory / TOML_NAME,
        SOURCE,
        reason,
        detail,
        version=head.version,
        entry_point=head.entry_point,
        platform=platform.tag() if platform else None,
        made_on=ON_TARGET,
        needs=tuple(
            Requirement(
                need.command,
                {"default": need.package} if isinstance(need.package, str) else need.package,
                required=True,
                bootstrap=need.bootstrap,
            )
            for need in section.needs
        )
        if section
        else (),
    )
