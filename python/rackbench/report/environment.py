# SPDX-License-Identifier: Apache-2.0
"""What surrounded the measurements: platform, versions, settings, bundles. Pure."""

from __future__ import annotations

from pathlib import PurePosixPath
from typing import TYPE_CHECKING, Any

from rackbench.ledger.state import used_bundle
from rackbench.report import text
from rackbench.report.parts import table

if TYPE_CHECKING:
    from collections.abc import Mapping

    from rackbench.ledger.state import RunState
    from rackbench.report.parts import Table
    from rackbench.report.source import Source

_PLATFORM = (
    ("machine", "architecture"),
    ("kernel", "kernel"),
    ("os", "operating system"),
    ("cpus", "logical CPUs"),
    ("memory_bytes", "memory"),
    ("python", "Python on the host"),
)


def rows(source: Source) -> list[tuple[str, str]]:
    """Return what the host is and what measured it: name and value."""
    state = source.state
    found = [(name, value) for key, name in _PLATFORM if (value := _platform(state, key))]
    if source.topology:
        found += [
            ("processor", source.topology.model or text.NONE),
            ("virtual machine", source.topology.virtual or "no sign of one"),
        ]
    libc = state.platform.get("libc")
    if isinstance(libc, dict):
        found.append(("C library", f"{libc.get('name')} {libc.get('version')}"))
    found += [
        (f"{text.words(name)} on the controller", str(version))
        for name, version in _mapping(state.opened.get("versions")).items()
    ]
    project = _mapping(state.opened.get("project"))
    commit = project.get("commit")
    found.append(
        (
            "project commit",
            f"{commit}{', with changes' if project.get('dirty') else ''}" if commit else "not known",
        )
    )
    found += _noise(state)
    return found


def bundles(state: RunState) -> Table:
    """Return where each adapter's program came from."""
    found = []
    for adapter, decision in state.packaging.items():
        bundle = used_bundle(decision)
        if bundle is None:
            found.append((adapter, "none was found", *[text.NONE] * 6))
            continue
        path = bundle.get("path")
        found.append(
            (
                adapter,
                PurePosixPath(str(path)).name if path else text.NONE,
                str(bundle.get("version") or text.NONE),
                str(bundle.get("sha256") or text.NONE),
                text.size(bundle["size"]) if isinstance(bundle.get("size"), int) else text.NONE,
                str(bundle.get("source") or text.NONE),
                str(bundle.get("basis") or text.NONE),
                _signature(state),
            )
        )
    return table(
        "Bundles", ("adapter", "file", "version", "@SHA-256", "#size", "source", "basis", "signature"), found
    )


def files(state: RunState, without: str) -> Table:
    """Return the registered files of a run, but that of one kind."""
    return table(
        "Files of the run directory",
        ("file", "kind", "#size", "@SHA-256"),
        [
            (
                path,
                str(entry.get("artifact_kind") or text.NONE),
                text.size(entry["bytes"]),
                str(entry.get("sha256") or text.NONE),
            )
            for path, entry in state.artifacts.items()
            if entry.get("artifact_kind") != without
        ],
    )


def _platform(state: RunState, key: str) -> str | None:
    platform = state.platform
    if key == "os":
        return " ".join(str(platform[name]) for name in ("os_id", "os_version") if platform.get(name)) or None
    value = platform.get(key)
    if value is None:
        return None
    return text.size(value) if key == "memory_bytes" and isinstance(value, int) else str(value)


def _noise(state: RunState) -> list[tuple[str, str]]:
    """Return the host's settings that make noise: those that were set, else those that were seen."""
    settings = _mapping((state.noise or {}).get("settings"))
    asked = _mapping(state.options.get("noise"))
    names = {True: "on", False: "off"}
    found = [
        (
            f"{text.words(name)} setting",
            names.get(value, str(value)) if isinstance(value, bool) else str(value),
        )
        for name, value in settings.items()
        if not isinstance(value, (dict, list))
    ]
    if asked:
        found.append(
            ("set for the run", ", ".join(f"{text.words(name)} {value}" for name, value in asked.items()))
        )
    return found


def _signature(state: RunState) -> str:
    """Return what was asked of signatures: a bundle that does not meet it is not used."""
    if state.options.get("require_signature"):
        return "required, and good"
    return "good, if there was one" if state.options.get("allowed_signers") else "not asked for"


def _mapping(value: Any) -> Mapping[str, Any]:
    return value if isinstance(value, dict) else {}
