# SPDX-License-Identifier: Apache-2.0
"""The webhook against real servers on this machine: who is told what and when, and what happens if nobody listens."""

from __future__ import annotations

import contextlib
import json
import os
import signal
import socket
import subprocess
import threading
import time
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import TYPE_CHECKING, Any

import pytest
from rackbench.ledger import journal, notify
from rackbench.ledger.recorder import Recorder
from rackbench.models.journal import JournalRecord
from rackbench.models.notification import Notification

from tests.integration import made_up
from tests.integration.harness import LabProject, Run, make_project
from tests.unit.ledger.samples import Script, make_run_dir, opened

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator
    from pathlib import Path

TOKEN = "canary-52b7e1"
LIMIT_S = 300
# What a server does with a request when it is no status code.
SILENCE = 0
BODY = {"event": "finished"}


class Server:
    """A web server: it answers each request with the next of its codes, and with the last one from then on."""

    def __init__(self, *codes: int, location: str = "") -> None:
        self.bodies: list[dict[str, Any]] = []
        self.paths: list[str] = []
        self.released = threading.Event()
        server = self

        class Handler(BaseHTTPRequestHandler):
            def do_POST(self) -> None:
                self.answer(json.loads(self.rfile.read(int(self.headers["Content-Length"]))))

            def do_GET(self) -> None:
                self.answer({})

            def answer(self, body: dict[str, Any]) -> None:
                code = codes[min(len(server.bodies), len(codes) - 1)]
                server.paths.append(self.path)
                server.bodies.append(body)
                if code == SILENCE:
                    server.released.wait(LIMIT_S)
                    return
                self.send_response(code)
                if location:
                    self.send_header("Location", location)
                self.end_headers()

            def log_message(self, *_args: Any) -> None:
                """Say nothing."""

        self._http = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
        self._http.daemon_threads = True
        self.url = f"http://127.0.0.1:{self._http.server_port}/hooks/{TOKEN}"
        self._thread = threading.Thread(target=self._http.serve_forever, daemon=True)
        self._thread.start()

    def close(self) -> None:
        """End the server."""
        self.released.set()
        self._http.shutdown()
        self._http.server_close()

    @property
    def events(self) -> list[str]:
        """What was told."""
        return [body["event"] for body in self.bodies]


@contextlib.contextmanager
def serving(*codes: int, location: str = "") -> Iterator[Server]:
    """Run a server in the block."""
    server = Server(*codes, location=location)
    try:
        yield server
    finally:
        server.close()


@contextlib.contextmanager
def nobody() -> Iterator[str]:
    """Give an address at which nobody listens, and nobody else can begin to."""
    with socket.socket() as taken:
        taken.bind(("127.0.0.1", 0))
        yield f"http://127.0.0.1:{taken.getsockname()[1]}/{TOKEN}"


@pytest.fixture(autouse=True)
def no_proxy(monkeypatch: pytest.MonkeyPatch) -> None:
    """Keep what is meant for this machine on it."""
    monkeypatch.setenv("no_proxy", "127.0.0.1")


def wait_for(condition: Callable[[], object]) -> None:
    """Wait until something is so."""
    deadline = time.monotonic() + LIMIT_S
    while not condition():
        assert time.monotonic() < deadline, "the condition did not come true"
        time.sleep(0.1)


# One delivery


@pytest.mark.parametrize(
    ("codes", "attempts", "reason"),
    [
        ((200,), 1, None),
        ((204,), 1, None),
        ((500,), 2, "The server answered 500."),
        ((500, 200), 2, None),
        ((429, 202), 2, None),
        ((404,), 1, "The server answered 404."),
    ],
)
def test_a_server_is_asked_again_only_when_that_may_help(
    codes: tuple[int, ...], attempts: int, reason: str | None
) -> None:
    with serving(*codes) as server:
        assert notify.deliver(server.url, BODY, LIMIT_S) == reason
    assert server.bodies == [BODY] * attempts


@pytest.mark.parametrize("code", [301, 302, 303, 307, 308])
def test_a_redirect_is_refused_and_its_goal_gets_nothing(code: int) -> None:
    with serving(200) as goal, serving(code, location=goal.url) as server:
        reason = notify.deliver(server.url, BODY, LIMIT_S)
    assert reason == f"The server answered {code}, a redirect, and those are not followed."
    assert goal.bodies == []
    assert len(server.bodies) == 1


def test_a_server_that_never_answers_is_given_up() -> None:
    with serving(SILENCE) as server:
        reason = notify.deliver(server.url, BODY, 1.0)
    assert reason in {notify.NO_ANSWER, "The server did not answer in time."}


def test_an_address_at_which_nobody_listens_is_told_in_our_words() -> None:
    with nobody() as address:
        assert notify.deliver(address, BODY, LIMIT_S) == "The connection failed: Connection refused."


def test_a_server_that_speaks_no_tls_is_told_in_our_words() -> None:
    with serving(200) as server:
        reason = notify.deliver(server.url.replace("http:", "https:"), BODY, LIMIT_S)
    assert reason == "The server's TLS certificate or protocol is not accepted."


