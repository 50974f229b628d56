# SPDX-License-Identifier: Apache-2.0
"""Bundles that a decision has to have made: by a builder, from a snapshot, of a program, and on a target."""

from __future__ import annotations

import json
import os
import subprocess
import sys
import threading
import time
from collections.abc import Callable
from pathlib import Path

import pytest
from rackbench.adapters.catalog import Adapter, BundleRef
from rackbench.bundles.build import Follower
from rackbench.bundles.capture import capture, prepare
from rackbench.bundles.catalog import read_sidecar, signature_path
from rackbench.bundles.decision import BUILDER, Candidate
from rackbench.bundles.make import Places, made_record, make, only_one, require_fit
from rackbench.bundles.platforms import Platform, local_platform
from rackbench.bundles.recipe import offers
from rackbench.bundles.snapshot import snapshot_digest
from rackbench.bundles.verify import verify
from rackbench.errors import RackbenchError
from rackbench.files import sha256_of

MakeSource = Callable[..., Path]
ADAPTER = Adapter(
    name="probe",
    summary="",
    description="",
    publish_target="",
    bundle=BundleRef("probe", None, "any"),
    requirements=(),
    capabilities=frozenset(),
    families=(),
    default_families=(),
    headline=(),
    artifacts=(),
    directory=Path(),
)
BUILD = """\
[build]
command = ["sh", "-ec", "echo built here; mkdir $BUNDLE_OUT/lib; cp data/table $BUNDLE_OUT/lib/table; {more}"]
needs = [{{command = "sh", package = "dash"}}]
"""


class Heard(Follower):
    """Remembers what it was told."""

    def __init__(self) -> None:
        self.labels: list[str] = []
        self.commands: list[tuple[list[str], int]] = []

    def goes_on(self, label: str, elapsed_s: float) -> None:
        assert elapsed_s >= 0
        self.labels.append(label)

    def ended(self, argv: list[str], rc: int, duration_s: float, log: Path) -> None:
        assert duration_s >= 0
        assert log.is_file()
        self.commands.append((argv, rc))


@pytest.fixture
def places(tmp_path: Path) -> Places:
    return Places(tmp_path / "dist", tmp_path / "cache", tmp_path / "build.log")


def nobody_else() -> None:
    """Say that nobody has built a bundle that could be taken instead."""


def offered(repo: Path, source: str) -> Candidate:
    (found,) = [
        each for each in offers(local_platform(), ADAPTER, frozenset(), repo) if each.source == source
    ]
    assert found.accepted, found
    return found


def test_a_builder_runs_once_and_what_it_made_is_found_the_second_time(
    make_source: MakeSource, places: Places
) -> None:
    repo = make_source(build=BUILD.format(more=""))
    heard = Heard()
    built = make(offered(repo, BUILDER), ADAPTER, places, heard, nobody_else)
    assert verify(built) == []
    assert built.parent == places.dist
    assert heard.labels[0] == "building"
    assert [rc for _argv, rc in heard.commands] == [0]
    assert "built here" in places.log.read_text()
    record = made_record(built)
    assert (record["sha256"], record["version"], record["entry_point"]) == (
        sha256_of(built),
        "1.0.0",
        "bin/run",
    )
    assert (places.dist / "index.json").is_file()

    again = make(
        offered(repo, BUILDER), ADAPTER, places, heard, lambda: Candidate(built, "dist", version="1.0.0")
    )
    assert again == built
    assert len(heard.commands) == 1


def test_a_bundle_that_the_decision_rejected_is_built_anew_and_not_taken_for_its_looks(
    make_source: MakeSource, places: Places
) -> None:
    repo = make_source(build=BUILD.format(more=""))
    heard = Heard()
    built = make(offered(repo, BUILDER), ADAPTER, places, heard, nobody_else)
    signature_path(built).write_text("the signature of somebody who may not sign")
    assert make(offered(repo, BUILDER), ADAPTER, places, heard, nobody_else) == built
    assert len(heard.commands) == 2
    assert not signature_path(built).exists()


def test_a_builder_that_fails_leaves_its_words_and_nothing_in_dist(
    make_source: MakeSource, places: Places
) -> None:
    repo = make_source(build=BUILD.format(more="echo no such header >&2; exit 3"))
    heard = Heard()
    with pytest.raises(RackbenchError) as caught:
        make(offered(repo, BUILDER), ADAPTER, places, heard, nobody_else)
    assert caught.value.code == "build_failed"
    assert "no such header" in str(caught.value.detail)
    assert caught.value.next_path == str(places.log)
    assert [rc for _argv, rc in heard.commands] == [3]
    assert [path.name for path in places.dist.iterdir()] == [".probe.lock"]


