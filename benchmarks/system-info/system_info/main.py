# SPDX-License-Identifier: Apache-2.0
"""The command: reads the job, collects, and writes all documents, result.json last."""

from __future__ import annotations

import argparse
import os
import signal
import sys
import time
from pathlib import Path

from system_info.captures import planned
from system_info.collect import Outcome, Settings, Stop, collect
from system_info.job import Job, JobError, read_job
from system_info.names import of_this_machine
from system_info.profile import profile
from system_info.redact import NONE, Redactor
from system_info.result import PASSED, Progress, manifest, result, utc, write_json, write_text
from system_info.summary import read_raw, summarise
from system_info.virtual import probe

EXIT_PASSED = 0
EXIT_NOT_PASSED = 1
EXIT_UNUSABLE_JOB = 2
EXIT_MACHINE_LACKS = 3

# The part of the job's time limit that is kept for writing the documents, and its upper bound in seconds.
_WRITING_SHARE = 0.1
_WRITING_AT_MOST_S = 2.0


def main(arguments: list[str]) -> int:
    """Runs one job and returns the exit code of the job contract."""
    stop = Stop()

    def request_stop(_number: int, _frame: object) -> None:
        stop.requested = True

    signal.signal(signal.SIGTERM, request_stop)
    parser = argparse.ArgumentParser(prog="bin/run", description="Records what this machine is.")
    parser.add_argument("--config", required=True, type=Path, help="the job description (job.json)")
    parser.add_argument("--out", required=True, type=Path, help="an empty directory for everything written")
    options = parser.parse_args(arguments)
    try:
        job = read_job(options.config)
    except JobError as error:
        return _fail(EXIT_UNUSABLE_JOB, str(error))
    if not options.out.is_dir():
        return _fail(EXIT_UNUSABLE_JOB, f"{options.out} is not a directory")
    if not sys.platform.startswith("linux"):
        return _fail(EXIT_MACHINE_LACKS, f"this program reads Linux interfaces, and this is {sys.platform}")
    if job.cpus is not None:
        try:
            os.sched_setaffinity(0, job.cpus)
        except (OSError, OverflowError) as error:
            return _fail(EXIT_MACHINE_LACKS, f"the CPUs {job.cpus} cannot be used: {error}")
    try:
        return _run(job, options.out, stop)
    except OSError as error:
        return _fail(EXIT_NOT_PASSED, f"the output cannot be written: {error}")


def _run(job: Job, out: Path, stop: Stop) -> int:
    began = time.monotonic()
    started_at = utc(time.time())
    for_writing = min(_WRITING_SHARE * job.time_limit_s, _WRITING_AT_MOST_S)
    deadline = began + job.time_limit_s - for_writing
    redactor = Redactor(job.redact) if job.redact == NONE else Redactor(job.redact, of_this_machine())
    settings = Settings(out, redactor, job.capture_time_limit_s, deadline)
    captures = planned(redact=job.redact != NONE, kind=job.captures)
    progress = Progress(out / "progress.ndjson", len(captures))

    def on_done(outcome: Outcome) -> None:
        progress.add(f"{outcome.capture.name} {outcome.status}")

    try:
        outcomes = collect(captures, settings, stop, on_done)
    finally:
        progress.close()
    probes = {place: redactor.text(said) for place, said in probe().items()}
    summary = summarise(read_raw(out), [outcome.status for outcome in outcomes], started_at, probes)
    write_json(out / "summary.json", summary.facts)
    write_json(out / "manifest.json", manifest(summary, outcomes, settings))
    write_text(out / "system_profile.md", profile(summary.facts, outcomes))
    # A SIGTERM during the writing changes nothing: everything is there by then.
    stopped = stop.requested
    duration_s = time.monotonic() - began
    document = result(summary, outcomes, stopped=stopped, started_at=started_at, duration_s=duration_s)
    write_json(out / "result.json", document)
    return EXIT_PASSED if document["status"] == PASSED else EXIT_NOT_PASSED


def _fail(code: int, message: str) -> int:
    print(f"system-info: {message}", file=sys.stderr)
    return code
