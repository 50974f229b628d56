# SPDX-License-Identifier: Apache-2.0
"""The pull request for an adapter's results: its manifest, and the text that a reviewer reads.

All that it tells of the run is in the payload's provenance.json, which is redacted and scanned: the text leaves the
house as the files do.
"""

from __future__ import annotations

import json
import re
import shlex
import unicodedata
from typing import TYPE_CHECKING, Any, TypeVar

from rackbench import words
from rackbench.errors import RackbenchError
from rackbench.files import read_regular
from rackbench.ledger import documents, journal, rundir
from rackbench.models.common import check
from rackbench.models.publish_payload import Provenance
from rackbench.models.pull_request import PullRequestDocument
from rackbench.publish import forge as forges
from rackbench.publish import places
from rackbench.publish.payload import PROVENANCE

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator, Sequence
    from pathlib import Path

    from rackbench.ledger.state import RunState
    from rackbench.publish.forge import Forge
    from rackbench.publish.payload import Payload, PayloadFile
    from rackbench.publish.target import Target

_Item = TypeVar("_Item")

MANIFEST, BODY = "pull-request.json", "pull-request.md"

# GitHub takes 65,536 characters; each of the lists may use so many, and says how much more there is.
_LIST_CHARACTERS = 11_000
_TEXT_CHARACTERS = 160
_TITLE_CHARACTERS = 250
# Control and format characters (which turn the direction of writing), halves of characters, and ends of lines.
_UNSEEN = frozenset({"Cc", "Cf", "Cs", "Co", "Cn", "Zl", "Zp"})
# The two marks that end a piece of code or a cell.
_ENDS = str.maketrans({"`": "'", "|": "\N{BROKEN BAR}"})


def manifest(
    state: RunState, adapter: str, target: Target, payload: Payload, sha: str, base: str, forge: Forge | None
) -> dict[str, Any]:
    """Return the document of a pull request for the commit `sha` on the commit `base`; see `PullRequestDocument`.

    The same payload and commits give the same document on every machine. Raises
    `RackbenchError("publish_payload_changed")` when the payload's provenance cannot be read.
    """
    head = places.branch(state, adapter)
    title = _title(f"Results of {adapter} on {state.host}, run {state.run_id}")
    on_github = forge is not None and forge.kind == forges.GITHUB
    return {
        "schema": PullRequestDocument.schema_name(),
        "run_id": state.run_id,
        "host": state.host,
        "adapter": adapter,
        "target": target.key,
        "title": title,
        "body": body(_provenance(payload), payload.files, sha, base),
        "head": head,
        "base": target.base_branch,
        "base_commit": base,
        "commit": sha,
        "directory": str(places.directory(target.directory, state, adapter)),
        "files": [
            {"path": each.path, "bytes": each.bytes, "sha256": each.sha256, "redactions": each.redactions}
            for each in payload.files
        ],
        "forge": {"kind": forge.kind, "host": forge.host, "path": forge.path} if forge else None,
        "compare_url": forges.compare_url(forge, target.base_branch, head) if forge else None,
        "gh_command": _gh_command(forge, target, adapter, head, title) if forge and on_github else None,
    }


def write(run_dir: Path, target_key: str, adapter: str, document: dict[str, Any]) -> tuple[Path, Path]:
    """Write a pull request's document and its text beside the payload, and return where they are.

    Raises `RackbenchError("ledger_write_failed")`.
    """
    folder = _folder(target_key, adapter)
    try:
        (run_dir / folder).mkdir(parents=True, exist_ok=True)
    except OSError as error:
        raise journal.write_failed(run_dir / folder, error) from error
    documents.write_text(run_dir, f"{folder}/{BODY}", document["body"], sync=True)
    documents.write_json(run_dir, f"{folder}/{MANIFEST}", document, sync=True)
    return run_dir / folder / MANIFEST, run_dir / folder / BODY


def body(provenance: Provenance, files: Sequence[PayloadFile], sha: str, base: str) -> str:
    """Return the text of a pull request as Markdown: what ran, where, how well, what it measured, and of what.

    Everything that a benchmark or a host may have named stands in pieces of code, in which forges link nothing, show
    no HTML and tell nobody of a mention.
    """
    who = f"{_code(provenance.adapter)} on {_code(provenance.host)}, run {_code(provenance.run_id)}"
    parts = [
        [f"Results of {who}."],
        _what_ran(provenance),
        _where(provenance),
        _headline(provenance),
        _made_with(provenance, sha, base),
        _files(files),
    ]
    return "\n\n".join("\n".join(part) for part in parts) + "\n"


def _provenance(payload: Payload) -> Provenance:
    path = payload.directory / PROVENANCE
    try:
        content = json.loads(read_regular(path))
    except (OSError, ValueError, RecursionError) as error:
        raise RackbenchError(
            "publish_payload_changed", f"{path} cannot be read: {error}.", where=str(path)
        ) from error
    return check(Provenance, content, path=path, code="publish_payload_changed")


