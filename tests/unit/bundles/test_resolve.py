# SPDX-License-Identifier: Apache-2.0
"""The resolver: order of precedence, reasons, and every candidate accounted for."""

from __future__ import annotations

import errno
import json
import re
import shutil
import subprocess
import tempfile
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from rackbench.adapters.catalog import Adapter, BundleRef
from rackbench.bundles import catalog, decision, platforms, recipe
from rackbench.bundles import resolve as resolver
from rackbench.bundles.cache import open_cache
from rackbench.bundles.catalog import sidecar_path
from rackbench.bundles.decision import BundleRequirements, Candidate, Decision, Sources
from rackbench.bundles.digests import Digests
from rackbench.bundles.platforms import Platform, local_platform
from rackbench.bundles.signing import SignaturePolicy
from rackbench.bundles.snapshot import snapshot_digest
from rackbench.files import sha256_of

from .programs import AARCH64, elf

if TYPE_CHECKING:
    from tests.unit.bundles.conftest import MakeSource

HOST = Platform("linux", "x86_64", "gnu", "2.36")
NATIVE = {"os": "linux", "machine": "x86_64", "libc": "gnu", "libc_version": "2.31"}
ARM = NATIVE | {"machine": "aarch64"}


def sources(
    *,
    configured: Path | None = None,
    dist: Path | None = None,
    captured: Path | None = None,
    cache: Path | None = None,
    repo: Path | None = None,
) -> Sources:
    return Sources(
        configured=configured,
        cache=open_cache(str(cache), cache / "downloads") if cache else None,
        captured=captured,
        dist=(dist,) if dist else (),
        repo=repo,
        digests=Digests(None),
    )


def resolve(host: Platform | None, wanted: Adapter, places: Sources) -> Decision:
    requirements = BundleRequirements(wanted.capabilities, SignaturePolicy(None, required=False))
    return resolver.resolve(host, wanted, requirements, places)


def adapter(capabilities: frozenset[str] = frozenset()) -> Adapter:
    return Adapter(
        name="probe",
        summary="",
        description="",
        publish_target="probe",
        bundle=BundleRef("probe", None, "any"),
        requirements=(),
        capabilities=capabilities,
        families=(),
        default_families=(),
        headline=(),
        artifacts=(),
        directory=Path("roles/probe"),
    )


def bundle(
    folder: Path,
    *,
    version: str = "1.0.0",
    platform: object = "any",
    name: str = "probe",
    capabilities: tuple[str, ...] = (),
    flaw: str | None = None,
    digest: str = "0" * 64,
    content: str = "",
) -> Path:
    """Write a tarball with its sidecar; `flaw` is changed, truncated, cut, alone or gone."""
    folder.mkdir(parents=True, exist_ok=True)
    tag = (
        "-".join((platform["os"], platform["machine"], platform["libc"]))
        if isinstance(platform, dict)
        else platform
    )
    tarball = folder / f"{name}-{version}-{tag}.tar.gz"
    tarball.write_bytes(f"{name} {version} {tag}{content}".encode())
    document = {
        "schema": "rackbench.bundle/1.0",
        "name": name,
        "version": version,
        "platform": platform,
        "capabilities": list(capabilities),
        "entry_point": "bin/run",
        "sha256": sha256_of(tarball),
        "size": tarball.stat().st_size,
        "unpacked_size": 10,
        "file_count": 1,
        "provenance": {"source_digest": digest, "built_by": "test"},
    }
    sidecar_path(tarball).write_text(json.dumps(document))
    content = tarball.read_bytes()
    if flaw == "changed":
        tarball.write_bytes(content[:-1] + bytes([content[-1] ^ 1]))
    elif flaw == "truncated":
        tarball.write_bytes(content[:-1])
    elif flaw == "cut":
        sidecar_path(tarball).write_text("{")
    elif flaw == "alone":
        sidecar_path(tarball).unlink()
    elif flaw == "gone":
        tarball.unlink()
    return tarball


def reasons(decision: Decision) -> list[str | None]:
    return [candidate.reason for candidate in decision.candidates]


