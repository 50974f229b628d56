# SPDX-License-Identifier: Apache-2.0
"""Taking merges back, on real git histories of a corpus, with the command."""

from __future__ import annotations

import json
import os
import signal
import time
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pytest
from rackbench.corpus import inventory
from rackbench.corpus.validate import check_corpus

from tests.integration.harness import Done, LabProject
from tests.unit.corpus import samples
from tests.unit.publish.made_repositories import git, hook, seen

if TYPE_CHECKING:
    from collections.abc import Callable

pytestmark = pytest.mark.full

BRANCH = "published-results"
BUNDLES = "results-data/bundles"
INVENTORY = "results-data/corpus-inventory.json"
LIMIT_S = 120


@pytest.fixture(autouse=True)
def _own_cache(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path / "cache"))


@dataclass
class House:
    """A bare repository of a corpus, a clone in which submissions are merged, and one in which they are taken back."""

    root: Path

    @property
    def bare(self) -> Path:
        return self.root / "corpus.git"

    @property
    def office(self) -> Path:
        return self.root / "office"

    @property
    def clone(self) -> Path:
        return self.root / "clone"

    def cloned(self, *options: str) -> None:
        git(self.root, "clone", "--quiet", "--branch", BRANCH, *options, self.bare.as_uri(), "clone")

    def start(self, number: int) -> Path:
        """Begin the branch of a submission, and return the directory of the bundles."""
        git(self.office, "switch", "--quiet", "--create", f"submission-{number}", BRANCH)
        return self.office / BUNDLES

    def commit(self, words: str = "Results", *, with_inventory: bool = True) -> str:
        if with_inventory:
            top = self.office / "results-data"
            inventory.write(top, check_corpus(top, full=True))
        git(self.office, "add", "--all")
        git(self.office, "commit", "--quiet", "--allow-empty", "--message", words)
        return git(self.office, "rev-parse", "HEAD")

    def merge(self, number: int, words: str | None = None) -> str:
        """Merge the branch of a submission as GitHub does, push it, and return the merge."""
        said = words or f"Merge pull request #{number} from somebody/submission-{number}"
        git(self.office, "switch", "--quiet", BRANCH)
        git(self.office, "merge", "--quiet", "--no-ff", "--message", said, f"submission-{number}")
        git(self.office, "push", "--quiet", "origin", BRANCH)
        return git(self.office, "rev-parse", "HEAD")

    def submit(self, number: int, **options: Any) -> str:
        """Merge a submission of one bundle with its manifest, and return the merge."""
        samples.with_manifest(samples.another(number, self.start(number)))
        self.commit(**options)
        return self.merge(number)

    def rollback(self, *arguments: str) -> Done:
        return LabProject(self.clone, self.root).rackbench("corpus", "rollback", *arguments)

    def answer(self, *arguments: str) -> Any:
        done = self.rollback(*arguments, "--json")
        assert done.rc == 0, done.said
        return json.loads(done.stdout)

    def refused(self, code: str, *arguments: str, status: int = 1) -> str:
        """Assert that a rollback is refused, and leaves everything as it was; return what it said."""
        before = seen(self.clone)
        done = self.rollback(*arguments)
        assert f"code   {code}\n" in done.stderr, done.said
        assert done.rc == status, done.said
        assert seen(self.clone) == before
        assert not (self.clone / ".git/rackbench-rollback").exists()
        return done.stderr

    def changed(self, old: str, new: str) -> list[str]:
        return git(self.clone, "diff", "--name-only", "--no-renames", old, new).splitlines()


def names(number: int) -> list[str]:
    stem = f"{BUNDLES}/ssb_sf001_duckdb_sql_20261121_030014_{number:08x}"
    return [f"{stem}.json", f"{stem}.manifest.json"]


@pytest.fixture
def house(tmp_path: Path) -> House:
    """A corpus with one bundle, that no pull request brought."""
    house = House(tmp_path)
    git(tmp_path, "init", "--quiet", "--bare", "--initial-branch", BRANCH, "corpus.git")
    git(tmp_path, "clone", "--quiet", "corpus.git", "office")
    git(house.office, "switch", "--quiet", "--orphan", BRANCH)
    samples.with_manifest(samples.another(0, house.office / BUNDLES))
    house.commit("First")
    git(house.office, "push", "--quiet", "origin", BRANCH)
    return house


