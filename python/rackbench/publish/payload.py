# SPDX-License-Identifier: Apache-2.0
"""The payload: the files of one benchmark that leave the house, redacted, scanned, and with their provenance.

The same artifacts give the same bytes on every machine, however often the run was resumed or published. So only that of
the journal goes in which does not change after an execution ended, and neither a time nor a place of publishing.
"""

from __future__ import annotations

import contextlib
import hashlib
import json
import shutil
import tempfile
from dataclasses import asdict, dataclass
from pathlib import Path, PurePosixPath
from typing import TYPE_CHECKING, Any, NoReturn

from rackbench import private
from rackbench.adapters.results import parse_result
from rackbench.errors import RackbenchError
from rackbench.files import json_text, open_regular, read_regular, write_atomic
from rackbench.ledger import journal, rundir
from rackbench.ledger import state as states
from rackbench.models.common import check
from rackbench.models.publish_payload import PayloadManifest, Provenance
from rackbench.publish import embargo
from rackbench.publish.redaction import redacted
from rackbench.topology.read import recorded
from rackbench.words import printable

if TYPE_CHECKING:
    from collections.abc import Iterable, Sequence
    from datetime import datetime

    from rackbench.adapters.results import Result
    from rackbench.ledger.state import ExecutionState, RunState
    from rackbench.publish.embargo import Embargo

PROVENANCE = "provenance.json"
PAYLOAD = "payload"
MANIFEST = "manifest.json"
# More findings than these tell nobody more.
_MOST_FINDINGS = 20


@dataclass(frozen=True, slots=True)
class PayloadFile:
    """A file as it is published: its path in the payload, its size, and in how many places it was redacted."""

    path: str
    bytes: int
    sha256: str
    redactions: int


@dataclass(frozen=True, slots=True)
class Payload:
    """What is staged: the directory that is published, its manifest beside it, and a digest over all of its files."""

    directory: Path
    manifest: Path
    files: tuple[PayloadFile, ...]
    sha256: str


@dataclass(frozen=True, slots=True)
class _Circumstances:
    """What held when the last of the executions ended. What the journal has got since is not theirs."""

    platform: dict[str, Any]
    noise: dict[str, Any] | None
    versions: dict[str, Any]
    packaging: dict[str, Any]

    @classmethod
    def of(cls, state: RunState, adapter: str) -> _Circumstances:
        part = state.resumed[-1] if state.resumed else state.opened
        noise = dict(state.noise) if state.noise else None
        return cls(
            dict(state.platform),
            noise,
            dict(part.get("versions") or {}),
            dict(state.packaging.get(adapter) or {}),
        )


def stage(
    run_dir: Path, state: RunState, adapter: str, target: str, *, embargoes: Sequence[Embargo], now: datetime
) -> Payload:
    """Make the payload of an adapter for a publish target, in place of what was staged for it before.

    Raises `RackbenchError`: embargoed; publish_payload_changed (a file is not what was collected: it is named);
    publish_payload_refused (what may not leave the house, each with file and line); publish_payload_empty. Nothing is
    left staged then. Raises `OSError`.
    """
    place = _place(run_dir, target, adapter)
    shutil.rmtree(place, ignore_errors=True)
    embargo.require_none(embargoes, run_dir, state, now)
    contents, files = _collected(run_dir, state, adapter)
    provenance = _provenance(run_dir, state, adapter, files)
    contents[PROVENANCE], count = redacted(json_text(provenance).encode())
    files.append(_file(PROVENANCE, contents[PROVENANCE], count))
    _require_harmless(state, adapter, contents, embargo.words(embargoes, now))
    return _written(place, state, adapter, target, contents, tuple(sorted(files, key=lambda file: file.path)))


def read(run_dir: Path, target: str, adapter: str) -> Payload:
    """Return what is staged.

    Raises `RackbenchError("publish_payload_changed")` when that is not what its manifest says.
    """
    place = _place(run_dir, target, adapter)
    manifest, directory = place / MANIFEST, place / PAYLOAD
    try:
        told = check(
            PayloadManifest, json.loads(read_regular(manifest)), path=manifest, code="publish_payload_changed"
        )
        found = {path.relative_to(directory).as_posix(): path for path in sorted(directory.rglob("*"))}
        listed = {file.path: file for file in told.files}
        odd = {
            name for name, path in found.items() if path.is_symlink() or not (path.is_dir() or path.is_file())
        }
        names = {name for name, path in found.items() if not path.is_dir()} | odd
        for name in sorted(names ^ listed.keys() | odd):
            _changed(directory / name, "is not as its manifest says")
        for name, file in sorted(listed.items()):
            if hashlib.sha256(read_regular(found[name])).hexdigest() != file.sha256:
                _changed(found[name], "is not what was staged")
    except FileNotFoundError:
        _changed(manifest, "is not there; nothing is staged")
    except (OSError, ValueError, RecursionError) as error:
        _changed(manifest, f"cannot be read ({error})")
    files = tuple(PayloadFile(file.path, file.bytes, file.sha256, file.redactions) for file in told.files)
    if _digest(files) != told.sha256:
        _changed(manifest, "has a digest of other files")
    return Payload(directory, manifest, files, told.sha256)


