# SPDX-License-Identifier: Apache-2.0
"""Checking bundles: each file by itself, with its manifest, and all together."""

from __future__ import annotations

import os
import posixpath
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING, Any

from rackbench.corpus import inventory, trust
from rackbench.corpus.checks import ERROR, WARNING, Finding, found, one_line, shown
from rackbench.corpus.cohorts import DEPTH, Cohort, cohorts, gate
from rackbench.corpus.read import (
    BUNDLE,
    MANIFEST,
    MANIFEST_SUFFIX,
    SINGLE_MANIFEST,
    Seen,
    inspect_all,
    is_good_name,
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
    require_inventory: bool = False,
    full: bool = False,
    depth: int = DEPTH,
    progress: Callable[[int, int], None] = _silent,
) -> Report:
    """Check files and directories of bundles. Whatever is in them becomes a finding; nothing is raised for it.

    Of a directory all files are checked, the depth of its cohorts and, if it has one (or a directory above it), its
    inventory, with `require_inventory` always. An inventory holds or not as a whole, so then all files of its corpus
    are read. `progress` is told how many files of how many were read.
    """
    report = Report()
    listings: dict[Path, list[str]] = {}
    told: set[str] = set()
    for path in paths:
        if _leads_elsewhere(path):
            report.corpus.append((display(str(path)), found("file_is_link")))
            continue
        if path.is_dir():
            checked = _directory(path, report, full=full, progress=progress)
            if require_inventory and inventory.corpus_of(path) is None:
                report.corpus.append((display(str(path)), found("inventory_missing")))
        else:
            scan = scan_file(path, listings)
            report.read += scan.read
            checked = list(_paired(scan, None).values())
            for one in checked:
                one.path = display(one.path)
        if require_manifest:
            _without_manifest(checked)
        if path.is_dir():
            groups = depth_of(checked)
            report.cohorts += groups
            report.corpus += [(display(str(path)), finding) for finding in gate(groups, depth)]
        report.files += [one for one in checked if one.path not in told]
        told |= {one.path for one in checked}
    _tell_same_ids(report.bundles)
    return report


def _leads_elsewhere(path: Path) -> bool:
    """Say whether a directory, or a part of a path below the current one, is a link: then other files are checked."""
    if not path.is_dir():
        return False
    return path.is_symlink() or (not path.is_absolute() and any(part.is_symlink() for part in path.parents))


def _directory(
    path: Path, report: Report, *, full: bool, progress: Callable[[int, int], None]
) -> list[Checked]:
    """Return the files of a directory, and tell in the report what is wrong with it and with its inventory."""
    top = inventory.corpus_of(path) or path
    prefix = posixpath.join(path.resolve().relative_to(top.resolve()).as_posix(), "")
    prefix = "" if prefix == "./" else prefix
    scan = scan_directory(top, full=full, progress=progress)
    report.read += scan.read
    files = _paired(scan, top)
    inside = [one for name, one in files.items() if name.startswith(prefix)]
    if not any(one.seen.role == BUNDLE for one in inside) and not inventory.says_none(top):
        report.corpus.append((display(str(path)), found("no_bundles")))
    report.corpus += inventory.drift(top, scan.inventories, files)
    for one in inside:
        one.path = display(str(path / one.path.removeprefix(prefix)))
    return inside


def depth_of(files: Iterable[Checked]) -> list[Cohort]:
    """Return the cohorts of the bundles among files that may be taken."""
    return cohorts(one.seen.facts for one in files if one.seen.role == BUNDLE and one.ok)


def display(path: str) -> str:
    """Return a path as any stream can write it; bytes of a name that are no UTF-8 as `\\xNN`, line ends as `\\n`."""
    return one_line(os.fsencode(path).decode("utf-8", "backslashreplace"))


def check_corpus(
    root: Path, *, full: bool, progress: Callable[[int, int], None] = _silent
) -> dict[str, Checked]:
    """Return every file of a corpus by its path below `root`, with its own findings and those with its manifest."""
    return _paired(scan_directory(root, full=full, progress=progress), root)


def _paired(scan: Scan, root: Path | None) -> dict[str, Checked]:
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
            if source == "vendor" and trust.area(place) != trust.VENDOR_PLACE:
                one.findings.append(found("vendor_place"))
        one.label = trust.label(source, place, has_manifest=manifest is not None)
    for path, one in files.items():
        named = one.seen.facts.get("bundle_file")
        if one.seen.role == MANIFEST and path not in used and named and root:
            one.findings.append(found("manifest_alone", name=named))
    if root:
        _check_directories(files)
    return files


def _check_directories(files: Mapping[str, Checked]) -> None:
    """Tell the files whose directories below the corpus have names that none may have."""
    is_good: dict[str, bool] = {"": True}
    for path, one in files.items():
        directory = posixpath.dirname(path)
        if directory not in is_good:
            is_good[directory] = all(is_good_name(part) for part in directory.split("/"))
        if not is_good[directory]:
            one.findings.append(found("directory_name_invalid"))


def _without_manifest(files: Iterable[Checked]) -> None:
    """Tell the bundles that have no manifest that they need one."""
    for one in files:
        if one.seen.role == BUNDLE and one.manifest is None:
            expected = posixpath.basename(one.path).removesuffix(".json") + MANIFEST_SUFFIX
            one.findings.append(found("manifest_missing", name=display(expected)))


def _place(directory: Path, root: Path | None) -> tuple[str, ...]:
    """Return the directories that a bundle is in, below the corpus that it belongs to.

    The corpus is where its inventory is; what lies above it, on whose machine ever, says nothing.
    """
    whole = directory.resolve()
    if top := inventory.corpus_of(whole) or root:
        return whole.relative_to(top.resolve()).parts
    return (whole.name,)


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
        run_id, benchmark = (facts[key].strip().casefold() for key in ("id", "benchmark"))
        # Eight hexadecimal digits may meet by chance in a large corpus, and hardly for the same benchmark.
        before = first.setdefault((facts["kind"], benchmark, run_id), one)
        if before is not one:
            one.findings.append(found("duplicate_id", id=shown(run_id), other=before.path))
        elsewhere = first.setdefault((run_id,), one)
        if elsewhere is not one and elsewhere is not before:
            one.findings.append(found("id_met", id=shown(run_id), other=elsewhere.path))
