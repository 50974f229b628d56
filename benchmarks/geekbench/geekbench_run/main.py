# SPDX-License-Identifier: Apache-2.0
"""The command: reads the job, runs the operator's Geekbench, and judges it by what it left, never by its exit code."""

from __future__ import annotations

import argparse
import os
import shutil
import signal
import sys
import time
from pathlib import Path

from geekbench_run import install
from geekbench_run.job import Job, JobError, read_job
from geekbench_run.output import MULTI, SINGLE, ExportError, Output, read_export
from geekbench_run.program import Stop, run
from geekbench_run.result import PASSED, Findings, Progress, document, keep_claim, write_json, write_text
from geekbench_run.secrecy import Redactor

EXIT_PASSED = 0
EXIT_NOT_PASSED = 1
EXIT_UNUSABLE_JOB = 2
EXIT_MACHINE_LACKS = 3

# What it takes a program to say what it is.
_ABOUT_S = 60.0
_SWITCHES = {"all": [], "single": ["--single-core"], "multi": ["--multi-core"]}
_WANTED = {"all": (SINGLE, MULTI), "single": (SINGLE,), "multi": (MULTI,)}


def main(arguments: list[str]) -> int:
    """Runs one job and returns the exit code of the job contract."""
    stop = Stop()

    def request_stop(_number: int, _frame: object) -> None:
        stop.requested = True

    signal.signal(signal.SIGTERM, request_stop)
    parser = argparse.ArgumentParser(prog="bin/run", description="Runs the operator's own Geekbench.")
    parser.add_argument("--config", required=True, type=Path, help="the job description (job.json)")
    parser.add_argument("--out", required=True, type=Path, help="an empty directory for everything written")
    options = parser.parse_args(arguments)
    try:
        job = read_job(options.config)
    except JobError as error:
        return _say(EXIT_UNUSABLE_JOB, str(error))
    if not options.out.is_dir():
        return _say(EXIT_UNUSABLE_JOB, f"{options.out} is not a directory")
    if job.cpus is not None:
        try:
            os.sched_setaffinity(0, job.cpus)
        except (OSError, OverflowError) as error:
            return _say(EXIT_MACHINE_LACKS, f"the CPUs {job.cpus} cannot be used: {error}")
    try:
        return _Run(job, options.out, stop).run()
    except OSError as error:
        return _say(EXIT_NOT_PASSED, f"Geekbench cannot be run: {error}")


def _say(code: int, message: str) -> int:
    print(f"geekbench: {message}", file=sys.stderr)
    return code


