# SPDX-License-Identifier: GPL-3.0-or-later
"""Publishing, from a finished run to a pull request: through the run, the playbook and the command."""

from __future__ import annotations

import json
import shutil
import signal
import stat
import subprocess
import time
from datetime import UTC, datetime, timedelta
from typing import TYPE_CHECKING, Any

import pytest
from rackbench.errors import FAILURES

from tests.integration.harness import Done, LabProject, Run, make_project
from tests.integration.publishing import ADAPTER, KEY, Results, add_benchmark, branch_of, git, row
from tests.standins.github.server import GithubStandin

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

TOKEN = "a-token-of-nobody"


@pytest.fixture(scope="module")
def finished(tmp_path_factory: pytest.TempPathFactory) -> LabProject:
    """A checkout with one finished run that had no publish target."""
    made = make_project(tmp_path_factory.mktemp("publish"))
    add_benchmark(made)
    done = made.playbook("-e", f"lab_benchmarks={ADAPTER}")
    assert done.rc == 0, done.said
    assert row(made.run())["state"] == "not_configured"
    return made


@pytest.fixture
def lab(finished: LabProject, tmp_path: Path) -> Iterator[LabProject]:
    """The same checkout with its one run as it was when it ended."""
    kept = tmp_path / "kept"
    path = finished.run().path
    shutil.copytree(path, kept)
    yield finished
    shutil.rmtree(path)
    shutil.copytree(kept, path)
    finished.environment.clear()


@pytest.fixture
def results(tmp_path: Path) -> Results:
    """A repository of results and a clone of it."""
    return Results.made(tmp_path / "git")


@pytest.fixture
def github(lab: LabProject, results: Results, tmp_path: Path) -> Iterator[GithubStandin]:
    """A stand-in for GitHub that has the repository, to which the clone pushes by its web address."""
    (tmp_path / "gh").mkdir()
    with GithubStandin(tmp_path / "gh/pulls.json", {"lab/results": results.bare}, token=TOKEN) as server:
        url = f"https://{server.host}/lab/results.git"
        git(results.clone, "remote", "set-url", "origin", url)
        git(results.clone, "config", f"url.{results.bare}.insteadOf", url)
        lab.environment |= {
            "SSL_CERT_FILE": str(server.ca),
            "GH_CONFIG_DIR": str(tmp_path / "gh"),
            "GH_ENTERPRISE_TOKEN": TOKEN,
        }
        yield server


def publish(project: LabProject, targets: dict[str, Any], *options: str, **variables: Any) -> Done:
    """Publish the only run."""
    extra = json.dumps({"lab_publish_targets": targets, **variables})
    return project.rackbench("publish", "--run-dir", project.run().path, "-e", extra, *options)


def worktrees(results: Results) -> list[str]:
    """Return where the clone's worktrees are, without itself."""
    lines = git(results.clone, "worktree", "list", "--porcelain").splitlines()
    return [line.removeprefix("worktree ") for line in lines if line.startswith("worktree ")][1:]


