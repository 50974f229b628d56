# SPDX-License-Identifier: Apache-2.0
"""Where our verdict on a bundle differs from BenchBox's, and why. docs/reference/corpus.md has the same table."""

from __future__ import annotations

# We refuse what BenchBox accepts; by the check that refuses it.
STRICTER = {
    "counts_contradict": "BenchBox compares neither the counts and timings of a summary with each other nor with "
    "the queries.",
    "environment_contradicts": "BenchBox does not compare what a bundle says twice of its machine and its driver.",
    "key_missing": "BenchBox overlooks a `summary.queries` that is no object; without a total nobody knows what ran.",
    "private_content": "BenchBox does not look for secrets.",
    "private_path": "BenchBox does not look for somebody's home.",
    "schema_conflict": "BenchBox overlooks a second version that is no version at all.",
    "timing_negative": "BenchBox looks only at the timings of queries, and not at those of the summary.",
    "translation_not_clean": "BenchBox takes a number or a list for a good status.",
    "wrong_type": "BenchBox takes a number in quotes, `true` and infinity for numbers, and does not look at ids, "
    "times and the type of parts that it does not read.",
}
# We accept what BenchBox refuses; by the beginning of the mutation's name.
MORE_LENIENT: dict[str, str] = {}


def table() -> str:
    """Return the differences as a table of Markdown."""
    lines = ["| Difference | Why |", "|---|---|"]
    lines += [
        f"| refused here by `{code}`, accepted there | {why} |" for code, why in sorted(STRICTER.items())
    ]
    lines += [f"| accepted here, refused there: {name} | {why} |" for name, why in MORE_LENIENT.items()]
    return "\n".join(lines) + "\n"
