# SPDX-License-Identifier: Apache-2.0
"""Secrets of each kind that a run meets, looked for in all that it says and leaves, and in the list of processes.

The licence and the claim of a Geekbench run are in test_geekbench.py; a password of a jump box is in tests/lab.
"""

from __future__ import annotations

import getpass
import json
import os
import subprocess
import sys
from typing import TYPE_CHECKING

import pytest

from tests.integration import made_up
from tests.integration.processes import Watch
from tests.integration.publishing import Results, git, row
from tests.integration.test_webhook import TOKEN as HOOK
from tests.integration.test_webhook import no_proxy, serving
from tests.standins.github.server import GithubStandin
from tests.unit.transport.conftest import PASSPHRASE, Sshd, sshd

if TYPE_CHECKING:
    from pathlib import Path

    from tests.integration.harness import LabProject

pytestmark = pytest.mark.full
__all__ = ["no_proxy", "sshd"]

# Tests on other workers, and in other checkouts, make keys with `sshd`'s passphrase in the arguments of ssh-keygen.
OWN_PASSPHRASE = f"canary-2e8d-passphrase-{os.getpid()}"
FROM_ENVIRONMENT = "canary-7d1f-environment"
TOKEN = "canary-93ab-github"
HIDDEN = "canary-c5e0-no-log"
IN_A_NAME = "canary-11d2-name"
SECRETS = {
    "the passphrase of a key, which a command printed": OWN_PASSPHRASE,
    "a password from the environment": FROM_ENVIRONMENT,
    "a token of GitHub": TOKEN,
    "an argument of a task with no_log": HIDDEN,
    "what a task's name is filled in with": IN_A_NAME,
    "the token in the address of the webhook": HOOK,
}
# The name of the first task is a template; what the second one is given, and how the third one fails, is hidden.
TASKS = """
- name: "Log in with {{ lookup('rackbench.lab.secret', 'named') }}"
  ansible.builtin.debug:
    msg: nothing
- name: Hand over what is secret
  ansible.builtin.set_fact:
    handed_over: "{{ lookup('rackbench.lab.secret', 'service') }} {{ lookup('rackbench.lab.secret', 'word') }}"
  no_log: true
- name: Fail with what is secret
  ansible.builtin.fail:
    msg: "{{ handed_over }} HIDDEN"
  no_log: true
  ignore_errors: true
- name: Loop over what is secret
  ansible.builtin.debug:
    msg: "{{ item }}"
  loop: ["{{ handed_over }}", HIDDEN]
  no_log: true
"""


def secrets_in(content: bytes) -> list[str]:
    """Return which of the secrets stand in some bytes."""
    return [name for name, secret in SECRETS.items() if secret.encode() in content]


def test_no_secret_is_in_anything_that_a_run_says_or_leaves(
    project: LabProject, sshd: Sshd, tmp_path: Path
) -> None:
    # On the controller: what runs on the host of this test would use the home of whoever runs the tests.
    bundle = {**made_up.ADAPTER["bundle"], "runs_on": "controller"}
    made_up.add(project, families=[made_up.family()], bundle=bundle)
    stage = project.root / "roles/made_up/tasks/stage.yml"
    stage.write_text(stage.read_text() + TASKS.replace("HIDDEN", HIDDEN))
    (sshd.folder / "word").write_text(OWN_PASSPHRASE)
    words = ["-P", PASSPHRASE, "-N", OWN_PASSPHRASE]
    subprocess.run(["ssh-keygen", "-q", "-p", *words, "-f", str(sshd.folder / "id")], check=True)
    lab = sshd.lab(
        auth_refs={
            "word": {"type": "command", "command": ["cat", str(sshd.folder / "word")]},
            "key": {"type": "key_file", "path": str(sshd.folder / "id"), "passphrase": "word"},
            "service": {"type": "password_env", "variable": "SERVICE_PASSWORD"},
            "named": {"type": "password_env", "variable": "NAMED"},
        },
        defaults={"user": getpass.getuser(), "auth_ref": "key", "python": sys.executable},
    )
    results = Results.made(tmp_path / "git")
    key = tmp_path / "signing"
    subprocess.run(["ssh-keygen", "-q", "-t", "ed25519", "-N", "", "-f", key], check=True)
    temporary = tmp_path / "temporary"
    temporary.mkdir()
    (tmp_path / "gh").mkdir()
    said: dict[str, str] = {}

    def do(*arguments: str | Path) -> None:
        done = project.rackbench(*arguments)
        said[f"{len(said)} {arguments[0]}"] = done.said
        assert done.rc == 0, done.said[-4000:]

    with GithubStandin(tmp_path / "gh/pulls.json", {"lab/results": results.bare}, token=TOKEN) as github:
        url = f"https://{github.host}/lab/results.git"
        git(results.clone, "remote", "set-url", "origin", url)
        git(results.clone, "config", f"url.{results.bare}.insteadOf", url)
        project.environment |= {
            "SSL_CERT_FILE": str(github.ca),
            "GH_CONFIG_DIR": str(tmp_path / "gh"),
            "GH_ENTERPRISE_TOKEN": TOKEN,
            "SERVICE_PASSWORD": FROM_ENVIRONMENT,
            "NAMED": IN_A_NAME,
            "TMPDIR": str(temporary),
        }
        targets = json.dumps(
            {"lab_publish_targets": results.target(forge="github", push_local=True, create_pr_local=True)}
        )
        with serving(200) as server, Watch() as watch:
            project.environment["RACKBENCH_WEBHOOK"] = server.url
            do("run", "-vvvv", "-i", lab, "--host", "t3", "--benchmarks", "made-up", "-e", targets)
            assert server.events == ["finished"]
            run = project.run("t3")
            do("sign", "--run-dir", run.path, "--key", key)
            do("verify", run.path)
            for verb in ("status", "recover", "watch", "report"):
                do(verb, "--run-dir", run.path)
            do("status", "--run-dir", run.path, "--json")
            do("runs", "--json")
            do("export", run.path, "--json")
            do("publish", "--run-dir", run.path, "--json", "-e", targets)
        assert row(run)["state"].startswith("pr_")

    # The headings of -vv and more are Ansible's own, which fills names in.
    said["0 run"] = "".join(line for line in said["0 run"].splitlines(True) if not line.startswith("TASK ["))
    assert {name: found for name, text in said.items() if (found := secrets_in(text.encode()))} == {}
    assert {line: found for line in watch.seen if (found := secrets_in(line))} == {}
    assert any(b"ansible-playbook" in line for line in watch.seen)
    searched = []
    for folder in (project.root, project.home, temporary, results.bare, results.clone):
        for path in folder.rglob("*"):
            # The tasks themselves have what they hide as a literal.
            if path.is_file() and not path.is_symlink() and path != stage:
                assert secrets_in(path.read_bytes()) == [], path
                searched.append(path.name)
    expected = {"events.jsonl", "statement.json.sig", "report.html", "results.json", "publish_ledger.json"}
    assert expected <= set(searched)
