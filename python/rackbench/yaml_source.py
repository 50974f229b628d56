# SPDX-License-Identifier: Apache-2.0
"""YAML files that people write, with the line of everything in them, so that a complaint can say where."""

from __future__ import annotations

import difflib
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, NoReturn

import yaml

from rackbench.errors import RackbenchError

if TYPE_CHECKING:
    from collections.abc import Iterable
    from pathlib import Path

Place = tuple[str | int, ...]


@dataclass(frozen=True)
class Source:
    """A YAML document with the line on which each place in it begins, lines counted from 1.

    `code` is that of its errors.
    """

    path: Path
    content: Any
    lines: dict[Place, int]
    code: str

    def line(self, place: Place) -> int:
        """Return the line of a place, or of the nearest place around it."""
        while place and place not in self.lines:
            place = place[:-1]
        return self.lines.get(place, 1)

    def place(self, location: Place) -> Place:
        """Return pydantic's place without the tags of unions and the `[key]` marks, which the file does not have."""
        place: list[str | int] = []
        here = self.content
        for index, part in enumerate(location):
            last = index == len(location) - 1
            if part == "[key]":
                continue
            if isinstance(here, dict) and part not in here and not last:
                continue
            place.append(part)
            if isinstance(here, dict):
                here = here.get(part)
            elif isinstance(here, list) and isinstance(part, int) and part < len(here):
                here = here[part]
        return tuple(place)

    def at(self, place: Place) -> str:
        """Return `file:line: path`, as error messages begin."""
        return f"{self.path}:{self.line(place)}: {dotted(place) or 'the file'}"

    def error(self, problems: list[tuple[Place, str]]) -> RackbenchError:
        """Return the error that lists problems, in the order of their lines."""
        ordered = sorted(problems, key=lambda problem: self.line(problem[0]))
        text = "\n".join(f"{self.at(place)}: {reason}" for place, reason in ordered)
        return RackbenchError(self.code, text, where=f"{self.path}:{self.line(ordered[0][0])}")


def dotted(place: Place) -> str:
    """Return a place as people write it: `hosts.turind8.transport.hops[0]`."""
    text = ""
    for part in place:
        text += f"[{part}]" if isinstance(part, int) else f".{part}" if text else str(part)
    return text


def nearest(name: str, known: Iterable[str]) -> str:
    """Return what is allowed, with the nearest name in front if one is near."""
    names = sorted(known)
    listed = ", ".join(names) or "nothing is defined"
    close = difflib.get_close_matches(name, names, n=1, cutoff=0.6)
    return f"did you mean {close[0]!r}? Allowed: {listed}" if close else f"allowed: {listed}"


def given(value: Any) -> str:
    """Return how a message shows what stands in the file."""
    text = repr(value)
    return f"(given: {text if len(text) <= 60 else text[:57] + '...'})"


def read(path: Path, *, code: str, loader: type[yaml.SafeLoader] = yaml.SafeLoader) -> Source:
    """Return the YAML document in `path` with its lines.

    Raises `RackbenchError(code)` for a file that cannot be read, is not YAML, or has a key twice.
    """
    try:
        loading = loader(path.read_text(encoding="utf-8"))
    except (OSError, UnicodeDecodeError, yaml.YAMLError) as error:
        reason = error.strerror if isinstance(error, OSError) else error
        raise RackbenchError(code, f"{path}: cannot be read: {reason}", where=str(path)) from error
    try:
        node = loading.get_single_node()
        lines: dict[Place, int] = {}
        if node is not None:
            _walk(node, (), lines, path, code)
        content = loading.construct_document(node) if node is not None else None
    except (yaml.YAMLError, ValueError, RecursionError) as error:
        _not_yaml(path, code, error)
    finally:
        loading.dispose()
    return Source(path, content, lines, code)


def _not_yaml(path: Path, code: str, error: Exception) -> NoReturn:
    mark = getattr(error, "problem_mark", None)
    line = mark.line + 1 if mark is not None else 1
    reason = getattr(error, "problem", None) or str(error).splitlines()[0]
    raise RackbenchError(
        code, f"{path}:{line}: this is not YAML: {reason}", where=f"{path}:{line}"
    ) from error


def _walk(node: yaml.Node, place: Place, lines: dict[Place, int], path: Path, code: str) -> None:
    lines.setdefault(place, node.start_mark.line + 1)
    if isinstance(node, yaml.MappingNode):
        for key, value in node.value:
            name = str(key.value)
            line = key.start_mark.line + 1
            inner = (*place, name)
            if inner in lines:
                raise RackbenchError(
                    code,
                    f"{path}:{line}: {dotted(inner)}: this key stands twice; the first is on line {lines[inner]}",
                    where=f"{path}:{line}",
                )
            lines[inner] = line
            _walk(value, inner, lines, path, code)
    elif isinstance(node, yaml.SequenceNode):
        for index, value in enumerate(node.value):
            _walk(value, (*place, index), lines, path, code)
