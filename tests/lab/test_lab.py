# SPDX-License-Identifier: Apache-2.0
"""The lab itself, on the lab itself. The last tests take it down: run this file alone, not beside others of the lab."""

from __future__ import annotations

import errno
import json
import os
import re
import shutil
import signal
import subprocess
import time
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pytest

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

HERE = Path(__file__).resolve().parent
TOP = HERE.parents[1]
RUN = TOP / ".lab/run"
HOSTS = ("thor", "loki", "turind8", "skadi")
OWNER = Path("/run/rackbench-lab")
NOT_RUNNING = "the lab is not running: make lab-up\n"
LIMIT_S = 600

pytestmark = pytest.mark.skipif(os.geteuid() != 0, reason="the lab needs root")

SSH_CONFIG = """\
Host *
  UserKnownHostsFile {run}/known_hosts
  GlobalKnownHostsFile /dev/null
  StrictHostKeyChecking yes
  IdentitiesOnly yes
  IdentityFile {run}/secrets/{key}
  NumberOfPasswordPrompts 1
  ConnectTimeout 60
  LogLevel ERROR
Host thor
  HostName 10.77.1.10
  Port 2201
  User jump
  HostKeyAlias thor
  ProxyCommand {lab} proxy %h %p
Host loki
  HostName 10.77.2.11
  Port 2202
  User hop
  HostKeyAlias loki
  ProxyJump thor
Host turind8
  HostName 10.77.2.20
  User deploy
  HostKeyAlias turind8
  ProxyJump thor
Host skadi
  HostName 10.77.3.30
  Port 2222
  User ops
  HostKeyAlias skadi
  ProxyJump loki
"""
ASKPASS = """\
#!/bin/sh
case "$1" in
*passphrase*) exec cat {run}/secrets/id_ed25519_locked.pw ;;
*) exec cat "${{LAB_TEST_PASSWORD:-{run}/secrets/thor.pw}}" ;;
esac
"""


def lab(*words: str, program: Path = HERE / "lab.py", ok: bool = True) -> subprocess.CompletedProcess[str]:
    done = subprocess.run(
        [str(program), *words], stdin=subprocess.DEVNULL, capture_output=True, text=True, timeout=LIMIT_S
    )
    if ok:
        assert done.returncode == 0, (words, done.stdout, done.stderr)
    return done


def status() -> dict[str, dict[str, Any]]:
    report = json.loads(lab("status", "--json").stdout)
    assert report["running"] is True
    hosts: dict[str, dict[str, Any]] = report["hosts"]
    return hosts


def wait_for(condition: Callable[[], bool]) -> None:
    deadline = time.monotonic() + LIMIT_S
    while not condition():
        assert time.monotonic() < deadline, "the condition did not come true"
        time.sleep(0.1)


@pytest.fixture(scope="module", autouse=True)
def running_lab() -> Iterator[None]:
    """The lab, up; it is left as it was found, up or down."""
    was_running = lab("status", ok=False).returncode == 0
    lab("up")
    yield
    lab("up" if was_running else "down")


@pytest.fixture
def mended() -> Iterator[None]:
    """Takes back what a test breaks."""
    yield
    lab("clear")
    lab("up")


class Ssh:
    """The plain ssh command, through the chain, with a password from a helper."""

    def __init__(self, directory: Path, key: str = "id_ed25519") -> None:
        self.config = directory / "config"
        self.config.write_text(SSH_CONFIG.format(run=RUN, lab=HERE / "lab.py", key=key))
        askpass = directory / "askpass"
        askpass.write_text(ASKPASS.format(run=RUN))
        askpass.chmod(0o755)
        self.environment = {
            "PATH": os.environ["PATH"],
            "HOME": str(directory),
            "SSH_ASKPASS": str(askpass),
            "SSH_ASKPASS_REQUIRE": "force",
        }

    def command(self, host: str, *words: str) -> list[str]:
        return ["ssh", "-F", str(self.config), host, *words]

    def cannot_reach(self, host: str) -> bool:
        """True when a login fails. A dead line answers nothing, so the wait for it is short."""
        return self("-o", "ConnectTimeout=5", host, "true").returncode == 255

    def __call__(self, host: str, *words: str, **environment: str) -> subprocess.CompletedProcess[str]:
        return subprocess.run(
            self.command(host, *words),
            stdin=subprocess.DEVNULL,
            capture_output=True,
            text=True,
            timeout=LIMIT_S,
            env=self.environment | environment,
        )


