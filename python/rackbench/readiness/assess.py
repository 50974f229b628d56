# SPDX-License-Identifier: Apache-2.0
"""What was to be expected of a host, what it showed, and which of the two counts."""

from __future__ import annotations

from dataclasses import replace
from typing import TYPE_CHECKING

from rackbench.readiness.classify import CACHED, LIVE, NOBODY, Readiness, classify

if TYPE_CHECKING:
    from rackbench.adapters.catalog import Adapter
    from rackbench.readiness.states import Evidence


def assess(adapter: Adapter, host: str, now: Evidence, cached: Evidence | None = None) -> Readiness:
    """Return the verdict that counts, with the predicted and the validated one beside it.

    `now` is the evidence of this moment: its probe is None when nobody asked the host. `cached` is that of the last
    preflight of this host, with the bundles of today. What the host shows now, be it only that it does not answer,
    overrules what was expected; without either, the bundles alone decide.
    """
    asked = now.probe is not None or not now.reached
    if cached and cached.probe:
        # A host that does not answer has the package manager that it had.
        now = replace(now, package_manager=cached.probe.get("package_manager"))
    validated = classify(adapter, host, now) if asked else None
    predicted = classify(adapter, host, cached) if cached and cached.probe is not None else None
    return replace(
        validated or predicted or classify(adapter, host, now),
        predicted_status=predicted.status if predicted else None,
        predicted_status_basis=predicted.status_basis if predicted else None,
        validated_readiness_status=validated.status if validated else None,
        readiness_basis=LIVE if validated else CACHED if predicted else NOBODY,
    )