def test_the_configured_bundle_comes_before_dist(tmp_path: Path) -> None:
    mine = bundle(tmp_path / "mine")
    bundle(tmp_path / "dist", version="2.0.0")
    decision = resolve(HOST, adapter(), sources(configured=mine, dist=tmp_path / "dist"))
    assert decision.chosen
    assert (decision.chosen.path, decision.chosen.source) == (mine, "configured")
    assert decision.basis == "prebuilt"
    assert reasons(decision) == [None, "lower_precedence"]


@pytest.mark.parametrize(
    ("flaw", "reason"),
    [
        ("changed", "checksum"),
        ("truncated", "size"),
        ("cut", "unreadable"),
        ("alone", "unreadable"),
        ("gone", "missing"),
    ],
)
def test_a_bad_configured_bundle_is_recorded_and_dist_is_used(tmp_path: Path, flaw: str, reason: str) -> None:
    mine = bundle(tmp_path / "mine", flaw=flaw)
    fallback = bundle(tmp_path / "dist")
    decision = resolve(HOST, adapter(), sources(configured=mine, dist=tmp_path / "dist"))
    assert decision.chosen
    assert decision.chosen.path == fallback
    assert decision.rejected_configured
    assert (decision.rejected_configured.reason, decision.rejected_configured.path) == (reason, mine)


def test_bytes_that_changed_in_dist_leave_nothing_to_choose(tmp_path: Path) -> None:
    bundle(tmp_path, flaw="changed")
    decision = resolve(HOST, adapter(), sources(dist=tmp_path))
    assert decision.chosen is None
    assert decision.basis == "none"
    assert reasons(decision) == ["checksum"]


def test_another_machine_and_another_bundle_are_rejected(tmp_path: Path) -> None:
    other = bundle(tmp_path / "mine", name="latency")
    bundle(tmp_path / "dist", platform=ARM)
    bundle(tmp_path / "dist", name="latency")
    decision = resolve(HOST, adapter(), sources(configured=other, dist=tmp_path / "dist"))
    assert reasons(decision) == ["name", "platform"]


def test_a_needed_capability_that_is_not_there_rejects(tmp_path: Path) -> None:
    bundle(tmp_path, capabilities=("a",))
    assert reasons(resolve(HOST, adapter(frozenset({"a", "b"})), sources(dist=tmp_path))) == ["capability"]
    assert resolve(HOST, adapter(frozenset({"a"})), sources(dist=tmp_path)).chosen


def test_native_comes_before_any_and_new_before_old(tmp_path: Path) -> None:
    for version in ("1.9.0", "1.10.0"):
        for platform in ("any", NATIVE):
            bundle(tmp_path, version=version, platform=platform)
    decision = resolve(HOST, adapter(), sources(dist=tmp_path))
    assert [(each.version, each.platform == "any") for each in decision.candidates] == [
        ("1.10.0", False),
        ("1.10.0", True),
        ("1.9.0", False),
        ("1.9.0", True),
    ]


def test_a_host_that_nobody_could_ask_gets_only_what_runs_anywhere(tmp_path: Path) -> None:
    bundle(tmp_path, platform=NATIVE)
    assert reasons(resolve(None, adapter(), sources(dist=tmp_path))) == ["platform_unknown"]
    bundle(tmp_path)
    assert resolve(None, adapter(), sources(dist=tmp_path)).chosen


def test_the_name_of_one_adapter_may_begin_with_the_name_of_another(tmp_path: Path) -> None:
    bundle(tmp_path, name="probe-extra", flaw="cut")
    assert resolve(HOST, adapter(), sources(dist=tmp_path)).candidates == ()


FLAWS = st.sampled_from([None, None, "changed", "truncated", "cut", "alone", "gone"])
BUNDLES = st.lists(
    st.tuples(st.sampled_from(["1.0.0", "1.2.0", "2.0.0"]), st.sampled_from(["any", "native", "arm"]), FLAWS),
    max_size=5,
    unique_by=lambda each: each[:2],
)


