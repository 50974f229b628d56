# SPDX-License-Identifier: Apache-2.0
"""The one way to read and write times: UTC for records, a monotonic clock for durations."""

from __future__ import annotations

import time
from datetime import UTC, datetime


def utc_now() -> datetime:
    """Return the current time, aware, in UTC."""
    return datetime.now(UTC)


def utc_text(moment: datetime) -> str:
    """Return `moment` as RFC 3339 in UTC with milliseconds, for example `2026-11-21T08:00:00.125Z`."""
    return moment.astimezone(UTC).strftime("%Y-%m-%dT%H:%M:%S.") + f"{moment.microsecond // 1000:03d}Z"


def parse_utc(text: str) -> datetime:
    """Return the moment that `utc_text` wrote. Raises `ValueError` for anything without a time zone."""
    moment = datetime.fromisoformat(text)
    if moment.tzinfo is None:
        raise ValueError(f"{text!r} has no time zone")
    return moment.astimezone(UTC)


def stamp(moment: datetime) -> str:
    """Return the compact UTC stamp that names run directories, for example `20261121T080000Z`."""
    return moment.astimezone(UTC).strftime("%Y%m%dT%H%M%SZ")


def monotonic() -> float:
    """Return seconds of this machine's monotonic clock; only differences on one machine mean anything."""
    return time.monotonic()
