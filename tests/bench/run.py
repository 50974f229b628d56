#!/usr/bin/env python3
# SPDX-License-Identifier: GPL-3.0-or-later
"""Measure, and print tables of ratios. See README.md."""

from __future__ import annotations

import argparse
import sys

import agents
import archives
import callback
import corpus
import gate
import reattach
import recovery
import report
import runs
import selection
import startup

MEASUREMENTS = {
    "startup": (startup.add_arguments, startup.measure),
    "journal": (startup.add_arguments, startup.measure_journal),
    "reattach": (reattach.add_arguments, reattach.measure),
    "recovery": (recovery.add_arguments, recovery.measure),
    "selection": (selection.add_arguments, selection.measure),
    "runs": (runs.add_arguments, runs.measure),
    "callback": (callback.add_arguments, callback.measure),
    "corpus": (corpus.add_arguments, corpus.measure),
    "report": (report.add_arguments, report.measure),
    "archives": (archives.add_arguments, archives.measure),
    "agents": (agents.add_arguments, agents.measure),
    "gate": (gate.add_arguments, gate.measure),
}


def main() -> int:
    """Run one of the measurements, or all of them with their defaults."""
    parser = argparse.ArgumentParser(description=__doc__)
    measurements = parser.add_subparsers(dest="measurement", help="by default all, one after the other")
    for name, (add_arguments, _measure) in MEASUREMENTS.items():
        add_arguments(measurements.add_parser(name))
    chosen = parser.parse_args().measurement
    for name in [chosen] if chosen else MEASUREMENTS:
        args = parser.parse_args(None if chosen else [name])
        MEASUREMENTS[name][1](args)
    return 0


if __name__ == "__main__":
    sys.exit(main())
