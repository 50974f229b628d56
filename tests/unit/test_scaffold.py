# SPDX-License-Identifier: Apache-2.0
"""A new directory is there with all that it has, or nothing of it is."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest
from rackbench.errors import RackbenchError
from rackbench.scaffold import scaffold

if TYPE_CHECKING:
    from pathlib import Path


@pytest.fixture
def template(tmp_path: Path) -> Path:
    """Return a template with two files and a folder."""
    template = tmp_path / "template"
    (template / "folder").mkdir(parents=True)
    for name in ("a", "folder/b", "z"):
        (template / name).write_text(name)
    return template


@pytest.fixture(params=["new", "empty"])
def directory(request: pytest.FixtureRequest, tmp_path: Path) -> Path:
    """Return where to begin: a name that is free, or an empty directory."""
    directory = tmp_path / "labs" / "mine"
    directory.parent.mkdir()
    if request.param == "empty":
        directory.mkdir()
    return directory


def test_every_file_is_there_and_nothing_else(template: Path, directory: Path) -> None:
    assert scaffold("lab", template, directory, lambda new: new.joinpath("more").touch()) == [
        "a", "folder/b", "more", "z",
    ]  # fmt: skip
    assert {path.name for path in directory.parent.rglob("*")} == {"mine", "a", "folder", "b", "more", "z"}
    assert (directory / "folder/b").read_text() == "folder/b"
    (made := directory.with_name("made")).mkdir()
    assert directory.stat().st_mode == made.stat().st_mode


@pytest.mark.parametrize(
    "error", [KeyboardInterrupt(), RackbenchError("wrong_usage", "No."), OSError(28, "Full")]
)
def test_nothing_is_left_of_what_an_interrupt_or_an_error_ends(
    template: Path, directory: Path, error: BaseException
) -> None:
    def fail(_new: Path) -> None:
        raise error

    before = list(directory.parent.rglob("*"))
    with pytest.raises((KeyboardInterrupt, RackbenchError)):
        scaffold("lab", template, directory, fail)
    assert list(directory.parent.rglob("*")) == before


def test_nothing_is_left_where_somebody_else_takes_a_name_meanwhile(template: Path, directory: Path) -> None:
    def take(_new: Path) -> None:
        (directory / "z/theirs").mkdir(parents=True)

    with pytest.raises(RackbenchError) as caught:
        scaffold("lab", template, directory, take)
    assert caught.value.code == "lab_unwritable"
    assert {path.name for path in directory.parent.rglob("*")} == {"mine", "z", "theirs"}
