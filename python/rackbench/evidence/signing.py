# SPDX-License-Identifier: Apache-2.0
"""Signing a run: only what is as the run recorded it, and nothing that somebody still works on."""

from __future__ import annotations

import hashlib
import shlex
from dataclasses import dataclass
from typing import TYPE_CHECKING

from rackbench import clock, sshsig
from rackbench.errors import RackbenchError
from rackbench.evidence import artifacts, statement
from rackbench.evidence.chain import Chain, text_of
from rackbench.files import open_regular, write_atomic
from rackbench.ledger import claim, rundir

if TYPE_CHECKING:
    from pathlib import Path

    from rackbench.ledger.documents import Loaded

# How many wrong files a message names.
_SHOWN = 20


@dataclass(frozen=True, slots=True)
class Signed:
    """What was signed, and the fingerprint of the key."""

    run_id: str
    artifacts: int
    lines: int
    head: str
    key: str


def sign(run_dir: Path, key: Path) -> Signed:
    """Sign what a run has recorded, and leave statement, signature and the digests of the lines in its directory.

    They replace older ones. Raises `RackbenchError`: `run_busy` while somebody works on the run, `run_not_signable`
    when a file or the journal is not what was recorded, `signing_failed`, and what `claim.claim` raises.
    """
    with claim.claim(run_dir) as loaded:
        try:
            return _sign(loaded, key)
        except OSError as error:
            why = f"{error.filename or run_dir}: {error.strerror or error}."
            raise sshsig.failed(run_dir, why) from error


def _sign(loaded: Loaded, key: Path) -> Signed:
    run_dir, state = loaded.run_dir, loaded.state
    chain, digests = _read_journal(loaded)
    recorded = {path: str(entry.get("sha256")) for path, entry in state.artifacts.items()}
    found = {path: artifacts.wrong_with(run_dir, path, sha256) for path, sha256 in recorded.items()}
    if wrong := [f"{path}: {why}." for path, why in found.items() if why]:
        more = [f"{len(wrong) - _SHOWN} more."] if len(wrong) > _SHOWN else []
        raise RackbenchError(
            "run_not_signable",
            f"{run_dir} is not signed: {len(wrong)} of its {len(recorded)} artifacts are not as they were recorded.",
            where=wrong[0].partition(": ")[0],
            detail="\n".join([*wrong[:_SHOWN], *more]),
            next_step="Bring them back from a copy, then sign.",
        )
    content = statement.encode(state, recorded, chain, hashlib.sha256(digests).hexdigest(), clock.utc_now())
    signature = sshsig.sign(run_dir, content, key, statement.NAMESPACE)
    (run_dir / rundir.EVIDENCE).mkdir(exist_ok=True)
    write_atomic(run_dir / rundir.JOURNAL_DIGESTS, digests)
    write_atomic(run_dir / rundir.STATEMENT, content)
    path = run_dir / rundir.STATEMENT_SIGNATURE
    write_atomic(path, signature)
    made = sshsig.check(path, content, statement.NAMESPACE, None, "the statement")
    if made.key is None:
        raise sshsig.failed(run_dir, f"What ssh-keygen made cannot be checked: {made.problem}")
    return Signed(str(state.run_id), len(recorded), chain.lines, chain.head, made.key)


def _read_journal(loaded: Loaded) -> tuple[Chain, bytes]:
    """Return the chain of the journal and the digests of its lines. Raises `RackbenchError` for a damaged one."""
    path, health = loaded.run_dir / rundir.EVENTS, loaded.health
    if health.missing:
        raise _damaged(loaded, "its journal is missing")
    if health.bad_lines:
        raise _damaged(loaded, f"line {health.bad_lines[0]} of {path} is no record")
    if not loaded.state.run_id or not loaded.state.host:
        raise _damaged(loaded, "its journal does not tell whose run it is")
    chain, digests, line = Chain(), bytearray(), b""
    with open_regular(path) as stream:
        for line in stream:
            digests += text_of(chain.add(line))
    # The next writer of the journal would move a torn line away, and end one that lacks its newline only.
    if not line.endswith(b"\n"):
        raise _damaged(loaded, f"the last line of {path}, line {chain.lines}, is torn")
    return chain, bytes(digests)


def _damaged(loaded: Loaded, why: str) -> RackbenchError:
    return RackbenchError(
        "run_not_signable",
        f"{loaded.run_dir} is not signed: {why}.",
        where=str(loaded.run_dir / rundir.EVENTS),
        next_step="Mend it, then sign.",
        next_command=shlex.join(("rackbench", "recover", "--run-dir", str(loaded.run_dir))),
    )
