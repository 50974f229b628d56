# SPDX-License-Identifier: Apache-2.0
"""Pull requests through the real `gh`, against a stand-in for GitHub that speaks HTTPS on loopback."""

from __future__ import annotations

import json
import os
import shutil
import signal
import subprocess
import sys
import time
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pytest
from rackbench.errors import RackbenchError
from rackbench.publish import gh
from rackbench.publish.forge import Forge

from tests.standins.github import GithubProxy, GithubStandin

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

pytestmark = [
    pytest.mark.slow,
    pytest.mark.skipif(shutil.which("gh") is None, reason="gh is not installed here"),
]

TOKEN = "ghs_standin"
REPOSITORY = "lab/latency-results"
BRANCH = "results/thor/20261121T080000Z-thor/latency"
PROJECT = Path(__file__).parents[3]


@pytest.fixture
def github(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[GithubStandin]:
    """Start the stand-in, and log `gh` in there, in a home of its own."""
    with GithubStandin(tmp_path / "github.json", {REPOSITORY: None}, token=TOKEN) as standin:
        log_in(standin.ca, tmp_path, monkeypatch)
        yield standin


def log_in(ca: Path | str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Give the environment of somebody whose gh knows the stand-in and its authority."""
    home = tmp_path / "home"
    home.mkdir()
    for name in [name for name in os.environ if name.startswith(("GH_", "GITHUB_", "XDG_"))]:
        monkeypatch.delenv(name)
    for name in [name for name in os.environ if name.lower().endswith("_proxy")]:
        monkeypatch.delenv(name)
    monkeypatch.setenv("HOME", str(home))
    monkeypatch.setenv("GH_CONFIG_DIR", str(home / "gh"))
    monkeypatch.setenv("SSL_CERT_FILE", str(ca))
    monkeypatch.setenv("GH_ENTERPRISE_TOKEN", TOKEN)


def forge(standin: GithubStandin, path: str = REPOSITORY) -> Forge:
    """Return where the stand-in is."""
    return Forge("github", standin.host, path)


def document(**changes: Any) -> dict[str, Any]:
    """Return what a pull request is made of."""
    return {"title": "Results of latency", "body": "All of it.", "head": BRANCH, "base": "main", **changes}


def failure_of(work: Callable[[], Any]) -> RackbenchError:
    """Return the failure that some work ends with."""
    with pytest.raises(RackbenchError) as caught:
        work()
    return caught.value


def test_a_pull_request_is_made_once_and_found_from_then_on(github: GithubStandin) -> None:
    state, made = gh.ensure(forge(github), document())
    assert state == "pr_created"
    assert made == gh.PullRequest(1, f"https://{github.host}/{REPOSITORY}/pull/1")
    assert gh.ensure(forge(github), document(title="Another")) == ("pr_open", made)
    (kept,) = github.pulls
    assert (kept["title"], kept["body"]) == ("Results of latency", "All of it.")
    assert (kept["head"]["ref"], kept["base"]["ref"]) == (BRANCH, "main")


def test_github_itself_is_asked_at_its_own_host(
    github: GithubStandin, monkeypatch: pytest.MonkeyPatch
) -> None:
    where = Forge("github", "github.com", REPOSITORY)
    with GithubProxy(github) as proxy:
        monkeypatch.setenv("HTTPS_PROXY", proxy.address)
        monkeypatch.setenv("GH_TOKEN", TOKEN)
        state, made = gh.ensure(where, document())
        assert (state, made) == ("pr_created", gh.PullRequest(1, f"https://github.com/{REPOSITORY}/pull/1"))
        assert gh.ensure(where, document()) == ("pr_open", made)
        assert gh.check(where) is None
        monkeypatch.setenv("GH_TOKEN", "ghs_another")
        failure = failure_of(lambda: gh.ensure(where, document()))
    assert (failure.code, failure.next_command) == (
        "gh_auth_missing",
        "gh auth login --hostname github.com",
    )


def test_other_branches_have_pull_requests_of_their_own(github: GithubStandin) -> None:
    gh.ensure(forge(github), document())
    state, made = gh.ensure(forge(github), document(head=f"{BRANCH}2"))
    assert (state, made.number) == ("pr_created", 2)
    assert gh.pull_requests(forge(github), BRANCH[:-1]) == []


def test_a_pull_request_that_was_closed_is_made_anew_only_when_that_is_asked_for(
    github: GithubStandin,
) -> None:
    gh.ensure(forge(github), document())
    github.close(1)
    state, found = gh.ensure(forge(github), document())
    assert (state, found.number, found.is_open) == ("pr_closed", 1, False)
    state, made = gh.ensure(forge(github), document(), anew=True)
    assert (state, made.number, made.is_open) == ("pr_created", 2, True)


def test_a_branch_whose_name_needs_encoding_is_found_again(github: GithubStandin) -> None:
    branch = "results/thör+1/20261121T080000Z-{owner}:owner/a&b#c%2F"
    assert gh.ensure(forge(github), document(head=branch))[0] == "pr_created"
    assert gh.ensure(forge(github), document(head=branch))[0] == "pr_open"


def test_what_a_pull_request_says_arrives_as_it_was_written(github: GithubStandin) -> None:
    text = "Zeile\n| `ü` | \\ | @nobody | \N{SNOWMAN} |\n" + "x" * 60_000
    gh.create(forge(github), document(body=text))
    assert github.pulls[0]["body"] == text


def test_a_bad_token_is_no_login(github: GithubStandin, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("GH_ENTERPRISE_TOKEN", "ghs_another")
    failure = failure_of(lambda: gh.ensure(forge(github), document()))
    assert failure.code == "gh_auth_missing"
    assert "Bad credentials" in failure.message
    assert "ghs_another" not in str(failure.as_dict())
    assert github.pulls == []


def test_no_token_is_no_login(github: GithubStandin, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv("GH_ENTERPRISE_TOKEN")
    assert failure_of(lambda: gh.ensure(forge(github), document())).code == "gh_auth_missing"


def test_a_login_at_another_host_is_no_login(github: GithubStandin, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv("GH_ENTERPRISE_TOKEN")
    monkeypatch.setenv("GH_TOKEN", TOKEN)
    failure = failure_of(lambda: gh.ensure(forge(github), document()))
    assert failure.code == "gh_auth_missing"
    assert "Requires authentication" in failure.message


def test_the_next_command_logs_in_at_the_host_that_asked(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("HOME", str(tmp_path))
    monkeypatch.setenv("GH_CONFIG_DIR", str(tmp_path))
    for name in ("GH_TOKEN", "GITHUB_TOKEN", "GH_ENTERPRISE_TOKEN", "GITHUB_ENTERPRISE_TOKEN"):
        monkeypatch.delenv(name, raising=False)
    failure = gh.check(Forge("github", "github.com", REPOSITORY))
    assert failure is not None
    assert (failure.code, failure.next_command) == (
        "gh_auth_missing",
        "gh auth login --hostname github.com",
    )


def test_no_gh_in_the_path_is_named(
    github: GithubStandin, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("PATH", str(tmp_path))
    assert failure_of(lambda: gh.ensure(forge(github), document())).code == "gh_missing"
    found = gh.check(forge(github))
    assert found is not None
    assert found.code == "gh_missing"


@pytest.mark.parametrize(
    ("changes", "said"),
    [
        pytest.param({"title": ""}, "missing_field", id="no-title"),
        pytest.param({"head": None}, "is not a string", id="no-head"),
        pytest.param({"body": "x" * 70_000}, "body is too long", id="body-too-long"),
        pytest.param({"head": "main"}, "No commits between main and main", id="nothing-new"),
    ],
)
def test_a_bad_pull_request_fails_with_ghs_own_words(
    github: GithubStandin, changes: dict[str, Any], said: str
) -> None:
    failure = failure_of(lambda: gh.create(forge(github), document(**changes)))
    assert failure.code == "pr_create_failed"
    assert "HTTP 422" in failure.message
    assert said in (failure.detail or "")


def test_a_repository_that_is_not_there_is_named(github: GithubStandin) -> None:
    failure = failure_of(lambda: gh.ensure(forge(github, "lab/other"), document()))
    assert failure.code == "pr_create_failed"
    assert "lab/other" in failure.message
    assert "HTTP 404" in failure.message


def test_only_branches_of_the_real_repository_can_be_heads(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    bare = tmp_path / "bare.git"
    git = ["git", "-c", "user.name=n", "-c", "user.email=e@localhost.invalid", "--git-dir", str(bare)]
    subprocess.run(["git", "init", "--quiet", "--bare", str(bare)], check=True)
    tree = (
        subprocess.run([*git, "mktree"], input=b"", capture_output=True, check=True).stdout.decode().strip()
    )
    commits = []
    for parents in ([], ["HEAD"]):
        argv = [*git, "commit-tree", "-m", "x", tree, *(each for name in parents for each in ("-p", name))]
        commits.append(subprocess.run(argv, capture_output=True, check=True, text=True).stdout.strip())
        subprocess.run([*git, "update-ref", "HEAD", commits[-1]], check=True)
    subprocess.run([*git, "update-ref", "refs/heads/main", commits[0]], check=True)
    with GithubStandin(tmp_path / "github.json", {REPOSITORY: bare}, token=TOKEN) as standin:
        log_in(standin.ca, tmp_path, monkeypatch)
        failure = failure_of(lambda: gh.ensure(forge(standin), document()))
        assert failure.code == "pr_create_failed"
        assert "PullRequest head invalid" in (failure.detail or "")
        subprocess.run([*git, "update-ref", f"refs/heads/{BRANCH}", commits[1]], check=True)
        assert gh.ensure(forge(standin), document())[0] == "pr_created"
        assert standin.pulls[0]["head"]["sha"] == commits[1]


@pytest.mark.parametrize("point", ["list", "before_create"])
def test_a_server_error_is_told_and_the_next_call_succeeds(github: GithubStandin, point: str) -> None:
    github.fail_once(point)
    failure = failure_of(lambda: gh.ensure(forge(github), document()))
    assert failure.code == "pr_create_failed"
    assert "HTTP 502" in failure.message
    assert gh.ensure(forge(github), document())[0] == "pr_created"
    assert len(github.pulls) == 1


@pytest.mark.parametrize("point", ["after_create", "hang_up_after_create"])
def test_a_pull_request_whose_answer_was_lost_is_found(github: GithubStandin, point: str) -> None:
    github.fail_once(point)
    assert gh.ensure(forge(github), document())[1].number == 1
    assert len(github.pulls) == 1


def test_an_unreachable_server_is_told(github: GithubStandin) -> None:
    failure = failure_of(lambda: gh.ensure(Forge("github", "127.0.0.1:1", REPOSITORY), document()))
    assert failure.code == "pr_create_failed"
    assert "connection refused" in failure.message


def test_a_certificate_that_nobody_vouches_for_is_refused(
    github: GithubStandin, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("SSL_CERT_FILE", os.devnull)
    failure = failure_of(lambda: gh.ensure(forge(github), document()))
    assert failure.code == "pr_create_failed"
    assert "certificate" in failure.message


def test_many_publishers_at_once_make_one_pull_request(github: GithubStandin) -> None:
    with ThreadPoolExecutor(6) as pool:
        work = [pool.submit(gh.ensure, forge(github), document()) for _ in range(6)]
        found = [each.result() for each in work]
    assert {made.number for _, made in found} == {1}
    assert sorted(state for state, _ in found).count("pr_created") == 1
    assert len(github.pulls) == 1


def test_a_creator_that_comes_second_is_told_and_finds_the_first_ones(
    github: GithubStandin, monkeypatch: pytest.MonkeyPatch
) -> None:
    looked = gh.pull_requests

    def another_is_faster(where: Forge, branch: str) -> list[gh.PullRequest]:
        monkeypatch.setattr(gh, "pull_requests", looked)
        found = looked(where, branch)
        gh.create(where, document(title="Faster"))
        return found

    monkeypatch.setattr(gh, "pull_requests", another_is_faster)
    assert gh.ensure(forge(github), document())[0] == "pr_open"
    assert [each["title"] for each in github.pulls] == ["Faster"]


def test_a_publisher_killed_after_the_server_made_it_makes_no_second(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    state = tmp_path / "github.json"
    command = [sys.executable, "-m", "tests.standins.github", "--state", str(state), "--token", TOKEN]
    command += ["--repository", REPOSITORY, "--fail-once", "silent_after_create"]
    env = {**os.environ, "PYTHONPATH": str(PROJECT / "python")}
    with subprocess.Popen(command, cwd=PROJECT, env=env, stdout=subprocess.PIPE, text=True) as server:
        try:
            assert server.stdout is not None
            address, ca = server.stdout.readline().split()
            log_in(ca, tmp_path, monkeypatch)
            where = Forge("github", address.removeprefix("https://"), REPOSITORY)
            code = (
                "import json, sys; from rackbench.publish import forge, gh;"
                "gh.ensure(forge.Forge('github', *sys.argv[1:3]), json.loads(sys.argv[3]))"
            )
            env = {**os.environ, "PYTHONPATH": str(PROJECT / "python")}
            argv = [sys.executable, "-c", code, where.host, where.path, json.dumps(document())]
            publisher = subprocess.Popen(argv, env=env, start_new_session=True)
            wait_until(state.exists)
            os.killpg(publisher.pid, signal.SIGKILL)
            publisher.wait()
            assert gh.ensure(where, document()) == (
                "pr_open",
                gh.PullRequest(1, f"{address}/{REPOSITORY}/pull/1"),
            )
        finally:
            server.terminate()


def wait_until(condition: Callable[[], bool]) -> None:
    """Wait for a condition, a minute at most."""
    end = time.monotonic() + 60
    while not condition():
        assert time.monotonic() < end
        time.sleep(0.02)


def test_check_finds_nothing_against_a_login_that_works(github: GithubStandin) -> None:
    assert gh.check(forge(github)) is None


def test_a_token_that_is_nobodys_is_a_login(github: GithubStandin) -> None:
    github.fail_once("user")
    assert gh.check(forge(github)) is None


def test_check_tells_of_a_bad_token(github: GithubStandin, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("GH_ENTERPRISE_TOKEN", "ghs_another")
    found = gh.check(forge(github))
    assert found is not None
    assert found.code == "gh_auth_missing"


def test_nothing_of_the_callers_environment_changes_what_gh_prints(
    github: GithubStandin, monkeypatch: pytest.MonkeyPatch
) -> None:
    for name, value in {
        "GH_DEBUG": "api",
        "GH_FORCE_TTY": "100%",
        "CLICOLOR_FORCE": "1",
        "GH_REPO": "nobody/nothing",
        "GH_HOST": "nowhere.invalid",
    }.items():
        monkeypatch.setenv(name, value)
    assert gh.ensure(forge(github), document())[0] == "pr_created"
    failure = failure_of(lambda: gh.create(forge(github), document()))
    assert TOKEN not in str(failure.as_dict())
    assert "\x1b" not in str(failure.as_dict())
