# SPDX-License-Identifier: Apache-2.0
"""Files that somebody else may have put there: links, pipes and devices are neither read nor written through."""

from __future__ import annotations

import os
from typing import TYPE_CHECKING

import pytest
from rackbench import files

if TYPE_CHECKING:
    from pathlib import Path

KINDS = ("link", "dangling", "pipe", "device", "directory")
CREATE = os.O_RDWR | os.O_CREAT


def put(kind: str, place: Path, outside: Path) -> None:
    """Put something there that is no regular file; `outside` is what a link leads to."""
    if kind == "pipe":
        os.mkfifo(place)
    elif kind == "directory":
        place.mkdir()
    else:
        if kind == "link":
            outside.write_text("of somebody else")
        place.symlink_to("/dev/zero" if kind == "device" else outside)


@pytest.mark.parametrize("kind", KINDS)
def test_what_is_no_regular_file_is_refused_at_once_and_nothing_is_made_outside(
    kind: str, tmp_path: Path
) -> None:
    place, outside = tmp_path / "file", tmp_path / "outside"
    put(kind, place, outside)
    with pytest.raises(OSError, match="file") as caught:
        files.read_regular(place)
    assert isinstance(caught.value, files.NotRegularError)
    with pytest.raises(OSError, match="file"):
        files.open_below(tmp_path, "file", CREATE)
    assert outside.exists() == (kind == "link")


@pytest.mark.parametrize("kind", ["link", "pipe", "file"])
def test_a_directory_on_the_way_that_is_none_is_refused(kind: str, tmp_path: Path) -> None:
    top, outside = tmp_path / "top", tmp_path / "outside"
    top.mkdir()
    outside.mkdir()
    if kind == "link":
        (top / "state").symlink_to(outside)
    elif kind == "pipe":
        os.mkfifo(top / "state")
    else:
        (top / "state").write_text("")
    with pytest.raises(files.NotRegularError, match="state"):
        files.open_below(top, "state/claim", CREATE)
    assert list(outside.iterdir()) == []


def test_directories_are_made_with_the_file_and_only_then(tmp_path: Path) -> None:
    with pytest.raises(FileNotFoundError):
        files.open_below(tmp_path, "state/live/sign", os.O_RDONLY)
    assert list(tmp_path.iterdir()) == []
    os.close(files.open_below(tmp_path, "state/live/sign", CREATE))
    assert files.read_regular(tmp_path / "state/live/sign") == b""
    # Whose run directory is itself reached by a link gave it so.
    (tmp_path / "link").symlink_to(tmp_path)
    os.close(files.open_below(tmp_path / "link", "state/live/sign", os.O_RDONLY))
