# SPDX-License-Identifier: Apache-2.0
"""What programs need of a host, and that large files do not cost memory."""

from __future__ import annotations

import hashlib
import os
import subprocess
import sys
from typing import TYPE_CHECKING

import pytest
from rackbench.bundles.elf import program_needs
from rackbench.bundles.platforms import Platform
from rackbench.bundles.source import digest_of

from .programs import X86_64, elf

if TYPE_CHECKING:
    from pathlib import Path

pytestmark = pytest.mark.slow

LOADER = b"/lib64/ld-linux-x86-64.so.2\0"
LARGE = 256 << 20
# The child's peak before and after the work. Linux counts it in KiB.
CHILD = """\
import resource, sys
from pathlib import Path
from rackbench.bundles.elf import program_needs
from rackbench.bundles.source import digest_of

peak = lambda: resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
before = peak()
file = Path(sys.argv[2])
print({"program_needs": lambda: program_needs([file]), "digest_of": lambda: digest_of([("x", file)])}[sys.argv[1]]())
print((peak() - before) * 1024)
"""


def needs(tmp_path: Path, content: bytes) -> Platform | None:
    program = tmp_path / "program"
    program.write_bytes(elf(X86_64, content))
    return program_needs([program])


def test_versions_that_lie_next_to_each_other_are_all_seen(tmp_path: Path) -> None:
    found = needs(tmp_path, LOADER + b"GLIBC_2.2.5\0GLIBC_2.34\0GLIBC_2.3\0")
    assert found == Platform("linux", "x86_64", "gnu", "2.34")


@pytest.mark.parametrize("name", [LOADER, b"\0GLIBC_2.34\0"])
@pytest.mark.parametrize("shift", [1, 5, 9])
def test_a_name_across_two_blocks_is_seen(tmp_path: Path, name: bytes, shift: int) -> None:
    other = b"\0GLIBC_2.34\0" if name == LOADER else LOADER
    content = other.ljust((1 << 20) - 20 - shift, b"\0") + name
    assert needs(tmp_path, content) == Platform("linux", "x86_64", "gnu", "2.34")


def test_a_program_without_a_loader_and_one_of_musl_ask_for_no_glibc(tmp_path: Path) -> None:
    assert needs(tmp_path, b"\0GLIBC_2.34\0") == Platform("linux", "x86_64")
    assert needs(tmp_path, b"/lib/ld-musl-x86_64.so.1\0") == Platform("linux", "x86_64", "musl")


def test_the_digest_of_a_source_is_that_of_earlier_versions(tmp_path: Path) -> None:
    """A captured bundle knows its source by this digest."""
    (tmp_path / "a").write_bytes(b"12345")
    (tmp_path / "b").write_bytes(b"")
    (tmp_path / "b").chmod(0o755)
    (tmp_path / "a").chmod(0o644)
    told = b"rackbench.packing/1" + b"\0a\x000\x005\x0012345" + b"\0b\x001\x000\0"
    assert digest_of([("a", tmp_path / "a"), ("b", tmp_path / "b")]) == hashlib.sha256(told).hexdigest()


@pytest.mark.skipif(sys.platform != "linux", reason="the unit of ru_maxrss differs elsewhere")
@pytest.mark.parametrize("work", ["program_needs", "digest_of"])
def test_a_large_file_costs_no_memory(tmp_path: Path, work: str) -> None:
    large = tmp_path / "large"
    large.write_bytes(elf(X86_64, LOADER + b"GLIBC_2.34\0"))
    # The file has a hole, which takes no room on the disk.
    os.truncate(large, LARGE)
    environment = {**os.environ, "PYTHONPATH": os.pathsep.join(path for path in sys.path if path)}
    done = subprocess.run(
        [sys.executable, "-c", CHILD, work, str(large)],
        capture_output=True,
        text=True,
        check=True,
        env=environment,
    )
    answer, grown = done.stdout.splitlines()
    assert answer
    assert int(grown) < LARGE // 4
