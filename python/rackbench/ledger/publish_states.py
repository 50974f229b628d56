# SPDX-License-Identifier: Apache-2.0
"""How far an adapter's results came on their way out: the one table of states. docs/reference/publish.md shows it."""

from __future__ import annotations

from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class PublishState:
    """A state in words; names of `rackbench.ledger.alerts.COMMANDS` that go on from it and that look into it.

    `blocks`: nobody asked for more, and yet whoever configured the target wants to know that it leads nowhere.
    """

    meaning: str
    next: str | None
    diagnostic: str = "status"
    blocks: bool = False


# What stays true of the same payload, however the publishing after it ends.
CARRIED = (
    "files",
    "bytes",
    "payload_sha256",
    "branch",
    "base",
    "commit",
    "remote",
    "forge",
    "compare_url",
    "pushed",
    "pull_request",
)
# What publish_ledger.json repeats of a `publish` record.
FIELDS = ("state", "target", "reason", "code", *CARRIED, "embargo")

PUBLISH, PUSH, CREATE_PR, VALIDATE = "publish", "publish --push", "publish --create-pr", "validate publish"

NOT_CONFIGURED = "not_configured"
WITHHELD = "withheld"
EMBARGOED = "embargoed"
PAYLOAD_REFUSED = "payload_refused"
STAGED = "staged"
BLOCKED = "blocked"
COMMITTED = "committed"
MERGED = "merged"
REMOTE_MISSING = "remote_missing"
REMOTE_MISMATCH = "remote_mismatch"
REMOTE_UNREACHABLE = "remote_unreachable"
PUSH_READY = "push_ready"
PUSH_REJECTED = "push_rejected"
DIVERGED = "diverged"
PUSHED = "pushed_local"
GH_MISSING = "gh_missing"
GH_AUTH_MISSING = "gh_auth_missing"
PR_CREATE_FAILED = "pr_create_failed"
PR_OPEN = "pr_open"
PR_CLOSED = "pr_closed"
PR_CREATED = "pr_created"
# What versions without publishing wrote.
FAILED = "failed"

STATES: dict[str, PublishState] = {
    NOT_CONFIGURED: PublishState(
        "`lab_publish_targets` has no target for the benchmark: the run is complete, and its results stay here.",
        None,
        VALIDATE,
    ),
    WITHHELD: PublishState(
        "Results like these are not given out: of a dry run, of a stand-in, void, or tagged `smoke`, `dry` or "
        "`simulated`.",
        None,
    ),
    EMBARGOED: PublishState(
        "An embargo is in force; not a byte was staged. Publish after its date.", PUBLISH, VALIDATE
    ),
    PAYLOAD_REFUSED: PublishState(
        "The files hold something that may not leave the house, are not what was collected, or there are none.",
        PUBLISH,
    ),
    STAGED: PublishState("The payload is in `publish-staging/`.", PUBLISH, VALIDATE),
    BLOCKED: PublishState("The target's repository cannot be used as it is.", PUBLISH, VALIDATE),
    COMMITTED: PublishState("The commit is made, on its branch in the target's repository.", PUBLISH, VALIDATE),
    MERGED: PublishState(
        "The base branch holds exactly these results already: nothing is left to do.", None, VALIDATE
    ),
    REMOTE_MISSING: PublishState(
        "The commit is made, and the repository has no such remote.", PUSH, VALIDATE, blocks=True
    ),
    REMOTE_MISMATCH: PublishState(
        "The commit is made, and the remote is not the one that the target names.", PUSH, VALIDATE, blocks=True
    ),
    REMOTE_UNREACHABLE: PublishState(
        "The commit is made, and the remote does not answer or does not let us in.", PUSH, VALIDATE, blocks=True
    ),
    PUSH_READY: PublishState(
        "The commit is made, the remote is the right one, and nobody asked to push.", PUSH, VALIDATE
    ),
    PUSH_REJECTED: PublishState("The remote refused the push.", PUSH, VALIDATE),
    DIVERGED: PublishState(
        "The remote has the branch with other content. Nothing was overwritten.", PUSH, VALIDATE, blocks=True
    ),
    PUSHED: PublishState(
        "The remote has the commit, as reading it back has shown; nobody asked for a pull request.", CREATE_PR, VALIDATE
    ),
    GH_MISSING: PublishState(
        "The branch is pushed, and `gh`, which makes the pull request, is not installed.", CREATE_PR, VALIDATE
    ),
    GH_AUTH_MISSING: PublishState("The branch is pushed, and `gh` is not logged in.", CREATE_PR, VALIDATE),
    PR_CREATE_FAILED: PublishState(
        "The branch is pushed, and the pull request could not be made.", CREATE_PR, VALIDATE
    ),
    PR_OPEN: PublishState("The branch has an open pull request already, which is used.", None, VALIDATE),
    PR_CLOSED: PublishState(
        "The pull request of the branch was closed or merged by a person, and no other one is made.", None, VALIDATE
    ),
    PR_CREATED: PublishState("The pull request is made.", None, VALIDATE),
    FAILED: PublishState("An earlier version could not publish.", PUBLISH, VALIDATE),
}  # fmt: skip
# The states of results that nobody may give out, whatever is asked; what `rackbench publish` answers with.
WITHHELD_CODES = {WITHHELD: "publish_withheld", EMBARGOED: "embargoed"}
# A failure of the remote or of gh, and the state that it leaves.
STATE_OF_CODE = {
    "publish_remote_missing": REMOTE_MISSING,
    "publish_remote_mismatch": REMOTE_MISMATCH,
    "publish_remote_unreachable": REMOTE_UNREACHABLE,
    "publish_remote_auth": REMOTE_UNREACHABLE,
    "publish_diverged": DIVERGED,
    "publish_push_rejected": PUSH_REJECTED,
    "publish_branch_protected": PUSH_REJECTED,
    "publish_payload_empty": PAYLOAD_REFUSED,
    "publish_payload_changed": PAYLOAD_REFUSED,
    "publish_payload_refused": PAYLOAD_REFUSED,
    "gh_missing": GH_MISSING,
    "gh_auth_missing": GH_AUTH_MISSING,
    "pr_create_failed": PR_CREATE_FAILED,
}


def state_of(code: str) -> str:
    """Return the state that a failure of publishing leaves."""
    return STATE_OF_CODE.get(code, BLOCKED)