def test_a_run_publishes_by_itself_and_publishing_again_does_nothing_twice(tmp_path: Path) -> None:
    project = make_project(tmp_path / "project")
    add_benchmark(project)
    results = Results.made(tmp_path / "git")
    targets = results.target(push_local=True)
    done = project.playbook(
        "-e", f"lab_benchmarks={ADAPTER}", "-e", json.dumps({"lab_publish_targets": targets})
    )
    assert done.rc == 0, done.said
    run = project.run()
    found = row(run)
    assert (found["state"], found["target"]) == ("pushed_local", KEY)
    key = tmp_path / "key"
    subprocess.run(["ssh-keygen", "-q", "-t", "ed25519", "-N", "", "-f", str(key)], check=True)
    assert project.rackbench("sign", "--run-dir", run.path, "--key", key).rc == 0
    assert project.rackbench("verify", run.path).rc == 0
    assert results.branches() == {branch_of(run): found["commit"]}
    where = f"results/local/{run.status['run_id']}/{ADAPTER}"
    made = git(results.bare, "show", "--format=", "--name-status", found["commit"]).splitlines()
    assert made
    assert all(line.startswith(f"A\t{where}/") for line in made)
    (table,) = run.path.glob(f"benchmarks/{ADAPTER}/*/turns.csv")
    name = table.relative_to(run.path / "benchmarks" / ADAPTER)
    assert git(results.bare, "show", f"{found['commit']}:{where}/{name}") == table.read_text().strip()
    assert (run.path / f"publish-worktrees/{ADAPTER}/{where}/{name}").read_bytes() == table.read_bytes()
    before = [path.read_bytes() for path in sorted(run.path.glob("publish-staging/**/*")) if path.is_file()]

    again = project.rackbench(
        "publish", "--run-dir", run.path, "--json", "-e", json.dumps({"lab_publish_targets": targets})
    )
    assert again.rc == 0, again.said
    (now,) = json.loads(again.stdout)["adapters"]
    assert {**now, "at": None} == {**found, "at": None}
    assert results.branches() == {branch_of(run): found["commit"]}
    assert [
        path.read_bytes() for path in sorted(run.path.glob("publish-staging/**/*")) if path.is_file()
    ] == before
    assert run.status["state"] == "completed"
    # The journal tells of the second time, and what was signed does not.
    verified = project.rackbench("verify", run.path)
    assert verified.rc == FAILURES["evidence_outgrown"].exit_status
    assert "[evidence_outgrown]" in verified.stdout


@pytest.mark.full
def test_without_being_asked_nothing_leaves_the_machine_and_the_next_command_is_told(
    lab: LabProject, results: Results
) -> None:
    done = publish(lab, results.target())
    assert done.rc == 0, done.said
    found = row(lab.run())
    assert found["state"] == "push_ready"
    assert found["next_command"].startswith("rackbench publish --run-dir ")
    assert found["next_command"].endswith(" --push")
    assert "validate --host local --scope publish" in found["diagnostic_command"]
    assert results.branches() == {}
    assert git(results.clone, "rev-parse", branch_of(lab.run())) == found["commit"]
    assert publish(lab, results.target(), "--push").rc == 0
    assert row(lab.run())["state"] == "pushed_local"
    assert results.branches() == {branch_of(lab.run()): found["commit"]}


def test_the_same_run_published_on_two_machines_is_one_commit(
    lab: LabProject, results: Results, tmp_path: Path
) -> None:
    other = make_project(tmp_path / "other")
    add_benchmark(other, build=False)
    there = other.root / lab.run().path.relative_to(lab.root)
    shutil.copytree(lab.run().path, there)
    hostile = "[commit]\n  gpgsign = true\n[core]\n  autocrlf = true\n[user]\n  name = Somebody\n"
    (other.home / ".gitconfig").write_text(hostile)
    other.environment |= {"TZ": "Pacific/Auckland", "GIT_AUTHOR_NAME": "Somebody Else"}
    clone = results.clone_again("other-clone")
    assert publish(lab, results.target(), "--push").rc == 0
    done = publish(other, {KEY: {"repo": str(clone)}}, "--push")
    assert done.rc == 0, done.said
    assert row(other.run())["commit"] == row(lab.run())["commit"]
    assert len(results.branches()) == 1


@pytest.mark.full
def test_a_repository_without_the_remote_fails_nothing_and_is_an_alert(
    lab: LabProject, results: Results
) -> None:
    git(results.clone, "remote", "remove", "origin")
    done = publish(lab, results.target())
    assert done.rc == 0, done.said
    run = lab.run()
    assert row(run)["state"] == "remote_missing"
    assert run.status["state"] == "completed"
    alert = run.status["alerts"]["primary"]
    assert (alert["kind"], alert["code"]) == ("blocked_publish", "publish_remote_missing")
    assert "--scope publish" in alert["next_command"]
    # Asked to push, it is what is in the way.
    done = publish(lab, results.target(), "--push")
    assert done.rc == FAILURES["publish_remote_missing"].exit_status
    assert run.states[f"{ADAPTER}.publish"] == "failed"
    assert run.status["alerts"]["primary"]["kind"] == "failed_step"


@pytest.mark.full
def test_another_remote_than_the_one_that_is_configured_gets_nothing(
    lab: LabProject, results: Results, tmp_path: Path
) -> None:
    elsewhere = Results.made(tmp_path / "elsewhere")
    done = publish(lab, results.target(remote_url=str(elsewhere.bare), push_local=True))
    assert done.rc == FAILURES["publish_remote_mismatch"].exit_status
    assert row(lab.run())["state"] == "remote_mismatch"
    assert results.branches() == elsewhere.branches() == {}


