# SPDX-License-Identifier: Apache-2.0
"""The parts of publishing one adapter's results, in order: payload, commit, push, pull request.

Each part starts from what the journal says of the one before, so that a killed one is done again without doubles.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path, PurePosixPath
from typing import TYPE_CHECKING, Any

from rackbench.adapters.results import parse_result
from rackbench.clock import parse_utc
from rackbench.errors import RackbenchError
from rackbench.ledger import publish_states as states
from rackbench.ledger import rundir
from rackbench.publish import (
    commit,
    embargo,
    gh,
    payload,
    places,
    pull_request,
    push,
    refusal,
    worktree,
)
from rackbench.publish.place import forge_at, github_at
from rackbench.publish.repository import open_repository
from rackbench.publish.target import shown, targets

if TYPE_CHECKING:
    from collections.abc import Callable
    from datetime import datetime

    from rackbench.adapters.catalog import Adapter
    from rackbench.ledger.state import RunState
    from rackbench.publish.repository import Repository
    from rackbench.publish.target import Target


@dataclass(frozen=True)
class Order:
    """What is to be published, and how far. `settings` is lab_publish_targets, `embargoes` lab_embargoes.

    `push` and `create_pr` ask for what the target's own settings do not.
    """

    run_dir: Path
    state: RunState
    adapter: Adapter
    project: Path
    settings: Any
    embargoes: Any
    push: bool
    create_pr: bool
    now: datetime

    def held_back(self) -> tuple[embargo.Embargo, ...]:
        """Return the embargoes of now, and the one that held this run back and is not told of any more.

        What kept something in the house does not end because somebody calls without it. An entry for the same host and
        label with another date ends it. Raises `RackbenchError` (embargo_invalid).
        """
        now = embargo.read(self.embargoes)
        then = embargo.read([held] if (held := self.told.get("embargo")) else [])
        return (*now, *(each for each in then if not any(each.concerns_the_same(other) for other in now)))

    def target(self) -> Target:
        """Return the adapter's target. Raises `RackbenchError` (publish_target_invalid)."""
        key = self.adapter.publish_target
        return targets({key: self.settings.get(key)}, self.project)[key]

    @property
    def told(self) -> dict[str, Any]:
        """What the part before has reached, as the journal has it."""
        return self.state.publish.get(self.adapter.name) or {}

    @property
    def branch(self) -> str:
        """The branch that the results go to."""
        return places.branch(self.state, self.adapter.name)

    @property
    def worktree(self) -> Path:
        """Where the branch can be looked at."""
        return self.run_dir / rundir.PUBLISH_WORKTREES / self.adapter.name

    def directory(self, target: Target) -> PurePosixPath:
        """Return where the results are in the repository."""
        return places.directory(target.directory, self.state, self.adapter.name)


@dataclass(frozen=True)
class Reached:
    """The state that a part has come to and more fields of the `publish` record; whether the next part has work to do.

    `failure` is set when something that was asked for could not be done.
    """

    state: str
    fields: Mapping[str, Any] = field(default_factory=dict)
    goes_on: bool = False
    failure: RackbenchError | None = None


def stage(order: Order) -> Reached:
    """Stage what may leave the house; before the first byte, look whether anything may."""
    key = order.adapter.publish_target
    if not isinstance(order.settings, Mapping):
        raise RackbenchError(
            "publish_target_invalid", "lab_publish_targets is no mapping.", where="lab_publish_targets"
        )
    if key not in order.settings:
        return Reached(states.NOT_CONFIGURED, {"reason": f"lab_publish_targets has no {key}."})
    embargoes = order.held_back()
    if held := embargo.of_run(embargoes, order.run_dir, order.state, order.now):
        reason = f"The run is {held.words}."
        return Reached(states.EMBARGOED, {"target": key, "reason": reason, "embargo": held.as_entry()})
    if reasons := refusal.refusals(order.state, _results(order)):
        return Reached(states.WITHHELD, {"target": key, "reason": " ".join(reasons)})
    target = order.target()
    staged = payload.stage(
        order.run_dir, order.state, order.adapter.name, target.key, embargoes=embargoes, now=order.now
    )
    fields = {
        "target": target.key,
        "files": len(staged.files),
        "bytes": sum(each.bytes for each in staged.files),
        "payload_sha256": staged.sha256,
    }
    return Reached(states.STAGED, fields, goes_on=True)


