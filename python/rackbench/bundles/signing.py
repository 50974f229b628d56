# SPDX-License-Identifier: Apache-2.0
"""Signatures of bundles, made and checked by ssh-keygen. What is signed is the sidecar, which holds the digest."""

from __future__ import annotations

import os
import re
import subprocess
import sys
import tempfile
from dataclasses import dataclass
from pathlib import Path

from rackbench.bundles.catalog import read_sidecar, sidecar_path, signature_path
from rackbench.bundles.verify import verify
from rackbench.errors import RackbenchError
from rackbench.files import write_atomic
from rackbench.package_managers import local_install_text

NAMESPACE = "rackbench-bundle"
_PROGRAM = "ssh-keygen"
_PACKAGE = {"apt": "openssh-client", "dnf": "openssh", "default": "openssh"}
# Larger than any signature, certificates included.
_SIGNATURE_BYTES = 64 * 1024


@dataclass(frozen=True, slots=True)
class SignaturePolicy:
    """Which signatures are asked for: a file in the format of ssh's ALLOWED SIGNERS, and whether one must be there."""

    allowed_signers: Path | None
    required: bool


@dataclass(frozen=True, slots=True)
class Signature:
    """What is known of a bundle's signature: who signed it, the fingerprint of the key, and what is wrong with it."""

    signer: str | None = None
    key: str | None = None
    problem: str | None = None


def sign(tarball: Path, key: Path) -> Path:
    """Sign a good bundle with an ssh key, and return the signature's path beside the sidecar.

    A key that is in ssh-agent is used from there. Raises `RackbenchError`: bundle_unreadable for a bad sidecar, and
    signing_failed when the bundle is not good or ssh-keygen cannot sign. Raises `OSError` for files that cannot be read
    or written.
    """
    read_sidecar(tarball)
    if problems := verify(tarball):
        raise _failed(tarball, f"{tarball} is not signed, since it is not good: {problems[0]}")
    content = sidecar_path(tarball).read_bytes()
    with tempfile.TemporaryDirectory(prefix="rackbench-sign-") as scratch:
        document = Path(scratch, "sidecar")
        document.write_bytes(content)
        # The document is named and not piped: without a terminal ssh-keygen would read a passphrase from the pipe.
        answer = _ssh_keygen("sign", "-n", NAMESPACE, "-f", str(key), str(document), terminal=True)
        if answer is None:
            raise RackbenchError(
                "signing_failed",
                f"{tarball} is not signed: {_PROGRAM} is missing here.",
                where=str(tarball),
                next_command=local_install_text([_PACKAGE]),
            )
        if answer.returncode != 0:
            raise _failed(tarball, f"{tarball} is not signed. {_why_not(key, answer.stderr)}")
        signature = Path(scratch, "sidecar.sig").read_bytes()
    path = signature_path(tarball)
    write_atomic(path, signature)
    return path


def signature_of(tarball: Path, policy: SignaturePolicy, content: bytes) -> Signature:
    """Return who signed a bundle, or what the policy has against it. `content` is the sidecar's bytes as they are used.

    Without allowed signers nobody can say whose a signature is: it is then not looked at, unless one is required.
    """
    path = signature_path(tarball)
    if not path.exists():
        return Signature(problem=f"it is not signed: {path} is missing." if policy.required else None)
    signers = policy.allowed_signers
    if signers is None:
        unknown = "a signature is required, and no file of allowed signers is named to check it against."
        return Signature(problem=unknown if policy.required else None)
    if not signers.is_file():
        return Signature(problem=f"its signature cannot be checked: there is no file {signers}.")
    try:
        if path.stat().st_size > _SIGNATURE_BYTES:
            return Signature(problem=f"{path} is no signature: it is too large for one.")
        return _checked(path, content, signers)
    except OSError as error:
        return Signature(
            problem=f"its signature cannot be checked: {error.filename}: {error.strerror or error}."
        )


def _checked(path: Path, content: bytes, signers: Path) -> Signature:
    """Check the signature itself, then whether its key is allowed."""
    answer = _ssh_keygen("check-novalidate", "-n", NAMESPACE, "-s", str(path), content=content)
    if answer is None:
        return Signature(problem=f"its signature cannot be checked: {_PROGRAM} is missing here.")
    if answer.returncode != 0:
        return Signature(problem=_bad_signature(path, answer.stderr))
    found = re.search(r"SHA256:\S+", answer.stdout)
    key = found[0] if found else "of an unknown kind"
    listed = _ssh_keygen("find-principals", "-s", str(path), "-f", str(signers))
    refusals = listed.stderr if listed else ""
    for signer in (listed.stdout if listed and listed.returncode == 0 else "").splitlines():
        verified = _ssh_keygen(
            "verify", "-I", signer, "-n", NAMESPACE, "-s", str(path), "-f", str(signers), content=content
        )
        if verified and verified.returncode == 0:
            return Signature(signer, key)
        refusals += verified.stderr if verified else ""
    return Signature(key=key, problem=_refused_key(key, signers, refusals))


def _bad_signature(path: Path, said: str) -> str:
    if "incorrect signature" in said:
        return f"its signature {path} is for other bytes: the sidecar changed after it was signed."
    if "namespace does not match" in said:
        return f"its signature {path} was made for another purpose than {NAMESPACE}."
    return f"{path} is no signature that {_PROGRAM} understands: {_first_line(said)}."


def _refused_key(key: str, signers: Path, said: str) -> str:
    if "key has expired" in said:
        return f"it is signed by the key {key}, which has expired in {signers}."
    if "not yet valid" in said:
        return f"it is signed by the key {key}, which is not valid yet in {signers}."
    if "not permitted for use in signature namespace" in said:
        return f"it is signed by the key {key}, which {signers} does not allow for {NAMESPACE}."
    return f"it is signed by the key {key}, which is missing in {signers}."


def _why_not(key: Path, said: str) -> str:
    if not key.is_file():
        return f"There is no key {key}."
    if "passphrase" in said:
        return f"The key {key} needs its passphrase: load it with `ssh-add {key}`, or sign on a terminal."
    return f"{_PROGRAM} cannot use the key {key}: {_first_line(said)}."


def _first_line(said: str) -> str:
    return next(
        (line.strip().rstrip(".") for line in said.splitlines() if line.strip()), "it does not say why"
    )


def _failed(tarball: Path, message: str) -> RackbenchError:
    return RackbenchError("signing_failed", message, where=str(tarball))


def _ssh_keygen(
    action: str, *arguments: str, content: bytes = b"", terminal: bool = False
) -> subprocess.CompletedProcess[str] | None:
    """Run `ssh-keygen -Y action` on `content`; None when it is not installed.

    It may ask for a passphrase on a terminal only, and there only with `terminal`: nothing may wait for nobody.
    """
    environment = {name: value for name, value in os.environ.items() if name != "SSH_ASKPASS"}
    environment |= {"LC_ALL": "C", "SSH_ASKPASS_REQUIRE": "never"}
    asks = terminal and sys.stdin is not None and sys.stdin.isatty()
    try:
        answer = subprocess.run(
            [_PROGRAM, "-Y", action, *arguments],
            input=content,
            env=environment,
            capture_output=True,
            start_new_session=not asks,
        )
    except FileNotFoundError:
        return None
    return subprocess.CompletedProcess(
        answer.args,
        answer.returncode,
        answer.stdout.decode(errors="replace"),
        answer.stderr.decode(errors="replace"),
    )
