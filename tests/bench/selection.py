# SPDX-License-Identifier: GPL-3.0-or-later
"""How long it takes to choose among ten thousand bundles, beside reading and parsing their sidecars."""

from __future__ import annotations

import json
import statistics
import subprocess
import sys
import tempfile
import time
from pathlib import Path
from typing import TYPE_CHECKING

from rackbench.adapters.catalog import Adapter, BundleRef
from rackbench.bundles.catalog import sidecar_path
from rackbench.bundles.decision import BundleRequirements, Sources
from rackbench.bundles.digests import Digests
from rackbench.bundles.platforms import Platform
from rackbench.bundles.resolve import resolve
from rackbench.bundles.signing import SignaturePolicy
from rackbench.files import sha256_of

if TYPE_CHECKING:
    import argparse

HOST = Platform("linux", "x86_64", "gnu", "2.36")
CASES = ("older versions", "other machines", "C library too new", "one odd file name", "all file names odd")


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Describe the command line."""
    parser.add_argument("--bundles", type=int, default=10_000, help="how many sidecars there are")
    parser.add_argument("--rounds", type=int, default=5, help="how often each variant is measured")


def measure(args: argparse.Namespace) -> None:
    """Print the times in milliseconds; every selection happens in a process of its own, that knows nothing yet."""
    print(f"{args.bundles} sidecars, ms {'median':>26} {'most':>8}")
    with tempfile.TemporaryDirectory() as scratch:
        for name in CASES:
            folder = Path(scratch, name.replace(" ", "-"))
            folder.mkdir()
            for at in range(args.bundles):
                _case(name, folder, at)
            variants = {f"choose: {name}": "--choose", "read and parse all": "--parse"}
            times: dict[str, list[float]] = {variant: [] for variant in variants}
            for _round in range(args.rounds):
                for variant, flag in variants.items():
                    command = [sys.executable, __file__, flag, str(folder)]
                    done = subprocess.run(command, capture_output=True, text=True, check=True)
                    times[variant].append(float(done.stdout))
            for variant, samples in times.items():
                print(f"  {variant:<32} {statistics.median(samples):8.1f} {max(samples):8.1f}")


def _case(name: str, folder: Path, at: int) -> None:
    """Write one bundle of a case; the first one is the only one that fits where others do not."""
    version = f"1.{at // 100}.{at % 100}"
    if name == "other machines":
        _bundle(folder, version, machine="s390x" if at else "x86_64")
    elif name == "C library too new":
        _bundle(folder, version, libc_version="2.99" if at else "2.31")
    elif name == "one odd file name":
        _bundle(folder, version, mark="" if at else "_copy")
    elif name == "all file names odd":
        # Nothing is known before all sidecars are read.
        _bundle(folder, version, mark="_copy")
    else:
        _bundle(folder, version)


def _bundle(
    folder: Path, version: str, *, machine: str = "x86_64", libc_version: str = "2.31", mark: str = ""
) -> None:
    tarball = folder / f"probe-{version}{mark}-linux-{machine}-gnu.tar.gz"
    tarball.write_bytes(version.encode())
    needs = {"os": "linux", "machine": machine, "libc": "gnu", "libc_version": libc_version}
    document = {
        "schema": "rackbench.bundle/1.0",
        "name": "probe",
        "version": version,
        "platform": needs,
        "capabilities": ["core-to-core"],
        "entry_point": "bin/run",
        "sha256": sha256_of(tarball),
        "size": tarball.stat().st_size,
        "unpacked_size": 10,
        "file_count": 1,
        "provenance": {"source_digest": "0" * 64, "built_by": "bench"},
    }
    sidecar_path(tarball).write_text(json.dumps(document, indent=2))


def _choose(folder: Path) -> None:
    adapter = Adapter(
        "probe", "", "", "probe", BundleRef("probe", None, "native"), (), frozenset(), (), (), (), (), folder
    )
    requirements = BundleRequirements(frozenset(), SignaturePolicy(None, required=False))
    decision = resolve(HOST, adapter, requirements, Sources(None, None, None, (folder,), None, Digests(None)))
    assert decision.chosen
    assert decision.as_dict()["candidates"]


def _parse(folder: Path) -> None:
    for path in folder.glob("*.json"):
        json.loads(path.read_bytes())


if __name__ == "__main__":
    began = time.perf_counter()
    {"--choose": _choose, "--parse": _parse}[sys.argv[1]](Path(sys.argv[2]))
    print((time.perf_counter() - began) * 1000)