@pytest.fixture
def ssh(tmp_path: Path) -> Ssh:
    return Ssh(tmp_path)


@pytest.fixture
def other_checkout(tmp_path: Path) -> Path:
    """A second checkout's lab.py, sharing this one's cache."""
    copy = tmp_path / "other"
    shutil.copytree(HERE, copy / "tests/lab", ignore=shutil.ignore_patterns("__pycache__"))
    (copy / ".lab").mkdir()
    (copy / ".lab/cache").symlink_to(TOP / ".lab/cache")
    return copy / "tests/lab/lab.py"


def test_every_host_has_its_own_init_and_boot_id() -> None:
    hosts = status()
    assert list(hosts) == list(HOSTS)
    assert {row["state"] for row in hosts.values()} == {"up"}
    machine = Path("/proc/sys/kernel/random/boot_id").read_text().strip()
    assert len({machine, *(row["boot_id"] for row in hosts.values())}) == 5
    inside = lab("exec", "skadi", "cat", "/proc/sys/kernel/random/boot_id").stdout.strip()
    assert inside == hosts["skadi"]["boot_id"]


def test_up_a_second_time_changes_nothing() -> None:
    before = status()
    assert lab("up").stdout == "the lab is up already\n"
    assert status() == before


@pytest.mark.parametrize(
    ("host", "user"), [("thor", "jump"), ("loki", "hop"), ("turind8", "deploy"), ("skadi", "ops")]
)
def test_ssh_reaches_each_host_through_its_chain(ssh: Ssh, host: str, user: str) -> None:
    done = ssh(host, "hostname; id -un; sudo -n id -un; ps -p 1 -o comm=")
    assert done.stdout.split() == [host, user, "root", "systemd"], done.stderr


def test_the_key_with_a_passphrase_opens_the_same_hosts(tmp_path: Path) -> None:
    done = Ssh(tmp_path, key="id_ed25519_locked")("skadi", "hostname")
    assert done.stdout == "skadi\n", done.stderr


@pytest.mark.full
def test_thor_takes_its_password_only(ssh: Ssh, tmp_path: Path) -> None:
    wrong = tmp_path / "wrong"
    wrong.write_text("not the password")
    denied = ssh("thor", "true", LAB_TEST_PASSWORD=str(wrong))
    assert denied.returncode == 255
    assert denied.stderr.strip().endswith("Permission denied (password).")


def test_the_sudo_of_the_careful_user_asks_for_a_password(ssh: Ssh) -> None:
    asked = ssh("careful@turind8", "sudo -n true")
    assert asked.returncode == 1
    assert "a password is required" in asked.stderr
    password = (RUN / "secrets/careful.pw").read_text()
    given = subprocess.run(
        ssh.command("careful@turind8", "sudo -S id -un"),
        input=password + "\n",
        capture_output=True,
        text=True,
        timeout=LIMIT_S,
        env=ssh.environment,
    )
    assert given.stdout == "root\n", given.stderr


def test_secrets_are_readable_by_root_only() -> None:
    modes = {path.name: path.stat().st_mode & 0o777 for path in (RUN / "secrets").iterdir()}
    assert {"thor.pw", "careful.pw", "id_ed25519", "id_ed25519_locked", "id_ed25519_locked.pw"} < set(modes)
    assert {mode for name, mode in modes.items() if not name.endswith(".pub")} == {0o600}
    assert (RUN / "secrets").stat().st_mode & 0o777 == 0o700


CONNECT = "import socket, sys; sys.exit(socket.socket().connect_ex((sys.argv[1], int(sys.argv[2]))))"


@pytest.mark.parametrize(
    ("place", "address", "port", "expected"),
    [
        (("ctl",), "10.77.1.10", 2201, 0),
        (("ctl",), "10.77.2.20", 22, errno.ENETUNREACH),
        (("ctl",), "10.77.2.11", 2202, errno.ENETUNREACH),
        (("ctl",), "10.77.3.30", 2222, errno.ENETUNREACH),
        (("exec", "thor"), "10.77.3.30", 2222, errno.ENETUNREACH),
        (("exec", "turind8"), "10.77.1.1", 22, errno.ENETUNREACH),
        (("exec", "loki"), "10.77.3.30", 2222, 0),
    ],
)
def test_only_the_chain_leads_on(place: tuple[str, ...], address: str, port: int, expected: int) -> None:
    done = lab(*place, "/usr/bin/python3", "-c", CONNECT, address, str(port), ok=False)
    assert done.returncode == expected, done.stderr