def fits(house: House, commit: str) -> None:
    """Assert that the inventory of a commit fits its files."""
    place = house.root / "looked-at"
    git(house.clone, "worktree", "add", "--quiet", "--detach", str(place), commit)
    top = place / "results-data"
    old = inventory.read(top / "corpus-inventory.json")
    assert isinstance(old, dict)
    assert not inventory.difference(old, check_corpus(top, full=True))
    git(house.clone, "worktree", "remove", str(place))


@pytest.mark.parametrize("which", [0, 1, 2], ids=["oldest", "middle", "newest"])
def test_the_named_one_of_three_merges_goes_and_nothing_else(house: House, which: int) -> None:
    merges = [house.submit(number) for number in (1, 2, 3)]
    house.cloned()
    before = seen(house.clone)
    answer = house.answer(merges[which], "--because", "broken")
    assert answer["removes"] == names(which + 1)
    assert (answer["changes"], answer["restores"], answer["pushed"]) == ([], [], False)
    assert (answer["pull_request"], answer["because"]) == (which + 1, "broken")
    # The newest gets back the very inventory that was there before it; the others conflict in it.
    assert answer["inventories"] == ([] if which == 2 else [INVENTORY])
    commit = answer["commit"]
    assert git(house.clone, "rev-parse", f"{commit}^") == merges[2]
    assert house.changed(merges[2], commit) == sorted([*names(which + 1), INVENTORY])
    fits(house, commit)
    assert f"This reverts commit {merges[which]}" in git(house.clone, "log", "-1", "--format=%B", commit)
    assert answer["branch"] == f"rollback/{merges[which][:12]}"
    git(house.clone, "branch", "--delete", "--force", answer["branch"])
    assert seen(house.clone) == before
    assert git(house.bare, "rev-parse", BRANCH) == merges[2]


def test_what_goes_is_shown_and_the_comment_says_why(house: House) -> None:
    merge = house.submit(1)
    house.cloned()
    done = house.rollback(merge, "--because", "misleading")
    assert done.rc == 0, done.said
    shown = [done.stdout.index(f"removes   {name}") for name in names(1)]
    assert max(shown) < done.stdout.index("rollback/")
    text = done.stdout.partition("Comment for the pull request #1 that was merged:")[2]
    assert "misleading" in text
    assert "broken" not in text
    assert "resubmission is welcome" in text
    assert "published-results" in done.stdout.partition("To bring it into")[2]


def test_a_merge_that_changed_and_removed_files_is_undone_whole(house: House) -> None:
    house.submit(1)
    house.start(2)
    (house.office / names(1)[0]).unlink()
    (house.office / names(1)[1]).unlink()
    samples.with_manifest(house.office / names(0)[0], submitted_by="somebody else")
    house.commit()
    merge = house.merge(2)
    house.submit(3)
    house.cloned()
    answer = house.answer(merge)
    assert answer["removes"] == []
    assert answer["changes"] == [names(0)[1]]
    assert answer["restores"] == names(1)
    assert house.changed(f"{merge}^1", answer["commit"]) == sorted([*names(3), INVENTORY])
    fits(house, answer["commit"])


def test_a_merge_that_moved_a_directory_takes_nothing_along_that_came_into_it_later(house: House) -> None:
    house.start(1)
    git(house.office, "mv", BUNDLES, "results-data/moved")
    house.commit()
    merge = house.merge(1)
    house.start(2)
    later = samples.with_manifest(samples.another(2, house.office / "results-data/moved"))
    house.commit()
    house.merge(2)
    house.cloned()
    answer = house.answer(merge)
    assert answer["restores"] == names(0)
    kept = git(house.clone, "ls-tree", "--name-only", f"{answer['commit']}:results-data/moved").splitlines()
    assert later.name in kept
    assert len(kept) == 2


def test_a_link_that_comes_back_where_an_inventory_was_leads_nowhere(house: House) -> None:
    outside = house.root / "outside/corpus-inventory.json"
    outside.parent.mkdir()
    outside.write_text("mine\n")
    linked = house.office / "linked"
    linked.symlink_to(outside.parent)
    house.commit()
    git(house.office, "push", "--quiet", "origin", BRANCH)
    house.start(1)
    linked.unlink()
    samples.with_manifest(samples.another(1, linked))
    inventory.write(linked, check_corpus(linked, full=True))
    house.commit()
    merge = house.merge(1)
    house.cloned()
    answer = house.answer(merge)
    assert (answer["changes"], answer["restores"], answer["inventories"]) == ([], ["linked"], [])
    assert house.changed(f"{merge}^1", answer["commit"]) == []
    assert outside.read_text() == "mine\n"


