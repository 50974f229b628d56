# SPDX-License-Identifier: Apache-2.0
"""The state of the host that a run measured: what was found there, with the settings that the run itself set.

Results may be put together only if they were measured in the same state. A state that nobody knows is like no other.
"""

from __future__ import annotations

import hashlib
import json
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

from rackbench.errors import RackbenchError
from rackbench.files import read_regular
from rackbench.ledger import rundir

if TYPE_CHECKING:
    from collections.abc import Mapping
    from pathlib import Path

    from rackbench.ledger.state import RunState

PATH = f"{rundir.PREFLIGHT}/host_state.json"
SCHEMA = "rackbench.host-state/1.0"
# Facts that the journal has in its `platform` record, and their names here.
_PLATFORM = {
    "cpu.architecture": "machine",
    "os.id": "os_id",
    "os.version": "os_version",
}


@dataclass(frozen=True, slots=True)
class Facts:
    """What is known by name, and for what is not, why. Both are texts."""

    known: Mapping[str, str] = field(default_factory=dict)
    unknown: Mapping[str, str] = field(default_factory=dict)

    @classmethod
    def of(cls, document: Mapping[str, Any]) -> Facts:
        """Return the facts of a document, or of a part of one."""
        return cls(dict(document["facts"]), dict(document["unknown"]))

    def as_dict(self) -> dict[str, dict[str, str]]:
        """Return the facts as they stand in the document."""
        return {"facts": dict(self.known), "unknown": dict(self.unknown)}


@dataclass(frozen=True, slots=True)
class Difference:
    """A fact that two states do not share. None: it is unknown, for the reason given, or there is no such fact."""

    name: str
    before: str | None
    after: str | None
    before_reason: str | None = None
    after_reason: str | None = None

    def __str__(self) -> str:
        """Return the difference in words."""
        return f"{self.name}: {_words(self.before, self.before_reason)} -> {_words(self.after, self.after_reason)}"


@dataclass(frozen=True, slots=True)
class HostState:
    """The state in which a run measured; `problem` says why it is not known.

    `earlier` are those of the earlier parts of a resumed run whose host was changed meanwhile.
    """

    facts: Facts
    earlier: tuple[Facts, ...] = ()
    problem: str | None = None

    @property
    def digest(self) -> str | None:
        """Return the SHA-256 over everything that is known and the names of what is not; None for an unknown state."""
        if self.problem is not None:
            return None
        parts = [[dict(part.known), sorted(part.unknown)] for part in (*self.earlier, self.facts)]
        text = json.dumps(parts, sort_keys=True, separators=(",", ":"))
        return hashlib.sha256(text.encode()).hexdigest()

    @property
    def changes(self) -> list[Difference]:
        """Return what changed while the run was interrupted; nothing in a run that was measured in one state."""
        return differences(self.earlier[0], self.facts) if self.earlier else []


def document(
    run_id: str, host: str, found: Mapping[str, Any], before: Mapping[str, Any] | None
) -> dict[str, Any]:
    """Return host_state.json: what was `found` now, and `before`, the document of the run's earlier part, in it."""
    earlier = list(before["earlier"]) if before else []
    if before and differences(Facts.of(before), Facts.of(found)):
        earlier.append(Facts.of(before).as_dict())
    return {"schema": SCHEMA, "run_id": run_id, "host": host, **Facts.of(found).as_dict(), "earlier": earlier}


def read(run_dir: Path) -> dict[str, Any]:
    """Return the host_state.json of a run.

    Raises `RackbenchError("no_host_state")` when there is none, or none that can be read.
    """
    from rackbench.models.common import check
    from rackbench.models.host_state import HostState as Model

    path = run_dir / PATH
    try:
        content = json.loads(read_regular(path))
    except FileNotFoundError:
        problem = f"{run_dir.name} recorded no state of its host"
    except (OSError, ValueError, RecursionError) as error:
        problem = f"{path} cannot be read: {error}"
    else:
        return check(Model, content, path=path, code="no_host_state").model_dump(by_alias=True)
    raise RackbenchError("no_host_state", f"{problem}.", where=str(path))


def of_run(run_dir: Path, state: RunState) -> HostState:
    """Return the state in which a run measured: as its host was found, with the noise settings of the run in force."""
    try:
        found = read(run_dir)
    except RackbenchError as error:
        return HostState(Facts(), problem=error.message.replace(f"{run_dir}/", ""))
    own = {
        name: str(state.platform[key])
        for name, key in _PLATFORM.items()
        if state.platform.get(key) is not None
    }
    libc = state.platform.get("libc")
    if isinstance(libc, dict) and libc.get("name"):
        own["os.libc"] = " ".join(str(part) for part in (libc["name"], libc.get("version")) if part)
    noise = state.options.get("noise")
    own |= {
        f"settings.{name}": str(value).lower()
        for name, value in (noise.items() if isinstance(noise, dict) else ())
    }
    return HostState(_with(found, own), tuple(_with(part, own) for part in found["earlier"]))


def differences(before: Facts, after: Facts) -> list[Difference]:
    """Return the facts in which two states differ, by name. What is unknown in both does not differ."""
    names = {*before.known, *before.unknown, *after.known, *after.unknown}
    return [
        Difference(
            name,
            before.known.get(name),
            after.known.get(name),
            before.unknown.get(name),
            after.unknown.get(name),
        )
        for name in sorted(names)
        if before.known.get(name) != after.known.get(name)
        or (name in before.unknown) != (name in after.unknown)
    ]


def _with(part: Mapping[str, Any], own: Mapping[str, str]) -> Facts:
    facts = Facts.of(part)
    unknown = {name: reason for name, reason in facts.unknown.items() if name not in own}
    return Facts({**facts.known, **own}, unknown)


def _words(value: str | None, reason: str | None) -> str:
    if value is not None:
        return value
    return f"unknown ({reason})" if reason else "none"
