# SPDX-License-Identifier: Apache-2.0
"""hwloc and Rust on hosts of the lab by `playbooks/prepare.yml`, and Rust from a real mirror over HTTP."""

from __future__ import annotations

import functools
import hashlib
import json
import os
import shutil
import subprocess
import sys
import threading
from http.server import SimpleHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pytest

from tests.lab.rust_mirror import OTHER_CHANNEL

if TYPE_CHECKING:
    from collections.abc import Iterator

    from tests.lab.conftest import LabControl
    from tests.lab.rust_mirror import RustMirror

pytestmark = pytest.mark.full

ROOT = Path(__file__).resolve().parents[2]
HOME = "/home/deploy"
RUST = f"{HOME}/.rackbench/rust"
MAIN_RS = 'fn main() {\n    println!("built on {}", std::env::consts::OS);\n}\n'
CARGO_TOML = '[package]\nname = "hello"\nversion = "0.1.0"\nedition = "2021"\n'


def prepare(
    lab: LabControl, *options: str, variables: dict[str, Any] | None = None
) -> subprocess.CompletedProcess[str]:
    """Play prepare.yml on turind8 with variables as an inventory would have them."""
    return lab.tool(
        "ansible-playbook",
        "playbooks/prepare.yml",
        "-l",
        "turind8",
        *options,
        "-e",
        json.dumps(variables or {}),
    )


def prepared(lab: LabControl, *options: str, variables: dict[str, Any] | None = None) -> bool:
    """Play prepare.yml, require that it comes out well, and return whether it changed the host."""
    done = prepare(lab, *options, variables=variables)
    assert done.returncode == 0, done.stdout + done.stderr
    return "changed=0 " not in done.stdout


def on_turind8(lab: LabControl, script: str) -> str:
    """Run a shell script as the inventory's account with Rust's directories set, and return its output."""
    environment = f"export RUSTUP_HOME={RUST}/rustup CARGO_HOME={RUST}/cargo PATH={RUST}/cargo/bin:$PATH"
    return lab("exec", "turind8", "runuser", "-u", "deploy", "--", "sh", "-ec", f"{environment}\n{script}")


@pytest.fixture
def host_without_rust(lab: LabControl) -> Iterator[LabControl]:
    """The lab with nothing of Rust on turind8, before and after."""
    remove = ("exec", "turind8", "rm", "-rf", RUST)
    lab(*remove)
    yield lab
    lab(*remove)


@pytest.fixture
def compiler(lab: LabControl) -> Iterator[None]:
    """A C compiler on turind8 for the while: cargo links with it."""
    apt, packages = ("exec", "turind8", "apt-get", "--yes", "-qq"), ("gcc", "libc6-dev")
    lab(*apt, "install", "--no-install-recommends", *packages)
    yield
    lab(*apt, "purge", "--auto-remove", *packages)


@pytest.fixture
def host_without_hwloc(lab: LabControl) -> Iterator[LabControl]:
    """The lab with no hwloc on turind8, before and after."""
    apt = ("exec", "turind8", "apt-get", "--yes", "-qq")
    remove = (*apt, "purge", "--auto-remove", "hwloc", "hwloc-nox")
    lab(*remove)
    yield lab
    lab(*remove)


def test_rust_from_a_mirror_on_the_host_builds_a_program(
    host_without_rust: LabControl, rust_mirror: RustMirror, compiler: None
) -> None:
    lab, variables = host_without_rust, {"lab_prerequisites": "rustup", **rust_mirror.variables}
    before = on_turind8(lab, "cat ~/.profile ~/.bashrc; ls -A ~")
    assert prepared(lab, "--check", variables=variables)
    assert lab("exec", "turind8", "sh", "-c", f"test ! -e {RUST} && echo nothing") == "nothing\n"
    assert prepared(lab, variables=variables)
    assert not prepared(lab, variables=variables)
    assert not prepared(lab, "--check", variables=variables)
    built = on_turind8(
        lab,
        f"mkdir -p {RUST}/hello/src; cd {RUST}/hello\n"
        f"echo '{CARGO_TOML}' > Cargo.toml; echo '{MAIN_RS}' > src/main.rs\n"
        f"{RUST}/cargo/bin/cargo build --quiet --release --offline; target/release/hello",
    )
    assert built == "built on linux\n"
    left = set(on_turind8(lab, "cat ~/.profile ~/.bashrc; ls -A ~").splitlines()) - set(before.splitlines())
    assert left <= {".ansible", ".rackbench"}


