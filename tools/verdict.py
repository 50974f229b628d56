# SPDX-License-Identifier: Apache-2.0
"""How the checks of a release run their commands, and how each tells at its end what it found."""

from __future__ import annotations

import argparse
import hashlib
import os
import shlex
import subprocess
import sys
import time
import traceback
from pathlib import Path
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Mapping

ROOT = Path(__file__).resolve().parents[1]


class CheckError(Exception):
    """Something that was checked is not as it must be; the message says what, where and what to do."""


def command(
    *argv: str | Path, cwd: Path = ROOT, env: Mapping[str, str] | None = None, quiet_about: Iterable[str] = ()
) -> str:
    """Run a command and return what it says, both of its outputs together.

    Raises `CheckError` when it cannot be started, and with its words when it fails or warns: a line with "warning" in
    any spelling that holds none of the texts `quiet_about`.
    """
    words = [str(part) for part in argv]
    variables = None if env is None else {**os.environ, **env}
    try:
        done = subprocess.run(
            words, cwd=cwd, env=variables, text=True, stdout=subprocess.PIPE, stderr=subprocess.STDOUT
        )
    except OSError as error:
        raise CheckError(f"{shlex.join(words)} could not be started in {cwd}: {error.strerror}.") from None
    excused = tuple(quiet_about)
    warned = [
        line
        for line in done.stdout.splitlines()
        if "warning" in line.lower() and not any(text in line for text in excused)
    ]
    if done.returncode != 0 or warned:
        ended = f"ended with {done.returncode}" if done.returncode else "warned"
        raise CheckError(f"{shlex.join(words)} {ended}:\n{done.stdout.rstrip()}")
    return done.stdout


def into_directory(description: str | None, make: Callable[[Path], Iterable[str]]) -> int:
    """Make something in the directory that the command line names, and return the exit status.

    `make` gets the directory's path and returns the lines to print; a `CheckError` is printed as an error.
    """
    parser = argparse.ArgumentParser(description=description)
    parser.add_argument("directory", type=Path)
    out: Path = parser.parse_args().directory.resolve()
    try:
        for line in make(out):
            print(line)
    except CheckError as error:
        print(error, file=sys.stderr)
        return 1
    return 0


def digest_lines(contents: Mapping[str, bytes]) -> list[str]:
    """Return a line for each of these files by its name, as sha256sum prints it."""
    return [f"{hashlib.sha256(content).hexdigest()}  {name}" for name, content in contents.items()]


def report(title: str, checks: Mapping[str, Callable[[], str | None]]) -> int:
    """Run the checks in their order, print one line for each and the verdict last; return the exit status.

    A check returns a remark for its line, or None, and raises `CheckError` when it fails. Whatever else it raises is
    a failure too, shown with its traceback, and the other checks run all the same.
    """
    failed: list[str] = []
    for name, check in checks.items():
        started = time.monotonic()
        try:
            remark = check() or ""
            word = "passed"
        except Exception as error:  # noqa: BLE001 - a check that breaks must not keep the others from their verdicts
            shown = str(error) if isinstance(error, CheckError) else traceback.format_exc().rstrip()
            print(shown, file=sys.stderr, flush=True)
            failed.append(name)
            word, remark = "FAILED", ""
        print(
            f"{title}: {name:32} {word}  {time.monotonic() - started:6.1f} s  {remark}".rstrip(), flush=True
        )
    print(f"{title}: {'FAILED: ' + ', '.join(failed) if failed else 'passed'}", flush=True)
    return 1 if failed else 0
