# SPDX-License-Identifier: Apache-2.0
"""What leaves the house of a run: which files, in which bytes, and what is refused before anything is staged."""

from __future__ import annotations

import json
import os
import tempfile
from datetime import timedelta
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from rackbench.clock import utc_now
from rackbench.errors import RackbenchError
from rackbench.models.publish_payload import PayloadManifest, Provenance
from rackbench.publish import embargo, payload

from tests.standins.geekbench.archive import CLAIM_KEY
from tests.unit.publish.made_payloads import LATENCY, START, TABLE, Made

if TYPE_CHECKING:
    from rackbench.ledger.state import RunState

NOW = START + timedelta(days=1)
CSV = f"latency/{LATENCY}/core_to_core.csv"


def stage(run_dir: Path, state: RunState, adapter: str = "latency", **options: Any) -> payload.Payload:
    """Stage what a run has of an adapter."""
    return payload.stage(run_dir, state, adapter, "results", **{"embargoes": (), "now": NOW, **options})


def refused(run_dir: Path, state: RunState, adapter: str = "latency", **options: Any) -> RackbenchError:
    """Return the failure of staging, after which nothing is staged."""
    with pytest.raises(RackbenchError) as caught:
        stage(run_dir, state, adapter, **options)
    staging = run_dir / "publish-staging"
    assert [path for path in staging.rglob("*") if not path.is_dir()] == []
    assert not (staging / "results" / adapter).exists()
    return caught.value


def held(staged: payload.Payload) -> dict[str, bytes]:
    """Return every file of a payload by its path."""
    return {
        path.relative_to(staged.directory).as_posix(): path.read_bytes()
        for path in staged.directory.rglob("*")
        if path.is_file()
    }


def test_a_payload_has_the_publishable_files_of_its_adapter_and_their_provenance(tmp_path: Path) -> None:
    files = {
        CSV: TABLE,
        f"latency/{LATENCY}/sub/raw.bin": b"\0\xff\x01",
        f"latency/{LATENCY}/log.txt": b"kept here",
        "geekbench/geekbench.cpu.1/geekbench.json": b"{}",
    }
    staged = stage(*Made(files, kept_back=(f"latency/{LATENCY}/log.txt",)).write(tmp_path))
    contents = held(staged)
    provenance = json.loads(contents.pop("provenance.json"))
    assert contents == {f"{LATENCY}/core_to_core.csv": TABLE, f"{LATENCY}/sub/raw.bin": b"\0\xff\x01"}
    Provenance.model_validate(provenance)
    PayloadManifest.model_validate_json(staged.manifest.read_bytes())
    assert [file["path"] for file in provenance["files"]] == sorted(contents)
    assert [file.path for file in staged.files] == [*sorted(contents), "provenance.json"]
    (execution,) = provenance["executions"]
    assert (execution["verdict"], execution["status"], execution["unknown"]) == (
        "valid",
        "passed",
        ["sessions"],
    )
    assert execution["headline"] == [{"label": "core to core", "value": 24.5, "unit": "ns"}]
    assert provenance["bundle"]["name"] == "latency"
    assert provenance["platform"]["cpu_model"] == "Made-up processor"
    assert payload.read(staged.directory.parents[3], "results", "latency") == staged


def test_the_provenance_tells_nothing_of_the_controller_and_nothing_that_names_the_machine(
    tmp_path: Path,
) -> None:
    run_dir, state = Made().write(tmp_path)
    text = held(stage(run_dir, state))["provenance.json"].decode()
    for word in ("controller-one", str(tmp_path), "/srv", "bencher", "internal", "machine_id", "boot_id"):
        assert word not in text


def test_files_have_the_same_mode_whatever_the_umask(tmp_path: Path) -> None:
    run_dir, state = Made().write(tmp_path)
    before = os.umask(0o077)
    try:
        staged = stage(run_dir, state)
    finally:
        os.umask(before)
    assert {path.stat().st_mode & 0o777 for path in staged.directory.rglob("*") if path.is_file()} == {0o644}
    assert {path.stat().st_mode & 0o777 for path in staged.directory.rglob("*") if path.is_dir()} == {0o755}
    assert staged.directory.stat().st_mode & 0o777 == 0o755