@pytest.mark.full
def test_a_remote_that_is_gone_keeps_the_commit_for_later(lab: LabProject, results: Results) -> None:
    away = results.bare.rename(results.bare.with_name("away.git"))
    done = publish(lab, results.target(push_local=True))
    assert done.rc == FAILURES["publish_remote_unreachable"].exit_status
    kept = row(lab.run())
    assert kept["state"] == "remote_unreachable"
    away.rename(results.bare)
    assert publish(lab, results.target(push_local=True)).rc == 0
    assert row(lab.run())["state"] == "pushed_local"
    assert results.branches() == {branch_of(lab.run()): kept["commit"]}


@pytest.mark.full
def test_a_hook_that_refuses_is_quoted_and_nothing_is_forced(lab: LabProject, results: Results) -> None:
    hook = results.bare / "hooks/pre-receive"
    hook.write_text("#!/bin/sh\necho 'no results on Sundays' >&2\nexit 1\n")
    hook.chmod(0o755)
    done = publish(lab, results.target(), "--push")
    assert done.rc == FAILURES["publish_push_rejected"].exit_status
    found = row(lab.run())
    assert found["state"] == "push_rejected"
    assert "no results on Sundays" in found["reason"]
    hook.unlink()
    assert publish(lab, results.target(), "--push").rc == 0
    assert results.branches() == {branch_of(lab.run()): found["commit"]}


@pytest.mark.full
def test_a_branch_at_the_remote_with_other_content_is_left_as_it_is(
    lab: LabProject, results: Results
) -> None:
    main = git(results.bare, "rev-parse", "main")
    git(results.bare, "update-ref", f"refs/heads/{branch_of(lab.run())}", main)
    done = publish(lab, results.target(), "--push")
    assert done.rc == FAILURES["publish_diverged"].exit_status
    assert row(lab.run())["state"] == "diverged"
    assert results.branches() == {branch_of(lab.run()): main}


@pytest.mark.full
def test_results_that_were_merged_are_published_no_second_time(lab: LabProject, results: Results) -> None:
    assert publish(lab, results.target(), "--push").rc == 0
    branch = branch_of(lab.run())
    git(results.clone, "merge", "--quiet", "--no-ff", "--message", "Merge results", branch)
    git(results.clone, "push", "--quiet", "origin", "main", f":{branch}")
    git(results.clone, "worktree", "remove", lab.run().path / "publish-worktrees" / ADAPTER)
    git(results.clone, "branch", "--quiet", "-D", branch)
    done = publish(lab, results.target(), "--push")
    assert done.rc == 0, done.said
    assert row(lab.run())["state"] == "merged"
    assert results.branches() == {}
    assert worktrees(results) == []


def break_nothing(results: Results) -> str:
    shutil.rmtree(results.clone / ".git")
    return "publish_not_a_repository"


def break_bare(results: Results) -> str:
    shutil.rmtree(results.clone)
    git(results.bare.parent, "clone", "--quiet", "--bare", results.bare, results.clone)
    return "publish_target_bare"


def break_empty(results: Results) -> str:
    shutil.rmtree(results.clone)
    git(results.bare.parent, "init", "--quiet", "--initial-branch=main", results.clone)
    return "publish_target_empty"


def break_dirty(results: Results) -> str:
    (results.clone / "README.md").write_text("Half a sentence")
    return "publish_target_dirty"


def break_locked(results: Results) -> str:
    (results.clone / ".git/index.lock").touch()
    return "publish_target_locked"


def break_lfs(results: Results) -> str:
    (results.clone / ".gitattributes").write_text("*.csv filter=lfs diff=lfs merge=lfs -text\n")
    git(results.clone, "add", ".gitattributes")
    git(results.clone, "commit", "--quiet", "--message", "Large files")
    git(results.clone, "push", "--quiet", "origin", "main")
    return "publish_target_unsupported"


