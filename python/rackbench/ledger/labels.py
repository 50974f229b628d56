# SPDX-License-Identifier: Apache-2.0
"""Labels: a name that a person gives to runs, so that their results are not put together with those of others."""

from __future__ import annotations

import re

from rackbench.errors import RackbenchError

# It stands in tables and on command lines, and never begins as an option or a formula does.
_LABEL = re.compile(r"[A-Za-z0-9][A-Za-z0-9._+-]{0,63}")


def check(label: str | None) -> None:
    """Raise `RackbenchError("unknown_option")` for a label that is none; there need not be one."""
    if label is not None and _LABEL.fullmatch(label) is None:
        raise RackbenchError(
            "unknown_option",
            f"lab_label is {label!r}. A label has up to 64 letters, digits and `.`, `_`, `+`, `-`, and begins with a "
            "letter or digit.",
        )
