#!/usr/bin/env python3
# SPDX-License-Identifier: Apache-2.0
"""Build a benchmark on a target: the entry point `bin/run` of a source bundle, with the source beside it.

It is packed as it is, so it needs nothing but the standard library of Python 3.9. `--config` names the job document:
`command` (with $BUNDLE_OUT in it), `environment`, and `tools`, whose versions are asked. The build works on a copy of
the source; what it leaves in $BUNDLE_OUT goes to `bundle/` below `--out`, and what is to be told of it to `build.json`.
The build's words go to standard error.
"""

from __future__ import annotations

import argparse
import json
import os
import shutil
import signal
import subprocess
import sys
import tempfile
from pathlib import Path

BUNDLE = Path(__file__).resolve().parent.parent
# bundles/<sha256>/bin/run below the directory that holds everything of Rackbench.
RUST = BUNDLE.parent.parent / "rust"
# sshd's default PATH for a user often lacks the directories of administrators' tools.
SYSTEM_PATH = "/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin"
RESULT, SOURCE, OUT = "build.json", "source", "bundle"


def main() -> int:
    """Build, and return what to exit with."""
    parser = argparse.ArgumentParser()
    parser.add_argument("--config", required=True)
    parser.add_argument("--out", required=True)
    arguments = parser.parse_args()
    job = json.loads(Path(arguments.config).read_text(encoding="utf-8"))
    out = Path(arguments.out).resolve()
    # The supervisor ends a build with SIGTERM; the copy of the source is removed all the same.
    signal.signal(signal.SIGTERM, lambda number, _frame: sys.exit(128 + number))
    made = out / OUT
    made.mkdir()
    (out / "progress.ndjson").write_text(json.dumps({"label": f"building with {job['command'][0]}"}) + "\n")
    scratch = Path(tempfile.mkdtemp(prefix=".build-", dir=out.parent))
    try:
        shutil.copytree(BUNDLE / SOURCE, scratch / SOURCE)
        return build(job, scratch / SOURCE, made, out / RESULT)
    finally:
        shutil.rmtree(scratch, ignore_errors=True)


def build(job: dict[str, object], source: Path, made: Path, result: Path) -> int:
    """Run the recipe in the copy of the source, and write down how it ended and with which tools."""
    environment = {**os.environ, **dict(job["environment"]), "BUNDLE_OUT": str(made)}  # type: ignore[call-overload]
    search = f"{environment.get('PATH', os.defpath)}:{SYSTEM_PATH}"
    if (RUST / "cargo" / "bin").is_dir():
        search = f"{RUST / 'cargo' / 'bin'}:{search}"
        environment.update(CARGO_HOME=str(RUST / "cargo"), RUSTUP_HOME=str(RUST / "rustup"))
    environment["PATH"] = search
    command = [part.replace("$BUNDLE_OUT", str(made)) for part in list(job["command"])]  # type: ignore[call-overload]
    # Found with the build's own PATH, and a program of the source from its directory.
    program = str(source / command[0]) if "/" in command[0] else shutil.which(command[0], path=search)
    if program is None:
        sys.stderr.write(f"{command[0]}: there is no such command on this machine\n")
        return 1
    status = subprocess.run(
        [program, *command[1:]],
        cwd=source,
        env=environment,
        stdin=subprocess.DEVNULL,
        stdout=sys.stderr,
        stderr=sys.stderr,
    ).returncode
    versions = {name: version(name, environment) for name in list(job["tools"])}  # type: ignore[call-overload]
    told = {"command": command, "rc": status, "tool_versions": versions}
    result.write_text(json.dumps(told) + "\n", encoding="utf-8")
    return 0 if status == 0 else 1


def version(tool: str, environment: dict[str, str]) -> str:
    """Return the first line that `tool --version` prints; empty when it cannot say."""
    program = shutil.which(tool, path=environment["PATH"])
    if program is None:
        return ""
    try:
        answer = subprocess.run(
            [program, "--version"],
            env=environment,
            stdin=subprocess.DEVNULL,
            capture_output=True,
            timeout=60,
        )
    except (OSError, subprocess.TimeoutExpired):
        return ""
    lines = answer.stdout.decode("utf-8", "replace").strip().splitlines()
    return lines[0] if answer.returncode == 0 and lines else ""


if __name__ == "__main__":
    raise SystemExit(main())
