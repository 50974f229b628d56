# SPDX-License-Identifier: Apache-2.0
"""The page that a run leaves, and `rackbench report`: what is written, where, and that it is the same each time."""

from __future__ import annotations

import hashlib
from typing import TYPE_CHECKING

import pytest

from tests.integration import made_up, recorded
from tests.integration.harness import LabProject, Run, make_project

if TYPE_CHECKING:
    from pathlib import Path

# A benchmark that puts a directory where the page of its run is to be written.
SPOILING = made_up.PROGRAM.replace(
    "\n\ndef progress",
    """
if "spoil" in job["parameters"]:
    for run_dir in pathlib.Path(job["parameters"]["spoil"]).glob("automation-runs/[0-9]*/local/*"):
        (run_dir / "report.html").mkdir()


def progress""",
    1,
)


@pytest.fixture(scope="module")
def project(tmp_path_factory: pytest.TempPathFactory) -> LabProject:
    """A checkout with one run: latency went well, one family of a made-up benchmark crashed."""
    project = make_project(tmp_path_factory.mktemp("report"))
    made_up.add(project, families=[made_up.family("good"), made_up.family("bad", act="crash")])
    done = project.playbook("-e", "lab_benchmarks=latency,made-up", "-e", "lab_families=smoke,good,bad")
    assert done.rc == 2, done.said
    return project


@pytest.fixture
def run(project: LabProject) -> Run:
    """The run of the checkout."""
    return project.run()


def test_a_run_leaves_a_page_that_is_registered_with_its_digest(run: Run) -> None:
    content = (run.path / "report.html").read_bytes()
    (entry,) = [
        each for each in run.document("artifact_manifest.json")["artifacts"] if each["kind"] == "report"
    ]
    digest = hashlib.sha256(content).hexdigest()
    assert (entry["path"], entry["bytes"], entry["sha256"]) == ("report.html", len(content), digest)
    assert entry["step"] == "host.finalize"


@pytest.mark.full
def test_a_page_that_cannot_be_written_is_a_warning_and_the_run_is_good(tmp_path: Path) -> None:
    project = make_project(tmp_path)
    made_up.add(project, [made_up.family(spoil=str(project.root))], program=SPOILING)
    done = project.playbook("-e", "lab_benchmarks=made-up")
    assert done.rc == 0, done.said
    said = " ".join(done.said.split())
    assert "The report of this run could not be written, and all else was: IsADirectoryError" in said
    run = project.run()
    assert run.status["state"] == "completed"
    kinds = [each["kind"] for each in run.document("artifact_manifest.json")["artifacts"]]
    assert "export" in kinds
    assert "report" not in kinds
    again = project.rackbench("report", "--run-dir", run.path, "--output", tmp_path / "page.html")
    assert again.rc == 0, again.said
    assert ">Turn rate</h3>" in (tmp_path / "page.html").read_text()


