# SPDX-License-Identifier: Apache-2.0
"""`make check-supply` finds lock files that are not as asked for, `make check-advisories` tells what pip-audit says."""

from __future__ import annotations

import os
import re
import shutil
import subprocess
import sys
from pathlib import Path

import pytest

pytestmark = pytest.mark.slow

ROOT = Path(__file__).resolve().parents[2]
CHECK = """
import importlib, sys
from verdict import CheckError
module, function = sys.argv[1:]
try:
    print(getattr(importlib.import_module(module), function)())
except CheckError as error:
    sys.exit(str(error))
"""

STAND_IN = """#!{python}
import json, sys
pins = [line.split()[0].split("==") for line in open(sys.argv[-1])]
print(json.dumps({{"dependencies": [{{"name": name, "version": version, **({answer})}} for name, version in pins]}}))
"""

LICENCE = (
    "import sys, check_supply; print(check_supply.licence_line(sys.argv[1], sys.argv[2].encode()).decode())"
)


@pytest.fixture
def copy(tmp_path: Path) -> Path:
    for folder in ("tools", "requirements"):
        shutil.copytree(ROOT / folder, tmp_path / folder, ignore=shutil.ignore_patterns("__pycache__"))
    shutil.copy(ROOT / "pyproject.toml", tmp_path)
    return tmp_path


def check(copy: Path, module: str = "check_supply", name: str = "check_locks") -> str:
    """Return what a check of a copy says, with "passed: " before it if it passed."""
    path = f"{copy}{os.pathsep}{os.environ['PATH']}"
    done = subprocess.run(
        [sys.executable, "-c", CHECK, module, name],
        cwd=copy / "tools", env={**os.environ, "PATH": path}, capture_output=True, text=True,
    )  # fmt: skip
    return done.stderr if done.returncode else f"passed: {done.stdout}"


def advisories(copy: Path) -> str:
    return check(copy, "check_advisories", "check_advisories")


def stand_in_for_pip_audit(copy: Path, answer: str) -> None:
    """Put a program before pip-audit on the PATH that gives this answer, a Python expression, for each package."""
    program = copy / "pip-audit"
    program.write_text(STAND_IN.format(python=sys.executable, answer=answer))
    program.chmod(0o755)


def edit(path: Path, pattern: str, replacement: str) -> None:
    text, count = re.subn(pattern, replacement, path.read_text(), count=1, flags=re.MULTILINE)
    assert count == 1
    path.write_text(text)


def test_the_lock_files_are_as_they_must_be(copy: Path) -> None:
    assert check(copy).startswith("passed: ")


@pytest.mark.parametrize(
    ("file", "pattern", "replacement", "told"),
    [
        pytest.param(
            "requirements/run.txt", r"^(isal==\S+).*\n(    --hash.*\n)+", r"\1\n",
            "requirements/run.txt: isal has no digest.",
            id="a package without a digest",
        ),
        pytest.param(
            "requirements/run.in", r"^rich>=.*$", "rich>=9999",
            "requirements/run.in asks for rich>=9999, and requirements/run.txt has",
            id="an in-file that asks for a newer version",
        ),
        pytest.param(
            "requirements/run.in", r"\Z", "left-pad\n",
            "requirements/run.in asks for left-pad, and requirements/run.txt does not have it.",
            id="an in-file that asks for a package that is not locked",
        ),
        pytest.param(
            "requirements/run.in", r"^ruptures.*\n", "",
            "requirements/run.txt: nothing asks for ruptures any more.",
            id="a locked package that nothing asks for",
        ),
        pytest.param(
            "requirements/dev.txt", r"^urllib3==\S+", "urllib3==99.1",
            "requirements/dev.txt: urllib3 is 99.1, and in requirements/run.txt",
            id="a package of a run that is another version in dev",
        ),
        pytest.param(
            "pyproject.toml", r'"shtab>=[^"]*"', '"shtab>=9999"',
            "pyproject.toml asks for shtab>=9999, and requirements/run.txt has",
            id="a dependency of the package that the lock is too old for",
        ),
    ],
)  # fmt: skip
def test_locks_that_are_not_as_asked_for(
    copy: Path, file: str, pattern: str, replacement: str, told: str
) -> None:
    edit(copy / file, pattern, replacement)
    assert told in check(copy)


