# SPDX-License-Identifier: GPL-3.0-or-later
"""The module rust_toolchain as a real process, against mirrors that are not as they should be.

What it installs from a good mirror is tested in tests/lab/test_prerequisites.py.
"""

from __future__ import annotations

import hashlib
import json
import os
import platform
import socket
import subprocess
import sys
import threading
from http.server import BaseHTTPRequestHandler, HTTPServer
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pytest

if TYPE_CHECKING:
    from collections.abc import Iterator

pytestmark = pytest.mark.slow

REPOSITORY = Path(__file__).resolve().parents[3]
TRIPLE = f"{platform.machine()}-unknown-linux-{'gnu' if platform.libc_ver()[0] else 'musl'}"
# Leaves a file in the home directory when anybody runs it.
INIT = b'#!/bin/sh\necho ran >> "$HOME/ran"\necho "the mirror is empty" >&2\nexit 7\n'
INIT_SHA256 = hashlib.sha256(INIT).hexdigest()
MANIFEST = b'manifest-version = "2"\n'
GOOD = {TRIPLE: INIT_SHA256}
PIN = hashlib.sha256(MANIFEST).hexdigest()


class Host:
    """A home directory of a user without Rust, and a mirror beside it."""

    def __init__(self, directory: Path) -> None:
        self.home = directory / "home"
        self.home.mkdir()
        self.mirror = directory / "mirror"
        init = self.mirror / f"rustup/archive/1.29.0/{TRIPLE}/rustup-init"
        init.parent.mkdir(parents=True)
        init.write_bytes(INIT)
        (self.mirror / "dist").mkdir()
        (self.mirror / "dist/channel-rust-1.95.0.toml").write_bytes(MANIFEST)

    def call(self, *, check: bool = False, **changed: Any) -> dict[str, Any]:
        """Run the module as Ansible does on a target and return its result."""
        arguments = {
            "mirror": self.mirror.as_uri(),
            "init_version": "1.29.0",
            "init_sha256": GOOD,
            "toolchain": "1.95.0",
            "_ansible_check_mode": check,
            **changed,
        }
        done = subprocess.run(
            [sys.executable, "-B", REPOSITORY / "plugins/modules/rust_toolchain.py"],
            input=json.dumps({"ANSIBLE_MODULE_ARGS": arguments}),
            capture_output=True,
            text=True,
            env={**os.environ, "HOME": str(self.home), "PYTHONPATH": str(REPOSITORY / "collections")},
        )
        assert done.stdout, done.stderr
        result: dict[str, Any] = json.loads(done.stdout)
        return result

    def refusal(self, **changed: Any) -> str:
        """Return what the module says when it refuses; nothing was run then, and nothing is left."""
        result = self.call(**changed)
        assert result["rackbench_failure"]["code"] == "bootstrap_failed"
        assert not (self.home / "ran").exists()
        rust = self.home / ".rackbench/rust"
        assert not rust.exists() or list(rust.iterdir()) == []
        return str(result["msg"])


@pytest.fixture
def host(tmp_path: Path) -> Host:
    return Host(tmp_path)


