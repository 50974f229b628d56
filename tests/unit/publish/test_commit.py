# SPDX-License-Identifier: Apache-2.0
"""Results as a commit: the same everywhere, found again and never made over somebody's work."""

from __future__ import annotations

import os
import tempfile
from pathlib import Path, PurePosixPath
from typing import TYPE_CHECKING

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from rackbench.errors import RackbenchError
from rackbench.ledger.state import RunState
from rackbench.publish import git as git_module
from rackbench.publish import worktree
from rackbench.publish.commit import Commit, commit, message
from rackbench.publish.payload import Payload, PayloadFile

from tests.unit.publish.made_repositories import (
    BRANCH,
    FILES,
    WHEN,
    WORDS,
    House,
    git,
    hostile_home,
    house,
    machine,
    seen,
    write,
)

if TYPE_CHECKING:
    from collections.abc import Mapping

pytestmark = pytest.mark.slow


@pytest.fixture
def lab(tmp_path: Path) -> House:
    return house(tmp_path)


def content(lab: House, sha: str, clone: str = "clone") -> dict[str, str]:
    """Return the objects of the files that a commit holds in the directory of the results; all are plain ones."""
    listing = git(lab.root / clone, "ls-tree", "-r", "-z", f"{sha}:{BRANCH}").split("\0")[:-1]
    entries = [entry.split("\t") for entry in listing]
    assert {head.split()[0] for head, _name in entries} == {"100644"}
    return {name: head.split()[2] for head, name in entries}


def blobs(lab: House, files: Mapping[str, bytes]) -> dict[str, str]:
    """Return the objects that hold exactly these bytes."""
    return {
        name: git(lab.bare, "hash-object", "--no-filters", "--stdin", stdin=data)
        for name, data in files.items()
    }


def refusal(lab: House, code: str, clone: str = "clone", **more: object) -> RackbenchError:
    """Commit where that is refused with a code; the clone is as before."""
    before = seen(lab.root / clone)
    with pytest.raises(RackbenchError) as caught:
        lab.commit(lab.open(clone), **more)  # type: ignore[arg-type]
    assert caught.value.code == code, caught.value
    assert seen(lab.root / clone) == before
    return caught.value


def test_a_commit_holds_exactly_the_payload_on_the_base(lab: House) -> None:
    made = lab.commit(lab.open())
    assert content(lab, made.sha) == blobs(lab, FILES)
    assert git(lab.clone, "rev-parse", f"{made.sha}^") == made.base == git(lab.bare, "rev-parse", "main")
    assert git(lab.clone, "rev-parse", BRANCH) == made.sha
    changed = git(lab.clone, "diff", "--name-only", "main", made.sha).splitlines()
    assert changed == sorted(f"{BRANCH}/{name}" for name in FILES)
    assert (made.reused, made.problem, made.in_base) == (False, None, False)


def test_author_committer_dates_and_words_are_fixed(lab: House) -> None:
    made = lab.commit(lab.open())
    told = git(lab.clone, "cat-file", "commit", made.sha).splitlines()
    person = f"Rackbench <rackbench@localhost.invalid> {int(WHEN.timestamp())} +0000"
    assert told[2:] == [f"author {person}", f"committer {person}", "", *WORDS.splitlines()]


def test_files_index_and_other_refs_of_the_clone_are_left_alone(lab: House) -> None:
    write(lab.clone, {"notes.txt": b"not tracked"})
    before = seen(lab.clone)
    made = lab.commit(lab.open())
    refs, *others = seen(lab.clone)
    assert others == list(before[1:])
    assert set(refs.splitlines()) - set(before[0].splitlines()) == {f"{made.sha} commit\trefs/heads/{BRANCH}"}


NAMES = st.lists(
    st.text("abcXYZ019 ._-äß\\'\"*?[", min_size=1, max_size=12).filter(
        lambda name: name not in {".", ".."} and not name.lower().startswith(".git")
    ),
    min_size=1,
    max_size=3,
).map("/".join)


@st.composite
def payloads(draw: st.DrawFn) -> dict[str, bytes]:
    """Draw files whose names do not get in each other's way."""
    files = draw(
        st.dictionaries(NAMES, st.binary(max_size=60) | st.just(b"a\r\nb\n$Id$\r\n"), min_size=1, max_size=5)
    )
    return {
        name: data for name, data in files.items() if not any(other.startswith(f"{name}/") for other in files)
    }


@settings(max_examples=5)
@given(payloads())
def test_the_same_payload_on_the_same_base_is_one_commit_on_two_machines(files: dict[str, bytes]) -> None:
    with tempfile.TemporaryDirectory() as folder:
        lab = house(Path(folder))
        home = hostile_home(lab.root / "home")
        (lab.root / "plain").mkdir()
        second = lab.another_clone("second")
        (second / ".git/config").open("a").write((home / ".gitconfig").read_text().partition("[url")[0])
        (second / ".git/info/attributes").write_text("* text eol=crlf ident\n")
        with machine(lab.root / "plain", zone="Asia/Kathmandu", umask=0o022):
            one = lab.commit(lab.open(), files)
        with machine(home, zone="America/St_Johns", umask=0o077):
            two = lab.commit(lab.open("second"), files)
        assert one == two
        assert not (home / "ran").exists()
        assert content(lab, one.sha) == blobs(lab, files)


