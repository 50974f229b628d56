# SPDX-License-Identifier: Apache-2.0
"""Where an adapter's results go in a repository: the name of their branch, and of their directory."""

from __future__ import annotations

import re
from pathlib import PurePosixPath
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from rackbench.ledger.state import RunState

# What git takes in no name of a branch, by `git check-ref-format`; and the sign that stands for it.
_REFUSED = re.compile(r"[\x00-\x20\x7f~^:?*\[\\{/%]|^\.|(?<=\.)\.|\.(?=\Z|lock\Z)")


def branch(state: RunState, adapter: str) -> str:
    """Return the branch that the results of a run go to."""
    return f"results/{_place(state, adapter)}"


def directory(top: str, state: RunState, adapter: str) -> PurePosixPath:
    """Return where the results of a run are in the repository, below its directory `top`."""
    return PurePosixPath(top, _place(state, adapter))


def _place(state: RunState, adapter: str) -> str:
    # Percent-encoded is what git refuses, so that every host has its place.
    names = (str(state.host), str(state.run_id), adapter)
    return "/".join(_REFUSED.sub(lambda match: f"%{ord(match[0]):02X}", name) for name in names)
