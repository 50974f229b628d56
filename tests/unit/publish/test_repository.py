# SPDX-License-Identifier: Apache-2.0
"""The clone of a publish target: what makes it unusable, and what its base branch and remote are."""

from __future__ import annotations

import base64
import http.server
import os
import shlex
import shutil
import subprocess
import threading
import time
from pathlib import Path
from types import SimpleNamespace
from typing import TYPE_CHECKING

import pytest
from rackbench.errors import RackbenchError
from rackbench.publish import git as git_module
from rackbench.publish import repository as repository_module
from rackbench.publish.git import Git, GitError

from tests.unit.publish.made_repositories import House, git, house, seen, write

if TYPE_CHECKING:
    from collections.abc import Iterator

    from rackbench.publish.repository import Repository

pytestmark = pytest.mark.slow

SSHD = shutil.which("sshd") or "/usr/sbin/sshd"


@pytest.fixture
def lab(tmp_path: Path) -> House:
    return house(tmp_path)


def refusal(lab: House, code: str, clone: str = "clone", **fields: str) -> RackbenchError:
    """Open a clone that is refused with a code; return the error, which names the clone."""
    with pytest.raises(RackbenchError) as caught:
        lab.open(clone, **fields)
    assert caught.value.code == code, caught.value
    assert str(lab.root / clone) in caught.value.message
    return caught.value


def refused_as_it_was(lab: House, code: str) -> RackbenchError:
    before = seen(lab.clone)
    error = refusal(lab, code)
    assert seen(lab.clone) == before
    return error


def commit_files(lab: House, files: dict[str, bytes]) -> None:
    write(lab.clone, files)
    git(lab.clone, "add", "--all")
    git(lab.clone, "commit", "--quiet", "--message", "More")


def test_a_clean_clone_is_opened_and_left_as_it_was(lab: House) -> None:
    write(lab.clone, {"notes.txt": b"not tracked"})
    before = seen(lab.clone)
    found = lab.open().base()
    assert found.commit == git(lab.bare, "rev-parse", "main")
    assert found.problem is None
    assert seen(lab.clone) == before


def test_a_path_that_is_not_there_is_no_repository(lab: House) -> None:
    refusal(lab, "publish_not_a_repository", "nowhere")


def test_a_directory_without_git_is_no_repository(lab: House) -> None:
    (lab.root / "plain").mkdir()
    refusal(lab, "publish_not_a_repository", "plain")


def test_a_directory_inside_another_repository_is_not_taken_for_it(lab: House) -> None:
    (lab.clone / "results").mkdir()
    error = refusal(lab, "publish_not_a_repository", "clone/results")
    assert "inside another repository" in error.message


def test_the_git_directory_of_a_clone_is_no_clone(lab: House) -> None:
    refusal(lab, "publish_not_a_repository", "clone/.git")


def test_a_bare_repository_is_refused(lab: House) -> None:
    refusal(lab, "publish_target_bare", "bare.git")


def test_a_repository_without_commits_is_refused(lab: House) -> None:
    git(lab.root, "init", "--quiet", "empty")
    refusal(lab, "publish_target_empty", "empty")


def test_a_base_branch_that_is_missing_here_is_named(lab: House) -> None:
    assert "trunk" in refusal(lab, "publish_base_missing", base_branch="trunk").message


def test_a_base_branch_that_went_from_the_remote_is_named(lab: House) -> None:
    repository = lab.open()
    git(lab.bare, "update-ref", "refs/heads/trunk", "main")
    git(lab.bare, "update-ref", "-d", "refs/heads/main")
    with pytest.raises(RackbenchError) as caught:
        repository.base()
    assert caught.value.code == "publish_base_missing"


def test_a_changed_file_makes_the_target_dirty(lab: House) -> None:
    (lab.clone / "README").write_text("changed")
    error = refused_as_it_was(lab, "publish_target_dirty")
    assert "README" in error.message
    assert error.next_command == f"git -C {lab.clone} status"


def test_a_staged_file_makes_the_target_dirty(lab: House) -> None:
    write(lab.clone, {"new": b"new"})
    git(lab.clone, "add", "new")
    assert "new" in refused_as_it_was(lab, "publish_target_dirty").message


def test_many_changed_files_are_counted_and_not_all_named(lab: House) -> None:
    commit_files(lab, {f"file{number}": b"1" for number in range(9)})
    write(lab.clone, {f"file{number}": b"22" for number in range(9)})
    assert "and 4 more" in refused_as_it_was(lab, "publish_target_dirty").message


