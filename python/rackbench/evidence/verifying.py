# SPDX-License-Identifier: Apache-2.0
"""Checking a signed run: what differs from what was signed, by file and by line. Nothing is written."""

from __future__ import annotations

import base64
import hashlib
import re
from dataclasses import dataclass, field
from typing import TYPE_CHECKING

from rackbench import sshsig
from rackbench.errors import RackbenchError
from rackbench.evidence import artifacts
from rackbench.evidence import statement as statements
from rackbench.evidence.chain import SHORT, Chain, Difference, differences
from rackbench.files import open_regular
from rackbench.ledger import journal, rundir
from rackbench.sshsig import Signature

if TYPE_CHECKING:
    from pathlib import Path

    from rackbench.models.evidence import Statement

# How many places of the journal are told one by one.
_SHOWN = 20
_ARMOR = re.compile(rb"-----BEGIN SSH SIGNATURE-----\n(.*)-----END SSH SIGNATURE-----\n", re.DOTALL)
_COLUMNS = 70


@dataclass(frozen=True, slots=True)
class Problem:
    """What is not as it was signed: a code, a path relative to the run directory, and a line if it is one."""

    code: str
    path: str
    line: int | None
    message: str


@dataclass(slots=True)
class Verified:
    """What was found; the statement is None unless it is signed by a key, whosever it is."""

    signature: Signature = field(default_factory=Signature)
    statement: Statement | None = None
    problems: list[Problem] = field(default_factory=list)

    def tell(self, code: str, path: str, message: str, line: int | None = None) -> None:
        """Add a problem."""
        self.problems.append(Problem(code, path, line, message))


def verify(run_dir: Path, signers: Path | None) -> Verified:
    """Compare a run directory with what was signed of it.

    Without `signers`, a file in the format of ssh's ALLOWED SIGNERS, whose the key is remains open. Raises
    `RackbenchError("not_a_run_directory")` for a directory that is none of ours and is not signed.
    """
    found = Verified()
    content = _bytes_of(run_dir, rundir.STATEMENT, found)
    signature = _bytes_of(run_dir, rundir.STATEMENT_SIGNATURE, found)
    if content is None or signature is None:
        if not (rundir.is_run_directory(run_dir) or (run_dir / rundir.EVIDENCE).is_dir()):
            raise RackbenchError("not_a_run_directory", f"{run_dir} holds no run.", where=str(run_dir))
        return found
    _check_signature(run_dir, content, signature, signers, found)
    if found.signature.key is None:
        return found
    try:
        found.statement = statements.decode(content, run_dir / rundir.STATEMENT)
    except RackbenchError as error:
        found.tell(error.code, rundir.STATEMENT, error.message)
        return found
    recorded = _check_journal(run_dir, found.statement, found)
    _check_artifacts(run_dir, found.statement, recorded, found)
    return found


def _bytes_of(run_dir: Path, name: str, found: Verified) -> bytes | None:
    """Return a file of the evidence; None when it is not there, which is told."""
    try:
        with open_regular(run_dir / name) as stream:
            return stream.read()
    except FileNotFoundError:
        found.tell("evidence_missing", name, "It is missing.")
    except OSError as error:
        found.tell("evidence_missing", name, f"It cannot be read: {error.strerror or error}.")
    return None


def _check_signature(
    run_dir: Path, content: bytes, signature: bytes, signers: Path | None, found: Verified
) -> None:
    path = run_dir / rundir.STATEMENT_SIGNATURE
    try:
        found.signature = sshsig.check(path, content, statements.NAMESPACE, signers, "the statement")
    except OSError as error:
        found.signature = Signature(problem=f"it cannot be checked: {error.strerror or error}.")
    told = found.signature.problem
    if told is None and not _is_as_written(signature):
        # ssh-keygen reads more than it writes; a changed byte is told even if the signature in it is still good.
        told = f"{path} is not as ssh-keygen wrote it."
    if told is not None:
        found.tell("evidence_refused", rundir.STATEMENT_SIGNATURE, told[:1].upper() + told[1:])


def _is_as_written(signature: bytes) -> bool:
    armor = _ARMOR.fullmatch(signature)
    if armor is None:
        return False
    try:
        text = base64.b64encode(base64.b64decode(armor[1]))
    except ValueError:
        return False
    return armor[1] == b"".join(text[at : at + _COLUMNS] + b"\n" for at in range(0, len(text), _COLUMNS))