def test_attributes_of_the_base_do_not_change_what_is_stored(lab: House) -> None:
    blob = lab.blob("*.json text eol=lf ident working-tree-encoding=UTF-16\n")
    tree = git(lab.bare, "mktree", stdin=f"100644 blob {blob}\t.gitattributes\n".encode())
    git(
        lab.bare,
        "update-ref",
        "refs/heads/main",
        git(lab.bare, "commit-tree", tree, "-p", "main", "-m", "Attributes"),
    )
    lab.another_clone("second")
    made = lab.commit(lab.open("second"))
    assert content(lab, made.sha, "second") == blobs(lab, FILES)


def test_modes_and_times_of_the_files_play_no_part(lab: House) -> None:
    first = lab.commit(lab.open())
    payload = write(lab.root / "other", FILES)
    for name in FILES:
        (payload / name).chmod(0o755)
        os.utime(payload / name, (1, 1))
    lab.another_clone("second")
    repository = lab.open("second")
    again = commit(
        repository,
        repository.target,
        branch=BRANCH,
        directory=PurePosixPath(BRANCH),
        payload=payload,
        message=WORDS,
        when=WHEN,
    )
    assert again.sha == first.sha


def test_the_same_again_is_reused(lab: House) -> None:
    first = lab.commit(lab.open())
    again = lab.commit(lab.open())
    assert (again.sha, again.reused) == (first.sha, True)


def test_the_same_again_is_reused_when_the_base_has_moved_since(lab: House) -> None:
    first = lab.commit(lab.open())
    lab.move_base()
    again = lab.commit(lab.open())
    assert (again.sha, again.base, again.reused) == (first.sha, first.base, True)


def test_what_another_machine_pushed_on_an_older_base_is_taken_over(lab: House) -> None:
    lab.another_clone("second")
    first = lab.commit(lab.open())
    git(lab.clone, "push", "--quiet", "origin", BRANCH)
    lab.move_base()
    again = lab.commit(lab.open("second"))
    assert (again.sha, again.base, again.reused) == (first.sha, first.base, True)
    assert git(lab.root / "second", "rev-parse", BRANCH) == first.sha


def test_what_another_machine_pushed_wins_over_the_same_commit_of_our_own(lab: House) -> None:
    lab.another_clone("second")
    first = lab.commit(lab.open())
    lab.move_base()
    second = lab.commit(lab.open("second"))
    assert second.sha != first.sha
    git(lab.root / "second", "push", "--quiet", "origin", BRANCH)
    again = lab.commit(lab.open())
    assert (again.sha, again.base) == (second.sha, second.base)
    assert git(lab.clone, "rev-parse", BRANCH) == first.sha


def test_results_that_were_merged_are_found_in_the_base(lab: House) -> None:
    made = lab.commit(lab.open())
    git(lab.clone, "push", "--quiet", "origin", f"{made.sha}:main")
    lab.another_clone("second")
    found = lab.commit(lab.open("second"))
    assert (found.sha, found.in_base, found.reused) == (made.sha, True, True)
    assert BRANCH not in seen(lab.root / "second")[0]


def test_older_results_in_the_directory_are_replaced_wholly(lab: House) -> None:
    old = lab.commit(lab.open(), {"old.json": b"1", "provenance.json/deep": b"2"})
    git(lab.clone, "push", "--quiet", "origin", f"{old.sha}:main")
    lab.another_clone("second")
    made = lab.commit(lab.open("second"))
    assert content(lab, made.sha, "second") == blobs(lab, FILES)


def test_a_branch_that_is_there_with_other_content_is_refused(lab: House) -> None:
    theirs = lab.other_content(lab.clone)
    error = refusal(lab, "publish_branch_taken")
    assert BRANCH in error.message
    assert git(lab.clone, "rev-parse", BRANCH) == theirs


def test_a_branch_that_the_remote_has_with_other_content_is_diverged(lab: House) -> None:
    theirs = lab.other_content(lab.bare)
    lab.open().base(BRANCH)
    refusal(lab, "publish_diverged")
    assert git(lab.bare, "rev-parse", BRANCH) == theirs


def test_a_branch_with_one_more_commit_on_top_of_ours_is_diverged(lab: House) -> None:
    made = lab.commit(lab.open())
    git(lab.clone, "push", "--quiet", "origin", BRANCH)
    more = git(lab.bare, "commit-tree", f"{made.sha}^{{tree}}", "-p", made.sha, "-m", "A remark")
    git(lab.bare, "update-ref", f"refs/heads/{BRANCH}", more)
    refusal(lab, "publish_diverged")


