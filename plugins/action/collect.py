# SPDX-License-Identifier: GPL-3.0-or-later
"""Fetch what executions left on the host, register it, and read their results."""

from __future__ import annotations

import shutil
import typing as t

from ansible_collections.rackbench.lab.plugins.plugin_utils import _adapters
from ansible_collections.rackbench.lab.plugins.plugin_utils._action import MISSING, RUN_DIR
from ansible_collections.rackbench.lab.plugins.plugin_utils._jobs import JobAction

if MISSING is None:
    from rackbench.adapters.results import read_result, summarise
    from rackbench.errors import RackbenchError
    from rackbench.ledger import rundir

if t.TYPE_CHECKING:
    from pathlib import Path

    from rackbench.adapters.catalog import Adapter

# The kinds of what is not named by the adapter's `artifacts`.
JOB_KINDS = {
    "job.json": "job",
    "spec.json": "job",
    "state.json": "job",
    "conditions.json": "job",
    "stop.json": "job",
    "stdout": "log",
    "stderr": "log",
    "supervisor.log": "log",
}
OUT_KINDS = {"result.json": "result", "progress.ndjson": "progress"}


class ActionModule(JobAction):
    """`rackbench.lab.collect`."""

    ARGUMENTS: t.ClassVar[dict[str, t.Any]] = {
        **RUN_DIR,
        "adapter": {"type": "str", "required": True},
        "executions": {"type": "list", "elements": "dict", "required": True},
    }

    def work(self, args: dict[str, t.Any], task_vars: dict[str, t.Any]) -> dict[str, t.Any]:
        adapter = _adapters.catalog(self.project)[args["adapter"]]
        left_out = {name for name, each in self.state().executions.items() if each.not_needed}
        executions = [each for each in args["executions"] if each["execution_id"] not in left_out]
        names = [str(execution["execution_id"]) for execution in executions]
        self.go_where_it_runs(adapter)
        if self.check_mode:
            return {"changed": True, "msg": f"would collect {', '.join(names)}"}
        place = self.run_dir / rundir.BENCHMARKS / adapter.name
        try:
            place.mkdir(parents=True, exist_ok=True)
            # Beside the run directories and not in one, so that a kill leaves nothing half-written in the run.
            temporary = self.run_dir.parents[2] / f".collect-{rundir.run_id_of(self.run_dir)}"
            shutil.rmtree(temporary, ignore_errors=True)
            # Files in it may be for their owner only, and are together in one archive at first.
            temporary.mkdir(mode=0o700)
            try:
                self._fetch(names, temporary, place, adapter)
            finally:
                shutil.rmtree(temporary, ignore_errors=True)
        except OSError as error:
            raise RackbenchError(
                "run_directory_failed",
                f"The results cannot be written below {place}: {error.strerror or error}.",
                where=str(error.filename or place),
            ) from error
        self._read_results(adapter, executions)
        return {"changed": True, "path": str(place)}

    def _fetch(self, names: list[str], temporary: Path, place: Path, adapter: Adapter) -> None:
        """Bring the executions' directories to their places and register their files."""
        self.fetch(names, temporary)
        for name in names:
            if (temporary / "unpacked" / name).is_dir():
                self._keep(adapter, name, temporary, place / name)

    def _keep(self, adapter: Adapter, name: str, temporary: Path, place: Path) -> None:
        """Put one execution's files to their place: the benchmark's own beside what we know of the job."""
        job = temporary / "unpacked" / name
        kinds = _kinds(adapter, job / "out")
        out = temporary / f"{name}.out"
        (job / "out").rename(out)
        for path in sorted(out.iterdir()):
            target = job / path.name
            while target.exists() or target.is_symlink():
                target = target.with_name(f"{target.name}.out")
            _rename_kinds(kinds, path.name, target.name)
            path.rename(target)
        if place.exists():
            shutil.rmtree(place)
        job.rename(place)
        for path in sorted(path for path in place.rglob("*") if path.is_file() and not path.is_symlink()):
            relative = path.relative_to(place).as_posix()
            kind, publishable = kinds.get(relative, (JOB_KINDS.get(relative, "other"), False))
            self.register(path, kind=kind, publishable=publishable, execution=name)

    def _read_results(self, adapter: Adapter, executions: list[dict[str, t.Any]]) -> None:
        """Record each result. Raises after all were read; first comes what execute did not report already."""
        passed = [name for name, each in self.state().executions.items() if each.outcome == "passed"]
        failures: list[tuple[bool, RackbenchError]] = []
        for execution in executions:
            name = str(execution["execution_id"])
            place = f"{rundir.BENCHMARKS}/{adapter.name}/{name}"
            try:
                result = read_result(self.run_dir / place / "result.json")
                metrics, headline = summarise(result, adapter)
            except RackbenchError as error:
                failures.append((name not in passed, self._unusable(error, place)))
                continue
            self.record(
                "result",
                adapter=adapter.name,
                execution=name,
                family=execution["family"],
                repeat=execution["repeat"],
                warmup=bool(execution.get("warmup")),
                status=result.status,
                metrics=metrics,
                headline=headline,
                path=f"{place}/result.json",
                simulated=result.simulated,
            )
        if failures:
            raise min(failures, key=lambda failure: failure[0])[1]

    def _unusable(self, error: RackbenchError, place: str) -> RackbenchError:
        """Return the failure with paths as documents have them: relative to the run directory."""
        reading = "stderr" if error.code == "result_missing" else "result.json"
        return RackbenchError(
            error.code,
            error.message.replace(f"{self.run_dir}/", ""),
            where=f"{place}/result.json",
            next_path=f"{place}/{reading}",
            detail=error.detail,
        )


def _kinds(adapter: Adapter, out: Path) -> dict[str, tuple[str, bool]]:
    """Return kind and publishability of the benchmark's files by their path below `out`: the first glob that fits."""
    kinds: dict[str, tuple[str, bool]] = {}
    for rule in adapter.artifacts:
        # Before Python 3.13 a `**` at the end stood for directories alone.
        for path in out.glob(f"{rule.glob}/*" if rule.glob.endswith("**") else rule.glob):
            kinds.setdefault(path.relative_to(out).as_posix(), (rule.kind, rule.publishable))
    for name, kind in OUT_KINDS.items():
        kinds.setdefault(name, (kind, False))
    return kinds


def _rename_kinds(kinds: dict[str, tuple[str, bool]], old: str, new: str) -> None:
    """Follow a benchmark's file that has the name of one of ours, and so had to be called otherwise."""
    if old == new:
        return
    for path in [path for path in kinds if path == old or path.startswith(f"{old}/")]:
        kinds[new + path[len(old) :]] = kinds.pop(path)