@settings(deadline=None, max_examples=60)
@given(
    BUNDLES,
    BUNDLES,
    st.none() | st.tuples(st.sampled_from(["any", "native", "arm"]), FLAWS),
    st.sampled_from([HOST, None]),
)
def test_every_candidate_is_accounted_for(cache, dist, configured, host) -> None:  # type: ignore[no-untyped-def]
    platforms = {"any": "any", "native": NATIVE, "arm": ARM}
    with tempfile.TemporaryDirectory() as scratch:
        folders = {name: Path(scratch, name) for name in ("cache", "dist")}
        paths = []
        for folder, entries in ((folders["cache"], cache), (folders["dist"], dist)):
            for version, platform, flaw in entries:
                paths.append(bundle(folder, version=version, platform=platforms[platform], flaw=flaw))
        mine = (
            bundle(Path(scratch, "mine"), platform=platforms[configured[0]], flaw=configured[1])
            if configured
            else None
        )
        places = sources(configured=mine, dist=folders["dist"], captured=folders["cache"])
        decision = resolve(host, adapter(), places)
        again = resolve(host, adapter(), places)

    assert decision == again
    assert sorted(each.path for each in decision.candidates) == sorted([*paths, *([mine] if mine else [])])
    order = ["configured", "captured", "dist"]
    assert [each.source for each in decision.candidates] == sorted(
        (each.source for each in decision.candidates), key=order.index
    )
    accepted = [each for each in decision.candidates if each.accepted]
    assert accepted == ([decision.chosen] if decision.chosen else [])
    assert all(each.accepted or (each.reason and each.detail) for each in decision.candidates)
    # Nothing before the choice could have been chosen, and everything behind it says so.
    seen = [each.reason for each in decision.candidates]
    if decision.chosen:
        at = decision.candidates.index(decision.chosen)
        assert "lower_precedence" not in seen[:at]
        assert set(seen[at + 1 :]) <= {"lower_precedence", "newer_available"}
    else:
        assert "lower_precedence" not in seen
    json.dumps(decision.as_dict(), allow_nan=False)


def test_an_older_version_says_that_a_newer_one_is_there(tmp_path: Path) -> None:
    for version in ("1.9.0", "1.10.0"):
        bundle(tmp_path, version=version)
    decision = resolve(HOST, adapter(), sources(dist=tmp_path))
    assert reasons(decision) == [None, "newer_available"]


@pytest.mark.parametrize(
    ("needs", "reason"),
    [
        (NATIVE | {"libc_version": "2.99"}, "libc"),
        (NATIVE | {"libc": "musl", "libc_version": None}, "libc"),
        (ARM, "platform"),
        (NATIVE | {"os": "darwin"}, "platform"),
    ],
)
def test_a_bundle_for_another_platform_says_what_differs(tmp_path: Path, needs: object, reason: str) -> None:
    bundle(tmp_path, platform=needs)
    assert reasons(resolve(HOST, adapter(), sources(dist=tmp_path))) == [reason]


def test_two_bundles_of_one_version_with_other_bytes_are_both_refused(tmp_path: Path) -> None:
    first = bundle(tmp_path)
    second = bundle(tmp_path, content=" built again")
    for path in (second, sidecar_path(second)):
        path.rename(path.with_name(path.name.replace("1.0.0", "1.0.0_copy")))
    bundle(tmp_path)
    decision = resolve(HOST, adapter(), sources(dist=tmp_path))
    assert reasons(decision) == ["conflict", "conflict"]
    assert first.exists()


def test_a_file_name_that_contradicts_its_sidecar_is_refused(tmp_path: Path) -> None:
    found = bundle(tmp_path)
    for path in (found, sidecar_path(found)):
        path.rename(path.with_name(path.name.replace("1.0.0", "9.0.0")))
    assert reasons(resolve(HOST, adapter(), sources(dist=tmp_path))) == ["unreadable"]


