# SPDX-License-Identifier: GPL-3.0-or-later
"""Plan a run on one host and make its directory."""

from __future__ import annotations

import contextlib
import os
import secrets
import shlex
import typing as t

from ansible.utils.vars import load_extra_vars
from ansible_collections.rackbench.lab.plugins.plugin_utils import _adapters, _lease, _ledger_link, _planning
from ansible_collections.rackbench.lab.plugins.plugin_utils._action import MISSING, LabAction

if t.TYPE_CHECKING:
    from pathlib import Path

if MISSING is None:
    from rackbench import clock, templates
    from rackbench.adapters import export
    from rackbench.adapters.catalog import require
    from rackbench.adapters.plan import ROLE_PHASES
    from rackbench.adapters.settings import changed
    from rackbench.errors import RackbenchError
    from rackbench.ledger import labels, rundir


class ActionModule(LabAction):
    """`rackbench.lab.plan`."""

    ARGUMENTS: t.ClassVar[dict[str, t.Any]] = {
        "template": {"type": "str"},
        "benchmarks": {"type": "list", "elements": "str"},
        "families": {"type": "list", "elements": "str", "default": []},
        "phases": {"type": "list", "elements": "str"},
        "repeats": {"type": "int"},
        "repeats_until": {"type": "float"},
        "repeats_max": {"type": "int", "default": 20},
        "warmups": {"type": "int", "default": 0},
        "lease_dir": {"type": "str", "default": "/var/tmp/rackbench"},  # noqa: S108 - for every user of the target
        "wait": {"type": "bool", "default": False},
        "steal": {"type": "bool", "default": False},
        "steal_reason": {"type": "str"},
        "noise": {"type": "dict", "default": {}},
        "tags": {"type": "list", "elements": "str", "default": []},
        "limit": {"type": "str"},
        "bundles": {"type": "dict", "default": {}},
        "bundle_cache": {"type": "str"},
        "cache_dir": {"type": "path", "default": ".rackbench"},
        "dist_dir": {"type": "path", "default": "dist"},
        "benchmark_repos": {"type": "dict", "default": {}},
        "settings": {"type": "dict", "default": {}},
        "set": {"type": "list", "elements": "str", "default": []},
        "require_signature": {"type": "bool", "default": False},
        "allowed_signers": {"type": "path"},
        "store_quota_bytes": {"type": "int"},
        "runs_dir": {"type": "path", "default": "automation-runs"},
        "export_formats": {"type": "list", "elements": "str", "default": ["json", "csv", "markdown"]},
        "publish_targets": {"type": "dict", "default": {}},
        "label": {"type": "str"},
        "parent": {"type": "str"},
        "rerun_of": {"type": "str"},
        "worker_group_id": {"type": "int", "default": 0},
        "worker_group_count": {"type": "int", "default": 1},
        "begin": {"type": "bool", "default": True},
    }

    def work(self, args: dict[str, t.Any], task_vars: dict[str, t.Any]) -> dict[str, t.Any]:
        hosts = sorted(task_vars["ansible_play_hosts_all"])
        self._check(args, len(hosts))
        catalog = _adapters.catalog(self.project)
        require(catalog, [*args["bundles"], *args["benchmark_repos"]])
        args, with_template = self._with_template(args)
        args["settings"] = changed(args["settings"], args["set"])
        with with_template:
            planned = _planning.planned(catalog, args, args["phases"])
        for step in planned.steps:
            if step.phase in ROLE_PHASES:
                _adapters.require_tasks(catalog[str(step.adapter)], step.phase)
        runs_dir = self.in_project(args["runs_dir"])
        asked = {
            "benchmarks": planned.benchmarks,
            "options": self._options(args),
            "runs_dir": str(runs_dir),
        }
        if hosts.index(self.host) % args["worker_group_count"] != args["worker_group_id"]:
            msg = f"{self.host} belongs to another worker of this group."
            return {"mine": False, "begun": False, "msg": msg, "steps": [], **asked}
        if not args["begin"]:
            return {"mine": True, "begun": False, "steps": [], **asked}
        run_dir = self._make_directory(runs_dir)
        opened = {
            "run_id": rundir.run_id_of(run_dir),
            "host": self.host,
            "run_dir": os.path.relpath(run_dir, self.project),
            "check": self.check_mode,
            "phases": planned.phases,
            "benchmarks": planned.benchmarks,
            "steps": [step.as_dict() for step in planned.steps],
            "executions": planned.executions,
            "options": asked["options"],
            "lease_id": f"{rundir.run_id_of(run_dir)}-{secrets.token_hex(4)}",
            "parent": args["parent"] or (_ledger_link.session() if len(hosts) > 1 else None),
            "rerun_of": args["rerun_of"],
            "worker": {"group_id": args["worker_group_id"], "group_count": args["worker_group_count"]},
            **_planning.opening(self.project, [catalog[name] for name in planned.benchmarks], task_vars),
        }
        self.open_run(run_dir, "run.opened", opened)
        steps = _planning.for_play(planned.steps)
        begun = {"run_dir": str(run_dir), "run_id": opened["run_id"], "steps": steps}
        return {"mine": True, "begun": True, **begun, **asked}

    def run(self, tmp: str | None = None, task_vars: dict[str, t.Any] | None = None) -> dict[str, t.Any]:
        self._opened: dict[str, t.Any] | None = None
        result = super().run(tmp, task_vars)
        if self._opened:
            result["rackbench"]["open"] = self._opened
        return result

    def _with_template(
        self, args: dict[str, t.Any]
    ) -> tuple[dict[str, t.Any], contextlib.AbstractContextManager[None]]:
        """Return the arguments with what their template says, and what lets it be named in refusals."""
        templates.check_tags(args["tags"])
        if not args["template"]:
            return args, contextlib.nullcontext()
        places = templates.folders(self.project, _adapters.COLLECTION)
        template = templates.load(args["template"], places)
        by_user = load_extra_vars(self._loader)
        given = {name for name in self.ARGUMENTS if f"lab_{name}" in by_user}
        return template.applied(args, given), template.named(given | ({"settings"} if args["set"] else set()))

    @staticmethod
    def _options(args: dict[str, t.Any]) -> dict[str, t.Any]:
        """Return the settings that later steps read; of publish targets only names, as addresses may hold tokens."""
        not_kept = {"set", "limit", "parent", "rerun_of", "runs_dir", "begin"}
        kept = {name: value for name, value in args.items() if name not in not_kept}
        return {**kept, "publish_targets": sorted(args["publish_targets"])}

    def _check(self, args: dict[str, t.Any], hosts: int) -> None:
        if not args["limit"]:
            raise RackbenchError(
                "no_limit",
                "This run was not limited to hosts, and Rackbench does not run everywhere by accident.",
                next_command=shlex.join(["ansible-playbook", "run.yml", "-l", self.host]),
            )
        forks = int(self._task_vars.get("ansible_forks") or 5)
        if hosts > forks:
            raise RackbenchError("too_many_hosts", f"{hosts} hosts were asked for, with {forks} forks.")
        if not 0 <= args["worker_group_id"] < args["worker_group_count"]:
            raise RackbenchError(
                "unknown_option",
                f"worker_group_id is {args['worker_group_id']}, and must be from 0 to worker_group_count - 1 "
                f"({args['worker_group_count'] - 1}).",
            )
        export.check_formats(args["export_formats"])
        labels.check(args["label"])
        _lease.require_reason(args["steal"], args["steal_reason"])
        # A shared cache that nobody can read is known before any host is called.
        _adapters.Bundles(args, self.project)

    def _make_directory(self, runs_dir: Path) -> Path:
        root = runs_dir / "dry-runs" if self.check_mode else runs_dir
        try:
            return rundir.create(root, self.host, clock.utc_now(), dated=not self.check_mode)
        except OSError as error:
            raise RackbenchError(
                "run_directory_failed",
                f"No run directory can be made below {root}: {error}.",
                where=str(root),
            ) from error
