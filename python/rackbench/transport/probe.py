# SPDX-License-Identifier: Apache-2.0
"""What a login to a host is worth: its shell, its Python and sudo, each tried once over the probe's connection."""

from __future__ import annotations

import re
import shlex
import time
from concurrent.futures import ThreadPoolExecutor
from dataclasses import asdict, dataclass
from typing import TYPE_CHECKING, Any

import paramiko

from rackbench.errors import FAILURES, RackbenchError
from rackbench.transport.chain import Chain, ChainError

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

    from rackbench.transport.routes import Routes
    from rackbench.transport.secrets import SecretSource

COMMAND_LIMIT_S = 30
MOST_AT_ONCE = 32
MARK = "rackbench-ok"
# What runs on targets is written for it; tests/config.yml tells ansible-test, docs/reference/validate.md people.
OLDEST_PYTHON = (3, 9)


@dataclass(frozen=True)
class Check:
    """One thing that was tried at a machine; `duration_s` is seconds on the controller's monotonic clock."""

    name: str
    at: str
    status: str
    required: bool
    duration_s: float
    cause: str | None = None
    code: str | None = None
    message: str | None = None
    next_step: str | None = None


def probe(routes: Routes, hosts: Sequence[str], secrets: SecretSource) -> list[dict[str, Any]]:
    """Return the findings for each host, in the given order; hosts are probed side by side, shared hops once."""
    with Chain(routes, secrets) as chain, ThreadPoolExecutor(min(MOST_AT_ONCE, len(hosts) or 1)) as pool:
        return list(pool.map(lambda host: _probe_host(chain, host, secrets), hosts))


def _probe_host(chain: Chain, host: str, secrets: SecretSource) -> dict[str, Any]:
    began = time.monotonic()
    checks: list[Check] = []
    failed = False
    for endpoint in chain.routes.route(host):
        if failed:
            checks.append(Check("login", endpoint.name, "skipped", required=True, duration_s=0.0))
            continue
        try:
            chain.login(endpoint.name)
        except ChainError as failure:
            failed = True
            checks.append(_failed("login", failure, chain.link(endpoint.name).duration_s, required=True))
        else:
            spent = round(chain.link(endpoint.name).duration_s, 3)
            checks.append(Check("login", endpoint.name, "passed", required=True, duration_s=spent))
    checks += _on_host(chain, host, secrets, reached=not failed)
    first = next((check for check in checks if check.status == "failed" and check.required), None)
    return {
        "host": host,
        "ok": first is None,
        "route": [endpoint.name for endpoint in chain.routes.route(host)],
        "failed_at": first.at if first else None,
        "cause": first.cause if first else None,
        "code": first.code if first else None,
        "checks": [asdict(check) for check in checks],
        "duration_s": round(time.monotonic() - began, 3),
    }


def _on_host(chain: Chain, host: str, secrets: SecretSource, *, reached: bool) -> list[Check]:
    model = chain.routes.lab.model
    item = model.hosts[host]
    variables = {**model.defaults.vars, **item.vars}
    become = item.become or model.defaults.become
    python = str(
        variables.get("ansible_python_interpreter") or item.python or model.defaults.python or "python3"
    )

    def try_shell() -> str:
        return _shell(chain, host)

    def try_python() -> str:
        return _python(chain, host, python)

    def try_become() -> str:
        return _become(chain, host, secrets.get(become.auth_ref) if become else None)

    steps: list[tuple[str, Callable[[], str], bool]] = [
        ("shell", try_shell, True),
        ("python", try_python, True),
        # Without a word about sudo in the inventory it is good to know, and no failure.
        ("become", try_become, become is not None or bool(variables.get("ansible_become"))),
    ]
    checks: list[Check] = []
    for name, attempt, required in steps:
        shell_failed = any(check.status == "failed" for check in checks if check.name == "shell")
        if not reached or shell_failed:
            checks.append(Check(name, host, "skipped", required=required, duration_s=0.0))
            continue
        began = time.monotonic()
        try:
            message = attempt()
        except ChainError as failure:
            checks.append(_failed(name, failure, time.monotonic() - began, required=required))
        except RackbenchError as error:
            missing = ChainError(error.code, host, "missing secret", error.message)
            checks.append(_failed(name, missing, time.monotonic() - began, required=required))
        else:
            spent = round(time.monotonic() - began, 3)
            checks.append(Check(name, host, "passed", required=required, duration_s=spent, message=message))
    return checks


def _failed(name: str, failure: ChainError, spent: float, *, required: bool) -> Check:
    return Check(
        name,
        failure.at,
        "failed",
        required=required,
        duration_s=round(spent, 3),
        cause=failure.cause,
        code=failure.code,
        message=failure.message,
        next_step=FAILURES[failure.code].next_step,
    )


def _shell(chain: Chain, host: str) -> str:
    status, out, err = _run(chain, host, "printf", "%s\\n", MARK)
    if status == 0 and out == f"{MARK}\n":
        return "runs commands"
    noise = (out.replace(MARK, "").strip() or err.strip() or f"exit status {status}").splitlines()[0][:200]
    raise ChainError("target_shell_unusable", host, "shell", f"the shell answered: {noise}")


def _python(chain: Chain, host: str, python: str) -> str:
    script = "import sys; print('%d.%d.%d' % sys.version_info[:3])"
    status, out, err = _run(chain, host, python, "-c", script)
    found = re.fullmatch(r"(\d+)\.(\d+)\.\d+\s*", out)
    if status != 0 or not found:
        said = (err.strip().splitlines() or [f"exit status {status}"])[-1][:200]
        raise ChainError("target_python_missing", host, "Python", f"{python}: {said}")
    if (int(found[1]), int(found[2])) < OLDEST_PYTHON:
        oldest = ".".join(map(str, OLDEST_PYTHON))
        raise ChainError(
            "target_python_missing", host, "Python", f"{python} is {out.strip()}; {oldest} is needed"
        )
    return f"{python} {out.strip()}"


def _become(chain: Chain, host: str, password: str | None) -> str:
    if password is None:
        status, _out, err = _run(chain, host, "sudo", "-n", "true")
        if status == 0:
            return "sudo asks for no password"
    else:
        # -k: the password is asked for even if sudo remembers an earlier one.
        status, _out, err = _run(chain, host, "sudo", "-k", "-S", "-p", "", "true", stdin=f"{password}\n")
        if status == 0:
            return "sudo accepts the password"
    said = (err.strip().splitlines() or [f"exit status {status}"])[0][:200]
    raise ChainError("become_failed", host, "become", said)


def _run(chain: Chain, host: str, *words: str, stdin: str = "") -> tuple[int, str, str]:
    """Run a command on a host; return its exit status, standard output and standard error."""
    try:
        channel = chain.login(host).open_session(timeout=COMMAND_LIMIT_S)
        with channel:
            channel.settimeout(COMMAND_LIMIT_S)
            channel.exec_command(shlex.join(words))
            channel.sendall(stdin.encode())
            channel.shutdown_write()
            out = channel.makefile("rb").read()
            err = channel.makefile_stderr("rb").read()
            return channel.recv_exit_status(), out.decode(errors="replace"), err.decode(errors="replace")
    except (paramiko.SSHException, OSError, EOFError) as error:
        message = f"{words[0]} did not answer: {error or 'time-out'}"
        raise ChainError("target_shell_unusable", host, "shell", message) from error
