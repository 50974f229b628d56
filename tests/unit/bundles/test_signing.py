# SPDX-License-Identifier: Apache-2.0
"""Signatures of bundles by the real ssh-keygen: made, checked, and refused each for its own reason."""

from __future__ import annotations

import json
import os
import re
import shutil
import signal
import subprocess
import sys
import tempfile
from pathlib import Path
from typing import TYPE_CHECKING

import pytest
from rackbench.bundles import signing
from rackbench.bundles.catalog import sidecar_path, signature_path
from rackbench.bundles.signing import SignaturePolicy, sign
from rackbench.errors import RackbenchError

from .bad_bundles import GOOD, squeezed, write_bundle

if TYPE_CHECKING:
    from rackbench.sshsig import Signature

pytestmark = pytest.mark.slow

PASSPHRASE = "not for argv"


def signature_of(tarball: Path, policy: SignaturePolicy) -> Signature:
    return signing.signature_of(tarball, policy, sidecar_path(tarball).read_bytes())


def signature_problem(tarball: Path, policy: SignaturePolicy) -> str | None:
    return signature_of(tarball, policy).problem


def make_key(path: Path, passphrase: str = "") -> str:
    """Make an ssh key, and return its fingerprint."""
    subprocess.run(
        ["ssh-keygen", "-q", "-t", "ed25519", "-N", passphrase, "-C", "", "-f", str(path)], check=True
    )
    shown = subprocess.run(["ssh-keygen", "-lf", str(path)], check=True, capture_output=True, text=True)
    return shown.stdout.split()[1]


def allow(path: Path, key: Path, options: str = "", who: str = "ci@example.org") -> SignaturePolicy:
    """Write an allowed-signers file with one key, and return the policy that requires it."""
    path.write_text(f"{who} {options} {key.with_name(key.name + '.pub').read_text()}")
    return SignaturePolicy(path, required=True)


@pytest.fixture
def key(tmp_path: Path) -> Path:
    make_key(tmp_path / "key")
    return tmp_path / "key"


@pytest.fixture
def tarball(tmp_path: Path) -> Path:
    (tmp_path / "dist").mkdir()
    return write_bundle(tmp_path / "dist", squeezed(GOOD))


