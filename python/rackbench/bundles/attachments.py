# SPDX-License-Identifier: Apache-2.0
"""Files of the operator that go to the host beside a bundle: licensed archives that no bundle may hold.

An attachment is told and looked at with the bundle. It is put on the target by its digest, under the same rules and by
the same code, with a sidecar that is made for it; nobody writes beside the operator's own file, and nothing of it gets
into `dist` or a shared cache.
"""

from __future__ import annotations

import re
import tarfile
from dataclasses import dataclass, replace
from pathlib import Path
from typing import TYPE_CHECKING, Any

from isal import igzip

from rackbench.bundles.catalog import needs_of, sidecar_path
from rackbench.bundles.elf import machine_of
from rackbench.bundles.platforms import mismatch
from rackbench.bundles.verify import DAMAGED
from rackbench.files import json_text, write_atomic
from rackbench.models.bundle import Provenance, Sidecar, SidecarPlatform

if TYPE_CHECKING:
    from collections.abc import Mapping

    from rackbench.adapters.catalog import Adapter, AttachmentRule
    from rackbench.bundles.digests import Digests
    from rackbench.bundles.platforms import Platform

# Why an attachment is not taken, beside the reasons of `platforms`.
NOT_SET, MISSING, UNFIT = "not_set", "missing", "unfit"
_HEAD_BYTES = 64
_VERSION = re.compile(r"\d+\.\d+\.\d+")


@dataclass(frozen=True, slots=True)
class Attachment:
    """A file of the operator. `reason` is the code and `detail` the words of a refusal; sizes in bytes.

    `name` is the setting that names it. Path and what follows are None for one that is not set or not there.
    """

    name: str
    path: str | None = None
    reason: str | None = None
    detail: str | None = None
    sha256: str | None = None
    size: int | None = None
    unpacked_size: int | None = None
    file_count: int | None = None
    entry_point: str | None = None
    machine: str | None = None

    @property
    def accepted(self) -> bool:
        """Return whether nothing speaks against it."""
        return self.reason is None

    def as_dict(self) -> dict[str, Any]:
        """Return the attachment as it stands in the journal."""
        return {
            "name": self.name,
            "path": self.path,
            "accepted": self.accepted,
            "reason": self.reason,
            "detail": self.detail,
            "sha256": self.sha256,
            "size": self.size,
            "unpacked_size": self.unpacked_size,
            "file_count": self.file_count,
            "entry_point": self.entry_point,
            "machine": self.machine,
        }


def look_at(
    adapter: Adapter, settings: Mapping[str, Any], host: Platform | None, digests: Digests, base: Path
) -> tuple[Attachment, ...]:
    """Return the attachments of an adapter as a site's settings name them, with what speaks against each.

    One that another setting makes unnecessary is left out. Relative paths start at `base`. `host` is None when nobody
    could ask it. Reads an archive once to its end.
    """
    found = []
    for rule in adapter.attachments:
        value = settings.get(rule.setting)
        if value:
            found.append(_looked_at(rule, base / Path(str(value)).expanduser(), host, digests))
        elif not (rule.instead and settings.get(rule.instead)):
            found.append(Attachment(rule.setting, reason=NOT_SET, detail=_not_set(adapter, rule)))
    return tuple(found)


def _not_set(adapter: Adapter, rule: AttachmentRule) -> str:
    place = f"lab_settings.{adapter.name}"
    instead = f", or {place}.{rule.instead} to what is on the host" if rule.instead else ""
    return f"{rule.what} is the operator's own: set {place}.{rule.setting} to its archive{instead}."


def _looked_at(rule: AttachmentRule, path: Path, host: Platform | None, digests: Digests) -> Attachment:
    named = Attachment(rule.setting, path=str(path))
    if not path.is_file():
        return replace(named, reason=MISSING, detail=f"{path} is no file on the controller.")
    try:
        read = _read(rule, path, named)
        whole = replace(read, sha256=digests.of(path), size=path.stat().st_size)
    except DAMAGED as error:
        return replace(
            named, reason=UNFIT, detail=f"{path} is no whole tar.gz archive of {rule.what}: {error}."
        )
    except OSError as error:
        return replace(named, reason=MISSING, detail=f"{path} cannot be read: {error.strerror}.")
    if whole.accepted and host and (problem := mismatch(needs_of(_sidecar("x", whole)), host)):
        return replace(whole, reason=problem[0], detail=f"{path}: {problem[1]}")
    return whole


def _read(rule: AttachmentRule, path: Path, named: Attachment) -> Attachment:
    """Return what is in an archive. Raises what readers of damaged archives raise."""
    files = size = 0
    entry, head, executable = None, b"", False
    problem = None
    with (
        igzip.open(path, "rb") as plain,  # type: ignore[no-untyped-call]
        tarfile.open(fileobj=plain, mode="r|") as tar,
    ):
        for member in tar:
            name = "/".join(part for part in member.name.split("/") if part not in {"", "."})
            if member.isdir():
                continue
            if not member.isreg():
                problem = problem or f"it holds {name}, which is no plain file"
                continue
            files += 1
            size += member.size
            if entry is None and re.fullmatch(rule.entry_point, name):
                stream = tar.extractfile(member)
                entry, executable = name, member.mode & 0o111 != 0
                head = stream.read(_HEAD_BYTES) if stream else b""
    if entry is None:
        problem = "it holds no program of it"
    elif not executable:
        problem = problem or f"{entry} is not executable"
    read = replace(
        named,
        unpacked_size=size,
        file_count=files,
        entry_point=entry,
        machine=machine_of(head),
    )
    if problem is None:
        return read
    return replace(read, reason=UNFIT, detail=f"{path} is no archive of {rule.what}: {problem}.")


def _sidecar(adapter: str, attachment: Attachment) -> Sidecar:
    """Return the sidecar of an attachment that is accepted."""
    version = _VERSION.search(str(attachment.entry_point))
    platform = SidecarPlatform(os="linux", machine=attachment.machine) if attachment.machine else "any"
    return Sidecar.model_validate(
        {
            "schema": "rackbench.bundle/1.0",
            "name": f"{adapter}-{attachment.name}",
            "version": version.group() if version else "0.0.0",
            "platform": platform.model_dump() if isinstance(platform, SidecarPlatform) else platform,
            "entry_point": attachment.entry_point,
            "sha256": attachment.sha256,
            "size": attachment.size,
            "unpacked_size": attachment.unpacked_size,
            "file_count": attachment.file_count,
            "provenance": Provenance(
                source_digest=str(attachment.sha256), built_by="the operator's own archive"
            ).model_dump(),
        }
    )


def tarball_of(adapter: str, told: Mapping[str, Any], folder: Path) -> Path:
    """Return a link in `folder` to an attachment, with its sidecar beside it, as bundles are put on targets.

    `told` is an accepted attachment as the journal has it. Raises `OSError`.
    """
    attachment = Attachment(**{name: value for name, value in told.items() if name != "accepted"})
    folder.mkdir(parents=True, exist_ok=True)
    tarball = folder / f"{adapter}-{attachment.name}-{str(attachment.sha256)[:16]}.tar.gz"
    write_atomic(
        sidecar_path(tarball), json_text(_sidecar(adapter, attachment).model_dump(mode="json", by_alias=True))
    )
    link = tarball.with_name(f".{tarball.name}.link")
    link.unlink(missing_ok=True)
    link.symlink_to(str(attachment.path))
    link.replace(tarball)
    return tarball
