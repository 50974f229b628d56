# SPDX-License-Identifier: Apache-2.0
"""The text of the pull request that proposes new numbers: what they are, how they scatter, what the gate says. Pure."""

from __future__ import annotations

from dataclasses import replace
from typing import TYPE_CHECKING

from rackbench.adapters.export import markdown_table, markdown_text
from rackbench.baselines.compare import compare
from rackbench.baselines.numbers import ACTIVE, PERCENTILES, Scenario
from rackbench.baselines.readers.series import percentile
from rackbench.words import number

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator

    from rackbench.baselines.numbers import Baseline, Results
    from rackbench.baselines.update import Updated
    from rackbench.baselines.verdicts import Row

COLUMNS = (
    "scenario",
    "gate",
    "unit",
    "p50 so far",
    "p50",
    "p95",
    "p99",
    "rate so far",
    "rate",
    "samples",
    "spread",
)
# GitHub takes 65,536 characters of a text, and the workflow writes a few lines above this one.
LONGEST = 60_000
NOTE = (
    "`rate` is iterations per second, or the median rate where higher is better. `spread` is the middle half of the "
    "samples as a part of their median. The worst come first."
)


def markdown(updated: Updated, results: Results) -> str:
    """Return the text, for a baseline that `results` were put into.

    The gate's verdicts are those of active mode, whatever mode the baseline is in.
    """
    found = compare(replace(updated.before, status=ACTIVE), results)
    armed = compare(replace(updated.baseline, status=ACTIVE), results)
    lines = [
        f"- {label}: {markdown_text(text)}"
        for label, text in (
            ("Machine", results.fingerprint),
            ("Run", results.run_id),
            ("Commit", results.commit),
            ("Gate now", updated.baseline.status),
            ("Verdict of an active gate on these numbers, with the baseline so far", found.headline),
            ("Verdict of an active gate once these numbers are the baseline", armed.headline),
        )
        if text
    ]
    lines += [f"- {markdown_text(warning)}" for warning in updated.warnings]
    lines += [
        "",
        *markdown_table(COLUMNS, [_cells(row, updated.before, results) for row in found.rows]),
        "",
        NOTE,
        "",
    ]
    lines += [f"- {markdown_text(f'{row.name}: {row.status}. {row.why}')}" for row in found.rows if row.why]
    return "\n".join(_fitting(lines)) + "\n"


def spread(samples: tuple[float, ...]) -> float | None:
    """Return the middle half of samples, from the 25th to the 75th percentile, as a part of their median.

    None with fewer than four, which have no quarters.
    """
    if len(samples) < 4:
        return None
    ordered = sorted(samples)
    low, middle, high = (percentile(ordered, wanted) for wanted in (25, 50, 75))
    return (high - low) / middle


def _cells(row: Row, before: Baseline, results: Results) -> tuple[str, ...]:
    old, new = before.scenarios.get(row.name), results.scenarios.get(row.name)
    known = old if isinstance(old, Scenario) else None
    part = spread(new.samples) if new else None
    return (
        row.name,
        row.status,
        row.unit,
        number(known.p50 if known else None),
        *(number(getattr(new, name) if new else None) for name in PERCENTILES),
        number(known.ips if known else None),
        number(new.ips if new else None),
        str(len(new.samples)) if new else "-",
        "-" if part is None else f"{part:.1%}",
    )


def _fitting(lines: Iterable[str]) -> Iterator[str]:
    """Yield the lines that fit, and how many do not."""
    used = left_out = 0
    for line in lines:
        if used + len(line) + 1 > LONGEST:
            left_out += 1
            continue
        used += len(line) + 1
        yield line
    if left_out:
        yield f"\n{left_out} lines are left out, for the text would be too long. The results have everything."