def counted(state: RunState, adapter: str) -> list[ExecutionState]:
    """Return the executions of an adapter that ended and count: no warm-ups, none that was superseded or not needed."""
    return [
        execution
        for execution in state.executions.values()
        if execution.adapter == adapter
        and execution.state == states.ENDED
        and not (execution.warmup or execution.superseded or execution.not_needed)
    ]


def _place(run_dir: Path, target: str, adapter: str) -> Path:
    return run_dir / rundir.PUBLISH_STAGING / target / adapter


def _collected(run_dir: Path, state: RunState, adapter: str) -> tuple[dict[str, bytes], list[PayloadFile]]:
    """Return the redacted files by their path in the payload, and what is told of them, in the order of the paths."""
    # Without a result nobody can say what the files of an execution are worth.
    names = {each.execution for each in counted(state, adapter) if each.execution in state.results}
    folder = PurePosixPath(rundir.BENCHMARKS, adapter)
    contents: dict[str, bytes] = {}
    files: list[PayloadFile] = []
    for path in sorted(path for path, told in state.artifacts.items() if told.get("publishable") is True):
        pure = PurePosixPath(path)
        if not pure.is_relative_to(folder) or pure.parts[2:3] == ():
            continue
        if pure.parts[2] not in names:
            continue
        name = pure.relative_to(folder).as_posix()
        contents[name], count = redacted(artifact(run_dir, state, path))
        files.append(_file(name, contents[name], count))
    if not files:
        raise RackbenchError(
            "publish_payload_empty",
            f"The run {state.run_id} has no file of {adapter} that may be published.",
            where=state.host,
        )
    return contents, files


def artifact(run_dir: Path, state: RunState, path: str) -> bytes:
    """Return a registered file.

    Raises `RackbenchError("publish_payload_changed")` when it is not what was registered.
    """
    place = run_dir / path
    try:
        # A link anywhere on the way, and a path that leads out of the run directory, end elsewhere.
        if place.resolve(strict=True) != run_dir.resolve() / path or not place.is_file():
            _changed(place, "is no file of the run, or a link on the way to it leads elsewhere")
        content = read_regular(place)
    except (OSError, ValueError) as error:
        _changed(place, f"cannot be read ({getattr(error, 'strerror', None) or error})")
    if hashlib.sha256(content).hexdigest() != (state.artifacts.get(path) or {}).get("sha256"):
        _changed(place, "is not what was collected")
    return content


def _changed(path: Path, what: str) -> NoReturn:
    raise RackbenchError(
        "publish_payload_changed", f"{printable(str(path))} {what}.", where=str(path), next_path=str(path)
    )


def _file(name: str, content: bytes, redactions: int) -> PayloadFile:
    return PayloadFile(name, len(content), hashlib.sha256(content).hexdigest(), redactions)


def _digest(files: Iterable[PayloadFile]) -> str:
    lines = sorted(f"{file.sha256}  {file.path}\n" for file in files)
    return hashlib.sha256("".join(lines).encode()).hexdigest()


def _require_harmless(
    state: RunState, adapter: str, contents: dict[str, bytes], forbidden: dict[str, str]
) -> None:
    """Raise `RackbenchError("publish_payload_refused")` with what may not leave the house."""
    found: list[private.Finding] = []
    for name, content in sorted(contents.items()):
        if problem := _name_problem(name):
            found.append(private.Finding(name, None, problem))
        found += private.findings(name, content, forbidden)
    if not found:
        return
    lines = [printable(str(each)) for each in found[:_MOST_FINDINGS]]
    more = len(found) - len(lines)
    told = "; ".join(lines) + (f"; and {more} more" if more else "")
    raise RackbenchError(
        "publish_payload_refused",
        f"What {adapter} would publish of the run {state.run_id} may not leave the house: {told}.",
        where=f"{rundir.BENCHMARKS}/{adapter}/{found[0].path}",
        detail="\n".join(lines),
    )


def _name_problem(name: str) -> str | None:
    """Return why a file cannot be in a repository by this name, or None."""
    if not name.isprintable() or "\\" in name:
        return "characters that are no text, or that other systems take for something else"
    if any(part.casefold().startswith(".git") for part in name.split("/")):
        return "a name that git keeps for itself"
    return None


def _written(
    place: Path,
    state: RunState,
    adapter: str,
    target: str,
    contents: dict[str, bytes],
    files: tuple[PayloadFile, ...],
) -> Payload:
    sha256 = _digest(files)
    manifest = {
        "schema": PayloadManifest.schema_name(),
        "run_id": state.run_id,
        "adapter": adapter,
        "target": target,
        "sha256": sha256,
        "files": [asdict(file) for file in files],
    }
    place.parent.mkdir(parents=True, exist_ok=True)
    for left in place.parent.glob(f".{adapter}.*.tmp"):
        shutil.rmtree(left, ignore_errors=True)
    temporary = Path(tempfile.mkdtemp(dir=place.parent, prefix=f".{adapter}.", suffix=".tmp"))
    try:
        for name, content in contents.items():
            path = temporary / PAYLOAD / name
            path.parent.mkdir(parents=True, exist_ok=True)
            # After a power cut it is staged again; what is there is read by its digests.
            write_atomic(path, content, sync=False)
        write_atomic(temporary / MANIFEST, json_text(manifest), sync=False)
        for folder in (temporary, *(path for path in temporary.rglob("*") if path.is_dir())):
            folder.chmod(0o755)
        temporary.rename(place)
    except BaseException:
        with contextlib.suppress(OSError):
            shutil.rmtree(temporary)
        raise
    return Payload(place / PAYLOAD, place / MANIFEST, files, sha256)


