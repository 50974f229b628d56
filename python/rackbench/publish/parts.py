# SPDX-License-Identifier: Apache-2.0
"""The parts of publishing one adapter's results, in order: payload, commit, push, pull request.

Each part starts from what the journal says of the one before, so that a killed one is done again without doubles.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from pathlib import PurePosixPath
from typing import TYPE_CHECKING, Any

from rackbench.adapters.results import read_result
from rackbench.clock import parse_utc
from rackbench.errors import RackbenchError
from rackbench.ledger import publish_states as states
from rackbench.ledger import rundir
from rackbench.publish import commit, embargo, forge, gh, payload, pull_request, push, refusal, worktree
from rackbench.publish.repository import open_repository
from rackbench.publish.target import shown, targets

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping, Sequence
    from datetime import datetime
    from pathlib import Path

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
    settings: Mapping[str, Any]
    embargoes: Sequence[Mapping[str, Any]]
    push: bool
    create_pr: bool
    now: datetime

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
        return f"results/{self._place}"

    @property
    def worktree(self) -> Path:
        """Where the branch can be looked at."""
        return self.run_dir / rundir.PUBLISH_WORKTREES / self.adapter.name

    def directory(self, target: Target) -> PurePosixPath:
        """Return where the results are in the repository."""
        return PurePosixPath(target.directory, self._place)

    @property
    def _place(self) -> str:
        return f"{self.state.host}/{self.state.run_id}/{self.adapter.name}"


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
    if key not in order.settings:
        return Reached(states.NOT_CONFIGURED, {"reason": f"lab_publish_targets has no {key}."})
    embargoes = embargo.read(order.embargoes)
    found = embargo.of_run(embargoes, order.run_dir, order.state, order.now)
    if found is not None:
        return Reached(states.EMBARGOED, {"target": key, "reason": f"The run is {found.words}."})
    if reasons := refusal.refusals(order.state, _results(order)):
        return Reached(states.WITHHELD, {"target": key, "reason": " ".join(reasons)})
    target = order.target()
    staged = payload.stage(
        order.run_dir,
        order.state,
        order.adapter.name,
        target.key,
        embargoes=embargoes,
        now=order.now,
    )
    size = sum(each.bytes for each in staged.files)
    fields = {
        "target": target.key,
        "files": len(staged.files),
        "bytes": size,
        "payload_sha256": staged.sha256,
    }
    return Reached(states.STAGED, fields, goes_on=True)


def make_commit(order: Order) -> Reached:
    """Put the payload on a branch of its own in the target's repository, and a worktree beside the run to look at."""
    target = order.target()
    staged = payload.read(order.run_dir, target.key, order.adapter.name)
    repository = open_repository(target)
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
        **_kept(order.told, "target", "files", "bytes", "payload_sha256"),
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
    fields = {**_kept(order.told, *states.FIELDS), "commit": standing.sha or sha}
    if standing.problem is not None:
        return Reached(
            states.state_of(standing.problem.code),
            {**fields, "reason": standing.problem.message, "code": standing.problem.code},
            failure=standing.problem if asked else None,
        )
    document = _document(order, target, repository, str(fields["commit"]))
    pull_request.write(order.run_dir, target.key, order.adapter.name, document)
    return Reached(
        standing.state,
        {**fields, "compare_url": document["compare_url"]},
        goes_on=standing.state == states.PUSHED and (order.create_pr or target.create_pr_local),
    )


def open_pull_request(order: Order) -> Reached:
    """Make the pull request, or find the one that the branch has already."""
    target = order.target()
    repository = open_repository(target)
    place = _forge(target, repository)
    if place is None or place.kind != "github":
        raise RackbenchError(
            "pr_create_failed",
            f"{shown(repository.written_url() or '')} is not on GitHub, and pull requests are made there only.",
            where=target.key,
            next_step="Open the compare_url of publish_ledger.json in a browser, and make the pull request there.",
        )
    state, found = gh.ensure(place, _document(order, target, repository, str(order.told["commit"])))
    return Reached(state, {**_kept(order.told, *states.FIELDS), "pull_request": found.url})


PARTS: dict[str, Callable[[Order], Reached]] = {
    "payload": stage,
    "commit": make_commit,
    "push": push_branch,
    "pull_request": open_pull_request,
}


def go(part: str, order: Order) -> Reached:
    """Do one part. What it raises that concerns publishing becomes the state that it leaves."""
    try:
        return PARTS[part](order)
    except RackbenchError as error:
        # Nothing that is half done is left in the target's repository.
        kept = _kept(order.told, *states.FIELDS) if part != "payload" else {}
        fields = {
            **kept,
            "target": order.adapter.publish_target,
            "reason": error.message,
            "code": error.code,
        }
        return Reached(states.state_of(error.code), fields, failure=error)


def _results(order: Order) -> dict[str, Mapping[str, Any]]:
    """Return the results of the adapter as their files hold them, by execution."""
    return {
        execution: read_result(order.run_dir / result["path"]).document
        for execution, result in order.state.results.items()
        if result.get("adapter") == order.adapter.name
    }


def _document(order: Order, target: Target, repository: Repository, sha: str) -> dict[str, Any]:
    staged = payload.read(order.run_dir, target.key, order.adapter.name)
    return pull_request.manifest(
        order.state,
        order.adapter.name,
        target,
        staged,
        sha,
        str(order.told["base"]),
        _forge(target, repository),
    )


def _forge(target: Target, repository: Repository) -> forge.Forge | None:
    url = target.remote_url or repository.written_url()
    return forge.forge_of(url, target.forge) if url else None


def _kept(told: Mapping[str, Any], *names: str) -> dict[str, Any]:
    """Return fields of the part before, without what it says of its own state."""
    return {name: told.get(name) for name in names if name not in {"state", "reason", "code"}}