def test_a_captured_bundle_counts_only_for_the_source_as_it_is_now(
    tmp_path: Path, make_source: MakeSource
) -> None:
    repo = make_source()
    bundle(tmp_path / "captured", digest=snapshot_digest(repo))
    places = sources(captured=tmp_path / "captured", repo=repo)
    assert resolve(HOST, adapter(), places).basis == "captured"
    (repo / ".cargo-config").write_text("changes the build without a name that `ls` shows")
    decision = resolve(HOST, adapter(), places)
    assert reasons(decision)[0] == "newer_available"
    assert decision.basis == "builder"


def test_a_repository_offers_its_builder_then_a_snapshot_then_a_build_on_the_target(
    tmp_path: Path, make_source: MakeSource
) -> None:
    repo = make_source(platform="native", build='[build]\ncommand = ["sh", "build.sh"]\n')
    here = local_platform()
    decision = resolve(here, adapter(), sources(repo=repo))
    assert [each.source for each in decision.candidates] == ["builder", "repo", "source"]
    assert reasons(decision) == [None, "lower_precedence", "lower_precedence"]
    assert decision.chosen
    assert decision.chosen.as_dict()["cost"] == {
        "download_bytes": 0,
        "upload_bytes": None,
        "build": "controller",
    }


def test_a_builder_whose_tool_is_missing_here_leaves_the_build_to_the_target(
    tmp_path: Path, make_source: MakeSource
) -> None:
    build = (
        '[build]\ncommand = ["no-such-compiler"]\n'
        'needs = [{ command = "no-such-compiler", package = "none", bootstrap = "rustup" }]\n'
    )
    repo = make_source(platform="native", build=build)
    (repo / "bin" / "run").chmod(0o644)
    decision = resolve(local_platform(), adapter(), sources(repo=repo))
    assert reasons(decision) == ["build_tool", "no_entry_point", None]
    assert decision.basis == "source"
    assert decision.chosen
    assert [(need.command, need.bootstrap) for need in decision.chosen.needs] == [
        ("no-such-compiler", "rustup")
    ]


def test_a_builder_for_this_machine_is_not_used_for_another(tmp_path: Path, make_source: MakeSource) -> None:
    repo = make_source(platform="native", build='[build]\ncommand = ["sh", "build.sh"]\n')
    (repo / "bin" / "run").unlink()
    other = Platform("linux", "s390x", "gnu", "2.36")
    decision = resolve(other, adapter(), sources(repo=repo))
    assert reasons(decision) == ["platform", "no_entry_point", None]


def test_a_benchmark_that_runs_on_the_controller_is_never_built_on_the_target(
    tmp_path: Path, make_source: MakeSource
) -> None:
    repo = make_source(platform="native", build='[build]\ncommand = ["sh", "build.sh"]\n')
    here = replace(adapter(), bundle=BundleRef("probe", None, "native", "controller"))
    decision = resolve(local_platform(), here, sources(repo=repo))
    assert [each.source for each in decision.candidates] == ["builder", "repo"]


def test_a_repository_without_a_recipe_is_packed_as_it_is(tmp_path: Path, make_source: MakeSource) -> None:
    repo = make_source()
    (repo / "bundle.toml").unlink()
    decision = resolve(HOST, adapter(), sources(repo=repo))
    assert reasons(decision) == ["no_recipe", None]
    assert decision.basis == "repo"


def test_a_single_program_is_a_runner_and_must_fit_the_host(tmp_path: Path) -> None:
    script = tmp_path / "bench"
    script.write_text("#!/bin/sh\n")
    assert reasons(resolve(HOST, adapter(), sources(repo=script))) == ["no_entry_point"]
    script.chmod(0o755)
    assert resolve(HOST, adapter(), sources(repo=script)).basis == "runner"
    program = Path(shutil.which("true") or "")
    decision = resolve(Platform("linux", "s390x", "gnu", "9.0"), adapter(), sources(repo=program))
    assert reasons(decision) == ["platform"]


@pytest.mark.parametrize("repo", ["nowhere", "file.txt"])
def test_a_repository_that_is_not_there_or_no_program_is_a_rejected_candidate(
    tmp_path: Path, repo: str
) -> None:
    (tmp_path / "file.txt").write_text("no program")
    decision = resolve(HOST, adapter(), sources(repo=tmp_path / repo))
    assert decision.chosen is None
    assert len(decision.candidates) == 1