@pytest.mark.parametrize(
    "address",
    [
        f"ftp://127.0.0.1/{TOKEN}",
        f"file:///{TOKEN}",
        TOKEN,
        f"http://127.0.0.1:1/a b\n{TOKEN}",
        f"http://127.0.0.1:{TOKEN}/",
        f"http://[{TOKEN}/",
        f"http:///{TOKEN}",
        f"https://user:{TOKEN}@127.0.0.1/",
    ],
)
def test_an_address_that_cannot_be_used_is_told_without_it(address: str) -> None:
    reason = notify.deliver(address, BODY, LIMIT_S)
    assert reason is not None
    assert TOKEN not in reason


# When it is told


def test_a_stall_is_told_once_and_the_end_too(tmp_path: Path) -> None:
    run_dir = make_run_dir(tmp_path)
    # Its last record is old, so its silence is long.
    script = Script().add("run.opened", **opened()).add("step.began", step="host.discover")
    (run_dir / "events.jsonl").write_bytes(b"".join(map(journal.encode, script.records)))
    recorder = Recorder(run_dir)
    with serving(200) as server:
        notifier = notify.Notifier(server.url)
        notifier.watch(recorder)
        for number in range(4):
            notifier.look(number * notify.LOOK_S)
        wait_for(lambda: server.events == ["stalled"])
        recorder.record("task.began", task="T", action="a", uuid="t1")
        notifier.look(10 * notify.LOOK_S)
        recorder.close_run()
        for number in range(4):
            notifier.look(10 * notify.LOOK_S + number)
        told = notifier.wait()
    assert server.events == ["stalled", "finished"]
    assert [(delivery.event, delivery.reason) for delivery in told] == [("stalled", None), ("finished", None)]
    stalled, finished = server.bodies
    assert stalled["alert"]["code"] == "stalled"
    assert stalled["next_command"] == "rackbench validate --host thor --scope connectivity"
    assert (finished["alert"], finished["next_command"], finished["exit_status"]) == (None, None, 0)
    for body in server.bodies:
        Notification.model_validate(body)
    recorder.close()


def test_a_ledger_that_proves_incomplete_after_the_end_makes_a_failure_of_it(tmp_path: Path) -> None:
    recorder = Recorder(make_run_dir(tmp_path))
    recorder.record("run.opened", **opened())
    with serving(200) as server:
        notifier = notify.Notifier(server.url)
        notifier.watch(recorder)
        recorder.close_run()
        notifier.look(0.0)
        wait_for(lambda: server.events == ["finished"])
        recorder.record("ledger.incomplete", expected={}, seen={})
        notifier.look(1.0)
        notifier.wait()
    assert server.events == ["finished", "failed"]
    assert server.bodies[1]["alert"]["code"] == "ledger_incomplete"
    recorder.close()


def test_of_a_dry_run_nobody_is_told(tmp_path: Path) -> None:
    recorder = Recorder(make_run_dir(tmp_path))
    recorder.record("run.opened", **opened(check=True))
    recorder.close_run()
    with serving(200) as server:
        notifier = notify.Notifier(server.url)
        notifier.watch(recorder)
        notifier.look(0.0)
        assert notifier.wait() == []
    assert server.bodies == []
    recorder.close()


# Whole runs


@pytest.fixture(scope="module")
def project(tmp_path_factory: pytest.TempPathFactory) -> LabProject:
    """A checkout with a benchmark that goes well, one that crashes, and one that takes its time."""
    project = make_project(tmp_path_factory.mktemp("webhook"))
    families = [
        made_up.family("good"),
        made_up.family("bad", act="crash"),
        made_up.family("slow", seconds=10),
    ]
    made_up.add(project, families=families)
    return project


def run(project: LabProject, family: str, address: str) -> tuple[Run, str]:
    """Run a family with a webhook; return the run and everything that was printed."""
    project.environment.update(RACKBENCH_WEBHOOK=address, no_proxy="127.0.0.1")
    done = project.playbook("-v", "-e", f"lab_benchmarks=made-up lab_families={family}")
    return project.runs()[-1], done.said


def check_told(run: Run, event: str, reason: str | None) -> None:
    """Assert what the journal says of the webhook, as the last thing of the run."""
    (record,) = run.records("notified")
    JournalRecord.model_validate(record)
    assert (record["event"], record["delivered"]) == (event, reason is None)
    if reason is not None:
        assert record["reason"] == reason
    assert run.journal[-1] == record
    assert run.status["last_event"]["kind"] == "notified"


def check_secret(project: LabProject, said: str) -> None:
    """Assert that the token is in no file below the checkout and the home, and was not printed."""
    assert TOKEN not in said
    for folder in (project.root, project.home):
        for path in folder.rglob("*"):
            if path.is_file() and not path.is_symlink():
                assert TOKEN.encode() not in path.read_bytes(), path