@pytest.fixture
def unasked(lab: House) -> Commit:
    """Results that were committed on a commit of the clone's own, while its remote was missing."""
    git(lab.clone, "commit", "--quiet", "--allow-empty", "--message", "Not pushed")
    git(lab.clone, "remote", "rename", "origin", "away")
    repository = lab.open()
    made = lab.commit(repository)
    worktree.add(repository, lab.root / "shown", BRANCH)
    assert made.problem is not None
    assert lab.commit(lab.open()).sha == made.sha
    git(lab.clone, "remote", "rename", "away", "origin")
    return made


def test_results_on_commits_that_the_remote_lacks_are_made_anew(lab: House, unasked: Commit) -> None:
    repository = lab.open()
    made = lab.commit(repository)
    assert made.base == git(lab.bare, "rev-parse", "main") != unasked.base
    assert git(lab.clone, "rev-parse", BRANCH) == made.sha
    worktree.add(repository, lab.root / "shown", BRANCH)
    assert git(lab.root / "shown", "rev-parse", "HEAD") == made.sha
    assert git(lab.root / "shown", "status", "--porcelain") == ""


def test_changes_in_the_worktree_of_a_branch_that_should_be_made_anew_stay(
    lab: House, unasked: Commit
) -> None:
    write(lab.root / "shown", {"notes": b"mine"})
    refusal(lab, "publish_target_dirty")
    assert git(lab.clone, "rev-parse", BRANCH) == unasked.sha
    assert (lab.root / "shown/notes").exists()


def test_a_branch_on_commits_that_the_base_lacks_is_refused_when_the_remote_has_it(
    lab: House, unasked: Commit
) -> None:
    lab.another_clone("second")
    lab.commit(lab.open("second"))
    git(lab.root / "second", "push", "--quiet", "origin", BRANCH)
    refusal(lab, "publish_branch_taken")
    assert git(lab.clone, "rev-parse", BRANCH) == unasked.sha


def test_a_branch_with_other_words_or_another_mode_is_not_ours(lab: House) -> None:
    made = lab.commit(lab.open())
    other = git(lab.clone, "commit-tree", f"{made.sha}^{{tree}}", "-p", made.base, "-m", "Other words")
    git(lab.clone, "update-ref", f"refs/heads/{BRANCH}", other)
    refusal(lab, "publish_branch_taken")


def test_a_branch_that_leaves_no_room_for_ours_is_named(lab: House) -> None:
    git(lab.clone, "branch", "results")
    assert "refs/heads/results" in refusal(lab, "publish_branch_taken").message


def test_a_file_in_place_of_the_directory_is_named(lab: House) -> None:
    lab.move_base("results")
    lab.another_clone("second")
    assert "a file results" in refusal(lab, "publish_target_invalid", "second").message


def test_a_symbolic_link_in_the_payload_is_refused(lab: House) -> None:
    payload = write(lab.root / "payload", FILES)
    (payload / "link").symlink_to("/etc/passwd")
    repository = lab.open()
    with pytest.raises(RackbenchError, match="link is no plain file") as caught:
        commit(
            repository,
            repository.target,
            branch=BRANCH,
            directory=PurePosixPath(BRANCH),
            payload=payload,
            message=WORDS,
            when=WHEN,
        )
    assert caught.value.code == "publish_payload_refused"


@pytest.mark.parametrize("name", [".gitattributes", "deep/.gitmodules", "deep/.GIT/config", "two\nlines"])
def test_a_name_that_git_takes_for_its_own_is_refused(lab: House, name: str) -> None:
    refusal(lab, "publish_payload_refused", files={name: b"x"})


def test_an_empty_payload_is_refused(lab: House) -> None:
    refusal(lab, "publish_payload_empty", files={})


def test_a_ref_that_another_git_locks_is_named(lab: House, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(git_module._SETTINGS, "core.filesRefLockTimeout", "200")
    lock = lab.clone / ".git/refs/heads" / f"{BRANCH}.lock"
    lock.parent.mkdir(parents=True)
    lock.touch()
    assert refusal(lab, "publish_target_locked").next_path == str(lock)
    lock.unlink()
    assert not lab.commit(lab.open()).reused


def test_the_message_says_what_and_nothing_of_this_machine() -> None:
    state = RunState(opened={"run_id": "20261121T080000Z-box", "host": "box", "run_dir": "automation-runs/x"})
    files = (PayloadFile("provenance.json", 10, "0" * 64, 0),)
    payload = Payload(Path("/here/payload"), Path("/here/manifest.json"), files, "f" * 64)
    assert message(state, "latency", payload) == (
        "Results of latency on box, run 20261121T080000Z-box\n\n"
        f"1 file, described in provenance.json.\nPayload: sha256:{'f' * 64}\n"
    )
