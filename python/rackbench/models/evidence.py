# SPDX-License-Identifier: Apache-2.0
"""What a signed run has in `evidence/`, and what `rackbench sign` and `rackbench verify` print with `--json`."""

from __future__ import annotations

from typing import ClassVar, Literal

from pydantic import Field

from rackbench.models.common import Document, Model
from rackbench.models.journal import Sha256


class SubjectDigest(Model):
    """The digest of a file."""

    sha256: Sha256


class Subject(Model):
    """A file of the run directory; its name is relative to it."""

    name: str
    digest: SubjectDigest


class JournalDigests(Model):
    """The file that names the lines: for each the first 16 hexadecimal digits of its SHA-256, and a newline."""

    path: str
    sha256: Sha256


class SignedJournal(Model):
    """The journal as it was when it was signed.

    `head` is the end of a chain: SHA-256 over the head of the line before (32 zero bytes at first) and the SHA-256 of
    the line with its newline.
    """

    path: str
    lines: int = Field(ge=1)
    bytes: int = Field(ge=1)
    head: Sha256
    digests: JournalDigests


class RunEvidence(Document):
    """The predicate of the statement: whose files these are, when they were signed, and the journal."""

    KIND: ClassVar[str] = "run-evidence"

    run_id: str
    host: str
    check: bool = Field(description="Whether it is a dry run.")
    signed_at: str
    journal: SignedJournal


class Statement(Model):
    """`evidence/statement.json`: an in-toto Statement v1 over the journal and all artifacts that it has."""

    TYPE: ClassVar[str] = "https://in-toto.io/Statement/v1"
    PREDICATE: ClassVar[str] = "https://github.com/rackbench/rackbench/run-evidence/v1"

    type_: Literal["https://in-toto.io/Statement/v1"] = Field(alias="_type")
    subject: list[Subject] = Field(min_length=1)
    predicate_type: Literal["https://github.com/rackbench/rackbench/run-evidence/v1"] = Field(
        alias="predicateType"
    )
    predicate: RunEvidence

    @property
    def digests(self) -> dict[str, str]:
        """Return the SHA-256 of each subject."""
        return {subject.name: subject.digest.sha256 for subject in self.subject}


class RunSigned(Document):
    """The answer of `rackbench sign`."""

    KIND: ClassVar[str] = "run-signed"

    run_dir: str
    run_id: str
    statement: str
    signature: str
    key: str = Field(description="The fingerprint of the key.")
    artifacts: int = Field(ge=0)
    lines: int = Field(ge=1, description="Of the journal.")
    head: Sha256


class EvidenceProblem(Model):
    """Something that is not as it was signed; `path` is relative to the run directory."""

    code: Literal["evidence_missing", "evidence_refused", "evidence_mismatch", "evidence_outgrown"]
    path: str
    line: int | None = Field(description="Of the journal, from 1: the first one that it concerns.")
    message: str


class RunVerified(Document):
    """The answer of `rackbench verify`.

    With `ok` everything is as the key signed it. Without a `signer` nobody was asked whose the key is. What is read
    from a statement is null when its signature is not good.
    """

    KIND: ClassVar[str] = "run-verified"

    ok: bool
    run_dir: str
    run_id: str | None
    signed_at: str | None
    key: str | None = Field(description="The fingerprint of the key.")
    signer: str | None = Field(description="Whose key it is, after the file of allowed signers.")
    artifacts: int | None = Field(description="How many the statement has.")
    lines: int | None = Field(description="How many lines of the journal are signed.")
    problems: list[EvidenceProblem]
