# SPDX-License-Identifier: Apache-2.0
"""Write the JSON Schemas of all documents to docs/reference/schemas: `python -m rackbench.models.schemas [--check]`."""

from __future__ import annotations

import importlib
import json
import sys
from pathlib import Path
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from pydantic import BaseModel

# File name without `.schema.json`: the module and class that describe it. One line per document; keep it sorted.
DOCUMENTS: dict[str, tuple[str, str]] = {
    "adapter": ("rackbench.models.adapter", "AdapterYml"),
    "adapter-help": ("rackbench.models.answers", "AdapterHelp"),
    "adapters": ("rackbench.models.answers", "Adapters"),
    "article": ("rackbench.models.compare_answers", "ArticleAnswer"),
    "artifact-manifest": ("rackbench.models.run_documents", "ArtifactManifest"),
    "baseline": ("rackbench.models.baseline", "BaselineFile"),
    "baseline-armed": ("rackbench.models.baseline", "ArmedAnswer"),
    "baseline-audit-line": ("rackbench.models.baseline", "AuditLine"),
    "baseline-collected": ("rackbench.models.baseline", "CollectedAnswer"),
    "baseline-comparison": ("rackbench.models.baseline_compare", "BaselineComparison"),
    "baseline-history": ("rackbench.models.baseline_compare", "BaselineHistory"),
    "baseline-results": ("rackbench.models.baseline", "CollectedResults"),
    "baseline-shown": ("rackbench.models.baseline", "ShownAnswer"),
    "baseline-updated": ("rackbench.models.baseline", "UpdatedAnswer"),
    "bundle": ("rackbench.models.bundle", "Sidecar"),
    "bundle-selection": ("rackbench.models.validation", "BundleSelection"),
    "bundle-index": ("rackbench.models.bundle_index", "BundleIndex"),
    "bundle-toml": ("rackbench.models.bundle", "BundleToml"),
    "bundles": ("rackbench.models.bundle_answers", "Bundles"),
    "bundles-built": ("rackbench.models.bundle_answers", "BundlesBuilt"),
    "bundles-signed": ("rackbench.models.bundle_answers", "BundlesSigned"),
    "bundles-verified": ("rackbench.models.bundle_answers", "BundlesVerified"),
    "campaign": ("rackbench.models.campaign", "Campaign"),
    "campaign-member": ("rackbench.models.campaign", "CampaignMember"),
    "campaigns": ("rackbench.models.answers", "Campaigns"),
    "command-ledger-line": ("rackbench.models.run_documents", "CommandLine"),
    "corpus-begun": ("rackbench.models.corpus", "CorpusBegun"),
    "corpus-inventory": ("rackbench.models.corpus", "CorpusInventory"),
    "corpus-inventory-compared": ("rackbench.models.corpus", "CorpusInventoryCompared"),
    "corpus-rollback": ("rackbench.models.corpus_rollback", "CorpusRollback"),
    "corpus-validation": ("rackbench.models.corpus", "CorpusValidation"),
    "control": ("rackbench.models.control", "Control"),
    "comparison": ("rackbench.models.compare_answers", "ComparisonAnswer"),
    "conditions": ("rackbench.models.conditions", "JobConditions"),
    "error": ("rackbench.models.answers", "ErrorAnswer"),
    "export": ("rackbench.models.export", "Export"),
    "host-diff": ("rackbench.models.compare_answers", "HostDiffAnswer"),
    "host-state": ("rackbench.models.host_state", "HostState"),
    "fold": ("rackbench.models.kept", "Fold"),
    "host-inventory-snapshot": ("rackbench.models.run_documents", "HostInventorySnapshot"),
    "hosts-enrolled": ("rackbench.models.answers", "HostsEnrolled"),
    "inventory-imported": ("rackbench.models.answers", "InventoryImported"),
    "job": ("rackbench.models.job", "Job"),
    "job-heartbeat": ("rackbench.models.job", "JobHeartbeat"),
    "job-spec": ("rackbench.models.job", "JobSpec"),
    "job-state": ("rackbench.models.job", "JobState"),
    "job-stop": ("rackbench.models.job", "JobStop"),
    "journal-record": ("rackbench.models.journal", "JournalRecord"),
    "lab": ("rackbench.models.lab", "Lab"),
    "lab-begun": ("rackbench.models.validation", "LabBegun"),
    "lease": ("rackbench.models.lease", "Lease"),
    "leases": ("rackbench.models.lease", "Leases"),
    "leases-released": ("rackbench.models.lease", "LeasesReleased"),
    "live-beat": ("rackbench.models.run_documents", "LiveBeat"),
    "noise": ("rackbench.models.noise", "NoiseOriginals"),
    "notification": ("rackbench.models.notification", "Notification"),
    "payload": ("rackbench.models.publish_payload", "PayloadManifest"),
    "preflight": ("rackbench.models.preflight", "Preflight"),
    "provenance": ("rackbench.models.publish_payload", "Provenance"),
    "publish-ledger": ("rackbench.models.run_documents", "PublishLedger"),
    "pull-request": ("rackbench.models.pull_request", "PullRequestDocument"),
    "recovery": ("rackbench.models.answers", "Recovery"),
    "result": ("rackbench.models.result", "ResultFile"),
    "run-manifest": ("rackbench.models.run_documents", "RunManifest"),
    "run-outcome": ("rackbench.models.answers", "RunOutcome"),
    "run-signed": ("rackbench.models.evidence", "RunSigned"),
    "run-statement": ("rackbench.models.evidence", "Statement"),
    "run-verified": ("rackbench.models.evidence", "RunVerified"),
    "runs-cache": ("rackbench.models.kept", "RunsCache"),
    "runs-cache-rows": ("rackbench.models.kept", "RunsCacheRows"),
    "runs": ("rackbench.models.answers", "Runs"),
    "status": ("rackbench.models.run_documents", "Status"),
    "step": ("rackbench.models.run_documents", "StepDocument"),
    "stop": ("rackbench.models.control", "StopAnswer"),
    "store": ("rackbench.models.store", "StoreReport"),
    "submission": ("rackbench.models.submission", "Submission"),
    "submission-bundle": ("rackbench.models.submission", "SubmissionBundle"),
    "submission-manifest": ("rackbench.models.corpus", "SubmissionManifest"),
    "template": ("rackbench.models.template", "TemplateYml"),
    "templates": ("rackbench.models.template", "Templates"),
    "topology": ("rackbench.models.topology", "TopologyDocument"),
    "transfer-ledger-line": ("rackbench.models.run_documents", "TransferLine"),
    "validation": ("rackbench.models.validation", "Validation"),
}


def generate() -> dict[str, str]:
    """Return file name and text of each schema."""
    texts = {}
    for name, (module, attribute) in DOCUMENTS.items():
        model: type[BaseModel] = getattr(importlib.import_module(module), attribute)
        schema = model.model_json_schema(by_alias=True)
        schema["$schema"] = "https://json-schema.org/draft/2020-12/schema"
        texts[f"{name}.schema.json"] = json.dumps(schema, indent=2, sort_keys=True, ensure_ascii=False) + "\n"
    return texts


def main(arguments: list[str]) -> int:
    """Write the schemas, or with `--check` say which committed one differs from its model."""
    folder = Path("docs/reference/schemas")
    texts = generate()
    present = {path.name: path.read_text() for path in folder.glob("*.schema.json")}
    if arguments == ["--check"]:
        stale = sorted(name for name in texts.keys() | present.keys() if texts.get(name) != present.get(name))
        for name in stale:
            sys.stderr.write(
                f"{folder / name} differs from its model: run `make schemas` and commit the change.\n"
            )
        return 1 if stale else 0
    folder.mkdir(parents=True, exist_ok=True)
    for name in present.keys() - texts.keys():
        (folder / name).unlink()
    for name, text in texts.items():
        (folder / name).write_text(text)
    return 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
