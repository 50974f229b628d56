# SPDX-License-Identifier: Apache-2.0
"""What was expected, what was seen, and which counts; and where the expectation comes from."""

from __future__ import annotations

import json
import os
from dataclasses import replace
from typing import TYPE_CHECKING, Any

import pytest
from rackbench.adapters.catalog import BundleRef
from rackbench.readiness.assess import assess
from rackbench.readiness.cached import last_preflight
from rackbench.readiness.states import Evidence

from tests.unit.readiness.samples import ADAPTER, HOST, candidate, decision, evidence, probe

if TYPE_CHECKING:
    from pathlib import Path

GOOD = candidate("dist")
PLATFORM = {"os": "linux", "machine": "x86_64"}


@pytest.mark.parametrize(
    ("now", "cached", "told"),
    [
        (Evidence(decision(GOOD)), None, ("ready_with_local_bundle", None, None, "none")),
        (
            Evidence(decision(GOOD)),
            evidence(GOOD, seen=probe("lstopo")),
            ("runtime_missing", "runtime_missing", None, "cached_preflight"),
        ),
        (
            evidence(GOOD, seen=probe("lstopo")),
            evidence(GOOD),
            ("runtime_missing", "ready_with_local_bundle", "runtime_missing", "live_probe"),
        ),
        (
            evidence(GOOD),
            evidence(GOOD, seen=probe("lstopo")),
            ("ready_with_local_bundle", "runtime_missing", "ready_with_local_bundle", "live_probe"),
        ),
        (
            evidence(GOOD, reached=False),
            evidence(GOOD),
            ("unreachable", "ready_with_local_bundle", "unreachable", "live_probe"),
        ),
        # A preflight that has no probe of the machine that would run it predicts nothing.
        (Evidence(decision(GOOD)), Evidence(decision(GOOD)), ("ready_with_local_bundle", None, None, "none")),
    ],
)
def test_what_the_host_shows_overrules_what_was_expected_of_it(
    now: Evidence, cached: Evidence | None, told: tuple[str | None, ...]
) -> None:
    verdict = assess(ADAPTER, HOST, now, cached)
    fields = (
        verdict.status,
        verdict.predicted_status,
        verdict.validated_readiness_status,
        verdict.readiness_basis,
    )
    assert fields == told
    assert (verdict.predicted_status_basis is None) == (verdict.predicted_status is None)


def write(runs: Path, name: str, content: Any) -> Path:
    path = runs / name / "preflight/summary.json"
    path.parent.mkdir(parents=True)
    path.write_text(content if isinstance(content, str) else json.dumps(content))
    return path


def test_the_newest_preflight_with_a_probe_is_found(tmp_path: Path) -> None:
    good = {"platform": PLATFORM, "probe": probe()}
    write(tmp_path, "2026-11-20/thor/20261120T235959Z", good)
    newest = write(tmp_path, "2026-11-21/thor/20261121T090000Z", good | {"controller_probe": probe("cc")})
    write(tmp_path, "2026-11-21/thor/20261121T080000Z", good)
    # None of these is one: not reached, torn, not a report, no report, another host, a dry run.
    write(tmp_path, "2026-11-22/thor/20261122T080000Z", {"platform": PLATFORM, "probe": None})
    write(tmp_path, "2026-11-22/thor/20261122T090000Z", json.dumps(good)[:-9])
    write(tmp_path, "2026-11-22/thor/20261122T100000Z", [])
    write(tmp_path, "2026-11-22/thor/20261122T110000Z", {"platform": {}, "probe": {}})
    write(tmp_path, "2026-11-22/thor/20261122T113000Z", "[" * 100_000)
    (tmp_path / "2026-11-22/thor/20261122T120000Z").mkdir()
    # Nobody waits for a pipe, and nobody reads where a link leads.
    pipe = write(tmp_path, "2026-11-22/thor/20261122T130000Z", good)
    pipe.unlink()
    os.mkfifo(pipe)
    link = write(tmp_path, "2026-11-22/thor/20261122T140000Z", good)
    link.symlink_to(link.rename(tmp_path / "outside.json"))
    write(tmp_path, "2026-11-23/skadi/20261123T080000Z", good)
    write(tmp_path, "dry-runs/thor/20261124T080000Z", good)
    (tmp_path / "2026-11-24").write_text("")

    found = last_preflight(tmp_path, HOST)
    assert found is not None
    assert found.path == newest
    assert found.platform == PLATFORM
    assert found.probe_for(ADAPTER) == probe()
    here = replace(ADAPTER, bundle=BundleRef("probe", None, "any", "controller"))
    assert found.probe_for(here) == probe("cc")
    older = last_preflight(tmp_path, HOST, exclude=newest.parents[1])
    assert older is not None
    assert older.path.parents[1].name == "20261121T080000Z"
    assert older.probe_for(here) is None


def test_a_host_without_any_run_has_no_preflight(tmp_path: Path) -> None:
    assert last_preflight(tmp_path, HOST) is None
    assert last_preflight(tmp_path / "missing", HOST) is None


def test_a_preflight_of_an_older_version_is_found_under_its_older_name(tmp_path: Path) -> None:
    path = write(tmp_path, "2026-11-20/thor/20261120T235959Z", {"platform": PLATFORM, "probe": probe()})
    older = path.rename(path.with_name("report.json"))
    found = last_preflight(tmp_path, HOST)
    assert found is not None
    assert found.path == older