def test_thor_forwards_no_packets() -> None:
    assert lab("exec", "thor", "cat", "/proc/sys/net/ipv4/ip_forward").stdout == "0\n"


def test_nothing_is_added_to_the_network_of_the_machine() -> None:
    shown = subprocess.run(["ip", "address"], capture_output=True, text=True, check=True).stdout
    assert "10.77." not in shown
    assert not re.search(r"br-edge|-edge|-core|-deep", shown)


def test_the_proxy_without_a_lab_says_how_to_get_one(other_checkout: Path) -> None:
    done = lab("proxy", "10.77.1.10", "2201", program=other_checkout, ok=False)
    assert (done.returncode, done.stdout, done.stderr) == (1, "", NOT_RUNNING)


def test_the_proxy_names_a_refused_port() -> None:
    done = lab("proxy", "10.77.1.10", "9", ok=False)
    assert done.returncode == 1
    assert done.stderr == "cannot connect to 10.77.1.10 port 9: Connection refused\n"


def test_the_proxy_carries_bytes_both_ways_unchanged(ssh: Ssh) -> None:
    data = os.urandom(3_000_000)
    done = subprocess.run(
        ssh.command("thor", "cat"), input=data, capture_output=True, timeout=LIMIT_S, env=ssh.environment
    )
    assert done.stdout == data


def test_a_second_checkout_is_refused_and_the_first_named(other_checkout: Path) -> None:
    before = status()
    for verb in ("up", "down"):
        done = lab(verb, program=other_checkout, ok=False)
        assert done.returncode == 1
        assert str(TOP) in done.stderr
    assert status() == before


def test_exec_runs_as_root_of_the_host_and_passes_the_exit_code() -> None:
    assert lab("exec", "loki", "sh", "-c", "hostname; id -u; exit 7", ok=False).returncode == 7
    assert lab("exec", "loki", "hostname").stdout == "loki\n"


@pytest.mark.parametrize("host", HOSTS)
def test_nobody_in_a_host_may_set_the_clock(host: str) -> None:
    for pid in ("1", "self"):
        words = lab("exec", host, "grep", "CapBnd", f"/proc/{pid}/status").stdout.split()
        assert int(words[1], 16) >> 25 & 1 == 0


