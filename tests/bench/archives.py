# SPDX-License-Identifier: GPL-3.0-or-later
"""How quickly bundles are hashed, packed and unpacked, and what memory that takes."""

from __future__ import annotations

import json
import os
import random
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
    from collections.abc import Callable

MODULE_UTILS = Path(__file__).resolve().parents[2] / "plugins" / "module_utils"

# Each of ours in a process of its own, so that its peak of memory is its own; it tells its seconds without the start.
CHILD = """\
import json, re, sys, time
from pathlib import Path
what, *paths = sys.argv[1:]
paths = [Path(path) for path in paths]
if what == "pack":
    from rackbench.bundles.archive import pack
    files = {str(path.relative_to(paths[0])): path for path in paths[0].rglob("*") if path.is_file()}
    work = lambda: pack(files, paths[1])
elif what == "hash":
    from rackbench.files import sha256_of
    work = lambda: sha256_of(paths[0])
else:
    sys.dont_write_bytecode = True
    sys.path.insert(0, sys.argv.pop())
    paths.pop()
    import _archive
    if what == "unpack":
        size, count = json.loads(paths.pop().read_text())
        said = {"size": paths[0].stat().st_size, "unpacked_size": size, "file_count": count, "platform": "any",
                "entry_point": "bin/run"}
        digest = _archive.sha256_file(paths[0])
        work = lambda: _archive.unpack_bundle(paths[0], paths[1], said, digest)
    else:
        work = lambda: _archive.sha256_file(paths[0])
began = time.perf_counter()
work()
seconds = time.perf_counter() - began
peak = re.search(r"VmHWM:\\s+(\\d+)", Path("/proc/self/status").read_text())  # ru_maxrss begins with the parent's
print(json.dumps([seconds, int(peak[1]) / 1024]))
"""


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Describe the command line."""
    parser.add_argument("--rounds", type=int, default=5, help="how often each variant is measured")
    parser.add_argument("--megabytes", type=int, default=1000, help="how much to pack")
    parser.add_argument("--files", type=int, default=5000, help="in how many files")


def measure(args: argparse.Namespace) -> None:
    """Print what hashing, packing and unpacking cost, as ratios to openssl and to tar --zstd."""
    with tempfile.TemporaryDirectory() as scratch:
        room = Path(scratch)
        for part in (10, 1):
            make_tree(room / "tree", args.megabytes * 1000_000 // part, args.files // part)
            _measure(room, args.rounds if part == 1 else 1, quiet=part != 1)
            shutil.rmtree(room / "tree")


def make_tree(root: Path, size: int, count: int) -> None:
    """Write files that are half text and half noise; the same ones in every call."""
    chance = random.Random(4)
    words = ["".join(chance.choices("etaoinshrdlu", k=chance.randint(2, 9))) for _ in range(3000)]
    often = [1 / (rank + 1) for rank in range(len(words))]
    text = " ".join(chance.choices(words, often, k=600_000)).encode()
    (root / "bin").mkdir(parents=True)
    (root / "bin" / "run").write_text("#!/bin/sh\n")
    (root / "bin" / "run").chmod(0o755)
    each = size // (count - 1)
    for number in range(count - 1):
        path = root / "data" / f"{number % 100:02}" / f"{number:05}"
        path.parent.mkdir(parents=True, exist_ok=True)
        start = chance.randrange(len(text))
        repeated = (text[start:] + text * (each // len(text) + 1))[:each]
        path.write_bytes(chance.randbytes(each) if number % 2 else repeated)


def _measure(room: Path, rounds: int, *, quiet: bool) -> None:
    tree, ours, tars, out, said = (room / name for name in ("tree", "x.tar.gz", "x.tar.zst", "out", "said"))
    sizes = [path.stat().st_size for path in tree.rglob("*") if path.is_file()]
    said.write_text(json.dumps([sum(sizes), len(sizes)]))
    peaks: dict[str, float] = {}
    target = str(MODULE_UTILS)
    variants: dict[str, Callable[[], float]] = {
        "tar --zstd -c": lambda: _time(["tar", "--zstd", "-cf", str(tars), "-C", str(tree), "."]),
        "pack": lambda: _child(peaks, "pack", tree, ours),
        "tar --zstd -x": lambda: _time(["tar", "--zstd", "-xf", str(tars), "-C", str(_empty(out))]),
        "unpack (target)": lambda: _child(peaks, "unpack", ours, _gone(out), said, target),
        "openssl dgst": lambda: _time(["openssl", "dgst", "-sha256", str(ours)]),
        "sha256 (controller)": lambda: _child(peaks, "hash", ours),
        "sha256 (target)": lambda: _child(peaks, "target", ours, target),
    }
    times: dict[str, list[float]] = {name: [] for name in variants}
    for _ in range(rounds):
        for name, run in variants.items():
            # So that nobody pays for what the one before left to be written.
            os.sync()
            times[name].append(run())
    if quiet:
        print(f"{'a tenth of it:':<20}", *(f"{name} {peak:.1f} MiB;" for name, peak in peaks.items()))
        return
    print(
        f"{len(sizes)} files, {sum(sizes)} bytes; tar.gz {ours.stat().st_size}, tar.zst {tars.stat().st_size}"
    )
    print(f"{'what':<20} {'seconds':>8} {'ratio':>6} {'lowest':>7} {'highest':>8} {'peak MiB':>9}")
    base: list[float] = []
    for name, samples in times.items():
        base = base if name in peaks else samples
        ratios = [mine / other for mine, other in zip(samples, base, strict=True)]
        peak = f"{peaks[name]:9.1f}" if name in peaks else f"{'':>9}"
        print(
            f"{name:<20} {statistics.median(samples):8.2f} {statistics.median(ratios):6.2f} {min(ratios):7.2f} "
            f"{max(ratios):8.2f} {peak}"
        )


def _time(command: list[str]) -> float:
    began = time.perf_counter()
    subprocess.run(command, check=True, stdout=subprocess.DEVNULL)
    return time.perf_counter() - began


def _child(peaks: dict[str, float], what: str, *paths: Path | str) -> float:
    command = [sys.executable, "-c", CHILD, what, *map(str, paths)]
    seconds, peak = json.loads(subprocess.run(command, check=True, capture_output=True).stdout)
    name = {"unpack": "unpack (target)", "hash": "sha256 (controller)", "target": "sha256 (target)"}.get(
        what, what
    )
    peaks[name] = max(peaks.get(name, 0.0), peak)
    return float(seconds)


def _gone(path: Path) -> Path:
    shutil.rmtree(path, ignore_errors=True)
    return path


def _empty(path: Path) -> Path:
    _gone(path).mkdir()
    return path
