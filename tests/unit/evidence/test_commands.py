# SPDX-License-Identifier: Apache-2.0
"""`rackbench sign` and `rackbench verify`, as they are called: what they say, and their exit status."""

from __future__ import annotations

import json
import os
import shutil
import subprocess
import sys
from typing import TYPE_CHECKING

import pytest
from rackbench.ledger import journal, rundir
from rackbench.ledger.identity import controller
from rackbench.ledger.recovery import restore

from .signed_runs import FILES, add_file, allow, make_key, make_run, rackbench

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path

pytestmark = pytest.mark.slow

NAMES = [rundir.JOURNAL_DIGESTS, rundir.STATEMENT, rundir.STATEMENT_SIGNATURE]


def fingerprint(key: Path) -> str:
    shown = subprocess.run(["ssh-keygen", "-lf", str(key)], check=True, capture_output=True, text=True)
    return shown.stdout.split()[1]


def evidence_of(run_dir: Path) -> list[str]:
    return sorted(path.relative_to(run_dir).as_posix() for path in (run_dir / rundir.EVIDENCE).glob("*"))


def test_a_run_whose_evidence_is_a_link_is_not_signed(tmp_path: Path, key: Path) -> None:
    run_dir, outside = make_run(tmp_path), tmp_path / "outside"
    outside.mkdir()
    (run_dir / rundir.EVIDENCE).symlink_to(outside)
    done = rackbench("sign", "--run-dir", run_dir, "--key", key)
    assert "code   ledger_damaged" in done.stderr
    assert list(outside.iterdir()) == []


@pytest.mark.parametrize("check", [False, True], ids=["a run", "a dry run"])
def test_a_run_is_signed_and_good_in_a_copy_that_cannot_be_written(
    tmp_path: Path, key: Path, check: bool
) -> None:
    run_dir = make_run(tmp_path, check=check)
    done = rackbench("sign", "--run-dir", run_dir, "--key", key, "--json")
    assert done.returncode == 0, done.stderr
    signed = json.loads(done.stdout)
    assert (signed["run_id"], signed["artifacts"], signed["lines"]) == ("20261121T080000Z-box", 3, 5)
    assert signed["key"] == fingerprint(key)
    assert evidence_of(run_dir) == NAMES
    copy = tmp_path / "elsewhere" / "any name"
    shutil.copytree(run_dir, copy)
    shutil.rmtree(run_dir)
    for path in (*copy.rglob("*"), copy):
        path.chmod(0o555 if path.is_dir() else 0o444)
    before = sorted((str(path), path.stat().st_mtime_ns) for path in copy.rglob("*"))
    done = rackbench("verify", copy, "--allowed-signers", allow(tmp_path / "allowed", key), "--json")
    for path in (copy, *(each for each in copy.rglob("*") if each.is_dir())):
        path.chmod(0o755)
    assert done.returncode == 0, done.stdout + done.stderr
    answer = json.loads(done.stdout)
    assert (answer["ok"], answer["signer"], answer["key"]) == (True, "lab@example.org", fingerprint(key))
    assert (answer["artifacts"], answer["lines"], answer["problems"]) == (3, 5, [])
    assert sorted((str(path), path.stat().st_mtime_ns) for path in copy.rglob("*")) == before


def test_the_statement_is_one_of_in_toto_with_all_artifacts_and_the_journal(signed: Path) -> None:
    statement = json.loads((signed / rundir.STATEMENT).read_bytes())
    assert statement["_type"] == "https://in-toto.io/Statement/v1"
    assert sorted(each["name"] for each in statement["subject"]) == sorted([*FILES, rundir.EVENTS])
    told = subprocess.run(
        ["sha256sum", rundir.EVENTS], cwd=signed, check=True, capture_output=True, text=True
    )
    digests = {each["name"]: each["digest"]["sha256"] for each in statement["subject"]}
    assert digests[rundir.EVENTS] == told.stdout.split()[0]