@pytest.mark.full
@pytest.mark.parametrize(
    "broken", [break_nothing, break_bare, break_empty, break_dirty, break_locked, break_lfs]
)
def test_a_target_that_cannot_be_used_is_named_and_left_without_a_worktree(
    lab: LabProject, results: Results, broken: Any
) -> None:
    code = broken(results)
    done = publish(lab, results.target(push_local=True))
    assert done.rc == FAILURES[code].exit_status, done.said
    found = row(lab.run())
    assert (found["state"], found["code"]) == ("blocked", code)
    assert lab.run().status["alerts"]["primary"]["code"] == code
    assert results.branches() == {}
    assert not list((lab.run().path / "publish-worktrees").iterdir())
    if (results.clone / ".git").is_dir():
        assert worktrees(results) == []
        assert not git(results.clone, "for-each-ref", "refs/heads/results")


@pytest.mark.full
def test_targets_that_are_no_mapping_are_named(lab: LabProject) -> None:
    done = publish(lab, "made-up")  # type: ignore[arg-type] - bad input
    assert done.rc == FAILURES["publish_target_invalid"].exit_status
    assert row(lab.run())["code"] == "publish_target_invalid"


@pytest.mark.full
def test_a_push_without_any_target_is_no_success(lab: LabProject) -> None:
    done = publish(lab, {}, "--push")
    assert done.rc == FAILURES["publish_target_invalid"].exit_status
    assert "Nothing was pushed" in done.said


@pytest.mark.full
def test_a_pull_request_elsewhere_than_on_github_is_refused_and_what_was_pushed_stays_told(
    lab: LabProject, results: Results
) -> None:
    assert publish(lab, results.target(), "--push").rc == 0
    pushed = row(lab.run())
    assert (pushed["pushed"], pushed["next_command"]) == (True, None)
    done = publish(lab, results.target(), "--create-pr")
    assert done.rc == FAILURES["publish_target_invalid"].exit_status
    (results.clone / "README.md").write_text("Half a sentence")
    assert publish(lab, results.target()).rc == FAILURES["publish_target_dirty"].exit_status
    found = row(lab.run())
    assert (found["state"], found["pushed"], found["commit"]) == ("blocked", True, pushed["commit"])


@pytest.mark.full
def test_a_key_that_is_no_option_of_a_target_is_named(lab: LabProject, results: Results) -> None:
    done = publish(lab, results.target(push_locally=True))
    assert done.rc == FAILURES["publish_target_invalid"].exit_status
    assert "push_locally" in row(lab.run())["reason"]


def test_a_host_under_embargo_stages_not_a_byte_until_its_date(lab: LabProject, results: Results) -> None:
    later = (datetime.now(UTC) + timedelta(days=30)).strftime("%Y-%m-%d")
    embargoes = [{"host": "local", "until": later, "reason": "not announced"}]
    done = publish(lab, results.target(), "--push", lab_embargoes=embargoes)
    assert done.rc == FAILURES["embargoed"].exit_status
    run = lab.run()
    assert row(run)["state"] == "embargoed"
    assert not list((run.path / "publish-staging").iterdir())
    assert results.branches() == {}
    # Whoever calls without it does not end it.
    assert publish(lab, results.target(), "--push").rc == FAILURES["embargoed"].exit_status
    assert results.branches() == {}
    over = [{"host": "local", "until": "2026-01-01"}]
    assert publish(lab, results.target(), "--push", lab_embargoes=over).rc == 0
    assert row(run)["state"] == "pushed_local"


@pytest.mark.full
def test_a_text_under_embargo_in_the_results_of_another_host_is_refused(
    lab: LabProject, results: Results
) -> None:
    # The table has a column of this name.
    embargoes = [{"label": "turn,rate", "until": "2999-01-01"}]
    done = publish(lab, results.target(), "--push", lab_embargoes=embargoes)
    assert done.rc == FAILURES["publish_payload_refused"].exit_status
    found = row(lab.run())
    assert found["state"] == "payload_refused"
    assert "turns.csv, line 1" in found["reason"]
    assert results.branches() == {}


@pytest.mark.full
def test_a_file_that_is_not_what_was_collected_is_refused(lab: LabProject, results: Results) -> None:
    (table,) = lab.run().path.glob(f"benchmarks/{ADAPTER}/*/turns.csv")
    table.write_text("turn,rate\n1,400\n")
    done = publish(lab, results.target(), "--push")
    assert done.rc == FAILURES["publish_payload_changed"].exit_status
    assert "turns.csv" in row(lab.run())["reason"]
    assert results.branches() == {}


