# SPDX-License-Identifier: Apache-2.0
"""Geekbench through the front door, with the stand-in in place of it: results, and what must stay private."""

from __future__ import annotations

import base64
import json
import re
import shutil
from typing import TYPE_CHECKING, Any

import pytest

from tests.integration.harness import ROOT
from tests.integration.outside import ELSEWHERE, outside
from tests.integration.processes import Watch
from tests.standins.geekbench.archive import (
    CLAIM_KEY,
    LICENCE,
    LICENCE_WORDS,
    make_archive,
    make_install,
)

if TYPE_CHECKING:
    from pathlib import Path

    from tests.integration.harness import Done, LabProject, Run

pytestmark = pytest.mark.full

RESULTS = "benchmarks/geekbench/geekbench.cpu.1"
CANARIES = [word.encode() for word in (CLAIM_KEY, *LICENCE_WORDS)]
# What a licence is on its way, and what of that no chance could make.
CANARIES += [base64.b64encode(LICENCE)[:40]]


def run(project: LabProject, settings: dict[str, Any], *more: str, benchmarks: str = "geekbench") -> Done:
    """Run benchmarks on this machine with settings of Geekbench, whose wrapper is in a repository outside."""
    for built in (project.root / "dist").glob("geekbench-*"):
        # The wrapper of this checkout is tested, and not one that was built before.
        built.unlink()
    repo = project.home / "site-geekbench"
    if not repo.exists():
        outside(project.home, ROOT / "benchmarks/geekbench")
    variables = {
        "lab_benchmarks": benchmarks.split(","),
        "lab_settings": {"geekbench": settings},
        "lab_benchmark_repos": {"geekbench": str(repo)},
    }
    return project.playbook("-e", json.dumps(variables), *more)


def result_of(run: Run) -> Any:
    """Return the result of the only execution."""
    return run.document(f"{RESULTS}/result.json")


def holders(folder: Path) -> list[str]:
    """Return the files below a folder that hold a canary."""
    return sorted(
        path.relative_to(folder).as_posix()
        for path in folder.rglob("*")
        if path.is_file() and not path.is_symlink() and any(word in path.read_bytes() for word in CANARIES)
    )


def test_a_licensed_run_has_scores_and_neither_licence_nor_claim_is_anywhere_else(
    project: LabProject, tmp_path: Path
) -> None:
    seen_it = tmp_path / "seen"
    archive = make_archive(tmp_path / "operator", mode="pro", ends_after=seen_it)
    licence = tmp_path / "operator/Geekbench 6.preferences"
    licence.write_bytes(LICENCE)

    def tell(line: bytes) -> None:
        # The stand-in waits for this file where it exports. Other tests have stand-ins too, elsewhere.
        if b"\0--export-json\0" in line and bytes(project.home) in line:
            seen_it.touch()

    with Watch(tell) as watch:
        done = run(project, {"archive": str(archive), "licence": str(licence)}, "-vvvv")
    assert done.rc == 0, done.said[-4000:]
    (made,) = project.runs()
    result = result_of(made)
    assert (result["status"], result["simulated"]) == ("passed", True)
    (recorded,) = made.records("result")
    assert [row["value"] for row in recorded["headline"]] == [2000, 8000]
    assert recorded["simulated"] is True
    assert made.records("packaging")[-1]["made"]["version"].startswith(ELSEWHERE)

    claim = made.path / RESULTS / "private/claim_url.txt"
    assert claim.read_text().startswith(f"{result['facts']['result_url']}/claim?key={CLAIM_KEY}\n")
    assert claim.stat().st_mode & 0o777 == 0o600
    assert holders(made.path) == [f"{RESULTS}/private/claim_url.txt"]
    # On the target nothing is left but the claim, for the same owner.
    at_target = f".rackbench/jobs/{made.status['run_id']}/geekbench.cpu.1/out/private/claim_url.txt"
    assert holders(project.home) == [at_target]
    assert (project.home / at_target).stat().st_mode & 0o777 == 0o600
    assert not (project.home / at_target).parents[2].joinpath("private").exists()
    assert not [word for word in CANARIES if word in done.said.encode()]
    assert not [line for line in watch.seen if any(word in line for word in CANARIES)]
    assert seen_it.exists(), "the watch did not see Geekbench itself"

    # Where it came from stands in the journal, and nothing of the archive is in what others get.
    told = made.records("packaging")[-1]["decision"]["attachments"][0]
    assert (told["path"], told["accepted"]) == (str(archive), True)
    assert result["facts"]["archive_sha256"] == told["sha256"]
    assert not [path for path in (project.root / "dist").iterdir() if told["sha256"][:16] in path.name]
    artifacts = {row["path"]: row for row in made.document("artifact_manifest.json")["artifacts"]}
    assert artifacts[f"{RESULTS}/private/claim_url.txt"]["publishable"] is False
    assert artifacts[f"{RESULTS}/geekbench.json"]["publishable"] is True
    for view in ("status", "recover"):
        shown = project.rackbench(view, "--run-dir", made.path)
        assert not [word for word in CANARIES if word in shown.said.encode()]


