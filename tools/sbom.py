#!/usr/bin/env python3
# SPDX-License-Identifier: Apache-2.0
"""Write the software bill of materials of a release: `tools/sbom.py DIRECTORY` makes rackbench-VERSION.cdx.json.

It is CycloneDX 1.6 and names what the wheel needs, each version as requirements/run.txt pins it, with the digests of
its files, its licence and what needs it. What extras and benchmarks bring is not in it, and
docs/explanation/licences.md says why. The same commit gives the same bytes.
"""

from __future__ import annotations

import sys
import tomllib
from datetime import UTC, datetime
from typing import TYPE_CHECKING, Any
from uuid import NAMESPACE_URL, uuid5

from cyclonedx.contrib.hash.factories import HashTypeFactory
from cyclonedx.contrib.license.factories import LicenseFactory
from cyclonedx.model import ExternalReference, ExternalReferenceType, XsUri
from cyclonedx.model.bom import Bom
from cyclonedx.model.component import Component, ComponentType
from cyclonedx.output.json import JsonV1Dot6
from cyclonedx.schema import SchemaVersion
from cyclonedx.validation.json import JsonStrictValidator
from dependencies import RUN, Locked, licence, needed, read_lock
from packageurl import PackageURL
from packaging.requirements import Requirement
from packaging.utils import canonicalize_name
from verdict import ROOT, CheckError, command, into_directory

if TYPE_CHECKING:
    from pathlib import Path


def write(out: Path) -> Path:
    """Write the bill of materials of HEAD into the directory `out` and return it; raises `CheckError`."""
    project: dict[str, Any] = tomllib.loads((ROOT / "pyproject.toml").read_text())["project"]
    bom = Bom()
    bom.metadata.timestamp = datetime.fromtimestamp(
        int(command("git", "-c", "log.showSignature=false", "log", "-1", "--format=%ct", "HEAD")), UTC
    )
    ours = _component(project["name"], project["version"], project["license"], ComponentType.APPLICATION)
    ours.description = project["description"]
    bom.metadata.component = ours
    _add(bom, ours, read_lock(RUN), [Requirement(text) for text in project["dependencies"]])
    plain = JsonV1Dot6(bom)
    bom.serial_number = uuid5(NAMESPACE_URL, _without_serial_number(plain.output_as_string(), bom))
    text = JsonV1Dot6(bom).output_as_string(indent=2) + "\n"
    if problem := JsonStrictValidator(SchemaVersion.V1_6).validate_str(text):
        raise CheckError(f"The bill of materials is not valid: {str(problem).splitlines()[0]}")
    out.mkdir(parents=True, exist_ok=True)
    path = out / f"{project['name']}-{project['version']}.cdx.json"
    path.write_text(text)
    return path


def _add(bom: Bom, ours: Component, locked: list[Locked], direct: list[Requirement]) -> None:
    """Add all that the wheel needs, directly or not: what only the build needs is in the lock file too."""
    roots = {canonicalize_name(requirement.name) for requirement in direct}
    names = needed(locked, roots)
    components = {package: _pinned(package) for package in locked if package.name in names}
    for package, component in components.items():
        bom.components.add(component)
        bom.register_dependency(
            component, [other for needs, other in components.items() if package.name in needs.wanted_by]
        )
    bom.register_dependency(ours, [other for package, other in components.items() if package.name in roots])


def _pinned(package: Locked) -> Component:
    component = _component(package.name, package.version, licence(package.name), ComponentType.LIBRARY)
    component.external_references.add(
        ExternalReference(
            type=ExternalReferenceType.DISTRIBUTION,
            url=XsUri(f"https://pypi.org/project/{package.name}/{package.version}/"),
            hashes=[HashTypeFactory().from_composite_str(digest) for digest in package.hashes],
            comment=f"for {package.marker}" if package.marker else None,
        )
    )
    return component


def _component(name: str, version: str, expression: str, kind: ComponentType) -> Component:
    purl = PackageURL("pypi", name=name, version=version)
    return Component(
        name=name,
        version=version,
        type=kind,
        purl=purl,
        bom_ref=str(purl),
        licenses=[LicenseFactory().make_from_string(expression)],
    )


def _without_serial_number(text: str, bom: Bom) -> str:
    """Return the document without the number that it was given by chance, so that its content can be its number."""
    return text.replace(str(bom.serial_number), "")


if __name__ == "__main__":
    sys.exit(into_directory(__doc__, lambda out: [str(write(out))]))
