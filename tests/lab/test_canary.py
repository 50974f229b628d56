# SPDX-License-Identifier: Apache-2.0
"""The password of the jump box appears nowhere while a run goes on, and nowhere after it."""

from __future__ import annotations

import os
import re
import shutil
from pathlib import Path
from typing import TYPE_CHECKING

import pytest

from tests.integration import made_up
from tests.integration.harness import ROOT
from tests.lab.at_work import check_left_behind, finish, make_lab_project

if TYPE_CHECKING:
    from collections.abc import Iterator
    from subprocess import Popen

    from tests.lab.conftest import LabControl

HOSTS = ("thor", "loki", "turind8", "skadi")
# What the run did on the hosts it ran on: their homes, temporary files and logs.
PLACES = ("/home", "/root", "/tmp", "/var/tmp", "/var/log", "/run/log")
# The lab's processes are in this machine's list, too: one look sees controller and hosts, arguments and environments.
SEEN = {b"thor+dial": "the dialling ssh", b"ansible-playbook": "Ansible", b"bin/run": "the benchmark"}


@pytest.fixture
def short_folder(tmp_path: Path) -> Iterator[Path]:
    """A temporary directory for the run, with a path that is short enough for sockets."""
    folder = Path("/tmp") / f"rbc{os.getpid()}"
    folder.mkdir()
    yield folder
    shutil.rmtree(folder)


def texts_of_processes() -> Iterator[tuple[Path, bytes]]:
    """Yield the arguments and the environment of every process of this machine and of the lab's hosts."""
    for process in Path("/proc").glob("[0-9]*"):
        for name in ("cmdline", "environ"):
            try:
                yield process / name, (process / name).read_bytes()
            except OSError:
                continue


def files_below(folder: Path) -> Iterator[tuple[Path, bytes]]:
    """Yield every file below a folder; links are not followed."""
    for path in folder.rglob("*"):
        try:
            if path.is_file() and not path.is_symlink():
                yield path, path.read_bytes()
        except OSError:
            continue


def watch(process: Popen[str], secret: bytes, lab: LabControl, temporary: Path) -> set[str]:
    """Look everywhere until a run ends; return which of the processes of interest were seen."""
    seen = set()
    rounds = 0
    while process.poll() is None:
        for path, content in [*texts_of_processes(), *files_below(temporary)]:
            assert secret not in content, path
            seen |= {name for word, name in SEEN.items() if word in content}
        if rounds % 10 == 0:
            for host in HOSTS:
                # As a user of the host sees it, with the environments that `ps` can show.
                assert secret.decode() not in lab("exec", host, "ps", "axeww"), host
        rounds += 1
    return seen


def test_the_password_of_the_jump_box_appears_nowhere(
    lab: LabControl, tmp_path: Path, short_folder: Path
) -> None:
    secret = (lab.secrets / "thor.pw").read_bytes().strip()
    assert len(secret) >= 10
    project = make_lab_project(tmp_path)
    made_up.add(project, families=[made_up.family(seconds=6)])
    project.environment.update(TMPDIR=str(short_folder), ANSIBLE_LOCAL_TEMP=str(tmp_path / "ansible"))
    # The most talkative run there is: -vvvv is Ansible's own output with every ssh command.
    process = project.start(
        "rackbench", "run", "-vvvv", "--host", "turind8,skadi", "--benchmarks", "made-up",
        stdout=(tmp_path / "stdout").open("wb"), stderr=(tmp_path / "stderr").open("wb"),
    )  # fmt: skip
    try:
        seen = watch(process, secret, lab, short_folder)
    finally:
        finish(process)
    assert process.returncode == 0, (tmp_path / "stdout").read_text()[-5000:]
    # The look was at the right moments and places.
    assert seen == set(SEEN.values())

    for host in ("turind8", "skadi"):
        run = check_left_behind(project, project.run(host).path)
        # Saying all that is known of the run says nothing of the password either.
        for verb in (("status", "--run-dir", run.path), ("status", "--run-dir", run.path, "--json")):
            assert secret.decode() not in project.rackbench(*verb).said
    searched = set()
    for folder in (tmp_path, short_folder):
        for path, content in files_below(folder):
            assert secret not in content, path
            searched.add(path.name)
    assert {"events.jsonl", "stdout", "results.json"} <= searched
    # The secret's own file is the only one.
    for path, content in files_below(ROOT / ".lab/run/secrets"):
        assert (secret in content) == (path.name == "thor.pw"), path
    pattern = "[" + chr(secret[0]) + "]" + re.escape(secret[1:].decode())
    for host in HOSTS:
        search = f"grep -rlsE --binary-files=text -- '{pattern}' {' '.join(PLACES)} || true"
        found = lab("exec", host, "sh", "-c", search)
        assert found == "", (host, found)