def test_who_comes_second_waits_for_the_first_and_says_so(tmp_path: Path) -> None:
    waiting, order = threading.Event(), []

    class Waits(Heard):
        def goes_on(self, label: str, elapsed_s: float) -> None:
            super().goes_on(label, elapsed_s)
            waiting.set()

    heard = Waits()

    def second() -> None:
        with only_one(tmp_path, "probe", heard):
            order.append("second")

    thread = threading.Thread(target=second)
    with only_one(tmp_path, "probe", Heard()):
        thread.start()
        assert waiting.wait(60)
        order.append("first")
    thread.join(60)
    assert order == ["first", "second"]
    assert set(heard.labels) == {"waiting for another build of it"}


def leave(directory: Path, name: str, age_s: float) -> Path:
    """Make what a killed build leaves, of that age."""
    left = directory / name
    (left / "out/deep").mkdir(parents=True)
    (left / "out/deep/result").write_text("large")
    then = time.time() - age_s
    os.utime(left, (then, then))
    return left


def test_what_a_killed_build_left_days_ago_is_removed_and_a_younger_one_is_not(tmp_path: Path) -> None:
    old = leave(tmp_path, ".build-old", 2 * 86_400)
    young = leave(tmp_path, ".build-young", 3600)
    bundle = leave(tmp_path, "bundle", 2 * 86_400)
    with only_one(tmp_path, "probe", Heard()):
        assert [path.exists() for path in (old, young, bundle)] == [False, True, True]


def test_what_a_killed_packing_left_days_ago_is_removed(source: Path, tmp_path: Path) -> None:
    old = leave(tmp_path / "made", ".source-old", 2 * 86_400)
    prepare(source, tmp_path / "made")
    assert not old.exists()


def test_a_snapshot_is_packed_as_it_is_and_named_by_its_bytes(
    make_source: MakeSource, places: Places
) -> None:
    repo = make_source()
    (repo / ".hidden").write_text("x")
    built = make(offered(repo, "repo"), ADAPTER, places, Heard(), nobody_else)
    sidecar = read_sidecar(built)
    assert verify(built) == []
    assert built.parent == places.cache / "made"
    assert (sidecar.version, sidecar.platform, sidecar.file_count) == ("1.0.0", "any", 4)
    (repo / "data/table").write_text("other")
    assert make(offered(repo, "repo"), ADAPTER, places, Heard(), nobody_else) != built


def test_a_repository_without_bundle_toml_gets_its_bytes_as_version(
    make_source: MakeSource, places: Places
) -> None:
    repo = make_source()
    (repo / "bundle.toml").unlink()
    sidecar = read_sidecar(make(offered(repo, "repo"), ADAPTER, places, Heard(), nobody_else))
    assert sidecar.version == f"0.0.0-{sidecar.provenance.source_digest[:12]}"


def test_a_single_program_becomes_the_entry_point(tmp_path: Path, places: Places) -> None:
    program = tmp_path / "measure.sh"
    program.write_text("#!/bin/sh\n")
    program.chmod(0o755)
    built = make(offered(program, "runner"), ADAPTER, places, Heard(), nobody_else)
    sidecar = read_sidecar(built)
    assert verify(built) == []
    assert (sidecar.name, sidecar.entry_point, sidecar.file_count) == ("probe", "bin/run", 1)


def test_a_program_that_git_does_not_track_is_no_entry_point(make_source: MakeSource, places: Places) -> None:
    repo = make_source()
    (repo / ".gitignore").write_text("bin\n")
    before = offered(repo, "repo")
    for arguments in (["init", "--quiet"], ["add", "."]):
        subprocess.run(["git", *arguments], cwd=repo, check=True)
    with pytest.raises(RackbenchError) as caught:
        make(before, ADAPTER, places, Heard(), nobody_else)
    assert caught.value.code == "snapshot_failed"
    assert "git does not track it" in caught.value.message


def test_a_bundle_that_turns_out_to_be_for_another_machine_blocks(tmp_path: Path, places: Places) -> None:
    program = tmp_path / "measure"
    program.write_bytes(Path(sys.executable).resolve().read_bytes())
    program.chmod(0o755)
    built = make(offered(program, "runner"), ADAPTER, places, Heard(), nobody_else)
    require_fit(built, local_platform(), ADAPTER)
    with pytest.raises(RackbenchError) as caught:
        require_fit(built, Platform("linux", "s390x", "gnu", "2.36"), ADAPTER)
    assert caught.value.code == "packaging_blocked"
    assert "s390x" in caught.value.message


def on_target(tmp_path: Path, bundle: Path, job: dict[str, object]) -> subprocess.CompletedProcess[str]:
    """Do what the job module does on a target: unpack, write job.json, run bin/run."""
    store, out = tmp_path / "target/bundles/x", tmp_path / "target/jobs/run/name/out"
    store.mkdir(parents=True)
    out.mkdir(parents=True)
    subprocess.run(["tar", "-xzf", bundle, "-C", store], check=True)
    (out.parent / "job.json").write_text(json.dumps(job))
    return subprocess.run(
        [store / "bin/run", "--config", out.parent / "job.json", "--out", out],
        capture_output=True,
        text=True,
        env={"PATH": os.environ["PATH"]},
    )


