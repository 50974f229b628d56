# SPDX-License-Identifier: Apache-2.0
"""Templates: named presets of a run, `templates/NAME.yml` of the project and of the collection.

What is set for one run (on the command line) comes before what its template says, and that before what the inventory
says of a host in general. Tags add up, so that no one can take `smoke` off a smoke run, and settings of benchmarks are
taken one by one.
"""

from __future__ import annotations

import contextlib
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from pydantic import TypeAdapter, ValidationError

from rackbench import yaml_source
from rackbench.adapters.catalog import suggest
from rackbench.errors import RackbenchError
from rackbench.models.template import Tag, TemplateYml

if TYPE_CHECKING:
    from collections.abc import Collection, Iterable, Iterator, Mapping
    from pathlib import Path

    from rackbench.yaml_source import Source

FOLDER = "templates"
# Two ways to say how repeats end: who sets one of them wants no other.
_ENDS = ("repeats", "repeats_until")
# Which fields of a template a refused plan may be about.
_ABOUT = {
    "unknown_benchmark": ("benchmarks", "settings"),
    "unknown_family": ("families",),
    "unknown_setting": ("settings",),
    "unknown_profile": ("settings",),
    "unknown_option": (*_ENDS, "repeats_max", "warmups", "label", "tags"),
}


@dataclass(frozen=True, slots=True)
class Template:
    """A preset. `options` holds what its file sets, by the name that the plan has for it."""

    name: str
    summary: str
    options: Mapping[str, Any]
    source: Source

    def taken(self, given: Collection[str]) -> dict[str, Any]:
        """Return what holds for a run in which the options `given` are set on the command line."""
        left_out = {*given, *(_ENDS if any(name in given for name in _ENDS) else ())}
        return {name: value for name, value in self.options.items() if name not in left_out}

    def applied(self, options: Mapping[str, Any], given: Collection[str]) -> dict[str, Any]:
        """Return the options of a run, `given` of which are set on the command line, with what the template says."""
        taken = self.taken(given)
        merged = {**options, **taken}
        if any(name in taken for name in _ENDS):
            # That of the inventory does not join it.
            merged |= {name: taken.get(name) for name in _ENDS}
        merged["tags"] = list(dict.fromkeys([*self.options.get("tags", ()), *options["tags"]]))
        lower, upper = options["settings"], self.options.get("settings") or {}
        if "settings" in given:
            lower, upper = upper, lower
        merged["settings"] = {
            adapter: {**lower.get(adapter, {}), **upper.get(adapter, {})} for adapter in {**lower, **upper}
        }
        return merged

    @contextlib.contextmanager
    def named(self, given: Collection[str]) -> Iterator[None]:
        """Let what is refused in the block, and comes from the template, name its file and line."""
        try:
            yield
        except RackbenchError as error:
            taken = self.taken(given)
            fields = [name for name in _ABOUT.get(error.code, ()) if name in taken]
            if not fields:
                raise
            raise RackbenchError(
                error.code,
                f"{self.source.at((fields[0],))}: {error.message}",
                where=str(self.source.path),
                next_step="Correct the template, or set what it names by yourself.",
                next_path=str(self.source.path),
            ) from error


def folders(project: Path, collection: Path) -> list[Path]:
    """Return where templates are: the project's own come before those of the collection."""
    found = [project / FOLDER, collection / FOLDER]
    return list({path.resolve(): path for path in reversed(found)}.values())[::-1]


def available(places: Iterable[Path]) -> dict[str, Path]:
    """Return name and file of each template, sorted; of two with one name the first place's."""
    found: dict[str, Path] = {}
    for place in places:
        for path in place.glob("*.yml"):
            found.setdefault(path.stem, path)
    return dict(sorted(found.items()))


def load(name: str, places: Iterable[Path]) -> Template:
    """Return the template of this name.

    Raises `RackbenchError`: unknown_template with the nearest name, and what `read` raises.
    """
    known = available(places)
    if name not in known:
        raise RackbenchError(
            "unknown_template",
            f"No template is called {name!r}.{suggest(name, list(known))}",
            next_command="rackbench templates",
        )
    return read(known[name])


def read(path: Path) -> Template:
    """Read one file.

    Raises `RackbenchError("template_invalid")`, one line for each problem: file, line, field and what is allowed.
    """
    source = yaml_source.read(path, code="template_invalid")
    if not isinstance(source.content, dict):
        raise source.error([((), "a template is a mapping with schema, summary and what it sets")])
    try:
        model = TemplateYml.model_validate(source.content)
    except ValidationError as error:
        problems = [(source.place(item["loc"]), _reason(item)) for item in error.errors(include_url=False)]
        raise source.error(problems) from error
    options = model.model_dump(exclude={"schema_", "summary"}, exclude_none=True)
    return Template(path.stem, model.summary, options, source)


def _reason(item: Any) -> str:
    if item["type"] == "extra_forbidden":
        allowed = [field.alias or name for name, field in TemplateYml.model_fields.items()]
        return f"unknown key; {yaml_source.nearest(str(item['loc'][-1]), allowed)}"
    if item["type"] == "missing":
        return "the key is missing"
    if item["type"] == "value_error":
        return str(item["ctx"]["error"])
    return f"{item['msg']} {yaml_source.given(item['input'])}"


def check_tags(tags: Iterable[str]) -> None:
    """Raise `RackbenchError("unknown_option")` for a tag that is no name."""
    adapter: TypeAdapter[str] = TypeAdapter(Tag)
    for tag in tags:
        try:
            adapter.validate_python(tag)
        except ValidationError:
            raise RackbenchError(
                "unknown_option",
                f"lab_tags has {tag!r}. A tag has up to 40 of a-z, 0-9 and `.`, `_`, `-`, and begins with a letter "
                "or digit.",
            ) from None