NAMES = st.lists(
    st.sampled_from(["a.csv", "b.json", "sub/c.txt", "d e.txt", "ü.md"]), unique=True, min_size=1
)
CONTENTS = st.one_of(st.binary(max_size=40), st.sampled_from([TABLE, b"at 10.1.2.3\n", b'{"n": 1.50}']))


@pytest.mark.slow
@settings(max_examples=40)
@given(
    names=NAMES,
    contents=st.lists(CONTENTS, min_size=5, max_size=5),
    days=st.integers(0, 4000),
    resumed=st.booleans(),
)
def test_the_same_artifacts_give_the_same_bytes_at_other_times_by_other_controllers_and_after_a_resume(
    names: list[str], contents: list[bytes], days: int, resumed: bool
) -> None:
    files = {f"latency/{LATENCY}/{name}": content for name, content in zip(names, contents, strict=False)}
    other = Made(
        files,
        at=START + timedelta(days=days),
        controller="elsewhere",
        resumed=resumed,
        extra=({"kind": "publish", "adapter": "latency", "state": "pushed_local", "target": "x"},),
    )
    with tempfile.TemporaryDirectory() as one, tempfile.TemporaryDirectory() as two:
        first = stage(*Made(files).write(Path(one)))
        second = stage(*other.write(Path(two)), now=utc_now())
        assert held(first) == held(second)
        assert (first.files, first.sha256) == (second.files, second.sha256)
        assert first.manifest.read_bytes() == second.manifest.read_bytes()


def test_another_byte_of_an_artifact_is_another_payload(tmp_path: Path) -> None:
    first = stage(*Made().write(tmp_path / "one"))
    second = stage(*Made({CSV: TABLE + b"\n"}).write(tmp_path / "two"))
    assert first.sha256 != second.sha256


def test_what_is_redacted_is_counted_and_its_digest_is_that_of_the_redacted_file(tmp_path: Path) -> None:
    staged = stage(*Made({CSV: b"eth0 00:1b:21:aa:bb:cc 10.0.0.7\n"}).write(tmp_path))
    assert held(staged)[f"{LATENCY}/core_to_core.csv"] == b"eth0 [redacted-mac] [redacted-ip]\n"
    assert [file.redactions for file in staged.files] == [2, 0]
    assert payload.read(tmp_path / "thor/20261121T080000Z", "results", "latency").sha256 == staged.sha256


def test_staging_again_replaces_what_was_staged_and_what_a_killed_one_left(tmp_path: Path) -> None:
    run_dir, state = Made().write(tmp_path)
    first = stage(run_dir, state)
    (first.directory / "left").write_text("of somebody")
    (first.directory.parents[1] / ".latency.killed.tmp/payload").mkdir(parents=True)
    second = stage(run_dir, state)
    assert first == second
    assert [path.name for path in second.directory.parents[1].iterdir()] == ["latency"]
    assert payload.read(run_dir, "results", "latency") == second


@pytest.mark.parametrize("of", ["warmup", "superseded", "not_needed", "without_result"])
def test_files_of_executions_that_do_not_count_stay_here(tmp_path: Path, of: str) -> None:
    second = "latency.full.2"
    files = {CSV: TABLE, f"latency/{second}/core_to_core.csv": b"other"}
    run_dir, state = Made(
        files,
        warmups=(second,) if of == "warmup" else (),
        without_result=(second,) if of == "without_result" else (),
    ).write(tmp_path)
    state.executions[second].superseded = of == "superseded"
    state.executions[second].not_needed = of == "not_needed"
    contents = held(stage(run_dir, state))
    assert set(contents) == {f"{LATENCY}/core_to_core.csv", "provenance.json"}
    told = [each["execution"] for each in json.loads(contents["provenance.json"])["executions"]]
    # One that left no result is told of: it was measured, and nothing came of it.
    assert told == ([LATENCY, second] if of == "without_result" else [LATENCY])