class _Run:
    """One run of Geekbench."""

    def __init__(self, job: Job, out: Path, stop: Stop) -> None:
        self.job = job
        self.out = out
        self.stop = stop
        self.found = Findings(Output())
        self.redact = Redactor()
        self.began = time.monotonic()
        self.started_at = time.strftime("%Y-%m-%dT%H:%M:%SZ", time.gmtime())

    def run(self) -> int:
        """Does everything, and returns the exit code. Raises OSError."""
        try:
            original = install.find_program(self.job.source, self.job.version)
        except install.NoGeekbenchError as error:
            self.found.fail("attachment_unfit", f"{error}.")
            return self._finish(EXIT_MACHINE_LACKS)
        licence = self.job.licence or install.own_licence(original)
        if licence is not None:
            self.redact = Redactor(licence.read_bytes())
        work = self.job.private / "work"
        self.job.private.mkdir(mode=0o700, exist_ok=True)
        try:
            program = install.private_copy(original, work, licence)
            self._execute(program, has_licence=licence is not None)
        finally:
            # The supervisor takes the directory away as well, should this program be killed.
            shutil.rmtree(work, ignore_errors=True)
        return self._finish(EXIT_NOT_PASSED)

    def _execute(self, program: Path, *, has_licence: bool) -> None:
        about = Output()
        run([str(program), "--sysinfo"], lambda line: _forget(about.take(line)), self.stop, _ABOUT_S)
        licensed = has_licence or about.licensed
        self.found.output.simulated = about.simulated
        self.found.facts = {
            "version": about.version,
            "edition": about.edition.lower() or ("pro" if licensed else "tryout"),
            "archive_sha256": self.job.sha256,
            "section": self.job.section,
            "result_url": None,
        }
        if not licensed and (refusal := self._needs_licence()):
            self.found.fail("licence_required", refusal)
            return
        export = program.parent / "export.json"
        # A licence stands in no command line, where everybody may read it: it is in the preferences beside the program.
        pro = ["--upload" if self.job.upload else "--no-upload", "--export-json", str(export)]
        argv = [str(program), *(pro if licensed else []), *_SWITCHES[self.job.section]]
        rc = self._run_and_listen(argv)
        if self.found.output.claim_url:
            keep_claim(self.out, self.found.output.claim_url)
        self._judge(rc, export if licensed else None)

    def _needs_licence(self) -> str | None:
        if not self.job.upload:
            return "Geekbench uploads its result unless it has a licence, and this run must not upload."
        if self.job.section != "all":
            return f"Only a licensed Geekbench runs the {self.job.section}-core section alone."
        return None

    def _run_and_listen(self, argv: list[str]) -> int | None:
        """Runs Geekbench, writes down what it says, and returns its exit code; None if it was ended."""
        output = self.found.output
        progress = Progress(self.out / "progress.ndjson")
        try:
            with (self.out / "geekbench.txt").open(
                "w", encoding="utf-8", errors="backslashreplace"
            ) as transcript:

                def take(line: str) -> None:
                    transcript.write(self.redact(line) + "\n")
                    transcript.flush()
                    workload = output.take(line)
                    if workload is not None:
                        progress.add(output.begun - 1, self.redact(workload))

                return run(argv, take, self.stop)
        finally:
            progress.close()

    def _judge(self, rc: int | None, export: Path | None) -> None:
        """Says what came of it, by what there is."""
        found, output = self.found, self.found.output
        found.facts.update(
            version=output.version or found.facts["version"],
            result_url=output.result_url,
            exit_code=rc,
            workloads=output.workloads,
        )
        found.scores = dict(output.scores)
        exported = export is not None and self._take_export(export)
        if rc is None:
            found.fail("result_truncated", f"Geekbench was ended from outside{_after(output)}.")
        elif not output.begun:
            self._began_nothing(rc, licensed=export is not None)
        else:
            if self.job.upload:
                self._judge_upload()
            if export is not None and not exported:
                found.fail("result_truncated", f"Geekbench exported no whole result{_after(output)}.")
        if not found.scores:
            words = "this edition prints no scores; they are behind the link to the result"
            found.skipped.append({"name": "score", "reason": words})

    def _began_nothing(self, rc: int, *, licensed: bool) -> None:
        if licensed:
            words = f"Geekbench refused what only its Pro edition does (exit code {rc}): the licence was not accepted."
            self.found.fail("licence_refused", words)
        else:
            words = f"Geekbench ended before any workload, with exit code {rc}."
            self.found.fail("result_truncated", words)

    def _take_export(self, export: Path) -> bool:
        """Reads the exported document and keeps it; returns whether it has the scores of the section asked for."""
        found = self.found
        try:
            text = export.read_text(encoding="utf-8", errors="replace")
        except OSError:
            return found.check("exported", "there is no exported document", ok=False)
        write_text(self.out / "geekbench.json", self.redact(text))
        try:
            scores, workloads, simulated = read_export(text)
        except ExportError as error:
            return found.check("exported", str(error), ok=False)
        found.scores.update(scores)
        found.workload_scores = workloads
        found.simulated = simulated
        missing = ", ".join(name for name in _WANTED[self.job.section] if name not in scores)
        return found.check("exported", f"no score of {missing}" if missing else "it is whole", ok=not missing)

    def _judge_upload(self) -> None:
        found, output = self.found, self.found.output
        if output.result_url is not None:
            found.check("uploaded", output.result_url, ok=True)
        elif output.upload_problem is not None:
            problem = self.redact(output.upload_problem)
            found.check("uploaded", problem, ok=False)
            found.fail("upload_refused", f"Geekbench could not upload its result: {problem}")
        else:
            found.check("uploaded", "there is no link to a result", ok=False)
            words = f"What Geekbench says ends{_after(output)}, without a link to a result."
            found.fail("result_truncated", words)

    def _finish(self, code_of_failure: int) -> int:
        """Writes result.json as the last act, and returns the exit code."""
        result = document(self.found, self.started_at, time.monotonic() - self.began)
        # Geekbench's own words stand in each of these; the rest is ours, and readers need it as it is.
        told = ("metrics", "checks", "skipped", "facts", "failure")
        result.update({name: self.redact.all_of(result[name]) for name in told if name in result})
        write_json(self.out / "result.json", result)
        if result["status"] == PASSED:
            return EXIT_PASSED
        return _say(code_of_failure, result["failure"]["message"])


def _forget(_workload: str | None) -> None:
    return None


def _after(output: Output) -> str:
    """Says how far the output came."""
    if not output.workloads:
        return " before any workload"
    section, names = list(output.workloads.items())[-1]
    return f" in the {section.replace('_', '-')} section after {names[-1]} began"
