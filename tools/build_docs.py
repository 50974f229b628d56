#!/usr/bin/env python3
# SPDX-License-Identifier: Apache-2.0
"""Build the documentation as one site in build/docs/html: no network, no warning, no dead link.

docs/README.md is the index: what it lists, in its order and below its headings, is the site and its navigation. Pages
that it lists outside docs/ belong to the site too; any other file of this repository is linked where the repository is.
"""

from __future__ import annotations

import json
import os
import re
import shutil
import sys
from collections import defaultdict
from html.parser import HTMLParser
from pathlib import Path
from urllib.parse import unquote, urlsplit

import yaml
from verdict import ROOT, CheckError, command, report

DOCS = ROOT / "docs"
INDEX = DOCS / "README.md"
SCHEMAS = DOCS / "reference/schemas"
PLUGINS = ROOT / "plugins"
BUILD = ROOT / "build/docs"
SOURCE = BUILD / "source"
SITE = BUILD / "html"
# Where the index stands in the site, and the pages that are made for directories.
MADE = {
    INDEX: Path("index.md"),
    SCHEMAS: Path("reference/schemas/index.md"),
    PLUGINS: Path("collection/index.rst"),
}
LINK = re.compile(r"\]\(([^)#\s]+)(#[^)\s]*)?\)")
CONTENTS = re.compile(r"^\.\. contents::\n( .*\n)*", re.MULTILINE)
DEFINITION = re.compile(r"^(\[[^\]]+\]: )(\S+)$", re.MULTILINE)
HEADING = re.compile(r"^(##+) (.*)$")


def place_of(file: Path) -> Path:
    """Where a file of this repository is below `SOURCE`."""
    if file in MADE:
        return MADE[file]
    return file.relative_to(DOCS) if file.is_relative_to(DOCS) else "repository" / file.relative_to(ROOT)


def with_links_of_the_site(text: str, page: Path, pages: set[Path]) -> str:
    """The Markdown of a page, each link to a file of this repository turned to where that file is for the site."""
    repository = yaml.safe_load((ROOT / "galaxy.yml").read_text())["repository"]
    here = place_of(page).parent

    def turned(link: re.Match[str]) -> str:
        file = (page.parent / link[1]).resolve()
        if "://" in link[1] or not file.exists():
            return link[0]
        target = os.path.relpath(place_of(file), here)
        if file in pages or file.suffix == ".svg":
            return f"]({target}{link[2] or ''})"
        if file.parent == SCHEMAS:
            return f"](file-of-site:{target})"
        kind = "tree" if file.is_dir() else "blob"
        return f"]({repository}/{kind}/main/{file.relative_to(ROOT)}{link[2] or ''})"

    def turned_back(definition: re.Match[str]) -> str:
        file = ROOT / definition[2].removeprefix(f"{repository}/blob/main/")
        return f"{definition[1]}{os.path.relpath(place_of(file), here)}" if file in pages else definition[0]

    return DEFINITION.sub(turned_back, LINK.sub(turned, text))


def listed() -> dict[str, list[Path]]:
    """The pages that the index lists, by the headings above them."""
    sections: dict[str, list[Path]] = defaultdict(list)
    above: list[str] = []
    for line in INDEX.read_text().splitlines():
        if heading := HEADING.match(line):
            above = [*above[: len(heading[1]) - 2], heading[2]]
        for target, _anchor in LINK.findall(line):
            if "://" not in target:
                sections[": ".join(above)].append((DOCS / target).resolve())
    return sections


def page_of_schemas() -> str:
    """A page that names each schema and says what it is the schema of."""
    rows = []
    for file in sorted(SCHEMAS.glob("*.json")):
        summary = json.loads(file.read_text())["description"].partition("\n\n")[0].replace("\n", " ")
        rows.append(f"| [{file.name.removesuffix('.schema.json')}](file-of-site:{file.name}) | {summary} |")
    return "\n".join(
        [
            "# Schemas",
            "",
            "JSON Schema for every document that Rackbench reads or writes, and for every answer with `--json`.",
            "",
            "| Schema | Of what |",
            "|---|---|",
            *rows,
            "",
        ]
    )