def test_a_merge_in_progress_makes_the_target_dirty(lab: House) -> None:
    (lab.clone / ".git/MERGE_HEAD").write_text(git(lab.clone, "rev-parse", "HEAD") + "\n")
    assert "a merge" in refused_as_it_was(lab, "publish_target_dirty").message


def test_a_rebase_in_progress_makes_the_target_dirty(lab: House) -> None:
    (lab.clone / ".git/rebase-merge").mkdir()
    assert "a rebase" in refused_as_it_was(lab, "publish_target_dirty").message


def test_line_ends_of_the_users_configuration_make_nothing_dirty(
    lab: House, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    commit_files(lab, {"table": b"1\n2\n"})
    git(lab.clone, "push", "--quiet", "origin", "main")
    git(lab.root, "-c", "core.autocrlf=true", "clone", "--quiet", "bare.git", "other")
    table = lab.root / "other/table"
    assert table.read_bytes() == b"1\r\n2\r\n"
    os.utime(table, (1, 1))  # git has to compare its content
    refusal(lab, "publish_target_dirty", "other")
    write(tmp_path / "home", {".gitconfig": b"[core]\n\tautocrlf = true\n"})
    monkeypatch.setenv("HOME", str(tmp_path / "home"))
    lab.open("other")


@pytest.mark.parametrize("lock", ["index.lock", "packed-refs.lock"])
def test_a_target_that_another_git_locks_is_waited_for_and_then_the_lock_is_named(
    lab: House, lock: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(repository_module, "LOCK_WAIT_S", 0.2)
    (lab.clone / ".git" / lock).touch()
    error = refusal(lab, "publish_target_locked")
    assert error.next_path == str(lab.clone / ".git" / lock)
    assert lock in error.message


def test_a_lock_that_goes_away_in_time_is_no_obstacle(lab: House, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(repository_module, "LOCK_WAIT_S", 60)
    lock = lab.clone / ".git/index.lock"
    lock.touch()
    waits = SimpleNamespace(monotonic=time.monotonic, sleep=lambda _seconds: lock.unlink())
    monkeypatch.setattr(repository_module, "time", waits)
    lab.open()
    assert not lock.exists()


def test_a_submodule_is_refused(lab: House) -> None:
    git(lab.clone, "submodule", "--quiet", "add", str(lab.bare), "library")
    git(lab.clone, "commit", "--quiet", "--message", "A submodule")
    assert "library" in refused_as_it_was(lab, "publish_target_unsupported").message


def test_git_lfs_is_refused(lab: House) -> None:
    if shutil.which("git-lfs") is None:
        pytest.skip("there is no git-lfs")
    git(lab.clone, "lfs", "install", "--local")
    write(lab.clone, {"data/.gitattributes": b"# nothing\n"})
    git(lab.clone, "lfs", "track", "data/*.bin")
    commit_files(lab, {"data/one.bin": b"\0" * 4096})
    assert git(lab.clone, "cat-file", "-p", "HEAD:data/one.bin").startswith("version https://git-lfs")
    error = refused_as_it_was(lab, "publish_target_unsupported")
    assert "filter=lfs in .gitattributes" in error.message


def test_a_submodule_that_the_remote_has_got_since_is_refused(lab: House) -> None:
    repository = lab.open()
    tree = git(
        lab.bare, "mktree", stdin=f"160000 commit {git(lab.bare, 'rev-parse', 'main')}\tlibrary\n".encode()
    )
    made = git(lab.bare, "commit-tree", tree, "-p", "main", "-m", "A submodule")
    git(lab.bare, "update-ref", "refs/heads/main", made)
    with pytest.raises(RackbenchError, match="library"):
        repository.base()


def test_the_base_is_fetched_when_the_remote_has_moved_and_the_clones_branch_is_left(lab: House) -> None:
    repository = lab.open()
    before = git(lab.clone, "rev-parse", "main")
    moved = lab.move_base()
    assert repository.base().commit == moved
    assert git(lab.clone, "rev-parse", "main") == before
    assert git(lab.clone, "rev-parse", "origin/main") == moved
    assert not (lab.clone / ".git/FETCH_HEAD").exists()


def test_tags_and_other_branches_of_the_remote_are_not_fetched(lab: House) -> None:
    lab.move_base()
    git(lab.bare, "tag", "v1", "main")
    git(lab.bare, "branch", "other", "main")
    lab.open().base()
    assert "refs/tags" not in seen(lab.clone)[0]
    assert "other" not in seen(lab.clone)[0]


def problem(repository: Repository, code: str) -> RackbenchError:
    """Return the problem with the remote; the base is known all the same."""
    found = repository.base()
    assert found.commit == git(repository.target.repo, "rev-parse", "main")
    assert found.problem is not None
    assert found.problem.code == code, found.problem
    return found.problem


def test_a_missing_remote_is_told_and_the_clones_own_branch_is_the_base(lab: House) -> None:
    git(lab.clone, "remote", "remove", "origin")
    repository = lab.open()
    assert repository.remote_url() is None
    problem(repository, "publish_remote_missing")


def test_another_remote_than_the_one_named_is_told_and_never_asked(lab: House) -> None:
    repository = lab.open(remote_url="https://box/lab/results.git")
    lab.move_base()
    error = problem(repository, "publish_remote_mismatch")
    assert str(lab.bare) in error.message
    assert "https://box/lab/results.git" in error.message


def test_the_remote_that_is_named_is_no_problem(lab: House) -> None:
    assert lab.open(remote_url="bare.git").remote_problem() is None


def test_a_remote_that_pushes_elsewhere_is_a_mismatch(lab: House) -> None:
    git(lab.clone, "remote", "set-url", "--push", "origin", "/elsewhere.git")
    assert "/elsewhere.git" in problem(lab.open(remote_url="bare.git"), "publish_remote_mismatch").message


def test_a_remote_with_a_relative_path_is_taken_from_the_clone(lab: House) -> None:
    git(lab.clone, "remote", "set-url", "origin", "../bare.git")
    repository = lab.open(remote_url="bare.git")
    assert repository.remote_problem() is None
    assert repository.base().problem is None


def test_a_ref_of_the_remote_whose_name_is_no_utf_8_stops_nobody(lab: House) -> None:
    git(lab.bare, "update-ref", os.fsdecode(b"refs/x\xff/refs/heads/main"), "main")
    assert lab.open().base().problem is None


def test_an_unreachable_remote_is_told_and_the_last_known_base_is_taken(lab: House) -> None:
    lab.bare.rename(lab.root / "away.git")
    error = problem(lab.open(), "publish_remote_unreachable")
    assert "does not" in error.message
    assert error.next_command == f"git -C {lab.clone} ls-remote origin"


@pytest.mark.parametrize("form", ["http://bot:hunter2@{}/r.git", "http://{}/r.git?private_token=hunter2"])
def test_a_remote_where_nobody_listens_is_unreachable_and_its_password_is_not_shown(
    lab: House, form: str
) -> None:
    with http.server.HTTPServer(("127.0.0.1", 0), http.server.BaseHTTPRequestHandler) as closed:
        port = closed.server_port
    git(lab.clone, "remote", "set-url", "origin", form.format(f"127.0.0.1:{port}"))
    error = problem(lab.open(), "publish_remote_unreachable")
    assert "hunter2" not in str(error.as_dict())


class Guarded(http.server.SimpleHTTPRequestHandler):
    """A web server that gives a repository's files to whoever knows the password."""

    def do_GET(self) -> None:
        known = base64.b64encode(b"bot:hunter2").decode()
        if self.headers.get("Authorization") == f"Basic {known}":
            super().do_GET()
            return
        self.send_response(401)
        self.send_header("WWW-Authenticate", 'Basic realm="results"')
        self.send_header("Content-Length", "0")
        self.end_headers()

    def log_message(self, *_arguments: object) -> None:
        """Say nothing."""


@pytest.fixture
def guarded(lab: House) -> Iterator[str]:
    """Serve the bare repository; return its address."""
    git(lab.bare, "update-server-info")

    def handler(*arguments: object) -> Guarded:
        return Guarded(*arguments, directory=str(lab.root))  # type: ignore[arg-type]

    with http.server.ThreadingHTTPServer(("127.0.0.1", 0), handler) as server:
        thread = threading.Thread(target=server.serve_forever, args=(0.05,))
        thread.start()
        yield f"http://127.0.0.1:{server.server_port}/bare.git"
        server.shutdown()
        thread.join()


def test_a_remote_that_asks_for_a_password_is_told_and_nobody_is_asked(
    lab: House, guarded: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    asked = lab.root / "asked"
    write(lab.root, {"ask": f"#!/bin/sh\ntouch {shlex.quote(str(asked))}\necho hunter2\n".encode()})
    (lab.root / "ask").chmod(0o755)
    for name in ("GIT_ASKPASS", "SSH_ASKPASS"):
        monkeypatch.setenv(name, str(lab.root / "ask"))
    git(lab.clone, "config", "core.askPass", str(lab.root / "ask"))
    git(lab.clone, "remote", "set-url", "origin", guarded)
    problem(lab.open(), "publish_remote_auth")
    assert not asked.exists()


def test_a_wrong_password_is_told(lab: House, guarded: str) -> None:
    git(lab.clone, "remote", "set-url", "origin", guarded.replace("//", "//bot:hunter3@"))
    assert "hunter3" not in str(problem(lab.open(), "publish_remote_auth").as_dict())


def test_the_credential_helper_of_the_clone_is_asked(lab: House, guarded: str) -> None:
    git(lab.clone, "config", "credential.helper", "!echo username=bot; echo password=hunter2; :")
    git(lab.clone, "remote", "set-url", "origin", guarded)
    assert lab.open().base().problem is None


@pytest.fixture
def ssh(lab: House) -> Path:
    """Let the clone reach the bare repository by ssh: a real sshd for each call, without a port; return its folder."""
    if not Path(SSHD).exists():
        pytest.skip("there is no sshd")
    if os.getuid() == 0:
        Path("/run/sshd").mkdir(exist_ok=True)
    folder = lab.root / "ssh"
    folder.mkdir(mode=0o700)
    for name in ("host", "id"):
        subprocess.run(["ssh-keygen", "-q", "-t", "ed25519", "-N", "", "-f", folder / name], check=True)
    (folder / "authorized").write_text((folder / "id.pub").read_text())
    (folder / "known").write_text("results-host " + (folder / "host.pub").read_text())
    (folder / "sshd_config").write_text(
        f"HostKey {folder}/host\nAuthorizedKeysFile {folder}/authorized\nStrictModes no\nUsePAM no\n"
        "PermitRootLogin yes\nPasswordAuthentication no\nKbdInteractiveAuthentication no\n"
    )
    (folder / "ssh_config").write_text(
        f"Host results-host\n IdentityFile {folder}/id\n IdentitiesOnly yes\n UserKnownHostsFile {folder}/known\n"
        f" GlobalKnownHostsFile none\n ProxyCommand {SSHD} -i -f {folder}/sshd_config -E {folder}/log\n"
    )
    git(lab.clone, "config", "core.sshCommand", f"ssh -F {folder}/ssh_config")
    git(lab.clone, "remote", "set-url", "origin", f"results-host:{lab.bare}")
    return folder


def test_ssh_is_called_as_the_clone_is_configured(lab: House, ssh: Path) -> None:
    moved = lab.move_base()
    found = lab.open(remote_url=f"ssh://results-host{lab.bare}").base()
    assert (found.commit, found.problem) == (moved, None)


def test_a_key_that_ssh_refuses_is_told(lab: House, ssh: Path) -> None:
    (ssh / "authorized").write_text("")
    assert "Permission denied" in problem(lab.open(), "publish_remote_auth").message


def test_a_passphrase_is_never_asked_for(lab: House, ssh: Path) -> None:
    subprocess.run(["ssh-keygen", "-q", "-p", "-N", "hunter2", "-f", ssh / "id"], check=True)
    problem(lab.open(), "publish_remote_auth")


def test_an_unknown_host_key_is_told_as_that(lab: House, ssh: Path) -> None:
    (ssh / "known").write_text("")
    error = problem(lab.open(), "publish_remote_unreachable")
    assert "host key" in error.message
    assert "known_hosts" in error.next_step


def test_git_that_is_missing_is_told(lab: House, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("PATH", str(lab.root))
    with pytest.raises(RackbenchError) as caught:
        lab.open()
    assert caught.value.code == "git_missing"


def test_a_git_that_takes_too_long_is_ended_with_all_that_it_started(lab: House) -> None:
    started = lab.root / "started"
    alias = f"alias.hang=!echo $$ > {shlex.quote(str(started))}; exec sleep 600"
    for limit in (1, 5, 60):  # a busy machine may need long to start anything
        with pytest.raises(GitError) as caught:
            Git(lab.clone).run("-c", alias, "hang", timeout=limit)
        assert caught.value.returncode is None
        if started.exists() and started.read_text():
            break
    process = Path("/proc", started.read_text().strip(), "stat")
    ends = time.monotonic() + 60
    while process.exists() and process.read_text().split()[2] != "Z":
        assert time.monotonic() < ends
        time.sleep(0.01)


def test_no_setting_of_the_users_environment_reaches_git(monkeypatch: pytest.MonkeyPatch) -> None:
    for name in ("GIT_DIR", "GIT_TRACE", "SSH_ASKPASS", "DISPLAY", "LANGUAGE", "LC_MESSAGES", "TZ"):
        monkeypatch.setenv(name, "/nowhere")
    monkeypatch.setenv("SSH_AUTH_SOCK", "/agent")
    made = git_module.environment({"MORE": "1", "LC_ALL": None})
    assert "/nowhere" not in made.values()
    assert (made["SSH_AUTH_SOCK"], made["MORE"], "LC_ALL" in made) == ("/agent", "1", False)
