# SPDX-License-Identifier: Apache-2.0
"""The files of a bundle: `bundle.toml` in a benchmark's source, and the sidecar beside the tarball."""

from __future__ import annotations

from typing import Annotated, ClassVar, Literal

from pydantic import AfterValidator, Field, StringConstraints

from rackbench.models.common import Document, Model, StrictModel


def _stays_inside(path: str) -> str:
    if {".", ".."} & set(path.split("/")):
        raise ValueError("must not hold . or .. as a part")
    return path


Name = Annotated[str, StringConstraints(pattern=r"^[a-z][a-z0-9]*(-[a-z0-9]+)*$", max_length=40)]
Version = Annotated[str, StringConstraints(pattern=r"^\d+\.\d+\.\d+([.-][0-9A-Za-z.]+)?$", max_length=40)]
Digest = Annotated[str, StringConstraints(pattern=r"^[0-9a-f]{64}$")]
# Relative, POSIX, without `..`, a leading slash or control characters.
MemberPath = Annotated[
    str,
    StringConstraints(pattern=r"^[^/\\\x00-\x1f]+(/[^/\\\x00-\x1f]+)*$", max_length=200),
    AfterValidator(_stays_inside),
]


class BundleSection(StrictModel):
    """What the bundle is called and where it runs."""

    name: Name
    version: Version
    entry_point: MemberPath = "bin/run"
    platform: Literal["any", "native"] = "any"
    capabilities: list[str] = Field(default_factory=list)


class BuildNeed(StrictModel):
    """A command that the build calls, and the package that brings it (a name, or a name per package manager)."""

    command: str = Field(min_length=1)
    package: str | dict[str, str]
    bootstrap: Literal["rustup"] | None = Field(
        default=None, description="the role that installs it on a target where the bundle is built"
    )


class BuildSection(StrictModel):
    """How to build what the repository does not hold ready-made."""

    command: list[str] = Field(min_length=1)
    needs: list[BuildNeed] = Field(default_factory=list)


class FilesSection(StrictModel):
    """Which files of the source go in: globs relative to the source directory."""

    include: list[str] = Field(default_factory=list)


class BundleToml(StrictModel):
    """`bundle.toml`."""

    bundle: BundleSection
    build: BuildSection | None = None
    files: FilesSection = Field(default_factory=FilesSection)


class SidecarPlatform(Model):
    """What the bundle needs of a host; `libc` is null when it needs none, `libc_version` the oldest that will do."""

    os: str
    machine: str
    libc: str | None = None
    libc_version: str | None = None


class CapturedFrom(Model):
    """The run that built a bundle on a target, and when."""

    host: str
    run_id: str
    at: str


class Provenance(Model):
    """Where the bundle comes from."""

    source_digest: Digest
    commit: str | None = None
    dirty: bool | None = None
    built_by: str
    tool_versions: dict[str, str] = Field(default_factory=dict)
    captured_from: CapturedFrom | None = Field(
        default=None, description="the target on which it was built; null when the controller built it"
    )


class Sidecar(Document):
    """The sidecar: `<tarball>.json`."""

    KIND: ClassVar[str] = "bundle"

    name: Name
    version: Version
    platform: SidecarPlatform | Literal["any"]
    capabilities: list[str] = Field(default_factory=list)
    entry_point: MemberPath
    sha256: Digest
    size: int = Field(ge=1, description="bytes of the tarball")
    unpacked_size: int = Field(ge=0, description="bytes of all files in it")
    file_count: int = Field(ge=1)
    provenance: Provenance
