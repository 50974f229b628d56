# SPDX-License-Identifier: Apache-2.0
"""How far a result is trusted, and whether it is ranked: from what its manifest declares and where it lies."""

from __future__ import annotations

from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Sequence

MAINTAINER, VENDOR, COMMUNITY = "maintainer-run", "vendor-supplied", "community-submission"
LABELS = (MAINTAINER, VENDOR, COMMUNITY)
# What a manifest may declare as its result_source.
SOURCES = frozenset({"internal", "community", "vendor"})
# Only maintainers can merge into these directories (the branch rules that `rackbench corpus init` writes see to it).
VENDOR_PLACE, MAINTAINER_PLACE = "vendor", "maintainer"
# What nobody but its submitter has seen is shown, and not ranked.
RANKED = frozenset({MAINTAINER, VENDOR})


def label(source: object, place: Sequence[str], *, has_manifest: bool) -> str:
    """Return the trust label of a bundle in the directories `place` whose manifest declares `source`.

    Without a manifest the maintainers ran it themselves. With one it is the community's, unless source and place both
    say otherwise: either alone is not believed, and what is unknown falls to the less trusted.
    """
    if not has_manifest:
        return COMMUNITY if VENDOR_PLACE in place else MAINTAINER
    if source == "vendor" and VENDOR_PLACE in place:
        return VENDOR
    if source == "internal" and MAINTAINER_PLACE in place:
        return MAINTAINER
    return COMMUNITY


def is_ranked(trust: str) -> bool:
    """Say whether results with a label take part in rankings; an unknown label does not."""
    return trust in RANKED
