# SPDX-License-Identifier: Apache-2.0
"""A submission bundle is made of a run's good results, names no host, and is taken by the checks."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING, Any

import pytest
from rackbench.corpus.make import submission_bundle
from rackbench.errors import RackbenchError
from rackbench.ledger.documents import load
from rackbench.models.submission import SubmissionBundle

from tests.integration import recorded
from tests.unit.corpus.samples import report, write

if TYPE_CHECKING:
    from pathlib import Path

NAME = "latency.smoke.1"
GOOD = recorded.result(
    "latency",
    [recorded.metric("latency", [61.0, 62.5, 60.0], pair="0-1")],
    skipped=[{"name": "sockets", "reason": "There is one at /home/alice."}],
)


def made(tmp_path: Path, result: dict[str, Any], **changes: Any) -> dict[str, Any]:
    """Return the bundle of a run that was made up, on the host `thor`."""
    run_dir = recorded.run(tmp_path / "runs", {NAME: result}, host="thor", hostname="thor.example", **changes)
    return submission_bundle(run_dir, load(run_dir).state, "latency")


def test_a_bundle_of_a_run_is_taken_and_names_no_host(tmp_path: Path) -> None:
    document = made(tmp_path, GOOD)
    SubmissionBundle.model_validate(document)
    path = write(tmp_path, document, f"latency_{document['id']}.json")
    assert report(path).findings() == []
    assert "thor" not in json.dumps(document)
    assert str(tmp_path) not in json.dumps(document)
    (metric,) = document["executions"][0]["metrics"]
    assert (metric["n"], metric["min"], metric["median"], metric["max"]) == (3, 60.0, 61.0, 62.5)
    assert document["executions"][0]["skipped"] == ["sockets"]


def test_a_suspect_run_is_taken_with_a_warning(tmp_path: Path) -> None:
    document = made(tmp_path, GOOD, verdicts={NAME: "suspect"})
    path = write(tmp_path, document, f"latency_{document['id']}.json")
    assert [finding.code for _path, finding in report(path).findings()] == ["verdict_suspect"]


@pytest.mark.parametrize(
    ("result", "changes", "reason"),
    [
        ({**GOOD, "simulated": True}, {}, "stand-in"),
        (GOOD, {"verdicts": {NAME: "void"}}, "void"),
        ({**GOOD, "status": "failed"}, {}, "failed"),
        ({**GOOD, "status": "partial"}, {}, "partial"),
        ({**GOOD, "metrics": []}, {}, "measured nothing"),
        ({"schema": "rackbench.result/1.0", "status": "passed"}, {}, "no result"),
    ],
    ids=["simulated", "void", "failed", "partial", "empty", "unreadable"],
)
def test_results_that_are_not_good_are_refused(
    result: dict[str, Any], changes: dict[str, Any], reason: str, tmp_path: Path
) -> None:
    with pytest.raises(RackbenchError, match=reason) as caught:
        made(tmp_path, result, **changes)
    assert caught.value.code == "submission_refused"


def test_another_adapter_has_nothing_to_submit(tmp_path: Path) -> None:
    run_dir = recorded.run(tmp_path, {NAME: GOOD})
    with pytest.raises(RackbenchError, match="no execution"):
        submission_bundle(run_dir, load(run_dir).state, "geekbench")
