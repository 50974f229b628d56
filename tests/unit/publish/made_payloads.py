# SPDX-License-Identifier: Apache-2.0
"""Run directories whose files are there with the digests that their journals tell, for what is published of them."""

from __future__ import annotations

import hashlib
import json
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from typing import TYPE_CHECKING, Any

from rackbench.clock import utc_text
from rackbench.ledger import documents, journal, rundir

from tests.integration import recorded
from tests.unit.ledger.samples import opened

if TYPE_CHECKING:
    from collections.abc import Mapping
    from pathlib import Path

    from rackbench.ledger.state import RunState

START = datetime(2026, 11, 21, 8, 0, 0, tzinfo=UTC)
LATENCY = "latency.full.1"
TABLE = b"cpu_a,cpu_b,ns\n0,1,24.5\n"


@dataclass
class Made:
    """A run to be written: files by their path below benchmarks/, and what its journal tells beside them.

    `extra` are records right before the end, `changes` those of the opening.
    """

    files: Mapping[str, bytes] = field(default_factory=lambda: {f"latency/{LATENCY}/core_to_core.csv": TABLE})
    at: datetime = START
    controller: str = "controller-one"
    resumed: bool = False
    verdicts: Mapping[str, str] = field(default_factory=dict)
    warmups: tuple[str, ...] = ()
    kept_back: tuple[str, ...] = ()
    without_result: tuple[str, ...] = ()
    extra: tuple[dict[str, Any], ...] = ()
    changes: Mapping[str, Any] = field(default_factory=dict)

    def write(self, folder: Path) -> tuple[Path, RunState]:
        """Write the run below a folder; return its directory and its state."""
        run_dir = folder / "thor/20261121T080000Z"
        (run_dir / rundir.PREFLIGHT).mkdir(parents=True)
        self._records: list[bytes] = []
        self._open(run_dir)
        names = sorted({tuple(path.split("/")[:2]) for path in self.files})
        for adapter, name in names:
            self._execution(adapter, name)
        for adapter, name in names:
            self._collection(run_dir, adapter, name)
        self._add("noise", state="restored", settings={"governor": "powersave"})
        if self.resumed:
            self._resume()
        for record in self.extra:
            self._add(**record)
        self._add("run.closed", outcome="completed", failed_steps=[], exit_status=0)
        (run_dir / rundir.EVENTS).write_bytes(b"".join(self._records))
        return run_dir, documents.load(run_dir).state

    def _add(self, kind: str, **fields: Any) -> None:
        number = len(self._records) + 1
        at = utc_text(self.at + timedelta(seconds=number))
        self._records.append(
            journal.encode({"seq": number, "at": at, "mono": 1.0 * number, "kind": kind, **fields})
        )

    def _open(self, run_dir: Path) -> None:
        controller = {"pid": 1, "start_ticks": 1, "boot_id": "b", "hostname": self.controller, "user": "op"}
        adapters = sorted({path.split("/")[0] for path in self.files})
        self._add(
            "run.opened",
            **opened(
                **{
                    "benchmarks": adapters,
                    "executions": {},
                    "controller": controller,
                    "steps": [],
                    **self.changes,
                }
            ),
        )
        self._platform("6.12.9")
        topology = json.dumps(recorded.machine(cores=2).as_dict()).encode()
        self._artifact(run_dir, rundir.TOPOLOGY, topology, publishable=True)
        self._add("noise", state="verified", settings={"governor": "performance"})
        for adapter in adapters:
            self._packaging(adapter, "1.0.0")

    def _platform(self, kernel: str) -> None:
        self._add(
            "platform", machine="x86_64", os="linux", os_id="debian", os_version="13", kernel=kernel, cpus=8,
            memory_bytes=2**36, hostname="thor.internal.example", user="bencher", boot_id="x", machine_id_digest="y",
        )  # fmt: skip

    def _packaging(self, adapter: str, version: str) -> None:
        chosen = {
            "path": f"/srv/{self.controller}/dist/{adapter}-{version}-any.tar.gz", "source": "dist",
            "basis": "prebuilt", "version": version, "sha256": "ab" * 32, "platform": "any",
        }  # fmt: skip
        self._add("packaging", adapter=adapter, decision={"adapter": adapter, "chosen": chosen}, made=None)

    def _execution(self, adapter: str, name: str) -> None:
        of = {"adapter": adapter, "family": name.split(".")[1], "repeat": int(name.split(".")[2])}
        if name in self.warmups:
            # Warm-ups are told by the plan.
            plan = [{"execution_id": name, "family": of["family"], "repeat": of["repeat"], "warmup": True}]
            self._add("families", adapter=adapter, executions=plan, unavailable=[])
        self._add("execution.began", execution=name, job_dir=f"/root/{self.controller}", **of)
        verdict = self.verdicts.get(name, "valid")
        reasons = ["The machine was booted while it ran."] if verdict == "void" else []
        self._add(
            "verdict", execution=name, verdict=verdict, reasons=reasons, unknown=["sessions"], inputs={}
        )
        self._add("execution.ended", execution=name, outcome="passed", rc=0, duration_s=0.4)

    def _collection(self, run_dir: Path, adapter: str, name: str) -> None:
        for path, content in self.files.items():
            if path.startswith(f"{adapter}/{name}/"):
                place = f"{rundir.BENCHMARKS}/{path}"
                self._artifact(run_dir, place, content, publishable=path not in self.kept_back)
        if name in self.without_result:
            return
        place = f"{rundir.BENCHMARKS}/{adapter}/{name}/result.json"
        result = recorded.result(adapter, [recorded.metric("time", [1.0])])
        self._artifact(run_dir, place, json.dumps(result).encode(), publishable=False)
        self._add(
            "result", adapter=adapter, execution=name, family=name.split(".")[1], repeat=int(name.split(".")[2]),
            warmup=name in self.warmups, status="passed", metrics=[], path=place,
            headline=[{"label": "core to core", "value": 24.5, "unit": "ns"}],
        )  # fmt: skip

    def _artifact(self, run_dir: Path, path: str, content: bytes, *, publishable: bool) -> None:
        place = run_dir / path
        place.parent.mkdir(parents=True, exist_ok=True)
        place.write_bytes(content)
        self._add(
            "artifact", path=path, bytes=len(content), sha256=hashlib.sha256(content).hexdigest(),
            artifact_kind="table", publishable=publishable,
        )  # fmt: skip

    def _resume(self) -> None:
        """Let the run go on under another controller, on the same host with another kernel, with a newer bundle."""
        controller = {
            "pid": 2,
            "start_ticks": 2,
            "boot_id": "c",
            "hostname": "controller-two",
            "user": "other",
        }
        plan = {name: [] for name in ("steps", "again", "reused", "reattached", "superseded", "differences")}
        versions = {"rackbench": "0.2.0", "ansible_core": "2.20.0"}
        self._add(
            "run.resumed", by="other", controller=controller, versions=versions, project={}, inventory={},
            identity={}, phases=["publish"], executions={}, **plan,
        )  # fmt: skip
        self._platform("7.1.0")
        self._add("noise", state="applied", settings={"governor": "schedutil"})
        self._packaging("latency", "2.0.0")
        self._add("publish", adapter="latency", state="committed", target="latency")
