# SPDX-License-Identifier: Apache-2.0
"""The parts of publishing, where the run directory is not laid out as ours are."""

from __future__ import annotations

from pathlib import Path

import pytest
from rackbench.adapters.catalog import read_adapter
from rackbench.ledger import documents, journal, rundir
from rackbench.publish import parts

from tests.unit.ledger.samples import NOW, make_run_dir, whole_run

ROOT = Path(__file__).resolve().parents[3]
ADAPTER = read_adapter(ROOT / "roles/latency/adapter.yml")
STAGING = f"{rundir.PUBLISH_STAGING}/{ADAPTER.publish_target}"


@pytest.mark.parametrize("part", parts.PARTS)
@pytest.mark.parametrize(
    "name",
    [
        rundir.PUBLISH_STAGING,
        STAGING,
        f"{STAGING}/{ADAPTER.name}",
        rundir.PUBLISH_WORKTREES,
        f"{rundir.PUBLISH_WORKTREES}/{ADAPTER.name}",
    ],
)
def test_a_link_in_the_place_of_what_publishing_writes_is_named_and_not_followed(
    tmp_path: Path, part: str, name: str
) -> None:
    run_dir, outside = make_run_dir(tmp_path / "runs"), tmp_path / "outside"
    (run_dir / rundir.EVENTS).write_bytes(b"".join(journal.encode(record) for record in whole_run()))
    outside.mkdir()
    if (run_dir / name).exists():
        (run_dir / name).rmdir()
    (run_dir / name).parent.mkdir(parents=True, exist_ok=True)
    (run_dir / name).symlink_to(outside)
    order = parts.Order(
        run_dir=run_dir,
        state=documents.load(run_dir).state,
        adapter=ADAPTER,
        project=tmp_path,
        settings={ADAPTER.publish_target: {"repo": str(tmp_path / "clone")}},
        embargoes=[],
        push=False,
        create_pr=False,
        now=NOW,
    )
    reached = parts.go(part, order)
    assert reached.failure is not None
    assert reached.failure.code == "ledger_damaged"
    assert reached.failure.where == str(run_dir / name)
    assert list(outside.iterdir()) == []