def _provenance(run_dir: Path, state: RunState, adapter: str, files: list[PayloadFile]) -> dict[str, Any]:
    executions = sorted(counted(state, adapter), key=lambda each: each.execution)
    then = _circumstances(run_dir, state, adapter, {each.execution for each in executions})
    results = {
        each.execution: _result(run_dir, state, each.execution)
        for each in executions
        if each.execution in state.results
    }
    document = {
        "schema": Provenance.schema_name(),
        "run_id": state.run_id,
        "host": state.host,
        "label": state.label,
        "tags": state.tags,
        "started_at": min((result.started_at for result in results.values()), default=None),
        "adapter": adapter,
        "benchmark": next((dict(result.benchmark) for result in results.values()), None),
        "families": sorted({each.family for each in executions if each.family}),
        "executions": [_execution(state, each, results.get(each.execution)) for each in executions],
        "bundle": _bundle(state, then.packaging),
        "platform": _platform(run_dir, state, then.platform),
        "versions": {
            name: str(then.versions[name]) for name in ("rackbench", "ansible_core") if name in then.versions
        },
        "noise": {name: then.noise.get(name) for name in ("state", "settings")} if then.noise else None,
        "files": [asdict(file) for file in files],
    }
    return check(Provenance, document, path=Path(PROVENANCE), code="publish_payload_changed").model_dump(
        by_alias=True
    )


def _circumstances(run_dir: Path, state: RunState, adapter: str, executions: set[str]) -> _Circumstances:
    """Return what held when the last of the executions ended, from the journal's records up to that one."""
    left, then = set(executions), states.RunState()
    found: _Circumstances | None = None
    with contextlib.suppress(FileNotFoundError), open_regular(run_dir / rundir.EVENTS) as stream:
        for line in stream:
            record = journal.decode(line)
            if record is None:
                continue
            states.apply(then, record)
            if record.get("kind") == "execution.ended" and record.get("execution") in left:
                left.remove(record["execution"])
                found = _Circumstances.of(then, adapter)
            if not left:
                break
    return found or _Circumstances.of(state, adapter)


def _result(run_dir: Path, state: RunState, execution: str) -> Result:
    """Return the result of an execution, as it was collected. Raises `RackbenchError`, also as `parse_result` does."""
    path = str(state.results[execution]["path"])
    return parse_result(artifact(run_dir, state, path), Path(path))


def _execution(state: RunState, execution: ExecutionState, result: Result | None) -> dict[str, Any]:
    told = state.results.get(execution.execution) or {}
    verdict = execution.verdict or {}
    return {
        "execution": execution.execution,
        "family": execution.family,
        "repeat": execution.repeat,
        "outcome": execution.outcome,
        "status": told.get("status"),
        "simulated": result.simulated if result else False,
        "started_at": result.started_at if result else None,
        "duration_s": result.duration_s if result else None,
        "verdict": verdict.get("verdict"),
        "reasons": [str(reason) for reason in verdict.get("reasons") or ()],
        "unknown": [str(name) for name in verdict.get("unknown") or ()],
        "headline": [
            {name: line.get(name) for name in ("label", "value", "unit")}
            for line in told.get("headline") or ()
        ],
    }


def _bundle(state: RunState, packaging: dict[str, Any]) -> dict[str, Any] | None:
    """Return what names a bundle anywhere; where it lay on this controller is left out."""
    bundle = states.used_bundle(packaging)
    if bundle is None:
        return None
    tail = f"-{bundle.get('version')}-{bundle.get('platform')}.tar.gz"
    name = PurePosixPath(str(bundle.get("path"))).name
    required, asked = state.options.get("require_signature"), state.options.get("allowed_signers")
    return {
        "name": name.removesuffix(tail) if name.endswith(tail) else None,
        **{key: bundle.get(key) for key in ("version", "sha256", "platform")},
        "signature": "required" if required else "checked if there is one" if asked else "not asked for",
    }


def _platform(run_dir: Path, state: RunState, platform: dict[str, Any]) -> dict[str, Any]:
    if rundir.TOPOLOGY in state.artifacts:
        artifact(run_dir, state, rundir.TOPOLOGY)
    topology = recorded(run_dir)
    return {
        "cpu_model": topology.model if topology else None,
        "sockets": len(topology.sockets) if topology else None,
        "virtual": topology.virtual if topology else None,
        **{
            name: platform.get(name)
            for name in ("machine", "cpus", "memory_bytes", "os", "os_id", "os_version", "kernel")
        },
    }
