# SPDX-License-Identifier: GPL-3.0-or-later
"""PRIVATE. Secrets that a benchmark is handed: from a file of the controller, or from the lab's broker."""

from __future__ import annotations

import base64
import binascii
import typing as t

from ansible_collections.rackbench.lab.plugins.plugin_utils import _adapters
from ansible_collections.rackbench.lab.plugins.plugin_utils._action import MISSING

if MISSING is None:
    from rackbench.errors import RackbenchError
    from rackbench.transport.secrets import BrokerSecrets

if t.TYPE_CHECKING:
    from ansible_collections.rackbench.lab.plugins.plugin_utils._action import LabAction

REFERENCE = "secret:"
# What is larger is no licence and no key, and has no place in the arguments of a module.
LIMIT_BYTES = 256 * 1024


def handed_over(
    action: LabAction, adapter: str, parameters: t.Mapping[str, t.Any], broker: str | None
) -> dict[str, str]:
    """Return the contents of an adapter's secrets by the names of their settings, in base64.

    A setting holds a path on the controller, or `secret:NAME`: an auth reference whose secret is the content in base64,
    which the lab's `broker` knows. Raises `RackbenchError` (missing_secret), never with the secret.
    """
    found = {}
    for name in _adapters.catalog(action.project)[adapter].secrets:
        value = parameters.get(name)
        if value:
            content = _content(action, f"lab_settings.{adapter}.{name}", str(value), broker)
            found[name] = base64.b64encode(content).decode("ascii")
    return found


def _content(action: LabAction, place: str, value: str, broker: str | None) -> bytes:
    if value.startswith(REFERENCE):
        reference = value.removeprefix(REFERENCE)
        try:
            content = base64.b64decode(_from_broker(reference, broker), validate=True)
        except (binascii.Error, ValueError):
            raise _missing(
                f"The secret {reference!r}, which {place} names, is not in base64.", place
            ) from None
    else:
        path = action.in_project(value)
        try:
            with path.open("rb") as stream:
                content = stream.read(LIMIT_BYTES + 1)
        except OSError as error:
            raise _missing(
                f"{path}, which {place} names, cannot be read: {error.strerror}.", place
            ) from error
    if not 0 < len(content) <= LIMIT_BYTES:
        raise _missing(f"What {place} names is empty, or has more than {LIMIT_BYTES} bytes.", place)
    return content


def _from_broker(reference: str, broker: str | None) -> str:
    if not broker:
        words = (
            f"The secret {reference!r} cannot be had: this host is not from a rackbench.lab.lab inventory."
        )
        raise _missing(words, reference)
    return BrokerSecrets(broker).get(reference)


def _missing(message: str, where: str) -> RackbenchError:
    return RackbenchError("missing_secret", message, where=where)
