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

# Where others say the version. The image takes artifacts by their names, and more than one of them.
LINES = {
    "python/rackbench/__init__.py": r'^__version__ = "(.*)"$',
    "plugins/plugin_utils/_package.py": r'^RELEASE = "(.*)"$',
    "meta/ee-requirements.txt": r"^rackbench(?:==)?(.*)$",
    "execution-environment.yml": r"artifacts/rackbench-(?:lab-)?(\d[^-\s]*?)(?:\.tar\.gz|-py3-none-any\.whl)$",
}


def agreed() -> str:
    """Return the version; raises `CheckError` when a file says another one, or a plugin is newer than that."""
    project: dict[str, Any] = tomllib.loads((ROOT / "pyproject.toml").read_text())["project"]
    galaxy: dict[str, Any] = yaml.safe_load((ROOT / "galaxy.yml").read_text())
    said = {"pyproject.toml": {project["version"]}, "galaxy.yml": {galaxy["version"]}}
    for place, line in LINES.items():
        said[place] = set(re.findall(line, (ROOT / place).read_text(), re.MULTILINE)) or {"nothing"}
    if len(set.union(*said.values())) != 1:
        places = ", ".join(f"{place} says {' and '.join(sorted(found))}" for place, found in said.items())
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
