# SPDX-License-Identifier: Apache-2.0
"""Names of this machine that redaction has to know, for no pattern can tell them from other words."""

from __future__ import annotations

import os
from dataclasses import dataclass
from pathlib import Path

# Names that many machines have, and that say nothing of any of them.
_COMMON = {"", "(none)", "localhost", "localdomain", "root", "nobody", "unknown"}
_PEOPLE_FROM_UID = 1000
_NOBODY_UID = 65534
# Mount points that every machine may have.
_SYSTEM_PATHS = ("/proc", "/sys", "/dev", "/run", "/boot", "/usr", "/var", "/tmp", "/snap", "/etc")  # noqa: S108 -- told from others, not used


@dataclass(frozen=True)
class Names:
    """What to take out wherever it stands as a word."""

    hosts: tuple[str, ...] = ()
    users: tuple[str, ...] = ()
    paths: tuple[str, ...] = ()
    volumes: tuple[str, ...] = ()
    models: tuple[str, ...] = ()


def of_this_machine(root: Path = Path("/")) -> Names:
    """Reads the names from files below `root`. What cannot be read has no names."""
    return Names(
        hosts=_distinct(_hosts(root)),
        users=_distinct(_users(root)),
        paths=_distinct(_mount_points(root)),
        volumes=_distinct(_each(root, "sys/block/dm-*/dm/name")),
        models=_distinct(_each(root, "sys/block/*/device/model")),
    )


def _hosts(root: Path) -> list[str]:
    found = [
        _text(root / name)
        for name in ("proc/sys/kernel/hostname", "etc/hostname", "proc/sys/kernel/domainname")
    ]
    # "node7.lab.example.org" also stands as "node7", and its domain in the names of other machines.
    parts = [part for name in found for part in name.partition(".")[::2]]
    return [spelling for name in found + parts for spelling in (name, name.lower())]


def _users(root: Path) -> list[str]:
    people = [os.environ.get(name, "") for name in ("USER", "LOGNAME", "SUDO_USER")]
    for line in _text(root / "etc/passwd").splitlines():
        fields = line.split(":")
        if len(fields) > 2 and fields[2].isdigit() and _PEOPLE_FROM_UID <= int(fields[2]) < _NOBODY_UID:
            people.append(fields[0])
    return people


def _mount_points(root: Path) -> list[str]:
    points = [
        line.split()[1] for line in _text(root / "proc/self/mounts").splitlines() if len(line.split()) > 1
    ]
    return [p for p in points if p != "/" and not any(p == s or p.startswith(f"{s}/") for s in _SYSTEM_PATHS)]


def _each(root: Path, pattern: str) -> list[str]:
    return [_text(path) for path in root.glob(pattern)]


def _text(path: Path) -> str:
    try:
        return path.read_text(encoding="utf-8", errors="surrogateescape").strip()
    except OSError:
        return ""


def _distinct(names: list[str]) -> tuple[str, ...]:
    return tuple(sorted({name for name in names if name not in _COMMON}))
