# SPDX-License-Identifier: Apache-2.0
"""`rackbench campaign` where a file that makes a run a member is not what we wrote."""

from __future__ import annotations

import os
from typing import TYPE_CHECKING

import pytest
from rackbench.ledger import campaign, rundir

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path

    from rackbench.ledger.recorder import Recorder

    from .conftest import Command


def _link_to_a_private_file(member: Path) -> None:
    private = member.with_name("private")
    member.rename(private)
    member.symlink_to(private)


@pytest.mark.slow
@pytest.mark.parametrize(
    ("spoil", "told"),
    [
        (lambda member: member.write_text('{"run_id"'), "delimiter"),
        (lambda member: member.write_text("[]"), "indices"),
        (lambda member: member.write_text("{}"), "run_id"),
        (_link_to_a_private_file, "it is a link"),
        (lambda member: (member.unlink(), os.mkfifo(member)), "it is no regular file"),
    ],
    ids=["half_written", "a_list", "without_its_fields", "a_link", "a_pipe"],
)
def test_a_member_that_cannot_be_read_is_named_and_not_left_out(
    rackbench: Command,
    begin_run: Callable[[], Recorder],
    project: Path,
    spoil: Callable[[Path], object],
    told: str,
) -> None:
    recorder = begin_run()
    recorder.close_run()
    recorder.close()
    runs_dir, run_id = project / "automation-runs", rundir.run_id_of(recorder.run_dir)
    campaign.join(runs_dir, "together", run_id, recorder.run_dir)
    member = campaign.directory(runs_dir, "together") / "members" / f"{run_id}.json"
    spoil(member)
    answer = rackbench("campaign", "refresh", "together")
    assert answer.returncode == 4, answer.stderr
    assert "code   ledger_unreadable" in answer.stderr
    assert told in answer.stderr
    assert member.name in answer.stderr
