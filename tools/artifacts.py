#!/usr/bin/env python3
# SPDX-License-Identifier: Apache-2.0
"""Build what a release consists of: `tools/artifacts.py DIRECTORY` writes the wheel, the sdist and the collection.

They are built from what git has at HEAD and from nothing else, and hold no build time, no owner and no order of a
file system: whoever builds the same commit with the tools of requirements/release.txt gets the same bytes.
"""

from __future__ import annotations

import gzip
import hashlib
import io
import json
import sys
import tarfile
import tempfile
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING

from verdict import command, digest_lines, into_directory

if TYPE_CHECKING:
    from collections.abc import Iterator


def wheel(out: Path) -> Path:
    """Build the Python package of HEAD into the directory `out` and return the wheel; raises `CheckError`."""
    return _package(out, "--wheel", "*.whl")


def sdist(out: Path) -> Path:
    """Build the source archive of HEAD into the directory `out` and return it; raises `CheckError`."""
    return _package(out, "--sdist", "*.tar.gz")


def collection(out: Path) -> Path:
    """Build the Ansible collection of HEAD into the directory `out` and return the tarball; raises `CheckError`."""
    with _export() as (source, work, env):
        command(
            sys.executable, "-m", "ansible", "galaxy", "collection", "build", source, "--output-path", work,
            cwd=work, env=env,
        )  # fmt: skip
        (built,) = work.glob("*.tar.gz")
        target = out / built.name
        out.mkdir(parents=True, exist_ok=True)
        target.write_bytes(_repack(built, int(env["SOURCE_DATE_EPOCH"])))
    return target


def unpack(archive: Path, folder: Path) -> None:
    """Unpack a tar archive of ours into a directory, with its modes whatever the umask is; raises `CheckError`.

    Not with Python: 3.11.2, which Debian 12 has, knows no filters, and newer ones warn where none is named.
    """
    command(
        "tar", "--extract", "--preserve-permissions", "--no-same-owner",
        "--file", archive, "--directory", folder,
    )  # fmt: skip


def _package(out: Path, kind: str, pattern: str) -> Path:
    with _export() as (source, work, env):
        command(
            sys.executable, "-m", "build", kind, "--no-isolation", "--outdir", work, source, cwd=work, env=env
        )
        (built,) = work.glob(pattern)
        out.mkdir(parents=True, exist_ok=True)
        (out / built.name).write_bytes(built.read_bytes())
    return out / built.name


@contextmanager
def _export() -> Iterator[tuple[Path, Path, dict[str, str]]]:
    """Give the files of HEAD, an empty directory to work in, and the variables that make a build repeatable."""
    commit, seconds = command("git", "log", "-1", "--format=%H %ct", "HEAD").split()
    with tempfile.TemporaryDirectory(prefix="rackbench-build-") as name:
        source, work = Path(name, "source"), Path(name, "work")
        source.mkdir()
        work.mkdir()
        # The user's settings of Ansible are no part of a release.
        settings = Path(name, "ansible.cfg")
        settings.touch(mode=0o600)
        exported = Path(name, "source.tar")
        command("git", "-c", "tar.umask=0022", "archive", "--format=tar", "--output", exported, commit)
        unpack(exported, source)
        yield (
            source,
            work,
            {
                "SOURCE_DATE_EPOCH": seconds,
                "TZ": "UTC",
                "LC_ALL": "C.UTF-8",
                "ANSIBLE_CONFIG": str(settings),
                "ANSIBLE_HOME": str(Path(name, "ansible")),
            },
        )


def _repack(tarball: Path, seconds: int) -> bytes:
    """Return the collection with its files in the order of their names and with the time of the commit.

    ansible-galaxy lists files as the file system gives them, so its manifests are put in order too.
    """
    with tarfile.open(tarball) as archive:
        members = {member.name: member for member in archive}
        contents = {
            name: file.read() for name, member in members.items() if (file := archive.extractfile(member))
        }
    files = json.loads(contents["FILES.json"])
    files["files"].sort(key=lambda entry: entry["name"])
    contents["FILES.json"] = json.dumps(files, indent=1).encode()
    manifest = json.loads(contents["MANIFEST.json"])
    manifest["file_manifest_file"]["chksum_sha256"] = hashlib.sha256(contents["FILES.json"]).hexdigest()
    contents["MANIFEST.json"] = json.dumps(manifest, indent=1).encode()

    plain = io.BytesIO()
    with tarfile.open(fileobj=plain, mode="w", format=tarfile.PAX_FORMAT) as archive:
        first = ["MANIFEST.json", "FILES.json"]
        for name in [*first, *sorted(members.keys() - set(first))]:
            member = members[name]
            member.mtime = seconds
            member.pax_headers = {}
            member.size = len(contents.get(name, b""))
            archive.addfile(member, io.BytesIO(contents[name]) if member.isreg() else None)
    return gzip.compress(plain.getvalue(), mtime=0)


def all_of_them(out: Path) -> list[str]:
    """Build all of it into the directory `out` and return what came out, as sha256sum prints it."""
    built = (wheel(out), sdist(out), collection(out))
    return digest_lines({path.name: path.read_bytes() for path in built})


if __name__ == "__main__":
    sys.exit(into_directory(__doc__, all_of_them))