@pytest.fixture
def source(make_source: MakeSource) -> Path:
    recipe = """\
[build]
command = ["sh", "-ec", "mkdir $BUNDLE_OUT/bin; cp program $BUNDLE_OUT/bin/made; touch litter; echo $SOURCE_DATE_EPOCH"]
needs = [{command = "tar", package = "tar"}]
"""
    repo = make_source(build=recipe)
    (repo / "program").write_text("#!/bin/sh\n")
    return repo


def test_a_source_built_on_a_target_becomes_a_captured_bundle_with_provenance(
    source: Path, tmp_path: Path
) -> None:
    build = prepare(source, tmp_path / "made")
    assert verify(build.bundle.tarball) == []
    assert build.bundle.name == "probe-source"
    done = on_target(tmp_path, build.bundle.tarball, build.job)
    assert done.returncode == 0, done.stderr
    assert "315532800" in done.stderr
    out = tmp_path / "target/jobs/run/name/out"
    assert sorted(path.name for path in out.parent.iterdir()) == ["job.json", "out"]
    assert not (source / "litter").exists()

    captured = tmp_path / "captured"
    captured.mkdir()
    found = capture(build, out, captured, local_platform(), ("thor", "20261121T080000Z-thor"))
    sidecar = read_sidecar(found.tarball)
    assert verify(found.tarball) == []
    assert found.tarball.name == "probe-1.0.0-any.tar.gz"
    origin = sidecar.provenance.captured_from
    assert origin is not None
    assert (origin.host, origin.run_id) == ("thor", "20261121T080000Z-thor")
    assert sidecar.provenance.source_digest == snapshot_digest(source)
    assert "tar" in sidecar.provenance.tool_versions["tar"]


def test_a_source_that_changed_while_it_was_built_is_not_captured(source: Path, tmp_path: Path) -> None:
    build = prepare(source, tmp_path / "made")
    assert on_target(tmp_path, build.bundle.tarball, build.job).returncode == 0
    (source / "program").write_text("#!/bin/sh\n# changed\n")
    with pytest.raises(RackbenchError) as caught:
        capture(build, tmp_path / "target/jobs/run/name/out", tmp_path, local_platform(), ("thor", "x"))
    assert caught.value.code == "source_build_failed"
    assert not list(tmp_path.glob("probe-*"))


@pytest.mark.parametrize("said", ['{"tool_versions": []}', "[" * 100_000], ids=["a list", "nested too deep"])
def test_a_target_that_says_nonsense_of_its_build_is_not_believed(
    source: Path, tmp_path: Path, said: str
) -> None:
    build = prepare(source, tmp_path / "made")
    (tmp_path / "build.json").write_text(said)
    with pytest.raises(RackbenchError) as caught:
        capture(build, tmp_path, tmp_path, local_platform(), ("thor", "x"))
    assert caught.value.code == "source_build_failed"


@pytest.mark.parametrize("command", [["sh", "-c", "echo no such header >&2; exit 7"], ["no-such-command"]])
def test_a_recipe_that_fails_on_the_target_exits_with_one_and_leaves_no_copy_of_the_source(
    source: Path, tmp_path: Path, command: list[str]
) -> None:
    build = prepare(source, tmp_path / "made")
    done = on_target(tmp_path, build.bundle.tarball, {**build.job, "command": command})
    assert done.returncode == 1
    assert "no such" in done.stderr
    folder = tmp_path / "target/jobs/run/name"
    assert sorted(path.name for path in folder.iterdir()) == ["job.json", "out"]


def test_the_rust_that_a_run_installed_comes_first_on_the_path(source: Path, tmp_path: Path) -> None:
    build = prepare(source, tmp_path / "made")
    cargo = tmp_path / "target/rust/cargo/bin/cargo"
    cargo.parent.mkdir(parents=True)
    cargo.write_text('#!/bin/sh\necho "home $CARGO_HOME $RUSTUP_HOME"\n')
    cargo.chmod(0o755)
    done = on_target(tmp_path, build.bundle.tarball, {**build.job, "command": ["cargo"], "tools": ["cargo"]})
    assert f"home {tmp_path}/target/rust/cargo {tmp_path}/target/rust/rustup" in done.stderr


def test_the_bundle_of_a_long_name_has_a_source_bundle(make_source: MakeSource, tmp_path: Path) -> None:
    repo = make_source(name="a" * 40, build=BUILD.format(more=""))
    assert prepare(repo, tmp_path / "made").bundle.name == f"{'a' * 33}-source"
