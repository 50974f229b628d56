# SPDX-License-Identifier: Apache-2.0
"""What verbs share about their input: files that must be there, lab files, and the hosts that Ansible knows."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from pathlib import Path
from typing import TYPE_CHECKING, Any

from rackbench.collection import find_collection
from rackbench.errors import RackbenchError

if TYPE_CHECKING:
    import argparse
    from collections.abc import Sequence

    from rackbench.ledger.state import RunState


def there(path: Path) -> Path:
    """Return a path that the user named, after a look whether it exists. Raises `RackbenchError("input_missing")`."""
    if not path.exists():
        raise RackbenchError("input_missing", f"There is no file or directory {path}.")
    return path


def add_new_directory_argument(parser: argparse.ArgumentParser) -> None:
    """Add ``DIR`` as the verbs have it that begin something."""
    parser.add_argument(
        "directory",
        type=Path,
        metavar="DIR",
        help="the directory to make; what is there is never overwritten",
    )


def add_lab_option(parser: argparse.ArgumentParser) -> None:
    """Add ``--inventory`` as the verbs have it that read lab files."""
    parser.add_argument(
        "-i",
        "--inventory",
        action="append",
        default=[],
        type=Path,
        metavar="FILE",
        help="a lab file; by default those that Ansible's own inventory setting leads to",
    )


def add_play_options(parser: argparse.ArgumentParser, *, inventory_of: str = "project") -> None:
    """Add ``--inventory`` and ``--extra-vars`` as ansible-playbook has them; `inventory_of` has the default of -i."""
    parser.add_argument(
        "-i",
        "--inventory",
        action="append",
        default=[],
        help=f"an inventory instead of the {inventory_of}'s own",
    )
    add_extra_vars_option(parser)


def add_extra_vars_option(parser: argparse.ArgumentParser) -> None:
    """Add ``--extra-vars``."""
    parser.add_argument(
        "-e",
        "--extra-vars",
        action="append",
        default=[],
        metavar="K=V",
        help="as ansible-playbook -e: the settings of a run that are not in the inventory",
    )


def add_verbose_option(parser: argparse.ArgumentParser) -> None:
    """Add ``--verbose`` as the verbs have it that show a play."""
    parser.add_argument(
        "-v", "--verbose", action="count", default=0, help="more detail; -vv is Ansible's own output"
    )


def names(given: Sequence[str] | None) -> list[str]:
    """Return the names of options such as ``--host a,b --host c``."""
    return [name for text in given or () for name in text.split(",") if name]


def require_reason(steal: bool, reason: str | None, command: str) -> None:  # noqa: FBT001 - two options of a verb
    """Raise `RackbenchError("wrong_usage")` unless --steal and --reason are both given or both not."""
    if steal != bool((reason or "").strip()):
        raise RackbenchError(
            "wrong_usage",
            "A host is stolen for a reason: --steal and --reason go together.",
            next_command=f"{command} --steal --reason TEXT",
        )


def given_inventories(given: Sequence[str]) -> list[str]:
    """Return the inventories that were given; paths are absolute, for Ansible starts in the project."""
    return [str(Path(name).resolve()) if Path(name).exists() else name for name in given]


def recorded_inventories(state: RunState) -> list[str]:
    """Return the inventory sources that a run was made with, as far as they are still there; lists of hosts are."""
    sources = [str(source) for source in (state.opened.get("inventory") or {}).get("sources") or ()]
    return [source for source in sources if Path(source).exists() or source.endswith(",")]


def inventory_hosts(directory: Path, inventories: Sequence[str]) -> list[str]:
    """Return the hosts that Ansible knows in `directory`, sorted; `inventories` are paths or host lists.

    Raises `RackbenchError("ansible_failed")` when the inventory cannot be read.
    """
    # Not from the host variables in `_meta`: a host without any is not there.
    groups = _inventory(directory, inventories).values()
    return sorted({host for group in groups for host in group.get("hosts", ())})


def check_hosts(directory: Path, wanted: Sequence[str], inventories: Sequence[str] = ()) -> None:
    """Raise `RackbenchError("unknown_host")` for a name that is no host and no group; Ansible would only warn."""
    from rackbench.yaml_source import nearest

    groups = _inventory(directory, inventories)
    known = {host for group in groups.values() for host in group.get("hosts", ())} | set(groups) - {"_meta"}
    for name in wanted:
        if name not in known:
            raise RackbenchError(
                "unknown_host", f"The inventory has no host or group {name!r}; {nearest(name, known)}."
            )


def inventory_variable(directory: Path, name: str, inventories: Sequence[str] = ()) -> dict[str, Any]:
    """Return a variable of each host that Ansible knows in `directory`, as it is written; None where it is not set.

    Nothing is templated. Raises `RackbenchError`: ansible_failed when the inventory cannot be read, collection_missing.
    """
    # Beside our playbooks there may be variables too, and a play has them.
    playbooks = find_collection(directory) / "playbooks"
    groups = _inventory(directory, inventories, ["--playbook-dir", str(playbooks)])
    known = groups.get("_meta", {}).get("hostvars", {})
    hosts = {host for group in groups.values() for host in group.get("hosts", ())}
    return {host: known.get(host, {}).get(name) for host in sorted(hosts)}


def _inventory(
    directory: Path, inventories: Sequence[str], more: Sequence[str] = ()
) -> dict[str, dict[str, Any]]:
    command = [str(Path(sys.executable).parent / "ansible-inventory"), "--list", *more]
    for inventory in inventories:
        command += ["-i", inventory]
    environment = dict(os.environ)
    if (settings := directory / "ansible.cfg").is_file():
        # As for plays, so that one command has one set of settings.
        environment["ANSIBLE_CONFIG"] = str(settings)
    listed = subprocess.run(command, cwd=directory, env=environment, capture_output=True, text=True)
    if listed.returncode != 0:
        # Of a lab file that no plugin reads Ansible says much, and not that the collection is missing.
        find_collection(directory)
        raise RackbenchError(
            "ansible_failed",
            "The inventory cannot be read.",
            detail=listed.stderr.strip(),
            next_command="ansible-inventory --graph",
        )
    groups: dict[str, dict[str, Any]] = json.loads(listed.stdout)
    return groups