def test_verifying_needs_no_ansible(signed: Path) -> None:
    program = (
        "import sys\nfrom rackbench.cli.main import main\n"
        f"status = main(['verify', {str(signed)!r}])\n"
        "sys.exit(status or any(name.partition('.')[0] in ('ansible', 'ansible_runner') for name in sys.modules))\n"
    )
    assert subprocess.run([sys.executable, "-c", program], check=False).returncode == 0


def test_without_allowed_signers_the_key_is_named_and_that_nobody_vouches_for_it(
    signed: Path, key: Path
) -> None:
    done = rackbench("verify", signed)
    assert done.returncode == 0, done.stderr
    assert "as it was signed" in done.stdout
    assert f"Nobody vouches for the key {fingerprint(key)}" in done.stderr


def test_what_was_changed_is_named_with_what_to_do(signed: Path) -> None:
    red = next(name for name in FILES if "\x1b" in name)
    (signed / red).write_bytes(b"other")
    path = signed / rundir.EVENTS
    path.write_bytes(path.read_bytes().replace(b"run.closed", b"run.clothe"))
    done = rackbench("verify", signed)
    assert done.returncode == 1
    assert "events.jsonl: Line 5 was changed after signing. [evidence_mismatch]" in done.stdout
    assert f"{red.replace(chr(27), '?')}: Its bytes are others. [evidence_mismatch]" in done.stdout
    assert "\x1b" not in done.stdout
    assert "next: Find out who changed it" in done.stdout


@pytest.mark.full
def test_a_run_that_went_on_is_to_be_signed_again_and_then_good(signed: Path, key: Path) -> None:
    writer = journal.JournalWriter(signed / rundir.EVENTS)
    add_file(writer, signed, "report.html", b"new")
    writer.close()
    done = rackbench("verify", signed)
    assert done.returncode == 1
    assert "Line 6 is not signed. [evidence_outgrown]".lower() in done.stdout.lower()
    assert "report.html: It was recorded after signing, by line 6 of events.jsonl." in done.stdout
    assert "next: Sign it again with `rackbench sign`." in done.stdout
    assert rackbench("sign", "--run-dir", signed, "--key", key).returncode == 0
    assert rackbench("verify", signed).returncode == 0


def test_tampering_that_an_appended_line_covers_is_no_reason_to_sign_again(signed: Path) -> None:
    writer = journal.JournalWriter(signed / rundir.EVENTS)
    add_file(writer, signed, "benchmarks/demo/demo.smoke.1/result.json", b'{"better": "numbers"}')
    writer.close()
    done = rackbench("verify", signed)
    assert done.returncode == 1
    assert "[evidence_mismatch]" in done.stdout
    assert "[evidence_outgrown]" in done.stdout
    assert "next: Find out who changed it" in done.stdout
    assert "sign" not in done.stdout.partition("next: ")[2].lower()


def test_a_run_that_is_not_signed_is_told(tmp_path: Path) -> None:
    done = rackbench("verify", make_run(tmp_path))
    assert done.returncode == 1
    assert "evidence/statement.json: It is missing. [evidence_missing]" in done.stdout


@pytest.mark.full
def test_a_directory_that_holds_no_run_or_is_missing_is_wrong_input(tmp_path: Path, key: Path) -> None:
    (tmp_path / "empty").mkdir()
    for name, code in (("empty", "not_a_run_directory"), ("none", "input_missing")):
        done = rackbench("verify", tmp_path / name, "--json")
        assert (done.returncode, json.loads(done.stdout)["error"]["code"]) == (2, code)
    done = rackbench("sign", "--run-dir", tmp_path / "empty", "--key", key, "--json")
    assert (done.returncode, json.loads(done.stdout)["error"]["code"]) == (2, "not_a_run_directory")
    done = rackbench("verify", tmp_path / "empty", "--allowed-signers", tmp_path / "none")
    assert done.returncode == 2


def refused(run_dir: Path, key: Path, code: str, said: str) -> None:
    """Assert that a run is not signed, and that nothing was written."""
    before = evidence_of(run_dir)
    done = rackbench("sign", "--run-dir", run_dir, "--key", key)
    assert done.returncode != 0
    assert f"code   {code}" in done.stderr
    assert said in done.stderr
    assert evidence_of(run_dir) == before == []


