# SPDX-License-Identifier: Apache-2.0
"""The server: HTTPS on 127.0.0.1, with its pull requests in a file that outlives it."""

from __future__ import annotations

import json
import ssl
import subprocess
import threading
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import TYPE_CHECKING, Any, Self
from urllib.parse import parse_qs, unquote, urlsplit

from rackbench import clock
from rackbench.files import json_text, write_atomic

from tests.standins.github import certificates
from tests.standins.github.issues import Issues

if TYPE_CHECKING:
    from collections.abc import Mapping
    from pathlib import Path

# Where it can be told to fail once.
FAILURES = ("user", "list", "before_create", "after_create", "hang_up_after_create", "silent_after_create")

DOCS = "https://docs.github.com/rest"
DOCS_CREATE = f"{DOCS}/pulls/pulls#create-a-pull-request"
LONGEST_BODY = 65_536
GITHUB_API = "api.github.com"
LOGIN = "standin-bot"
PER_PAGE, MOST_PER_PAGE = 30, 100


class RefusedError(Exception):
    """An answer that is no success: HTTP status and content."""

    def __init__(self, status: int, message: str, docs: str = DOCS, **more: Any) -> None:
        super().__init__(message)
        self.status = status
        self.content = {"message": message, **more, "documentation_url": docs, "status": str(status)}


class GithubStandin:
    """A server that knows `repositories`, by `owner/name`: a bare git repository whose branches count, or None.

    Without a git repository every branch exists. `state` is the file with the pull requests; `ca` is made beside it,
    for SSL_CERT_FILE. `requests` holds method and path of each request that was answered. Comments and labels are in
    `issues`, the runs of workflows in `workflow_runs`, the files of a pull request in `files` by its number; they are
    forgotten when it stops.
    """

    def __init__(
        self, state: Path, repositories: Mapping[str, Path | None], *, token: str, port: int = 0
    ) -> None:
        self.state = state
        self.repositories = dict(repositories)
        self.token = token
        self.ca = state.with_name(f"{state.name}.ca.pem")
        self.requests: list[str] = []
        self.issues = Issues()
        self.workflow_runs: list[dict[str, Any]] = []
        self.files: dict[int, list[dict[str, Any]]] = {}
        self._failures: list[str] = []
        self._lock = threading.Lock()
        certificate = state.with_name(f"{state.name}.server.pem")
        certificates.make(self.ca, certificate)
        context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
        context.load_cert_chain(certificate)
        certificate.unlink()
        self._server = _Server(self, context, port)
        self._thread = threading.Thread(target=self.serve, daemon=True)

    @property
    def host(self) -> str:
        """Return the host, with the port."""
        return f"127.0.0.1:{self._server.server_address[1]}"

    @property
    def pulls(self) -> list[dict[str, Any]]:
        """Return the pull requests that there are, with their bodies."""
        try:
            stored: list[dict[str, Any]] = json.loads(self.state.read_bytes())["pulls"]
        except FileNotFoundError:
            return []
        return stored

    def serve(self) -> None:
        """Answer until `stop` is called by another thread."""
        self._server.serve_forever(poll_interval=0.05)

    def stop(self) -> None:
        """Answer no more."""
        self._server.shutdown()
        self._server.server_close()

    def __enter__(self) -> Self:
        self._thread.start()
        return self

    def __exit__(self, *_: object) -> None:
        self.stop()
        self._thread.join()

    def fail_once(self, point: str) -> None:
        """Fail when a request comes to this point for the next time; see `FAILURES`."""
        if point not in FAILURES:
            raise ValueError(point)
        self._failures.append(point)

    def close(self, number: int) -> None:
        """Close a pull request, as a reviewer would."""
        with self._lock:
            pulls = self.pulls
            for each in pulls:
                if each["number"] == number:
                    each["state"] = "closed"
            self._store(pulls)

    def fails(self, point: str) -> bool:
        """Return whether a request fails here, and forget it."""
        with self._lock:
            if point in self._failures:
                self._failures.remove(point)
                return True
        return False

    def list_pulls(self, repository: str, query: Mapping[str, list[str]]) -> list[dict[str, Any]]:
        """Return the pull requests that a list shows, the newest first."""
        wanted = query.get("state", ["open"])[0]
        head, base = query.get("head", [""])[0], query.get("base", [""])[0]
        found = [
            pull
            for pull in reversed(self.pulls)
            if pull["base"]["repo"]["full_name"] == repository
            and wanted in {"all", pull["state"]}
            # A head without a colon is passed over.
            and (":" not in head or pull["head"]["label"] == head)
            and (not base or pull["base"]["ref"] == base)
        ]
        size = min(int(query.get("per_page", [PER_PAGE])[0]), MOST_PER_PAGE)
        first = (int(query.get("page", [1])[0]) - 1) * size
        return found[first : first + size]

    def list_workflow_runs(self, workflow: str, query: Mapping[str, list[str]]) -> dict[str, Any]:
        """Return the runs of a workflow, by the name of its file."""
        found = [
            run
            for run in self.workflow_runs
            if run["path"] == f".github/workflows/{workflow}"
            and query.get("event", [run["event"]])[0] == run["event"]
            and query.get("branch", [run["head_branch"]])[0] == run["head_branch"]
        ]
        return {"total_count": len(found), "workflow_runs": found}

    def create_pull(self, repository: str, fields: Any, host: str) -> dict[str, Any]:
        """Return a new pull request, with addresses on `host`. Raises `RefusedError`."""
        given = _checked(fields)
        owner, name = repository.split("/")
        branch = given["head"].removeprefix(f"{owner}:")
        with self._lock:
            base_sha, head_sha = self._tip(repository, given["base"]), self._tip(repository, branch)
            for field, sha in (("head", head_sha), ("base", base_sha)):
                if sha is None:
                    raise _invalid({"resource": "PullRequest", "field": field, "code": "invalid"})
            if not self._has_news(repository, given["base"], branch):
                raise _invalid(_custom(f"No commits between {given['base']} and {branch}"))
            pulls = self.pulls
            for each in pulls:
                same = (each["head"]["label"], each["base"]["ref"]) == (f"{owner}:{branch}", given["base"])
                if same and each["state"] == "open" and each["base"]["repo"]["full_name"] == repository:
                    raise _invalid(_custom(f"A pull request already exists for {owner}:{branch}."))
            number = 1 + len(pulls)
            repo = {"name": name, "full_name": repository, "owner": {"login": owner}}
            user, now = {"login": LOGIN, "type": "User"}, clock.utc_text(clock.utc_now())
            pull = {
                "url": f"{_api(host)}/repos/{repository}/pulls/{number}",
                "id": 1_000_000 + number,
                "html_url": f"https://{host.removeprefix('api.')}/{repository}/pull/{number}",
                "number": number,
                "state": "open",
                "locked": False,
                "title": given["title"],
                "user": user,
                "body": given.get("body"),
                "created_at": now,
                "updated_at": now,
                "closed_at": None,
                "merged_at": None,
                "draft": False,
                "head": {
                    "label": f"{owner}:{branch}",
                    "ref": branch,
                    "sha": head_sha,
                    "user": user,
                    "repo": repo,
                },
                "base": {
                    "label": f"{owner}:{given['base']}",
                    "ref": given["base"],
                    "sha": base_sha,
                    "user": user,
                    "repo": repo,
                },
            }
            self._store([*pulls, pull])
        return pull

    def _store(self, pulls: list[dict[str, Any]]) -> None:
        write_atomic(self.state, json_text({"pulls": pulls}), sync=False)

    def _tip(self, repository: str, branch: str) -> str | None:
        path = self.repositories[repository]
        if path is None:
            return "0" * 40
        found = _git(path, "rev-parse", "--verify", "--quiet", f"refs/heads/{branch}")
        return found.stdout.strip() if found.returncode == 0 else None

    def _has_news(self, repository: str, base: str, branch: str) -> bool:
        path = self.repositories[repository]
        if path is None:
            return base != branch
        span = f"refs/heads/{base}..refs/heads/{branch}"
        return bool(_git(path, "rev-list", "--max-count=1", span).stdout.strip())


