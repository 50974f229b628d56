# SPDX-License-Identifier: Apache-2.0
"""The lease of a target: the file lease.json there, and the answers of `rackbench lease`."""

from __future__ import annotations

from typing import Annotated, ClassVar

from pydantic import Field

from rackbench.models.common import Document, Model
from rackbench.models.journal import Utc

Text = Annotated[str, Field(max_length=200)]


class Lease(Document):
    """lease.json, one page long: who holds the target. When it was last renewed is its time of change."""

    KIND: ClassVar[str] = "lease"

    lease_id: Text = Field(min_length=1)
    run_id: Text = Field(min_length=1)
    owner: Text = Field(
        min_length=1, description="user@controller; anybody on the target may write anything."
    )
    purpose: Text
    taken_at: Utc = Field(description="By the target's clock.")
    ttl_s: float = Field(gt=0, le=86400, description="Without a renewal it expires after so many seconds.")
    boot_id: str = Field(
        description="The boot of the target in which it was taken; empty if it does not say."
    )


class HolderRow(Model):
    """Whose lease it is."""

    lease_id: str
    run_id: str
    owner: str
    purpose: str
    taken_at: Utc | None


class LeaseRow(Model):
    """A host: `ok` is false if it could not be asked, or if its lease stays; the code then says why."""

    host: str
    ok: bool
    code: str | None
    message: str | None
    holder: HolderRow | None = Field(description="Whose lease is there now.")
    expires_in_s: float | None = Field(ge=0, description="0: it has expired, and anybody may take the host.")
    broken: bool = Field(description="Whether the file there is no lease.")


class Leases(Document):
    """The answer of `rackbench lease list`, in the order of the hosts' names."""

    KIND: ClassVar[str] = "leases"

    hosts: list[LeaseRow]


class ReleasedRow(LeaseRow):
    """What became of a host's lease."""

    released: bool
    stolen_from: HolderRow | None = Field(description="Who held the host until now.")
    kept_aside: str | None = Field(description="Where a file of the target is now that was no lease.")


class LeasesReleased(Document):
    """The answer of `rackbench lease release`, in the order of the hosts' names."""

    KIND: ClassVar[str] = "leases-released"

    reason: str | None = Field(description="Why the leases were stolen.")
    hosts: list[ReleasedRow]
