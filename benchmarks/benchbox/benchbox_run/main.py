# SPDX-License-Identifier: Apache-2.0
"""The command: reads the job, runs BenchBox, keeps its bundle and judges it, and writes result.json last."""

from __future__ import annotations

import argparse
import hashlib
import json
import os
import shutil
import signal
import sys
import time
from pathlib import Path
from typing import Any

from benchbox_run import NAME, environment, program
from benchbox_run.job import Job, JobError, read_job
from benchbox_run.program import Ended, Progress, Stop
from benchbox_run.reading import BundleError, Check, Reading, read

SCHEMA = "rackbench.result/1.0"
EXIT_PASSED = 0
EXIT_NOT_PASSED = 1
EXIT_UNUSABLE_JOB = 2
EXIT_MACHINE_LACKS = 3
LOG = "benchbox.log"
BUNDLES = "bundle"

# The part of the job's time limit that is kept for writing, and its upper bound in seconds.
_WRITING_SHARE = 0.1
_WRITING_AT_MOST_S = 2.0


def main(arguments: list[str]) -> int:
    """Runs one job and returns the exit code of the job contract."""
    stop = Stop()

    def request_stop(_number: int, _frame: object) -> None:
        stop.requested = True

    signal.signal(signal.SIGTERM, request_stop)
    parser = argparse.ArgumentParser(prog="bin/run", description="Runs a benchmark of BenchBox.")
    parser.add_argument("--config", required=True, type=Path, help="the job description (job.json)")
    parser.add_argument("--out", required=True, type=Path, help="an empty directory for everything written")
    options = parser.parse_args(arguments)
    try:
        job = read_job(options.config)
    except JobError as error:
        return _fail(EXIT_UNUSABLE_JOB, str(error))
    if not options.out.is_dir():
        return _fail(EXIT_UNUSABLE_JOB, f"{options.out} is not a directory")
    python = environment.python()
    if not python.exists():
        return _fail(EXIT_MACHINE_LACKS, f"the Python environment of BenchBox is not there: {python}")
    if job.cpus is not None:
        try:
            os.sched_setaffinity(0, job.cpus)
        except (OSError, OverflowError) as error:
            return _fail(EXIT_MACHINE_LACKS, f"the CPUs {job.cpus} cannot be used: {error}")
    try:
        return _run(job, python, options.out.resolve(), stop)
    except OSError as error:
        return _fail(EXIT_NOT_PASSED, f"{error.filename or 'the output'}: {error.strerror}")


def _run(job: Job, python: Path, out: Path, stop: Stop) -> int:
    began = time.monotonic()
    started_at = time.strftime("%Y-%m-%dT%H:%M:%SZ", time.gmtime())
    deadline = began + job.time_limit_s - min(_WRITING_SHARE * job.time_limit_s, _WRITING_AT_MOST_S)
    # Data and database: of no use afterwards, and large.
    work = out / "work"
    work.mkdir()
    progress = Progress(out / "progress.ndjson", job)
    try:
        argv = program.command(python, job)
        ended = program.run(argv, work, out / LOG, deadline, stop, progress.see)
        kept = _keep(work / program.RESULTS, out / BUNDLES)
    finally:
        progress.close()
        shutil.rmtree(work, ignore_errors=True)
    reading = _judge(kept, job, ended)
    document = _document(job, ended, reading, started_at, time.monotonic() - began)
    for name, sha256 in ((path.name, hashlib.sha256(path.read_bytes()).hexdigest()) for path in kept):
        document["facts"].setdefault("bundle_files", {})[f"{BUNDLES}/{name}"] = sha256
    _write(out / "result.json", document)
    for reason in _reasons(document):
        print(f"{NAME}: {reason}", file=sys.stderr)
    return EXIT_PASSED if document["status"] == "passed" else EXIT_NOT_PASSED


def _keep(results: Path, place: Path) -> list[Path]:
    """Copies what BenchBox exported, byte for byte, and returns the copies: its bundle, and files beside that."""
    found = sorted(path for path in results.glob("*") if path.is_file())
    if found:
        place.mkdir()
    return [Path(shutil.copyfile(path, place / path.name)) for path in found]


def _judge(kept: list[Path], job: Job, ended: Ended) -> Reading:
    """Returns what the bundle says, with a check that it is there and one that BenchBox ended well."""
    if ended.cut_short:
        return Reading([])
    said = f": {ended.error}" if ended.error else ""
    well = Check("benchbox_ended_well", ended.rc == 0, f"exit code {ended.rc}{said if ended.rc else ''}")
    # Beside the bundle lie files such as NAME.plans.json.
    bundles = [path for path in kept if path.suffix == ".json" and "." not in path.stem]
    if len(bundles) != 1:
        left = f"{len(bundles) or 'no'} result bundles"
        return Reading([well, _bundle(problem=f"BenchBox ended with {ended.rc} and left {left}{said}")])
    try:
        reading = read(bundles[0], job)
    except BundleError as error:
        return Reading([well, _bundle(problem=f"the bundle cannot be used: {error}")])
    return Reading([well, _bundle(), *reading.checks], reading.samples, reading.facts)


def _bundle(problem: str = "") -> Check:
    return Check("result_bundle", not problem, problem)


def _document(job: Job, ended: Ended, reading: Reading, started_at: str, duration_s: float) -> dict[str, Any]:
    labels = {"benchmark": job.benchmark}
    metrics = [
        _metric("query_time", list(times.values()), {**labels, "query": query})
        for query, times in reading.samples.items()
        if query in job.queries
    ]
    if totals := reading.totals(job):
        metrics.append(_metric("total_time", totals, labels))
    good = all(check.ok for check in reading.checks)
    version = reading.facts.get("benchbox_version") or environment.pinned_version()
    return {
        "schema": SCHEMA,
        "benchmark": {"name": NAME, "version": str(version)},
        "status": "partial" if ended.cut_short else "passed" if good else "failed",
        "started_at": started_at,
        "duration_s": round(duration_s, 6),
        "metrics": metrics,
        "checks": [{"name": each.name, "ok": each.ok, "detail": each.detail} for each in reading.checks],
        "skipped": [{"name": job.benchmark, "reason": ended.cut_short}] if ended.cut_short else [],
        "facts": {
            "benchbox_version": version,
            "benchmark": job.benchmark,
            "platform": job.platform,
            "scale": job.scale,
            "iterations": job.iterations,
            **reading.facts,
        },
    }


def _metric(name: str, samples: list[float], labels: dict[str, str]) -> dict[str, Any]:
    return {"name": name, "unit": "s", "direction": "lower", "samples": samples, "labels": labels}


def _reasons(document: dict[str, Any]) -> list[str]:
    failed = [f"{check['name']}: {check['detail']}" for check in document["checks"] if not check["ok"]]
    return failed + [f"{each['name']} was not measured: {each['reason']}" for each in document["skipped"]]


def _write(path: Path, document: dict[str, Any]) -> None:
    temporary = path.with_name(f".{path.name}.tmp")
    with temporary.open("w", encoding="utf-8") as stream:
        json.dump(document, stream, indent=2, allow_nan=False)
        stream.write("\n")
        stream.flush()
        os.fsync(stream.fileno())
    temporary.replace(path)


def _fail(code: int, message: str) -> int:
    print(f"{NAME}: {message}", file=sys.stderr)
    return code
