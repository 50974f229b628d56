# SPDX-License-Identifier: Apache-2.0
"""The pull request for an adapter's results: its manifest, and the text that a reviewer reads."""

from __future__ import annotations

import re
import shlex
import unicodedata
from itertools import islice
from typing import TYPE_CHECKING, Any, Protocol

from rackbench import words
from rackbench.ledger import documents, journal, rundir
from rackbench.ledger.state import used_bundle
from rackbench.models.pull_request import PullRequestDocument
from rackbench.publish import forge as forges

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator, Sequence
    from pathlib import Path

    from rackbench.ledger.state import ExecutionState, RunState
    from rackbench.publish.forge import Forge

MANIFEST, BODY = "pull-request.json", "pull-request.md"

# GitHub takes 65,536 characters; each list may use so many, and says how much more there is.
_LIST_CHARACTERS = 12_000
_TEXT_CHARACTERS = 160
_TITLE_CHARACTERS = 250
# Control and format characters (which turn the direction of writing), halves of characters, and ends of lines.
_UNSEEN = frozenset({"Cc", "Cf", "Cs", "Co", "Cn", "Zl", "Zp"})
# The two marks that end a piece of code or a cell.
_ENDS = str.maketrans({"`": "'", "|": "\N{BROKEN BAR}"})


class PayloadFile(Protocol):
    """A file of a payload, as `rackbench.publish.payload` has it."""

    @property
    def path(self) -> str: ...
    @property
    def bytes(self) -> int: ...
    @property
    def sha256(self) -> str: ...
    @property
    def redactions(self) -> int: ...


class Target(Protocol):
    """What is read of a publish target."""

    @property
    def key(self) -> str: ...
    @property
    def base_branch(self) -> str: ...
    @property
    def directory(self) -> str: ...