def test_every_version_of_every_lock_is_asked_about(copy: Path) -> None:
    stand_in_for_pip_audit(copy, '{"vulns": []}')
    pins = {
        words
        for lock in (copy / "requirements").glob("*.txt")
        for words in re.findall(r"^\S+==\S+", lock.read_text(), re.MULTILINE)
    }
    assert advisories(copy) == f"passed: {len(pins)} versions of packages\n"


def test_an_advisory_is_named_with_the_lock_file_and_what_mends_it(copy: Path) -> None:
    found = '{"id": "PYSEC-1", "fix_versions": ["99.2"]}'
    stand_in_for_pip_audit(copy, f'{{"vulns": [{found}] if name == "paramiko" else []}}')
    said = advisories(copy)
    assert re.search(r"requirements/run\.txt: paramiko \S+ has PYSEC-1, mended in 99\.2\.", said)


def test_an_index_without_advisories_is_no_pass(copy: Path) -> None:
    stand_in_for_pip_audit(copy, '{"skip_reason": "not found"}')
    assert advisories(copy).startswith("NOTHING WAS CHECKED")


def test_an_index_without_an_answer_for_one_package_is_no_pass(copy: Path) -> None:
    stand_in_for_pip_audit(copy, '{"skip_reason": "not found"} if name == "rich" else {"vulns": []}')
    assert "NOT ALL WAS CHECKED" in advisories(copy)


def test_an_index_that_is_not_reached_is_no_pass(copy: Path) -> None:
    stand_in_for_pip_audit(copy, 'sys.exit("no route to host")')
    said = advisories(copy)
    assert said.startswith("NOTHING WAS CHECKED")
    assert "no route to host" in said


def test_a_package_without_a_digest_is_not_asked_about_and_is_no_pass(copy: Path) -> None:
    stand_in_for_pip_audit(copy, '{"vulns": []}')
    edit(copy / "requirements/run.txt", r"^(isal==\S+).*\n(    --hash.*\n)+", r"\1\n")
    said = advisories(copy)
    assert said.startswith("NOTHING WAS CHECKED")
    assert "requirements/run.txt: isal" in said


@pytest.mark.parametrize(
    ("name", "imported", "licence"),
    [
        ("plugins/module_utils/new.py", "json", "GPL-3.0-or-later"),
        ("tests/unit/plugins/test_new.py", "json", "GPL-3.0-or-later"),
        ("tests/integration/test_new.py", "ansible.errors", "GPL-3.0-or-later"),
        ("tests/integration/test_new.py", "ansible", "GPL-3.0-or-later"),
        ("tests/unit/test_new.py", "ansible_collections.rackbench.lab.plugins.action", "GPL-3.0-or-later"),
        ("tests/unit/test_new.py", "tests.unit.plugins.target", "GPL-3.0-or-later"),
        ("tests/unit/test_new.py", "rackbench.errors", "Apache-2.0"),
        ("python/rackbench/new.py", "ansible_runner.interface", "Apache-2.0"),
    ],
)
@pytest.mark.parametrize(
    "form", ["from {} import one", "import {}", "A = 'import {}'", "import_module('{}')"]
)
def test_what_imports_ansible_or_our_plugins_has_their_licence(
    copy: Path, name: str, imported: str, licence: str, form: str
) -> None:
    text = f"{form.format(imported)}\n"
    done = subprocess.run(
        [sys.executable, "-c", LICENCE, name, text], cwd=copy / "tools", capture_output=True, text=True
    )
    assert done.stdout.rstrip().endswith(f": {licence}"), done.stderr


def test_what_an_extra_brings_is_looked_at_with_all_that_it_needs(copy: Path) -> None:
    found = check(copy, "dependencies", "of_extras")
    assert all(f"'{name}'" in found for name in ("fsspec", "s3fs", "aiobotocore", "botocore"))
    assert "'pytest'" not in found
    edit(copy / "pyproject.toml", r'"s3fs>=[^"]*"', '"left-pad"')
    assert "requirements/dev.txt does not have left-pad" in check(copy, "dependencies", "of_extras")
