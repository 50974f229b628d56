# SPDX-License-Identifier: Apache-2.0
"""Where on the web a publish target's results are proposed."""

from __future__ import annotations

from typing import TYPE_CHECKING

from rackbench.errors import RackbenchError
from rackbench.publish.forge import GITHUB, Forge, forge_of
from rackbench.publish.target import shown

if TYPE_CHECKING:
    from rackbench.publish.repository import Repository


def forge_at(repository: Repository) -> Forge | None:
    """Return the forge of a target's remote, by its address as it is written; None where there is none to see."""
    url = repository.target.remote_url or repository.written_url()
    return forge_of(url, repository.target.forge) if url else None


def github_at(repository: Repository) -> Forge:
    """Return where pull requests are made. Raises `RackbenchError` (publish_target_invalid) for other places."""
    found = forge_at(repository)
    if found is None or found.kind != GITHUB:
        raise RackbenchError(
            "publish_target_invalid",
            f"Pull requests are made on GitHub only, and {shown(repository.written_url() or 'nothing')} is not.",
            where=repository.target.key,
            next_step="Push without one, and open the compare_url of publish_ledger.json; or set forge: github.",
        )
    return found
