# SPDX-License-Identifier: Apache-2.0
"""Headlines: the few numbers of a result that a summary shows, found by JMESPath."""

from __future__ import annotations

import importlib
import statistics
from typing import TYPE_CHECKING, Any

from jmespath import functions
from jmespath.exceptions import JMESPathError

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from rackbench.adapters.catalog import Headline


# The package has no types.
_JMESPATH: Any = importlib.import_module("jmespath")


class _Functions(functions.Functions):
    """JMESPath's own functions, and `median(array of numbers)`; the median of nothing is null."""

    @functions.signature({"types": ["array-number"]})  # type: ignore[no-untyped-call, untyped-decorator]
    def _func_median(self, numbers: list[float]) -> float | None:
        return statistics.median(numbers) if numbers else None


def query_problem(query: str) -> str | None:
    """Return what is wrong with a JMESPath expression, or None."""
    try:
        _JMESPATH.compile(query)
    except JMESPathError as error:
        return str(error).splitlines()[0]
    return None


def headlines(document: Mapping[str, Any], wanted: Sequence[Headline]) -> list[dict[str, Any]]:
    """Return `{label, value, unit}` of each headline; `value` is None when the result does not hold that number."""
    options = _JMESPATH.Options(custom_functions=_Functions())
    return [
        {"label": entry.label, "value": _number(document, entry.query, options), "unit": entry.unit}
        for entry in wanted
    ]


def _number(document: Mapping[str, Any], query: str, options: Any) -> float | None:
    try:
        value = _JMESPATH.search(query, document, options)
    except JMESPathError:
        # A partial result may lack what the expression works on.
        return None
    return value if isinstance(value, int | float) and not isinstance(value, bool) else None
