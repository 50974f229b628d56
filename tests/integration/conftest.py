# SPDX-License-Identifier: Apache-2.0
"""Fixtures of the integration tests."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest

from tests.integration.harness import LabProject, make_project

if TYPE_CHECKING:
    from pathlib import Path


@pytest.fixture
def project(tmp_path: Path) -> LabProject:
    """Return a private copy of the checkout."""
    return make_project(tmp_path)
