# SPDX-License-Identifier: Apache-2.0
"""Benchmark sources to build bundles from."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import pytest

TOML = """\
[bundle]
name = "{name}"
version = "{version}"
platform = "{platform}"
{build}
[files]
include = ["bin/run", "data/*"]
"""

MakeSource = Callable[..., Path]


@pytest.fixture
def make_source(tmp_path: Path) -> MakeSource:
    """Return a function that writes a small benchmark source and returns its directory."""

    def make(
        where: str = "source",
        *,
        name: str = "probe",
        version: str = "1.0.0",
        platform: str = "any",
        build: str = "",
    ) -> Path:
        directory = tmp_path / where
        (directory / "bin").mkdir(parents=True)
        (directory / "data").mkdir()
        (directory / "bin" / "run").write_text("#!/bin/sh\nexit 0\n")
        (directory / "bin" / "run").chmod(0o755)
        (directory / "data" / "table").write_text("1 2 3\n")
        (directory / "bundle.toml").write_text(
            TOML.format(name=name, version=version, platform=platform, build=build)
        )
        return directory

    return make
