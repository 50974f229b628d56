# SPDX-License-Identifier: Apache-2.0
"""A stand-in for the part of GitHub's REST API that pull requests need; see README.md."""

from __future__ import annotations

from tests.standins.github.proxy import GithubProxy
from tests.standins.github.server import FAILURES, GithubStandin

__all__ = ["FAILURES", "GithubProxy", "GithubStandin"]
