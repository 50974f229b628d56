# SPDX-License-Identifier: Apache-2.0
"""What was seen of a corpus before, so that after one change one file is read.

A file counts as the same when its size and both its times are what they were. Setting back the time of the content
does not hide a change, since that sets the time of the inode; ``--full`` reads everything, whatever the times say. A
file with other times and the same digest keeps its findings.
"""

from __future__ import annotations

import hashlib
import json
import os
from pathlib import Path
from typing import TYPE_CHECKING, Any

from rackbench.corpus import checks, read
from rackbench.corpus.checks import Finding
from rackbench.corpus.read import Seen, Stamp
from rackbench.files import write_atomic

if TYPE_CHECKING:
    from collections.abc import Mapping

SCHEMA = "rackbench.corpus-cache/1.0"


def cache_path(corpus: Path) -> Path:
    """Return where the cache of a corpus is: outside of it, so that nobody commits it."""
    base = os.environ.get("XDG_CACHE_HOME") or "~/.cache"
    name = hashlib.sha256(os.fsencode(corpus.resolve())).hexdigest()[:32]
    return Path(base).expanduser() / "rackbench" / "corpus" / f"{name}.json"


def rules() -> str:
    """Return a digest of everything that findings depend on beside the file: our own code and data."""
    digest = hashlib.sha256()
    for path in sorted(Path(read.__file__).parent.glob("*")):
        if path.suffix in {".py", ".json"}:
            digest.update(path.read_bytes())
    return digest.hexdigest()


def load(path: Path) -> dict[str, Seen]:
    """Return what was seen before by path; nothing when there is no cache, or one of other rules or a damaged one."""
    try:
        content = json.loads(path.read_bytes())
        if content["schema"] != SCHEMA or content["rules"] != rules():
            return {}
        return {name: _seen(row) for name, row in content["files"].items()}
    except (OSError, ValueError, KeyError, TypeError, AttributeError, RecursionError):
        return {}


def _seen(row: list[Any]) -> Seen:
    role, stamp, digest, facts, findings = row
    if any(code not in checks.CHECKS for code, _fields in findings):
        raise ValueError(row)
    return Seen(role, Stamp(*stamp), digest, facts, [Finding(code, fields) for code, fields in findings])


def store(path: Path, files: Mapping[str, Seen]) -> None:
    """Keep what was seen. A cache that cannot be written is none, and nobody is told."""
    text = json.dumps({"schema": SCHEMA, "rules": rules(), "files": files}, separators=(",", ":"))
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        write_atomic(path, text, sync=False)
    except OSError:
        pass
