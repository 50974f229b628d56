# SPDX-License-Identifier: Apache-2.0
"""Bundles as a stranger might write them, with sidecars that name their bytes, and lie about what else is asked."""

from __future__ import annotations

import io
import json
import os
import struct
import tarfile
import zlib
from typing import TYPE_CHECKING, Any

from rackbench.bundles.catalog import sidecar_path
from rackbench.files import sha256_of

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path

Member = tuple[tarfile.TarInfo, bytes]


def member(
    name: str, data: bytes = b"", *, kind: bytes = tarfile.REGTYPE, mode: int = 0o755, link: str = ""
) -> Member:
    """Return a member that tarfile writes without a word."""
    info = tarfile.TarInfo(name)
    info.size, info.type, info.mode, info.linkname = len(data), kind, mode, link
    return info, data


def elf(machine: int, *, order: str = "<", bits: int = 64) -> bytes:
    """Return the beginning of a program for a machine."""
    return (
        b"\x7fELF"
        + (b"\x02" if bits == 64 else b"\x01")
        + (b"\x01" if order == "<" else b"\x02")
        + bytes(12)
        + struct.pack(f"{order}H", machine)
        + bytes(44)
    )


RUN = member("bin/run", b"#!/bin/sh\n")


def tar_bytes(*members: Member, format_: int = tarfile.GNU_FORMAT) -> bytes:
    """Return a plain tar archive of the members."""
    out = io.BytesIO()
    with tarfile.open(fileobj=out, mode="w", format=format_, errors="surrogateescape") as archive:
        for info, data in members:
            archive.addfile(info, io.BytesIO(data))
    return out.getvalue()


def squeezed(plain: bytes) -> bytes:
    """Return the bytes as a gzip file."""
    press = zlib.compressobj(6, zlib.DEFLATED, 31)
    return press.compress(plain) + press.flush()


def write_bundle(folder: Path, content: bytes, **says: Any) -> Path:
    """Write a tarball of these bytes. Its sidecar tells the truth about them; `says` are the lies."""
    tarball = folder / "probe-1.0.0-any.tar.gz"
    tarball.write_bytes(content)
    sidecar: dict[str, Any] = {
        "schema": "rackbench.bundle/1.0",
        "name": "probe",
        "version": "1.0.0",
        "platform": "any",
        "entry_point": "bin/run",
        "sha256": sha256_of(tarball),
        "size": len(content),
        "unpacked_size": 10,
        "file_count": 1,
        "provenance": {"source_digest": "0" * 64, "built_by": "a stranger"},
        **says,
    }
    sidecar_path(tarball).write_text(json.dumps(sidecar))
    return tarball


def _of(*members: Member, **says: Any) -> Callable[[Path], Path]:
    """Return a writer of a bundle with these members, and a sidecar that has their number and size right."""
    files = [data for info, data in members if info.isreg()]
    return lambda folder: write_bundle(
        folder,
        squeezed(tar_bytes(*members)),
        **({"unpacked_size": sum(map(len, files)), "file_count": len(files)} | says),
    )


def _raw(content: bytes | Callable[[], bytes], **says: Any) -> Callable[[Path], Path]:
    return lambda folder: write_bundle(folder, content if isinstance(content, bytes) else content(), **says)


def _endless(kind: bytes, size: int) -> bytes:
    """Return a header before the first member that holds `size` bytes of nothing but a name or a comment."""
    info = tarfile.TarInfo("././@LongLink")
    info.type, info.size = kind, size
    record = b"%d path=" % size
    body = record + b"x" * (size - len(record) - 1) + b"\n" if kind == tarfile.XHDTYPE else b"x" * size
    return info.tobuf() + body + bytes(-size % 512) + tar_bytes(RUN)


def _patched(data: bytes, at: int, new: bytes) -> bytes:
    """Return a tar archive with other bytes in its first header, and the header's sum put right."""
    head = bytearray(data[:512])
    head[at : at + len(new)] = new
    head[148:156] = b" " * 8
    head[148:156] = b"%06o\0 " % sum(head)
    return bytes(head) + data[512:]


def _pax(**fields: str) -> bytes:
    info = RUN[0]
    bent = tarfile.TarInfo(info.name)
    bent.size, bent.mode, bent.pax_headers = info.size, info.mode, fields
    return tar_bytes((bent, RUN[1]), format_=tarfile.PAX_FORMAT)


