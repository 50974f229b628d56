# SPDX-License-Identifier: Apache-2.0
"""The files of a campaign: `campaigns/<id>/campaign.json` and `campaigns/<id>/members/<run_id>.json`."""

from __future__ import annotations

from typing import Any, ClassVar, Literal

from pydantic import Field

from rackbench.models.common import Document, Model


class CampaignMember(Document):
    """A run that belongs to the campaign; written by the run's own controller."""

    KIND: ClassVar[str] = "campaign-member"

    run_id: str
    run_dir: str = Field(description="relative to the directory of all runs")


class CampaignRun(Model):
    """A run as it stands."""

    run_id: str
    run_dir: str
    host: str | None = None
    state: str
    exit_status: int | None = None
    failed_steps: list[str] = Field(default_factory=list)
    worker: dict[str, Any] | None = None


class Campaign(Document):
    """The runs of a campaign, rolled up from their journals; `exit_status` is that of the worst run."""

    KIND: ClassVar[str] = "campaign"

    campaign_id: str
    computed_at: str
    state: Literal["running", "ended"]
    counts: dict[str, int]
    exit_status: int
    runs: list[CampaignRun]
