# SPDX-License-Identifier: Apache-2.0
"""Signatures of bundles. What is signed is the sidecar, which holds the digest."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

from rackbench import sshsig
from rackbench.bundles.catalog import read_sidecar, sidecar_path, signature_path
from rackbench.bundles.verify import verify
from rackbench.files import write_atomic
from rackbench.sshsig import Signature

if TYPE_CHECKING:
    from pathlib import Path

NAMESPACE = "rackbench-bundle"


@dataclass(frozen=True, slots=True)
class SignaturePolicy:
    """Which signatures are asked for: a file in the format of ssh's ALLOWED SIGNERS, and whether one must be there."""

    allowed_signers: Path | None
    required: bool


def sign(tarball: Path, key: Path) -> Path:
    """Sign a good bundle with an ssh key, and return the signature's path beside the sidecar.

    A key that is in ssh-agent is used from there. Raises `RackbenchError`: bundle_unreadable for a bad sidecar, and
    signing_failed when the bundle is not good or ssh-keygen cannot sign. Raises `OSError` for files that cannot be read
    or written.
    """
    read_sidecar(tarball)
    if problems := verify(tarball):
        raise sshsig.failed(tarball, f"It is not good: {problems[0]}")
    signature = sshsig.sign(tarball, sidecar_path(tarball).read_bytes(), key, NAMESPACE)
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
        return sshsig.check(path, content, NAMESPACE, signers, "the sidecar")
    except OSError as error:
        return Signature(
            problem=f"its signature cannot be checked: {error.filename}: {error.strerror or error}."
        )