def test_rustup_init_with_another_checksum_is_refused_on_the_host(
    host_without_rust: LabControl, rust_mirror: RustMirror
) -> None:
    lab = host_without_rust
    wrong = dict.fromkeys(rust_mirror.variables["lab_rust_init_sha256"], "0" * 64)
    variables = {"lab_prerequisites": "rustup", **rust_mirror.variables, "lab_rust_init_sha256": wrong}
    done = prepare(lab, variables=variables)
    assert done.returncode == 2
    assert "nothing was run" in done.stdout
    assert "[bootstrap_failed]" in done.stdout
    assert lab("exec", "turind8", "ls", "-A", RUST) == ""


def test_hwloc_is_installed_by_the_hosts_package_manager(host_without_hwloc: LabControl) -> None:
    lab, variables = host_without_hwloc, {"lab_prerequisites": "hwloc"}
    assert prepared(lab, "--check", variables=variables)
    assert lab("exec", "turind8", "sh", "-c", "command -v lstopo || echo nothing") == "nothing\n"
    assert prepared(lab, variables=variables)
    assert "Core" in lab("exec", "turind8", "lstopo", "--only", "core")
    assert not prepared(lab, variables=variables)


def test_a_prerequisite_that_there_is_not_is_refused(lab: LabControl) -> None:
    done = prepare(lab, variables={"lab_prerequisites": "hwlock,rustup"})
    assert done.returncode == 2
    assert "lab_prerequisites names hwlock" in done.stdout
    assert "There are hwloc, rustup" in done.stdout


class Here:
    """The module on this machine, in a home directory of its own."""

    def __init__(
        self, home: Path, mirror: RustMirror, address: str, asked: list[str], swapped: dict[str, bytes]
    ) -> None:
        self.home = home
        self.mirror = mirror
        self.asked = asked
        self.swapped = swapped
        self.options = {
            "mirror": address,
            "toolchain": mirror.variables["lab_rust_toolchain"],
            "toolchain_sha256": mirror.variables["lab_rust_toolchain_sha256"],
            "init_version": mirror.variables["lab_rust_init_version"],
            "init_sha256": mirror.variables["lab_rust_init_sha256"],
        }

    def start(self, **changed: Any) -> subprocess.Popen[str]:
        """Start the module as Ansible does on a target."""
        process = subprocess.Popen(
            [sys.executable, "-B", ROOT / "plugins/modules/rust_toolchain.py"],
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            text=True,
            env={**os.environ, "HOME": str(self.home), "PYTHONPATH": str(ROOT / "collections")},
        )
        assert process.stdin is not None
        process.stdin.write(json.dumps({"ANSIBLE_MODULE_ARGS": {**self.options, **changed}}))
        process.stdin.close()
        return process

    @staticmethod
    def result(process: subprocess.Popen[str]) -> dict[str, Any]:
        """Wait for a module and return its result."""
        assert process.stdout is not None
        with process:
            found: dict[str, Any] = json.loads(process.stdout.read())
        return found

    def call(self, **changed: Any) -> dict[str, Any]:
        """Run the module and return its result."""
        return self.result(self.start(**changed))

    def toolchains(self) -> list[str]:
        """Return the names of the installed toolchains."""
        return sorted(path.name for path in self.home.glob(".rackbench/rust/rustup/toolchains/*"))