class Mirror(BaseHTTPRequestHandler):
    """A server with a good manifest that answers for `/500` with an error and else with half of what it promised."""

    def do_GET(self) -> None:
        if "/dist/" in self.path:
            self.send_response(200)
            self.send_header("Content-Length", str(len(MANIFEST)))
            self.end_headers()
            self.wfile.write(MANIFEST)
            return
        if self.path.startswith("/500"):
            self.send_error(500)
            return
        self.send_response(200)
        self.send_header("Content-Length", str(len(INIT)))
        self.end_headers()
        self.wfile.write(INIT[: len(INIT) // 2])

    def log_message(self, format: str, *args: Any) -> None:  # noqa: A002 - the base class calls it so
        """Say nothing."""


@pytest.fixture(scope="module")
def server() -> Iterator[str]:
    with HTTPServer(("127.0.0.1", 0), Mirror) as made:
        thread = threading.Thread(target=made.serve_forever)
        thread.start()
        yield f"http://127.0.0.1:{made.server_port}"
        made.shutdown()
        thread.join()


def test_a_check_says_what_would_change_and_writes_nothing(host: Host) -> None:
    result = host.call(check=True)
    assert result["changed"] is True
    assert result["version"] is None
    assert result["cargo"] == f"{host.home}/.rackbench/rust/cargo/bin/cargo"
    assert result["toolchain"] == f"1.95.0-{TRIPLE}"
    assert list(host.home.iterdir()) == []


def test_rustup_init_with_another_checksum_is_refused_before_it_runs(host: Host) -> None:
    said = host.refusal(init_sha256={TRIPLE: "0" * 64})
    assert INIT_SHA256 in said
    assert "0" * 64 in said


def test_a_manifest_with_another_checksum_is_refused_before_anything_runs(host: Host) -> None:
    said = host.refusal(toolchain_sha256="0" * 64)
    assert "channel-rust-1.95.0.toml" in said
    assert hashlib.sha256(MANIFEST).hexdigest() in said


@pytest.mark.parametrize(
    ("changed", "words"),
    [
        pytest.param({"init_sha256": {"vax-unknown-linux-gnu": "0" * 64}}, TRIPLE, id="no checksum for it"),
        pytest.param({"init_sha256": {TRIPLE: "abc"}}, "64 hexadecimal digits", id="checksum cut short"),
        pytest.param({"toolchain_sha256": "latest"}, "64 hexadecimal digits", id="manifest checksum a word"),
        pytest.param({"init_version": "../../1.29.0"}, "'../../1.29.0'", id="version out of the mirror"),
        pytest.param({"toolchain": "../1.95.0"}, "'../1.95.0'", id="toolchain out of the directory"),
        pytest.param({"toolchain": "--force"}, "'--force'", id="toolchain an option"),
        pytest.param({"mirror": "ftp://127.0.0.1"}, "https, http or file", id="mirror by ftp"),
        pytest.param({"mirror": "file://mirror"}, "https, http or file", id="mirror without a path"),
        pytest.param({"mirror": "https://[127.0.0.1"}, "cannot be read", id="mirror no address"),
        pytest.param({"init_version": "1.28.0"}, "cannot be read", id="version that the mirror lacks"),
    ],
)
def test_bad_options_are_refused(host: Host, changed: dict[str, Any], words: str) -> None:
    assert words in host.refusal(**changed)


def test_a_mirror_that_answers_500_is_named(host: Host, server: str) -> None:
    said = host.refusal(mirror=f"{server}/500", toolchain_sha256=PIN)
    assert f"{server}/500/rustup/archive/1.29.0/{TRIPLE}/rustup-init" in said
    assert "500" in said


def test_a_mirror_that_breaks_off_is_refused(host: Host, server: str) -> None:
    assert "rustup-init" in host.refusal(mirror=server, toolchain_sha256=PIN)


def test_a_mirror_that_nobody_listens_at_is_named(host: Host) -> None:
    with socket.create_server(("127.0.0.1", 0)) as closed:
        port = closed.getsockname()[1]
    mirror = f"http://127.0.0.1:{port}"
    assert f"{mirror}/dist" in host.refusal(mirror=mirror, toolchain_sha256=PIN)


@pytest.mark.parametrize("check", [False, True])
def test_an_http_mirror_without_a_pinned_toolchain_is_refused(host: Host, server: str, check: bool) -> None:
    said = host.refusal(mirror=server, check=check)
    assert "is not encrypted" in said
    assert "lab_rust_toolchain_sha256" in said


def test_what_another_run_installed_meanwhile_is_no_change(host: Host) -> None:
    rust = host.home / ".rackbench/rust"
    cargo = rust / "cargo/bin/cargo"
    cargo.parent.mkdir(parents=True)
    # Works from the second time on, as if another run had installed it while this one waited for the lock.
    cargo.write_text(
        '#!/bin/sh\nif [ -e "$HOME/asked" ]; then echo cargo 1.95.0; else : >"$HOME/asked"; exit 1; fi\n'
    )
    cargo.chmod(0o755)
    name = f"1.95.0-{TRIPLE}"
    record = {"rustup": ["1.29.0", INIT_SHA256], "toolchains": {name: ["", "minimal"]}, "default": name}
    (rust / "installed.json").write_text(json.dumps(record))
    result = host.call()
    assert (result.get("version"), result["changed"]) == ("cargo 1.95.0", False)
    assert not (host.home / "ran").exists()


def test_a_record_that_nobody_can_read_is_none(host: Host) -> None:
    record = host.home / ".rackbench/rust/installed.json"
    record.parent.mkdir(parents=True)
    record.write_text("[" * 100_000)
    assert "the mirror is empty" in host.call()["msg"]


def test_what_rustup_says_when_it_fails_is_passed_on(host: Host) -> None:
    result = host.call()
    assert (host.home / "ran").read_text() == "ran\n"
    assert result["rackbench_failure"]["code"] == "bootstrap_failed"
    assert "ended with 7" in result["msg"]
    assert "the mirror is empty" in result["msg"]
    assert not (host.home / ".rackbench/rust/installed.json").exists()


def test_a_directory_that_is_a_file_is_no_place_to_install(host: Host) -> None:
    (host.home / ".rackbench").write_text("in the way")
    assert host.call()["rackbench_failure"]["code"] == "target_unwritable"