def test_a_run_that_goes_on_is_not_signed(tmp_path: Path, key: Path) -> None:
    run_dir = make_run(tmp_path, closed=False, controller=controller(pid=os.getpid()))
    refused(run_dir, key, "run_busy", f"process {os.getpid()}")


def test_a_run_whose_controller_is_gone_may_be_signed(tmp_path: Path, key: Path) -> None:
    run_dir = make_run(tmp_path, closed=False)
    assert rackbench("sign", "--run-dir", run_dir, "--key", key).returncode == 0
    assert rackbench("verify", run_dir).returncode == 0


@pytest.mark.parametrize("way", ["missing", "changed", "a link"])
def test_artifacts_that_are_not_as_recorded_are_not_signed(tmp_path: Path, key: Path, way: str) -> None:
    run_dir = make_run(tmp_path)
    path = run_dir / "logs/empty.log"
    if way == "changed":
        path.write_bytes(b"x")
    else:
        path.rename(tmp_path / "kept")
    if way == "a link":
        path.symlink_to(tmp_path / "kept")
    refused(run_dir, key, "run_not_signable", "logs/empty.log: it")


@pytest.mark.parametrize("name", ["../outside", "/etc/hostname", "logs"])
def test_an_artifact_out_of_the_directory_is_not_signed(tmp_path: Path, key: Path, name: str) -> None:
    run_dir = make_run(tmp_path)
    writer = journal.JournalWriter(run_dir / rundir.EVENTS)
    writer.append("artifact", {"path": name, "bytes": 0, "sha256": "00" * 32, "artifact_kind": "file"})
    writer.close()
    refused(run_dir, key, "run_not_signable", f"{name}: it")


@pytest.mark.parametrize(
    ("change", "said"),
    [
        (lambda content: content[:-9], "is torn"),
        (lambda content: content[:-1], "is torn"),
        (lambda content: b"garbage\n" + content, "line 1 of"),
        (lambda content: content.partition(b"\n")[2], "does not tell whose run"),
        (lambda _content: b"", "does not tell whose run"),
    ],
    ids=["torn", "without its newline", "a line of garbage", "without its first line", "empty"],
)
def test_a_damaged_journal_is_not_signed(
    tmp_path: Path, key: Path, change: Callable[[bytes], bytes], said: str
) -> None:
    run_dir = make_run(tmp_path)
    path = run_dir / rundir.EVENTS
    path.write_bytes(change(path.read_bytes()))
    refused(run_dir, key, "run_not_signable", said)
    path.unlink()
    (run_dir / rundir.STATUS).write_text("{}")
    refused(run_dir, key, "run_not_signable", "its journal is missing")


def test_a_key_that_cannot_be_used_leaves_an_older_signature_as_it_is(signed: Path, tmp_path: Path) -> None:
    done = rackbench("sign", "--run-dir", signed, "--key", tmp_path / "none")
    assert done.returncode == 1
    assert "There is no key" in done.stderr
    assert rackbench("verify", signed).returncode == 0


def test_recovering_and_reporting_leave_the_evidence_alone(signed: Path, tmp_path: Path) -> None:
    before = {name: (signed / name).read_bytes() for name in NAMES}
    restore(signed)
    assert rackbench("report", "--run-dir", signed, "--output", tmp_path / "page.html").returncode == 0
    assert rackbench("status", "--run-dir", signed).returncode == 0
    assert {name: (signed / name).read_bytes() for name in NAMES} == before
    assert rackbench("verify", signed).returncode == 0


def test_another_signer_is_told_by_the_command(signed: Path, tmp_path: Path) -> None:
    other = allow(tmp_path / "allowed", make_key(tmp_path / "other"))
    done = rackbench("verify", signed, "--allowed-signers", other)
    assert done.returncode == 1
    assert f"missing in {other}" in done.stdout
    assert "Nobody vouches" not in done.stderr
