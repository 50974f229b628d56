# SPDX-License-Identifier: GPL-3.0-or-later
"""What our actions make of a connection or a copy that failed: at whose end, and with which code."""

from __future__ import annotations

import importlib
from pathlib import Path
from typing import Any

import pytest
from ansible.errors import AnsibleConnectionFailure, AnsibleError
from rackbench.errors import RackbenchError
from rackbench.transport import failures

FULL = "failed to transfer file to a b:\n\ndd: error writing 'b': No space left on device\n"
LOST = "Data could not be sent to remote host. Shared connection to turind8 closed."
HOP = failures.marked("hop_unreachable", "thor", "timeout", "jump@10.77.1.10 port 2201: timed out")


class Line:
    """A connection whose copies fail as they are told to."""

    def __init__(self, error: Exception) -> None:
        self.error = error

    def put_file(self, *_paths: str) -> None:
        raise self.error

    fetch_file = put_file


@pytest.fixture(scope="module")
def lab_action(loader: None) -> Any:
    """The base class, from the collection as Ansible finds it."""
    module = importlib.import_module("ansible_collections.rackbench.lab.plugins.plugin_utils._action")
    return module.LabAction


def action(lab_action: Any, copy_fails: Exception, dialled_again: Exception | None = None) -> Any:
    """Return an action on turind8 over such a connection; opening it anew ends as told."""

    def dial(*_arguments: object, **_options: object) -> dict[str, int]:
        if dialled_again:
            raise dialled_again
        return {"rc": 0}

    made = lab_action.__new__(type("Action", (lab_action,), {"_low_level_execute_command": dial}))
    made._connection = Line(copy_fails)
    made._task_vars = {"inventory_hostname": "turind8"}
    made._remote_calls = 0
    made._records = []
    return made


@pytest.mark.parametrize(
    ("direction", "error", "code", "where"),
    [
        ("upload", AnsibleError(FULL), "target_disk_full", "turind8"),
        ("download", AnsibleError(FULL), "run_directory_failed", "/here/file"),
        ("upload", AnsibleError("remote open b: Permission denied"), "target_unwritable", "turind8"),
        ("upload", AnsibleConnectionFailure("Permission denied (publickey)."), "auth_refused", "turind8"),
        ("upload", AnsibleConnectionFailure(LOST), "host_unreachable", "turind8"),
        ("upload", AnsibleConnectionFailure(HOP), "hop_unreachable", "thor"),
        ("download", AnsibleError("something else"), "host_unreachable", "turind8"),
    ],
)
def test_a_failed_copy_is_named_by_cause_and_end(
    lab_action: Any, direction: str, error: Exception, code: str, where: str
) -> None:
    copy = getattr(action(lab_action, error), direction)
    ends = (Path("/here/file"), "/there/file")
    with pytest.raises(RackbenchError) as raised:
        copy(*(ends if direction == "upload" else ends[::-1]))
    assert (raised.value.code, raised.value.where) == (code, where)


def test_a_connection_that_broke_is_dialled_again_to_find_the_silent_hop(lab_action: Any) -> None:
    lost = action(lab_action, AnsibleConnectionFailure(LOST), dialled_again=AnsibleConnectionFailure(HOP))
    with pytest.raises(RackbenchError) as raised:
        lost.upload(Path("/here/file"), "/there/file")
    assert (raised.value.code, raised.value.where) == ("hop_unreachable", "thor")
    assert raised.value.message.startswith(
        "The connection to turind8 was lost. turind8, at hop thor: timeout"
    )


def test_a_full_disk_under_ansibles_temporary_directory_is_no_unreachable_host(lab_action: Any) -> None:
    error = AnsibleConnectionFailure("mkdir: cannot create directory: No space left on device")
    with pytest.raises(RackbenchError) as raised:
        action(lab_action, error).upload(Path("/here/file"), "/there/file")
    assert raised.value.code == "target_disk_full"