def make_commit(order: Order) -> Reached:
    """Put the payload on a branch of its own in the target's repository, and a worktree beside the run to look at."""
    target = order.target()
    staged = payload.read(order.run_dir, target.key, order.adapter.name)
    repository = open_repository(target)
    if order.create_pr or target.create_pr_local:
        github_at(repository)
    made = commit.commit(
        repository,
        target,
        branch=order.branch,
        directory=order.directory(target),
        payload=staged.directory,
        message=commit.message(order.state, order.adapter.name, staged),
        when=parse_utc(str(order.state.opened_at)),
    )
    fields = {
        "target": target.key,
        "branch": made.branch,
        "base": made.base,
        "commit": made.sha,
        "remote": shown(url) if (url := repository.remote_url()) else None,
    }
    if made.in_base:
        return Reached(states.MERGED, fields)
    worktree.add(repository, order.worktree, order.branch)
    return Reached(states.COMMITTED, fields, goes_on=True)


def push_branch(order: Order) -> Reached:
    """See how the remote stands, push if that is asked for, and write what a pull request would say."""
    target = order.target()
    repository = open_repository(target)
    sha = str(order.told["commit"])
    asked = order.push or order.create_pr or target.push_local or target.create_pr_local
    standing = (push.push if asked else push.look)(repository, target, order.branch, sha)
    # Another machine may have published the same results, on another commit of the base branch.
    fields: dict[str, Any] = {"target": target.key, "commit": standing.sha or sha}
    if standing.problem is not None:
        return Reached(
            states.state_of(standing.problem.code),
            {**fields, "reason": standing.problem.message, "code": standing.problem.code},
            failure=standing.problem if asked else None,
        )
    told = fields["commit"] == sha
    fields["base"] = str(order.told["base"]) if told else commit.parent(repository, fields["commit"])
    document = _document(order, target, repository, fields["commit"], fields["base"])
    pull_request.write(order.run_dir, target.key, order.adapter.name, document)
    place = forge_at(repository)
    pushed = standing.state == states.PUSHED
    fields |= {
        "forge": place.kind if place else None,
        "compare_url": document["compare_url"],
        "pushed": pushed or None,
    }
    # One that was made is looked for again, also where nobody asks for another.
    proposes = order.create_pr or target.create_pr_local or order.told.get("pull_request")
    return Reached(standing.state, fields, goes_on=pushed and bool(proposes))


def open_pull_request(order: Order) -> Reached:
    """Make the pull request, or find the one that the branch has already. One that a person closed stays closed."""
    target = order.target()
    repository = open_repository(target)
    document = _document(order, target, repository, str(order.told["commit"]), str(order.told["base"]))
    state, found = gh.ensure(github_at(repository), document, anew=order.create_pr)
    return Reached(state, {"target": target.key, "pull_request": found.url})


PARTS: dict[str, Callable[[Order], Reached]] = {
    "payload": stage,
    "commit": make_commit,
    "push": push_branch,
    "pull_request": open_pull_request,
}


def go(part: str, order: Order) -> Reached:
    """Do one part. What it raises that concerns publishing becomes the state that it leaves."""
    staging = f"{rundir.PUBLISH_STAGING}/{order.adapter.publish_target}"
    worktrees = f"{rundir.PUBLISH_WORKTREES}/{order.adapter.name}"
    try:
        rundir.check_layout(order.run_dir, staging, f"{staging}/{order.adapter.name}", worktrees)
        return PARTS[part](order)
    except RackbenchError as failure:
        error = failure
    except OSError as failure:
        what = f"{failure.filename}: {failure.strerror}" if failure.filename else str(failure)
        error = RackbenchError(
            "publish_unwritable",
            f"Publishing {order.adapter.name} stopped at {what}.",
            where=str(failure.filename or order.run_dir),
            detail=str(failure),
        )
    fields = {"target": order.adapter.publish_target, "reason": error.message, "code": error.code}
    return Reached(states.state_of(error.code), fields, failure=error)


def _results(order: Order) -> dict[str, Mapping[str, Any]]:
    """Return the results of the adapter that count, by execution, from files that are what was collected.

    Raises `RackbenchError` (publish_payload_changed).
    """
    return {
        each.execution: parse_result(payload.artifact(order.run_dir, order.state, path), Path(path)).document
        for each in payload.counted(order.state, order.adapter.name)
        if (path := str((order.state.results.get(each.execution) or {}).get("path") or ""))
    }


def _document(order: Order, target: Target, repository: Repository, sha: str, base: str) -> dict[str, Any]:
    staged = payload.read(order.run_dir, target.key, order.adapter.name)
    return pull_request.manifest(
        order.state,
        order.adapter.name,
        target,
        staged,
        sha,
        base,
        forge_at(repository),
    )
