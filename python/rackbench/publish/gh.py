# SPDX-License-Identifier: Apache-2.0
"""Pull requests on GitHub through the command `gh`, which knows how its user is logged in there."""

from __future__ import annotations

import json
import os
import subprocess
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Literal
from urllib.parse import quote

from rackbench.errors import RackbenchError
from rackbench.words import printable

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping

    from rackbench.publish.forge import Forge

# Of one request. `gh` itself waits for ever.
_PATIENCE_S = 120
# What would make gh ask, colour or speak of other things, or take another repository.
_NOT_PASSED_ON = frozenset(
    {
        "CLICOLOR_FORCE",
        "DEBUG",
        "GH_DEBUG",
        "GH_FORCE_TTY",
        "GH_HOST",
        "GH_REPO",
        "GIT_ASKPASS",
        "SSH_ASKPASS",
        "SSH_ASKPASS_REQUIRE",
    }
)
_NEEDS_LOGIN = 4  # gh's exit status
_OK, _CREATED, _WHO_ARE_YOU, _NOT_ALLOWED, _NOT_FOUND = 200, 201, 401, 403, 404


@dataclass(frozen=True, slots=True)
class PullRequest:
    """A pull request as GitHub has it."""

    number: int
    url: str
    is_open: bool = True


@dataclass(frozen=True, slots=True)
class _Answer:
    """What GitHub answered: the HTTP status (None: nothing that gh could pass on), the content, and gh's own words."""

    status: int | None
    content: Any
    words: str


def check(forge: Forge) -> RackbenchError | None:
    """Return why no pull request can be made there: no gh, no login, or no answer. None: nothing speaks against it."""
    try:
        answer = _request(forge, "GET", "user")
    except RackbenchError as error:
        return error
    # The token of an app or a workflow is good, and is nobody's.
    return None if answer.status in {_OK, _NOT_ALLOWED} else _failed(forge, "who is logged in", answer)


def ensure(
    forge: Forge, document: Mapping[str, Any], *, anew: bool = False
) -> tuple[Literal["pr_open", "pr_created", "pr_closed"], PullRequest]:
    """Return the newest pull request of the document's branch, and whether it is open, is new, or was closed.

    One that was closed or merged is left so, unless another is to be made `anew`.
    Raises `RackbenchError` with `gh_missing`, `gh_auth_missing` or `pr_create_failed`.
    """
    if (found := _standing(forge, document["head"], anew=anew)) is not None:
        return found
    try:
        return "pr_created", create(forge, document)
    except RackbenchError as error:
        if error.code != "pr_create_failed":
            raise
        # Another publisher may have been faster, or GitHub's answer may have been lost on its way.
        try:
            found = _standing(forge, document["head"], anew=anew)
        except RackbenchError:
            raise error from None
        if found is None:
            raise
        return found


def _standing(
    forge: Forge, branch: str, *, anew: bool
) -> tuple[Literal["pr_open", "pr_closed"], PullRequest] | None:
    found = pull_requests(forge, branch)
    for each in found:
        if each.is_open:
            return "pr_open", each
    return ("pr_closed", found[0]) if found and not anew else None


def pull_requests(forge: Forge, branch: str) -> list[PullRequest]:
    """Return the pull requests of a branch of the repository itself, into whichever branch, the newest first.

    Raises as `ensure` does.
    """
    owner = forge.path.partition("/")[0]
    # A colon that is not encoded would be filled in by gh, from the repository that it is called in.
    head = quote(f"{owner}:{branch}", safe="")
    answer = _request(forge, "GET", f"{_pulls(forge)}?state=all&head={head}")
    if answer.status == _NOT_FOUND and (problem := check(forge)):
        # Who is not logged in does not learn which private repositories there are.
        raise problem
    if answer.status != _OK or not isinstance(answer.content, list):
        raise _failed(forge, "for its pull requests", answer)
    found = []
    for each in answer.content:
        try:
            # GitHub passes over a filter that it does not understand; and forks have branches of the same name.
            is_ours = (
                each["head"]["ref"] == branch
                and each["head"]["repo"]["full_name"] == each["base"]["repo"]["full_name"]
            )
        except (KeyError, TypeError):
            continue
        if is_ours:
            found.append(_pull_request(forge, each, answer))
    return found


def create(forge: Forge, document: Mapping[str, Any]) -> PullRequest:
    """Make a pull request of the document of `pull_request.manifest`. Raises as `ensure` does."""
    body = {name: document[name] for name in ("title", "body", "head", "base")}
    answer = _request(forge, "POST", _pulls(forge), body)
    if answer.status != _CREATED:
        raise _failed(forge, "for a new pull request", answer)
    return _pull_request(forge, answer.content, answer)


