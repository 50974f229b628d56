# SPDX-License-Identifier: GPL-3.0-or-later
"""How long the page of a run on a large machine takes to build and to open, and how large it is."""

from __future__ import annotations

import shutil
import statistics
import sys
import tempfile
import time
from pathlib import Path
from typing import TYPE_CHECKING

ROOT = Path(__file__).resolve().parents[2]
sys.path.insert(0, str(ROOT))

from tests.integration import recorded  # noqa: E402 - the root of the checkout must be on the path first

if TYPE_CHECKING:
    import argparse

# Sockets, L3 groups in each, cores in each group, threads in each core.
MACHINES = {"8 CPUs": (1, 1, 4, 2), "192 CPUs": (2, 12, 8, 1), "384 CPUs": (2, 12, 8, 2)}
# The page is open when it has been drawn: the second frame after it was loaded.
DRAWN = "() => new Promise((done) => requestAnimationFrame(() => requestAnimationFrame(done)))"


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Describe the command line."""
    parser.add_argument("--rounds", type=int, default=5, help="how often each page is built and opened")


def measure(args: argparse.Namespace) -> None:
    """Print seconds and bytes for runs with a full latency matrix; building starts with reading the run directory."""
    with tempfile.TemporaryDirectory() as scratch:
        print(
            f"{'machine':<12} {'build s':>8} {'most':>6} {'of CPU':>6} {'open s':>8} {'most':>6} {'bytes':>10}"
        )
        for name, (sockets, groups, cores, threads) in MACHINES.items():
            machine = recorded.machine(sockets=sockets, groups=groups, cores=cores, threads=threads)
            results = {"latency.full.1": recorded.latency_result(machine, samples=10)}
            run_dir = recorded.run(Path(scratch) / name, results, topology=machine)
            page = Path(scratch) / "page.html"
            built, busy = zip(*(_build(run_dir, page) for _ in range(args.rounds)), strict=True)
            opened = _open(page, args.rounds)
            drawn = f"{statistics.median(opened):8.2f} {max(opened):6.2f}" if opened else f"{'-':>8} {'-':>6}"
            took = f"{statistics.median(built):8.2f} {max(built):6.2f} {statistics.median(busy):6.2f}"
            print(f"{name:<12} {took} {drawn} {page.stat().st_size:10,}")
        if not opened:
            print("Pages were not opened: chromium is not installed.")


def _build(run_dir: Path, page: Path) -> tuple[float, float]:
    """Return the seconds that it took by the clock, and those of the processor."""
    from rackbench.report.writing import write

    began = time.perf_counter(), time.process_time()
    write(page, run_dir)
    return time.perf_counter() - began[0], time.process_time() - began[1]


def _open(page: Path, rounds: int) -> list[float]:
    """Return the seconds that each opening took; none without a browser."""
    chromium = shutil.which("chromium")
    if chromium is None:
        return []
    from playwright.sync_api import sync_playwright

    seconds = []
    with sync_playwright() as playwright:
        browser = playwright.chromium.launch(executable_path=chromium)
        for _ in range(rounds):
            tab = browser.new_context().new_page()
            began = time.perf_counter()
            tab.goto(page.as_uri())
            tab.evaluate(DRAWN)
            seconds.append(time.perf_counter() - began)
            tab.context.close()
        browser.close()
    return seconds
