# SPDX-License-Identifier: Apache-2.0
"""What `rackbench validate` and `rackbench bundle select` print: which hosts can be used, and with which bundles."""

from __future__ import annotations

from typing import Any, ClassVar, Literal

from pydantic import Field

from rackbench.models.common import Document, Model
from rackbench.models.journal import FailureText
from rackbench.models.preflight import PlannedFamily


class ConnectivityCheck(Model):
    """One thing that was tried: reaching or entering a hop or the host, its shell, Python or sudo."""

    name: str
    at: str
    status: Literal["passed", "failed", "skipped"]
    required: bool
    duration_s: float = Field(ge=0)
    cause: str | None = None
    code: str | None = None
    message: str | None = None
    next_step: str | None = None


class StagedBenchmark(Model):
    """What one benchmark would get on the host. `readiness` and `packaging` are as in `preflight/summary.json`."""

    benchmark: str
    families: list[PlannedFamily]
    readiness: dict[str, Any]
    packaging: dict[str, Any]


class Staging(Model):
    """The bundles and the readiness of one host."""

    ok: bool
    failure: FailureText | None = Field(description="why nothing can be said of any benchmark")
    evidence: str | None = Field(description="path of the preflight report for which the host was asked")
    platform: dict[str, Any] | None
    benchmarks: list[StagedBenchmark]


class PublishCheck(Model):
    """One thing that publishing needs: a mapping, a repository, its remote, an answer of it, gh; or no embargo."""

    name: str
    status: Literal["passed", "failed", "skipped"]
    required: bool = Field(description="false: nobody asked for what it is needed for")
    code: str | None = None
    message: str | None = None
    next_step: str | None = None
    next_command: str | None = None


class PublishedBenchmark(Model):
    """Where the results of one benchmark go. `target` is the key in lab_publish_targets that its adapter names."""

    benchmark: str
    target: str
    configured: bool
    checks: list[PublishCheck]


class Publishing(Model):
    """Whether the results of one host could be published."""

    ok: bool
    failure: FailureText | None = Field(default=None, description="why its benchmarks are not known")
    checks: list[PublishCheck] = Field(description="what concerns the host and not a target")
    benchmarks: list[PublishedBenchmark]


class ValidatedHost(Model):
    """What was found for one host. `failed_at`, `cause` and `code` are those of the first thing that is wrong."""

    host: str
    ok: bool
    route: list[str]
    failed_at: str | None = None
    cause: str | None = None
    code: str | None = None
    checks: list[ConnectivityCheck]
    duration_s: float = Field(ge=0)
    staging: Staging | None = Field(default=None, description="null in the scopes connectivity and publish")
    publish: Publishing | None = Field(default=None, description="only in the scopes publish and all")


class Validation(Document):
    """The report of `rackbench validate --json`."""

    KIND: ClassVar[str] = "validation"
    VERSION: ClassVar[str] = "1.2"

    at: str
    scope: Literal["connectivity", "staging", "publish", "all"]
    ok: bool
    hosts: list[ValidatedHost]


class LabBegun(Document):
    """The answer of `rackbench init`: one of `validation` and `failure` is null."""

    KIND: ClassVar[str] = "lab-begun"

    path: str
    files: list[str] = Field(description="paths of the files, below `path`")
    validation: Validation | None = Field(description="the report of the first `rackbench validate`")
    failure: FailureText | None = Field(
        description="why there is no report; the files are there all the same"
    )


class HostSelection(Model):
    """The decisions about bundles for one host; each is as in `preflight/summary.json`."""

    host: str
    ok: bool = Field(description="whether every benchmark gets a bundle")
    failure: FailureText | None
    platform: dict[str, Any] | None
    decisions: list[dict[str, Any]]


class BundleSelection(Document):
    """The answer of `rackbench bundle select --json`."""

    KIND: ClassVar[str] = "bundle-selection"

    ok: bool
    hosts: list[HostSelection]