def test_a_run_without_publishable_files_has_no_payload(tmp_path: Path) -> None:
    assert refused(*Made(kept_back=(CSV,)).write(tmp_path)).code == "publish_payload_empty"


def spoil(run_dir: Path, how: str) -> None:
    """Change the collected file of a run."""
    path = run_dir / "benchmarks" / CSV
    content = path.read_bytes()
    if how == "another byte":
        path.write_bytes(content.replace(b"24.5", b"24.4"))
        return
    if how == "a link on the way":
        path.parent.rename(run_dir / "moved")
        path.parent.symlink_to(run_dir / "moved")
        return
    path.unlink()
    if how == "a link":
        (run_dir / "elsewhere").write_bytes(content)
        path.symlink_to(run_dir / "elsewhere")
    elif how == "a pipe":
        os.mkfifo(path)
    elif how == "a directory":
        path.mkdir()


@pytest.mark.parametrize(
    "how", ["another byte", "gone", "a link", "a link on the way", "a pipe", "a directory"]
)
def test_a_file_that_is_not_what_was_collected_is_named(tmp_path: Path, how: str) -> None:
    run_dir, state = Made().write(tmp_path)
    spoil(run_dir, how)
    failure = refused(run_dir, state)
    assert failure.code == "publish_payload_changed"
    assert "core_to_core.csv" in failure.message


def test_a_registered_path_that_leads_out_of_the_run_is_refused(tmp_path: Path) -> None:
    run_dir, state = Made().write(tmp_path)
    (tmp_path / "secret.csv").write_bytes(TABLE)
    outside = f"benchmarks/latency/{LATENCY}/../../../../../secret.csv"
    state.artifacts[outside] = dict(state.artifacts[f"benchmarks/{CSV}"])
    assert refused(run_dir, state).code == "publish_payload_changed"


def test_a_result_that_was_changed_is_not_told_of(tmp_path: Path) -> None:
    run_dir, state = Made().write(tmp_path)
    result = run_dir / f"benchmarks/latency/{LATENCY}/result.json"
    result.write_text(result.read_text().replace("2026", "2025"))
    assert "result.json" in refused(run_dir, state).message


def test_a_geekbench_document_with_a_claim_link_is_refused_by_file_and_line_and_the_link_is_not_quoted(
    tmp_path: Path,
) -> None:
    link = f"https://browser.geekbench.com/v6/cpu/900000000000001/claim?key={CLAIM_KEY}"
    document = json.dumps({"score": 2000, "links": {"mine": link}}, indent=2).encode()
    run_dir, state = Made({"geekbench/geekbench.cpu.1/geekbench.json": document}).write(tmp_path)
    failure = refused(run_dir, state, "geekbench")
    assert failure.code == "publish_payload_refused"
    assert "geekbench.cpu.1/geekbench.json, line 4: a link that claims a Geekbench result" in failure.message
    assert failure.where == "benchmarks/geekbench/geekbench.cpu.1/geekbench.json"
    for text in (failure.message, failure.detail, failure.where):
        assert CLAIM_KEY not in str(text)
        assert "900000000000001" not in str(text)


def test_a_refusal_takes_away_what_had_been_staged_before(tmp_path: Path) -> None:
    run_dir, state = Made().write(tmp_path)
    stage(run_dir, state)
    found = embargo.read([{"host": "thor", "until": "2027-01-10"}])
    assert refused(run_dir, state, embargoes=found).code == "embargoed"


def test_of_many_findings_twenty_are_told(tmp_path: Path) -> None:
    key = "-----BEGIN " + "PRIVATE KEY-----\n"
    failure = refused(*Made({CSV: key.encode() * 25}).write(tmp_path))
    assert failure.message.count("a private key") == 20
    assert "and 5 more" in failure.message


