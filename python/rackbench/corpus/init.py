# SPDX-License-Identifier: Apache-2.0
"""Begin a corpus: a directory, ready to become a repository, with its workflows, rules and an empty inventory."""

from __future__ import annotations

from pathlib import Path

from rackbench import __version__
from rackbench.corpus import inventory
from rackbench.scaffold import scaffold

TEMPLATE = Path(__file__).with_name("template")
CORPUS = "results-data"
BUNDLES = f"{CORPUS}/bundles"
_REQUIREMENTS = ".github/requirements.txt"
_VERSION = "@RACKBENCH_VERSION@"


def init(directory: Path) -> list[str]:
    """Write a new corpus, whole or not at all, and return the paths of its files below `directory`, sorted.

    Raises `RackbenchError`: `corpus_exists` where there is anything already, `corpus_unwritable`.
    """
    return scaffold("corpus", TEMPLATE, directory, _finish)


def _finish(new: Path) -> None:
    requirements = new / _REQUIREMENTS
    requirements.write_text(requirements.read_text().replace(_VERSION, __version__))
    inventory.write(new / CORPUS, {})