def test_a_merge_whose_files_a_later_merge_changed_is_refused(house: House) -> None:
    merge = house.submit(1)
    house.start(2)
    samples.with_manifest(house.office / names(1)[0], submitted_by="somebody else")
    house.commit()
    later = house.merge(2)
    house.cloned()
    said = house.refused("corpus_merge_built_on", merge)
    assert later[:12] in said
    assert names(1)[1] in said
    assert names(1)[0] not in said


def test_a_merge_that_was_taken_back_already_is_refused_also_when_it_came_again(house: House) -> None:
    merge = house.submit(1)
    house.start(2)
    git(house.office, "revert", "--no-edit", "--mainline", "1", merge)
    back = house.merge(2)
    house.cloned()
    assert back[:12] in house.refused("corpus_merge_reverted", merge)
    house.start(3)
    git(house.office, "revert", "--no-edit", "--mainline", "1", back)
    again = house.merge(3)
    git(house.clone, "fetch", "--quiet")
    assert again[:12] in house.refused("corpus_merge_built_on", merge)
    assert house.answer(again)["removes"] == names(1)


def test_a_merge_of_nothing_but_the_inventory_is_refused(house: House) -> None:
    house.start(1)
    path = house.office / INVENTORY
    path.write_text(path.read_text() + "\n")
    house.commit(with_inventory=False)
    merge = house.merge(1)
    house.cloned()
    house.refused("corpus_merge_empty", merge)


def test_what_is_no_merge_of_the_branch_is_refused(house: House) -> None:
    merge = house.submit(1)
    plain = git(house.office, "rev-parse", "HEAD^2")
    first = git(house.office, "rev-parse", "HEAD^1")
    git(house.office, "switch", "--quiet", "--detach", first)
    git(house.office, "merge", "--quiet", "--no-ff", "--message", "elsewhere", plain)
    elsewhere = git(house.office, "rev-parse", "HEAD")
    git(house.office, "push", "--quiet", "origin", "HEAD:refs/heads/other")
    # A branch whose name is that of a commit is not what is meant by it.
    git(house.office, "push", "--quiet", "origin", f"{merge}:refs/heads/abcdef1234")
    house.cloned()
    git(house.clone, "branch", "abcdef1234", merge)
    house.refused("corpus_merge_single", plain, status=2)
    house.refused("corpus_merge_single", first, status=2)
    house.refused("corpus_merge_elsewhere", elsewhere, status=2)
    for unknown in ("0" * 40, "no-such", f"{merge}:{INVENTORY}", "abcdef1234", ""):
        house.refused("corpus_merge_unknown", unknown, status=2)
    house.refused("publish_base_missing", merge, "--branch", "no-such")
    house.refused("publish_remote_missing", merge, "--remote", "no-such")
    house.refused("wrong_usage", merge, "--remote=--upload-pack=false", status=2)
    assert house.answer(merge[:8])["merge"] == merge


def test_a_merge_made_on_the_branch_of_a_submission_is_refused_and_the_outer_one_is_named(
    house: House,
) -> None:
    samples.with_manifest(samples.another(1, house.start(1)))
    house.commit()
    git(house.office, "switch", "--quiet", BRANCH)
    house.submit(2)
    git(house.office, "switch", "--quiet", "submission-1")
    git(house.office, "merge", "--quiet", "-X", "ours", "--message", "Update the branch", BRANCH)
    house.commit("Bring the inventory up to date")
    inner = git(house.office, "rev-parse", "HEAD^")
    outer = house.merge(1)
    house.submit(3)
    house.cloned()
    assert f"rackbench corpus rollback {outer[:12]}" in house.refused("corpus_merge_inner", inner, status=2)
    assert house.answer(outer)["removes"] == names(1)


@pytest.mark.parametrize("words", ["Merge branch 'published-results' into mine", "Anything"])
def test_a_merge_with_its_parents_the_wrong_way_round_is_refused(house: House, words: str) -> None:
    samples.with_manifest(samples.another(1, house.start(1)))
    house.commit()
    git(house.office, "switch", "--quiet", BRANCH)
    house.submit(2)
    git(house.office, "switch", "--quiet", "submission-1")
    git(house.office, "merge", "--quiet", "-X", "ours", "--message", words, BRANCH)
    git(house.office, "push", "--quiet", "origin", f"HEAD:{BRANCH}")
    house.cloned()
    house.refused("corpus_merge_backwards", "HEAD")


def test_an_octopus_is_refused(house: House) -> None:
    for number in (1, 2):
        samples.with_manifest(samples.another(number, house.start(number)))
        house.commit(with_inventory=False)
    git(house.office, "switch", "--quiet", BRANCH)
    git(house.office, "merge", "--quiet", "--no-ff", "--message", "Both", "submission-1", "submission-2")
    git(house.office, "push", "--quiet", "origin", BRANCH)
    house.cloned()
    house.refused("corpus_merge_octopus", "HEAD", status=2)


