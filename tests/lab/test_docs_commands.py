# SPDX-License-Identifier: Apache-2.0
"""The commands of the documentation that are marked `<!-- lab -->`, as they are written, on the lab's hosts."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest

from tests.integration.docs_session import session
from tests.lab.at_work import make_lab_project
from tests.pages import PAGES, blocks

if TYPE_CHECKING:
    from pathlib import Path

    from tests.lab.conftest import LabControl

LAB = {page: [block for block in blocks(page) if block.kind == "lab"] for page in PAGES}


@pytest.mark.full
@pytest.mark.parametrize("page", [page for page, marked in LAB.items() if marked])
def test_the_commands_of_a_page_do_what_it_says(lab: LabControl, tmp_path: Path, page: str) -> None:
    answers = session(make_lab_project(tmp_path), LAB[page], str)
    for answer in answers:
        assert answer.unlike(str) == [], (answer.block.where, answer.said)
