# SPDX-License-Identifier: Apache-2.0
"""Variables that a user gives with -e, as they reach ansible-playbook, which starts in another directory."""

from __future__ import annotations

from pathlib import Path

import pytest
from rackbench.runner import Request


@pytest.mark.parametrize(
    ("given", "handed_on"),
    [
        ("@targets.yml", "@{here}/targets.yml"),
        ("@../targets.yml", "@{here}/../targets.yml"),
        ("@/etc/targets.yml", "@/etc/targets.yml"),
        ("@~/targets.yml", "@{home}/targets.yml"),
        ("lab_label=@home", "lab_label=@home"),
        ('{"lab_label": "x"}', '{"lab_label": "x"}'),
    ],
)
def test_a_relative_file_of_variables_starts_from_where_the_user_is(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, given: str, handed_on: str
) -> None:
    monkeypatch.chdir(tmp_path)
    arguments = Request(hosts="local", extra_vars=(given,)).arguments()
    wanted = handed_on.replace("{here}", str(tmp_path)).replace("{home}", str(Path.home()))
    assert arguments == ["--limit", "local", "--extra-vars", wanted]