@pytest.mark.full
def test_results_tagged_as_simulated_are_withheld(tmp_path: Path, results: Results) -> None:
    project = make_project(tmp_path / "project")
    add_benchmark(project)
    variables = {"lab_publish_targets": results.target(push_local=True), "lab_tags": ["simulated"]}
    done = project.playbook("-e", f"lab_benchmarks={ADAPTER}", "-e", json.dumps(variables))
    assert done.rc == 0, done.said
    assert row(project.run())["state"] == "withheld"
    assert publish(project, results.target()).rc == FAILURES["publish_withheld"].exit_status
    assert results.branches() == {}


def test_a_pull_request_is_made_once_and_found_afterwards(
    lab: LabProject, results: Results, github: GithubStandin
) -> None:
    assert publish(lab, results.target(forge="github"), "--push").rc == 0
    before = row(lab.run())
    assert before["state"] == "pushed_local"
    assert before["compare_url"].startswith(f"https://{github.host}/lab/results/compare/main...results")
    assert before["next_command"].endswith("--create-pr")
    done = publish(lab, results.target(forge="github"), "--create-pr")
    assert done.rc == 0, done.said
    made = row(lab.run())
    assert made["state"] == "pr_created"
    (pull,) = github.pulls
    assert pull["head"]["ref"] == branch_of(lab.run())
    assert "turn rate" in pull["body"]
    assert publish(lab, results.target(forge="github", create_pr_local=True, push_local=True)).rc == 0
    found = row(lab.run())
    assert (found["state"], found["pull_request"]) == ("pr_open", made["pull_request"])
    assert len(github.pulls) == 1
    assert results.branches() == {branch_of(lab.run()): made["commit"]}
    # Also nobody who asks for less makes the ledger forget it; and what a person closed stays closed.
    github.close(1)
    assert publish(lab, results.target(forge="github", push_local=True, create_pr_local=True)).rc == 0
    found = row(lab.run())
    assert (found["state"], found["pull_request"]) == ("pr_closed", made["pull_request"])
    assert len(github.pulls) == 1


@pytest.mark.full
def test_a_pull_request_without_gh_says_what_is_missing_and_keeps_the_push(
    lab: LabProject, results: Results, github: GithubStandin, tmp_path: Path
) -> None:
    # A PATH with all that is needed, and without gh.
    tools = tmp_path / "tools"
    tools.mkdir()
    for name in ("git", "sh", "bash", "env", "python3", "ssh", "uname", "cat", "sleep"):
        if found := shutil.which(name):
            (tools / name).symlink_to(found)
    lab.environment["PATH"] = f"{lab.environ()['PATH'].partition(':')[0]}:{tools}"
    done = publish(lab, results.target(forge="github"), "--create-pr")
    assert done.rc == FAILURES["gh_missing"].exit_status, done.said
    assert row(lab.run())["state"] == "gh_missing"
    assert results.branches()
    assert github.pulls == []


@pytest.mark.full
def test_a_bad_token_is_named_and_the_push_is_kept(
    lab: LabProject, results: Results, github: GithubStandin
) -> None:
    lab.environment["GH_ENTERPRISE_TOKEN"] = "another"
    done = publish(lab, results.target(forge="github"), "--create-pr")
    assert done.rc == FAILURES["gh_auth_missing"].exit_status, done.said
    assert row(lab.run())["state"] == "gh_auth_missing"
    assert results.branches()
    assert github.pulls == []


@pytest.mark.full
def test_a_dry_run_is_not_published(lab: LabProject, results: Results) -> None:
    assert lab.playbook("--check", "-e", f"lab_benchmarks={ADAPTER}").rc == 0
    (dry,) = lab.root.glob("automation-runs/dry-runs/local/*")
    done = lab.rackbench("publish", "--run-dir", dry)
    assert done.rc == FAILURES["resume_refused"].exit_status
    assert "dry run" in done.said
    shutil.rmtree(dry)