def test_a_file_in_the_way_of_a_directory_is_a_conflict_and_is_refused(house: House) -> None:
    house.start(1)
    git(house.office, "mv", names(0)[0], "results-data/notes")
    house.commit()
    merge = house.merge(1)
    house.start(2)
    (house.office / names(0)[0]).mkdir()
    (house.office / names(0)[0] / "inside.txt").write_text("in the way\n")
    house.commit()
    house.merge(2)
    house.cloned()
    assert names(0)[0] in house.refused("corpus_rollback_conflict", merge)


def test_an_inventory_of_another_format_that_conflicts_is_left_to_people(house: House) -> None:
    path = house.office / INVENTORY
    merges = []
    for number in (1, 2):
        samples.with_manifest(samples.another(number, house.start(number)))
        path.write_text(f'{{"corpus_version": 1, "bundles": {number}}}\n')
        house.commit(with_inventory=False)
        merges.append(house.merge(number))
    house.cloned()
    assert INVENTORY in house.refused("corpus_rollback_conflict", merges[0])
    answer = house.answer(merges[1])
    assert answer["inventories"] == []
    assert (
        git(house.clone, "show", f"{answer['commit']}:{INVENTORY}") == '{"corpus_version": 1, "bundles": 1}'
    )


def test_a_dirty_clone_is_refused_and_untracked_files_are_nobodys_business(house: House) -> None:
    merge = house.submit(1)
    house.cloned()
    (house.clone / "notes").write_text("mine\n")
    changed = house.clone / names(0)[0]
    content = changed.read_bytes()
    changed.write_bytes(b"{}")
    house.refused("publish_target_dirty", merge)
    assert changed.read_bytes() == b"{}"
    changed.write_bytes(content)
    house.answer(merge)
    assert (house.clone / "notes").read_text() == "mine\n"


@pytest.mark.parametrize("options", [("--depth=1",), ("--sparse",)], ids=["shallow", "sparse"])
def test_a_clone_that_lacks_something_is_refused(house: House, options: tuple[str, ...]) -> None:
    merge = house.submit(1)
    house.cloned(*options)
    house.refused("corpus_clone_partial", merge, status=2)


def test_a_place_that_is_no_clone_is_refused(house: House, tmp_path: Path) -> None:
    house.submit(1)
    house.cloned()
    (tmp_path / "empty").mkdir()
    for place, code in (("empty", "publish_not_a_repository"), ("no-such", "publish_not_a_repository")):
        house.refused(code, "HEAD", "--repo", str(tmp_path / place))
    house.refused("publish_target_bare", "HEAD", "--repo", str(house.bare))


def test_it_is_pushed_as_a_branch_and_a_second_call_finds_it(house: House) -> None:
    merge = house.submit(1)
    newest = house.submit(2)
    house.cloned()
    first = house.answer(merge, "--repo", str(house.clone / BUNDLES))
    assert not first["reused"]
    second = house.answer(merge, "--push")
    third = house.answer(merge, "--push")
    assert {second["commit"], third["commit"]} == {first["commit"]}
    assert second["reused"]
    assert second["pushed"]
    assert first["inventories"] == second["inventories"] == [INVENTORY]
    assert git(house.bare, "rev-parse", first["branch"]) == first["commit"]
    assert git(house.bare, "rev-parse", BRANCH) == newest
    argv = first["landing_command"]["argv"]
    git(house.clone, *argv[3:])
    assert git(house.bare, "rev-parse", BRANCH) == first["commit"]
    git(house.clone, "fetch", "--quiet")
    house.refused("corpus_merge_reverted", merge)


def test_a_remote_that_moved_since_the_clone_was_made_is_what_counts(house: House) -> None:
    merge = house.submit(1)
    house.cloned()
    newest = house.submit(2)
    answer = house.answer(merge, "--push")
    assert answer["target"]["commit"] == newest
    assert git(house.bare, "rev-parse", f"{answer['commit']}^") == newest
    assert house.changed(newest, answer["commit"]) == sorted([*names(1), INVENTORY])


def test_a_target_branch_that_moves_during_the_push_is_left_alone(house: House) -> None:
    merge = house.submit(1)
    house.cloned()
    moved = house.submit(2)
    git(house.bare, "update-ref", f"refs/heads/{BRANCH}", merge)
    hook(house.bare, "post-receive", f"git update-ref refs/heads/{BRANCH} {moved}")
    answer = house.answer(merge, "--push")
    assert answer["target"]["commit"] == merge
    assert git(house.bare, "rev-parse", BRANCH) == moved
    assert git(house.bare, "rev-parse", answer["branch"]) == answer["commit"]


