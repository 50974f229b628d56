# SPDX-License-Identifier: Apache-2.0
"""Whatever is done to a signed run, it is found, and the file or the line is named."""

from __future__ import annotations

import hashlib
import json
import os
import shutil
import subprocess
from typing import TYPE_CHECKING

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from rackbench.evidence.signing import sign
from rackbench.evidence.verifying import verify
from rackbench.ledger import journal, rundir

from .signed_runs import FILES, add_file, allow, make_key, make_run

if TYPE_CHECKING:
    from pathlib import Path

pytestmark = pytest.mark.slow

EVIDENCE = (rundir.STATEMENT, rundir.STATEMENT_SIGNATURE, rundir.JOURNAL_DIGESTS)
# The signature cannot tell which of the two was changed.
BLAMED = {rundir.STATEMENT: rundir.STATEMENT_SIGNATURE}
Told = list[tuple[str, str, int | None]]


def told(run_dir: Path, signers: Path | None = None) -> Told:
    """Return code, path and line of each problem."""
    return [(each.code, each.path, each.line) for each in verify(run_dir, signers).problems]


def words(run_dir: Path) -> str:
    return " ".join(each.message for each in verify(run_dir, None).problems)


# Each example leaves the directory as it was.
@settings(max_examples=150, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(data=st.data())
def test_any_byte_of_any_file_that_is_flipped_is_found_and_named(signed: Path, data: st.DataObject) -> None:
    names = [*(name for name, content in FILES.items() if content), rundir.EVENTS, *EVIDENCE]
    name = data.draw(st.sampled_from(names))
    path = signed / name
    content = path.read_bytes()
    at = data.draw(st.integers(0, len(content) - 1))
    flipped = bytearray(content)
    flipped[at] ^= data.draw(st.integers(1, 255))
    path.write_bytes(flipped)
    try:
        found = told(signed)
    finally:
        path.write_bytes(content)
    assert {blamed for _code, blamed, _line in found} == {BLAMED.get(name, name)}
    if name == rundir.EVENTS:
        # A newline that is none any more makes one line of two, and a new one makes two of one.
        assert content[:at].count(b"\n") + 1 in {line for _code, _path, line in found}
    assert told(signed) == []


def test_every_bit_of_the_last_letters_of_a_signature_counts(signed: Path) -> None:
    """Of base64 the last letter may have bits that say nothing, and white space in it says nothing either."""
    path = signed / rundir.STATEMENT_SIGNATURE
    content = path.read_bytes()
    for change in (content + b"\n", content.replace(b"\n", b"\r\n"), content.replace(b"-\n", b"-\n\n", 1)):
        path.write_bytes(change)
        assert [path for _code, path, _line in told(signed)] == [rundir.STATEMENT_SIGNATURE], change


@pytest.mark.parametrize(
    ("name", "way"),
    [
        (name, way)
        for name in (*FILES, rundir.EVENTS, *EVIDENCE)
        for way in ("missing", "empty", "a link", "a pipe", "a directory")
        if way != "empty" or FILES.get(name, b"full")
    ],
)
def test_a_file_that_is_missing_or_something_else_is_named(
    signed: Path, tmp_path: Path, name: str, way: str
) -> None:
    path = signed / name
    path.rename(tmp_path / "kept")
    if way == "empty":
        path.write_bytes(b"")
    elif way == "a link":
        path.symlink_to(tmp_path / "kept")
    elif way == "a pipe":
        os.mkfifo(path)
    elif way == "a directory":
        path.mkdir()
    blamed = BLAMED.get(name, name) if way == "empty" else name
    assert {path for _code, path, _line in told(signed)} == {blamed}


def test_a_directory_of_artifacts_that_became_a_link_is_told(signed: Path, tmp_path: Path) -> None:
    (signed / "logs").rename(tmp_path / "logs")
    (signed / "logs").symlink_to(tmp_path / "logs")
    assert told(signed) == [("evidence_mismatch", "logs/empty.log", None)]


def lines_of(run_dir: Path) -> list[bytes]:
    return (run_dir / rundir.EVENTS).read_bytes().splitlines(keepends=True)


def test_lines_that_are_taken_out_put_in_or_cut_off_are_told(signed: Path) -> None:
    lines = lines_of(signed)
    path = signed / rundir.EVENTS
    assert len(lines) == 5
    path.write_bytes(b"".join(lines[:-2]))
    assert told(signed) == [("evidence_mismatch", rundir.EVENTS, 4)]
    assert "Lines 4 to 5 of those that were signed are gone." in words(signed)
    path.write_bytes(b"".join([lines[0], *lines[2:]]))
    assert told(signed) == [("evidence_mismatch", rundir.EVENTS, 2)]
    assert "Line 2 of those that were signed is gone." in words(signed)
    path.write_bytes(b"".join([*lines[:2], b"{}\n", *lines[2:]]))
    assert told(signed) == [("evidence_mismatch", rundir.EVENTS, 3)]
    assert "Line 3 was put in after signing." in words(signed)
    path.write_bytes(b"".join(lines)[:-3])
    assert told(signed) == [("evidence_mismatch", rundir.EVENTS, 5)]
    assert "Line 5 is cut off." in words(signed)
    path.write_bytes(b"".join([lines[1], lines[0], *lines[2:]]))
    assert "Lines 1 to 2 were changed after signing." in words(signed)


def test_a_journal_that_differs_everywhere_is_told_in_few_words(signed: Path) -> None:
    path = signed / rundir.EVENTS
    path.write_bytes(path.read_bytes().replace(b"}\n", b"} \n"))
    assert told(signed) == [("evidence_mismatch", rundir.EVENTS, 1)]


def test_without_the_digests_a_changed_journal_is_still_told(signed: Path) -> None:
    (signed / rundir.JOURNAL_DIGESTS).write_bytes(b"")
    path = signed / rundir.EVENTS
    path.write_bytes(path.read_bytes().replace(b"box", b"fox", 1))
    assert told(signed) == [
        ("evidence_mismatch", rundir.JOURNAL_DIGESTS, None),
        ("evidence_mismatch", rundir.EVENTS, None),
    ]


def test_a_run_that_went_on_is_told_with_what_it_recorded(signed: Path) -> None:
    writer = journal.JournalWriter(signed / rundir.EVENTS)
    add_file(writer, signed, "report.html", b"new")
    writer.close()
    assert told(signed) == [
        ("evidence_outgrown", rundir.EVENTS, 6),
        ("evidence_outgrown", "report.html", None),
    ]


def test_a_changed_artifact_that_an_appended_line_calls_its_own_is_still_a_mismatch(signed: Path) -> None:
    writer = journal.JournalWriter(signed / rundir.EVENTS)
    add_file(writer, signed, "logs/empty.log", b"no more")
    writer.close()
    assert told(signed) == [
        ("evidence_outgrown", rundir.EVENTS, 6),
        ("evidence_mismatch", "logs/empty.log", None),
    ]
    claim = "Line 6 of events.jsonl, which is not signed, claims that it was made anew."
    assert f"Its bytes are others. {claim}" in words(signed)
    (signed / "logs/empty.log").write_bytes(b"neither the old nor the new one")
    assert ("evidence_mismatch", "logs/empty.log", None) in told(signed)
    assert claim not in words(signed)


def test_what_was_done_to_a_run_that_went_on_is_told_too(signed: Path) -> None:
    writer = journal.JournalWriter(signed / rundir.EVENTS)
    writer.append("notified", {"event": "run.closed", "delivered": True})
    writer.close()
    path = signed / rundir.EVENTS
    path.write_bytes(path.read_bytes().replace(b"box", b"fox", 1))
    assert told(signed) == [
        ("evidence_mismatch", rundir.EVENTS, 1),
        ("evidence_outgrown", rundir.EVENTS, 6),
    ]


def test_a_statement_signed_by_another_is_told_with_the_key(signed: Path, key: Path, tmp_path: Path) -> None:
    trusted = allow(tmp_path / "allowed", key)
    assert told(signed, trusted) == []
    sign(signed, make_key(tmp_path / "stranger"))
    assert told(signed, trusted) == [("evidence_refused", rundir.STATEMENT_SIGNATURE, None)]
    assert told(signed) == []


@pytest.mark.parametrize(
    "options", ['valid-before="20200101"', 'valid-after="20990101"', 'namespaces="rackbench-bundle"']
)
def test_a_key_that_may_not_sign_runs_is_refused(
    signed: Path, key: Path, tmp_path: Path, options: str
) -> None:
    trusted = allow(tmp_path / "allowed", key, options)
    assert told(signed, trusted) == [("evidence_refused", rundir.STATEMENT_SIGNATURE, None)]


def forge(run_dir: Path, key: Path, content: bytes, namespace: str = "rackbench-run") -> None:
    """Sign other bytes as the statement, by hand."""
    path = run_dir / rundir.STATEMENT
    path.write_bytes(content)
    (run_dir / rundir.STATEMENT_SIGNATURE).unlink()
    sign_by_hand = ["ssh-keygen", "-q", "-Y", "sign", "-n", namespace, "-f", str(key), str(path)]
    subprocess.run(sign_by_hand, check=True, capture_output=True)


def test_a_signature_made_for_a_bundle_is_refused(signed: Path, key: Path) -> None:
    forge(signed, key, (signed / rundir.STATEMENT).read_bytes(), "rackbench-bundle")
    assert told(signed) == [("evidence_refused", rundir.STATEMENT_SIGNATURE, None)]


@pytest.mark.parametrize(
    "content",
    [b"", b"[]", b"\xff", b"{}", b"[" * 100_000, b'{"_type": "https://in-toto.io/Statement/v2"}'],
    ids=["empty", "a list", "no text", "nothing in it", "too deep", "another version"],
)
def test_a_signed_statement_that_is_none_of_ours_is_refused(signed: Path, key: Path, content: bytes) -> None:
    forge(signed, key, content)
    assert told(signed) == [("evidence_refused", rundir.STATEMENT, None)]


@pytest.mark.parametrize(
    "name", ["/etc/hostname", "../../../key", "logs/../logs/empty.log", "a\0b", ".", "x" * 5000]
)
def test_a_signed_statement_cannot_make_us_read_elsewhere(signed: Path, key: Path, name: str) -> None:
    statement = json.loads((signed / rundir.STATEMENT).read_bytes())
    statement["subject"].append({"name": name, "digest": {"sha256": "00" * 32}})
    forge(signed, key, json.dumps(statement).encode())
    (problem,) = verify(signed, None).problems
    assert problem.path == name
    assert "others" not in problem.message


def test_a_signed_statement_without_the_journal_is_refused(signed: Path, key: Path) -> None:
    statement = json.loads((signed / rundir.STATEMENT).read_bytes())
    statement["subject"] = [each for each in statement["subject"] if each["name"] != rundir.EVENTS]
    forge(signed, key, json.dumps(statement).encode())
    assert told(signed) == [("evidence_refused", rundir.STATEMENT, None)]


@pytest.mark.parametrize("digests", [b"no digits\n", b"\xff\n", b"", b"00" * 100])
def test_signed_digests_that_are_none_name_no_line(signed: Path, key: Path, digests: bytes) -> None:
    statement = json.loads((signed / rundir.STATEMENT).read_bytes())
    statement["predicate"]["journal"]["digests"]["sha256"] = hashlib.sha256(digests).hexdigest()
    forge(signed, key, json.dumps(statement).encode())
    (signed / rundir.JOURNAL_DIGESTS).write_bytes(digests)
    assert told(signed) == []
    path = signed / rundir.EVENTS
    path.write_bytes(path.read_bytes().replace(b"box", b"fox", 1))
    ((code, name, _line),) = told(signed)
    assert (code, name) == ("evidence_mismatch", rundir.EVENTS)


def test_the_statement_of_another_run_is_found_out(signed: Path, key: Path, tmp_path: Path) -> None:
    other = make_run(tmp_path / "other", host="fox")
    (other / "logs/empty.log").chmod(0o600)
    shutil.copytree(signed / rundir.EVIDENCE, other / rundir.EVIDENCE)
    assert ("evidence_mismatch", rundir.EVENTS, 1) in told(other)
