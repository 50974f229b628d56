# SPDX-License-Identifier: Apache-2.0
"""The pages about the command line say what the code says."""

from __future__ import annotations

from rackbench.cli._reference import errors_page
from rackbench.cli.main import VERBS

from .conftest import ROOT


def test_the_page_of_errors_is_that_of_the_table() -> None:
    page = (ROOT / "docs" / "reference" / "errors.md").read_text(encoding="utf-8")
    assert page == errors_page(), "run: python -m rackbench.cli._reference > docs/reference/errors.md"


def test_the_page_of_the_command_line_has_every_verb() -> None:
    page = (ROOT / "docs" / "reference" / "cli.md").read_text(encoding="utf-8")
    assert [verb for verb in VERBS if f"## rackbench {verb}\n" not in page] == []
