# SPDX-License-Identifier: Apache-2.0
"""The one way to call git: what it does depends on the repository and its arguments, and on no setting of the user."""

from __future__ import annotations

import contextlib
import os
import re
import signal
import subprocess
from typing import TYPE_CHECKING

from rackbench.errors import RackbenchError

if TYPE_CHECKING:
    from collections.abc import Mapping
    from pathlib import Path

LOCAL_LIMIT_S = 120.0
LOCK_WAIT_S = 5
IDENTITY = ("Rackbench", "rackbench@localhost.invalid")
SSH_OPTIONS = "-o BatchMode=yes -o ConnectTimeout=15"

# These win over the clone's own configuration.
_SETTINGS = {
    "core.hooksPath": os.devnull,
    "core.fsmonitor": "false",
    "core.attributesFile": os.devnull,
    "core.autocrlf": "false",
    "core.filesRefLockTimeout": str(LOCK_WAIT_S * 1000),
    "core.packedRefsTimeout": str(LOCK_WAIT_S * 1000),
    "commit.gpgSign": "false",
    "push.gpgSign": "false",
    "push.followTags": "false",
    "push.recurseSubmodules": "no",
    "gc.auto": "0",
    "maintenance.auto": "false",
    "i18n.commitEncoding": "UTF-8",
    # A server that takes the connection and says nothing more ends the call, and not our patience.
    "http.lowSpeedLimit": "1",
    "http.lowSpeedTime": "30",
}
_DROPPED = re.compile(r"GIT_|SSH_ASKPASS|DISPLAY$|WAYLAND_DISPLAY$|LC_|LANG|TZ$")
_USER_INFO = re.compile(r"(?<=://)[^/@\s'\"]*@")
_QUERY = re.compile(r"(://[^\s'\"?#]*)[?#][^\s'\"]*")
_CONTROL = re.compile(r"\x1b\[[0-9;?]*[ -/]*[@-~]|[\x00-\x08\x0b-\x1f\x7f]")


class GitError(RackbenchError):
    """git failed. `returncode` is None when it took too long; `stderr` and `stdout` are text without passwords."""

    def __init__(
        self, arguments: tuple[str, ...], returncode: int | None, stderr: bytes, stdout: bytes = b""
    ) -> None:
        self.arguments = arguments
        self.returncode = returncode
        self.stderr = _readable(stderr)
        self.stdout = _readable(stdout)
        said = [line for line in self.stderr.splitlines() if line.strip()]
        end = "took too long" if returncode is None else f"failed with status {returncode}"
        super().__init__(
            "git_failed",
            f"`git {arguments[0]}` {end}{': ' + said[-1] if said else ''}.",
            detail=self.stderr.strip() or None,
        )


def _readable(output: bytes) -> str:
    """Return git's output without users and queries in addresses, and without what moves a terminal's cursor."""
    text = output.decode(errors="replace").replace("\r\n", "\n").replace("\r", "\n")
    return _QUERY.sub(r"\1", _USER_INFO.sub("", _CONTROL.sub("", text)))


class Git:
    """git in one directory: no user's settings, hooks, signatures, prompts or clock, and the fixed identity."""

    def __init__(self, repo: Path) -> None:
        self.repo = repo

    def run(
        self,
        *arguments: str,
        input: bytes = b"",  # noqa: A002 - as subprocess calls it
        env: Mapping[str, str | None] | None = None,
        timeout: float = LOCAL_LIMIT_S,
    ) -> bytes:
        """Return what git prints. `env` adds variables, and removes those that are None; `timeout` is in seconds.

        Raises `GitError`, also when it takes longer than `timeout`, and `RackbenchError` (git_missing).
        """
        try:
            process = subprocess.Popen(
                ["git", "-C", str(self.repo), *arguments],
                stdin=subprocess.PIPE,
                stdout=subprocess.PIPE,
                stderr=subprocess.PIPE,
                env=environment(env or {}),
                # No terminal: nothing below can ask anything. And one group: what git started ends with it.
                start_new_session=True,
            )
        except FileNotFoundError as error:
            raise RackbenchError("git_missing", "There is no git on this controller.") from error
        try:
            stdout, stderr = process.communicate(input, timeout=timeout)
        except subprocess.TimeoutExpired as error:
            stdout, stderr = _end(process)
            raise GitError(arguments, None, stderr, stdout) from error
        except BaseException:
            _end(process)
            raise
        if process.returncode:
            raise GitError(arguments, process.returncode, stderr, stdout)
        return stdout

    def text(self, *arguments: str) -> str:
        """Return what git prints as text, without the newline at its end. Raises as `run` does."""
        return os.fsdecode(self.run(*arguments)).removesuffix("\n")


def _end(process: subprocess.Popen[bytes]) -> tuple[bytes, bytes]:
    """End git and what it started, and return what it had printed."""
    with contextlib.suppress(ProcessLookupError):
        os.killpg(process.pid, signal.SIGTERM)  # git removes its lock files then
    try:
        return process.communicate(timeout=5)
    except subprocess.TimeoutExpired:
        with contextlib.suppress(ProcessLookupError):
            os.killpg(process.pid, signal.SIGKILL)
        return process.communicate()


def environment(more: Mapping[str, str | None]) -> dict[str, str]:
    """Return the environment of every git call, with the variables of `more`; None removes one."""
    name, address = IDENTITY
    kept: dict[str, str | None] = {key: value for key, value in os.environ.items() if not _DROPPED.match(key)}
    kept |= {
        "GIT_CONFIG_GLOBAL": os.devnull,
        "GIT_CONFIG_NOSYSTEM": "1",
        "GIT_ATTR_NOSYSTEM": "1",
        "GIT_TERMINAL_PROMPT": "0",
        "GIT_ASKPASS": "",
        "SSH_ASKPASS_REQUIRE": "never",
        "GIT_OPTIONAL_LOCKS": "0",
        "GIT_NO_REPLACE_OBJECTS": "1",
        "GIT_SSH_COMMAND": f"ssh {SSH_OPTIONS}",
        "GIT_AUTHOR_NAME": name,
        "GIT_AUTHOR_EMAIL": address,
        "GIT_COMMITTER_NAME": name,
        "GIT_COMMITTER_EMAIL": address,
        "LC_ALL": "C",
        "TZ": "UTC",
        "GIT_CONFIG_COUNT": str(len(_SETTINGS)),
    }
    for number, (key, value) in enumerate(_SETTINGS.items()):
        kept |= {f"GIT_CONFIG_KEY_{number}": key, f"GIT_CONFIG_VALUE_{number}": value}
    return {key: value for key, value in (kept | dict(more)).items() if value is not None}
