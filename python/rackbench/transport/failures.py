# SPDX-License-Identifier: Apache-2.0
"""What a connection that failed means: from the words of ssh to one of our codes and a cause. Standard library only.

The opener writes its finding on standard error as one line, `rackbench: [code] at: cause: message`, where Ansible
picks it up with the rest; `connection_error` finds it there again.
"""

from __future__ import annotations

import re
import shlex
from dataclasses import dataclass

from rackbench.errors import FAILURES, RackbenchError

UNREACHABLE = "unreachable"


@dataclass(frozen=True)
class Finding:
    """Why one attempt failed. `code` is `unreachable` until it is known whether a hop or the host was dialled."""

    code: str
    cause: str
    message: str

    @property
    def retry(self) -> bool:
        """Whether another attempt can help: names, networks and time-outs only."""
        return self.code == UNREACHABLE and self.cause in {"name", "network", "timeout"}


# Searched in this order, since later messages follow from earlier ones.
PATTERNS: tuple[tuple[str, str, str], ...] = (
    (r"^Host key for .* has changed", "host_key_changed", "host key"),
    (r"REMOTE HOST IDENTIFICATION HAS CHANGED", "host_key_changed", "host key"),
    (r"No .* host key is known for", "host_key_unknown", "host key"),
    (r"Host key verification failed", "host_key_unknown", "host key"),
    (r"incorrect passphrase supplied to decrypt|Load key .*(incorrect|passphrase)", "auth_refused", "auth"),
    (r"UNPROTECTED PRIVATE KEY FILE", "auth_refused", "auth"),
    (r"Permission denied \(", "auth_refused", "auth"),
    (r"Too many authentication failures", "auth_refused", "auth"),
    (
        r"Could not resolve hostname|Name or service not known|Temporary failure in name resolution",
        UNREACHABLE,
        "name",
    ),
    (r"administratively prohibited", UNREACHABLE, "forwarding"),
    (r"timed out", UNREACHABLE, "timeout"),
    (
        r"Connection refused|No route to host|Network is unreachable|Host is unreachable",
        UNREACHABLE,
        "network",
    ),
    (r"Unable to negotiate|no matching", UNREACHABLE, "negotiation"),
    (
        r"Connection (closed|reset)|Broken pipe|stdio forwarding failed|lost connection",
        UNREACHABLE,
        "network",
    ),
)
NOISE = re.compile(
    r"^(@+|@ .* @|Warning: |Pseudo-terminal|kex_exchange_identification|Connection closed by|Control socket connect"
    r"|banner exchange: "
    r"|stdio forwarding failed|ssh_askpass:|channel \d+: |mux_client|debug\d:|$)"
)
MARKED = re.compile(r"rackbench: \[(?P<code>\w+)\] (?P<at>\S+): (?P<cause>[a-z ]+): (?P<message>[^\r\n]*)")


def classify(stderr: str) -> Finding:
    """Return what the standard error of a failed `ssh` means; an unknown text is a network failure with its words."""
    lines = [line.strip() for line in stderr.splitlines()]
    for pattern, code, cause in PATTERNS:
        for line in lines:
            if re.search(pattern, line):
                telling = line if not NOISE.match(line) else _telling(lines) or line
                return Finding(code, cause, _short(telling))
    return Finding(UNREACHABLE, "network", _short(_telling(lines) or "ssh ended without saying why"))


def _telling(lines: list[str]) -> str | None:
    return next((line for line in lines if not NOISE.match(line)), None)


def _short(line: str) -> str:
    return line.strip("@ ")[:300]


def unreachable_code(*, is_hop: bool) -> str:
    """Return the code for a machine that could not be reached."""
    return "hop_unreachable" if is_hop else "host_unreachable"


def marked(code: str, at: str, cause: str, message: str) -> str:
    """Return the line that carries a finding through the standard error of ssh."""
    return f"rackbench: [{code}] {at}: {cause}: {' '.join(message.split())}"


def connection_error(host: str, text: str) -> RackbenchError:
    """Return the error for a lost or failed connection to `host`, from what ssh or Ansible said about it.

    A line of our opener names the hop and the code; any other text is classified. What was running when a connection
    broke may have run to its end: the message says that its outcome is unknown.
    """
    command = shlex.join(["rackbench", "validate", "--host", host, "--scope", "connectivity"])
    found = MARKED.search(text)
    if found and found["code"] in FAILURES:
        at = found["at"] if found["at"] == host else f"{host}, at hop {found['at']}"
        return RackbenchError(
            found["code"],
            f"{at}: {found['cause']}: {found['message']}",
            where=found["at"],
            next_command=command,
        )
    finding = classify(text)
    code = "host_unreachable" if finding.code == UNREACHABLE else finding.code
    lost = (
        " The connection broke while a task ran; whether it ran to its end is not known."
        if "Data could not be sent" in text or "Shared connection" in text
        else ""
    )
    return RackbenchError(
        code,
        f"{host}: {finding.cause}: {finding.message}.{lost}",
        where=host,
        next_command=command,
        detail=text.strip()[:2000],
    )
