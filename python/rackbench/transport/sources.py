# SPDX-License-Identifier: Apache-2.0
"""Which lab files a command is about: those it was given, or those among Ansible's own inventory sources."""

from __future__ import annotations

import importlib
import re
from pathlib import Path
from typing import TYPE_CHECKING, Any

from rackbench.errors import RackbenchError
from rackbench.transport import labfile
from rackbench.transport.secrets import Secrets

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

ENDINGS = (".yml", ".yaml")
# Ansible goes by the line with the plugin. A file with only the schema is meant for us too, and reading it says so.
OURS = re.compile(
    r"^(plugin:\s*['\"]?rackbench\.lab\.lab['\"]?|schema:\s*['\"]?rackbench\.lab/\S*)\s*(#.*)?$", re.MULTILINE
)


def is_lab_file(path: Path) -> bool:
    """Say whether a file is, or is meant to be, a lab inventory: it names the plugin or the schema."""
    if not path.name.endswith(ENDINGS):
        return False
    try:
        return bool(OURS.search(path.read_text(encoding="utf-8")))
    except (OSError, UnicodeDecodeError):
        return False


def lab_files(given: Sequence[Path] = ()) -> list[Path]:
    """Return the lab files that are given or in given directories; by default those of Ansible's `inventory` setting.

    A file that is given by name is one, whatever it holds.
    """
    paths = list(given)
    if not paths:
        constants: Any = importlib.import_module("ansible.constants")
        paths = [Path(text) for text in constants.DEFAULT_HOST_LIST]
    found: list[Path] = []
    for path in paths:
        if path.is_dir():
            found += [inside for inside in sorted(path.iterdir()) if is_lab_file(inside)]
        elif given or is_lab_file(path):
            found.append(path)
    return found


def labs(given: Sequence[Path] = ()) -> list[tuple[labfile.LabFile, Secrets]]:
    """Return the lab files with their secrets; without `given`, those that Ansible's `inventory` setting leads to.

    Raises `RackbenchError("inventory_invalid")` for a file that breaks its contract, or if there is no lab file.
    """
    paths = lab_files(given)
    if not paths:
        what = ", ".join(str(path) for path in given) or "Ansible's inventory setting"
        raise RackbenchError(
            "inventory_invalid",
            f"{what} leads to no lab file.",
            next_step="Name the file with --inventory, or set `inventory` in ansible.cfg.",
        )
    return [(lab, Secrets(lab, _decryptor(lab))) for lab in map(labfile.load, paths)]


def _decryptor(lab: labfile.LabFile) -> Callable[[str], str] | None:
    """Return what decrypts vault values, with the vault passwords that Ansible's own settings name."""
    if not any(auth.type == "vault" for auth in lab.model.auth_refs.values()):
        return None
    constants: Any = importlib.import_module("ansible.constants")
    cli: Any = importlib.import_module("ansible.cli")
    vaults: Any = importlib.import_module("ansible.parsing.vault")
    loader = importlib.import_module("ansible.parsing.dataloader").DataLoader()
    identities = cli.CLI.setup_vault_secrets(
        loader, constants.DEFAULT_VAULT_IDENTITY_LIST, auto_prompt=False, initialize_context=False
    )
    vault = vaults.VaultLib(identities)
    return lambda text: str(vault.decrypt(text.strip().encode()).decode())