def prepare() -> str:
    """Write the sources of the site."""
    shutil.rmtree(BUILD, ignore_errors=True)
    sections = listed()
    pages = {INDEX, *(page for section in sections.values() for page in section)}
    for page in pages:
        if page.is_dir():
            continue
        target = SOURCE / place_of(page)
        target.parent.mkdir(parents=True, exist_ok=True)
        target.write_text(with_links_of_the_site(page.read_text(), page, pages))
    for picture in DOCS.rglob("*.svg"):
        target = SOURCE / place_of(picture)
        target.parent.mkdir(parents=True, exist_ok=True)
        shutil.copy(picture, target)
    schemas = SOURCE / MADE[SCHEMAS]
    schemas.parent.mkdir(parents=True)
    schemas.write_text(page_of_schemas())
    shutil.copytree(SCHEMAS, SITE / MADE[SCHEMAS].parent)
    with (SOURCE / MADE[INDEX]).open("a") as index:
        for caption, section in sections.items():
            entries = "".join(f"{place_of(page).with_suffix('')}\n" for page in section)
            index.write(f"\n```{{toctree}}\n:hidden:\n:caption: {caption}\n\n{entries}```\n")
    return f"{len(pages)} pages"


def describe_the_collection() -> str:
    """Write a page for each plugin, module and role, of what they say of themselves."""
    pages = SOURCE / MADE[PLUGINS].parent
    pages.mkdir()
    command(
        *("antsibull-docs", "collection", "--use-current", "--squash-hierarchy", "--fail-on-error"),
        *("--no-add-antsibull-docs-version", "--dest-dir", pages, "rackbench.lab"),
    )
    for page in pages.glob("*.rst"):
        # The theme shows the contents of each page at its side.
        page.write_text(CONTENTS.sub("", page.read_text()))
    return f"{len(list(pages.glob('*_*.rst')))} pages"


def build() -> None:
    """Have Sphinx make the site."""
    command(
        *("sphinx-build", "--fail-on-warning", "--keep-going", "--nitpicky", "--quiet", "--no-color"),
        *("--conf-dir", ROOT / "tools/docs", "--doctree-dir", BUILD / "trees", SOURCE, SITE),
    )


class Anchors(HTMLParser):
    """The places in a page that can be linked to, and what the page links to."""

    def __init__(self, page: Path) -> None:
        super().__init__()
        self.ids: set[str] = set()
        self.links: set[str] = set()
        self.feed(page.read_text())

    def handle_starttag(self, _tag: str, attrs: list[tuple[str, str | None]]) -> None:
        """Note what a tag is called, and where it leads."""
        for name, value in attrs:
            if name == "id" and value:
                self.ids.add(value)
            if name in ("href", "src", "action") and value:
                self.links.add(value)


def follow_links() -> str:
    """Follow each link within the site; every page must be reached from the first, by links alone."""
    found = {page.resolve(): Anchors(page) for page in SITE.rglob("*.html")}
    wrong: list[str] = []
    reached: set[Path] = set()
    ahead = [SITE / "index.html"]
    count = 0

    def name(page: Path) -> str:
        return str(page.relative_to(SITE))

    while ahead:
        page = ahead.pop()
        if page in reached:
            continue
        reached.add(page)
        for link in sorted(found[page].links):
            parts = urlsplit(link)
            if parts.scheme or parts.netloc:
                continue
            count += 1
            file = (page.parent / unquote(parts.path)).resolve() if parts.path else page
            if not file.is_file():
                wrong.append(f"{name(page)} links to {link}, which is not there")
            elif file in found:
                ahead.append(file)
                if parts.fragment and parts.fragment not in found[file].ids:
                    wrong.append(f"{name(page)} links to {link}, and there is no such place in {name(file)}")
    wrong += [f"{name(page)} cannot be reached by links from index.html" for page in found.keys() - reached]
    if wrong:
        raise CheckError("\n".join(sorted(wrong)))
    return f"{count} links in {len(found)} pages"


if __name__ == "__main__":
    sys.exit(
        report(
            "docs",
            {
                "pages": prepare,
                "plugins, modules and roles": describe_the_collection,
                "site": build,
                "links of the site": follow_links,
            },
        )
    )
