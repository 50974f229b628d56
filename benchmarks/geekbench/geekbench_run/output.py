# SPDX-License-Identifier: Apache-2.0
"""Understands what Geekbench prints and exports. What the lines are is in tests/standins/geekbench/README.md."""

from __future__ import annotations

import json
import re
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from collections.abc import Iterator

SINGLE, MULTI = "single_core", "multi_core"
SECTIONS = {"Single-Core": SINGLE, "Multi-Core": MULTI}
# What editions without a licence call themselves, if they say anything.
FREE = {"", "tryout", "preview"}

_BANNER = re.compile(r"Geekbench (\d+\.\d[\w.]*)(?: (\S.*?))? : https?://")
_RUNNING = re.compile(r"\s+Running (\S.*)")
_SCORE = re.compile(r"\s*(Single-Core|Multi-Core) Score\s+(\d+)")
_RESULT = re.compile(r"\s*(https?://browser\.geekbench\.com/v\d+/cpu/\d+)")
_CLAIM = re.compile(r"\s*(https?://browser\.geekbench\.com/v\d+/cpu/\d+/claim\?key=\S+)")
_STAND_IN = "stand-in of Rackbench"
_UPLOADING = "Uploading results"
# The notice about the upload is two lines long.
_NOTICE = ("Uploading results", "depending on")


class Output:
    """What the lines so far say.

    `workloads` holds those that were begun, by section; `begun` says how many. `upload_problem` is what the program
    said in place of the links, None if it said nothing.
    """

    def __init__(self) -> None:
        self.version: str | None = None
        self.edition = ""
        self.simulated = False
        self.workloads: dict[str, list[str]] = {}
        self.scores: dict[str, int] = {}
        self.result_url: str | None = None
        self.claim_url: str | None = None
        self.uploading = False
        self.upload_problem: str | None = None
        self._section: str | None = None

    @property
    def licensed(self) -> bool:
        """Whether the program calls itself another edition than the free ones."""
        return self.edition.lower() not in FREE

    @property
    def begun(self) -> int:
        """How many workloads were begun."""
        return sum(len(names) for names in self.workloads.values())

    def take(self, line: str) -> str | None:
        """Takes one line, without its end; returns the workload that it begins, if it begins one."""
        banner = _BANNER.match(line)
        if banner and self.version is None:
            self.version, self.edition = banner.group(1), banner.group(2) or ""
        if _STAND_IN in line:
            self.simulated = True
        if line.strip() in SECTIONS and not line.startswith(" "):
            self._section = SECTIONS[line.strip()]
            return None
        running = _RUNNING.fullmatch(line)
        if running and self._section:
            name = running.group(1).strip()
            self.workloads.setdefault(self._section, []).append(name)
            return name
        score = _SCORE.fullmatch(line.rstrip())
        if score:
            self.scores[SECTIONS[score.group(1)]] = int(score.group(2))
        self._take_upload(line)
        return None

    def _take_upload(self, line: str) -> None:
        result, claim = _RESULT.fullmatch(line.rstrip()), _CLAIM.fullmatch(line.rstrip())
        if line.startswith(_UPLOADING):
            self.uploading = True
        if result:
            self.result_url = self.result_url or result.group(1)
        elif claim:
            self.claim_url = self.claim_url or claim.group(1)
        elif self.uploading and self.result_url is None and _is_news(line):
            self.upload_problem = self.upload_problem or line.strip()


def _is_news(line: str) -> bool:
    """Says whether a line after the workloads is none of those that Geekbench prints in any case."""
    return bool(line.strip()) and not line.startswith((*_NOTICE, "Upload succeeded"))


class ExportError(Exception):
    """The exported document is not there, not whole, or holds no scores."""


def read_export(text: str) -> tuple[dict[str, int], list[tuple[str, str, int]], bool]:
    """Returns the scores by section, those of workloads as (section, workload, score), and whether all is simulated.

    Raises ExportError.
    """
    try:
        document = json.loads(text)
    except (ValueError, RecursionError) as error:
        raise ExportError(f"the exported document is not whole: {error}") from error
    if not isinstance(document, dict):
        raise ExportError("the exported document is no object")
    scores: dict[str, int] = {}
    workloads: list[tuple[str, str, int]] = []
    for section, label in _sections(document):
        value = _points(section.get("score"))
        if value is not None:
            scores[label] = value
        for workload in _objects(section.get("workloads")):
            points = _points(workload.get("score"))
            if points is not None and isinstance(workload.get("name"), str):
                workloads.append((label, workload["name"], points))
    for name, label in (("score", SINGLE), ("multicore_score", MULTI)):
        value = _points(document.get(name))
        if value is not None:
            scores.setdefault(label, value)
    if not scores:
        raise ExportError("the exported document holds no scores")
    return scores, workloads, document.get("simulated") is True


def _sections(document: dict[str, Any]) -> Iterator[tuple[dict[str, Any], str]]:
    for section in _objects(document.get("sections")):
        label = SECTIONS.get(str(section.get("name")))
        if label:
            yield section, label


def _objects(value: Any) -> list[dict[str, Any]]:
    return [each for each in value if isinstance(each, dict)] if isinstance(value, list) else []


def _points(value: Any) -> int | None:
    """Returns a score; a section that was left out has 0."""
    is_number = isinstance(value, (int, float)) and not isinstance(value, bool)
    return round(value) if is_number and value > 0 and value - value == 0 else None
