# SPDX-License-Identifier: Apache-2.0
"""The shell steps of a GitHub workflow, run here in their order as GitHub's runner runs them."""

from __future__ import annotations

import os
import re
import subprocess
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

import yaml

from tests.integration.harness import LIMIT_S, ROOT, Done

if TYPE_CHECKING:
    from collections.abc import Mapping
    from pathlib import Path

    from tests.integration.harness import LabProject
    from tests.standins.github import GithubStandin

REBASELINE, REGRESSION = "perf-rebaseline", "perf-regression"
TOKEN = "ghs_of_this_job"
REPOSITORY = "acme/wheel-lab"
FOLDER = ROOT / ".github/workflows"
EXPRESSION = re.compile(r"\$\{\{\s*(.*?)\s*\}\}")
# `shell: bash` and no shell at all are two things: only the first has pipefail. From GitHub's reference of workflows.
SHELLS = {
    "bash": ["bash", "--noprofile", "--norc", "-e", "-o", "pipefail"],
    None: ["bash", "-e"],
}
OUTPUT = re.compile(r"steps\.(\w+)\.outputs\.(\w+) == '(\w*)'")


def read(name: str) -> dict[str, Any]:
    """Return a workflow of this project."""
    document: dict[str, Any] = yaml.safe_load((FOLDER / f"{name}.yml").read_text())
    return document


def job_of(workflow: Mapping[str, Any]) -> dict[str, Any]:
    """Return the job of a workflow that does the work, which is its first."""
    return dict(next(iter(workflow["jobs"].values())))


def step_of(workflow: Mapping[str, Any], name: str) -> dict[str, Any]:
    """Return a step by its name."""
    (step,) = [each for each in job_of(workflow)["steps"] if each["name"] == name]
    return dict(step)


def shell_of(workflow: Mapping[str, Any], step: Mapping[str, Any]) -> str | None:
    """Return the shell that a step's commands are given to, None when nobody says."""
    shell = step.get("shell", workflow.get("defaults", {}).get("run", {}).get("shell"))
    return None if shell is None else str(shell)


def runner(
    project: LabProject, github: GithubStandin, folder: Path, *, password: str = "", **changes: str
) -> Checkout:
    """Return the workspace of a runner; `changes` stand in for lines of `env`, `password` is a secret."""
    environment = {
        **project.environ(),
        "GITHUB_REPOSITORY": REPOSITORY,
        "GITHUB_REF_NAME": "main",
        # Set for pull requests only.
        "GITHUB_BASE_REF": "",
        "GITHUB_SERVER_URL": f"https://{github.host}",
        # What gh needs for another host than github.com, where GH_TOKEN of the workflow is enough.
        "GH_HOST": github.host,
        "GH_ENTERPRISE_TOKEN": TOKEN,
        "SSL_CERT_FILE": str(github.ca),
    }
    values = {"github.token": TOKEN, "secrets.JUMP_PASSWORD": password}
    return Checkout(project.root, folder, environment, values, changes)


@dataclass
class Checkout:
    """A runner's workspace: a clone in which a workflow's shell steps run.

    `values` are the expressions that its `env` may use, such as `github.token`, with their values. `environment` is
    what the runner itself has; `changes` stand in for lines of the workflow's `env`.
    """

    root: Path
    scratch: Path
    environment: Mapping[str, str]
    values: Mapping[str, str] = field(default_factory=dict)
    changes: Mapping[str, str] = field(default_factory=dict)

    def run(
        self, workflow: Mapping[str, Any], run_id: str, *, only: str = "", temp: Path | None = None
    ) -> Ran:
        """Run the shell steps of a workflow up to the first one that fails.

        `only` names the one step to run, then with the files that an earlier run has left in `temp`.
        """
        job = job_of(workflow)
        if temp is None:
            temp = self.scratch / f"run-{run_id}"
            temp.mkdir()
        ran = Ran(temp)
        outputs: dict[tuple[str, str], str] = {}
        path: list[str] = []
        for step in job["steps"]:
            if "run" not in step or only not in {"", step["name"]} or not _wanted(step.get("if"), outputs):
                continue
            variables = {
                **workflow.get("env", {}),
                **job.get("env", {}),
                **self.changes,
                **step.get("env", {}),
            }
            files = {
                key: temp / key.lower() for key in ("GITHUB_PATH", "GITHUB_OUTPUT", "GITHUB_STEP_SUMMARY")
            }
            for each in files.values():
                each.touch()
            written = len(files["GITHUB_STEP_SUMMARY"].read_text())
            environment = {
                **self.environment,
                **{key: self._value(str(value), outputs) for key, value in variables.items()},
                **{key: str(value) for key, value in files.items()},
                "GITHUB_RUN_ID": run_id,
                "RUNNER_TEMP": str(temp),
                "PATH": os.pathsep.join([*reversed(path), self.environment["PATH"]]),
            }
            script = temp / "step.sh"
            script.write_text(step["run"])
            done = subprocess.run(
                [*SHELLS[shell_of(workflow, step)], script],
                cwd=self.root,
                env=environment,
                capture_output=True,
                text=True,
                stdin=subprocess.DEVNULL,
                timeout=LIMIT_S,
            )
            ran.steps[step["name"]] = Done(done.returncode, done.stdout, done.stderr)
            ran.summary += files["GITHUB_STEP_SUMMARY"].read_text()[written:]
            path = files["GITHUB_PATH"].read_text().split()
            for line in files["GITHUB_OUTPUT"].read_text().splitlines():
                key, _, value = line.partition("=")
                outputs[step["id"], key] = value
            files["GITHUB_OUTPUT"].write_text("")
            if done.returncode != 0:
                break
        return ran

    def _value(self, text: str, outputs: Mapping[tuple[str, str], str]) -> str:
        known = {f"steps.{step}.outputs.{name}": value for (step, name), value in outputs.items()}
        return EXPRESSION.sub(lambda match: {**known, **self.values}[match[1]], text)


@dataclass
class Ran:
    """What came of the steps, by their names in their order; the runner's directory for files; the job summary."""

    temp: Path
    steps: dict[str, Done] = field(default_factory=dict)
    summary: str = ""

    @property
    def rc(self) -> int:
        """The exit code of the last step that ran."""
        return list(self.steps.values())[-1].rc

    @property
    def said(self) -> str:
        """Everything that the steps printed, under their names."""
        return "\n".join(f"## {name}: {done.rc}\n{done.said}" for name, done in self.steps.items())


def _wanted(condition: str | None, outputs: Mapping[tuple[str, str], str]) -> bool:
    # The only condition that our shell steps have.
    if condition is None:
        return True
    match = OUTPUT.fullmatch(condition)
    assert match is not None, condition
    return outputs.get((match[1], match[2]), "") == match[3]