class _Server(ThreadingHTTPServer):
    daemon_threads = True

    def __init__(self, standin: GithubStandin, context: ssl.SSLContext, port: int) -> None:
        super().__init__(("127.0.0.1", port), _Handler)
        self.standin = standin
        self.context = context

    def finish_request(self, request: Any, client_address: Any) -> None:
        """Shake hands in the request's own thread, so that nobody keeps the others waiting."""
        request.settimeout(60)
        try:
            with self.context.wrap_socket(request, server_side=True) as secure:
                super().finish_request(secure, client_address)
        except OSError:
            pass  # a client that does not trust us, or was killed


class _Handler(BaseHTTPRequestHandler):
    server: _Server
    protocol_version = "HTTP/1.1"
    server_version, sys_version = "github-standin", ""

    def do_GET(self) -> None:
        self._answer()

    def do_POST(self) -> None:
        self._answer()

    def do_PATCH(self) -> None:
        self._answer()

    def do_DELETE(self) -> None:
        self._answer()

    def log_message(self, format: str, *args: Any) -> None:  # noqa: A002
        """Say nothing: `requests` has it."""

    def _answer(self) -> None:
        body = self._body()
        try:
            status, content = self._work(body)
        except RefusedError as refused:
            status, content = refused.status, refused.content
        except ConnectionAbortedError:
            self.close_connection = True
            return
        self.server.standin.requests.append(f"{self.command} {self.path}")
        data = json.dumps(content).encode()
        self.send_response(status)
        self.send_header("Content-Type", "application/json; charset=utf-8")
        self.send_header("Content-Length", str(len(data)))
        self.send_header("X-GitHub-Media-Type", "github.v3; format=json")
        self.end_headers()
        self.wfile.write(data)

    def _work(self, body: bytes) -> tuple[int, Any]:
        standin = self.server.standin
        address = urlsplit(self.path)
        root = urlsplit(_api(self.headers["Host"])).path
        if not address.path.startswith(f"{root}/"):
            raise RefusedError(404, "Not Found")
        parts = [unquote(part) for part in address.path.removeprefix(f"{root}/").split("/")]
        self._authenticate(parts)
        match (self.command, parts):
            case ("GET", ["user"]):
                if standin.fails("user"):
                    raise RefusedError(403, "Resource not accessible by integration")
                return 200, {"login": LOGIN, "id": 1, "type": "User"}
            case (method, ["repos", owner, name, "pulls"]):
                repository = next(
                    (known for known in standin.repositories if known.lower() == f"{owner}/{name}".lower()),
                    None,
                )
                if repository is None:
                    raise RefusedError(404, "Not Found")
                if method == "GET":
                    if standin.fails("list"):
                        raise RefusedError(502, "Server Error")
                    return 200, standin.list_pulls(repository, parse_qs(address.query))
                return self._create(repository, body)
            case ("GET", ["repos", _, _, "pulls", number, "files"]):
                return 200, standin.files.get(int(number), [])
            case (method, ["repos", _, _, "issues", *rest]):
                status, content = standin.issues.answer(method, rest, body)
                if status >= 400:
                    raise RefusedError(status, content)
                return status, content
            case ("GET", ["repos", _, _, "actions", "workflows", workflow, "runs"]):
                return 200, standin.list_workflow_runs(workflow, parse_qs(address.query))
        raise RefusedError(404, "Not Found")

    def _create(self, repository: str, body: bytes) -> tuple[int, Any]:
        standin = self.server.standin
        try:
            fields = json.loads(body)
        except ValueError:
            raise RefusedError(400, "Problems parsing JSON", DOCS_CREATE) from None
        if standin.fails("before_create"):
            raise RefusedError(502, "Server Error")
        pull = standin.create_pull(repository, fields, self.headers["Host"])
        if standin.fails("after_create"):
            raise RefusedError(502, "Server Error")
        if standin.fails("hang_up_after_create"):
            raise ConnectionAbortedError
        if standin.fails("silent_after_create"):
            self.rfile.read(1)  # until the client is gone
            raise ConnectionAbortedError
        return 201, pull

    def _authenticate(self, parts: list[str]) -> None:
        scheme, _, token = self.headers.get("Authorization", "").partition(" ")
        if not scheme:
            # Who is nobody does not learn which private repositories there are.
            is_hidden = parts[0] == "repos"
            raise (
                RefusedError(404, "Not Found") if is_hidden else RefusedError(401, "Requires authentication")
            )
        if scheme.lower() not in {"token", "bearer"} or token != self.server.standin.token:
            raise RefusedError(401, "Bad credentials")

    def _body(self) -> bytes:
        """Return what came with the request; gh sends what it reads from its input in chunks."""
        if self.headers.get("Transfer-Encoding", "").lower() != "chunked":
            return self.rfile.read(int(self.headers.get("Content-Length") or 0))
        data = bytearray()
        while size := int(self.rfile.readline().partition(b";")[0], 16):
            data += self.rfile.read(size)
            self.rfile.readline()
        while self.rfile.readline().strip():
            pass
        return bytes(data)


