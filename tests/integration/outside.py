# SPDX-License-Identifier: Apache-2.0
"""The repository of a benchmark outside the checkout, as a site has its own."""

from __future__ import annotations

import shutil
import subprocess
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from pathlib import Path

ELSEWHERE = "9.9.9"


def outside(folder: Path, source: Path) -> Path:
    """Make a git repository of a benchmark, with a version of its own, and return its path."""
    repo = folder / f"site-{source.name}"
    shutil.copytree(source, repo, ignore=shutil.ignore_patterns("target", "build", "__pycache__"))
    recipe = repo / "bundle.toml"
    recipe.write_text(recipe.read_text().replace('version = "1.', f'version = "{ELSEWHERE}-1.', 1))
    identity = ("-c", "user.name=site", "-c", "user.email=site@invalid")
    for command in (("init", "-q"), ("add", "-A"), (*identity, "commit", "-qm", "Ours")):
        subprocess.run(["git", *command], cwd=repo, check=True, capture_output=True)
    return repo
