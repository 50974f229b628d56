# SPDX-License-Identifier: Apache-2.0
"""Open the connection to one machine of the lab, hop by hop, once for everybody who waits for it.

The generated ssh configuration runs this when the shared connection of an alias is not open. One process at a time
holds an alias's lock and dials; whoever waited takes over what it reached or learnt. A refused password, a changed or
unknown host key and a missing secret are kept for the run: nobody tries again. Standard library only.
"""

from __future__ import annotations

import contextlib
import fcntl
import json
import os
import subprocess
import sys
import time
from dataclasses import dataclass
from pathlib import Path
from typing import Any

if __name__ == "__main__":
    sys.path.insert(0, str(Path(__file__).resolve().parents[2]))

from rackbench.transport import failures, wire

CONFIG, ROUTES, SOCKET, ASKPASS, CONTROL, STATE = "config", "routes.json", "broker", "askpass", "c", "state"
DIAL = "+dial"


@dataclass(frozen=True)
class Refusal:
    """Why a machine cannot be reached: `at` is the alias that failed, which may be a hop before it."""

    code: str
    at: str
    cause: str
    message: str
    ended: float
    final: bool


class Opener:
    """Opens connections as the session in `runtime` describes them."""

    def __init__(self, runtime: Path) -> None:
        self.runtime = runtime
        plan = json.loads((runtime / ROUTES).read_text())
        self.project: str = plan["project"]
        self.aliases: dict[str, dict[str, Any]] = plan["aliases"]

    def open(self, name: str) -> Refusal | None:
        """Make sure that the connection to `name` is open, its hops first; return why not otherwise."""
        alias = self.aliases[name]
        asked = time.monotonic()
        if alias["via"] is not None:
            refusal = self.open(alias["via"])
            if refusal is not None:
                return refusal
        with (self.runtime / STATE / f"{name}.lock").open("w") as lock:
            fcntl.flock(lock, fcntl.LOCK_EX)
            if self.is_open(alias):
                return None
            known = self._known_refusal(name)
            # An attempt that ended after we asked is the answer to our question, too.
            if known is not None and (known.final or known.ended >= asked):
                return known
            refusal = self._dial_with_retries(name, alias)
            self._remember(name, refusal)
            return refusal

    def is_open(self, alias: dict[str, Any]) -> bool:
        """Say whether a living ssh process serves the connection."""
        command = ["ssh", "-F", "none", "-S", alias["control"], "-O", "check", "open"]
        return subprocess.run(command, capture_output=True, stdin=subprocess.DEVNULL).returncode == 0

    def _dial_with_retries(self, name: str, alias: dict[str, Any]) -> Refusal | None:
        finding = self._dial(name, alias)
        for attempt in range(1, alias["attempts"]):
            if finding is None or not finding.retry:
                break
            time.sleep(min(alias["backoff_s"] * 2 ** (attempt - 1), 60.0))
            finding = self._dial(name, alias)
        if finding is None:
            return None
        code = finding.code
        if code == failures.UNREACHABLE:
            code = failures.unreachable_code(is_hop=alias["is_hop"])
        message = f"{alias['where']}: {finding.message}"
        final = finding.code != failures.UNREACHABLE
        return Refusal(code, name, finding.cause, message, time.monotonic(), final)

    def _dial(self, name: str, alias: dict[str, Any]) -> failures.Finding | None:
        """Try once. The secrets are looked for first, so that a missing one costs no login."""
        broker = str(self.runtime / SOCKET)
        try:
            begun = wire.ask(broker, {"do": "begin", "alias": name})
        except OSError as error:
            return failures.Finding(
                "missing_secret", "missing secret", f"the broker does not answer: {error}"
            )
        if not begun["ok"]:
            return failures.Finding(begun["code"], "missing secret", begun["message"])
        environment = {
            **os.environ,
            # ssh runs proxy commands with the user's shell, and not every shell quotes as sh does.
            "SHELL": "/bin/sh",
            "SSH_ASKPASS": str(self.runtime / ASKPASS),
            "SSH_ASKPASS_REQUIRE": "force",
            "DISPLAY": os.environ.get("DISPLAY") or "none",
            "RACKBENCH_BROKER": broker,
            "RACKBENCH_ATTEMPT": begun["attempt"],
        }
        # A connection that died by SIGKILL leaves its socket behind, and ssh would not replace it.
        Path(alias["control"]).unlink(missing_ok=True)
        errors = self.runtime / STATE / f"{name}.stderr"
        # What keeps a hop from going on to us is said by the connection to that hop, not by ours.
        before_us = self.runtime / STATE / f"{alias['via']}.stderr"
        heard = before_us.stat().st_size if before_us.exists() else 0
        try:
            # A file and no pipe: the connection lives on in the background and would hold a pipe open. With -E it goes
            # on writing there what it has to say later; proxy commands write there, too.
            errors.write_bytes(b"")
            with errors.open("ab") as stderr:
                process = subprocess.Popen(
                    ["ssh", "-F", str(self.runtime / CONFIG), "-E", str(errors), "-f", "-N", name + DIAL],
                    cwd=self.project,
                    env=environment,
                    stdin=subprocess.DEVNULL,
                    stdout=subprocess.DEVNULL,
                    stderr=stderr,
                )
                try:
                    status = process.wait(alias["login_limit_s"])
                except subprocess.TimeoutExpired:
                    process.kill()
                    process.wait()
                    return failures.Finding(failures.UNREACHABLE, "timeout", "the login did not end in time")
            if status == 0 and self.is_open(alias):
                return None
            return failures.classify(_tail(before_us, heard) + errors.read_text(errors="replace"))
        finally:
            with contextlib.suppress(OSError):
                wire.ask(broker, {"do": "end", "attempt": begun["attempt"]})

    def _known_refusal(self, name: str) -> Refusal | None:
        try:
            return Refusal(**json.loads((self.runtime / STATE / f"{name}.json").read_text()))
        except FileNotFoundError:
            return None

    def _remember(self, name: str, refusal: Refusal | None) -> None:
        path = self.runtime / STATE / f"{name}.json"
        if refusal is None:
            path.unlink(missing_ok=True)
        else:
            # The lock of this alias is held: nobody reads at the same time.
            path.write_text(json.dumps(vars(refusal)))


def _tail(path: Path, start: int) -> str:
    """Return what stands in a file after `start` bytes, if it all means the same: several hosts may fail at once."""
    try:
        said = path.read_bytes()[start:].decode(errors="replace").splitlines()
    except OSError:
        return ""
    causes = {failures.classify(line).cause for line in said}
    return "\n".join([*said, ""]) if len(causes) == 1 else ""


def main(arguments: list[str]) -> int:
    """Open one alias: `opener.py RUNTIME_DIR ALIAS`. Standard error says why not; the exit status is 0 or 1."""
    runtime, name = Path(arguments[0]), arguments[1]
    refusal = Opener(runtime).open(name)
    if refusal is None:
        return 0
    sys.stderr.write(failures.marked(refusal.code, refusal.at, refusal.cause, refusal.message) + "\n")
    return 1


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
