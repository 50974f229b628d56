# SPDX-License-Identifier: GPL-3.0-or-later
"""What our modules share on a target: where things are kept, and failures that carry a code.

PRIVATE to rackbench.lab.
"""

from __future__ import annotations

import errno
import os
import re
from pathlib import Path
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from collections.abc import Callable

ROOT_OPTION: dict[str, dict[str, Any]] = {"root": {"type": "str", "default": "~/.rackbench"}}
DIGEST = re.compile(r"[0-9a-f]{64}")
NAME = re.compile(r"[^/\x00.][^/\x00]*")
# A relative path without `..`: with no links on the way, it cannot leave the directory that it starts from.
INSIDE = re.compile(r"(?!\.\.?(/|$)|.*/\.\.?(/|$))[^/\x00]+(/[^/\x00]+)*", re.DOTALL)


class TargetError(Exception):
    """A failure on the target: a code that the controller's table knows, and what happened in plain words."""

    def __init__(self, code: str, what: str) -> None:
        super().__init__(what)
        self.code = code
        self.what = what


def root_of(module: Any) -> Path:
    """Return the directory on this target under which everything of ours is kept."""
    return Path(module.params["root"]).expanduser().resolve()


def expanded(path: str) -> Path:
    """Return a path with `~` as the home of this user, who may have no entry in the list of users."""
    return Path(os.path.expanduser(path))  # noqa: PTH111 - Path.expanduser() fails for a user without an entry


def require(pattern: re.Pattern[str], value: str, what: str) -> str:
    """Return `value` if all of it matches; it becomes part of a path. Raises `TargetError`."""
    if pattern.fullmatch(value) is None:
        raise TargetError("internal_error", f"{value!r} is no {what}.")
    return value


def answer(module: Any, work: Callable[[Any], dict[str, Any]]) -> None:
    """Do a module's work and end it: with its result, or with a failure that has a code."""
    # What is made here is run later: nobody else may write it, whatever umask this user logs in with.
    os.umask(os.umask(0o077) | 0o022)
    try:
        result = work(module)
    except TargetError as error:
        fail(module, error.code, error.what)
    except OSError as error:
        full = error.errno in (errno.ENOSPC, errno.EDQUOT)
        code = "target_disk_full" if full else "target_unwritable"
        fail(module, code, f"{error.strerror or error}: {error.filename or root_of(module)}.")
    else:
        module.exit_json(**result)


def fail(module: Any, code: str, what: str) -> None:
    """End the module with a failure."""
    module.fail_json(msg=what, rackbench_failure={"code": code, "what": what})