def test_a_secret_in_what_is_told_of_the_run_is_found_too(tmp_path: Path) -> None:
    options = {"tags": ["gh" + "p_" + "a1" * 18]}
    failure = refused(*Made(changes={"options": options}).write(tmp_path))
    assert "provenance.json" in failure.message


@pytest.mark.parametrize("name", [".git/config", "sub/.GIT/hooks", ".gitattributes", "a\nb", "a\\b"])
def test_a_name_that_git_or_another_system_takes_for_something_else_is_refused(
    tmp_path: Path, name: str
) -> None:
    failure = refused(*Made({f"latency/{LATENCY}/{name}": TABLE}).write(tmp_path))
    assert failure.code == "publish_payload_refused"
    assert "its name" in failure.message


EMBARGO = [{"host": "thor", "until": "2027-01-10"}]
PROCESSOR = [{"host": "another", "cpu": "MADE-UP  proc", "until": "2027-01-10"}]
LABEL = [{"label": "Spring-Article", "until": "2027-01-10", "reason": "not written yet"}]


@pytest.mark.parametrize("entries", [EMBARGO, PROCESSOR, LABEL])
def test_a_run_under_embargo_is_staged_when_it_is_over_and_not_before(
    tmp_path: Path, entries: list[dict[str, str]]
) -> None:
    run_dir, state = Made(changes={"options": {"label": "spring-article"}}).write(tmp_path)
    found = embargo.read(entries)
    until = found[0].until
    failure = refused(run_dir, state, embargoes=found, now=until - timedelta(seconds=1))
    assert failure.code == "embargoed"
    assert "2027-01-10" in failure.message
    stage(run_dir, state, embargoes=found, now=until)


def test_what_is_under_embargo_is_in_no_byte_of_other_runs(tmp_path: Path) -> None:
    found = embargo.read([{"host": "turind8", "cpu": "EPYC 9xx5", "until": "2027-01-10", "reason": "NDA"}])
    files = {
        f"latency/{LATENCY}/compared.md": b"Faster than Turind8.\nmodel EPYC_9xx5\n",
        f"latency/{LATENCY}/turind8.csv": TABLE,
        f"latency/{LATENCY}/fine.md": b"turind80 and epyc\n",
    }
    failure = refused(*Made(files).write(tmp_path), embargoes=found)
    assert failure.code == "publish_payload_refused"
    places = [line.partition(": ")[0] for line in str(failure.detail).splitlines()]
    assert places == [
        f"{LATENCY}/compared.md, line 1",
        f"{LATENCY}/compared.md, line 2",
        f"{LATENCY}/turind8.csv, its name",
        "provenance.json, line " + places[-1].rpartition(" ")[2],
    ]


@pytest.mark.parametrize(
    "how", ["another byte", "gone", "one more", "a link", "manifest", "no manifest", "pipe", "digest"]
)
def test_what_is_staged_and_changed_is_told(tmp_path: Path, how: str) -> None:
    run_dir, state = Made().write(tmp_path)
    staged = stage(run_dir, state)
    path = staged.directory / LATENCY / "core_to_core.csv"
    if how == "another byte":
        path.write_bytes(b"other")
    elif how == "gone":
        path.unlink()
    elif how == "one more":
        path.with_name("more").write_bytes(b"")
    elif how == "a link":
        path.rename(tmp_path / "moved")
        path.symlink_to(tmp_path / "moved")
    elif how == "manifest":
        staged.manifest.write_text("{")
    elif how == "no manifest":
        staged.manifest.unlink()
    elif how == "pipe":
        staged.manifest.unlink()
        os.mkfifo(staged.manifest)
    else:
        staged.manifest.write_text(staged.manifest.read_text().replace(staged.sha256, "0" * 64))
    with pytest.raises(RackbenchError) as caught:
        payload.read(run_dir, "results", "latency")
    assert caught.value.code == "publish_payload_changed"