def _what_ran(provenance: Provenance) -> Iterator[str]:
    yield "## What ran\n"
    yield from _table(
        ("execution", "family", "repeat", "ended", "verdict"),
        [
            (each.execution, each.family, each.repeat, each.status or each.outcome, each.verdict)
            for each in provenance.executions
        ],
    )
    reasons = [(each.execution, reason) for each in provenance.executions for reason in each.reasons]
    if reasons:
        yield "\nWhat disturbed them:\n"
        yield from _some(reasons, lambda told: f"- {_code(told[0])}: {_code(told[1])}")


def _where(provenance: Provenance) -> Iterator[str]:
    platform = provenance.platform
    yield "## Where\n"
    cpus = f"{_number(platform.sockets)} sockets, {_number(platform.cpus)} logical CPUs"
    yield f"- CPU: {_code(platform.cpu_model)}, {_code(platform.machine)}, {cpus}"
    memory = platform.memory_bytes
    yield f"- Memory: {'-' if memory is None else words.number(memory / 2**30) + ' GiB'}"
    system = " ".join(part for part in (platform.os_id, platform.os_version) if part)
    yield f"- System: {_code(system)}, kernel {_code(platform.kernel)}"
    if platform.virtual:
        yield f"- Hypervisor: {_code(platform.virtual)}"
    if provenance.noise:
        yield f"- Noise settings, {_code(provenance.noise.state)}:"
        settings = sorted(provenance.noise.settings.items())
        yield from _some(settings, lambda told: f"  - {_code(told[0])}: {_code(_setting(told[1]))}")


def _headline(provenance: Provenance) -> Iterator[str]:
    yield "## Headline numbers\n"
    rows = [
        (each.execution, line.label, line.value, line.unit)
        for each in provenance.executions
        for line in each.headline
    ]
    if rows:
        yield from _table(("execution", "what", "value", "unit"), rows)
    else:
        yield "None."


def _made_with(provenance: Provenance, sha: str, base: str) -> Iterator[str]:
    yield "## What it was made with\n"
    if benchmark := provenance.benchmark:
        yield f"- Benchmark: {_code(benchmark.name)} {_code(benchmark.version)}"
    if bundle := provenance.bundle:
        yield (
            f"- Bundle: {_code(bundle.name)} {_code(bundle.version)} for {_code(bundle.platform)}, "
            f"SHA-256 {_code(bundle.sha256)}, signature {_code(bundle.signature)}"
        )
    versions = " ".join(f"{name} {version}" for name, version in sorted(provenance.versions.items()))
    yield f"- Versions: {_code(versions)}"
    label, tags = _code(provenance.label), _code(" ".join(provenance.tags))
    yield f"- Run: begun at {_code(provenance.started_at)}, label {label}, tags {tags}"
    yield f"- Commit {_code(sha)} on {_code(base)}"


def _files(files: Sequence[PayloadFile]) -> Iterator[str]:
    yield "## Files\n"
    rows = [(each.path, each.bytes, each.redactions, each.sha256) for each in files]
    yield from _table(("path", "bytes", "redactions", "SHA-256"), rows)


def _table(head: Sequence[str], rows: Sequence[Sequence[Any]]) -> Iterator[str]:
    yield "| " + " | ".join(head) + " |"
    yield "|" + " --- |" * len(head)
    yield from _some(rows, lambda row: "| " + " | ".join(map(_number, row)) + " |")


def _some(items: Sequence[_Item], line_of: Callable[[_Item], str]) -> Iterator[str]:
    """Yield a line for each item as long as the text stays short, and how many more there are."""
    room = _LIST_CHARACTERS
    for number, item in enumerate(items):
        line = line_of(item)
        room -= len(line) + 1
        if room < 0:
            yield f"\n… and {len(items) - number} more."
            return
        yield line


def _gh_command(forge: Forge, target: Target, adapter: str, head: str, title: str) -> dict[str, Any]:
    repository = forge.path if forge.host == "github.com" else f"{forge.host}/{forge.path}"
    argv = ["gh", "pr", "create", "--repo", repository, "--base", target.base_branch, "--head", head]
    argv += ["--title", title, "--body-file", f"{_folder(target.key, adapter)}/{BODY}"]
    return {"argv": argv, "text": shlex.join(argv)}


def _folder(target_key: str, adapter: str) -> str:
    return f"{rundir.PUBLISH_STAGING}/{target_key}/{adapter}"


def _title(text: str) -> str:
    """Return a title: plain text, in which forges would link numbers and names all the same."""
    return re.sub(r"[^\w .,:+/()-]", "?", text)[:_TITLE_CHARACTERS]


def _code(value: Any) -> str:
    """Return somebody else's text as a piece of code on one line, or `-` for none."""
    text = " ".join(str("" if value is None else value)[: 2 * _TEXT_CHARACTERS].split())
    text = text if len(text) <= _TEXT_CHARACTERS else text[: _TEXT_CHARACTERS - 1] + "…"
    shown = "".join("?" if unicodedata.category(each) in _UNSEEN else each for each in text)
    return f"`{shown.translate(_ENDS)}`" if shown else "-"


def _number(value: Any) -> str:
    """Return a number as people read it; what is none is somebody's text."""
    is_number = isinstance(value, (int, float)) and not isinstance(value, bool)
    return words.number(value) if is_number else _code(value)


def _setting(value: Any) -> Any:
    if isinstance(value, bool):
        return "on" if value else "off"
    return value
