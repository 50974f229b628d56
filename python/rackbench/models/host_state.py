# SPDX-License-Identifier: Apache-2.0
"""`preflight/host_state.json`: the state of the host that measurements depend on, as it was found."""

from __future__ import annotations

from typing import ClassVar

from pydantic import Field

from rackbench.models.common import Document, Model


class HostFacts(Model):
    """What a host said of itself at one time. A name is in one of the two."""

    facts: dict[str, str] = Field(description="by name, such as firmware.version; always one line of text")
    unknown: dict[str, str] = Field(description="why a fact, or a group of facts, is not known, by its name")


class HostState(Document, HostFacts):
    """`preflight/host_state.json`: in what state the host of a run was found."""

    KIND: ClassVar[str] = "host-state"

    run_id: str
    host: str
    earlier: list[HostFacts] = Field(
        default_factory=list,
        description="What it was in earlier parts of a resumed run, where that was something else.",
    )
