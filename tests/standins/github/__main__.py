# SPDX-License-Identifier: Apache-2.0
"""Run the stand-in for GitHub until it gets SIGTERM: `python -m tests.standins.github --state FILE --token T ...`."""

from __future__ import annotations

import argparse
import signal
import sys
from pathlib import Path

from tests.standins.github.server import FAILURES, GithubStandin


def main() -> None:
    """Serve; the first line of stdout says where, and where the authority's certificate is."""
    parser = argparse.ArgumentParser(prog="python -m tests.standins.github", description=__doc__)
    parser.add_argument("--port", type=int, default=0, help="0: any that is free")
    parser.add_argument("--state", type=Path, required=True, help="the file with the pull requests")
    parser.add_argument("--token", required=True, help="the one token that is good")
    parser.add_argument(
        "--repository", action="append", required=True, metavar="OWNER/NAME[=BARE_REPOSITORY]",
        help="a repository that there is; with a path, only its branches are",
    )  # fmt: skip
    parser.add_argument("--fail-once", action="append", default=[], choices=FAILURES)
    args = parser.parse_args()
    repositories = {
        name: Path(path) if path else None
        for name, _, path in (given.partition("=") for given in args.repository)
    }
    standin = GithubStandin(args.state.absolute(), repositories, token=args.token, port=args.port)
    for point in args.fail_once:
        standin.fail_once(point)
    signal.signal(signal.SIGTERM, lambda *_: sys.exit(0))
    sys.stdout.write(f"https://{standin.host} {standin.ca}\n")
    sys.stdout.flush()
    standin.serve()


if __name__ == "__main__":
    main()
