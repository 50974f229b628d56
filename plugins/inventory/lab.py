# SPDX-License-Identifier: GPL-3.0-or-later
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
"""The inventory of a lab behind jump boxes, from one checked YAML file."""

from __future__ import annotations

DOCUMENTATION = r"""
name: lab
short_description: Machines behind jump boxes, from one checked file
version_added: 0.1.0
description:
  - Reads a C(rackbench.lab/1.0) file with machines, the hops on the way to them, and references to secrets.
  - Every error names the file, the line, the path in the file and what is allowed there.
  - It generates one ssh configuration and starts the broker that answers the password prompts of ssh, so that
    plain C(ansible-playbook), C(ansible), C(ansible-runner) and C(rackbench) work with nothing started by hand.
    Nothing is dialled and no secret is read until a task needs the machine.
  - Tags become groups, and all machines are in the group C(lab).
options:
  plugin:
    description: The name of this plugin. Ansible reads the file by this line.
    type: str
    required: true
    choices: [rackbench.lab.lab]
requirements:
  - the Python package C(rackbench) beside ansible-core on the controller
  - OpenSSH 8.4 or newer
notes:
  - The other keys of the file are described in C(docs/reference/inventory.md).
  - Where an inventory is made static first, as AWX does, the broker does not live when the tasks run.
author:
  - Rackbench contributors (!UNKNOWN)
seealso:
  - plugin: rackbench.lab.secret
    plugin_type: lookup
  - module: rackbench.lab.probe
"""

EXAMPLES = r"""
# lab.yml
schema: rackbench.lab/1.0
plugin: rackbench.lab.lab
auth_refs:
  jump-password: {type: password_env, variable: JUMP_PASSWORD}
  service-password: {type: password_env, variable: SERVICE_PASSWORD}
  my-key: {type: key_file, path: ~/.ssh/id_ed25519}
defaults: {user: deploy, auth_ref: my-key}
hops:
  thor: {hostname: thor.example.net, user: jump, auth_ref: jump-password}
hosts:
  turind8:
    hostname: 192.0.2.20
    tags: [epyc]
    transport: {type: jump_chain, hops: [thor]}
"""

import typing as t
from pathlib import Path

from ansible.errors import AnsibleError, AnsibleParserError
from ansible.plugins.inventory import BaseInventoryPlugin
from ansible.template import trust_as_template
from ansible_collections.rackbench.lab.plugins.plugin_utils import _package

try:
    _package.require_release()
    from rackbench.errors import RackbenchError
    from rackbench.transport import labfile, routes, sources, variables
    from rackbench.transport.secrets import Secrets
    from rackbench.transport.session import Session
except ImportError as error:
    MISSING: ImportError | None = error
else:
    MISSING = None


class InventoryModule(BaseInventoryPlugin):
    """Fill Ansible's inventory from a lab file."""

    NAME = "rackbench.lab.lab"

    def verify_file(self, path: str) -> bool:
        """Say whether the file is ours: it names this plugin or the schema."""
        # Without the package any YAML that Ansible's `auto` hands us is ours, so that parse can say what is missing.
        return bool(super().verify_file(path)) and (MISSING is not None or sources.is_lab_file(Path(path)))

    def parse(self, inventory: t.Any, loader: t.Any, path: str, cache: bool = True) -> None:  # noqa: FBT001, FBT002
        """Read the file, start the broker, and set groups and variables. Dials nothing."""
        super().parse(inventory, loader, path, cache)
        if MISSING is not None:
            raise AnsibleError(_package.refusal(MISSING))
        try:
            lab = labfile.load(Path(path))
            found = routes.resolve(lab)
            session = Session(found, Secrets(lab, lambda text: str(self._vaulted(text))))
        except RackbenchError as error:
            # The cause is told whole in the message; Ansible would print the chain of exceptions after it.
            raise AnsibleParserError(str(error)) from None
        inventory.add_group("lab")
        for name, groups in variables.groups(lab).items():
            inventory.add_host(name, group="lab")
            for group in groups:
                inventory.add_group(group)
                inventory.add_child(group, name)
            for key, value in variables.of_host(found, name, session.config, session.socket).items():
                inventory.set_variable(name, key, self._trusted(value))

    def _trusted(self, value: t.Any) -> t.Any:
        """Return a value of the file with its strings marked as templates that may be filled in."""
        if isinstance(value, labfile.VaultText):
            return self._vaulted(value)
        if isinstance(value, str):
            return trust_as_template(value)
        if isinstance(value, dict):
            return {key: self._trusted(item) for key, item in value.items()}
        if isinstance(value, list):
            return [self._trusted(item) for item in value]
        return value

    def _vaulted(self, text: str) -> t.Any:
        """Return the encrypted text as Ansible's own encrypted string, which decrypts itself when it is used."""
        return self.loader.load(
            "!vault |\n" + "".join(f"  {line.strip()}\n" for line in text.split("\n") if line)
        )
