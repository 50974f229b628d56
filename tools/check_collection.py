#!/usr/bin/env python3
# SPDX-License-Identifier: Apache-2.0
"""Check the collection as strangers get it and as their tools judge it: `make check-collection`.

All checks look at the tarball that `tools/artifacts.py` builds from HEAD, and none at the checkout.
"""

from __future__ import annotations

import hashlib
import json
import os
import re
import shutil
import subprocess
import sys
import tarfile
import tempfile
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING

from artifacts import collection, unpack, wheel
from cores import CORES, WORK, Core, link_pythons, make_environment, make_home, with_core
from verdict import ROOT, CheckError, command, report

if TYPE_CHECKING:
    from collections.abc import Callable

# What Ansible loads or shows, what the bundles of our benchmarks are built from, and what ansible-test has to ignore.
CONTENTS = {
    "FILES.json", "LICENSE", "LICENSES", "MANIFEST.json", "README.md", "REUSE.toml", "SECURITY.md", "benchmarks",
    "changelogs", "docs", "meta", "playbooks", "plugins", "roles", "templates", "tests",
}  # fmt: skip
# What the first release adds.
RELEASED = {"CHANGELOG.rst"}
# What ansible-test may be told to ignore in its own files, and its pylint in a line of code: programs of Ansible itself
# start with `python`, and it has run_command, which waits as long as it takes and needs an AnsibleModule.
IGNORED = ("/bin/run shebang # it starts on hosts, and what they have is python3",)
PYLINT_IGNORED = (
    "# pylint: disable=ansible-bad-function # run_command has no time limit",
    "# pylint: disable=ansible-bad-function # there is no AnsibleModule here",
)
# The benchmarks that are run: one of them is compiled.
BENCHMARKS = "system-info,latency"
DOCUMENTED = {"modules": "module", "callback": "callback", "inventory": "inventory", "lookup": "lookup"}
# What ansible-test says of a Python that it would test with.
NOT_FOUND = "because it could not be found"
# Words that take a line or a file away from ansible-lint.
EXCEPTIONS = re.compile(r"noqa|skip_list|warn_list|skip_ansible_lint")


def as_installed(tarball: Path, place: Path) -> Path:
    """Unpack the collection into `place`, as Ansible wants a collection to lie there, and return its directory."""
    target = place / "ansible_collections/rackbench/lab"
    shutil.rmtree(target, ignore_errors=True)
    target.mkdir(parents=True)
    unpack(tarball, target)
    # Without a repository of its own, ansible-test asks ours, which ignores what lies here, and tests nothing.
    command("git", "init", "--quiet", target)
    return target


