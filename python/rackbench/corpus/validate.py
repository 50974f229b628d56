# SPDX-License-Identifier: Apache-2.0
"""Checking bundles: each file by itself, with its manifest, and all together."""

from __future__ import annotations

import os
import posixpath
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING, Any

from rackbench.corpus import inventory, trust
from rackbench.corpus.checks import ERROR, WARNING, Finding, found, shown
from rackbench.corpus.cohorts import DEPTH, Cohort, cohorts, gate
from rackbench.corpus.read import (
    BUNDLE,
    INVENTORY_NAME,
    MANIFEST,
    MANIFEST_SUFFIX,
    SINGLE_MANIFEST,
    Seen,
    inspect_all,
)
from rackbench.corpus.scan import PACKAGED, Scan, scan_directory, scan_file

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Mapping, Sequence


@dataclass(slots=True)
class Checked:
    """A file with everything that was found in it; `label` and `manifest` are of bundles alone."""

    path: str
    seen: Seen
    findings: list[Finding]
    label: str | None = None
    manifest: str | None = None

    @property
    def ok(self) -> bool:
        """Return whether the file may be taken; warnings do not count."""
        return all(finding.level != ERROR for finding in self.findings)


@dataclass
class Report:
    """All files that were checked, by path, and what was found in the corpus as a whole (path or None, finding)."""

    files: list[Checked] = field(default_factory=list)
    corpus: list[tuple[str | None, Finding]] = field(default_factory=list)
    cohorts: list[Cohort] = field(default_factory=list)
    read: int = 0

    @property
    def bundles(self) -> list[Checked]:
        """Return the bundles among the files."""
        return [file for file in self.files if file.seen.role == BUNDLE]

    def findings(self) -> list[tuple[str | None, Finding]]:
        """Return every finding with the path that it is of."""
        return [(file.path, finding) for file in self.files for finding in file.findings] + self.corpus

    def count(self, level: str) -> int:
        """Return how many findings have this level."""
        return sum(finding.level == level for _path, finding in self.findings())

    @property
    def ok(self) -> bool:
        """Return whether there is no error."""
        return self.count(ERROR) == 0

    def summary(self) -> str:
        """Return how much was checked and found, as one sentence."""
        counts = (
            ("bundle", len(self.bundles)),
            ("error", self.count(ERROR)),
            ("warning", self.count(WARNING)),
        )
        bundles, errors, warnings = (
            f"{number} {word}{'' if number == 1 else 's'}" for word, number in counts
        )
        return f"{bundles} checked: {errors}, {warnings}."


def _silent(_done: int, _all: int) -> None:
    pass


def validate(
    paths: Iterable[Path],
    *,
    require_manifest: bool = False,
    full: bool = False,
    depth: int = DEPTH,
    progress: Callable[[int, int], None] = _silent,
) -> Report:
    """Check files and directories of bundles. Whatever is in them becomes a finding; nothing is raised for it.

    Of a directory all files are checked, the depth of its cohorts and, if it has one (or the directory above it), its
    inventory. `progress` is told how many files of how many were read.
    """
    report = Report()
    for path in paths:
        is_corpus = path.is_dir()
        scan = scan_directory(path, full=full, progress=progress) if is_corpus else scan_file(path)
        report.read += scan.read
        checked = _paired(scan, path if is_corpus else None, require_manifest=require_manifest)
        shown_as = path if is_corpus else None
        has_bundles = any(one.seen.role == BUNDLE for one in checked.values())
        if is_corpus and not has_bundles and not inventory.says_none(path):
            report.corpus.append((str(path), found("no_bundles")))
        if is_corpus:
            report.corpus += inventory.drift(path, checked)
        for one in checked.values():
            one.path = display(str(shown_as / one.path) if shown_as else one.path)
        known = {one.path for one in report.files}
        report.files += [one for one in checked.values() if one.path not in known]
        if is_corpus:
            groups = depth_of(checked.values())
            report.cohorts += groups
            report.corpus += [
                (str(path), finding) for finding in gate((one for one in groups if one.scale), depth)
            ]
    _tell_same_ids(report.bundles)
    return report


def depth_of(files: Iterable[Checked]) -> list[Cohort]:
    """Return the cohorts of the bundles among files that may be taken."""
    return cohorts(one.seen.facts for one in files if one.seen.role == BUNDLE and one.ok)


def display(path: str) -> str:
    """Return a path as any stream can write it; bytes of a name that are no UTF-8 as `\\xNN`."""
    return os.fsencode(path).decode("utf-8", "backslashreplace")


def check_corpus(
    root: Path, *, full: bool, progress: Callable[[int, int], None] = _silent
) -> dict[str, Checked]:
    """Return every file of a corpus by its path below `root`, with its own findings and those with its manifest."""
    return _paired(scan_directory(root, full=full, progress=progress), root, require_manifest=False)


