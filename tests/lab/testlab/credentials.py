# SPDX-License-Identifier: Apache-2.0
"""The lab's passwords and keys: made anew for each lab, readable by root only."""

from __future__ import annotations

import secrets
from typing import TYPE_CHECKING

from testlab.commands import run
from testlab.topology import HOSTS

if TYPE_CHECKING:
    from pathlib import Path

    from testlab.state import State

KEY = "id_ed25519"
LOCKED_KEY = "id_ed25519_locked"


def make(state: State) -> None:
    """Write thor.pw, careful.pw, a key without and a key with a passphrase, and that passphrase."""
    state.secrets.mkdir(mode=0o700)
    for name in password_names():
        _write(state.secrets / f"{name}.pw", secrets.token_urlsafe(12))
    passphrase = secrets.token_urlsafe(12)
    _write(state.secrets / f"{LOCKED_KEY}.pw", passphrase)
    for name, phrase in ((KEY, ""), (LOCKED_KEY, passphrase)):
        run(
            "ssh-keygen", "-q", "-t", "ed25519", "-N", phrase, "-C", f"lab {name}", "-f", state.secrets / name
        )


def password_names() -> list[str]:
    """One password for each host with password login and for each user whose sudo asks."""
    hosts = [host.name for host in HOSTS.values() if host.auth == "password"]
    return hosts + [host.careful_user for host in HOSTS.values() if host.careful_user is not None]


def password(state: State, name: str) -> str:
    """One of the passwords."""
    return (state.secrets / f"{name}.pw").read_text()


def authorized_keys(state: State) -> str:
    """Both keys, for every host with key login."""
    return "".join((state.secrets / f"{name}.pub").read_text() for name in (KEY, LOCKED_KEY))


def _write(path: Path, text: str) -> None:
    path.touch(mode=0o600)
    path.write_text(text)