def test_a_broken_recipe_is_a_rejected_candidate(tmp_path: Path, make_source: MakeSource) -> None:
    repo = make_source()
    (repo / "bundle.toml").write_text("[bundle\n")
    assert reasons(resolve(HOST, adapter(), sources(repo=repo))) == ["unreadable"]


def test_a_recipe_for_another_bundle_is_rejected_in_every_way(
    tmp_path: Path, make_source: MakeSource
) -> None:
    repo = make_source(name="other")
    assert reasons(resolve(HOST, adapter(), sources(repo=repo))) == ["name", "name", "name"]


def test_an_unsigned_bundle_is_refused_where_signatures_are_required(tmp_path: Path) -> None:
    bundle(tmp_path)
    signers = tmp_path / "signers"
    signers.write_text("")
    policy = SignaturePolicy(signers, required=True)
    requirements = BundleRequirements(frozenset(), policy)
    decision = resolver.resolve(HOST, adapter(), requirements, sources(dist=tmp_path))
    assert reasons(decision) == ["signature"]


def test_what_would_be_built_is_refused_where_signatures_are_required(
    tmp_path: Path, make_source: MakeSource
) -> None:
    policy = SignaturePolicy(tmp_path / "signers", required=True)
    requirements = BundleRequirements(frozenset(), policy)
    found = resolver.resolve(HOST, adapter(), requirements, sources(repo=make_source()))
    assert found.chosen is None
    assert reasons(found) == ["signature", "signature", "no_recipe"]


