# SPDX-License-Identifier: Apache-2.0
"""One file of a corpus: what it is, its digest, what it says and what is wrong with it by itself.

This runs in worker processes and for every file of a corpus, so it is stdlib only. Nothing here raises.
"""

from __future__ import annotations

import gc
import hashlib
import os
import posixpath
import re
import stat
from itertools import islice
from typing import TYPE_CHECKING, Any, NamedTuple

from rackbench import private
from rackbench.corpus import benchbox, own
from rackbench.corpus.checks import Finding, found, shown
from rackbench.corpus.manifests import manifest_facts
from rackbench.corpus.shape import FINDINGS, Look
from rackbench.corpus.strict_json import BYTES, read_object

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence

BUNDLE, MANIFEST, COMPANION, INVENTORY = "bundle", "manifest", "companion", "inventory"
INVENTORY_NAME = "corpus-inventory.json"
SINGLE_MANIFEST = "submission-manifest.json"
MANIFEST_SUFFIX = ".manifest.json"
COMPANION_SUFFIXES = (".plans.json", ".tuning.json", ".applied.json", ".override.json")
_NAME = re.compile(r"[a-z0-9][a-z0-9_.-]{0,199}")
_RUN_ID = re.compile(r"[0-9a-f]{8}|[0-9a-f]{16}")
_CHUNK = 1 << 20
# A line of a key and a number alone.
_NUMBERS = re.compile(rb'^ *"\w{1,40}": -?[\d.]+,?$', re.MULTILINE)
# So many lines are remembered, of less than so many bytes.
_HARMLESS, _SHORT = 20_000, 120
# Looked for one after the other: each is found by a quick search for its fixed part first.
_HOMES = (
    (b"/home/", re.compile(rb"(?<![\w.])/home/[^/\s\"<>\\]+")),
    (b"/Users/", re.compile(rb"(?<![\w.])/Users/[^/\s\"<>\\]+")),
    (b"/root/", re.compile(rb"(?<![\w.])/root/")),
    (b":\\\\Users\\\\", re.compile(rb"[A-Za-z]:\\\\Users\\\\[^\s\"<>\\]+")),
)


class Stamp(NamedTuple):
    """What tells that a file may have changed: its bytes, and the times of its content and of its inode (ns)."""

    size: int
    mtime_ns: int
    ctime_ns: int


class Seen(NamedTuple):
    """A file as it was read.

    `facts` of a bundle: kind, id, benchmark, scale, platform, version, measured_at (texts, each may be None or empty);
    of a manifest: what `manifests.manifest_facts` returns; of others: nothing. Without `sha256` it could not be read.
    """

    role: str
    stamp: Stamp
    sha256: str | None
    facts: dict[str, Any]
    findings: list[Finding]


def role_of(name: str) -> str | None:
    """Return what a file is by its name; None: no business of the corpus."""
    # Of another case it is none: what no check reads must not be skipped either.
    if name == INVENTORY_NAME:
        return INVENTORY
    name = name.lower()
    if not name.endswith(".json"):
        return None
    if name == SINGLE_MANIFEST or name.endswith(MANIFEST_SUFFIX):
        return MANIFEST
    return COMPANION if name.endswith(COMPANION_SUFFIXES) else BUNDLE


def stamp_of(result: os.stat_result) -> Stamp:
    """Return the stamp of a file."""
    return Stamp(result.st_size, result.st_mtime_ns, result.st_ctime_ns)


def inspect_all(paths: Sequence[str], known: Sequence[Seen | None]) -> list[Seen]:
    """Return what each file is. `known` holds what was seen of it before: with the same digest that still holds."""
    harmless: set[bytes] = set()
    # What is parsed has no cycles, and looking for them takes a quarter of the time.
    collects = gc.isenabled()
    gc.disable()
    try:
        return [inspect(path, before, harmless) for path, before in zip(paths, known, strict=True)]
    finally:
        if collects:
            gc.enable()


def inspect(path: str, before: Seen | None, harmless: set[bytes]) -> Seen:
    """Return what a file is and what is wrong with it by itself.

    `harmless` has lines that were found to hold no secret, and grows: most stand in every bundle, and looking for
    secrets takes ten times as long as all the rest.
    """
    name = posixpath.basename(path)
    role = role_of(name) or BUNDLE
    stamp, digest, content, finding = _content(path)
    if finding:
        return Seen(role, stamp, digest, {}, [*_name(name), finding])
    if before and before.sha256 == digest:
        return before._replace(stamp=stamp)
    facts: dict[str, Any] = {}
    try:
        document = read_object(content)
        findings = [*_name(name), *_private(content, harmless)]
        if isinstance(document, Finding):
            findings.append(document)
        elif role in {BUNDLE, MANIFEST}:
            facts, more = _understood(role, name, document)
            findings += more
    except Exception as error:  # noqa: BLE001 - one file that a check cannot bear must not hide the others
        findings = [found("check_failed", what=type(error).__name__)]
    return Seen(role, stamp, digest, facts, findings)


