# SPDX-License-Identifier: Apache-2.0
"""Where a remote's repository is on the web: GitHub, GitLab, Gitea and Forgejo, or any other host."""

from __future__ import annotations

import re
from dataclasses import dataclass
from urllib.parse import quote, unquote, urlsplit

GITHUB, GITLAB, GITEA, PLAIN = "github", "gitlab", "gitea", "plain"

# Names that only ssh uses, for networks that let no other port out.
WEB_HOSTS = {
    "ssh.github.com": "github.com",
    "www.github.com": "github.com",
    "altssh.gitlab.com": "gitlab.com",
}
_HOST = re.compile(r"[a-z0-9]([a-z0-9._-]*[a-z0-9])?|\[[0-9a-f:.]+\]")
_SCP = re.compile(r"(?:[^/@]*@)?(?P<host>\[[^\]/]+\]|[^/:@]+):(?P<path>.*)", re.DOTALL)
# Browsers take a backslash for a slash; the others are in no address.
_REFUSED = re.compile(r"[\x00-\x1f\x7f-\x9f\\\ud800-\udfff]")


@dataclass(frozen=True, slots=True)
class Forge:
    """A repository on the web: `path` is `owner/name`, as it is called and not as it is written in an address.

    `host` has a port if the web server has its own; `scheme` is `https`, or `http` for a remote that says so.
    """

    kind: str
    host: str
    path: str
    scheme: str = "https"

    @property
    def address(self) -> str:
        """Return the address of the repository's page."""
        return f"{self.scheme}://{self.host}/{quote(self.path, safe='/')}"


def forge_of(url: str, kind: str | None) -> Forge | None:
    """Return where a remote's address is on the web; None for paths of files, and where no browser would find it.

    `kind` is what the publish target says, and is guessed from the host's name without it. User names, passwords and
    the ports of ssh are left out.
    """
    if _REFUSED.search(url):
        return None
    scheme, host, path = _parts(url)
    host = WEB_HOSTS.get(host, host)
    name, _, port = host.rpartition(":") if re.search(r":\d+$", host) else (host, "", "")
    names = re.sub("/+", "/", path).strip("/").removesuffix(".git").split("/")
    if not _HOST.fullmatch(name) or any(part in {"", ".", ".."} or _REFUSED.search(part) for part in names):
        return None
    kind = kind or _guess(name)
    if kind == PLAIN:
        # Who knows whether there is a web server where ssh answers, and what it calls the repository.
        is_on_the_web = scheme in {"http", "https"}
    elif kind == GITHUB:
        is_on_the_web = len(names) == 2
    else:
        is_on_the_web = len(names) >= 2
    if not is_on_the_web:
        return None
    is_usual = (scheme, port) in {("https", "443"), ("http", "80")}
    return Forge(kind, name if is_usual else host, "/".join(names), "http" if scheme == "http" else "https")


def compare_url(forge: Forge, base_branch: str, branch: str) -> str | None:
    """Return the page that compares a branch with its base, from which a person opens the pull request.

    A plain host has only the page of its repository.
    """
    compared = f"{quote(base_branch, safe='/')}...{quote(branch, safe='/')}"
    match forge.kind:
        case "github":
            return f"{forge.address}/compare/{compared}?expand=1"
        case "gitlab":
            return f"{forge.address}/-/compare/{compared}"
        case "gitea":
            return f"{forge.address}/compare/{compared}"
        case _:
            return forge.address


def _parts(url: str) -> tuple[str, str, str]:
    """Return scheme, host (with the web server's port) and path of a remote's address; without a host: a file."""
    if "://" not in url:
        # As git reads it: a colon before the first slash makes a host, otherwise it is a path.
        found = _SCP.fullmatch(url)
        if found is None or found["path"].startswith("~"):
            return "file", "", url
        return "ssh", found["host"].lower(), found["path"]
    try:
        split = urlsplit(url)
        port = split.port
    except ValueError:
        return "file", "", url
    scheme, host = split.scheme.lower(), (split.hostname or "").lower()
    host = f"[{host}]" if ":" in host else host
    if split.query or split.fragment:
        return "file", "", url
    if scheme in {"http", "https"}:
        return scheme, f"{host}:{port}" if port else host, unquote(split.path)
    if scheme in {"ssh", "git+ssh", "ssh+git", "git"}:
        return "ssh", host, unquote(split.path)
    return "file", "", url


def _guess(host: str) -> str:
    if host == "github.com":
        return GITHUB
    first = host.partition(".")[0]
    if first == "gitlab":
        return GITLAB
    return GITEA if host == "codeberg.org" or first in {"gitea", "forgejo"} else PLAIN