def _paired(scan: Scan, root: Path | None, *, require_manifest: bool) -> dict[str, Checked]:
    """Bring bundles and manifests together, and return all files with what was found."""
    files = {path: Checked(path, seen, list(seen.findings)) for path, seen in scan.files.items()}
    in_directory: dict[str, int] = {}
    for path, seen in scan.files.items():
        if seen.role == BUNDLE:
            in_directory[posixpath.dirname(path)] = in_directory.get(posixpath.dirname(path), 0) + 1
    used = set()
    places: dict[str, tuple[str, ...]] = {}
    for path, one in files.items():
        if one.seen.role != BUNDLE:
            continue
        directory, name = posixpath.split(path)
        manifest = _manifest_of(directory, name, files, alone=in_directory[directory] == 1)
        if directory not in places:
            places[directory] = _place(Path(root or "", directory), root)
        place = places[directory]
        source = None
        if manifest:
            used.add(manifest.path)
            one.manifest = manifest.path
            source = manifest.seen.facts.get("source")
            one.findings += _agree(one, name, directory, manifest, files, root)
            if source == "vendor" and trust.VENDOR_PLACE not in place:
                one.findings.append(found("vendor_place"))
        elif require_manifest:
            expected = name.removesuffix(".json") + MANIFEST_SUFFIX
            one.findings.append(found("manifest_missing", name=display(expected)))
        one.label = trust.label(source, place, has_manifest=manifest is not None)
    for path, one in files.items():
        named = one.seen.facts.get("bundle_file")
        if one.seen.role == MANIFEST and path not in used and named and root:
            one.findings.append(found("manifest_alone", name=named))
    return files


def _place(directory: Path, root: Path | None) -> tuple[str, ...]:
    """Return the directories that a bundle is in, below the corpus that it belongs to.

    The corpus is where the inventory or the repository is; what lies above it, on whose machine ever, says nothing.
    """
    whole = directory.resolve()
    for top in (whole, *whole.parents):
        if (top / INVENTORY_NAME).exists() or (top / ".git").exists():
            return whole.relative_to(top).parts
    return whole.relative_to(root.resolve()).parts if root else (whole.name,)


def _manifest_of(directory: str, name: str, files: Mapping[str, Checked], *, alone: bool) -> Checked | None:
    """Return the manifest of a bundle: its own, one level above a packaged bundle too, or the older single one.

    The single one is a bundle's when it names it, or when there is no other bundle that it could be meant for.
    """
    places = [directory]
    if posixpath.basename(directory) == PACKAGED:
        places.append(posixpath.dirname(directory))
    for place in places:
        own = files.get(posixpath.join(place, name.removesuffix(".json") + MANIFEST_SUFFIX))
        if own:
            return own
    for place in places:
        single = files.get(posixpath.join(place, SINGLE_MANIFEST))
        if single and (alone or single.seen.facts.get("bundle_file") in {None, name}):
            return single
    return None


def _agree(
    one: Checked,
    name: str,
    directory: str,
    manifest: Checked,
    files: Mapping[str, Checked],
    root: Path | None,
) -> list[Finding]:
    """Compare a bundle with its manifest."""
    said = manifest.seen.facts
    if not said.get("bundle_file"):
        return [found("manifest_invalid", what=f"see {display(posixpath.basename(manifest.path))}")]
    if said["bundle_file"] != name:
        return [found("manifest_other_file", value=shown(said["bundle_file"]), name=display(name))]
    findings = []
    if one.seen.sha256 and one.seen.sha256 != said["bundle_hash"]:
        findings.append(_mismatch(name, said["bundle_hash"], one.seen.sha256))
    for companion, digest in said["companions"].items():
        path = posixpath.join(directory, companion)
        seen = (
            files[path].seen if path in files else inspect_all([posixpath.join(root or "", path)], [None])[0]
        )
        if seen.sha256 is None:
            findings.append(found("companion_missing", name=companion))
        elif seen.sha256 != digest:
            findings.append(_mismatch(companion, digest, seen.sha256))
    if said["platform"] and one.seen.facts.get("platform") not in {None, "", said["platform"]}:
        facts = {"said": shown(said["platform"]), "found": shown(one.seen.facts["platform"])}
        findings.append(found("manifest_contradicts", field="platform", **facts))
    return findings


def _mismatch(name: str, said: str, is_now: str) -> Finding:
    return found("hash_mismatch", said=said[:12], name=display(name), found=is_now[:12])


def _tell_same_ids(bundles: Sequence[Checked]) -> None:
    """Tell each bundle whose id another one has, before it in the order of the paths."""
    first: dict[tuple[Any, ...], Checked] = {}
    for one in sorted(bundles, key=lambda bundle: bundle.path):
        facts = one.seen.facts
        if not facts.get("id"):
            continue
        # Eight hexadecimal digits may meet by chance in a large corpus, and hardly for the same benchmark.
        before = first.setdefault((facts["kind"], facts["benchmark"], facts["id"]), one)
        if before is not one:
            one.findings.append(found("duplicate_id", id=shown(facts["id"]), other=before.path))