GOOD = tar_bytes(RUN)
X86 = {"os": "linux", "machine": "x86_64", "libc": None, "libc_version": None}
ARM = {**X86, "machine": "aarch64"}
ZEROS = 32 * 1024 * 1024

# What is wrong: how to write it, and a word that both `verify` and the unpacker must say.
BAD: dict[str, tuple[Callable[[Path], Path], str, str]] = {
    "climbing name": (_of(RUN, member("../evil", b"x")), "outside", "leaves"),
    "climbing name inside": (_of(RUN, member("a/../../evil", b"x")), "outside", "leaves"),
    "absolute name": (_of(RUN, member("/evil", b"x")), "outside", "absolute"),
    "link out of the tree": (
        _of(RUN, member("l", kind=tarfile.SYMTYPE, link="../evil")),
        "no plain file",
        "link",
    ),
    "absolute link": (_of(RUN, member("l", kind=tarfile.SYMTYPE, link="/etc")), "no plain file", "link"),
    "file through a link": (
        _of(RUN, member("l", kind=tarfile.SYMTYPE, link="/etc"), member("l/evil", b"x")),
        "no plain file",
        "link",
    ),
    "link inside": (_of(RUN, member("l", kind=tarfile.SYMTYPE, link="bin/run")), "no plain file", "link"),
    "hard link": (
        _of(RUN, member("h", kind=tarfile.LNKTYPE, link="/etc/passwd")),
        "no plain file",
        "neither",
    ),
    "character device": (_of(RUN, member("null", kind=tarfile.CHRTYPE)), "no plain file", "neither"),
    "block device": (_of(RUN, member("disk", kind=tarfile.BLKTYPE)), "no plain file", "neither"),
    "fifo": (_of(RUN, member("pipe", kind=tarfile.FIFOTYPE)), "no plain file", "neither"),
    "name twice": (_of(RUN, RUN), "twice", "twice"),
    "name twice in other words": (_of(RUN, member("./bin//run", b"x")), "twice", "twice"),
    "file in a file": (_of(RUN, member("bin/run/x", b"x")), "lies in a file", "twice"),
    "file over a directory": (_of(RUN, member("bin", b"x")), "twice", "twice"),
    "newline in a name": (_of(RUN, member("a\nb", b"x")), "control character", "control character"),
    "NUL in a name": (_raw(squeezed(_pax(path="bin/run\0x"))), "control character", "control character"),
    "name that is not UTF-8": (_of(RUN, member(os.fsdecode(b"caf\xe9"), b"x")), "not UTF-8", "not UTF-8"),
    "long name": (_of(RUN, member("n" * 300, b"x")), "too long", "too long"),
    "endless pax header": (
        _raw(lambda: squeezed(_endless(tarfile.XHDTYPE, ZEROS))),
        "headers are larger",
        "headers are larger",
    ),
    "endless global header": (
        _raw(lambda: squeezed(_endless(tarfile.XGLTYPE, ZEROS))),
        "headers are larger",
        "headers are larger",
    ),
    "endless GNU name": (
        _raw(lambda: squeezed(_endless(tarfile.GNUTYPE_LONGNAME, ZEROS))),
        "headers are larger",
        "headers are",
    ),
    "headers without number": (
        # Python 3.11.2 refuses the first of them itself, later ones read them all.
        _raw(squeezed(_endless(tarfile.XGLTYPE, 512)[:1024] * 3000 + GOOD)),
        "header",
        "header",
    ),
    "negative size": (_raw(squeezed(_patched(GOOD, 124, b"\xff" * 11 + b"\x00"))), "", ""),
    "pax header with a negative size": (_raw(squeezed(_pax(size="-512"))), "", ""),
    "size beyond the archive": (
        _raw(squeezed(_patched(GOOD, 124, b"%011o\0" % (1 << 30))), unpacked_size=1 << 30),
        "ends within",
        "ends within",
    ),
    "sparse file": (_raw(squeezed(_patched(GOOD, 156, b"S"))), "", ""),
    "bomb in a file": (
        _raw(lambda: squeezed(tar_bytes(member("bin/run", bytes(ZEROS))))),
        "at least",
        "more bytes",
    ),
    "bomb after the end": (
        _raw(lambda: squeezed(GOOD + bytes(ZEROS))),
        "goes on after its end",
        "goes on after its end",
    ),
    "data after the end": (_raw(squeezed(GOOD + b"more")), "goes on after its end", "goes on after its end"),
    "garbage after the archive": (_raw(squeezed(GOOD) + b"garbage"), "no whole tar.gz", "no whole tar.gz"),
    "no end": (_raw(squeezed(GOOD[:1024])), "no end", "no end"),
    "damaged second header": (_raw(squeezed(GOOD[:1024] + b"x" * 512 + bytes(1024))), "header", "header"),
    "truncated archive": (_raw(squeezed(GOOD)[:-12]), "no whole tar.gz", "no whole tar.gz"),
    "truncated tar": (_raw(squeezed(GOOD[:515])), "ends within", "ends within"),
    "wrong sum": (_raw(squeezed(GOOD)[:-6] + bytes(6)), "no whole tar.gz", "no whole tar.gz"),
    "no archive": (_raw(b"not an archive"), "no whole tar.gz", "no whole tar.gz"),
    "tar without gzip": (_raw(GOOD), "no whole tar.gz", "no whole tar.gz"),
    "empty archive": (_raw(squeezed(tar_bytes())), "missing or not executable", "0 files"),
    "sidecar that names another size": (_of(RUN, size=7), "bytes changed", "its sidecar names 7"),
    "sidecar that names another digest": (_of(RUN, sha256="0" * 64), "bytes changed", "bytes are others"),
    "sidecar that names fewer bytes": (_of(RUN, unpacked_size=9), "with 9", "more bytes"),
    "sidecar that names more bytes": (_of(RUN, unpacked_size=11), "with 11", "with 11"),
    "sidecar that names fewer files": (_of(RUN, member("b"), file_count=1), "names 1", "more files"),
    "sidecar that names more files": (_of(RUN, file_count=2), "names 2", "names 2"),
    "sidecar that names another entry point": (_of(RUN, entry_point="bin/go"), "entry point", "entry point"),
    "entry point that cannot be executed": (_of(member("bin/run", mode=0o644)), "entry point", "entry point"),
    "entry point that is a directory": (_of(RUN, entry_point="bin"), "entry point", "entry point"),
    "many empty directories": (
        _of(RUN, *[member(f"d{number}", kind=tarfile.DIRTYPE) for number in range(100)]),
        "more members",
        "more members",
    ),
    "aarch64 with a program for x86_64": (
        _of(member("bin/run", elf(62)), platform=ARM),
        "aarch64",
        "aarch64",
    ),
    "x86_64 with a program for aarch64 beside a script": (
        _of(RUN, member("lib/x.so", elf(183)), platform=X86),
        "x86_64",
        "x86_64",
    ),
    "x86_64 whose entry point is for s390x": (
        _of(member("bin/run", elf(22, order=">")), member("lib/x.so", elf(62)), platform=X86),
        "x86_64",
        "x86_64",
    ),
    "any platform with a program as its entry point": (
        _of(member("bin/run", elf(62))),
        "any platform",
        "any platform",
    ),
}

GOOD_ONES: dict[str, Callable[[Path], Path]] = {
    "one script": _of(RUN),
    "two gzip members and zeros behind them": _raw(squeezed(GOOD[:700]) + squeezed(GOOD[700:]) + bytes(100)),
    "directories and pax headers": _of(member("bin", kind=tarfile.DIRTYPE), RUN, member("n" * 200, b"x")),
    "empty files": _of(RUN, member("a"), member("b")),
    "script that chooses among programs": _of(RUN, member("x", elf(62)), member("a", elf(183))),
    "scripts alone for one machine": _of(RUN, platform=X86),
    "program for its machine by another name": _of(
        member("bin/run", elf(183)), platform={**ARM, "machine": "arm64"}
    ),
    "programs for two machines, one of them the declared": _of(
        RUN, member("x", elf(62)), member("a", elf(183)), platform=X86
    ),
    "32-bit ARM": _of(member("bin/run", elf(40, bits=32)), platform={**ARM, "machine": "armv6l"}),
}