def _check_journal(run_dir: Path, statement: Statement, found: Verified) -> dict[str, tuple[str, int]]:
    """Compare the journal; return digest and line of the artifacts that were recorded after signing."""
    told = statement.predicate.journal
    digests = _digests(run_dir, told.digests.sha256, found)
    recorded: dict[str, tuple[str, int]] = {}
    chain, there, line, lines, signed_lines = Chain(), bytearray(), b"", 0, told.lines
    head = whole = ""
    try:
        with open_regular(run_dir / rundir.EVENTS) as stream:
            for lines, line in enumerate(stream, start=1):
                there += chain.add(line)
                if lines == told.lines:
                    head, whole = chain.head, chain.sha256
                if lines > told.lines:
                    record = journal.decode(line)
                    if record is not None and record["kind"] == "artifact":
                        recorded[str(record.get("path"))] = str(record.get("sha256")), lines
    except FileNotFoundError:
        found.tell("evidence_mismatch", rundir.EVENTS, "It is missing.")
        return recorded
    except OSError as error:
        found.tell("evidence_mismatch", rundir.EVENTS, f"It cannot be read: {error.strerror or error}.")
        return recorded
    if (head, whole) != (told.head, statement.digests[rundir.EVENTS]):
        is_cut = lines > 0 and not line.endswith(b"\n")
        differing = _differing(digests, bytes(there), told.lines)
        _tell_lines(differing, lines if is_cut else None, found)
        # What was put in is told already, and moved the end.
        signed_lines += sum(each.found - each.signed for each in differing)
    if (new := lines - signed_lines) > 0:
        first = signed_lines + 1
        words = f"It went on after signing: {_lines(first, new).lower()} {_be(new, 'is', 'are')} not signed."
        found.tell("evidence_outgrown", rundir.EVENTS, words, first)
    return recorded


def _digests(run_dir: Path, sha256: str, found: Verified) -> bytes | None:
    """Return the file of the signed lines' digests; None when it is not the one that was signed, which is told."""
    name = rundir.JOURNAL_DIGESTS
    content = _bytes_of(run_dir, name, found)
    if content is None:
        return None
    if hashlib.sha256(content).hexdigest() != sha256:
        found.tell("evidence_mismatch", name, "Its bytes are others than those that were signed.")
        return None
    return content


def _differing(digests: bytes | None, there: bytes, lines: int) -> list[Difference]:
    """Return which lines differ; none when there are no digests of as many lines to tell it."""
    try:
        signed = bytes.fromhex((digests or b"").decode("ascii"))
    except ValueError:
        return []
    return differences(signed, there) if len(signed) == lines * SHORT else []


def _tell_lines(differing: list[Difference], cut: int | None, found: Verified) -> None:
    """Tell which lines of the journal differ; `cut` is the number of a last line without its newline."""
    for at, signed, there in differing[:_SHOWN]:
        if there == 0:
            told = f"{_lines(at, signed)} of those that were signed {_be(signed, 'is', 'are')} gone."
        elif signed == 0:
            told = f"{_lines(at, there)} {_be(there)} put in after signing."
        elif signed == there:
            told = f"{_lines(at, there)} {_be(there)} changed after signing."
        else:
            count = "one other line" if signed == 1 else f"{signed} other lines"
            told = f"Where now {_lines(at, there).lower()} {_be(there, 'is', 'are')}, {count} {_be(signed)} signed."
        if cut is not None and at <= cut < at + there:
            told += f" Line {cut} is cut off."
        found.tell("evidence_mismatch", rundir.EVENTS, told, at)
    if rest := differing[_SHOWN:]:
        found.tell("evidence_mismatch", rundir.EVENTS, f"{len(rest)} more places differ.", rest[0].at)
    if not differing:
        told = f"It is not what was signed; without {rundir.JOURNAL_DIGESTS} no line can be named."
        found.tell("evidence_mismatch", rundir.EVENTS, told)


def _lines(first: int, count: int) -> str:
    return f"Line {first}" if count == 1 else f"Lines {first} to {first + count - 1}"


def _be(count: int, one: str = "was", many: str = "were") -> str:
    return one if count == 1 else many


def _check_artifacts(
    run_dir: Path, statement: Statement, recorded: dict[str, tuple[str, int]], found: Verified
) -> None:
    signed = statement.digests
    for name, sha256 in signed.items():
        if name == rundir.EVENTS:
            continue
        why = artifacts.wrong_with(run_dir, name, sha256)
        if why is None:
            continue
        told = f"{why[0].upper()}{why[1:]}."
        anew, line = recorded.get(name, ("", 0))
        if anew and artifacts.wrong_with(run_dir, name, anew) is None:
            # Whoever changes a file can append a line for it too.
            told += f" Line {line} of {rundir.EVENTS}, which is not signed, claims that it was made anew."
        found.tell("evidence_mismatch", name, told)
    for name, (_sha256, line) in recorded.items():
        if name not in signed:
            told = f"It was recorded after signing, by line {line} of {rundir.EVENTS}."
            found.tell("evidence_outgrown", name, told)
