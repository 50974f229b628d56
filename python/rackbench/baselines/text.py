# SPDX-License-Identifier: Apache-2.0
"""A JSON text with the place of everything in it, so that single values can be replaced and all else stays. Pure."""

from __future__ import annotations

import json
import math
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any, NoReturn

from rackbench import strict_json

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping

_SPACE = " \t\r\n"
_DEEPEST = 50


class TextError(ValueError):
    """What is wrong with a JSON text, and at which character."""

    def __init__(self, message: str, text: str, position: int) -> None:
        before = text[:position]
        line = before.count("\n") + 1
        column = position - (before.rfind("\n") + 1) + 1
        super().__init__(f"line {line}, column {column}: {message}")


@dataclass(slots=True)
class Value:
    """A value and where it stands: `text[start:end]`. An object has `members`; `key_start` is where its name begins."""

    content: Any
    start: int
    end: int
    key_start: int
    members: dict[str, Value] | None = field(default=None)

    def at(self, path: Iterable[str | int]) -> Value:
        """Return the value that a path of names leads to, as far as the path can be followed."""
        here = self
        for name in path:
            if here.members is None or name not in here.members:
                break
            here = here.members[str(name)]
        return here


def parse(text: str) -> Value:
    """Return the value that a JSON text is.

    Raises `TextError` for text that is no JSON, and for what a baseline may not hold: a name that is twice in an
    object, NaN, infinities and numbers that are too large.
    """
    parser = _Parser(text)
    value = parser.value(parser.skip(0), 0, 0)
    rest = parser.skip(value.end)
    if rest < len(text):
        raise TextError("there is more behind the end of the document", text, rest)
    return value


class _Parser:
    def __init__(self, text: str) -> None:
        self._text = text
        self._decoder = json.JSONDecoder(
            parse_constant=strict_json.refuse_constant,
            parse_float=_finite,
            object_pairs_hook=strict_json.unique,
        )

    def skip(self, position: int) -> int:
        text = self._text
        while position < len(text) and text[position] in _SPACE:
            position += 1
        return position

    def value(self, start: int, key_start: int, depth: int) -> Value:
        if depth > _DEEPEST:
            raise TextError("it is nested too deeply", self._text, start)
        if self._text[start : start + 1] == "{":
            return self._object(start, key_start, depth)
        content, end = self._decoded(start)
        return Value(content, start, end, key_start)

    def _decoded(self, start: int) -> tuple[Any, int]:
        try:
            content, end = self._decoder.raw_decode(self._text, start)
            if isinstance(content, str):
                content.encode()
        except json.JSONDecodeError as error:
            message = "the text ends too early" if error.pos >= len(self._text.rstrip()) else error.msg
            raise TextError(message, self._text, error.pos) from error
        except UnicodeEncodeError as error:
            raise TextError("the text has half of a surrogate pair", self._text, start) from error
        except (ValueError, RecursionError) as error:
            raise TextError(str(error), self._text, start) from error
        return content, end

    def _object(self, start: int, key_start: int, depth: int) -> Value:
        text = self._text
        members: dict[str, Value] = {}
        position = self.skip(start + 1)
        if text[position : position + 1] == "}":
            return Value({}, start, position + 1, key_start, members)
        while True:
            if text[position : position + 1] != '"':
                self._expected("a name in quotation marks", position)
            name, end = self._decoded(position)
            if name in members:
                raise TextError(str(strict_json.DuplicateNameError(name)), text, position)
            colon = self.skip(end)
            if text[colon : colon + 1] != ":":
                self._expected("a colon", colon)
            member = self.value(self.skip(colon + 1), position, depth + 1)
            members[name] = member
            position = self.skip(member.end)
            mark = text[position : position + 1]
            if mark == "}":
                content = {key: value.content for key, value in members.items()}
                return Value(content, start, position + 1, key_start, members)
            if mark != ",":
                self._expected("a comma or a closing brace", position)
            position = self.skip(position + 1)

    def _expected(self, what: str, position: int) -> NoReturn:
        ended = "the text ends too early; " if position >= len(self._text) else ""
        raise TextError(f"{ended}here should be {what}", self._text, position)


def _finite(digits: str) -> float:
    value = float(digits)
    if not math.isfinite(value):
        raise ValueError(f"{digits} is too large for a number")
    return value


class Edits:
    """Changes of a text, gathered first and made at once. What is added is laid out like what is around it."""

    def __init__(self, text: str, root: Value) -> None:
        self._text = text
        self._edits: list[tuple[int, int, str]] = []
        self.top = self.space(root, "")
        # What one level is indented by; nothing where everything is on one line.
        self._step = self.top.rpartition("\n")[2] if "\n" in self.top else ""

    def __bool__(self) -> bool:
        """Return whether there is any change."""
        return bool(self._edits)

    def replace(self, value: Value, text: str) -> None:
        """Put a text in place of a value, unless it is there already."""
        if self._text[value.start : value.end] != text:
            self._edits.append((value.start, value.end, text))

    def add(
        self, parent: Value, members: Mapping[str, str], outer: str, *, after: Value | None = None
    ) -> None:
        """Add members, whose values are texts of JSON, to an object: behind the member `after`, or at its end.

        `outer` is the white space before the names of the object around it, which tells how an empty one is laid out.
        """
        if parent.members:
            place = (after or list(parent.members.values())[-1]).end
            space = self.space(parent, outer)
            self._edits.append(
                (place, place, "".join(f",{space}{_member(*each)}" for each in members.items()))
            )
        else:
            self._edits.append((parent.start, parent.end, self.object_text(members, outer)))

    def remove(self, parent: Value, name: str) -> None:
        """Take a member, which is not the only one, out of an object."""
        members = list((parent.members or {}).items())
        index = next(index for index, (key, _value) in enumerate(members) if key == name)
        value = members[index][1]
        if index:
            self._edits.append((members[index - 1][1].end, value.end, ""))
        else:
            self._edits.append((value.key_start, members[1][1].key_start, ""))

    def space(self, parent: Value, outer: str) -> str:
        """Return the white space before the names in an object; for an empty one by that of the object around it."""
        for member in (parent.members or {}).values():
            between = self._text[parent.start + 1 : member.key_start]
            return between if "\n" in between else " "
        return self._inner(outer)

    def object_text(self, members: Mapping[str, str], outer: str) -> str:
        """Return an object whose values are texts of JSON, for a place whose own name has `outer` before it."""
        inner = self._inner(outer)
        first, last = (inner, outer) if "\n" in outer else ("", "")
        return f"{{{first}{f',{inner}'.join(_member(*each) for each in members.items())}{last}}}"

    def result(self) -> str:
        """Return the text with all changes."""
        parts, position = [], 0
        # Several additions at one place keep the order in which they were asked for.
        for start, end, text in sorted(self._edits, key=lambda edit: edit[0]):
            parts += [self._text[position:start], text]
            position = end
        return "".join([*parts, self._text[position:]])

    def _inner(self, outer: str) -> str:
        return outer + self._step if "\n" in outer else " "


def _member(name: str, text: str) -> str:
    return f"{json.dumps(name, ensure_ascii=False)}: {text}"
