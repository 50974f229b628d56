#!/usr/bin/env python3
# SPDX-License-Identifier: Apache-2.0
"""Measure, and print tables of ratios. See README.md."""

from __future__ import annotations

import argparse
import sys

import callback
import startup


def main() -> int:
    """Run one of the measurements."""
    parser = argparse.ArgumentParser(description=__doc__)
    measurements = parser.add_subparsers(dest="measurement", required=True)
    for name, module in (("startup", startup), ("journal", startup), ("callback", callback)):
        one = measurements.add_parser(name)
        module.add_arguments(one)
    args = parser.parse_args()
    if args.measurement == "callback":
        callback.measure(args)
    elif args.measurement == "journal":
        startup.measure_journal(args)
    else:
        startup.measure(args)
    return 0


if __name__ == "__main__":
    sys.exit(main())
