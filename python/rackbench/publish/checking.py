# SPDX-License-Identifier: Apache-2.0
"""Whether results could be published: what `validate --scope publish` looks at, before anything is measured."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from rackbench.errors import FAILURES, RackbenchError
from rackbench.publish import embargo, gh
from rackbench.publish.place import github_at
from rackbench.publish.repository import open_repository
from rackbench.publish.target import shown, targets

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator, Mapping
    from datetime import datetime
    from pathlib import Path

    from rackbench.adapters.catalog import Adapter
    from rackbench.publish.repository import Repository
    from rackbench.publish.target import Target

PASSED, FAILED, SKIPPED = "passed", "failed", "skipped"


class Checks:
    """Looks at publish targets; each of them once, however many hosts and benchmarks have it."""

    def __init__(self, project: Path, now: datetime) -> None:
        self._project = project
        self._now = now
        self._known: dict[tuple[str, str], list[dict[str, Any]]] = {}

    def of_host(
        self,
        host: str,
        adapters: Iterable[Adapter],
        settings: Any,
        embargoes: Any,
        failure: Mapping[str, Any] | None = None,
    ) -> dict[str, Any]:
        """Return the `publish` block of a host in a validation report.

        `settings` is lab_publish_targets and `embargoes` lab_embargoes, as the host has them, whatever they are: None
        without them, a `RackbenchError` for what cannot be read. `failure` says why the host could not be planned.
        """
        own = [*_mapping(settings), *_embargo(host, embargoes, self._now)]
        rows = [self._row(adapter, settings or {}) for adapter in adapters] if _is_mapping(settings) else []
        wrong = any(_is_wrong(check) for check in (*own, *(each for row in rows for each in row["checks"])))
        if failure and any(check["name"] == "mapping" for check in own):
            # The plan asks for this setting too.
            failure = None
        return {
            "ok": not wrong and failure is None,
            "failure": {**failure, "next_step": _next_step(failure)} if failure else None,
            "checks": own,
            "benchmarks": rows,
        }

    def _row(self, adapter: Adapter, settings: Mapping[str, Any]) -> dict[str, Any]:
        key = adapter.publish_target
        row = {"benchmark": adapter.name, "target": key}
        if key not in settings:
            message = f"lab_publish_targets has no {key}: results stay in the run directory."
            return {**row, "configured": False, "checks": [_check("mapping", SKIPPED, message=message)]}
        place = (key, repr(settings[key]))
        if place not in self._known:
            self._known[place] = list(self._of_target(key, settings[key]))
        return {**row, "configured": True, "checks": self._known[place]}

    def _of_target(self, key: str, settings: Any) -> Iterator[dict[str, Any]]:
        try:
            target = targets({key: settings}, self._project)[key]
        except RackbenchError as error:
            yield _failed("mapping", error)
            return
        yield _check("mapping", PASSED, message=f"{key} is {target.repo}, branch {target.base_branch}")
        try:
            repository = open_repository(target)
        except RackbenchError as error:
            yield _failed("repository", error)
            return
        yield _check("repository", PASSED, message="clean, and nobody else works in it")
        url = repository.remote_url()
        if problem := repository.remote_problem():
            yield _failed("remote", problem, required=_pushes(target))
            return
        yield _check("remote", PASSED, message=f"{target.remote} is {shown(url or '')}")
        problem = repository.base().problem
        yield (
            _failed("reach", problem, required=_pushes(target))
            if problem
            else _check("reach", PASSED, message="it answers, and lets us read")
        )
        yield _gh(target, repository)


def _gh(target: Target, repository: Repository) -> dict[str, Any]:
    try:
        place = github_at(repository)
    except RackbenchError as error:
        if target.create_pr_local:
            return _failed("gh", error)
        return _check("gh", SKIPPED, message="pull requests are made with gh, on GitHub only")
    if problem := gh.check(place):
        return _failed("gh", problem, required=target.create_pr_local)
    return _check("gh", PASSED, message=f"it is logged in at {place.host}")


def _pushes(target: Target) -> bool:
    return target.push_local or target.create_pr_local


def _is_mapping(settings: Any) -> bool:
    return settings is None or isinstance(settings, dict)


def _mapping(settings: Any) -> Iterator[dict[str, Any]]:
    """Tell of settings in which no target can be looked up."""
    if isinstance(settings, RackbenchError):
        yield _failed("mapping", settings)
    elif not _is_mapping(settings):
        message = "lab_publish_targets: it is no mapping of keys to targets."
        yield _failed("mapping", RackbenchError("publish_target_invalid", message))


def _next_step(failure: Mapping[str, Any]) -> str | None:
    step: str | None = failure.get("next_step") or FAILURES[failure["code"]].next_step
    return step


def _embargo(host: str, settings: Any, now: datetime) -> Iterator[dict[str, Any]]:
    if isinstance(settings, RackbenchError):
        yield _failed("embargo", settings)
        return
    try:
        found = [each for each in embargo.read(settings or ()) if each.in_force(now) and each.is_on(host)]
    except RackbenchError as error:
        yield _failed("embargo", error)
        return
    for each in found:
        yield _failed(
            "embargo", RackbenchError("embargoed", f"The host is {each.words}.", where=host), required=False
        )


def _is_wrong(check: Mapping[str, Any]) -> bool:
    return check["status"] == FAILED and bool(check["required"])


def _failed(name: str, error: RackbenchError, *, required: bool = True) -> dict[str, Any]:
    return _check(
        name,
        FAILED,
        required=required,
        code=error.code,
        message=error.message,
        next_step=error.next_step or FAILURES[error.code].next_step,
        next_command=error.next_command,
    )


def _check(
    name: str,
    status: str,
    *,
    required: bool = True,
    code: str | None = None,
    message: str | None = None,
    next_step: str | None = None,
    next_command: str | None = None,
) -> dict[str, Any]:
    return {
        "name": name,
        "status": status,
        "required": required,
        "code": code,
        "message": message,
        "next_step": next_step,
        "next_command": next_command,
    }
