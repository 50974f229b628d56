# SPDX-License-Identifier: Apache-2.0
"""The resolver: order of precedence, reasons, and every candidate accounted for."""

from __future__ import annotations

import json
import tempfile
from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from rackbench.adapters.catalog import Adapter, BundleRef
from rackbench.bundles.catalog import sidecar_path
from rackbench.bundles.platforms import Platform
from rackbench.bundles.resolve import Decision, Sources, resolve
from rackbench.files import sha256_of

HOST = Platform("linux", "x86_64", "gnu", "2.36")
NATIVE = {"os": "linux", "machine": "x86_64", "libc": "gnu", "libc_version": "2.31"}
ARM = NATIVE | {"machine": "aarch64"}


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
) -> Path:
    """Write a tarball with its sidecar; `flaw` is changed, truncated, cut, alone or gone."""
    folder.mkdir(parents=True, exist_ok=True)
    tag = platform["machine"] if isinstance(platform, dict) else platform
    tarball = folder / f"{name}-{version}-{tag}.tar.gz"
    tarball.write_bytes(f"{name} {version} {tag}".encode())
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
        "provenance": {"source_digest": "0" * 64, "built_by": "test"},
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
    decision = resolve(HOST, adapter(), Sources(mine, (tmp_path / "dist",)))
    assert decision.chosen
    assert (decision.chosen.path, decision.chosen.source) == (mine, "configured")
    assert decision.basis == "prebuilt"
    assert reasons(decision) == [None, "lower_precedence"]


@pytest.mark.parametrize(
    ("flaw", "reason"),
    [
        ("changed", "checksum"),
        ("truncated", "checksum"),
        ("cut", "unreadable"),
        ("alone", "unreadable"),
        ("gone", "missing"),
    ],
)
def test_a_bad_configured_bundle_is_recorded_and_dist_is_used(tmp_path: Path, flaw: str, reason: str) -> None:
    mine = bundle(tmp_path / "mine", flaw=flaw)
    fallback = bundle(tmp_path / "dist")
    decision = resolve(HOST, adapter(), Sources(mine, (tmp_path / "dist",)))
    assert decision.chosen
    assert decision.chosen.path == fallback
    assert decision.rejected_configured
    assert (decision.rejected_configured.reason, decision.rejected_configured.path) == (reason, mine)


def test_bytes_that_changed_in_dist_leave_nothing_to_choose(tmp_path: Path) -> None:
    bundle(tmp_path, flaw="changed")
    decision = resolve(HOST, adapter(), Sources(None, (tmp_path,)))
    assert decision.chosen is None
    assert decision.basis == "none"
    assert reasons(decision) == ["checksum"]


def test_another_machine_and_another_bundle_are_rejected(tmp_path: Path) -> None:
    other = bundle(tmp_path / "mine", name="latency")
    bundle(tmp_path / "dist", platform=ARM)
    bundle(tmp_path / "dist", name="latency")
    decision = resolve(HOST, adapter(), Sources(other, (tmp_path / "dist",)))
    assert reasons(decision) == ["name", "platform"]


def test_a_needed_capability_that_is_not_there_rejects(tmp_path: Path) -> None:
    bundle(tmp_path, capabilities=("a",))
    assert reasons(resolve(HOST, adapter(frozenset({"a", "b"})), Sources(None, (tmp_path,)))) == [
        "capability"
    ]
    assert resolve(HOST, adapter(frozenset({"a"})), Sources(None, (tmp_path,))).chosen


def test_native_comes_before_any_and_new_before_old(tmp_path: Path) -> None:
    for version in ("1.9.0", "1.10.0"):
        for platform in ("any", NATIVE):
            bundle(tmp_path, version=version, platform=platform)
    decision = resolve(HOST, adapter(), Sources(None, (tmp_path,)))
    assert [(each.version, "any" in each.path.name) for each in decision.candidates] == [
        ("1.10.0", False),
        ("1.10.0", True),
        ("1.9.0", False),
        ("1.9.0", True),
    ]


def test_a_host_that_nobody_could_ask_gets_only_what_runs_anywhere(tmp_path: Path) -> None:
    bundle(tmp_path, platform=NATIVE)
    assert reasons(resolve(None, adapter(), Sources(None, (tmp_path,)))) == ["platform"]
    bundle(tmp_path)
    assert resolve(None, adapter(), Sources(None, (tmp_path,))).chosen


def test_the_name_of_one_adapter_may_begin_with_the_name_of_another(tmp_path: Path) -> None:
    bundle(tmp_path, name="probe-extra", flaw="cut")
    assert resolve(HOST, adapter(), Sources(None, (tmp_path,))).candidates == ()


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
        decision = resolve(host, adapter(), Sources(mine, (folders["dist"],), folders["cache"]))
        again = resolve(host, adapter(), Sources(mine, (folders["dist"],), folders["cache"]))

    assert decision == again
    assert sorted(each.path for each in decision.candidates) == sorted([*paths, *([mine] if mine else [])])
    order = ["configured", "cache", "dist"]
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
        assert set(seen[at + 1 :]) <= {"lower_precedence"}
    else:
        assert "lower_precedence" not in seen
    json.dumps(decision.as_dict(), allow_nan=False)