def test_of_ten_thousand_bundles_only_those_in_question_are_read(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    for minor in range(50):
        bundle(tmp_path, version=f"1.{minor}.0", platform=NATIVE)
        bundle(tmp_path, version=f"2.{minor}.0", platform=ARM)
    read = []
    monkeypatch.setattr(
        resolver, "read_listed", lambda tarball: (read.append(tarball), catalog.read_listed(tarball))[1]
    )
    decision = resolve(HOST, adapter(), sources(dist=tmp_path))
    assert decision.chosen
    assert decision.chosen.version == "1.49.0"
    assert len(decision.candidates) == 100
    assert len(read) == 1


def test_the_docs_list_every_source_and_every_reason() -> None:
    page = (Path(__file__).parents[3] / "docs" / "reference" / "packaging.md").read_text()
    documented = set(re.findall(r"`([a-z_]+)`", page))
    assert set(decision.BASIS) <= documented
    constants = [
        value
        for module in (platforms, recipe, resolver)
        for name, value in vars(module).items()
        if name.isupper() and isinstance(value, str) and name not in {"ANY", "ENTRY_POINT", "TOML_NAME"}
    ]
    reasons_in_code = set(constants) - set(decision.BASIS) - {decision.ON_CONTROLLER, decision.ON_TARGET}
    assert len(reasons_in_code) > 10
    assert reasons_in_code <= documented


def test_a_shared_directory_comes_after_the_configured_bundle_and_before_dist(tmp_path: Path) -> None:
    bundle(tmp_path / "cache")
    bundle(tmp_path / "dist", version="2.0.0")
    decision = resolve(HOST, adapter(), sources(cache=tmp_path / "cache", dist=tmp_path / "dist"))
    assert [(each.source, each.reason) for each in decision.candidates] == [
        ("cache", None),
        ("dist", "lower_precedence"),
    ]


def test_a_sidecar_that_is_swapped_while_its_signature_is_checked_is_refused(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    found = bundle(tmp_path)
    other = json.loads(sidecar_path(found).read_text()) | {"entry_point": "bin/other"}
    read_listed = resolver.read_listed

    def read_and_swap(tarball: Path) -> catalog.Listed:
        listed = read_listed(tarball)
        sidecar_path(tarball).write_text(json.dumps(other))
        return listed

    monkeypatch.setattr(resolver, "read_listed", read_and_swap)
    requirements = BundleRequirements(frozenset(), SignaturePolicy(tmp_path / "signers", required=False))
    answer = resolver.resolve(HOST, adapter(), requirements, sources(dist=tmp_path))
    assert reasons(answer) == ["checksum"]
    assert "replaced" in str(answer.candidates[0].detail)


def git(repo: Path, *arguments: str) -> None:
    subprocess.run(["git", *arguments], cwd=repo, check=True, capture_output=True)


def offered(repo: Path, source: str, host: Platform | None = HOST) -> Candidate:
    candidates = resolve(host, adapter(), sources(repo=repo)).candidates
    (found,) = [candidate for candidate in candidates if candidate.source == source]
    return found


@pytest.mark.parametrize("recipe_too", [True, False], ids=["with_recipe", "without_recipe"])
def test_a_repository_whose_entry_point_is_for_another_machine_is_not_packed(
    make_source: MakeSource, recipe_too: bool
) -> None:
    repo = make_source()
    (repo / "bin" / "run").write_bytes(elf(AARCH64))
    if not recipe_too:
        (repo / "bundle.toml").unlink()
    found = offered(repo, "repo")
    assert (found.reason, found.platform) == ("platform", "linux-aarch64")
    assert offered(repo, "repo", None).reason == "platform_unknown"
    assert offered(repo, "repo", Platform("linux", "aarch64", "gnu", "2.36")).reason in {
        None,
        "lower_precedence",
    }


def test_an_entry_point_that_git_does_not_track_rejects_the_repository(make_source: MakeSource) -> None:
    repo = make_source()
    (repo / ".gitignore").write_text("bin\n")
    git(repo, "init", "--quiet")
    git(repo, "add", ".")
    found = offered(repo, "repo")
    assert found.reason == "no_entry_point"
    assert "git does not track it" in (found.detail or "")


def test_a_tracked_file_that_is_missing_makes_a_repository_unpackable(make_source: MakeSource) -> None:
    repo = make_source()
    git(repo, "init", "--quiet")
    git(repo, "add", ".")
    (repo / "data" / "table").unlink()
    found = offered(repo, "repo")
    assert found.reason == "unpackable"
    assert "data/table" in (found.detail or "")


@pytest.mark.parametrize("command", ["no-such-compiler", "./no-such-script"])
def test_a_build_command_that_is_missing_rejects_the_builder(make_source: MakeSource, command: str) -> None:
    found = offered(make_source(build=f'[build]\ncommand = ["{command}"]\n'), "builder")
    assert found.reason == "build_tool"
    assert command in (found.detail or "")


def test_a_build_command_in_the_source_directory_is_found(make_source: MakeSource) -> None:
    assert offered(make_source(build='[build]\ncommand = ["bin/run"]\n'), "builder").accepted


def test_a_recipe_that_builds_nothing_and_lacks_its_entry_point_is_rejected(make_source: MakeSource) -> None:
    repo = make_source()
    toml = repo / "bundle.toml"
    toml.write_text(toml.read_text().replace('"bin/run", ', ""))
    assert offered(repo, "builder").reason == "no_entry_point"
    toml.write_text(toml.read_text().replace('"data/*"', '"nothing/*"'))
    assert offered(repo, "builder").reason == "unreadable"


def refuse(monkeypatch: pytest.MonkeyPatch, module: object, function: str) -> None:
    """Let a function fail as for a file that may not be read; root, as which CI runs, may read all."""

    def fail(*_arguments: object) -> None:
        raise PermissionError(errno.EACCES, "Permission denied", "secret")

    monkeypatch.setattr(module, function, fail)


def test_a_program_that_cannot_be_read_is_a_rejected_candidate(
    make_source: MakeSource, monkeypatch: pytest.MonkeyPatch
) -> None:
    repo = make_source()
    refuse(monkeypatch, recipe, "program_needs")
    assert reasons(resolve(HOST, adapter(), sources(repo=repo / "bin" / "run"))) == ["unreadable"]
    assert offered(repo, "repo").reason == "unreadable"


def test_a_source_that_cannot_be_read_rejects_what_was_captured_of_it(
    tmp_path: Path, make_source: MakeSource, monkeypatch: pytest.MonkeyPatch
) -> None:
    refuse(monkeypatch, resolver, "snapshot_digest")
    bundle(tmp_path / "captured")
    decision = resolve(HOST, adapter(), sources(captured=tmp_path / "captured", repo=make_source()))
    assert reasons(decision)[0] == "unreadable"


def test_a_repository_whose_name_is_too_long_for_the_system_is_a_rejected_candidate(tmp_path: Path) -> None:
    bundle(tmp_path / "captured")
    places = sources(captured=tmp_path / "captured", repo=tmp_path / ("x" * 300))
    assert reasons(resolve(HOST, adapter(), places)) == ["unreadable", "unreadable"]


def test_other_names_of_a_machine_in_file_name_and_sidecar_are_understood(tmp_path: Path) -> None:
    theirs = NATIVE | {"os": "Linux", "machine": "amd64", "libc": "glibc"}
    native = bundle(tmp_path / "a", platform=theirs | {"os": "linux", "libc": "gnu"})
    assert native.name == "probe-1.0.0-linux-amd64-gnu.tar.gz"
    assert reasons(resolve(HOST, adapter(), sources(dist=tmp_path / "a"))) == [None]
    canonical = bundle(tmp_path / "b", platform=NATIVE)
    document = json.loads(sidecar_path(canonical).read_text()) | {"platform": theirs}
    sidecar_path(canonical).write_text(json.dumps(document))
    assert reasons(resolve(HOST, adapter(), sources(dist=tmp_path / "b"))) == [None]
    assert reasons(resolve(HOST, adapter(), sources(configured=canonical))) == [None]


def test_two_names_of_one_machine_do_not_hide_a_conflict(tmp_path: Path) -> None:
    bundle(tmp_path, platform=NATIVE)
    bundle(tmp_path, platform=NATIVE | {"machine": "amd64"}, content=" other")
    assert reasons(resolve(HOST, adapter(), sources(dist=tmp_path))) == ["conflict", "conflict"]


def test_a_release_comes_before_its_pre_release(tmp_path: Path) -> None:
    for version in ("1.0.0-rc.1", "1.0.0", "0.9.0"):
        bundle(tmp_path, version=version)
    decision = resolve(HOST, adapter(), sources(dist=tmp_path))
    assert [each.version for each in decision.candidates] == ["1.0.0", "1.0.0-rc.1", "0.9.0"]
    assert reasons(decision) == [None, "newer_available", "newer_available"]


def test_an_oddly_named_file_does_not_make_all_others_be_read(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    for minor in range(50):
        bundle(tmp_path, version=f"1.{minor}.0", platform=NATIVE)
    odd = bundle(tmp_path, version="1.20.0", platform=NATIVE, content=" built again")
    for path in (odd, sidecar_path(odd)):
        path.rename(path.with_name(path.name.replace("1.20.0", "1.20.0_copy")))
    bundle(tmp_path, version="1.20.0", platform=NATIVE)
    read = []
    monkeypatch.setattr(
        resolver, "read_listed", lambda tarball: (read.append(tarball.name), catalog.read_listed(tarball))[1]
    )
    decision = resolve(HOST, adapter(), sources(dist=tmp_path))
    assert decision.chosen
    assert decision.chosen.version == "1.49.0"
    assert len(decision.candidates) == 51
    assert sorted(read) == [
        "probe-1.20.0-linux-x86_64-gnu.tar.gz",
        "probe-1.20.0_copy-linux-x86_64-gnu.tar.gz",
        "probe-1.49.0-linux-x86_64-gnu.tar.gz",
    ]


def test_a_shared_directory_that_is_not_mounted_is_a_rejected_candidate(tmp_path: Path) -> None:
    bundle(tmp_path / "dist")
    decision = resolve(HOST, adapter(), sources(cache=tmp_path / "none", dist=tmp_path / "dist"))
    assert reasons(decision) == ["cache", None]
    assert str(tmp_path / "none") in (decision.candidates[0].detail or "")