@pytest.mark.full
def test_a_page_and_exports_are_publishable_unless_a_benchmark_of_the_run_was_to_redact(
    run: Run, tmp_path: Path
) -> None:
    project = make_project(tmp_path)
    made_up.add(project, [made_up.family(redact="shared")])
    done = project.playbook("-e", "lab_benchmarks=made-up")
    assert done.rc == 0, done.said
    publishable = [
        each["publishable"]
        for one in (run, project.run())
        for each in one.document("artifact_manifest.json")["artifacts"]
        if each["kind"] in {"report", "export"}
    ]
    assert publishable == [True] * (len(publishable) // 2) + [False] * (len(publishable) // 2)


def test_the_page_of_a_run_with_a_failed_step_says_so_before_anything_is_measured(run: Run) -> None:
    page = (run.path / "report.html").read_text()
    assert '<p class="outcome is-failed"><strong>Failed</strong>' in page
    assert (
        page.index("<strong>Failed</strong>")
        < page.index("execution_failed")
        < page.index("Headline numbers</h2>")
    )
    assert "made-up.bad.1" in page


def test_a_page_has_the_drawings_of_latency_and_the_samples_of_a_benchmark_that_it_does_not_know(
    run: Run,
) -> None:
    page = (run.path / "report.html").read_text()
    for title in ("Core to core latency between CPUs, smoke", "Memory latency by size, smoke", "Turn rate"):
        assert f">{title}</h3>" in page


def test_the_command_writes_the_bytes_that_the_run_itself_wrote(project: LabProject, run: Run) -> None:
    done = project.rackbench("report", "--run-dir", run.path, "--output", "again.html")
    assert (done.rc, done.stdout) == (0, "again.html\n"), done.said
    assert (project.root / "again.html").read_bytes() == (run.path / "report.html").read_bytes()


def test_without_an_output_the_page_goes_to_the_current_directory_under_the_name_of_the_run(
    project: LabProject, run: Run
) -> None:
    done = project.rackbench("report", "--run-dir", run.path)
    assert done.last_line == f"report-{run.path.name}-local.html"
    assert (project.root / done.last_line).read_bytes() == (run.path / "report.html").read_bytes()


def test_the_page_that_the_run_wrote_is_not_replaced(project: LabProject, run: Run) -> None:
    before = (run.path / "report.html").read_bytes()
    done = project.rackbench("report", "--run-dir", run.path, "--output", run.path / "report.html")
    assert done.rc == 2
    assert "wrong_usage" in done.stderr
    assert (run.path / "report.html").read_bytes() == before


def test_an_output_in_a_directory_that_is_not_there_is_wrong_usage(project: LabProject, run: Run) -> None:
    done = project.rackbench("report", "--run-dir", run.path, "--output", "no/such/place.html")
    assert done.rc == 2
    assert "no/such/place.html" in done.stderr
    assert "Traceback" not in done.stderr


def test_a_directory_that_holds_no_run_is_refused(project: LabProject, tmp_path: Path) -> None:
    done = project.rackbench("report", "--run-dir", tmp_path, "--output", tmp_path / "page.html")
    assert done.rc == 2
    assert "not_a_run_directory" in done.stderr
    assert not (tmp_path / "page.html").exists()


def test_a_run_whose_journal_is_empty_has_no_page(project: LabProject, tmp_path: Path) -> None:
    run_dir = tmp_path / "box" / recorded.STAMP
    run_dir.mkdir(parents=True)
    (run_dir / "events.jsonl").write_text("")
    done = project.rackbench("report", "--run-dir", run_dir, "--output", tmp_path / "page.html")
    assert done.rc == 4
    assert "ledger_unreadable" in done.stderr


def test_a_run_beside_others_has_ratios_and_what_differs(project: LabProject, tmp_path: Path) -> None:
    def rate(value: float) -> dict[str, object]:
        samples = [value * (1 + step / 100) for step in range(6)]
        return recorded.result("wheel", [recorded.metric("rate", samples, "turns/s", "higher")])

    dirs = [
        recorded.run(tmp_path, {"wheel.only.1": rate(value)}, host=host)
        for host, value in (("one", 40.0), ("two", 80.0), ("three", 20.0))
    ]
    done = project.rackbench(
        "report", "--run-dir", dirs[0], "--compare", *dirs[1:], "--output", tmp_path / "c.html"
    )
    assert done.rc == 0, done.said
    page = (tmp_path / "c.html").read_text()
    section = page[page.index('id="comparison"') : page.index('id="of-1"')]
    for words in (
        "Ratios to one",
        "What else differs between one and two",
        ">2.000<",
        ">0.500<",
        ">better<",
        ">worse<",
    ):
        assert words in section


def test_a_simulated_benchmark_is_not_compared_with_a_real_one(project: LabProject, tmp_path: Path) -> None:
    dirs = [
        recorded.run(
            tmp_path, {"geekbench.default.1": recorded.geekbench_result(simulated=simulated)}, host=host
        )
        for host, simulated in (("real", False), ("unreal", True))
    ]
    done = project.rackbench(
        "report", "--run-dir", dirs[0], "--compare", dirs[1], "--output", tmp_path / "c.html"
    )
    assert done.rc != 0
    assert "simulated_and_real" in done.stderr
    assert not (tmp_path / "c.html").exists()
