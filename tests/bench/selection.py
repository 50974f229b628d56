# SPDX-License-Identifier: Apache-2.0
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


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Describe the command line."""
    parser.add_argument("--bundles", type=int, default=10_000, help="how many sidecars there are")
    parser.add_argument("--rounds", type=int, default=5, help="how often each variant is measured")


def measure(args: argparse.Namespace) -> None:
    """Print the times in milliseconds; every selection happens in a process of its own, that knows nothing yet."""
    print(f"{args.bundles} sidecars, ms {'median':>26} {'most':>8}")
    with tempfile.TemporaryDirectory() as scratch:
        cases = {
            "older versions": lambda at: (f"1.{at // 100}.{at % 100}", "x86_64"),
            "other machines": lambda at: (f"1.{at // 100}.{at % 100}", "s390x" if at else "x86_64"),
            "C library too new": lambda at: (f"1.{at // 100}.{at % 100}", "x86_64"),
        }
        for name, case in cases.items():
            folder = Path(scratch, name.replace(" ", "-"))
            folder.mkdir()
            for at in range(args.bundles):
                version, machine = case(at)
                _bundle(folder, version, machine, "2.99" if name == "C library too new" and at else "2.31")
            variants = {f"choose: {name}": "--choose", "read and parse all": "--parse"}
            times: dict[str, list[float]] = {variant: [] for variant in variants}
            for _round in range(args.rounds):
                for variant, flag in variants.items():
                    command = [sys.executable, __file__, flag, str(folder)]
                    done = subprocess.run(command, capture_output=True, text=True, check=True)
                    times[variant].append(float(done.stdout))
            for variant, samples in times.items():
                print(f"  {variant:<32} {statistics.median(samples):8.1f} {max(samples):8.1f}")


def _bundle(folder: Path, version: str, machine: str, libc_version: str) -> None:
    tarball = folder / f"probe-{version}-linux-{machine}-gnu.tar.gz"
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
