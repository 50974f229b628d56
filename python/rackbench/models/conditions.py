# SPDX-License-Identifier: Apache-2.0
"""`conditions.json` of an execution: what may have disturbed it, as it was right before and right after."""

from __future__ import annotations

from typing import ClassVar

from pydantic import Field

from rackbench.models.common import Document, Model


class Conditions(Model):
    """One look at the machine; null is what it does not tell."""

    at: str = Field(description="its time in UTC")
    mono: float = Field(
        description="its monotonic clock, in seconds; together with `at` it tells of a clock that was set"
    )
    boot_id: str | None = None
    host_key: str | None = Field(default=None, description="fingerprint of its own ed25519 ssh key")
    cpu_busy_ticks: int | None = Field(
        default=None, description="all CPUs together since boot, so are the others"
    )
    cpu_steal_ticks: int | None = Field(default=None, description="taken by the hypervisor")
    cpu_total_ticks: int | None = None
    ticks_per_s: int | None = None
    cpus: int | None = Field(default=None, description="that are online")
    load_1m: float | None = None
    since_job_s: float | None = Field(
        default=None,
        description="seconds since another job of ours began or ended there; null: there was none",
    )
    sessions: int | None = Field(default=None, description="logins in utmp")
    throttle_events: int | None = Field(default=None, description="all CPUs together since boot")
    pressure_cpu_us: int | None = Field(
        default=None, description="microseconds since boot for which some process waited for a CPU"
    )
    own_cpu_s: float | None = Field(
        default=None,
        description="CPU time of the benchmark's processes; null before, and when nobody saw the end",
    )


class JobConditions(Document):
    """`conditions.json`, by the supervisor."""

    KIND: ClassVar[str] = "conditions"

    before: Conditions | None = None
    after: Conditions | None = Field(default=None, description="null as long as the benchmark runs")
