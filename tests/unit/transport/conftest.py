# SPDX-License-Identifier: Apache-2.0
"""A real sshd on loopback, started for one test, and a lab file that leads to it."""

from __future__ import annotations

import getpass
import shutil
import socket
import subprocess
import tempfile
import time
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

import pytest
import yaml

if TYPE_CHECKING:
    from collections.abc import Iterator

PASSPHRASE = "correct horse"
SSHD = shutil.which("sshd") or "/usr/sbin/sshd"


@dataclass
class Sshd:
    """A running sshd: `attempts` counts the connections that its log has seen."""

    folder: Path
    port: int

    def lab(self, name: str = "one", **changes: object) -> Path:
        """Write a lab file with host `box` on this sshd, and hosts t0 to t8 behind it as a hop."""
        document: dict[str, object] = {
            "schema": "rackbench.lab/1.0",
            "plugin": "rackbench.lab.lab",
            "auth_refs": {
                "word": {"type": "command", "command": ["cat", str(self.folder / "word")]},
                "key": {"type": "key_file", "path": str(self.folder / "id"), "passphrase": "word"},
            },
            "defaults": {
                "user": getpass.getuser(),
                "auth_ref": "key",
                "retry": {"attempts": 2, "backoff_s": 0},
            },
            "hops": {"box": {"hostname": "127.0.0.1", "port": self.port}},
            "hosts": {
                "box": {},
                **{
                    f"t{index}": {
                        "hostname": "127.0.0.1",
                        "port": self.port,
                        "transport": {"type": "jump_chain", "hops": ["box"]},
                    }
                    for index in range(9)
                },
            },
        } | changes
        path = self.folder / f"{name}.lab.yml"
        path.write_text(yaml.safe_dump(document))
        return path

    def connections(self) -> int:
        """Return how many connections sshd has seen."""
        return (self.folder / "log").read_text().count("Connection from ")


@pytest.fixture
def sshd() -> Iterator[Sshd]:
    if not Path(SSHD).exists():
        pytest.skip("there is no sshd")
    if subprocess.run(["id", "-u"], capture_output=True, text=True).stdout.strip() == "0":
        Path("/run/sshd").mkdir(exist_ok=True)
    folder = Path(tempfile.mkdtemp(prefix="rbt-"))
    keygen = ["ssh-keygen", "-q", "-t", "ed25519"]
    subprocess.run([*keygen, "-N", "", "-f", folder / "host"], check=True)
    subprocess.run([*keygen, "-N", PASSPHRASE, "-f", folder / "id"], check=True)
    (folder / "word").write_text(PASSPHRASE)
    shutil.copy(folder / "id.pub", folder / "authorized")
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        port = probe.getsockname()[1]
    (folder / "config").write_text(
        f"ListenAddress 127.0.0.1:{port}\nHostKey {folder}/host\nAuthorizedKeysFile {folder}/authorized\n"
        f"PidFile {folder}/pid\nStrictModes no\nUsePAM no\nPermitRootLogin yes\nPasswordAuthentication no\n"
        "KbdInteractiveAuthentication no\nLogLevel VERBOSE\nMaxStartups 100\nSubsystem sftp internal-sftp\n"
    )
    known = (folder / "host.pub").read_text().rsplit(" ", 1)[0]
    (folder / "known_hosts.txt").write_text(
        "".join(f"{name} {known}\n" for name in ["box", *(f"t{i}" for i in range(9))])
    )
    process = subprocess.Popen(
        [SSHD, "-D", "-f", folder / "config", "-E", folder / "log"], stdin=subprocess.DEVNULL
    )
    try:
        limit = time.monotonic() + 60
        while True:
            try:
                socket.create_connection(("127.0.0.1", port), timeout=5).close()
                break
            except OSError:
                assert process.poll() is None, (folder / "log").read_text()
                assert time.monotonic() < limit
                time.sleep(0.05)
        while "Connection from " not in (folder / "log").read_text():
            assert time.monotonic() < limit
            time.sleep(0.05)
        (folder / "log").write_text("")
        yield Sshd(folder, port)
    finally:
        process.terminate()
        process.wait()
        shutil.rmtree(folder, ignore_errors=True)
