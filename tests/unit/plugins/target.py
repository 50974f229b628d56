# SPDX-License-Identifier: GPL-3.0-or-later
"""A target for the modules as real processes on this machine, in a home directory of its own."""

from __future__ import annotations

import hashlib
import io
import json
import os
import shutil
import subprocess
import sys
import tarfile
import time
from pathlib import Path
from typing import Any

REPOSITORY = Path(__file__).resolve().parents[3]
RUN_ID = "20261121T080000Z-thor"
NEVER_S = 600.0
PATIENCE_S = 120.0
PROGRAM = b"""#!/bin/sh
out="$4"
act=$(sed -n 's/.*"act": "\\([a-z]*\\)".*/\\1/p' "$2")
echo "said $act"
echo "run" >> "$out/runs"
case "$act" in
  wait) while [ ! -e "$out/go" ]; do sleep 0.05; done ;;
  crash) echo "crashed on purpose" >&2; exit 1 ;;
esac
echo '{"status": "passed"}' > "$out/result.json"
printf '{"done": 1, "total": 2}\\n{"done": 2, "to' > "$out/progress.ndjson"
"""


class Target:
    """What the modules see of a target, and the calls that the action plugins make."""

    def __init__(self, home: Path, name: str = "made-up", table: bytes = b"1,2\n") -> None:
        self.home = home
        self.root = home / ".rackbench"
        self.uploads = home / f"{name}.tar.gz"
        with tarfile.open(self.uploads, "w:gz") as tar:
            for member, data, mode in (("bin/run", PROGRAM, 0o755), ("share/table.csv", table, 0o644)):
                info = tarfile.TarInfo(member)
                info.size, info.mode = len(data), mode
                tar.addfile(info, io.BytesIO(data))
        self.sha256 = hashlib.sha256(self.uploads.read_bytes()).hexdigest()
        self.sidecar = {
            "schema": "rackbench.bundle/1.0",
            "name": name,
            "version": "1.0.0",
            "platform": "any",
            "entry_point": "bin/run",
            "size": self.uploads.stat().st_size,
            "unpacked_size": len(PROGRAM) + len(table),
            "file_count": 2,
        }

    def call(self, module: str, *, check: bool = False, **arguments: Any) -> dict[str, Any]:
        """Run a module as Ansible does on a target and return its result."""
        text = json.dumps({"ANSIBLE_MODULE_ARGS": {**arguments, "_ansible_check_mode": check}})
        done = subprocess.run(
            [sys.executable, "-B", str(REPOSITORY / "plugins/modules" / f"{module}.py")],
            input=text,
            capture_output=True,
            text=True,
            env={**os.environ, "HOME": str(self.home), "PYTHONPATH": str(REPOSITORY / "collections")},
        )
        assert done.stdout, done.stderr
        result: dict[str, Any] = json.loads(done.stdout)
        return result

    def look(self, **arguments: Any) -> dict[str, Any]:
        return self.call("target_bundle", sha256=self.sha256, sidecar=self.sidecar, **arguments)

    def stage(self, **arguments: Any) -> dict[str, Any]:
        found = self.look(**arguments)
        shutil.copy(self.uploads, found["upload"])
        return self.unpack(found["upload"])

    def unpack(self, upload: str, **changed: Any) -> dict[str, Any]:
        arguments = {"sha256": self.sha256, "upload": upload, "sidecar": self.sidecar, **changed}
        return self.call("target_bundle", state="unpacked", **arguments)

    def start(self, act: str, *, check: bool = False, **changed: Any) -> dict[str, Any]:
        arguments = {
            "run_id": RUN_ID,
            "execution_id": f"made-up.{act}.1",
            "bundle": self.sha256,
            "entry_point": "bin/run",
            "job": {"schema": "rackbench.job/1.0", "parameters": {"act": act}},
            "time_limit_s": NEVER_S,
            "interval_s": 0.1,
            "wait_s": 0,
            **changed,
        }
        return self.call("target_job", check=check, state="started", **arguments)

    def wait(self, act: str, wait_s: float = PATIENCE_S, *, check: bool = False) -> dict[str, Any]:
        name = {"run_id": RUN_ID, "execution_id": f"made-up.{act}.1"}
        return self.call("target_job", check=check, state="waited", wait_s=wait_s, **name)

    def job_dir(self, act: str) -> Path:
        return self.root / "jobs" / RUN_ID / f"made-up.{act}.1"

    def benchmark_pid(self, act: str) -> int:
        deadline = time.monotonic() + PATIENCE_S
        while time.monotonic() < deadline:
            if pid := json.loads((self.job_dir(act) / "state.json").read_text())["benchmark_pid"]:
                return int(pid)
            time.sleep(0.05)
        raise AssertionError("the benchmark did not start")

    def files(self) -> set[str]:
        return {str(path.relative_to(self.root)) for path in self.root.rglob("*") if path.is_file()}


def code(result: dict[str, Any]) -> str:
    assert result["failed"]
    return str(result["rackbench_failure"]["code"])