class Served(SimpleHTTPRequestHandler):
    """A mirror that notes what is asked for, and has other bytes for some of it from the second time on."""

    def __init__(self, *args: Any, asked: list[str], swapped: dict[str, bytes], **more: Any) -> None:
        self.asked, self.swapped = asked, swapped
        super().__init__(*args, **more)

    def do_GET(self) -> None:
        swapped = self.swapped.get(self.path) if self.path in self.asked else None
        self.asked.append(self.path)
        if swapped is None:
            super().do_GET()
            return
        self.send_response(200)
        self.send_header("Content-Length", str(len(swapped)))
        self.end_headers()
        self.wfile.write(swapped)

    def log_message(self, *_: Any) -> None:
        """Say nothing."""


@pytest.fixture
def here(tmp_path: Path, rust_mirror: RustMirror) -> Iterator[Here]:
    """The module here, with a mirror behind a real HTTP server."""
    asked: list[str] = []
    swapped: dict[str, bytes] = {}
    handler = functools.partial(Served, asked=asked, swapped=swapped, directory=str(rust_mirror.directory))
    with ThreadingHTTPServer(("127.0.0.1", 0), handler) as server:
        thread = threading.Thread(target=server.serve_forever)
        thread.start()
        mirror = f"http://127.0.0.1:{server.server_port}"
        yield Here(tmp_path, rust_mirror, mirror, asked, swapped)
        server.shutdown()
        thread.join()
    # Half a gigabyte that nobody looks at later.
    shutil.rmtree(tmp_path / ".rackbench", ignore_errors=True)


def test_another_toolchain_is_installed_beside_the_first(here: Here) -> None:
    first = here.call()
    assert first["changed"], first
    assert first["version"].startswith(f"cargo {here.options['toolchain']} ")
    here.asked.clear()
    assert here.call() == {**first, "changed": False}
    assert here.asked == []
    other = here.call(toolchain=OTHER_CHANNEL)
    assert other["changed"], other
    assert here.toolchains() == sorted([first["toolchain"], other["toolchain"]])
    assert not any("rustup-init" in path for path in here.asked)
    here.asked.clear()
    assert here.call() == first
    assert here.call() == {**first, "changed": False}
    assert here.asked == []


def test_what_is_there_in_part_or_broken_is_installed_again(here: Here) -> None:
    name = here.call(_ansible_check_mode=True)["toolchain"]
    toolchain = here.home / ".rackbench/rust/rustup/toolchains" / name
    (toolchain / "lib").mkdir(parents=True)
    (toolchain / "lib/half-written").write_text("")
    assert here.call()["changed"]
    assert not (toolchain / "lib/half-written").exists()
    (toolchain / "bin/cargo").unlink()
    assert here.call()["changed"]
    assert not here.call()["changed"]


def test_a_manifest_that_changes_after_it_was_checked_brings_nothing(here: Here) -> None:
    path = f"/dist/channel-rust-{here.options['toolchain']}.toml"
    other = (here.mirror.directory / path[1:]).read_bytes() + b"# not what was pinned\n"
    here.swapped[path] = other
    here.swapped[f"{path}.sha256"] = f"{hashlib.sha256(other).hexdigest()}  x\n".encode()
    here.asked.append(f"{path}.sha256")
    result = here.call()
    assert result["rackbench_failure"]["code"] == "bootstrap_failed"
    assert f"{path} changed while it was installed" in result["msg"]
    assert here.toolchains() == []


def test_two_runs_at_the_same_time_install_once(here: Here) -> None:
    processes = [here.start() for _ in range(2)]
    results = [here.result(process) for process in processes]
    assert [result.get("msg") for result in results] == [None, None]
    assert len({result["version"] for result in results}) == 1
    assert len([path for path in here.asked if "rustup-init" in path]) == 1
    assert len(here.toolchains()) == 1
