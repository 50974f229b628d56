# SPDX-License-Identifier: Apache-2.0
"""Write the site of a corpus, one page from its inventory: `build.py results-data _site`. Put your own in its place."""

from __future__ import annotations

import html
import json
import sys
from pathlib import Path

COLUMNS = ("benchmark", "scale", "platform", "version", "measured_at", "trust", "ranked", "path")
PAGE = """<!doctype html>
<html lang="en"><meta charset="utf-8"><title>Results</title>
<h1>Results</h1><p>As of {generated_at}. <a href="corpus-inventory.json">All as JSON</a>.</p>
<table><thead><tr>{head}</tr></thead><tbody>
{rows}
</tbody></table></html>
"""


def main(corpus: Path, site: Path) -> None:
    """Write `index.html` and the inventory to `site`. What bundles say of themselves is text and no HTML."""
    text = (corpus / "corpus-inventory.json").read_text(encoding="utf-8")
    inventory = json.loads(text)
    rows = [
        "".join(f"<td>{html.escape(str(bundle[column]))}</td>" for column in COLUMNS)
        for bundle in inventory["bundles"]
    ]
    site.mkdir(parents=True, exist_ok=True)
    (site / "corpus-inventory.json").write_text(text, encoding="utf-8")
    page = PAGE.format(
        generated_at=html.escape(inventory["generated_at"]),
        head="".join(f"<th>{column}</th>" for column in COLUMNS),
        rows="\n".join(f"<tr>{row}</tr>" for row in rows),
    )
    (site / "index.html").write_text(page, encoding="utf-8")


if __name__ == "__main__":
    main(*map(Path, sys.argv[1:]))
