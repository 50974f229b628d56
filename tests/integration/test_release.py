# SPDX-License-Identifier: Apache-2.0
"""The playbook that makes a release, to its end but for the upload, on a clone of what is committed here."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

import pytest

pytest.importorskip("cyclonedx", reason="make setup-release installs what makes a release")
pytestmark = pytest.mark.full

ROOT = Path(__file__).resolve().parents[2]
VERSION = "99.0.0"
PLACES = (
    "pyproject.toml",
    "galaxy.yml",
    "python/rackbench/__init__.py",
    "meta/ee-requirements.txt",
    "execution-environment.yml",
)
FRAGMENT = "---\nbugfixes:\n  - release - a line that the test put there.\n"


class Clone:
    """A clone whose next version is 99.0.0, and a home with nothing in it but a name for commits."""

    def __init__(self, directory: Path) -> None:
        self.root = directory / "clone"
        home = directory / "home"
        home.mkdir()
        (home / ".gitconfig").write_text("[user]\nname = Maintainer\nemail = release@rackbench\n")
        ours = {
            "HOME": str(home),
            "PATH": f"{Path(sys.executable).parent}{os.pathsep}{os.environ['PATH']}",
            "ANSIBLE_STDOUT_CALLBACK": "ansible.builtin.default",
        }
        kept = {
            name: value for name, value in os.environ.items() if not name.startswith(("ANSIBLE_", "GIT_"))
        }
        self.env = {**kept, **ours}
        subprocess.run(["git", "clone", "--quiet", "--no-local", ROOT, self.root], check=True)
        current = self.run(sys.executable, "tools/versions.py").stdout.strip()
        for place in PLACES:
            path = self.root / place
            path.write_text(path.read_text().replace(current, VERSION))
        (self.root / "changelogs/fragments/test.yml").write_text(FRAGMENT)
        self.commit("The next version")

    def run(self, *words: str) -> subprocess.CompletedProcess[str]:
        return subprocess.run(words, cwd=self.root, env=self.env, capture_output=True, text=True)

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


def test_a_release_is_made_and_made_again_changes_nothing(clone: Clone, tmp_path: Path) -> None:
    key = tmp_path / "key"
    subprocess.run(["ssh-keygen", "-q", "-t", "ed25519", "-N", "", "-f", key], check=True)
    before = clone.git("rev-parse", "HEAD")

    checked = clone.release("--check", "-e", f"release_key={key}")
    assert checked.returncode == 0, checked.stdout
    assert (clone.git("rev-parse", "HEAD"), clone.git("status", "--porcelain")) == (before, "")
    assert not (clone.root / "build").exists()

    made = clone.release("-e", f"release_key={key}")
    assert made.returncode == 0, made.stdout
    assert clone.git("status", "--porcelain") == ""
    assert clone.git("log", "-1", "--format=%s") == f"Release {VERSION}"
    assert clone.git("rev-parse", f"v{VERSION}^{{commit}}") == clone.git("rev-parse", "HEAD")
    assert "a line that the test put there" in (clone.root / "CHANGELOG.rst").read_text()
    assert "twine upload" in made.stdout

    release = clone.root / "build/release"
    contents = {path.name: path.read_bytes() for path in release.iterdir()}
    assert sorted(contents) == [
        "SHA256SUMS",
        "SHA256SUMS.sig",
        f"rackbench-{VERSION}-py3-none-any.whl",
        f"rackbench-{VERSION}.cdx.json",
        f"rackbench-{VERSION}.tar.gz",
        f"rackbench-lab-{VERSION}.tar.gz",
    ]
    subprocess.run(["sha256sum", "--check", "--quiet", "SHA256SUMS"], cwd=release, check=True)
    allowed = tmp_path / "allowed_signers"
    allowed.write_text(f'release@rackbench namespaces="rackbench-release" {Path(f"{key}.pub").read_text()}')
    verify = [
        "ssh-keygen",
        "-Y",
        "verify",
        "-f",
        allowed,
        "-I",
        "release@rackbench",
        "-n",
        "rackbench-release",
    ]
    subprocess.run([*verify, "-s", "SHA256SUMS.sig"], cwd=release, input=contents["SHA256SUMS"], check=True)

    head = clone.git("rev-parse", "HEAD")
    again = clone.release("-e", f"release_key={key}")
    assert again.returncode == 0, again.stdout
    assert "changed=0 " in again.stdout
    assert clone.git("rev-parse", "HEAD") == head
    assert {path.name: path.read_bytes() for path in release.iterdir()} == contents


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
