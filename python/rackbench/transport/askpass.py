# SPDX-License-Identifier: Apache-2.0
"""What ssh runs to ask for a password: it hands the prompt to the broker and prints the answer, or fails."""

from __future__ import annotations

import os
import sys
from pathlib import Path

if __name__ == "__main__":
    sys.path.insert(0, str(Path(__file__).resolve().parents[2]))

from rackbench.transport import wire


def main(arguments: list[str]) -> int:
    """Answer one prompt; 1 when the broker does not know it, so that ssh gives up at once."""
    question = {
        "do": "prompt",
        "prompt": arguments[0] if arguments else "",
        "attempt": os.environ.get("RACKBENCH_ATTEMPT", ""),
    }
    try:
        answer = wire.ask(os.environ["RACKBENCH_BROKER"], question)
    except (OSError, KeyError):
        return 1
    if not answer.get("ok"):
        return 1
    sys.stdout.write(answer["value"] + "\n")
    return 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