def test_an_upload_that_fails_keeps_its_partial_result_and_a_resumed_run_brings_the_archive_back(
    project: LabProject, tmp_path: Path
) -> None:
    archive = make_archive(tmp_path / "operator", 7, "upload-failure")
    done = run(project, {"archive": str(archive)})
    assert done.rc == 2
    made = project.run()
    failures = {
        record["step"]: record["failure"] for record in made.records("step.ended") if record.get("failure")
    }
    assert failures["geekbench.execute"]["code"] == "upload_refused"
    assert "403" in failures["geekbench.execute"]["message"]
    assert result_of(made)["status"] == "partial"
    assert made.records("result")[0]["status"] == "partial"

    # The wrapper was built in this run, and is still on the host; the archive was removed there meanwhile.
    packaging = made.records("packaging")[-1]
    bundles, sha256 = project.home / ".rackbench/bundles", packaging["decision"]["attachments"][0]["sha256"]
    assert (bundles / packaging["made"]["sha256"]).is_dir()
    shutil.rmtree(bundles / sha256)
    again = project.rackbench("resume", "--run-dir", made.path, "--yes")
    assert again.rc == 1, again.said
    assert (bundles / sha256).is_dir()
    uploads = [row for row in made.records("transfer") if row["sha256"] == sha256 and not row["reused"]]
    assert len(uploads) == 2
    # Geekbench ran a second time, and its server refused again.
    ended = [row["failure"]["code"] for row in made.records("execution.ended")]
    assert ended == ["upload_refused"] * 2


def test_without_an_archive_or_with_another_one_it_is_blocked_and_the_others_go_on(
    project: LabProject, tmp_path: Path
) -> None:
    done = run(project, {}, benchmarks="geekbench,system-info")
    assert done.rc == 2
    other = make_archive(tmp_path / "operator").with_name("Geekbench-6.5.0-Linux.tar.gz")
    other.write_bytes(b"not Geekbench")
    again = run(project, {"archive": str(other)}, benchmarks="geekbench,system-info")
    assert again.rc == 2
    codes = []
    for made in project.runs():
        (readiness,) = [each for each in made.records("readiness") if each["adapter"] == "geekbench"]
        assert readiness["status"] == "packaging_blocked"
        codes.append(readiness["failure_code"])
        assert made.states["system-info.collect"] == "completed"
        assert not [each for each in made.records("transfer") if "geekbench" in each["source"]]
    assert codes == ["setting_missing", "attachment_unfit"]
    assert re.search(r"lab_settings\.geekbench\.archive", done.said)


def test_under_an_embargo_nothing_is_begun_that_would_be_uploaded(
    project: LabProject, tmp_path: Path
) -> None:
    archive = make_archive(tmp_path / "operator", mode="tryout")
    embargoes = json.dumps({"lab_embargoes": [{"host": "local", "until": "2999-01-01"}]})
    done = run(project, {"archive": str(archive)}, "-e", embargoes)
    assert done.rc == 2
    (made,) = project.runs()
    assert made.states["geekbench.execute"] == "failed"
    assert not made.records("execution.began")
    assert made.status["alerts"]["primary"]["code"] == "embargoed"


def test_an_install_that_hangs_is_ended_at_its_limit_and_kept_as_partial(
    project: LabProject, tmp_path: Path
) -> None:
    install = make_install(tmp_path / "opt", mode="hang")
    adapter = project.root / "roles/geekbench/adapter.yml"
    text = adapter.read_text()
    adapter.write_text(text.replace("time_limit_s: 7200", "time_limit_s: 5"))
    done = run(project, {"install": str(install)})
    assert done.rc == 2
    made = project.run()
    (ended,) = made.records("execution.ended")
    assert (ended["outcome"], ended["failure"]["code"]) == ("timeout", "execution_timed_out")
    assert result_of(made)["status"] == "partial"
    assert not (project.home / ".rackbench/jobs" / made.status["run_id"] / "geekbench.cpu.1/private").exists()


def test_a_run_that_names_no_benchmarks_leaves_it_out(project: LabProject) -> None:
    done = project.playbook("--check", "-e", "lab_phases=preflight")
    assert done.rc == 0, done.said[-3000:]
    (made,) = sorted(project.root.glob("automation-runs/dry-runs/local/*"))
    assert '"adapter": "geekbench"' not in (made / "events.jsonl").read_text()
