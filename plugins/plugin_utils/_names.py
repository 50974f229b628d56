# SPDX-License-Identifier: GPL-3.0-or-later
"""PRIVATE. Names of tasks and plays as they may be shown and recorded."""

from __future__ import annotations

import typing as t

if t.TYPE_CHECKING:
    from ansible.playbook.play import Play
    from ansible.playbook.task import Task


def written_name(item: Task | Play) -> str:
    """Return the name of a task or play as it stands in its file; the object's own is filled in, secrets included."""
    written = item.get_ds()
    name = written.get("name") if isinstance(written, dict) else None
    return str(name) if name else ""
