# SPDX-License-Identifier: GPL-3.0-or-later
"""The module python_environment as a real process, with small packages that are made here.

The packages of BenchBox are installed by it in tests/integration/test_benchbox.py.
"""

from __future__ import annotations

import base64
import hashlib
import io
import json
import os
import platform
import shutil
import socket
import subprocess
import sys
import tarfile
import threading
import zipfile
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pytest

if TYPE_CHECKING:
    from collections.abc import Iterator

pytestmark = pytest.mark.slow

REPOSITORY = Path(__file__).resolve().parents[3]
BUNDLE = "b" * 64
HERE = f"{sys.version_info.major}.{sys.version_info.minor}"
SECRET = "canary-4711-password"


def wheel(name: str, version: str = "1.0") -> bytes:
    """Return a whole wheel with one empty module."""
    buffer = io.BytesIO()
    info = f"{name}-{version}.dist-info"
    with zipfile.ZipFile(buffer, "w") as archive:
        archive.writestr(f"{name}.py", f"NAME = {name!r}\n")
        archive.writestr(f"{info}/METADATA", f"Metadata-Version: 2.1\nName: {name}\nVersion: {version}\n")
        archive.writestr(f"{info}/WHEEL", "Wheel-Version: 1.0\nRoot-Is-Purelib: true\nTag: py3-none-any\n")
        archive.writestr(f"{info}/RECORD", "")
    return buffer.getvalue()


WHEELS = {f"{name}-1.0-py3-none-any.whl": wheel(name) for name in ("alpha", "beta")}


class Host:
    """A home directory with a bundle that pins two packages, and a wheelhouse beside it."""

    def __init__(self, directory: Path) -> None:
        self.home = directory / "home"
        self.root = self.home / ".rackbench"
        self.requirements = self.root / "bundles" / BUNDLE / "requirements.txt"
        self.requirements.parent.mkdir(parents=True)
        pins = [
            f"{file.partition('-')[0]}==1.0 --hash=sha256:{hashlib.sha256(data).hexdigest()}\n"
            for file, data in WHEELS.items()
        ]
        self.requirements.write_text("".join(pins))
        self.wheelhouse = directory / "wheelhouse"
        self.wheelhouse.mkdir()
        for file, data in WHEELS.items():
            (self.wheelhouse / file).write_bytes(data)

    @property
    def place(self) -> Path:
        """Where the environment is when it is whole."""
        digest = hashlib.sha256(self.requirements.read_bytes()).hexdigest()
        return self.root / "environments" / f"{digest[:16]}-{platform.machine()}"

    def call(self, *, check: bool = False, **changed: Any) -> dict[str, Any]:
        """Run the module as Ansible does on a target and return its result."""
        arguments = {"bundle": BUNDLE, "pythons": [HERE], "_ansible_check_mode": check, **changed}
        # How pip is set up on this machine must not matter.
        kept = {name: value for name, value in os.environ.items() if not name.startswith("PIP_")}
        done = subprocess.run(
            [sys.executable, "-B", REPOSITORY / "plugins/modules/target_python_environment.py"],
            input=json.dumps({"ANSIBLE_MODULE_ARGS": arguments}),
            capture_output=True,
            text=True,
            env={
                **kept,
                "HOME": str(self.home),
                "PYTHONPATH": str(REPOSITORY / "collections"),
                "PIP_CONFIG_FILE": os.devnull,
                "PIP_RETRIES": "1",
            },
        )
        assert done.stdout, done.stderr
        result: dict[str, Any] = json.loads(done.stdout)
        return result

    def made(self, **changed: Any) -> dict[str, Any]:
        """Make the environment from the wheelhouse."""
        return self.call(**{"wheelhouse": str(self.wheelhouse), **changed})

    def refusal(self, code: str = "environment_failed", **changed: Any) -> str:
        """Return what the module says when it fails; nothing is left then."""
        result = self.made(**changed)
        assert result.get("rackbench_failure", {}).get("code") == code, result
        environments = self.root / "environments"
        assert not environments.exists() or list(environments.iterdir()) == []
        return str(result["msg"])

    def imports(self) -> str:
        """Return what the environment's Python says of the packages."""
        done = subprocess.run(
            [self.place / "bin/python", "-I", "-c", "import alpha, beta; print(alpha.NAME, beta.NAME)"],
            capture_output=True,
            text=True,
            check=True,
        )
        return done.stdout.strip()

    def uploaded(self, content: bytes) -> dict[str, str]:
        """Upload an archive as the action does, and return the arguments for it."""
        upload = Path(self.call(state="looked")["upload"])
        upload.write_bytes(content)
        return {"wheelhouse": str(upload), "wheelhouse_sha256": hashlib.sha256(content).hexdigest()}


