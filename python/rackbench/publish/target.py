# SPDX-License-Identifier: Apache-2.0
"""Publish targets: what `lab_publish_targets` says, and when two addresses lead to one repository."""

from __future__ import annotations

import re
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any, NamedTuple
from urllib.parse import unquote

from pydantic import ValidationError

from rackbench.errors import RackbenchError
from rackbench.models.common import explain
from rackbench.models.publish_target import PublishTarget
from rackbench.publish.forge import WEB_HOSTS

if TYPE_CHECKING:
    from collections.abc import Mapping

_KEY = re.compile(r"[A-Za-z0-9][A-Za-z0-9_.-]{0,63}")
_URL = re.compile(r"(?P<scheme>[A-Za-z][A-Za-z0-9+.-]*)://(?P<authority>[^/]*)(?P<path>/.*|)")
# `user@host:path`; as git sees it, a slash before the first colon makes a file name of it.
_SCP = re.compile(r"(?:(?P<user>[^@/:]+)@)?(?P<host>\[[^\]/]+\]|[^/:\[\]@]+):(?P<path>(?!:).+)")
_HELPER = re.compile(r"[A-Za-z0-9+.-]+::")
_DEFAULT_PORTS = {"ssh": "22", "git+ssh": "22", "ssh+git": "22", "https": "443", "http": "80", "git": "9418"}
_SSH = frozenset({"ssh", "git+ssh", "ssh+git"})


@dataclass(frozen=True, slots=True)
class Target:
    """A publish target: `repo` is the absolute path of the clone; `directory` a relative path in the repository."""

    key: str
    repo: Path
    remote: str
    remote_url: str | None
    base_branch: str
    directory: str
    forge: str | None
    push_local: bool
    create_pr_local: bool


def targets(settings: Mapping[str, Any], project: Path) -> dict[str, Target]:
    """Return the targets of `lab_publish_targets` by key; relative paths are relative to the project.

    Raises `RackbenchError` (publish_target_invalid) that names the key and the field.
    """
    if not isinstance(settings, dict):
        raise _invalid("lab_publish_targets", "it is no mapping of keys to targets")
    return {str(key): _target(key, entry, project) for key, entry in settings.items()}


def _target(key: Any, entry: Any, project: Path) -> Target:
    where = f"lab_publish_targets.{key}"
    if not isinstance(key, str) or not _KEY.fullmatch(key):
        raise _invalid(where, "a key is letters, digits, dots, dashes and underscores")
    url = entry.get("remote_url") if isinstance(entry, dict) else None
    if url is not None:
        # A finding shows what was given, and an address may hold a password: it is looked at by itself.
        _check_remote_url(where, url)
        entry = {**entry, "remote_url": None}
    try:
        checked = PublishTarget.model_validate(entry)
    except ValidationError as error:
        raise _invalid(where, explain(error)) from error
    if url is not None and _is_file(url) and not url.startswith(("/", "file://")):
        url = str((project / url).resolve())
    return Target(
        key=key,
        repo=(project / Path(checked.repo).expanduser()).resolve(),
        remote=checked.remote,
        remote_url=url,
        base_branch=checked.base_branch,
        directory=checked.directory,
        forge=checked.forge,
        push_local=checked.push_local,
        create_pr_local=checked.create_pr_local,
    )


def _invalid(where: str, finding: str) -> RackbenchError:
    return RackbenchError("publish_target_invalid", f"{where}: {finding}.", where=where)


def _check_remote_url(where: str, url: Any) -> None:
    try:
        PublishTarget.model_validate({"repo": ".", "remote_url": url})
    except ValidationError as error:
        # Without its cause, which quotes the address.
        raise _invalid(where, f"remote_url: {error.errors(include_url=False)[0]['msg']}") from None
    match = _URL.fullmatch(url)
    if match and match["scheme"].lower() in {"http", "https"} and "@" in match["authority"]:
        finding = (
            "remote_url: it holds a user, which may be a token; leave it out, and set a credential helper"
        )
        raise _invalid(where, f"{finding} in the clone")


def shown(url: str) -> str:
    """Return an address as messages and documents show it: without user, password and query.

    Of an address that git hands to a helper program only what is a URL is shown behind the helper's name.
    """
    if match := _HELPER.match(url):
        rest = url[match.end() :]
        return match[0] + (shown(rest) if _URL.fullmatch(rest) or _HELPER.match(rest) else "...")
    if match := _URL.fullmatch(url):
        address = match["authority"].rpartition("@")[2] + match["path"]
        return f"{match['scheme']}://{re.split(r'[?#]', address)[0]}"
    match = _SCP.fullmatch(url)
    return f"{match['host']}:{match['path']}" if match else url


class _Place(NamedTuple):
    """Where an address leads: two that are equal lead to one repository. Files have no host."""

    host: str | None
    port: str | None
    path: str


def same_remote(one: str, other: str) -> bool:
    """Return whether two addresses lead to one repository, whatever the protocol; two users of ssh are two places."""
    users = {user for user in (_ssh_user(one), _ssh_user(other)) if user}
    return _place(one) == _place(other) and len(users) < 2


def _is_file(url: str) -> bool:
    return url.startswith("file://") or not (_URL.fullmatch(url) or _SCP.fullmatch(url))


def _place(url: str) -> _Place:
    if _is_file(url):
        return _Place(
            None, None, str(Path(unquote(url.removeprefix("file://")) if "://" in url else url).resolve())
        )
    if match := _URL.fullmatch(url):
        scheme = match["scheme"].lower()
        address = re.fullmatch(r"(\[[^\]]*\]|[^:]*)(?::(\d*))?", match["authority"].rpartition("@")[2])
        host, port = address.groups() if address else (match["authority"], None)
        return _on_host(host, None if port == _DEFAULT_PORTS.get(scheme) else port or None, match["path"])
    match = _SCP.fullmatch(url)
    assert match is not None  # noqa: S101 - what is neither is a file
    return _on_host(match["host"], None, match["path"])


def _on_host(host: str, port: str | None, path: str) -> _Place:
    host, path = host.lower(), _path(path)
    if host in WEB_HOSTS:  # another name, and another port, of the same place
        host, port = WEB_HOSTS[host], None
    # They take a name in any case.
    return _Place(host, port, path.lower() if host in WEB_HOSTS.values() else path)


def _path(path: str) -> str:
    plain = re.sub(r"/+", "/", unquote(path)).strip("/").removeprefix("~/")
    return plain.removesuffix(".git").rstrip("/")


def _ssh_user(url: str) -> str | None:
    if match := _URL.fullmatch(url):
        user = match["authority"].rpartition("@")[0].partition(":")[0]
        return user if match["scheme"].lower() in _SSH else None
    match = _SCP.fullmatch(url)
    return match["user"] if match else None