def manifest(
    state: RunState,
    adapter: str,
    target: Target,
    payload_files: Sequence[PayloadFile],
    sha: str,
    base: str,
    forge: Forge | None,
    *,
    cpu: str | None = None,
) -> dict[str, Any]:
    """Return the document of a pull request for the commit `sha` on the commit `base`; see `PullRequestDocument`.

    `cpu` is the processor's name. The same arguments give the same document on every machine.
    """
    head = f"results/{state.host}/{state.run_id}/{adapter}"
    title = _title(f"Results of {adapter} on {state.host}, run {state.run_id}")
    on_github = forge is not None and forge.kind == forges.GITHUB
    return {
        "schema": PullRequestDocument.schema_name(),
        "run_id": state.run_id,
        "host": state.host,
        "adapter": adapter,
        "target": target.key,
        "title": title,
        "body": body(state, adapter, payload_files, sha, base, cpu=cpu),
        "head": head,
        "base": target.base_branch,
        "base_commit": base,
        "commit": sha,
        "directory": f"{target.directory}/{state.host}/{state.run_id}/{adapter}",
        "files": [
            {"path": each.path, "bytes": each.bytes, "sha256": each.sha256, "redactions": each.redactions}
            for each in payload_files
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


def body(
    state: RunState,
    adapter: str,
    payload_files: Sequence[PayloadFile],
    sha: str,
    base: str,
    *,
    cpu: str | None = None,
) -> str:
    """Return the text of a pull request as Markdown: what ran, where, how well, what it measured, and of what.

    Everything that a benchmark or a host may have named stands in pieces of code, in which forges link nothing, show
    no HTML and tell nobody of a mention.
    """
    counted = [
        entry
        for entry in state.executions.values()
        if entry.adapter == adapter and not (entry.warmup or entry.superseded or entry.not_needed)
    ]
    parts = [
        (f"Results of {_code(adapter)} on {_code(state.host)}, run {_code(state.run_id)}.",),
        _what_ran(state, adapter, counted),
        _where(state, cpu),
        _headline(state, counted),
        _provenance(state, adapter, sha, base),
        _files(payload_files),
    ]
    return "\n\n".join("\n".join(lines) for part in parts if (lines := tuple(part))) + "\n"


def _what_ran(state: RunState, adapter: str, counted: Sequence[ExecutionState]) -> Iterator[str]:
    yield "## What ran\n"
    rows = (
        (
            _code(entry.execution),
            _code(entry.family),
            _value(entry.repeat),
            _code(state.results.get(entry.execution, {}).get("status") or entry.outcome or entry.state),
            _code((entry.verdict or {}).get("verdict")),
        )
        for entry in counted
    )
    yield from _table(("execution", "family", "repeat", "ended", "verdict"), rows)
    reasons = [
        f"- {_code(entry.execution)}: {_code(reason)}"
        for entry in counted
        for reason in _list((entry.verdict or {}).get("reasons"))
    ]
    if reasons:
        yield "\nWhat disturbed them:\n"
        yield from _some(reasons)
    missing = [
        entry
        for entry in _list((state.families.get(adapter) or {}).get("unavailable"))
        if isinstance(entry, dict)
    ]
    if missing:
        yield "\nWhat the host cannot run:\n"
        yield from _some(f"- {_code(entry.get('family'))}: {_code(entry.get('reason'))}" for entry in missing)


def _where(state: RunState, cpu: str | None) -> Iterator[str]:
    platform = state.platform
    yield "## Where\n"
    yield f"- CPU: {_code(cpu)}, {_value(platform.get('cpus'))} logical, {_code(platform.get('machine'))}"
    yield f"- Memory: {_gib(platform.get('memory_bytes'))}"
    yield f"- System: {_code(_joined(platform.get('os_id'), platform.get('os_version')))}"
    libc = platform.get("libc")
    libc = _joined(libc.get("name"), libc.get("version")) if isinstance(libc, dict) else None
    yield f"- Kernel: {_code(platform.get('kernel'))}, C library: {_code(libc)}"
    settings = (state.noise or {}).get("settings")
    if isinstance(settings, dict) and settings:
        told = ", ".join(f"{name}={_setting(value)}" for name, value in sorted(settings.items()))
        yield f"- Noise settings, {_code((state.noise or {}).get('state'))}: {_code(told, 600)}"


def _headline(state: RunState, counted: Sequence[ExecutionState]) -> Iterator[str]:
    yield "## Headline numbers\n"
    rows = [
        (_code(entry.execution), _code(line.get("label")), _value(line.get("value")), _code(line.get("unit")))
        for entry in counted
        for line in state.results.get(entry.execution, {}).get("headline") or ()
    ]
    if rows:
        yield from _table(("execution", "what", "value", "unit"), rows)
    else:
        yield "None."


def _provenance(state: RunState, adapter: str, sha: str, base: str) -> Iterator[str]:
    yield "## What it was made with\n"
    bundle = used_bundle(state.packaging.get(adapter) or {}) or {}
    name = str(bundle.get("path") or "").rpartition("/")[2]
    yield f"- Bundle: {_code(name)}, version {_code(bundle.get('version'))}, SHA-256 {_code(bundle.get('sha256'))}"
    versions = state.opened.get("versions") or {}
    yield f"- Rackbench {_code(versions.get('rackbench'))}, ansible-core {_code(versions.get('ansible_core'))}"
    yield f"- Run: begun at {_code(state.opened_at)}, label {_code(state.label)}, tags {_code(_joined(*state.tags))}"
    yield f"- Commit {_code(sha)} on {_code(base)}"


def _files(payload_files: Sequence[PayloadFile]) -> Iterator[str]:
    yield "## Files\n"
    rows = (
        (_code(each.path), _value(each.bytes), _value(each.redactions), _code(each.sha256))
        for each in payload_files
    )
    yield from _table(("path", "bytes", "redactions", "SHA-256"), rows)


def _table(head: Sequence[str], rows: Iterable[Sequence[str]]) -> Iterator[str]:
    yield "| " + " | ".join(head) + " |"
    yield "|" + " --- |" * len(head)
    yield from _some("| " + " | ".join(row) + " |" for row in rows)


def _some(lines: Iterable[str]) -> Iterator[str]:
    """Yield lines as long as the text stays short, and how many more there are."""
    left = iter(lines)
    room = _LIST_CHARACTERS
    for line in left:
        room -= len(line) + 1
        if room < 0:
            yield f"\n… and {1 + sum(1 for _ in left)} more."
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


def _code(value: Any, limit: int = _TEXT_CHARACTERS) -> str:
    """Return somebody else's text as a piece of code on one line, or `-` for none."""
    text = "" if value is None else str(value)
    text = " ".join(islice(text[: 4 * limit].split(), limit))
    shown = "".join("?" if unicodedata.category(each) in _UNSEEN else each for each in text).translate(_ENDS)
    if len(shown) > limit:
        shown = shown[: limit - 1] + "…"
    return f"`{shown}`" if shown else "-"


def _value(value: Any) -> str:
    is_number = isinstance(value, (int, float)) and not isinstance(value, bool)
    return words.number(value) if is_number else _code(value)


def _gib(value: Any) -> str:
    if isinstance(value, (int, float)) and words.is_usual(value):
        return f"{words.number(value / 2**30)} GiB"
    return _code(value)


def _setting(value: Any) -> str:
    if isinstance(value, bool):
        return "on" if value else "off"
    return str(value)


def _joined(*texts: Any) -> str | None:
    return " ".join(str(text) for text in texts if text is not None) or None


def _list(value: Any) -> list[Any]:
    return value if isinstance(value, list) else []