@pytest.fixture
def host(tmp_path: Path) -> Host:
    return Host(tmp_path)


def archive(files: dict[str, bytes]) -> bytes:
    buffer = io.BytesIO()
    with tarfile.open(fileobj=buffer, mode="w") as tar:
        for name, data in files.items():
            info = tarfile.TarInfo(name)
            info.size = len(data)
            tar.addfile(info, io.BytesIO(data))
    return buffer.getvalue()


@pytest.mark.full
def test_an_environment_is_made_once_and_again_from_an_archive_when_it_is_damaged(host: Host) -> None:
    looked = host.call(check=True)
    assert (looked["changed"], looked["present"]) == (True, False)
    assert not (host.root / "environments").exists()
    assert not (host.root / "uploads").exists()

    first = host.made()
    assert (first["changed"], first["python"]) == (True, platform.python_version())
    assert first["path"] == str(host.place)
    assert host.imports() == "alpha beta"
    # No command that names the directory it was made in, and nothing half made beside it.
    assert all(path.name.startswith("python") for path in (host.place / "bin").iterdir())
    assert list(host.place.parent.iterdir()) == [host.place]

    shutil.rmtree(host.wheelhouse)
    assert host.made()["changed"] is False
    assert host.call(state="looked")["present"] is True

    # The system's Python was replaced by another one.
    python = host.place / "bin" / f"python{HERE}"
    python.unlink()
    assert host.call(state="looked")["present"] is False
    # What a killed call left goes as well.
    (host.place.parent / ".killed.tmp").mkdir()
    files = {f"any/where/{file}": data for file, data in WHEELS.items()}
    given = host.uploaded(archive({**files, "../../README": b"not looked at"}))
    assert host.made(**given)["changed"] is True
    assert list((host.root / "uploads").iterdir()) == []
    assert list(host.home.rglob("README")) == []
    assert host.imports() == "alpha beta"
    assert list(host.place.parent.iterdir()) == [host.place]


@pytest.mark.full
def test_a_wheel_that_the_wheelhouse_lacks_is_named(host: Host) -> None:
    (host.wheelhouse / "beta-1.0-py3-none-any.whl").unlink()
    said = host.refusal()
    assert "cannot be installed from the wheelhouse" in said
    assert "beta==1.0" in said


@pytest.mark.full
def test_a_damaged_wheel_is_named_with_both_digests(host: Host) -> None:
    other = wheel("alpha") + b"x"
    (host.wheelhouse / "alpha-1.0-py3-none-any.whl").write_bytes(other)
    said = host.refusal()
    assert "DO NOT MATCH THE HASHES" in said
    assert "alpha" in said
    assert hashlib.sha256(other).hexdigest() in said


def test_a_wheelhouse_that_is_not_there_is_named(host: Host) -> None:
    assert "/srv/nowhere is not on this host" in host.refusal(wheelhouse="/srv/nowhere")


@pytest.mark.parametrize("content", [b"PK\x03\x04 no tar", archive(WHEELS)[:700]], ids=["zip", "cut"])
def test_an_archive_that_is_no_whole_tar_is_named(host: Host, content: bytes) -> None:
    assert "no whole tar archive" in host.refusal(**host.uploaded(content))
    assert list((host.root / "uploads").iterdir()) == []


