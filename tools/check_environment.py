#!/usr/bin/env python3
# SPDX-License-Identifier: Apache-2.0
"""Check the execution environment: `make check-environment`.

ansible-builder makes a build context of execution-environment.yml, and reads from the installed collection what it
needs. No image is built: that takes a container engine and a registry.
"""

from __future__ import annotations

import re
import sys
import tempfile
import tomllib
from pathlib import Path
from typing import TYPE_CHECKING, Any

import yaml
from artifacts import collection, wheel
from cores import CORES
from packaging.requirements import Requirement
from packaging.utils import parse_wheel_filename
from verdict import ROOT, CheckError, command, report

if TYPE_CHECKING:
    from collections.abc import Callable

DEFINITION = "execution-environment.yml"
# What bindep takes on a line, as far as we use it: a package, and for which families of systems it is.
BINDEP_LINE = re.compile(r"[a-z0-9][a-z0-9.+-]*(?: \[platform:(?:rpm|dpkg)\])?")
FAMILIES = ("rpm", "dpkg")


def checks(work: Path) -> dict[str, Callable[[], str | None]]:
    """Return the checks by their names; they share the directory `work`, where each leaves what the next one reads."""
    definition = yaml.safe_load((ROOT / DEFINITION).read_text())
    built = work / "build" / "artifacts"

    def artifacts_named() -> str:
        made = {wheel(built).name, collection(built).name}
        named = {Path(entry["src"]).name for entry in definition["additional_build_files"]}
        if named != made:
            raise CheckError(f"{DEFINITION} takes {sorted(named)}, and this release is {sorted(made)}.")
        return ", ".join(sorted(made))

    def context() -> None:
        (work / DEFINITION).write_text((ROOT / DEFINITION).read_text())
        command(
            "ansible-builder", "create", "--file", work / DEFINITION, "--context", work / "context",
            "--output-filename", "Containerfile", "-v", "3",
        )  # fmt: skip
        text = (work / "context" / "Containerfile").read_text()
        for words in _wanted(definition):
            if words not in text:
                raise CheckError(
                    f"The Containerfile that ansible-builder makes of {DEFINITION} lacks: {words}"
                )
        for path in built.iterdir():
            copy = work / "context" / "_build" / "artifacts" / path.name
            if not copy.is_file() or copy.read_bytes() != path.read_bytes():
                raise CheckError(f"The build context has no copy of {path.name}; see additional_build_files.")
        asked = yaml.safe_load((work / "context" / "_build" / "requirements.yml").read_text())
        for entry in asked["collections"]:
            if not (work / "context" / "_build" / entry["name"]).is_file():
                raise CheckError(f"The build context has no {entry['name']}, which {DEFINITION} installs.")

    def versions() -> str:
        return _check_versions(definition["dependencies"])

    def introspected() -> str:
        (tarball,) = built.glob("*.tar.gz")
        installed = work / "collections"
        settings = work / "ansible.cfg"
        settings.touch()
        own = {
            "ANSIBLE_CONFIG": str(settings),
            "ANSIBLE_HOME": str(work),
            "ANSIBLE_COLLECTIONS_PATH": str(installed),
        }
        command(
            "ansible-galaxy", "collection", "install", "--offline", tarball, "-p", installed, cwd=work, env=own,
        )  # fmt: skip
        python, system = work / "requirements.txt", work / "bindep.txt"
        command(
            "ansible-builder", "introspect", installed, "--write-pip", python, "--write-bindep", system,
        )  # fmt: skip
        return _check_requirements(python, system, next(built.glob("*.whl")))

    return {
        "the artifacts of this release": artifacts_named,
        "ansible-builder create": context,
        "versions": versions,
        "ansible-builder introspect": introspected,
    }


def _wanted(definition: dict[str, Any]) -> list[str]:
    """Return what the Containerfile must say."""
    dependencies = definition["dependencies"]
    return [
        f'ARG EE_BASE_IMAGE="{definition["images"]["base_image"]["name"]}"',
        dependencies["ansible_core"]["package_pip"],
        dependencies["ansible_runner"]["package_pip"],
        "ansible-galaxy collection install",
        "introspect.py introspect",
        "ARG PIP_FIND_LINKS=/output/artifacts",
    ]


def _check_versions(dependencies: dict[str, Any]) -> str:
    """Compare what the image gets with what our package, our collection and our tests ask for."""
    project = tomllib.loads((ROOT / "pyproject.toml").read_text())["project"]
    ours = {need.name: need.specifier for need in map(Requirement, project["dependencies"])}
    runtime = yaml.safe_load((ROOT / "meta" / "runtime.yml").read_text())
    told = []
    for key in ("ansible_core", "ansible_runner"):
        asked = Requirement(dependencies[key]["package_pip"])
        lowest = next(part.version for part in asked.specifier if part.operator == ">=")
        told.append(f"{asked.name} {lowest}")
        if not ours[asked.name].contains(lowest):
            raise CheckError(f"{DEFINITION} asks for {asked}, and pyproject.toml for {ours[asked.name]}.")
        if key == "ansible_core":
            if not Requirement(f"ansible-core{runtime['requires_ansible']}").specifier.contains(lowest):
                raise CheckError(f"{DEFINITION} asks for {asked}, and meta/runtime.yml for another version.")
            series = [core.name for core in CORES if asked.specifier.contains(f"{core.name}.99")]
            if len(series) != 1:
                raise CheckError(f"{DEFINITION} asks for {asked}: that is not one series of tools/cores.py.")
    return ", ".join(told)


def _check_requirements(python: Path, system: Path, package: Path) -> str:
    """Check what ansible-builder read from the collection: our package in its version, and system packages."""
    lines = _uncommented(python)
    version = parse_wheel_filename(package.name)[1]
    if len(lines) != 1 or Requirement(lines[0]).name != "rackbench":
        raise CheckError(f"The collection asks for the Python packages {lines} and not for rackbench alone.")
    if not Requirement(lines[0]).specifier.contains(version):
        raise CheckError(f"The collection asks for {lines[0]}, and this release is {version}.")
    packages = _uncommented(system)
    for line in packages:
        if not BINDEP_LINE.fullmatch(line):
            raise CheckError(f"meta/ee-bindep.txt has a line that is not understood here: {line}")
    for family in FAMILIES:
        if not any("ssh" in line and f":{family}]" in line for line in packages):
            raise CheckError(f"meta/ee-bindep.txt names no ssh client for systems with {family}.")
    return "; ".join([*lines, *packages])


def _uncommented(path: Path) -> list[str]:
    if not path.is_file():
        raise CheckError(f"ansible-builder found nothing for {path.name} in the installed collection.")
    return [line.split("  #")[0].rstrip() for line in path.read_text().splitlines() if line.strip()]


def main() -> int:
    """Run the checks in a temporary directory, and return the exit status."""
    with tempfile.TemporaryDirectory(prefix="rackbench-environment-") as name:
        return report("check-environment", checks(Path(name)))


if __name__ == "__main__":
    sys.exit(main())