class Collection:
    """The tarball and the same unpacked, in a directory that all checks share."""

    def __init__(self, work: Path) -> None:
        self.work = work
        self.tarball = collection(work / "artifacts")
        self.unpacked = as_installed(self.tarball, work / "unpacked")

    def alone(self, *before: Path) -> list[str]:
        """Return what is put before a command that gets nothing of this session and has an empty home."""
        home = self.work / "home"
        home.mkdir(exist_ok=True)
        path = ":".join([*(str(part) for part in before), "/usr/local/bin", "/usr/bin", "/bin"])
        return ["env", "-i", f"HOME={home}", f"PATH={path}", "LC_ALL=C.UTF-8"]

    def contents(self) -> str:
        """Check that the tarball holds what it should and nothing that lies about in a checkout."""
        with tarfile.open(self.tarball) as archive:
            names = archive.getnames()
        found = {name.partition("/")[0] for name in names}
        missing, strange = CONTENTS - found, found - CONTENTS - RELEASED
        if missing or strange:
            raise CheckError(
                f"The tarball lacks {sorted(missing)} and should not hold {sorted(strange)}. "
                "Next: build_ignore in galaxy.yml, or CONTENTS in tools/check_collection.py."
            )
        for_ansible_test = ("tests/config.yml", "tests/sanity")
        stray = [
            name for name in names if name.startswith("tests/") and not name.startswith(for_ansible_test)
        ]
        if stray:
            raise CheckError(
                f"The tarball holds tests: {', '.join(stray)}. Next: build_ignore in galaxy.yml."
            )
        return f"{len(names)} entries, {self.tarball.stat().st_size // 1024} KiB"

    def runs(self) -> str:
        """Install wheel and tarball where there is nothing, and run the playbook by its name in a new lab."""
        environment, lab = self.work / "environment", self.work / "lab"
        command(sys.executable, "-m", "venv", environment)
        pip: list[str | Path] = [environment / "bin/pip", "install", "-qq", "--disable-pip-version-check"]
        command(*pip, "--require-hashes", "-r", ROOT / "requirements/run.txt")
        command(*pip, "--no-deps", wheel(self.work / "artifacts"))
        alone = self.alone(environment / "bin")
        command(*alone, "ansible-galaxy", "collection", "install", "--offline", self.tarball, cwd=self.work)
        command(*alone, "rackbench", "init", lab, cwd=self.work)
        said = command(
            *alone, "ansible-playbook", "rackbench.lab.run", "-l", "local", "-e", f"lab_benchmarks={BENCHMARKS}",
            # A lease of its own: nothing is measured here that another run on this machine could disturb.
            "-e", f"lab_lease_dir={self.work / 'lease'}",
            cwd=lab,
        )  # fmt: skip
        status = json.loads(command(*alone, "rackbench", "status", "--json", cwd=lab))
        if status["state"] != "completed":
            raise CheckError(f"The run from the tarball ended as {status['state']}:\n{said}")
        # What is mounted in .lab is of this machine, and its captures tell that: the lab of hosts may be up.
        of_checkout = [
            path
            for place in (lab, self.work / "home")
            for path in place.rglob("*")
            if path.is_file() and re.search(re.escape(bytes(ROOT)) + rb"/(?!\.lab/)", path.read_bytes())
        ]
        if of_checkout:
            raise CheckError(f"The checkout was found by what ran: {', '.join(map(str, of_checkout))}")
        return f"the run was {status['state']}"

    def importer(self) -> str:
        """Import the tarball as Galaxy does when it is uploaded."""
        place = ROOT / ".lab/importer"
        lock = ROOT / "requirements/importer.txt"
        stamp = place / "made-from"
        made_from = f"{sys.version} {hashlib.sha256(lock.read_bytes()).hexdigest()}"
        if not stamp.is_file() or stamp.read_text() != made_from:
            command(sys.executable, "-m", "venv", "--clear", place)
            command(
                place / "bin/pip",
                "install",
                "-qq",
                "--disable-pip-version-check",
                "--require-hashes",
                "-r",
                lock,
            )
            stamp.write_text(made_from)
        said = command(
            *self.alone(place / "bin"), "python", "-m", "galaxy_importer.main", self.tarball,
            cwd=self.work,
            # It says so of any line in these files; `exceptions` holds what they may say.
            quiet_about=["Ignore files skip ansible-test sanity tests"],
        )  # fmt: skip
        if "ERROR" in said:
            raise CheckError(f"galaxy-importer found errors:\n{said}")
        return said.partition("\n")[0]

    def lint(self) -> str:
        """Run ansible-lint's strictest profile, with no settings of ours."""
        said = command(
            "ansible-lint", "--profile", "production", "--strict", "--offline", "--nocolor",
            cwd=self.unpacked,
            env={"ANSIBLE_COLLECTIONS_PATH": str(self.work / "unpacked")},
            # That is what --offline asks for, and we depend on no collection.
            quiet_about=["Skipped installing collection dependencies", "0 warning(s)"],
        )  # fmt: skip
        (verdict,) = re.findall(r"Passed: .*", said)
        return str(verdict)

    def exceptions(self) -> str:
        """Check that nothing asks ansible-lint to look away, and ansible-test only where there is nothing better."""
        listed = command("git", "ls-files", "*.yml", "*.yaml", ".ansible-lint*").splitlines()
        found = [
            f"{name}:{number}: {line.strip()}"
            for name in listed
            for number, line in enumerate((ROOT / name).read_text().splitlines(), start=1)
            if EXCEPTIONS.search(line)
        ]
        found += [name for name in listed if Path(name).name.startswith(".ansible-lint-ignore")]
        for core in CORES:
            path = ROOT / f"tests/sanity/ignore-{core.name}.txt"
            for line in path.read_text().splitlines():
                if not line.endswith(IGNORED):
                    found.append(f"{path.relative_to(ROOT)}: {line}")
        for source in sorted(self.unpacked.rglob("*.py")):
            for number, line in enumerate(source.read_text().splitlines(), start=1):
                if "pylint:" in line and not line.endswith(PYLINT_IGNORED):
                    found.append(f"{source.relative_to(self.unpacked)}:{number}: {line.strip()}")
        if found:
            raise CheckError(
                "Tools are told to look away. Next: repair what they found:\n" + "\n".join(found)
            )
        return f"{len(listed)} files"

    def documentation(self) -> None:
        """Lint what plugins and roles say of themselves, and the references among it."""
        command(
            "antsibull-docs", "lint-collection-docs", "--plugin-docs", "--check-extra-docs-refs",
            "--validate-collection-refs", "all", "--disallow-unknown-collection-refs", self.unpacked,
            env={"ANSIBLE_COLLECTIONS_PATH": str(self.work / "unpacked")},
        )  # fmt: skip

    def loaded(self) -> str:
        """Check that ansible-doc loads and shows each plugin and each role."""
        # Not with `command`: what it prints are the documents, which have warnings as their subject.
        done = subprocess.run(
            [
                *self.alone(Path(sys.executable).parent), f"ANSIBLE_COLLECTIONS_PATH={self.work / 'unpacked'}",
                "ansible-doc", "--metadata-dump", "rackbench.lab",
            ],
            cwd=self.work, capture_output=True, text=True,
        )  # fmt: skip
        if done.returncode != 0 or done.stderr:
            raise CheckError(f"ansible-doc ended with {done.returncode} and said:\n{done.stderr}")
        dumped = json.loads(done.stdout)["all"]
        wanted = {
            (kind, path.stem)
            for directory, kind in DOCUMENTED.items()
            for path in (self.unpacked / "plugins" / directory).glob("*.py")
        }
        wanted |= {("role", path.name) for path in (self.unpacked / "roles").iterdir()}
        missing = [
            f"{kind} {name}" for kind, name in wanted if f"rackbench.lab.{name}" not in dumped.get(kind, {})
        ]
        if missing:
            raise CheckError(f"ansible-doc does not show: {', '.join(sorted(missing))}")
        return f"{len(wanted)} plugins and roles"

    def changelog(self) -> str:
        """Lint the fragments, and make the release notes of them in a copy."""
        command("antsibull-changelog", "lint", cwd=self.unpacked)
        copy = as_installed(self.tarball, self.work / "released")
        manifest = json.loads((copy / "MANIFEST.json").read_text())["collection_info"]
        command(
            "antsibull-changelog", "release", "--version", manifest["version"],
            "--is-collection", "--no-collection-flatmap",
            "--collection-namespace", manifest["namespace"], "--collection-name", manifest["name"],
            cwd=copy,
        )  # fmt: skip
        notes = (copy / "CHANGELOG.rst").read_text()
        if strange := re.findall(r"\b[A-Z]\([^)]*\)|(?<!`)`[^`]+`(?!`)", notes):
            raise CheckError(
                f"The release notes are no reStructuredText where they say: {', '.join(strange)}"
            )
        return f"the notes of {manifest['version']} have {len(notes.splitlines())} lines"

    def sanity(self, core: Core) -> str:
        """Run `ansible-test sanity` of one core, some tests of it with each Python; raises `CheckError`."""
        bin_dir = make_environment(core)
        skips = [part for test in core.skipped_tests for part in ("--skip-test", test)]
        path = f"{bin_dir}:{link_pythons(core, bin_dir)}:{os.environ['PATH']}"
        said = command(
            *with_core(bin_dir, HOME=str(make_home(core, bin_dir)), PATH=path),
            "ansible-test", "sanity", "--color", "no", *skips,
            cwd=as_installed(self.tarball, WORK / core.name),
            # It wants a locale that small machines have not, and none of our tests needs it. pip, when it first makes
            # the environments of the tests, tells of the settings of the machine.
            # At its end it repeats its warnings, below a line that warns of nothing itself.
            quiet_about=[
                'Using locale "C.UTF-8"', "WARNING: Location 'file:", "WARNING: Reviewing previous", NOT_FOUND,
            ],
        )  # fmt: skip
        missing = sorted(set(re.findall(rf"on (Python [\d.]+) {NOT_FOUND}", said)))
        without = [*core.skipped_tests, *missing]
        return f"without {', '.join(without)}" if without else ""


def main() -> int:
    """Run all checks."""
    with tempfile.TemporaryDirectory(prefix="rackbench-collection-") as name:
        try:
            subject = Collection(Path(name))
        except CheckError as error:
            print(error, file=sys.stderr)
            return 1
        checks: dict[str, Callable[[], str | None]] = {
            "contents of the tarball": subject.contents,
            "run from wheel and tarball": subject.runs,
            "galaxy-importer": subject.importer,
            "ansible-lint": subject.lint,
            "no exceptions": subject.exceptions,
            "antsibull-docs": subject.documentation,
            "ansible-doc": subject.loaded,
            "antsibull-changelog": subject.changelog,
        }
        for core in CORES:
            checks[f"ansible-test sanity {core.name}"] = partial(subject.sanity, core)
        return report("check-collection", checks)


if __name__ == "__main__":
    sys.exit(main())