def test_publishing_runs_our_role_and_none_that_the_journal_names(
    lab: LabProject, results: Results, tmp_path: Path
) -> None:
    (tmp_path / "role/tasks").mkdir(parents=True)
    touched = tmp_path / "touched"
    (tmp_path / "role/tasks/main.yml").write_text(
        f"- ansible.builtin.file: {{path: {touched}, state: touch}}\n"
    )
    journal = lab.run().path / "events.jsonl"
    text = journal.read_text()
    for old, new in (
        ('"role":"rackbench.lab.publish"', f'"role":"{tmp_path}/role"'),
        # As a run has it that named no benchmarks.
        (f'"options":{{"benchmarks":["{ADAPTER}"]', '"options":{"benchmarks":null'),
    ):
        assert old in text
        text = text.replace(old, new)
    journal.write_text(text)
    adapter = lab.root / f"roles/{ADAPTER.replace('-', '_')}/adapter.yml"
    told = adapter.read_text()
    adapter.write_text(f"{told}in_default_runs: false\n")
    try:
        done = publish(lab, results.target())
    finally:
        adapter.write_text(told)
    assert done.rc == 0, done.said
    assert row(lab.run())["state"] == "push_ready"
    assert not touched.exists()


def test_a_run_that_has_not_come_to_its_end_is_resumed_and_not_published(
    lab: LabProject, results: Results
) -> None:
    run = lab.run()
    lines = (run.path / "events.jsonl").read_text().splitlines(keepends=True)
    began = next(index for index, line in enumerate(lines) if '"step":"made-up.collect"' in line)
    (run.path / "events.jsonl").write_text("".join(lines[:began]))
    done = publish(lab, results.target())
    assert done.rc == FAILURES["resume_refused"].exit_status
    assert "rackbench resume" in done.said
    assert results.branches() == {}


def test_the_playbook_in_check_mode_changes_nothing(lab: LabProject, results: Results) -> None:
    before = {path: path.stat().st_mtime_ns for path in lab.run().path.rglob("*") if path.is_file()}
    extra = json.dumps(
        {"lab_run_dir": str(lab.run().path), "lab_push": True, "lab_publish_targets": results.target()}
    )
    done = lab.command("ansible-playbook", "playbooks/publish.yml", "-l", "local", "--check", "-e", extra)
    assert done.rc == 0, done.said
    after = {path: path.stat().st_mtime_ns for path in lab.run().path.rglob("*") if path.is_file()}
    assert after == before
    assert results.branches() == {}


@pytest.mark.full
def test_validate_names_the_target_of_each_benchmark_and_what_is_wrong_with_it(
    lab: LabProject, results: Results
) -> None:
    extra = json.dumps({"lab_publish_targets": results.target(push_local=True)})
    asked = ("validate", "--host", "local", "--scope", "publish", "--benchmarks", ADAPTER, "--json", "-e")
    done = lab.rackbench(*asked, extra)
    assert done.rc == 0, done.said
    (host,) = json.loads(done.stdout)["hosts"]
    (found,) = host["publish"]["benchmarks"]
    assert (found["target"], found["configured"]) == (KEY, True)
    assert [check["name"] for check in found["checks"]] == ["mapping", "repository", "remote", "reach", "gh"]
    assert {check["status"] for check in found["checks"]} == {"passed", "skipped"}
    done = lab.rackbench(*asked, "{}")
    assert done.rc == 0
    (found,) = json.loads(done.stdout)["hosts"][0]["publish"]["benchmarks"]
    assert (found["target"], found["configured"]) == (KEY, False)
    elsewhere = results.target(push_local=True, create_pr_local=True)
    done = lab.rackbench(*asked, json.dumps({"lab_publish_targets": elsewhere}))
    assert done.rc == FAILURES["publish_target_invalid"].exit_status
    assert "on GitHub only" in done.said
    (results.clone / "README.md").write_text("Half a sentence")
    done = lab.rackbench(*asked, extra)
    assert done.rc == FAILURES["publish_target_dirty"].exit_status
    (host,) = json.loads(done.stdout)["hosts"]
    assert (host["ok"], host["cause"], host["code"]) == (False, "publish", "publish_target_dirty")
    assert results.branches() == {}


