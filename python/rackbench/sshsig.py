# SPDX-License-Identifier: Apache-2.0
"""Signatures by ssh keys, made and checked by `ssh-keygen -Y`. What they are for is told by their namespace."""

from __future__ import annotations

import os
import re
import subprocess
import sys
import tempfile
from dataclasses import dataclass
from pathlib import Path

from rackbench.errors import RackbenchError
from rackbench.package_managers import local_install_text

_PROGRAM = "ssh-keygen"
_PACKAGE = {"apt": "openssh-client", "dnf": "openssh", "default": "openssh"}
# Larger than any signature, certificates included.
_SIGNATURE_BYTES = 64 * 1024


@dataclass(frozen=True, slots=True)
class Signature:
    """What is known of a signature: who signed, the fingerprint of the key, and what is wrong with it.

    With a key the signature is one for these bytes, even if there is a problem with whose key it is.
    """

    signer: str | None = None
    key: str | None = None
    problem: str | None = None


def sign(subject: Path, content: bytes, key: Path, namespace: str) -> bytes:
    """Return a signature of `content` by an ssh key, as text; `subject` is what messages call it.

    A key that is in ssh-agent is used from there. Raises `RackbenchError("signing_failed")`.
    """
    with tempfile.TemporaryDirectory(prefix="rackbench-sign-") as scratch:
        document = Path(scratch, "document")
        document.write_bytes(content)
        # The document is named and not piped: without a terminal ssh-keygen would read a passphrase from the pipe.
        answer = _ssh_keygen("sign", "-n", namespace, "-f", str(key), str(document), terminal=True)
        if answer is None:
            raise RackbenchError(
                "signing_failed",
                f"{subject} is not signed: {_PROGRAM} is missing here.",
                where=str(subject),
                next_command=local_install_text([_PACKAGE]),
            )
        if answer.returncode != 0:
            raise failed(subject, _why_not(key, answer.stderr))
        return document.with_name("document.sig").read_bytes()


def failed(subject: Path, why: str) -> RackbenchError:
    """Return the failure of a thing that is not signed; `why` is a sentence."""
    return RackbenchError("signing_failed", f"{subject} is not signed. {why}", where=str(subject))


def check(path: Path, content: bytes, namespace: str, signers: Path | None, what: str) -> Signature:
    """Check the signature in the file `path`, then whether its key is allowed; `what` is what `content` is called.

    Without `signers`, a file in the format of ssh's ALLOWED SIGNERS, nobody says whose the key is. Raises `OSError`
    when the file cannot be read.
    """
    if path.stat().st_size > _SIGNATURE_BYTES:
        return Signature(problem=f"{path} is no signature: it is too large for one.")
    answer = _ssh_keygen("check-novalidate", "-n", namespace, "-s", str(path), content=content)
    if answer is None:
        return Signature(problem=f"its signature cannot be checked: {_PROGRAM} is missing here.")
    if answer.returncode != 0:
        return Signature(problem=_bad_signature(path, namespace, what, answer.stderr))
    found = re.search(r"SHA256:\S+", answer.stdout)
    key = found[0] if found else "of an unknown kind"
    if signers is None:
        return Signature(key=key)
    listed = _ssh_keygen("find-principals", "-s", str(path), "-f", str(signers))
    refusals = listed.stderr if listed else ""
    for signer in (listed.stdout if listed and listed.returncode == 0 else "").splitlines():
        verified = _ssh_keygen(
            "verify", "-I", signer, "-n", namespace, "-s", str(path), "-f", str(signers), content=content
        )
        if verified and verified.returncode == 0:
            return Signature(signer, key)
        refusals += verified.stderr if verified else ""
    return Signature(key=key, problem=_refused_key(key, namespace, signers, refusals))


def _bad_signature(path: Path, namespace: str, what: str, said: str) -> str:
    if "incorrect signature" in said:
        return f"its signature {path} is for other bytes: {what} changed after it was signed."
    if "namespace does not match" in said:
        return f"its signature {path} was made for another purpose than {namespace}."
    return f"{path} is no signature that {_PROGRAM} understands: {_first_line(said)}."


def _refused_key(key: str, namespace: str, signers: Path, said: str) -> str:
    if "key has expired" in said:
        return f"it is signed by the key {key}, which has expired in {signers}."
    if "not yet valid" in said:
        return f"it is signed by the key {key}, which is not valid yet in {signers}."
    if "not permitted for use in signature namespace" in said:
        return f"it is signed by the key {key}, which {signers} does not allow for {namespace}."
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
