# SPDX-License-Identifier: Apache-2.0
"""Reading JSON of strangers: whatever it is, it gives an object or a finding that names what is wrong."""

from __future__ import annotations

import json
from typing import Any, NoReturn, TypeGuard

from rackbench.corpus.checks import Finding, found, shown

# A bundle has about 15 KB. What is parsed takes up to thirty times its bytes in memory.
BYTES = 4 * 1024 * 1024


class _DuplicateKeyError(ValueError):
    pass


class _NotANumberError(ValueError):
    pass


def read_object(content: bytes) -> dict[str, Any] | Finding:
    """Return the one JSON object that `content` is, or the finding that says why it is none. Never raises."""
    if content.startswith(b"\xef\xbb\xbf"):
        return found("byte_order_mark")
    try:
        text = content.decode()
    except UnicodeDecodeError as error:
        return found("not_utf8", at=error.start)
    try:
        value = json.loads(text, object_pairs_hook=_object, parse_constant=_refuse)
    except _DuplicateKeyError as error:
        return found("duplicate_key", key=shown(str(error)))
    except _NotANumberError as error:
        return found("not_a_number", value=str(error))
    except RecursionError:
        return found("nested_too_deeply")
    except json.JSONDecodeError as error:
        return found("not_json", reason=f"{error.msg}, line {error.lineno}, column {error.colno}")
    except ValueError:
        # Python reads no whole number of more than some thousand digits.
        return found("not_json", reason="a number has too many digits")
    return value if isinstance(value, dict) else found("not_an_object")


def _object(pairs: list[tuple[str, Any]]) -> dict[str, Any]:
    content = dict(pairs)
    if len(content) != len(pairs):
        seen = set()
        for key, _value in pairs:
            if key in seen:
                raise _DuplicateKeyError(key)
            seen.add(key)
    return content


def _refuse(constant: str) -> NoReturn:
    raise _NotANumberError(constant)


def is_number(value: Any) -> TypeGuard[float]:
    """Say whether a value is a finite number, and no truth value; 1e999 is none."""
    kind = type(value)
    return kind is int or (kind is float and value - value == 0)
