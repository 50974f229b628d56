# SPDX-License-Identifier: Apache-2.0
"""Adapters to plan with, written as files and read as the product reads them."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
import yaml
from rackbench.adapters.catalog import Adapter, load_catalog

MakeRole = Callable[..., Path]


@pytest.fixture
def make_role(tmp_path: Path) -> MakeRole:
    """Return a function that writes `roles/<name>/adapter.yml` and returns its path; fields replace the usual ones."""

    def make(name: str = "probe", /, **fields: Any) -> Path:
        document: dict[str, Any] = {
            "schema": "rackbench.adapter/1.0",
            "name": name,
            "summary": "A made-up benchmark",
            "description": "It measures nothing.",
            "publish_target": name,
            "bundle": {"name": name, "source": None, "platform": "any"},
            "families": [
                {"name": "smoke", "summary": "Short", "time_limit_s": 5, "parameters": {"mode": "smoke"}},
                {"name": "full", "summary": "Long", "time_limit_s": 60},
            ],
            "default_families": ["full"],
            "results": {
                "headline": [{"label": "Time", "query": "median(metrics[].samples[])", "unit": "ns"}]
            },
        }
        document |= fields
        document = {key: value for key, value in document.items() if value is not ...}
        path = tmp_path / "roles" / name.replace("-", "_") / "adapter.yml"
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(yaml.safe_dump(document))
        return path

    return make


@pytest.fixture
def catalog(make_role: MakeRole, tmp_path: Path) -> dict[str, Adapter]:
    """Return three adapters: one, two-more with families of its own, and bare without a bundle."""
    make_role("one")
    make_role(
        "two-more",
        families=[{"name": "short", "summary": "x", "time_limit_s": 1}],
        default_families=["short"],
    )
    make_role("bare", bundle=None)
    return load_catalog([tmp_path / "roles"])
