# SPDX-License-Identifier: Apache-2.0
"""Embargoes: until a date nothing of a host, of a label or of a processor leaves the house."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from pydantic import ValidationError

from rackbench.clock import utc_text
from rackbench.errors import RackbenchError
from rackbench.models.common import explain
from rackbench.models.publish_payload import EmbargoEntry
from rackbench.topology.read import recorded

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence
    from datetime import datetime
    from pathlib import Path

    from rackbench.ledger.state import RunState


@dataclass(frozen=True, slots=True)
class Embargo:
    """What is under embargo, and until when. `cpu` is a part of a processor's name, in any case."""

    host: str | None
    label: str | None
    cpu: str | None
    until: datetime
    reason: str | None

    def in_force(self, now: datetime) -> bool:
        """Return whether it is not over at `now`."""
        return now < self.until

    def concerns_the_same(self, other: Embargo) -> bool:
        """Return whether the other one is for the same host and label."""
        return (self.host, self.label) == (other.host, other.label)

    def as_entry(self) -> dict[str, str]:
        """Return it as an entry of lab_embargoes."""
        fields = {"host": self.host, "label": self.label, "cpu": self.cpu, "reason": self.reason}
        known = {name: value for name, value in fields.items() if value is not None}
        return {**known, "until": utc_text(self.until)}

    def is_on(self, host: str | None) -> bool:
        """Return whether it names this host."""
        return _same(self.host, host)

    @property
    def words(self) -> str:
        """Return in words until when it is in force, and why."""
        reason = f" ({self.reason})" if self.reason else ""
        return f"under embargo until {utc_text(self.until)}{reason}"


def read(settings: Sequence[Mapping[str, Any]]) -> tuple[Embargo, ...]:
    """Return the embargoes of the variable lab_embargoes.

    Raises `RackbenchError("embargo_invalid")` that names the entry, counted from 1, and its field.
    """
    if isinstance(settings, (str, bytes)) or not hasattr(settings, "__iter__") or hasattr(settings, "keys"):
        raise RackbenchError("embargo_invalid", "lab_embargoes is no list of entries.", where="lab_embargoes")
    found = []
    for number, entry in enumerate(settings, 1):
        try:
            known = EmbargoEntry.model_validate(entry)
        except ValidationError as error:
            where = f"lab_embargoes, entry {number}"
            raise RackbenchError("embargo_invalid", f"{where}: {explain(error)}", where=where) from error
        found.append(Embargo(known.host, known.label, known.cpu, known.until, known.reason))
    return tuple(found)


def of_run(embargoes: Sequence[Embargo], run_dir: Path, state: RunState, now: datetime) -> Embargo | None:
    """Return an embargo that is in force and concerns a run: its host, its label or its processor; or None.

    The processor is that of the topology that the run found, in `run_dir`. A run that found none yet has only a host
    and a label.
    """
    topology = recorded(run_dir)
    cpu = _plain(topology.model or "") if topology else ""
    for embargo in embargoes:
        if embargo.in_force(now) and (
            embargo.is_on(state.host)
            or _same(embargo.label, state.label)
            or (embargo.cpu is not None and _plain(embargo.cpu) in cpu)
        ):
            return embargo
    return None


def require_none(embargoes: Sequence[Embargo], run_dir: Path, state: RunState, now: datetime) -> None:
    """Raise `RackbenchError("embargoed")` when an embargo is in force that concerns the run."""
    if embargo := of_run(embargoes, run_dir, state, now):
        raise RackbenchError(
            "embargoed", f"{state.host}: the run {state.run_id} is {embargo.words}.", where=state.host
        )


def words(embargoes: Sequence[Embargo], now: datetime) -> dict[str, str]:
    """Return every host, label and processor that is under embargo now, and what is to be said where it is found."""
    return {
        word: f"the {what} of something that is {embargo.words}"
        for embargo in embargoes
        if embargo.in_force(now)
        for what, word in (("host", embargo.host), ("label", embargo.label), ("processor", embargo.cpu))
        if word
    }


def _same(one: str | None, other: str | None) -> bool:
    return one is not None and other is not None and one.casefold() == other.casefold()


def _plain(text: str) -> str:
    return " ".join(text.casefold().split())
