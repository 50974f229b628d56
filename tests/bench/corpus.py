# SPDX-License-Identifier: GPL-3.0-or-later
"""How many bundles a second are checked and inventoried, beside BenchBox's own validator on the same bundles."""

from __future__ import annotations

import json
import os
import random
import re
import resource
import shutil
import statistics
import subprocess
import sys
import tempfile
import time
from pathlib import Path
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    import argparse

DATA = Path(__file__).resolve().parents[1] / "data" / "benchbox"
THEIRS = """\
import sys
from pathlib import Path
from benchbox.validation.bundle import discover_bundles, validate_bundles
results = validate_bundles(discover_bundles(Path(sys.argv[1])))
print(len(results))
"""
# Each in a process of its own, so that its peak of memory is its own.
OURS = """\
import re, resource, sys
from pathlib import Path
from rackbench.cli.main import main
main(["corpus", *sys.argv[1:]])
peak = re.search(r"VmHWM:\\s+(\\d+)", Path("/proc/self/status").read_text())  # ru_maxrss begins with the parent's
print("peak", int(peak[1]) / 1024, resource.getrusage(resource.RUSAGE_CHILDREN).ru_maxrss / 1024)
"""


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Describe the command line."""
    parser.add_argument("--bundles", type=int, default=10_000, help="how many bundles there are")
    parser.add_argument("--rounds", type=int, default=3, help="how often each variant is measured")
    parser.add_argument(
        "--benchbox",
        default=sys.executable,
        metavar="PYTHON",
        help="the Python of an environment that has benchbox",
    )


def measure(args: argparse.Namespace) -> None:
    """Print seconds, bundles a second and the ratio to BenchBox's validator, and our peaks of memory."""
    peers = subprocess.run([args.benchbox, "-c", "import benchbox.validation.bundle"], capture_output=True)
    with tempfile.TemporaryDirectory() as scratch:
        room = Path(scratch)
        corpus = room / "corpus"
        make(corpus / "bundles", args.bundles)
        environment = {**os.environ, "XDG_CACHE_HOME": str(room / "cache"), "NO_COLOR": "1"}
        variants = {
            "benchbox": [args.benchbox, "-c", THEIRS, str(corpus)],
            "validate": _ours("validate", corpus, "--full"),
            "inventory --write": _ours("inventory", "--write", corpus, "--full"),
            "validate, first time": _ours("validate", corpus),
            "after one change": _ours("validate", corpus),
        }
        if peers.returncode:
            print(f"{args.benchbox} has no benchbox: left out.")
            del variants["benchbox"]
        times: dict[str, list[float]] = {name: [] for name in variants}
        cpu: dict[str, list[float]] = {name: [] for name in variants}
        peaks: dict[str, str] = {}
        for _round in range(args.rounds):
            for name, command in variants.items():
                if name == "validate, first time":
                    shutil.rmtree(room / "cache", ignore_errors=True)
                elif name == "after one change":
                    changed = next((corpus / "bundles").iterdir())
                    changed.write_bytes(changed.read_bytes() + b"\n")
                began, used = time.perf_counter(), _cpu()
                done = subprocess.run(command, capture_output=True, text=True, env=environment, check=True)
                times[name].append(time.perf_counter() - began)
                cpu[name].append(_cpu() - used)
                if match := re.search(r"^peak (.*) (.*)$", done.stdout, re.MULTILINE):
                    peaks[name] = f"{float(match[1]):.0f} and {float(match[2]):.0f}"
    print(f"{args.bundles} bundles")
    print(
        f"{'what':<24} {'seconds':>8} {'lowest':>8} {'a second':>9} {'times':>6} {'CPU s':>7} "
        f"{'peak MiB, of a worker':>22}"
    )
    first = statistics.median(times[next(iter(times))])
    for name, samples in times.items():
        middle = statistics.median(samples)
        print(
            f"{name:<24} {middle:8.2f} {min(samples):8.2f} {args.bundles / middle:9.0f} {first / middle:6.1f} "
            f"{statistics.median(cpu[name]):7.2f} {peaks.get(name, '-'):>22}"
        )


def _cpu() -> float:
    """Return the CPU seconds of all processes that have ended; unlike the others they do not depend on other work."""
    used = resource.getrusage(resource.RUSAGE_CHILDREN)
    return used.ru_utime + used.ru_stime


def _ours(*arguments: object) -> list[str]:
    return [sys.executable, "-c", OURS, *map(str, arguments)]


def make(directory: Path, count: int) -> None:
    """Write bundles with ids and timings of their own; the same ones in every call."""
    directory.mkdir(parents=True)
    chance = random.Random(9)
    originals = [path for path in sorted(DATA.glob("ssb_*.json")) if "failed" not in path.name]
    for number in range(count):
        path = originals[number % len(originals)]
        text = path.read_text()
        old, new = json.loads(text)["run"]["id"], f"{number:08x}"
        text = text.replace(old, new)
        text = re.sub(
            r'"ms": ([\d.]+)', lambda match: f'"ms": {float(match[1]) * chance.uniform(0.9, 1.1):.1f}', text
        )
        (directory / path.name.replace(old, new)).write_text(text)