def test_an_archive_that_changed_on_its_way_is_refused(host: Host) -> None:
    given = host.uploaded(archive(WHEELS))
    with Path(given["wheelhouse"]).open("ab") as stream:
        stream.write(b"x")
    assert "changed on its way" in host.refusal(**given)


def test_a_host_whose_pythons_are_too_old_is_refused_before_anything_is_uploaded(host: Host) -> None:
    for arguments in ({"state": "looked"}, {}):
        said = host.refusal("python_version_missing", pythons=["3.98", "3.99"], **arguments)
        assert "need Python 3.98 or 3.99" in said
        assert f"{platform.python_version()} ({sys.executable})" in said
    assert not (host.root / "uploads").exists()


def test_a_bundle_without_requirements_is_named(host: Host) -> None:
    host.requirements.unlink()
    assert "pins no packages" in host.refusal()


@pytest.mark.parametrize(
    ("url", "said"),
    [
        (f"https://user:{SECRET}@mirror.example/simple", "has a user name or password in it"),
        ("file:///srv/wheels", "no https or http address"),
        ("mirror.example/simple", "no https or http address"),
    ],
)
def test_an_index_address_of_another_form_is_refused_without_repeating_a_password(
    host: Host, url: str, said: str
) -> None:
    message = host.refusal(wheelhouse="", index_url=url)
    assert said in message
    assert SECRET not in message


class Index(BaseHTTPRequestHandler):
    """A package index that wants a user name and a password."""

    def do_GET(self) -> None:
        wanted = base64.b64encode(f"lab:{SECRET}".encode()).decode()
        if self.headers.get("Authorization") != f"Basic {wanted}":
            self.send_response(401)
            self.send_header("WWW-Authenticate", 'Basic realm="index"')
            self.end_headers()
            return
        name = self.path.rstrip("/").rpartition("/")[2]
        data = WHEELS.get(name)
        if data is None:
            links = [f'<a href="/files/{file}">{file}</a>' for file in WHEELS if file.startswith(f"{name}-")]
            data = f"<html><body>{''.join(links)}</body></html>".encode()
        self.send_response(200)
        self.send_header(
            "Content-Type", "text/html" if not name.endswith(".whl") else "application/octet-stream"
        )
        self.send_header("Content-Length", str(len(data)))
        self.end_headers()
        self.wfile.write(data)

    def log_message(self, format: str, *args: Any) -> None:  # noqa: A002 - the base class calls it so
        """Say nothing."""


@pytest.fixture(scope="module")
def index() -> Iterator[str]:
    with ThreadingHTTPServer(("127.0.0.1", 0), Index) as made:
        thread = threading.Thread(target=made.serve_forever)
        thread.start()
        yield f"http://127.0.0.1:{made.server_port}/simple"
        made.shutdown()
        thread.join()


@pytest.mark.full
def test_an_index_gets_the_password_and_nobody_else_does(host: Host, index: str) -> None:
    result = host.call(index_url=index, index_user="lab", index_password=SECRET)
    assert result["changed"] is True, result
    assert host.imports() == "alpha beta"
    assert SECRET not in json.dumps(result)
    kept = [path for path in host.home.rglob("*") if path.is_file() and SECRET.encode() in path.read_bytes()]
    assert kept == []


@pytest.mark.full
def test_an_index_that_does_not_answer_is_named_with_the_reason(host: Host) -> None:
    # A port that nobody listens on.
    with socket.socket() as taken:
        taken.bind(("127.0.0.1", 0))
        url = f"http://127.0.0.1:{taken.getsockname()[1]}/simple"
        assert "Connection refused" in host.refusal(wheelhouse="", index_url=url)


@pytest.mark.full
def test_a_refused_password_is_said_without_it(host: Host, index: str) -> None:
    said = host.refusal(wheelhouse="", index_url=index, index_user="lab", index_password=f"{SECRET}-old")
    assert "the package index 127.0.0.1" in said
    assert SECRET not in said