def _pulls(forge: Forge) -> str:
    return f"repos/{quote(forge.path, safe='/')}/pulls"


def _pull_request(forge: Forge, content: Any, answer: _Answer) -> PullRequest:
    number, url = (
        (content.get("number"), content.get("html_url")) if isinstance(content, dict) else (None, None)
    )
    if not isinstance(number, int) or not isinstance(url, str):
        raise _failed(forge, "for a pull request", answer)
    return PullRequest(number, printable(url), content.get("state") == "open")


def _request(forge: Forge, method: str, endpoint: str, body: Mapping[str, Any] | None = None) -> _Answer:
    """Return what GitHub answers. Raises `gh_missing`, `gh_auth_missing`, and `pr_create_failed` without an answer."""
    argv = ["gh", "api", "--include", "--method", method]
    argv += [] if _has_port(forge) else ["--hostname", forge.host]
    argv += [
        "--header",
        "Accept: application/vnd.github+json",
        "--header",
        "X-GitHub-Api-Version: 2022-11-28",
    ]
    argv += ["--input", "-"] if body is not None else []
    try:
        done = subprocess.run(
            [*argv, endpoint],
            input=json.dumps(body).encode() if body is not None else b"",
            capture_output=True,
            timeout=_PATIENCE_S,
            env=_environment(forge),
        )
    except OSError as error:
        raise RackbenchError(
            "gh_missing", f"`gh` cannot be called: {error.strerror or error}.", where="gh"
        ) from error
    except subprocess.TimeoutExpired as error:
        raise RackbenchError(
            "pr_create_failed",
            f"{forge.host} has not answered `gh` in {_PATIENCE_S} s.",
            where=forge.address,
        ) from error
    answer = _parsed(done.stdout, done.stderr)
    if done.returncode == _NEEDS_LOGIN or answer.status == _WHO_ARE_YOU:
        raise _not_logged_in(forge, answer)
    return answer


def _environment(forge: Forge) -> dict[str, str]:
    passed_on = {name: value for name, value in os.environ.items() if name not in _NOT_PASSED_ON}
    # `--hostname` refuses a host with a port; and a host that is named here counts as logged in, before anybody asks.
    host = {"GH_HOST": forge.host} if _has_port(forge) else {}
    return {**passed_on, **host, "GH_NO_UPDATE_NOTIFIER": "1", "GH_PROMPT_DISABLED": "1", "NO_COLOR": "1"}


def _has_port(forge: Forge) -> bool:
    return ":" in forge.host


def _parsed(stdout: bytes, stderr: bytes) -> _Answer:
    """Return the answer in what `gh api --include` printed: a line with the status, headers, an empty line, JSON."""
    said = printable(stderr.decode("utf-8", "replace")).strip()
    head, _, content = stdout.replace(b"\r\n", b"\n").partition(b"\n\n")
    words = head.split(b"\n", 1)[0].split()
    if len(words) < 2 or not words[0].startswith(b"HTTP/") or not words[1].isdigit():
        return _Answer(None, None, said)
    try:
        told = json.loads(content)
    except (ValueError, RecursionError):
        told = None
    return _Answer(int(words[1]), told, "\n".join([said, *_errors(told)]).strip())


def _errors(content: Any) -> Iterator[str]:
    """Yield what GitHub finds wrong, each in a line; gh prints it with the answer, and not with its error message."""
    errors = content.get("errors") if isinstance(content, dict) else None
    for error in errors if isinstance(errors, list) else ():
        parts = (
            [error.get(name) for name in ("resource", "field", "code", "message")]
            if isinstance(error, dict)
            else [error]
        )
        yield printable(" ".join(str(part) for part in parts if part is not None))


def _not_logged_in(forge: Forge, answer: _Answer) -> RackbenchError:
    return RackbenchError(
        "gh_auth_missing",
        f"`gh` is not logged in at {forge.host}" + (f": {_one_line(answer.words)}" if answer.words else "."),
        where=forge.host,
        next_step="Set GH_ENTERPRISE_TOKEN, then publish again." if _has_port(forge) else None,
        next_command=None if _has_port(forge) else f"gh auth login --hostname {forge.host}",
        detail=answer.words or None,
    )


def _failed(forge: Forge, asked: str, answer: _Answer) -> RackbenchError:
    said = answer.words or (
        f"HTTP {answer.status}, with an answer that is not understood" if answer.status else ""
    )
    return RackbenchError(
        "pr_create_failed",
        f"{forge.host}/{forge.path} was asked {asked}, and `gh` says: {_one_line(said) or 'nothing.'}",
        where=forge.address,
        detail=answer.words or None,
    )


def _one_line(text: str) -> str:
    return " ".join(text.split())
