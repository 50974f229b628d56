# SPDX-License-Identifier: Apache-2.0
"""What sections of the report are made of: tables, figures, facts; plain data for the template."""

from __future__ import annotations

import re
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

from markupsafe import Markup, escape

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping, Sequence

# A table of more rows is cut, and says so.
MOST_ROWS = 1000
_KINDS = {"#": "number", "@": "digest"}


@dataclass(frozen=True, slots=True)
class Column:
    """A column of a table: its name, and what is in it: `text`, `number` (aligned right) or `digest`."""

    name: str
    kind: str = "text"


@dataclass(frozen=True, slots=True)
class Table:
    """A table with its caption. The first cell of each row is its head; `omitted` rows were left out."""

    caption: str
    columns: tuple[Column, ...]
    rows: tuple[tuple[str, ...], ...]
    omitted: int = 0


@dataclass(frozen=True, slots=True)
class Figure:
    """A drawing, what it shows in words, and its data as tables.

    `data` is what the page's script needs to draw it, a JSON document; a figure without is complete as it stands.
    """

    id: str
    title: str
    description: str
    drawing: Markup
    tables: tuple[Table, ...]
    data: Mapping[str, Any] | None = None


@dataclass(frozen=True, slots=True)
class Link:
    """A link to elsewhere, already checked."""

    text: str
    url: str


@dataclass(slots=True)
class Section:
    """The part of the report that one adapter has."""

    adapter: str
    heading: str
    summary: str
    notes: list[str] = field(default_factory=list)
    facts: list[tuple[str, str]] = field(default_factory=list)
    links: list[Link] = field(default_factory=list)
    figures: list[Figure] = field(default_factory=list)
    tables: list[Table] = field(default_factory=list)


def table(caption: str, columns: Sequence[str], rows: Iterable[Sequence[str]]) -> Table:
    """Return a table. A column whose name begins with `#` has numbers, with `@` digests.

    Rows beyond MOST_ROWS are counted only.
    """
    found = [tuple(row) for row in rows]
    return Table(
        caption,
        tuple(Column(name[1:], _KINDS[name[0]]) if name[:1] in _KINDS else Column(name) for name in columns),
        tuple(found[:MOST_ROWS]),
        max(0, len(found) - MOST_ROWS),
    )


def slug(*names: object) -> str:
    """Return an id for the page: letters, digits and hyphens, unlike for names that differ only elsewhere."""
    text = "-".join(str(name) for name in names)
    # What is not plain is written as its code points, so that no two names share an id.
    return "x-" + re.sub(r"[^A-Za-z0-9-]", lambda found: f"_{ord(found[0]):x}", text)


def tag(name: str, content: object = "", /, **attributes: object) -> Markup:
    """Return an element with escaped attributes and content; `class_` and `x_y` stand for `class` and `x-y`."""
    written = "".join(
        f' {key.rstrip("_").replace("_", "-")}="{escape(_short(value))}"'
        for key, value in attributes.items()
        if value is not None
    )
    return Markup(f"<{name}{written}>{escape(content)}</{name}>")  # noqa: S704 - each part is escaped above


def joined(parts: Iterable[Markup]) -> Markup:
    """Return pieces of markup as one."""
    return Markup("").join(parts)


def _short(value: object) -> object:
    """Return a coordinate with one digit after the point."""
    return f"{value:.1f}".removesuffix(".0") if isinstance(value, float) else value
