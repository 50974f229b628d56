# SPDX-License-Identifier: Apache-2.0
"""Enrol host keys: walk the chain, show each machine's fingerprint, record what a person accepts."""

from __future__ import annotations

import contextlib
from dataclasses import dataclass
from typing import TYPE_CHECKING

from rackbench.errors import RackbenchError
from rackbench.files import write_atomic
from rackbench.transport.chain import Chain, ChainError, fingerprint, recorded_keys

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence
    from pathlib import Path

    import paramiko

    from rackbench.transport.routes import Endpoint, Routes
    from rackbench.transport.secrets import SecretSource

HEADER = "# Host keys of this lab, by the names of its machines. Written by `rackbench hosts enroll`.\n"


@dataclass(frozen=True)
class Enrolled:
    """What became of one machine: known, recorded, replaced, declined, changed or failed, the last with a reason."""

    name: str
    state: str
    fingerprint: str | None = None
    code: str | None = None
    message: str | None = None


def enroll(
    routes: Routes,
    names: Sequence[str],
    secrets: SecretSource,
    accept: Callable[[Endpoint, str, bool], bool],
    *,
    replace: bool = False,
) -> list[Enrolled]:
    """Record the host keys of machines and of the hops on the way to them; return what became of each.

    `accept` is given the machine, the fingerprint and whether another key is on record, and says whether to record it.
    Nobody logs in to a machine whose key was not accepted, and a changed key is only offered with `replace`. Raises
    `RackbenchError` for an unknown name, and `OSError` if the known_hosts file cannot be written.
    """
    found: dict[str, Enrolled] = {}

    def check_key(endpoint: Endpoint, key: paramiko.PKey) -> None:
        found[endpoint.name] = _settle(routes, endpoint, key, accept, replace=replace)
        if (code := found[endpoint.name].code) is not None:
            raise ChainError(code, endpoint.name, "host key", found[endpoint.name].message or "")

    with Chain(routes, secrets, check_key) as chain:
        for name in names:
            if name not in routes.endpoints:
                raise RackbenchError("unknown_host", f"The lab has no machine {name!r}.")
            try:
                chain.reach(name)
            except ChainError as failure:
                if failure.at not in found or found[failure.at].code is None:
                    shown = found[failure.at].fingerprint if failure.at in found else None
                    found[failure.at] = Enrolled(failure.at, "failed", shown, failure.code, failure.message)
                if name not in found:
                    message = f"not reached: {failure.at} is in the way"
                    found[name] = Enrolled(name, "failed", None, failure.code, message)
    return list(found.values())


def _settle(
    routes: Routes,
    endpoint: Endpoint,
    key: paramiko.PKey,
    accept: Callable[[Endpoint, str, bool], bool],
    *,
    replace: bool,
) -> Enrolled:
    shown = fingerprint(key)
    known = recorded_keys(routes, endpoint)
    name = endpoint.name
    if f"{key.get_name()} {key.get_base64()}" in known:
        return Enrolled(name, "known", shown)
    if known and (endpoint.host_key is not None or not replace):
        where = "the lab file" if endpoint.host_key is not None else str(routes.lab.known_hosts)
        message = f"the machine shows {shown}, and {where} has another key for it"
        return Enrolled(name, "changed", shown, "host_key_changed", message)
    if not accept(endpoint, shown, bool(known)):
        return Enrolled(name, "declined", shown, "host_key_unknown", "the key was not accepted")
    record(routes.lab.known_hosts, name, f"{key.get_name()} {key.get_base64()}")
    return Enrolled(name, "replaced" if known else "recorded", shown)


def record(path: Path, name: str, key: str) -> None:
    """Make `key` the only key of `name` in a known_hosts file; other lines stay as they are. Raises `OSError`."""
    lines = [HEADER]
    with contextlib.suppress(FileNotFoundError):
        lines = path.read_text(encoding="utf-8").splitlines(keepends=True)
    kept = []
    for line in lines:
        names, _, rest = line.partition(" ")
        others = [other for other in names.split(",") if other != name]
        if line.startswith(("#", "@", "|")) or name not in names.split(","):
            kept.append(line if line.endswith("\n") else line + "\n")
        elif others:
            kept.append(f"{','.join(others)} {rest}")
    path.parent.mkdir(parents=True, exist_ok=True)
    write_atomic(path, "".join(kept) + f"{name} {key}\n")
