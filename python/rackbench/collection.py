# SPDX-License-Identifier: Apache-2.0
"""Where the collection rackbench.lab is: its roles, templates and benchmarks are used from where it is installed."""

from __future__ import annotations

import configparser
import os
import sys
from pathlib import Path

from rackbench.errors import RackbenchError

INSTALL = "ansible-galaxy collection install rackbench.lab"
_BELOW = Path("ansible_collections", "rackbench", "lab")
_SYSTEM = "/usr/share/ansible/collections"


def find_collection(project: Path) -> Path:
    """Return the directory of the collection that Ansible takes for a project, with all links resolved.

    Ansible looks where ANSIBLE_COLLECTIONS_PATH says, without it where `collections_path` in the project's ansible.cfg
    says, and without both in its own directories; then on Python's path. No other ansible.cfg counts: what we start
    for a project gets its own, whatever ANSIBLE_CONFIG says.

    Raises `RackbenchError("collection_missing")`.
    """
    places = [*_configured(project), *(Path(entry) for entry in sys.path if entry)]
    for place in places:
        root = place.parent if place.name == _BELOW.parts[0] else place
        if (root / _BELOW).is_dir():
            return (root / _BELOW).resolve()
    raise RackbenchError(
        "collection_missing",
        f"Ansible does not find the collection rackbench.lab for {project}.",
        where=str(project),
        next_command=INSTALL,
    )


def _configured(project: Path) -> list[Path]:
    config = configparser.ConfigParser(inline_comment_prefixes=(";",), interpolation=None)
    try:
        config.read(project / "ansible.cfg", encoding="utf-8")
    except (configparser.Error, UnicodeDecodeError) as error:
        raise RackbenchError(
            "ansible_failed", f"{project / 'ansible.cfg'} cannot be read: {error}", where=str(project)
        ) from error
    settings = dict(config["defaults"]) if config.has_section("defaults") else {}
    home = os.environ.get("ANSIBLE_HOME") or settings.get("home", "~/.ansible")
    text = os.environ.get("ANSIBLE_COLLECTIONS_PATH") or settings.get(
        "collections_path", f"{home}/collections:{_SYSTEM}"
    )
    # A path that is not absolute starts from the project, in which plays are started too.
    return [project / os.path.expandvars(Path(entry).expanduser()) for entry in text.split(":") if entry]
