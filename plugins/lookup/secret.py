# SPDX-License-Identifier: GPL-3.0-or-later
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
"""The secret behind an auth reference of the lab inventory."""

from __future__ import annotations

DOCUMENTATION = r"""
name: secret
short_description: The secret behind an auth reference of the lab inventory
version_added: 0.1.0
description:
  - Asks the broker that the inventory plugin P(rackbench.lab.lab#inventory) started in the controller process.
  - The inventory uses it for the passwords of sudo, as a template that is filled in when a task needs it. It can be
    used in the same way for any auth reference that holds a password.
options:
  _terms:
    description: Names of auth references.
    type: list
    elements: str
    required: true
requirements:
  - the Python package C(rackbench) beside ansible-core on the controller
notes:
  - It answers for hosts of the inventory plugin only, while the command runs that read the inventory.
author:
  - Rackbench contributors (!UNKNOWN)
seealso:
  - plugin: rackbench.lab.lab
    plugin_type: inventory
"""

EXAMPLES = r"""
- name: Write the file that a service reads its password from
  ansible.builtin.copy:
    content: "{{ lookup('rackbench.lab.secret', 'service-password') }}"
    dest: "{{ service_directory }}/password"
    mode: "0600"
  no_log: true
"""

RETURN = r"""
_raw:
  description: The secrets, in the order of the names.
  returned: success
  type: list
  elements: str
"""

import typing as t

from ansible.errors import AnsibleError
from ansible.plugins.lookup import LookupBase
from ansible_collections.rackbench.lab.plugins.plugin_utils import _package

try:
    _package.require_release()
    from rackbench.transport import wire
except ImportError as error:
    MISSING: ImportError | None = error
else:
    MISSING = None


class LookupModule(LookupBase):
    """Ask the broker for secrets."""

    def run(
        self, terms: list[t.Any], variables: dict[str, t.Any] | None = None, **kwargs: t.Any
    ) -> list[str]:
        """Return the secrets behind the names in `terms`."""
        if MISSING is not None:
            raise AnsibleError(_package.refusal(MISSING))
        self.set_options(var_options=variables, direct=kwargs)
        broker = (variables or {}).get("lab_broker")
        if not broker:
            raise AnsibleError("This host is not from a rackbench.lab.lab inventory: it has no lab_broker.")
        return [self._one(str(broker), str(term)) for term in terms]

    @staticmethod
    def _one(broker: str, name: str) -> str:
        try:
            answer = wire.ask(broker, {"do": "secret", "ref": name})
        except OSError as error:
            raise AnsibleError(f"The broker of the lab inventory does not answer: {error}") from error
        if not answer["ok"]:
            raise AnsibleError(f"{answer['message']} [{answer['code']}]")
        return str(answer["value"])