def _api(host: str) -> str:
    """Return where the API is: GitHub has a host for it, and GitHub Enterprise Server a path."""
    return f"https://{host}" + ("" if host == GITHUB_API else "/api/v3")


def _checked(fields: Any) -> dict[str, Any]:
    if not isinstance(fields, dict):
        raise RefusedError(
            422, "Invalid request.\n\nFor 'links/0/schema', the input is not an object.", DOCS_CREATE
        )
    missing = [name for name in ("base", "head") if name not in fields]
    if missing:
        told = ", ".join(f'"{name}"' for name in missing)
        verb = "weren't" if len(missing) > 1 else "wasn't"
        raise RefusedError(422, f"Invalid request.\n\n{told} {verb} supplied.", DOCS_CREATE)
    for name in ("base", "head", "title", "body"):
        may_be_absent = name in {"title", "body"} and fields.get(name) is None
        if not (may_be_absent or isinstance(fields[name], str)):
            said = f"For 'properties/{name}', {json.dumps(fields[name])} is not a string."
            raise RefusedError(422, f"Invalid request.\n\n{said}", DOCS_CREATE)
    if not fields.get("title"):
        raise _invalid({"resource": "Issue", "code": "missing_field", "field": "title"})
    if len(fields.get("body") or "") > LONGEST_BODY:
        said = f"body is too long (maximum is {LONGEST_BODY} characters)"
        raise _invalid({"resource": "Issue", "code": "custom", "field": "body", "message": said})
    return fields


def _invalid(error: dict[str, str]) -> RefusedError:
    return RefusedError(422, "Validation Failed", DOCS_CREATE, errors=[error])


def _custom(message: str) -> dict[str, str]:
    return {"resource": "PullRequest", "code": "custom", "message": message}


def _git(repository: Path, *arguments: str) -> subprocess.CompletedProcess[str]:
    return subprocess.run(
        ["git", "--git-dir", str(repository), *arguments],
        capture_output=True,
        text=True,
        stdin=subprocess.DEVNULL,
    )