def _content(path: str) -> tuple[Stamp, str | None, bytes, Finding | None]:
    """Return stamp, SHA-256 and bytes of a file, or why it is not read. A link, device or pipe is never followed."""
    stamp = Stamp(0, 0, 0)
    try:
        # A pipe would wait for its writer.
        handle = os.open(path, os.O_RDONLY | os.O_NOFOLLOW | os.O_NONBLOCK | os.O_CLOEXEC)
    except FileNotFoundError:
        return stamp, None, b"", found("file_missing")
    except OSError as error:
        # The kernel says ELOOP for the last part of the path alone.
        is_link = posixpath.islink(path)
        return stamp, None, b"", found("file_is_link") if is_link else _unreadable(error)
    except ValueError as error:
        return stamp, None, b"", _unreadable(error)
    try:
        with os.fdopen(handle, "rb", buffering=0) as stream:
            status = os.fstat(stream.fileno())
            stamp = stamp_of(status)
            if not stat.S_ISREG(status.st_mode):
                return stamp, None, b"", found("file_unreadable", reason="it is no ordinary file")
            if status.st_size > BYTES:
                digest = hashlib.sha256()
                while chunk := stream.read(_CHUNK):
                    digest.update(chunk)
                return (
                    stamp,
                    digest.hexdigest(),
                    b"",
                    found("file_too_large", bytes=status.st_size, limit=BYTES),
                )
            # A byte more than there should be: then one call finds the end.
            content = stream.read(status.st_size + 1)
    except OSError as error:
        return stamp, None, b"", _unreadable(error)
    return stamp, hashlib.sha256(content).hexdigest(), content, None


def _unreadable(error: Exception) -> Finding:
    return found("file_unreadable", reason=getattr(error, "strerror", None) or type(error).__name__)


def _name(name: str) -> list[Finding]:
    if any("\ud800" <= letter <= "\udfff" for letter in name):
        return [found("file_name_not_utf8")]
    return [] if is_good_name(name) else [found("file_name_invalid")]


def is_good_name(name: str) -> bool:
    """Say whether a file or a directory of a corpus may have this name."""
    return bool(_NAME.fullmatch(name))


def _private(content: bytes, harmless: set[bytes]) -> Iterator[Finding]:
    """Yield the homes of people and the secrets that a file gives away. What is looked for stands on one line."""
    unknown = set(content.split(b"\n")) - harmless
    as_lines = _NUMBERS.sub(b"", b"\n".join(unknown))
    has_home = any(fixed in as_lines for fixed, _pattern in _HOMES)
    has_secret = any(private.findings("", as_lines, {}))
    if has_home:
        for _fixed, pattern in _HOMES:
            if match := pattern.search(content):
                yield found("private_path", line=content.count(b"\n", 0, match.start()) + 1)
    if has_secret:
        for place in islice(private.findings("", content, {}), FINDINGS):
            yield found("private_content", line=place.line, what=place.what)
    if not has_home and not has_secret and len(harmless) < _HARMLESS:
        harmless |= {line for line in unknown if len(line) < _SHORT}


def _understood(role: str, name: str, document: dict[str, Any]) -> tuple[dict[str, Any], list[Finding]]:
    look = Look(document)
    if role == MANIFEST:
        return manifest_facts(look), look.findings
    for kind in (own, benchbox):
        if kind.is_ours_to_read(document):
            facts = kind.check(look)
            _fits(look, name, facts)
            return facts, look.findings
    return {}, [found("unknown_format")]


def _fits(look: Look, name: str, facts: dict[str, Any]) -> None:
    """Compare the name of a bundle's file with what is in it."""
    stem = name.removesuffix(".json")
    benchmark = re.sub(r"[\s-]", "_", facts["benchmark"].strip().lower())
    if benchmark and not re.sub(r"[\s-]", "_", stem).startswith(benchmark + "_"):
        look.add("file_name_contradicts", what="the benchmark", value=shown(facts["benchmark"]))
    last = stem.rpartition("_")[2]
    if facts["id"] != last and _RUN_ID.fullmatch(facts["id"]) and _RUN_ID.fullmatch(last):
        look.add("file_name_contradicts", what="run.id", value=shown(facts["id"]))
