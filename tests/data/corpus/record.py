# SPDX-License-Identifier: Apache-2.0
"""Ask BenchBox's own validator what it says of every changed bundle, and keep the verdicts. See README.md."""

from __future__ import annotations

import importlib.metadata
import json
import sys
import tempfile
from pathlib import Path

HERE = Path(__file__).resolve().parent
sys.path.insert(0, str(HERE.parents[1] / "unit" / "corpus"))

import mutations  # noqa: E402
from benchbox.validation.bundle import validate_bundles  # noqa: E402


def main() -> None:
    """Write verdicts.json: by mutation `accepted`, `refused` or the exception that it ended with."""
    verdicts: dict[str, list[str]] = {}
    with tempfile.TemporaryDirectory() as scratch:
        path = Path(scratch, mutations.BASE.name)
        for name, content in mutations.mutated():
            path.write_bytes(content)
            try:
                verdict = "accepted" if validate_bundles([path])[0].ok else "refused"
            except Exception as error:  # noqa: BLE001 - that it fails is what is recorded
                verdict = type(error).__name__
            verdicts.setdefault(verdict, []).append(name)
    document = {"benchbox": importlib.metadata.version("benchbox"), "verdicts": verdicts}
    (HERE / "verdicts.json").write_text(json.dumps(document, indent=1, ensure_ascii=False) + "\n")


if __name__ == "__main__":
    main()
