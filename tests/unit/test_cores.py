# SPDX-License-Identifier: Apache-2.0
"""`make check-collection` tests the collection with each Python that a core knows and this machine has."""

from __future__ import annotations

import subprocess
import sys
import tarfile
from pathlib import Path

import pytest

pytestmark = pytest.mark.slow

TOOLS = Path(__file__).resolve().parents[2] / "tools"
HERE = f"{sys.version_info.major}.{sys.version_info.minor}"
# One core, in a directory that has its environment already.
SANITY = f"""
import sys
from pathlib import Path
import check_collection, cores

work = Path(sys.argv[1])
cores.WORK = check_collection.WORK = work / "matrix"
check_collection.make_environment = lambda core: work / "venv/bin"
subject = object.__new__(check_collection.Collection)
subject.tarball = work / "collection.tar.gz"
print(subject.sanity(cores.Core("2.99", "ansible-core", "{HERE}", ("pylint",))))
"""
# As ansible-test does when it is told no version: it tests with those that it knows and finds.
ANSIBLE_TEST = f"""#!/bin/sh
echo "$@" > asked
for version in {HERE} 3.99; do
  "python$version" -c 'import sys; print(sys.version)' >> tested 2> /dev/null ||
    echo "WARNING: Skipping sanity test \\"compile\\" on Python $version because it could not be found."
done
"""


def test_a_core_tests_with_the_pythons_of_this_machine_and_names_those_that_are_missing(
    tmp_path: Path,
) -> None:
    installed = tmp_path / "venv/lib/python3/site-packages/ansible_test"
    program = tmp_path / "venv/bin/ansible-test"
    for path, text in (
        (installed / "_util/target/common/constants.py", f"VERSIONS = (\n    '{HERE}',\n    '3.99',\n)\n"),
        (installed / "_internal/python_requirements.py", ""),
        (program, ANSIBLE_TEST),
    ):
        path.parent.mkdir(parents=True)
        path.write_text(text)
    program.chmod(0o755)
    with tarfile.open(tmp_path / "collection.tar.gz", "w:gz"):
        pass

    done = subprocess.run([sys.executable, "-c", SANITY, tmp_path], cwd=TOOLS, capture_output=True, text=True)

    assert done.stdout == "without pylint, Python 3.99\n", done.stderr
    place = tmp_path / "matrix/2.99"
    unpacked = place / "ansible_collections/rackbench/lab"
    assert (unpacked / "asked").read_text() == "sanity --color no --skip-test pylint\n"
    assert (unpacked / "tested").read_text().startswith(f"{HERE}.")
    assert [path.name for path in (place / "pythons").iterdir()] == [f"python{HERE}"]