KILLER = """#!/bin/sh
# Kills the controller in the middle of a push, before or after the remote has taken it.
kill -9 "$(cat {pid})"
exit 0
"""


@pytest.mark.full
@pytest.mark.parametrize("hook", ["pre-receive", "post-receive"])
def test_a_controller_killed_while_it_pushes_pushes_no_second_time(
    lab: LabProject, results: Results, tmp_path: Path, hook: str
) -> None:
    pid = tmp_path / "pid"
    path = results.bare / "hooks" / hook
    path.write_text(KILLER.format(pid=pid))
    path.chmod(path.stat().st_mode | stat.S_IXUSR)
    extra = {"lab_publish_targets": results.target(), "lab_push": True, "lab_run_dir": str(lab.run().path)}
    process = lab.start("ansible-playbook", "playbooks/publish.yml", "-l", "local", "-e", json.dumps(extra))
    pid.write_text(str(process.pid))
    process.communicate(timeout=600)
    assert process.returncode == -signal.SIGKILL
    path.unlink()
    done = publish(lab, results.target(), "--push")
    assert done.rc == 0, done.said
    check_one(lab.run(), results)


BETWEEN = """
import os
import signal
from pathlib import Path

from ansible.plugins.callback import CallbackBase


class CallbackModule(CallbackBase):
    CALLBACK_NAME, CALLBACK_VERSION, CALLBACK_TYPE = "between", 2.0, "aggregate"

    def v2_playbook_on_task_start(self, task, is_conditional):
        if '"state":"{state}"' in Path("{journal}").read_text():
            os.kill(os.getpid(), signal.SIGKILL)
"""


@pytest.mark.full
@pytest.mark.parametrize("state", ["staged", "committed", "push_ready"])
def test_a_controller_killed_between_two_parts_commits_no_second_time(
    lab: LabProject, results: Results, tmp_path: Path, state: str
) -> None:
    (tmp_path / "callbacks").mkdir()
    journal = lab.run().path / "events.jsonl"
    (tmp_path / "callbacks/between.py").write_text(BETWEEN.format(state=state, journal=journal))
    lab.environment["ANSIBLE_CALLBACK_PLUGINS"] = str(tmp_path / "callbacks")
    ask = "--push" if state != "push_ready" else "--json"
    extra = {"lab_publish_targets": results.target(), "lab_run_dir": str(lab.run().path)}
    killed = lab.command("ansible-playbook", "playbooks/publish.yml", "-l", "local", "-e", json.dumps(extra))
    assert killed.rc == -signal.SIGKILL, killed.said
    del lab.environment["ANSIBLE_CALLBACK_PLUGINS"]
    assert lab.run().records("publish")[-1]["state"] == state
    done = publish(lab, results.target(), ask)
    assert done.rc == 0, done.said
    assert publish(lab, results.target(), "--push").rc == 0
    check_one(lab.run(), results)


@pytest.mark.full
def test_a_controller_killed_when_github_has_made_the_pull_request_makes_no_second_one(
    lab: LabProject, results: Results, github: GithubStandin
) -> None:
    github.fail_once("silent_after_create")
    extra = {
        "lab_publish_targets": results.target(forge="github"),
        "lab_create_pr": True,
        "lab_run_dir": str(lab.run().path),
    }
    process = lab.start("ansible-playbook", "playbooks/publish.yml", "-l", "local", "-e", json.dumps(extra))
    # It waits for an answer that never comes.
    while process.poll() is None and not github.pulls:
        time.sleep(0.02)
    process.kill()
    process.communicate(timeout=600)
    assert process.returncode == -signal.SIGKILL
    done = publish(lab, results.target(forge="github"), "--create-pr")
    assert done.rc == 0, done.said
    assert row(lab.run())["state"] == "pr_open"
    assert len(github.pulls) == 1
    assert len(results.branches()) == 1


def check_one(run: Run, results: Results) -> None:
    """Assert that there is one commit, pushed once, and one worktree."""
    found = row(run)
    assert found["state"] == "pushed_local"
    assert results.branches() == {branch_of(run): found["commit"]}
    assert git(results.bare, "rev-list", "--count", found["commit"], "^main") == "1"
    assert worktrees(results) == [str(run.path / "publish-worktrees" / ADAPTER)]
    assert run.status["state"] == "completed"
