#!/usr/bin/env python3
# SPDX-License-Identifier: Apache-2.0
"""Print the version of the next release, if all that say it say the same."""

from __future__ import annotations

import re
import sys
import tomllib
from typing import Any

import yaml
from packaging.version import Version
from verdict import ROOT, CheckError


def agreed() -> str:
    """Return the version; raises `CheckError` when a file says another one, or a plugin is newer than that."""
    project: dict[str, Any] = tomllib.loads((ROOT / "pyproject.toml").read_text())["project"]
    galaxy: dict[str, Any] = yaml.safe_load((ROOT / "galaxy.yml").read_text())
    package = re.search(
        r'^__version__ = "(.*)"$', (ROOT / "python/rackbench/__init__.py").read_text(), re.MULTILINE
    )
    said = {
        "pyproject.toml": project["version"],
        "galaxy.yml": galaxy["version"],
        "python/rackbench/__init__.py": package[1] if package else None,
    }
    if len(set(said.values())) != 1:
        places = ", ".join(f"{place} says {version}" for place, version in said.items())
        raise CheckError(
            f"The versions do not agree: {places}. Next: write the version of the release into each."
        )
    version = str(project["version"])
    documented = [*ROOT.glob("plugins/*/*.py"), *ROOT.glob("roles/*/meta/argument_specs.yml")]
    for path in sorted(documented):
        for added in re.findall(r"^ *version_added: *[\"']?([^\"'\s]+)", path.read_text(), re.MULTILINE):
            if Version(added) > Version(version):
                raise CheckError(
                    f"{path.relative_to(ROOT)} says version_added {added}, and the release is {version}. "
                    "Next: correct the one that is wrong."
                )
    return version


if __name__ == "__main__":
    try:
        print(agreed())
    except CheckError as error:
        sys.exit(str(error))
