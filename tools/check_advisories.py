#!/usr/bin/env python3
# SPDX-License-Identifier: Apache-2.0
"""Check what is known against the versions that the lock files pin: `make check-advisories`.

It asks the package index, which has to know advisories: a mirror that has only the files of packages does not.
"""

from __future__ import annotations

import json
import subprocess
import sys
import tempfile
from typing import Any

import dependencies
from verdict import ROOT, CheckError, report


def check_advisories() -> str:
    """Ask the package index for known vulnerabilities of each version that a lock file pins."""
    pinned = {
        (package.name, package.version): (package, lock)
        for lock in reversed(dependencies.lock_files())
        for package in dependencies.read_lock(lock)
    }
    if bare := sorted(
        f"{lock.relative_to(ROOT)}: {package.name}" for package, lock in pinned.values() if not package.hashes
    ):
        raise CheckError(
            f"NOTHING WAS CHECKED: these have no digest, and pip-audit wants one: {', '.join(bare)}. Next: tools/lock"
        )
    by_name: dict[str, list[str]] = {}
    for (name, version), (package, _) in sorted(pinned.items()):
        by_name.setdefault(name, []).append(f"{name}=={version} --hash={package.hashes[0]}\n")
    # Some mirrors of the index have its files and no advisories: one question is enough to know.
    if not any("vulns" in answer for answer in _audit(next(iter(by_name.values()))[0])):
        raise CheckError(
            "NOTHING WAS CHECKED: the package index that is used here knows no advisories.\n"
            "Next: run this check where pip-audit can ask the index itself, and not a mirror of its files."
        )
    # pip-audit takes a package once, and leaves out what is for another Python: so in turns, and without markers.
    answers: list[dict[str, Any]] = []
    for turn in range(max(map(len, by_name.values()))):
        answers += _audit("".join(lines[turn] for lines in by_name.values() if turn < len(lines)))
    problems: list[str] = []
    for answer in answers:
        for advisory in answer.get("vulns", ()):
            package, lock = pinned[answer["name"], answer["version"]]
            fixed = ", ".join(advisory["fix_versions"]) or "no version yet"
            problems.append(
                f"{lock.relative_to(ROOT)}: {package.name} {package.version} has {advisory['id']}, mended in {fixed}."
            )
    asked = {(answer["name"], answer["version"]) for answer in answers if "vulns" in answer}
    if unknown := pinned.keys() - asked:
        reason = next((answer["skip_reason"] for answer in answers if "skip_reason" in answer), "none")
        problems.append(
            f"NOT ALL WAS CHECKED: the package index gave no answer for {len(unknown)} of {len(pinned)} versions. "
            f"The first reason: {reason}"
        )
    if problems:
        raise CheckError("\n".join(problems))
    return f"{len(asked)} versions of packages"


def _audit(requirements: str) -> list[dict[str, Any]]:
    """Return what pip-audit answers for each of these; raises `CheckError` when it has no answer at all."""
    with tempfile.NamedTemporaryFile("w", prefix="rackbench-audit-", suffix=".txt") as file:
        file.write(requirements)
        file.flush()
        done = subprocess.run(
            [
                "pip-audit", "--progress-spinner", "off", "--format", "json", "--require-hashes", "--disable-pip",
                "--requirement", file.name,
            ],
            capture_output=True, text=True,
        )  # fmt: skip
    try:
        answers: list[dict[str, Any]] = json.loads(done.stdout)["dependencies"]
    except ValueError:
        said = (done.stderr.strip().splitlines() or ["nothing"])[-1]
        raise CheckError(
            f"NOTHING WAS CHECKED: pip-audit could not ask for advisories. It said: {said}\n"
            "Next: run this check where the package index can be reached."
        ) from None
    return answers


if __name__ == "__main__":
    sys.exit(report("check-advisories", {"advisories": check_advisories}))
