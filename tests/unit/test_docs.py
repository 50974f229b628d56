# SPDX-License-Identifier: Apache-2.0
"""The documentation's own consistency: nothing unlisted, no dead link."""

from __future__ import annotations

import re
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parents[2]
FOLDERS = ("docs/**", ".", "roles/*", "benchmarks/*", "tests/*", "inventories/*")
PAGES = sorted(page for folder in FOLDERS for page in ROOT.glob(f"{folder}/*.md"))
LINK = re.compile(r"\]\(([^)#\s]+)(#[^)\s]*)?\)")


# README.md is shown by the package index and by Galaxy too, which have no other file of this repository.
OURS = "https://github.com/rackbench/rackbench/blob/main/"
DEFINITION = re.compile(r"^\[(?P<label>.+)\]: (?P<address>https://\S+)$", re.MULTILINE)
USE = re.compile(r"\[(?P<text>[^\[\]]+)\](?:\[(?P<label>[^\[\]]*)\])?")
FENCED = re.compile(r"^```.*?^```$", re.MULTILINE | re.DOTALL)


def links(page: Path) -> list[str]:
    """Return the relative links of a page."""
    return [target for target, _anchor in LINK.findall(page.read_text()) if "://" not in target]


@pytest.mark.parametrize("page", PAGES, ids=lambda page: str(page.relative_to(ROOT)))
def test_every_link_leads_somewhere(page: Path) -> None:
    assert [target for target in links(page) if not (page.parent / target).exists()] == []


def test_every_link_of_the_readme_is_a_whole_address_and_leads_somewhere() -> None:
    page = (ROOT / "README.md").read_text()
    defined = {match["label"]: match["address"] for match in DEFINITION.finditer(page)}
    prose = DEFINITION.sub("", FENCED.sub("", page))
    assert {match["label"] or match["text"] for match in USE.finditer(prose)} == defined.keys()
    assert links(ROOT / "README.md") == []
    ours = [address.removeprefix(OURS) for address in defined.values() if address.startswith(OURS)]
    assert ours
    assert [file for file in ours if not (ROOT / file).exists()] == []


def test_the_index_names_every_page_of_the_documentation() -> None:
    index = ROOT / "docs/README.md"
    listed = {(index.parent / target).resolve() for target in links(index)}
    assert [
        str(page.relative_to(ROOT)) for page in ROOT.glob("docs/*/*.md") if page.resolve() not in listed
    ] == []
