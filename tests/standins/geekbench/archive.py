# SPDX-License-Identifier: Apache-2.0
"""Make an install of the stand-in, or the archive that an operator would have: `Geekbench-6.5.0-Linux.tar.gz`.

`python -m tests.standins.geekbench.archive DIR` makes the archive of version 6 and prints its path.
"""

from __future__ import annotations

import gzip
import hashlib
import json
import shutil
import sys
import tarfile
import tempfile
from pathlib import Path

PROGRAM = Path(__file__).with_name("geekbench_standin.py")
MODES = ("tryout", "preview", "pro", "upload-failure", "truncated", "switch-refused", "hang")
VERSIONS = {5: "5.5.1", 6: "6.5.0", 7: "7.0.0"}
CLAIM_KEY = "73540918264"
# What an unlocked install has. The real file's form is not known here; what counts is that nothing of it gets out.
LICENCE = b'{"registration": {"email": "owner@canary.example", "key": "QQ7XV-83KDW-CANARY-4TTPZ-91MBS"}}\n'
LICENCE_WORDS = ("owner@canary.example", "QQ7XV-83KDW-CANARY-4TTPZ-91MBS")
# `exec -a` is not in every sh: the real launcher starts the program of its machine from its own directory, too.
LAUNCHER = '#!/bin/sh\nexec "$(dirname "$0")/geekbench_$(uname -m)" "$@"\n'


def make_install(place: Path, version: int = 6, mode: str = "tryout", ends_after: Path | None = None) -> Path:
    """Make the new directory `place` with the stand-in of this version in it, and return it.

    Where it exports, it waits for the file `ends_after`, so that somebody can look at it while it runs.
    """
    if mode not in MODES:
        raise ValueError(f"{mode} is none of {', '.join(MODES)}")
    place.mkdir(parents=True)
    launcher = place / f"geekbench{version}"
    launcher.write_text(LAUNCHER)
    launcher.chmod(0o755)
    for machine in ("x86_64", "aarch64"):
        program = place / f"geekbench_{machine}"
        shutil.copyfile(PROGRAM, program)
        program.chmod(0o755)
    (place / "geekbench.plar").write_bytes(b"simulated data\n")
    settings = {
        "version": VERSIONS[version],
        "mode": mode,
        "licence_sha256": hashlib.sha256(LICENCE).hexdigest(),
        # The other way round: a test that looks for the key everywhere must not find it here.
        "claim_key_reversed": CLAIM_KEY[::-1],
        "ends_after": ends_after and str(ends_after),
    }
    (place / "standin.json").write_text(json.dumps(settings))
    return place


def make_archive(
    folder: Path, version: int = 6, mode: str = "tryout", ends_after: Path | None = None
) -> Path:
    """Make the archive of an install in `folder`, the same bytes each time, and return it."""
    kind = "LinuxARMPreview" if mode == "preview" else "Linux"
    name = f"Geekbench-{VERSIONS[version]}-{kind}"
    folder.mkdir(parents=True, exist_ok=True)
    archive = folder / f"{name}.tar.gz"
    with (
        tempfile.TemporaryDirectory() as made,
        archive.open("wb") as raw,
        gzip.GzipFile(filename="", mode="wb", fileobj=raw, mtime=0) as squeezed,
        tarfile.open(fileobj=squeezed, mode="w") as tar,
    ):
        tar.add(
            make_install(Path(made) / name, version, mode, ends_after),
            arcname=name,
            filter=_without_time_and_owner,
        )
    return archive


def _without_time_and_owner(member: tarfile.TarInfo) -> tarfile.TarInfo:
    member.mtime = member.uid = member.gid = 0
    member.uname = member.gname = ""
    return member


if __name__ == "__main__":
    print(make_archive(Path(sys.argv[1])))
