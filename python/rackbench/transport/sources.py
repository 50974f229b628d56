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
OWN_ENDINGS = (".lab.yml", ".lab.yaml")
NAMES_US = re.compile(r"^plugin:\s*['\"]?rackbench\.lab\.lab['\"]?\s*(#.*)?$", re.MULTILINE)


def is_lab_file(path: Path) -> bool:
    """Say whether a file is a lab inventory: by its name (`*.lab.yml`), or because it names the plugin."""
    if not path.name.endswith(ENDINGS):
        return False
    try:
        return path.name.endswith(OWN_ENDINGS) or bool(NAMES_US.search(path.read_text(encoding="utf-8")))
    except (OSError, UnicodeDecodeError):
        return False


def labs(given: Sequence[Path] = ()) -> list[tuple[labfile.LabFile, Secrets]]:
    """Return the lab files with their secrets; without `given`, those that Ansible's `inventory` setting leads to.

    Raises `RackbenchError("inventory_invalid")` for a file that breaks its contract, or if there is no lab file.
    """
    paths = list(given)
    if not paths:
        constants: Any = importlib.import_module("ansible.constants")
        for source in (Path(text) for text in constants.DEFAULT_HOST_LIST):
            inside = sorted(source.iterdir()) if source.is_dir() else [source]
            paths += [path for path in inside if is_lab_file(path)]
    if not paths:
        raise RackbenchError(
            "inventory_invalid",
            "Ansible's inventory setting leads to no lab file.",
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