def test_a_host_that_could_set_the_clock_is_refused(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.syspath_prepend(str(HERE))
    from testlab.entering import capabilities_to_drop
    from testlab.errors import LabError

    assert capabilities_to_drop("thor", 0b1111, 0b0101, 3) == [1, 3]
    with pytest.raises(LabError, match="thor holds CAP_SYS_TIME"):
        capabilities_to_drop("thor", (1 << 41) - 1, 1 << 25 | 1, 40)


def test_missing_commands_are_named_with_their_packages(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    monkeypatch.syspath_prepend(str(HERE))
    from testlab.commands import NEEDED, require_commands
    from testlab.errors import LabError

    require_commands(NEEDED)
    with pytest.raises(LabError, match=r"apt-get install .*mmdebstrap .*systemd-container"):
        require_commands(NEEDED, path=str(tmp_path))


@pytest.mark.parametrize(
    "words",
    [
        ("loss", "thor", "101"),
        ("rate", "thor", "-1"),
        ("cut", "odin"),
        ("cut", "turind8", "edge"),
        ("exec", "thor"),
    ],
)
def test_a_wrong_command_line_changes_nothing(words: tuple[str, ...]) -> None:
    before = status()
    done = lab(*words, ok=False)
    assert done.returncode in {1, 2}
    assert done.stderr
    assert status() == before


@pytest.mark.full
def test_packages_install_and_upgrade_offline(ssh: Ssh) -> None:
    apt = "sudo DEBIAN_FRONTEND=noninteractive apt-get -q -y"
    try:
        for words in ("install lab-demo=1.0", "update", "install lab-demo hwloc-nox libfaketime"):
            done = ssh("turind8", f"{apt} {words}")
            assert done.returncode == 0, done.stdout + done.stderr
        shown = ssh("turind8", "dpkg-query -f '${Version} ' -W lab-demo; lstopo-no-graphics --version")
        assert shown.stdout.startswith("2.0 lstopo-no-graphics"), shown.stderr
    finally:
        ssh("turind8", f"{apt} purge --auto-remove lab-demo hwloc-nox libfaketime")


@pytest.mark.full
def test_a_cut_cable_ends_the_way_until_it_is_mended(ssh: Ssh, mended: None) -> None:
    lab("cut", "turind8")
    assert status()["turind8"]["cut"] == ["core"]
    assert ssh.cannot_reach("turind8")
    assert ssh("loki", "hostname").stdout == "loki\n"
    lab("heal", "turind8")
    assert ssh("turind8", "hostname").stdout == "turind8\n"


@pytest.mark.full
def test_one_cable_of_two_can_be_cut(ssh: Ssh, mended: None) -> None:
    lab("cut", "loki", "deep")
    assert status()["loki"]["cut"] == ["deep"]
    assert ssh("loki", "hostname").stdout == "loki\n"
    assert ssh.cannot_reach("skadi")


@pytest.mark.full
def test_a_power_cut_and_a_start_give_a_new_boot_with_the_old_files(ssh: Ssh, mended: None) -> None:
    before = status()["turind8"]["boot_id"]
    assert ssh("turind8", "echo kept > kept; sudo cp kept /var/kept").returncode == 0
    lab("kill", "turind8")
    assert status()["turind8"] == {"state": "down", "pid": None, "boot_id": None, "cut": []}
    assert ssh.cannot_reach("turind8")
    assert (
        lab("exec", "turind8", "true", ok=False).stderr == "turind8 is down: tests/lab/lab.py start turind8\n"
    )
    lab("start", "turind8")
    assert status()["turind8"]["boot_id"] not in {None, before}
    assert ssh("turind8", "cat kept /var/kept; rm kept; sudo rm /var/kept").stdout == "kept\nkept\n"


@pytest.mark.full
def test_up_starts_a_host_that_is_down(mended: None) -> None:
    lab("kill", "skadi")
    assert lab("up").stdout == "the lab was up; started skadi\n"


@pytest.mark.full
def test_a_reboot_gives_a_new_boot_id(ssh: Ssh) -> None:
    before = status()["loki"]["boot_id"]
    lab("reboot", "loki")
    assert status()["loki"]["boot_id"] not in {None, before}
    assert ssh("loki", "hostname").stdout == "loki\n"


@pytest.mark.full
def test_a_reboot_asked_for_inside_comes_back_by_itself(ssh: Ssh) -> None:
    before = status()["turind8"]["boot_id"]
    ssh("turind8", "sudo systemctl reboot")
    wait_for(lambda: status()["turind8"]["boot_id"] not in {None, before})
    wait_for(lambda: ssh("turind8", "hostname").stdout == "turind8\n")


@pytest.mark.full
def test_a_full_home_gives_enospc_until_it_is_freed(ssh: Ssh, mended: None) -> None:
    lab("fill", "turind8")
    full = ssh("turind8", "head -c 65536 /dev/zero > big")
    assert "No space left on device" in full.stderr
    assert ssh("turind8", "df --output=avail /home | tail -1").stdout.strip() == "0"
    lab("unfill", "turind8")
    done = ssh("turind8", "head -c 65536 /dev/zero > big && stat -c %s big; rm -f big")
    assert done.stdout == "65536\n", done.stderr


@pytest.mark.full
def test_a_changed_host_key_is_seen_by_ssh_until_it_is_put_back(ssh: Ssh, mended: None) -> None:
    lab("rekey", "turind8")
    changed = ssh("turind8", "true")
    assert changed.returncode == 255
    assert "Host key verification failed" in changed.stderr
    lab("rekey", "turind8")
    lab("restore-key", "turind8")
    assert ssh("turind8", "hostname").stdout == "turind8\n"


@pytest.mark.full
def test_a_host_can_be_without_python(ssh: Ssh, mended: None) -> None:
    lab("hide-python", "turind8")
    assert ssh("turind8", "python3 -V").returncode == 127
    lab("show-python", "turind8")
    assert ssh("turind8", "python3 -V").stdout.startswith("Python 3.")


@pytest.mark.full
def test_a_line_that_loses_everything_and_is_cleared(mended: None) -> None:
    ping = ("exec", "thor", "ping", "-c", "3", "-i", "0.2", "-W", "1", "10.77.2.20")
    lab("loss", "turind8", "100")
    assert " 0 received" in lab(*ping, ok=False).stdout
    lab("clear", "turind8")
    lab("exec", "thor", "ping", "-c", "1", "-w", "60", "10.77.2.20")


@pytest.mark.full
def test_a_slow_line_carries_everything_through_a_token_bucket(ssh: Ssh, mended: None) -> None:
    lab("rate", "turind8", "2000")
    show = ["tc", "-n", "lab-sw", "qdisc", "show", "dev", "turind8-core"]
    assert "tbf" in subprocess.run(show, capture_output=True, text=True, check=True).stdout
    assert ssh("turind8", "head -c 100000 /dev/zero | sha256sum; hostname").stdout.endswith("turind8\n")
    lab("rate", "turind8", "0")
    assert "tbf" not in subprocess.run(show, capture_output=True, text=True, check=True).stdout


def left_behind(top: Path) -> list[str]:
    """Every trace of a lab on this machine."""
    mounts = Path("/proc/self/mountinfo").read_text().splitlines()
    traces = [line for line in mounts if "/netns/lab-" in line or str(top) in line]
    traces += [str(path) for path in Path("/run").glob("netns/lab-*")]
    traces += [str(path) for path in Path("/sys/fs/cgroup").glob("**/rackbench-lab")]
    traces += [str(path) for path in (OWNER, top / ".lab/run") if path.exists()]
    for process in Path("/proc").glob("[0-9]*"):
        try:
            command = (process / "cmdline").read_bytes().replace(b"\0", b" ").decode(errors="replace")
        except OSError:
            continue
        if "/.lab/run/hosts/" in command or " proxy 10.77." in command:
            traces.append(command)
    return traces


@pytest.mark.full
def test_down_leaves_nothing_even_in_the_middle_of_a_connection(ssh: Ssh) -> None:
    busy = subprocess.Popen(
        ssh.command("skadi", "echo here; sleep 600"),
        stdin=subprocess.DEVNULL,
        stdout=subprocess.PIPE,
        stderr=subprocess.DEVNULL,
        env=ssh.environment,
    )
    assert busy.stdout is not None
    assert busy.stdout.readline() == b"here\n"
    old_password = (RUN / "secrets/thor.pw").read_text()
    lab("down")
    assert busy.wait(LIMIT_S) == 255
    busy.stdout.close()
    wait_for(lambda: left_behind(TOP) == [])
    assert lab("down").returncode == 0
    assert lab("proxy", "10.77.1.10", "2201", ok=False).stderr == NOT_RUNNING
    for words in (("status",), ("exec", "thor", "true"), ("ctl", "true"), ("cut", "thor")):
        done = lab(*words, ok=False)
        assert (done.returncode, done.stderr) == (1, NOT_RUNNING)
    lab("up")
    assert (RUN / "secrets/thor.pw").read_text() != old_password


@pytest.mark.full
def test_an_up_killed_half_way_is_cleaned_up_by_down_and_by_another_checkout(other_checkout: Path) -> None:
    lab("down")
    other_top = other_checkout.parents[2]
    # Twice: right after it began, and when hosts are running already.
    half_made: list[Callable[[], bool]] = [
        Path("/run/netns/lab-sw").exists,
        (other_top / ".lab/run/hosts/skadi/console.log").exists,
    ]
    for condition in half_made:
        lab_up = subprocess.Popen(
            [str(other_checkout), "up"], stdout=subprocess.DEVNULL, start_new_session=True
        )
        wait_for(lambda: condition() or lab_up.poll() is not None)  # noqa: B023 -- used within the same round
        os.killpg(lab_up.pid, signal.SIGKILL)
        assert lab_up.wait(LIMIT_S) == -signal.SIGKILL
        if condition is half_made[0]:
            lab("down", program=other_checkout)
            assert left_behind(other_top) == []
    # The dead half of the other's lab is in the way of ours, and goes.
    lab("up")
    assert not (other_top / ".lab/run").exists()
    assert {row["state"] for row in status().values()} == {"up"}