@pytest.mark.full
def test_a_run_that_finishes_and_one_that_fails_are_told_with_the_next_command(project: LabProject) -> None:
    with serving(200) as server:
        good, said = run(project, "good", server.url)
        # The command hands its environment on.
        chosen = ("--benchmarks", "made-up", "--families", "bad")
        said_too = project.rackbench("run", "--host", "local", *chosen).said
        bad = project.runs()[-1]
    assert server.paths == [f"/hooks/{TOKEN}"] * 2
    finished, failed = server.bodies
    for body in server.bodies:
        Notification.model_validate(body)
    assert (finished["event"], finished["state"], finished["exit_status"]) == ("finished", "completed", 0)
    assert (finished["run_id"], finished["host"]) == (good.status["run_id"], "local")
    primary = bad.status["alerts"]["primary"]
    assert (failed["event"], failed["state"], failed["exit_status"]) == ("failed", "failed", 1)
    assert failed["alert"] == {"code": "execution_failed", "message": primary["message"]}
    assert (
        failed["next_command"] == primary["next_command"] == f"rackbench resume --run-dir {failed['run_dir']}"
    )
    check_told(good, "finished", None)
    check_told(bad, "failed", None)
    check_secret(project, said + said_too)


@pytest.mark.full
def test_a_server_in_trouble_costs_the_run_nothing_but_a_warning(project: LabProject) -> None:
    with serving(500) as server:
        done, said = run(project, "good", server.url)
    assert len(server.bodies) == notify.ATTEMPTS
    check_told(done, "finished", "The server answered 500.")
    assert done.status["exit_status"] == 0
    assert "The webhook was not told of" in " ".join(said.split())
    check_secret(project, said)


@pytest.mark.full
def test_a_server_that_never_answers_holds_no_run_up(project: LabProject) -> None:
    with serving(SILENCE) as server:
        done, said = run(project, "good", server.url)
        assert server.bodies
    assert done.status["exit_status"] == 0
    (record,) = done.records("notified")
    assert record["delivered"] is False
    assert record["reason"] in {notify.NO_ANSWER, "The server did not answer in time."}
    check_secret(project, said)


@pytest.mark.full
def test_nobody_who_listens_costs_the_run_nothing_but_a_warning(project: LabProject) -> None:
    with nobody() as address:
        done, said = run(project, "good", address)
    check_told(done, "finished", "The connection failed: Connection refused.")
    assert done.status["exit_status"] == 0
    check_secret(project, said)


@pytest.mark.full
def test_an_address_in_ansible_cfg_that_is_no_url_is_not_shown(tmp_path: Path) -> None:
    project = make_project(tmp_path)
    config = project.root / "ansible.cfg"
    config.write_text(f"{config.read_text()}\n[rackbench]\nwebhook = gopher://{TOKEN}\n")
    done = project.playbook("-e", "lab_benchmarks=preflight")
    assert done.rc == 0, done.said
    check_told(project.run(), "finished", notify.NO_URL)
    config.unlink()
    check_secret(project, done.said)


@pytest.mark.full
def test_a_step_that_gives_no_sign_of_life_is_told_while_the_run_goes_on(project: LabProject) -> None:
    before = len(project.runs())
    with serving(200) as server:
        project.environment.update(RACKBENCH_WEBHOOK=server.url, no_proxy="127.0.0.1")
        process = project.start(
            "ansible-playbook", "run.yml", "-l", "local", "-e", "lab_benchmarks=made-up lab_families=slow"
        )
        wait_for(lambda: len(project.runs()) > before)
        slow = project.runs()[-1]
        execution = "made-up.slow.1"
        wait_for((slow.path / f"state/live/{execution}.json").exists)
        # The workers of the play stand still, and what the target beats reaches nobody.
        stopped = descendants(process.pid)
        for pid in stopped:
            os.kill(pid, signal.SIGSTOP)
        try:
            wait_for(lambda: "stalled" in server.events)
        finally:
            for pid in stopped:
                with contextlib.suppress(ProcessLookupError):
                    os.kill(pid, signal.SIGCONT)
        stdout, stderr = process.communicate(timeout=2 * LIMIT_S)
    assert process.returncode == 0, stdout + stderr
    # On a machine with too much to do there may be another stall that nobody made.
    assert server.events[0] == "stalled"
    assert server.events.count("finished") == 1
    assert server.events[-1] == "finished"
    body = server.bodies[0]
    Notification.model_validate(body)
    assert (body["state"], body["alert"]["code"]) == ("running", "stalled")
    assert body["next_command"] == "rackbench validate --host local --scope connectivity"
    assert [record["event"] for record in slow.records("notified")] == server.events
    check_secret(project, stdout + stderr)


def descendants(pid: int) -> list[int]:
    """Return the processes that a process started, and those that they did."""
    listed = subprocess.run(["ps", "-o", "pid=", "--ppid", str(pid)], capture_output=True, text=True)
    found = [int(word) for word in listed.stdout.split()]
    return found + [one for child in found for one in descendants(child)]
