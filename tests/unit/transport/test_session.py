# SPDX-License-Identifier: Apache-2.0
"""Sessions against a real sshd on loopback: connections are opened once, secrets are given once, nothing is left."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
import time
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import TYPE_CHECKING

import pytest
from rackbench.errors import RackbenchError
from rackbench.transport import connectivity, hostkeys, labfile, opener, routes, session, wire
from rackbench.transport.secrets import Secrets
from rackbench.transport.session import Session

if TYPE_CHECKING:
    from collections.abc import Callable

    from .conftest import Sshd

pytestmark = pytest.mark.slow


@pytest.fixture
def start(request: pytest.FixtureRequest) -> Callable[[Path], Session]:
    def begin(path: Path) -> Session:
        lab = labfile.load(path)
        made = Session(routes.resolve(lab), Secrets(lab))
        request.addfinalizer(made.close)
        return made

    return begin


def ssh(made: Session, name: str, *command: str) -> subprocess.CompletedProcess[str]:
    return subprocess.run(
        ["ssh", "-F", made.config, name, *command], capture_output=True, text=True, stdin=subprocess.DEVNULL
    )


def at_once(made: Session, names: list[str]) -> list[subprocess.CompletedProcess[str]]:
    with ThreadPoolExecutor(len(names)) as pool:
        return list(pool.map(lambda name: ssh(made, name, "echo", name), names))


def serving(control: Path) -> int:
    """Return the process id of the ssh that serves a control socket."""
    said = subprocess.run(["ssh", "-S", control, "-O", "check", "x"], capture_output=True, text=True).stderr
    return int(said.partition("pid=")[2].partition(")")[0])


NINE = [f"t{index}" for index in range(9)]


@pytest.mark.full
def test_nine_hosts_behind_a_hop_share_one_login_there(sshd: Sshd, start: Callable[[Path], Session]) -> None:
    made = start(sshd.lab())
    done = at_once(made, NINE)
    assert [(item.returncode, item.stdout) for item in done] == [(0, f"{name}\n") for name in NINE]
    assert sshd.connections() == 10
    assert ssh(made, "t3", "echo", "again").stdout == "again\n"
    assert ssh(made, "box", "echo", "hop").stdout == "hop\n"
    assert sshd.connections() == 10


def test_a_wrong_passphrase_is_tried_once_for_nine_hosts(
    sshd: Sshd, start: Callable[[Path], Session]
) -> None:
    (sshd.folder / "word").write_text("wrong")
    done = at_once(start(sshd.lab()), NINE)
    assert {item.returncode for item in done} == {255}
    assert all("rackbench: [auth_refused] box: auth: " in item.stderr for item in done)
    assert sshd.connections() == 1


def test_a_missing_secret_costs_no_login(sshd: Sshd, start: Callable[[Path], Session]) -> None:
    (sshd.folder / "word").unlink()
    done = at_once(start(sshd.lab()), NINE)
    assert all("rackbench: [missing_secret] box: missing secret: " in item.stderr for item in done)
    assert sshd.connections() == 0


def test_a_changed_host_key_is_named_and_tried_once(sshd: Sshd, start: Callable[[Path], Session]) -> None:
    other = (sshd.folder / "id.pub").read_text().rsplit(" ", 1)[0]
    hostkeys.record(sshd.folder / "known_hosts.txt", "box", other)
    done = at_once(start(sshd.lab()), NINE)
    assert all("rackbench: [host_key_changed] box: host key: " in item.stderr for item in done)
    assert sshd.connections() == 1


def test_a_machine_without_a_recorded_key_is_not_entered(
    sshd: Sshd, start: Callable[[Path], Session]
) -> None:
    (sshd.folder / "known_hosts.txt").unlink()
    done = ssh(start(sshd.lab()), "box", "true")
    assert "rackbench: [host_key_unknown] box: host key: " in done.stderr


def test_a_refused_port_behind_a_hop_is_retried_and_named(
    sshd: Sshd, start: Callable[[Path], Session]
) -> None:
    host = {"hostname": "127.0.0.1", "port": 1, "transport": {"type": "jump_chain", "hops": ["box"]}}
    done = ssh(start(sshd.lab(hosts={"shut": host})), "shut", "true")
    assert "rackbench: [host_unreachable] shut: network: " in done.stderr
    assert "Connection refused" in done.stderr


def test_the_words_of_a_proxy_command_that_failed_reach_the_user(
    sshd: Sshd, start: Callable[[Path], Session]
) -> None:
    door = ["sh", "-c", "echo 'the lab is not running: make lab-up' >&2; exit 1"]
    path = sshd.lab(hops={"box": {"hostname": "127.0.0.1", "port": sshd.port, "proxy_command": door}})
    done = ssh(start(path), "t0", "true")
    assert "rackbench: [hop_unreachable] box: network: " in done.stderr
    assert ": the lab is not running: make lab-up\n" in done.stderr
    lab = labfile.load(path)
    (found,) = connectivity.probed([(lab, Secrets(lab))], ["t0"])
    assert (found["failed_at"], found["code"]) == ("box", "hop_unreachable")
    assert found["checks"][0]["message"].endswith(": the lab is not running: make lab-up")


@pytest.mark.full
def test_a_connection_that_was_killed_is_opened_again(sshd: Sshd, start: Callable[[Path], Session]) -> None:
    made = start(sshd.lab())
    assert ssh(made, "t0", "true").returncode == 0
    for pid in [serving(control) for control in (made.runtime / opener.CONTROL).iterdir()]:
        os.kill(pid, signal.SIGKILL)
    done = ssh(made, "t0", "echo", "back")
    assert (done.returncode, done.stdout) == (0, "back\n"), done.stderr


def test_closing_ends_the_connections_and_removes_the_directory(
    sshd: Sshd, start: Callable[[Path], Session]
) -> None:
    made = start(sshd.lab())
    assert ssh(made, "t0", "true").returncode == 0
    (control, *_rest) = (made.runtime / opener.CONTROL).iterdir()
    process = Path("/proc") / str(serving(control))
    assert process.exists()
    made.close()
    assert not made.runtime.exists()
    limit = time.monotonic() + 60
    while process.exists() and process.joinpath("stat").read_text().split()[2] != "Z":
        assert time.monotonic() < limit
        time.sleep(0.05)


def test_the_directory_of_a_controller_that_was_killed_is_cleared_up(sshd: Sshd) -> None:
    script = (
        "import os, pathlib, sys; from rackbench.transport import labfile, routes;"
        "from rackbench.transport.secrets import Secrets; from rackbench.transport.session import Session;"
        "lab = labfile.load(pathlib.Path(sys.argv[1])); made = Session(routes.resolve(lab), Secrets(lab));"
        "print(made.runtime, flush=True); os.kill(os.getpid(), 9)"
    )
    package = Path(labfile.__file__).parents[2]
    done = subprocess.run(
        [sys.executable, "-c", script, sshd.lab()],
        capture_output=True,
        text=True,
        env={**os.environ, "PYTHONPATH": str(package)},
    )
    left = Path(done.stdout.strip())
    assert left.is_dir()
    session.clear_abandoned()
    assert not left.exists()


def test_the_broker_answers_only_expected_prompts_and_each_once(
    sshd: Sshd, start: Callable[[Path], Session]
) -> None:
    made = start(sshd.lab())
    broker = str(made.socket)
    prompt = f"Enter passphrase for key '{sshd.folder / 'id'}': "
    assert made.socket.stat().st_mode & 0o777 == 0o600
    assert made.runtime.stat().st_mode & 0o777 == 0o700
    assert not wire.ask(broker, {"do": "prompt", "prompt": prompt, "attempt": ""})["ok"]
    attempt = wire.ask(broker, {"do": "begin", "alias": "box"})["attempt"]
    for wrong in (
        "Password: ",
        f"x{prompt}",
        "Are you sure you want to continue connecting (yes/no/[fingerprint])? ",
    ):
        assert not wire.ask(broker, {"do": "prompt", "prompt": wrong, "attempt": attempt})["ok"]
    assert (
        wire.ask(broker, {"do": "prompt", "prompt": prompt, "attempt": attempt})["value"] == "correct horse"
    )
    assert not wire.ask(broker, {"do": "prompt", "prompt": prompt, "attempt": attempt})["ok"]
    assert not wire.ask(broker, {"do": "begin", "alias": "nobody"})["ok"]
    assert not wire.ask(broker, {"do": "what"})["ok"]


@pytest.mark.full
def test_a_secret_is_asked_for_once_and_is_in_no_file(sshd: Sshd, start: Callable[[Path], Session]) -> None:
    tally = sshd.folder / "tally"
    script = sshd.folder / "manager"
    script.write_text(f"#!/bin/sh\necho asked >> {tally}\ncat {sshd.folder}/word\n")
    script.chmod(0o700)
    refs = {
        "word": {"type": "command", "command": [str(script)]},
        "key": {"type": "key_file", "path": str(sshd.folder / "id"), "passphrase": "word"},
    }
    made = start(sshd.lab(auth_refs=refs))
    assert {item.returncode for item in at_once(made, NINE)} == {0}
    assert tally.read_text() == "asked\n"
    for path in made.runtime.rglob("*"):
        if path.is_file():
            assert b"correct horse" not in path.read_bytes(), path


def test_a_missing_environment_variable_is_named(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv("NOT_THERE", raising=False)
    path = tmp_path / "x.lab.yml"
    path.write_text(
        "schema: rackbench.lab/1.0\nplugin: rackbench.lab.lab\n"
        "auth_refs: {pw: {type: password_env, variable: NOT_THERE}}\n"
        "hosts: {a: {hostname: b, user: c, auth_ref: pw}}\n"
    )
    with pytest.raises(RackbenchError, match="the environment variable NOT_THERE is not set") as caught:
        Secrets(labfile.load(path)).get("pw")
    assert caught.value.code == "missing_secret"


def test_keys_are_enrolled_hop_by_hop_and_never_replaced_unasked(sshd: Sshd) -> None:
    known = sshd.folder / "known_hosts.txt"
    before = known.read_text()
    known.unlink()
    lab = labfile.load(sshd.lab())
    found = routes.resolve(lab)
    asked: list[tuple[str, bool]] = []

    def accept(endpoint: routes.Endpoint, fingerprint: str, changed: bool) -> bool:
        assert fingerprint.startswith("SHA256:")
        asked.append((endpoint.name, changed))
        return True

    states = {item.name: item.state for item in hostkeys.enroll(found, ["t0"], Secrets(lab), accept)}
    assert states == {"box": "recorded", "t0": "recorded"}
    assert asked == [("box", False), ("t0", False)]
    assert set(known.read_text().splitlines()[1:]) == set(before.splitlines()[:2])

    hostkeys.record(known, "box", (sshd.folder / "id.pub").read_text().rsplit(" ", 1)[0])
    states = {item.name: item.state for item in hostkeys.enroll(found, ["t0"], Secrets(lab), accept)}
    assert states == {"box": "changed", "t0": "failed"}
    states = {
        item.name: item.state for item in hostkeys.enroll(found, ["t0"], Secrets(lab), accept, replace=True)
    }
    assert states == {"box": "replaced", "t0": "known"}
    assert asked[2:] == [("box", True)]


def test_the_probe_says_what_it_found_and_how_long_each_hop_took(sshd: Sshd) -> None:
    lab = labfile.load(sshd.lab())
    hosts = connectivity.probed([(lab, Secrets(lab))], ["t0", "t1", "box"])
    assert [item["host"] for item in hosts] == ["t0", "t1", "box"]
    assert all(item["ok"] for item in hosts), hosts
    assert [check["name"] for check in hosts[0]["checks"]] == [
        "login",
        "login",
        "shell",
        "python",
        "become",
    ]
    assert sshd.connections() == 3


def test_the_probe_names_the_hop_that_failed_and_skips_the_rest(sshd: Sshd) -> None:
    (sshd.folder / "word").write_text("wrong")
    lab = labfile.load(sshd.lab())
    hosts = connectivity.probed([(lab, Secrets(lab))], NINE)
    assert not any(item["ok"] for item in hosts)
    assert {(item["failed_at"], item["cause"], item["code"]) for item in hosts} == {
        ("box", "auth", "auth_refused")
    }
    assert [check["status"] for check in hosts[0]["checks"]] == ["failed"] + ["skipped"] * 4
    assert sshd.connections() == 1
