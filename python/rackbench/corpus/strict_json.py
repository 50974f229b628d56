# SPDX-License-Identifier: Apache-2.0
"""Strict JSON of strangers: whatever it is, it gives an object or a finding that names what is wrong."""

from __future__ import annotations

import json
from typing import Any, TypeGuard

from rackbench import strict_json
from rackbench.corpus.checks import Finding, found, shown

# A bundle has about 15 KB. What is parsed takes up to thirty times its bytes in memory.
BYTES = 4 * 1024 * 1024


def read_object(content: bytes) -> dict[str, Any] | Finding:
    """Return the one JSON object that `content` is, or the finding that says why it is none. Never raises."""
    if content.startswith(b"\xef\xbb\xbf"):
        return found("byte_order_mark")
    try:
        text = content.decode()
    except UnicodeDecodeError as error:
        return found("not_utf8", at=error.start)
    try:
        value = strict_json.loads(text)
    except strict_json.DuplicateNameError as error:
        return found("duplicate_key", key=shown(error.name))
    except strict_json.NotANumberError as error:
        return found("not_a_number", value=error.constant)
    except RecursionError:
        return found("nested_too_deeply")
    except json.JSONDecodeError as error:
        return found("not_json", reason=f"{error.msg}, line {error.lineno}, column {error.colno}")
    except ValueError:
        # Python reads no whole number of more than some thousand digits.
        return found("not_json", reason="a number has too many digits")
    return value if isinstance(value, dict) else found("not_an_object")


def is_number(value: Any) -> TypeGuard[float]:
    """Say whether a value is a finite number, and no truth value; 1e999 is none."""
    kind = type(value)
    return kind is int or (kind is float and value - value == 0)
