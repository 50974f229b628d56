# SPDX-License-Identifier: GPL-3.0-or-later
"""PRIVATE. Whether the Python package is there and of our release; it is asked before all else is imported of it."""

from __future__ import annotations

import sys

# Both are released together: `tools/versions.py` compares it with what the others say.
RELEASE = "0.1.0"


class OtherReleaseError(ImportError):
    """The package is there, and of another release than the collection."""


def require_release() -> None:
    """Raise `ImportError` if the package is not there, and `OtherReleaseError` if it is not of our release."""
    import rackbench

    # A directory of this name that is no package has no version.
    found = getattr(rackbench, "__version__", "of no release")
    if found != RELEASE:
        raise OtherReleaseError(found)


def refusal(error: ImportError) -> str:
    """Return why nothing of ours can run, and what to do."""
    if isinstance(error, OtherReleaseError):
        return (
            f"The collection rackbench.lab is {RELEASE}, and the Python package rackbench that {sys.executable} "
            f"imports is {error}: they work together only when both are of one release. Install that of the "
            f"collection: `pip install rackbench=={RELEASE}`. [package_of_another_release]"
        )
    return (
        f"The Python package rackbench cannot be imported by {sys.executable}: {error}. "
        f"Install it beside ansible-core: `pip install rackbench=={RELEASE}`. [package_missing]"
    )
