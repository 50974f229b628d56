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
# They stand here, or at the top of a corpus; anywhere deeper anybody could make a directory of that name.
BUNDLES_PLACE = "bundles"
# What nobody but its submitter has seen is shown, and not ranked.
RANKED = frozenset({MAINTAINER, VENDOR})


def label(source: object, place: Sequence[str], *, has_manifest: bool) -> str:
    """Return the trust label of a bundle whose manifest declares `source`; `place`: its directories in the corpus.

    Without a manifest the maintainers ran it themselves. With one it is the community's, unless source and place both
    say otherwise: either alone is not believed, and what is unknown falls to the less trusted.
    """
    if not has_manifest:
        return COMMUNITY if VENDOR_PLACE in place else MAINTAINER
    if source == "vendor" and area(place) == VENDOR_PLACE:
        return VENDOR
    if source == "internal" and area(place) == MAINTAINER_PLACE:
        return MAINTAINER
    return COMMUNITY


def area(place: Sequence[str]) -> str:
    """Return the directory directly below `bundles/`, or the top of the corpus, that a place is in; empty: none."""
    inner = place[1:] if place and place[0] == BUNDLES_PLACE else place
    return inner[0] if inner else ""


def is_ranked(trust: str) -> bool:
    """Say whether results with a label take part in rankings; an unknown label does not."""
    return trust in RANKED