def test_a_branch_of_somebody_else_is_never_overwritten(house: House) -> None:
    merge = house.submit(1)
    house.cloned()
    branch = f"rollback/{merge[:12]}"
    git(house.bare, "update-ref", f"refs/heads/{branch}", merge)
    done = house.rollback(merge, "--push")
    assert "code   publish_diverged" in done.stderr, done.said
    assert git(house.bare, "rev-parse", branch) == merge
    git(house.clone, "update-ref", f"refs/heads/{branch}", merge)
    house.refused("publish_branch_taken", merge)


def test_a_remote_that_refuses_the_branch_is_told_in_its_words_and_the_branch_is_kept(house: House) -> None:
    merge = house.submit(1)
    house.cloned()
    hook(house.bare, "pre-receive", "echo 'Only on Mondays.' >&2; exit 1")
    done = house.rollback(merge, "--push")
    assert done.rc == 3, done.said
    assert "Only on Mondays." in done.stderr
    assert git(house.clone, "rev-parse", f"rollback/{merge[:12]}^") == merge


def test_at_github_the_command_opens_a_pull_request(house: House) -> None:
    merge = house.submit(1)
    house.cloned()
    git(house.clone, "config", f"url.{house.bare.as_uri()}.insteadOf", "https://github.com/lab/corpus")
    git(house.clone, "remote", "set-url", "origin", "https://github.com/lab/corpus")
    answer = house.answer(merge)
    argv = answer["landing_command"]["argv"]
    assert argv[:5] == ["gh", "pr", "create", "--repo", "lab/corpus"]
    assert argv[5:9] == ["--base", BRANCH, "--head", answer["branch"]]
    assert answer["compare_url"].startswith(f"https://github.com/lab/corpus/compare/{BRANCH}...rollback/")


def until(happened: Callable[[], bool]) -> None:
    ends = time.monotonic() + LIMIT_S
    while not happened():
        assert time.monotonic() < ends
        time.sleep(0.05)


def has_ended(process: int) -> bool:
    """Return whether a process is gone, or waits only for somebody to ask how it ended."""
    try:
        return Path(f"/proc/{process}/stat").read_text().rpartition(")")[2].split()[0] in {"Z", "X"}
    except (FileNotFoundError, ProcessLookupError):
        return True


@pytest.mark.parametrize("how", [signal.SIGTERM, signal.SIGKILL], ids=["TERM", "KILL"])
def test_a_killed_rollback_leaves_nothing_in_the_way_of_the_next(house: House, how: signal.Signals) -> None:
    (house.office / ".gitattributes").write_text("corpus-inventory.json merge=slow\n")
    house.commit("How inventories are merged")
    git(house.office, "push", "--quiet", "origin", BRANCH)
    merge = house.submit(1)
    house.submit(2)
    house.cloned()
    # The inventory conflicts, and its merge lasts until the file is away; the leader of its group is git.
    hold, pid = house.root / "hold", house.root / "pid"
    hold.touch()
    script = house.root / "slow"
    script.write_text(
        f"#!/bin/sh\necho $$ > {pid}.new; mv {pid}.new {pid}\nwhile [ -e {hold} ]; do sleep 0.1; done; exit 1\n"
    )
    script.chmod(0o755)
    git(house.clone, "config", "merge.slow.driver", str(script))
    before = seen(house.clone)

    process = LabProject(house.clone, house.root).start("rackbench", "corpus", "rollback", merge)
    until(pid.exists)
    leader = os.getpgid(int(pid.read_text()))
    assert (house.clone / ".git/rackbench-rollback").exists()
    # Nobody else may begin meanwhile.
    other = house.rollback(merge)
    assert "code   publish_target_locked" in other.stderr, other.said
    process.send_signal(how)
    process.communicate(timeout=LIMIT_S)
    hold.unlink()
    until(lambda: has_ended(leader))
    if how == signal.SIGTERM:
        assert process.returncode == 128 + how
        assert seen(house.clone) == before
        assert not (house.clone / ".git/rackbench-rollback").exists()
    answer = house.answer(merge)
    fits(house, answer["commit"])
    git(house.clone, "branch", "--delete", "--force", answer["branch"])
    assert seen(house.clone) == before
    assert not (house.clone / ".git/rackbench-rollback").exists()
