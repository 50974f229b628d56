# SPDX-License-Identifier: Apache-2.0
"""The playbook that makes a release, on a clone of what is committed here, with stand-ins for what uploads."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

import pytest

from tests.pages import blocks

pytestmark = pytest.mark.full

ROOT = Path(__file__).resolve().parents[2]
VERSION = "99.0.0"
PLACES = (
    "pyproject.toml",
    "galaxy.yml",
    "python/rackbench/__init__.py",
    "plugins/plugin_utils/_package.py",
    "meta/ee-requirements.txt",
    "execution-environment.yml",
)
FILES = (
    "SHA256SUMS",
    "SHA256SUMS.sig",
    f"rackbench-{VERSION}-py3-none-any.whl",
    f"rackbench-{VERSION}.cdx.json",
    f"rackbench-{VERSION}.tar.gz",
    f"rackbench-lab-{VERSION}.tar.gz",
)
FRAGMENT = "---\nbugfixes:\n  - release - a line that the test put there.\n"


# What the test puts in the place of a program that uploads: it writes down its words, and then does this.
STAND_IN = """#!/bin/sh
printf '%s ' {name} "$@" >> {log}
echo >> {log}
{body}
"""


class Clone:
    """A clone whose next version is 99.0.0, with a key, a repository to push to, and no way to upload anything."""

    def __init__(self, directory: Path) -> None:
        self.root = directory / "clone"
        self.release_dir = self.root / "build/release"
        self.programs = directory / "programs"
        self.programs.mkdir()
        self.log = directory / "uploads"
        home = directory / "home"
        self.key = home / ".ssh/id_ed25519"
        self.key.parent.mkdir(parents=True, mode=0o700)
        (home / ".gitconfig").write_text("[user]\nname = Maintainer\nemail = release@rackbench\n")
        ours = {
            "HOME": str(home),
            "PATH": f"{self.programs}{os.pathsep}{Path(sys.executable).parent}{os.pathsep}{os.environ['PATH']}",
            "ANSIBLE_STDOUT_CALLBACK": "ansible.builtin.default",
            # As in every checkout, the package is that beside the collection.
            "PYTHONPATH": str(self.root / "python"),
        }
        kept = {
            name: value for name, value in os.environ.items() if not name.startswith(("ANSIBLE_", "GIT_"))
        }
        self.env = {**kept, **ours}
        subprocess.run(["ssh-keygen", "-q", "-t", "ed25519", "-N", "", "-f", self.key], check=True)
        subprocess.run(["git", "clone", "--quiet", "--no-local", ROOT, self.root], check=True)
        subprocess.run(["git", "init", "--quiet", "--bare", directory / "origin"], check=True)
        self.git("checkout", "--quiet", "-B", "main")
        self.git("remote", "set-url", "origin", str(directory / "origin"))
        self.stand_in("twine", "true")
        self.stand_in("gh", '[ "$2" != view ] || grep -q "^gh release create " {log}')
        self.stand_in("ansible-galaxy", "true")
        current = self.run(sys.executable, "tools/versions.py").stdout.strip()
        for place in PLACES:
            path = self.root / place
            path.write_text(path.read_text().replace(current, VERSION))
        (self.root / "changelogs/fragments/test.yml").write_text(FRAGMENT)
        self.commit("The next version")

    def stand_in(self, name: str, body: str) -> None:
        program = self.programs / name
        body = body.format(log=self.log, mark=self.programs / f"{name}.failed")
        program.write_text(STAND_IN.format(name=name, log=self.log, body=body))
        program.chmod(0o755)

    def uploads(self) -> list[list[str]]:
        """Return the words of each program that was to upload something."""
        return [line.split() for line in self.log.read_text().splitlines()] if self.log.exists() else []

    def built(self) -> dict[str, bytes]:
        return {path.name: path.read_bytes() for path in self.release_dir.iterdir()}

    def run(self, *words: str) -> subprocess.CompletedProcess[str]:
        return subprocess.run(words, cwd=self.root, env=self.env, capture_output=True, text=True)

    def shell(self, line: str, cwd: Path | None = None) -> subprocess.CompletedProcess[str]:
        """Run a line of the page."""
        words = ["bash", "-c", line]
        return subprocess.run(words, cwd=cwd or self.root, env=self.env, capture_output=True, text=True)

    def git(self, *words: str) -> str:
        done = self.run("git", *words)
        assert done.returncode == 0, done.stderr
        return done.stdout.strip()

    def commit(self, message: str) -> None:
        self.git("add", "--all")
        self.git("commit", "--quiet", "--message", message)

    def release(self, *words: str) -> subprocess.CompletedProcess[str]:
        return self.run("ansible-playbook", "tools/release.yml", *words)


@pytest.fixture
def clone(tmp_path: Path) -> Clone:
    return Clone(tmp_path)


def test_a_release_is_made_and_made_again_changes_nothing(clone: Clone) -> None:
    make, verify = (
        block.lines for block in blocks("docs/how-to/make-a-release.md") if block.kind == "run by"
    )
    before = clone.git("rev-parse", "HEAD")

    checked = clone.shell(make[0])
    assert checked.returncode == 0, checked.stdout
    assert (clone.git("rev-parse", "HEAD"), clone.git("status", "--porcelain")) == (before, "")
    assert not (clone.root / "build").exists()

    of_another = clone.release_dir / "rackbench-98.0.0.cdx.json"
    of_another.parent.mkdir(parents=True)
    of_another.touch()
    made = clone.shell(make[1])
    assert made.returncode == 0, made.stdout
    assert clone.git("status", "--porcelain") == ""
    assert clone.git("log", "-1", "--format=%s") == f"Release {VERSION}"
    assert clone.git("rev-parse", f"v{VERSION}^{{commit}}") == clone.git("rev-parse", "HEAD")
    assert "a line that the test put there" in (clone.root / "CHANGELOG.rst").read_text()
    assert "twine upload" in made.stdout
    assert clone.uploads() == []

    contents = clone.built()
    assert sorted(contents) == sorted(FILES)
    signers = f'release@rackbench namespaces="rackbench-release" {Path(f"{clone.key}.pub").read_text()}'
    (clone.release_dir / "allowed_signers").write_text(signers)
    for line in verify:
        verified = clone.shell(line, cwd=clone.release_dir)
        assert verified.returncode == 0, verified.stderr
    (clone.release_dir / "allowed_signers").unlink()

    head = clone.git("rev-parse", "HEAD")
    again = clone.shell(make[1])
    assert again.returncode == 0, again.stdout
    assert "changed=0 " in again.stdout
    assert clone.git("rev-parse", "HEAD") == head
    assert clone.built() == contents


def test_an_upload_that_failed_half_way_goes_on(clone: Clone) -> None:
    clone.stand_in(
        "ansible-galaxy", "test -e {mark} || {{ touch {mark}; echo 'no route to Galaxy' >&2; exit 1; }}"
    )
    upload = [f"release_key={clone.key}", "-e", "release_upload=true"]
    failed = clone.release("-e", *upload)
    assert failed.returncode != 0
    assert "no route to Galaxy" in failed.stdout, failed.stdout
    first = clone.uploads()
    assert [words[:3] for words in first] == [
        ["gh", "release", "view"],
        ["twine", "upload", "--skip-existing"],
        ["gh", "release", "create"],
        ["ansible-galaxy", "collection", "publish"],
    ]
    assert set(first[2]) >= set(FILES)
    assert clone.git("ls-remote", "origin", "refs/heads/main").split()[0] == clone.git("rev-parse", "HEAD")

    again = clone.release("-e", *upload)
    assert again.returncode == 0, again.stdout
    assert "changed=1 " in again.stdout
    assert [words[:3] for words in clone.uploads()[len(first) :]] == [
        ["gh", "release", "view"],
        ["twine", "upload", "--skip-existing"],
        ["ansible-galaxy", "collection", "publish"],
    ]


def test_a_file_that_is_not_committed_is_refused_by_its_name(clone: Clone) -> None:
    (clone.root / "left-over.txt").write_text("not for anybody\n")
    refused = clone.release()
    assert refused.returncode != 0
    assert "left-over.txt" in refused.stdout
    assert clone.git("tag", "--list", f"v{VERSION}") == ""


def test_another_version_in_galaxy_yml_is_refused_by_its_name(clone: Clone) -> None:
    path = clone.root / "galaxy.yml"
    path.write_text(path.read_text().replace(VERSION, "99.0.1"))
    clone.commit("Too early")
    refused = clone.release()
    assert refused.returncode != 0
    assert "galaxy.yml says 99.0.1" in refused.stdout
    assert clone.git("tag", "--list", f"v{VERSION}") == ""


def test_a_version_whose_tag_is_another_commit_is_refused(clone: Clone) -> None:
    clone.git("tag", "--annotate", "--message", "An older one", f"v{VERSION}", "HEAD~1")
    refused = clone.release()
    assert refused.returncode != 0
    assert f"v{VERSION} is the tag of" in refused.stdout