@pytest.fixture(autouse=True)
def without_agent(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv("SSH_AUTH_SOCK", raising=False)


def test_a_signature_by_an_allowed_key_names_its_signer(tmp_path: Path, tarball: Path, key: Path) -> None:
    path = sign(tarball, key)
    assert path == signature_path(tarball)
    assert path.name == f"{tarball.name}.json.sig"
    found = signature_of(tarball, allow(tmp_path / "allowed", key))
    assert (found.signer, found.problem) == ("ci@example.org", None)
    assert (found.key or "").startswith("SHA256:")
    assert sorted(each.name for each in tarball.parent.iterdir()) == [
        tarball.name,
        sidecar_path(tarball).name,
        path.name,
    ]


def test_signing_again_replaces_the_signature(tmp_path: Path, tarball: Path, key: Path) -> None:
    make_key(tmp_path / "other")
    sign(tarball, tmp_path / "other")
    sign(tarball, key)
    assert signature_problem(tarball, allow(tmp_path / "allowed", key)) is None


def test_an_unsigned_bundle_is_refused_only_where_a_signature_is_required(
    tmp_path: Path, tarball: Path, key: Path
) -> None:
    required = allow(tmp_path / "allowed", key)
    assert f"not signed: {signature_path(tarball)} is missing" in (signature_problem(tarball, required) or "")
    assert signature_problem(tarball, SignaturePolicy(required.allowed_signers, required=False)) is None
    assert signature_problem(tarball, SignaturePolicy(None, required=False)) is None


def test_a_key_that_nobody_allowed_is_named(tmp_path: Path, tarball: Path, key: Path) -> None:
    fingerprint = make_key(tmp_path / "stranger")
    sign(tarball, tmp_path / "stranger")
    policy = allow(tmp_path / "allowed", key)
    problem = signature_problem(tarball, policy) or ""
    assert fingerprint in problem
    assert f"missing in {policy.allowed_signers}" in problem
    assert signature_problem(tarball, SignaturePolicy(policy.allowed_signers, required=False)) == problem
    assert signature_problem(tarball, SignaturePolicy(None, required=False)) is None


def test_a_signature_for_other_bytes_is_refused(tmp_path: Path, tarball: Path, key: Path) -> None:
    sign(tarball, key)
    sidecar = sidecar_path(tarball)
    sidecar.write_bytes(sidecar.read_bytes().replace(b"1.0.0", b"1.0.1"))
    assert "other bytes" in (signature_problem(tarball, allow(tmp_path / "allowed", key)) or "")


@pytest.mark.parametrize(
    ("options", "word"),
    [
        ('valid-before="20200101"', "has expired"),
        ('valid-after="20990101"', "not valid yet"),
        ('namespaces="git"', "does not allow for rackbench-bundle"),
    ],
)
def test_a_key_that_is_not_allowed_for_this_is_refused(
    tmp_path: Path, tarball: Path, key: Path, options: str, word: str
) -> None:
    sign(tarball, key)
    assert word in (signature_problem(tarball, allow(tmp_path / "allowed", key, options)) or "")


def test_a_signature_made_for_another_purpose_is_refused(tmp_path: Path, tarball: Path, key: Path) -> None:
    made = subprocess.run(
        ["ssh-keygen", "-Y", "sign", "-n", "file", "-f", str(key)],
        input=sidecar_path(tarball).read_bytes(),
        capture_output=True,
        check=True,
    )
    signature_path(tarball).write_bytes(made.stdout)
    assert "another purpose" in (signature_problem(tarball, allow(tmp_path / "allowed", key)) or "")


@pytest.mark.parametrize(
    "garbage", [b"", b"garbage", b"\0" * 100, b"-----BEGIN SSH SIGNATURE-----\nAAAA\n", b"x" * 100_000]
)
def test_a_garbage_signature_is_refused(tmp_path: Path, tarball: Path, key: Path, garbage: bytes) -> None:
    signature_path(tarball).write_bytes(garbage)
    assert "is no signature" in (signature_problem(tarball, allow(tmp_path / "allowed", key)) or "")


def test_a_required_signature_without_allowed_signers_is_refused(tarball: Path, key: Path) -> None:
    sign(tarball, key)
    assert "no file of allowed signers" in (
        signature_problem(tarball, SignaturePolicy(None, required=True)) or ""
    )


def test_an_allowed_signers_file_that_is_missing_or_garbage_lets_nobody_in(
    tmp_path: Path, tarball: Path, key: Path
) -> None:
    sign(tarball, key)
    policy = SignaturePolicy(tmp_path / "allowed", required=False)
    assert f"there is no file {tmp_path / 'allowed'}" in (signature_problem(tarball, policy) or "")
    (tmp_path / "allowed").write_text("garbage\n")
    assert "missing in" in (signature_problem(tarball, policy) or "")


def test_a_missing_ssh_keygen_is_said(
    tmp_path: Path, tarball: Path, key: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    sign(tarball, key)
    policy = allow(tmp_path / "allowed", key)
    monkeypatch.setenv("PATH", str(tmp_path))
    assert "ssh-keygen is missing here" in (signature_problem(tarball, policy) or "")
    with pytest.raises(RackbenchError, match="ssh-keygen is missing") as caught:
        sign(tarball, key)
    assert caught.value.code == "signing_failed"


def test_a_bundle_that_is_not_good_is_not_signed(tarball: Path, key: Path) -> None:
    with tarball.open("ab") as stream:
        stream.write(b"x")
    with pytest.raises(RackbenchError, match="It is not good"):
        sign(tarball, key)
    assert not signature_path(tarball).exists()


def test_a_missing_key_and_a_file_that_is_no_key_are_refused(tmp_path: Path, tarball: Path) -> None:
    with pytest.raises(RackbenchError, match="There is no key"):
        sign(tarball, tmp_path / "none")
    (tmp_path / "text").write_text("no key\n")
    with pytest.raises(RackbenchError, match="cannot use the key"):
        sign(tarball, tmp_path / "text")


def test_an_encrypted_key_is_not_waited_for(
    tmp_path: Path, tarball: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Nor does a program of the environment answer, or the sidecar on standard input."""
    make_key(tmp_path / "locked", PASSPHRASE)
    asked = tmp_path / "asked"
    helper = tmp_path / "askpass"
    helper.write_text(f"#!/bin/sh\ntouch {asked}\n")
    helper.chmod(0o755)
    monkeypatch.setenv("SSH_ASKPASS", str(helper))
    monkeypatch.setenv("SSH_ASKPASS_REQUIRE", "force")
    with pytest.raises(RackbenchError, match="needs its passphrase: load it with `ssh-add"):
        sign(tarball, tmp_path / "locked")
    assert not asked.exists()
    assert not signature_path(tarball).exists()


def test_an_encrypted_key_is_used_from_the_agent(
    tmp_path: Path, tarball: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    make_key(tmp_path / "locked", PASSPHRASE)
    unlocked = tmp_path / "unlocked"
    shutil.copy(tmp_path / "locked", unlocked)
    subprocess.run(
        ["ssh-keygen", "-q", "-p", "-P", PASSPHRASE, "-N", "", "-f", str(unlocked)],
        check=True,
        stdout=subprocess.DEVNULL,
    )
    # The path of a socket must be short, so not below tmp_path.
    with tempfile.TemporaryDirectory(prefix="rb") as short:
        # It comes back when the agent listens.
        started = subprocess.run(
            ["ssh-agent", "-s", "-a", f"{short}/s"], check=True, capture_output=True, text=True
        )
        agent = re.search(r"SSH_AGENT_PID=(\d+)", started.stdout)
        assert agent
        try:
            monkeypatch.setenv("SSH_AUTH_SOCK", f"{short}/s")
            subprocess.run(["ssh-add", "-q", str(unlocked)], check=True)
            sign(tarball, tmp_path / "locked")
        finally:
            os.kill(int(agent[1]), signal.SIGTERM)
    assert signature_problem(tarball, allow(tmp_path / "allowed", tmp_path / "locked")) is None


def command(*arguments: str) -> subprocess.CompletedProcess[str]:
    """Run `rackbench bundle`, with nothing to read from."""
    program = Path(sys.executable).parent / "rackbench"
    return subprocess.run(
        [str(program), "bundle", *arguments], capture_output=True, text=True, stdin=subprocess.DEVNULL
    )


def test_the_command_signs_and_names_the_signer(tmp_path: Path, tarball: Path, key: Path) -> None:
    fingerprint = make_key(tmp_path / "other")
    signed = command("sign", str(tarball), "--key", str(tmp_path / "other"), "--json")
    assert signed.returncode == 0, signed.stderr
    assert json.loads(signed.stdout) == {
        "schema": "rackbench.bundles-signed/1.0",
        "files": [{"path": str(tarball), "signature": str(signature_path(tarball))}],
    }
    allow(tmp_path / "allowed", tmp_path / "other", who="alice@example.org")
    checked = command(
        "verify",
        str(tarball),
        "--allowed-signers",
        str(tmp_path / "allowed"),
        "--require-signature",
        "--json",
    )
    assert checked.returncode == 0, checked.stderr
    assert json.loads(checked.stdout) == {
        "schema": "rackbench.bundles-verified/1.0",
        "ok": True,
        "files": [
            {
                "path": str(tarball),
                "state": "good",
                "problems": [],
                "signer": "alice@example.org",
                "key": fingerprint,
            }
        ],
    }
    allow(tmp_path / "allowed", key)
    refused = command("verify", str(tarball), "--allowed-signers", str(tmp_path / "allowed"))
    assert refused.returncode == 1
    assert fingerprint in refused.stdout


def test_an_unsigned_bundle_is_not_good_where_a_signature_is_required(tarball: Path) -> None:
    assert command("verify", str(tarball)).returncode == 0
    refused = command("verify", str(tarball), "--require-signature")
    assert refused.returncode == 1
    assert "it is not signed" in refused.stdout


def test_all_files_are_reported_and_the_highest_status_wins(tmp_path: Path, tarball: Path) -> None:
    bad = tmp_path / "bad.tar.gz"
    bad.write_bytes(b"")
    gone = str(tmp_path / "gone.tar.gz")
    answer = command("verify", gone, str(bad), str(tarball))
    assert answer.returncode == 2
    assert f"{tarball}: good" in answer.stdout
    assert f"{bad}: NOT GOOD" in answer.stdout
    assert f"There is no file or directory {gone}." in answer.stderr
    document = json.loads(command("verify", "--json", gone, str(bad), str(tarball)).stdout)
    assert document["ok"] is False
    assert [each["state"] for each in document["files"]] == ["unreadable", "not_good", "good"]
    assert command("verify", str(bad), str(tarball)).returncode == 1


def test_a_directory_cannot_be_read_as_a_bundle(tmp_path: Path) -> None:
    answer = command("verify", str(tmp_path))
    assert answer.returncode == 2
    assert "no regular file" in answer.stderr


def test_signing_fails_in_words_with_a_status_of_its_own(tmp_path: Path, tarball: Path) -> None:
    answer = command("sign", str(tarball), "--key", str(tmp_path / "none"))
    assert answer.returncode == 1
    assert "There is no key" in answer.stderr
    assert "signing_failed" in answer.stderr
