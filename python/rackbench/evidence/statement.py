# SPDX-License-Identifier: Apache-2.0
"""The in-toto statement about a run, as bytes to sign."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING

from rackbench import clock
from rackbench.errors import RackbenchError
from rackbench.ledger import rundir
from rackbench.models.common import check
from rackbench.models.evidence import RunEvidence, Statement

if TYPE_CHECKING:
    from collections.abc import Mapping
    from datetime import datetime
    from pathlib import Path

    from rackbench.evidence.chain import Chain
    from rackbench.ledger.state import RunState

NAMESPACE = "rackbench-run"


def encode(
    state: RunState, files: Mapping[str, str], chain: Chain, digests_sha256: str, now: datetime
) -> bytes:
    """Return the statement about a run; `files` has the digest of each artifact, and `chain` the whole journal."""
    subjects = sorted([*files.items(), (rundir.EVENTS, chain.sha256)])
    document = {
        "_type": Statement.TYPE,
        "subject": [{"name": name, "digest": {"sha256": sha256}} for name, sha256 in subjects],
        "predicateType": Statement.PREDICATE,
        "predicate": {
            "schema": RunEvidence.schema_name(),
            "run_id": state.run_id,
            "host": state.host,
            "check": state.check,
            "signed_at": clock.utc_text(now),
            "journal": {
                "path": rundir.EVENTS,
                "lines": chain.lines,
                "bytes": chain.bytes,
                "head": chain.head,
                "digests": {"path": rundir.JOURNAL_DIGESTS, "sha256": digests_sha256},
            },
        },
    }
    return json.dumps(document, indent=1).encode("ascii") + b"\n"


def decode(content: bytes, path: Path) -> Statement:
    """Return the statement of a file. Raises `RackbenchError("evidence_refused")` for one that we cannot check."""
    try:
        document = json.loads(content)
    except (ValueError, RecursionError) as error:
        raise RackbenchError("evidence_refused", f"{path} is no JSON.", where=str(path)) from error
    statement = check(Statement, document, path=path, code="evidence_refused")
    journal = statement.predicate.journal
    is_ours = (journal.path, journal.digests.path) == (rundir.EVENTS, rundir.JOURNAL_DIGESTS)
    if not is_ours or rundir.EVENTS not in statement.digests:
        raise RackbenchError("evidence_refused", f"{path} is about another journal.", where=str(path))
    return statement
