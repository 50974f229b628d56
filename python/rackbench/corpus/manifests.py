# SPDX-License-Identifier: Apache-2.0
"""The manifest that goes with a bundle: who submitted it, from where, and the hash of its exact bytes.

`<stem>.manifest.json` belongs to the bundle of that stem; the older `submission-manifest.json` to the one it names.
"""

from __future__ import annotations

import re
from typing import TYPE_CHECKING, Any

from rackbench.corpus import trust
from rackbench.corpus.checks import shown
from rackbench.corpus.shape import plain

if TYPE_CHECKING:
    from rackbench.corpus.shape import Look

NOTES = 500
FUNDING = frozenset({"employer", "personal", "free-trial", "vendor-sponsored", "grant", "unspecified"})
_DIGEST = re.compile(r"[0-9a-f]{64}")
_KEYS = frozenset(
    {
        "schema",
        "submission_tool_version",
        "submitted_at",
        "bundle_file",
        "bundle_hash",
        "companion_hashes",
        "benchmark",
        "platform",
        "scale_factor",
        "phase",
        "submission_path",
        "submitted_by",
        "result_source",
        "funding",
        "submission_notes",
    }
)


def manifest_facts(look: Look) -> dict[str, Any]:
    """Check a manifest and return what it says.

    Keys: bundle_file, bundle_hash (None unless usable), companions (name to hash), source, benchmark, platform.
    """
    document = look.document
    look.typos(document, "the manifest", _KEYS)
    name, digest = _bundle(look)
    companions = _companions(look)
    funding, notes, source = (document.get(key) for key in ("funding", "submission_notes", "result_source"))
    if funding is not None and (type(funding) is not str or funding not in FUNDING):
        look.add(
            "manifest_invalid", what=f"funding is {shown(funding)}; known are {', '.join(sorted(FUNDING))}"
        )
    if notes is not None and (type(notes) is not str or len(notes) > NOTES):
        look.add("manifest_invalid", what=f"submission_notes is no text of at most {NOTES} characters")
    if source is not None and (type(source) is not str or source not in trust.SOURCES):
        look.add("source_unknown", value=shown(source))
    return {
        "bundle_file": name,
        "bundle_hash": digest,
        "companions": companions,
        "source": plain(source) if type(source) is str else None,
        **{
            key: plain(document[key]) if type(document.get(key)) is str else None
            for key in ("benchmark", "platform")
        },
    }


def _bundle(look: Look) -> tuple[str | None, str | None]:
    """Return which file the manifest is for and its hash, both or neither."""
    name, digest = look.document.get("bundle_file"), look.document.get("bundle_hash")
    for key, value in (("bundle_file", name), ("bundle_hash", digest)):
        if type(value) is not str or not value:
            look.add("manifest_invalid", what=f"it has no {key}")
    if type(name) is not str or type(digest) is not str or not name or not digest:
        return None, None
    if not is_plain_name(name):
        look.add("path_unsafe", what="bundle_file", value=shown(name))
        return None, None
    if not _DIGEST.fullmatch(digest):
        look.add("manifest_invalid", what="bundle_hash is no SHA-256 in hexadecimal digits")
        return None, None
    return plain(name), digest


def _companions(look: Look) -> dict[str, str]:
    said = look.part(look.document, "companion_hashes", "companion_hashes")
    companions: dict[str, str] = {}
    if not look.is_small(said, "companion_hashes"):
        return companions
    for name, digest in said.items():
        if not is_plain_name(name):
            look.add("path_unsafe", what="companion_hashes", value=shown(name))
        elif type(digest) is not str or not _DIGEST.fullmatch(digest):
            look.add(
                "manifest_invalid", what=f"the hash of {shown(name)} is no SHA-256 in hexadecimal digits"
            )
        else:
            companions[plain(name)] = digest
    return companions


def is_plain_name(name: str) -> bool:
    """Say whether a name leads to a file beside it and nowhere else."""
    return 0 < len(name) <= 200 and name not in {".", ".."} and not any(mark in name for mark in "/\\\0")
