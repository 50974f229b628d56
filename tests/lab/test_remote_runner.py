# SPDX-License-Identifier: Apache-2.0
"""`ansible-runner transmit | worker | process`: the play runs on loki, and the run directory comes back.

loki has what docs/how-to/run-on-a-worker.md says that a worker has: the package and the collection of a release, and
secrets of its own. The commands and playbooks are those of that page and of docs/how-to/run-from-awx.md.
"""

from __future__ import annotations

import base64
import io
import json
import os
import shutil
import subprocess
import sys
import zipfile
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pytest
import yaml
from rackbench.lab.init import init

from tests import wheelhouse
from tests.integration import made_up
from tests.integration.harness import ROOT, Done, LabProject
from tests.lab.at_work import check_left_behind, finish, ssh_config, wait_for
from tests.pages import blocks

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

    from tests.integration.harness import Run
    from tests.lab.conftest import LabControl

# Python packages for another machine, a run or two over two hops: minutes on a busy machine.
pytestmark = pytest.mark.full

BASE = "/opt/rackbench"
COLLECTIONS = "/usr/share/ansible/collections"
HOME = "/home/hop"
TARGET = "turind8"
SECRETS = ("thor.pw", "id_ed25519")
REQUIREMENTS = ROOT / "requirements" / "run.txt"
INSTALL = f"""
set -eu
mkdir -p {BASE}
cd {BASE}
tar -x
python3 -m venv .
bin/pip install --quiet --no-index --find-links in rackbench
PATH={BASE}/bin:$PATH ANSIBLE_COLLECTIONS_PATH={COLLECTIONS} \
  ansible-galaxy collection install --offline in/*.tar.gz -p {COLLECTIONS}
rm -r in
"""
CLEAN = f"rm -rf {BASE} {COLLECTIONS} {HOME}/.lab {HOME}/jobs {HOME}/.ansible {HOME}/.cache"
# As the worker sees its lab: from there thor is on another network, and the secrets are files of the worker's own.
LAB = f"""---
schema: rackbench.lab/1.0
plugin: rackbench.lab.lab
auth_refs:
  thor-password: {{type: command, command: [cat, {HOME}/.lab/thor.pw]}}
  lab-key: {{type: key_file, path: ~/.lab/id_ed25519}}
defaults: {{auth_ref: lab-key, python: /usr/bin/python3}}
hops:
  thor: {{hostname: 10.77.2.10, port: 2201, user: jump, auth_ref: thor-password}}
hosts:
  turind8: {{hostname: 10.77.2.20, user: deploy, transport: {{type: jump_chain, hops: [thor]}}}}
"""
# ssh gives up a dead line after some seconds; this is said of every host, behind what is said of two.
GIVE_UP = "  ServerAliveInterval 2\n  ServerAliveCountMax 3\n"
# In place of ssh, so that it reads the file above; what goes through it is kept to be looked at.
SSH = """#!/bin/bash
set -o pipefail
case "$*" in
  *ansible-runner*) tee {folder}/sent | /usr/bin/ssh -F {folder}/ssh_config "$@" | tee {folder}/returned ;;
  *) exec /usr/bin/ssh -F {folder}/ssh_config "$@" ;;
esac
"""
ASKPASS = "#!/bin/sh\ncat {root}/.lab/run/secrets/thor.pw\n"


def block(page: str, language: str, words: str) -> str:
    """Return the only block of a language on a page of docs/how-to that holds these words."""
    found = [block.text for block in blocks(f"docs/how-to/{page}") if block.language == language]
    (text,) = [text for text in found if words in text]
    return text


def texts_of_stream(path: Path) -> dict[str, bytes]:
    """Return what is in a stream of ansible-runner: its lines as one text, and the files of its archives by name."""
    texts = {"": path.read_bytes()}
    with path.open("rb") as stream:
        for line in stream:
            if line.startswith(b'{"zipfile"'):
                size = json.loads(line)["zipfile"]
                packed = base64.b64decode(stream.read((size + 2) // 3 * 4))
                archive = zipfile.ZipFile(io.BytesIO(packed))
                texts |= {name: archive.read(name) for name in archive.namelist()}
    return texts


@dataclass
class Job:
    """A private data directory of ansible-runner on this machine, and the lab in it."""

    folder: Path
    project: LabProject
    lab: LabControl

    @property
    def home(self) -> Path:
        """Where the job came back to."""
        return self.folder / "job-back"

    def start(self, text: str) -> subprocess.Popen[str]:
        """Start a command of the page, in the directory that holds the job."""
        return subprocess.Popen(
            ["bash", "-c", f"set -o pipefail; {text}"],
            cwd=self.folder, env=self.project.environ(), text=True, start_new_session=True,
            stdin=subprocess.DEVNULL, stdout=subprocess.PIPE, stderr=subprocess.PIPE,
        )  # fmt: skip

    def command(self, text: str) -> Done:
        """Run a command of the page."""
        return finish(self.start(text))

    def settings(self, **values: Any) -> None:
        """Give the play variables, beside those of the page."""
        given = yaml.safe_load(block("run-on-a-worker.md", "yaml", "lab_runs_dir"))
        (self.folder / "job/env/extravars").write_text(yaml.safe_dump({**given, **values}))

    def run(self) -> Run:
        """Return the run that came back, after looking whether it is whole."""
        (path,) = self.home.glob(f"artifacts/nightly/automation-runs/*/{TARGET}/*")
        return check_left_behind(self.project, path)

    def is_there(self, path: str) -> bool:
        """Say whether the target has a file."""
        return self.lab("exec", TARGET, "sh", "-c", f"test -e {path} && echo yes || true") == "yes\n"


@pytest.fixture(scope="module")
def worker(lab: LabControl, tmp_path_factory: pytest.TempPathFactory) -> Iterator[None]:
    """The host loki as a worker, from the artifacts of this commit; as it was before when the tests are over."""
    folder = tmp_path_factory.mktemp("worker")
    python = lab("exec", "loki", "python3", "-c", "import sys; print('%s.%s' % sys.version_info[:2])").strip()
    try:
        shutil.copytree(wheelhouse.build(REQUIREMENTS, python), folder / "in")
    except wheelhouse.NoWheelsError as error:
        pytest.skip(str(error))
    artifacts = (
        "import sys, pathlib, artifacts as a; p = pathlib.Path(sys.argv[1]); a.wheel(p); a.collection(p)"
    )
    subprocess.run([sys.executable, "-c", artifacts, folder / "in"], cwd=ROOT / "tools", check=True)
    packed = subprocess.run(["tar", "-c", "in"], cwd=folder, stdout=subprocess.PIPE, check=True).stdout
    lab("exec", "loki", "sh", "-c", CLEAN)
    try:
        put(lab, packed, INSTALL)
        put(lab, b"", f"install -d -m 700 -o hop -g hop {HOME}/.lab")
        for name in SECRETS:
            place = f"{HOME}/.lab/{name}"
            put(lab, (lab.secrets / name).read_bytes(), f"umask 077; cat > {place}; chown hop: {place}")
        yield
    finally:
        lab("up")
        lab("exec", "loki", "sh", "-c", CLEAN)


def put(lab: LabControl, data: bytes, script: str) -> None:
    """Run a script as root on loki, with these bytes as its input."""
    done = subprocess.run(
        [ROOT / "tests/lab/lab.py", "exec", "loki", "sh", "-c", script], input=data, capture_output=True
    )
    assert done.returncode == 0, done.stderr.decode()


@pytest.fixture
def job(lab: LabControl, worker: None, tmp_path: Path) -> Iterator[Job]:
    """A job with a new lab in it, as `rackbench init` makes one, and a made-up benchmark that does as it is told."""
    root = tmp_path / "job/project"
    root.parent.mkdir()
    init(root)
    (root / "inventories/local.yml").unlink()
    (root / "inventories/lab.yml").write_text(LAB)
    shutil.copy(ROOT / ".lab/run/known_hosts", root / "inventories/known_hosts.txt")
    (tmp_path / "job/env").mkdir()
    (tmp_path / "job/env/envvars").write_text(
        block("run-on-a-worker.md", "yaml", "ANSIBLE_HOST_KEY_CHECKING")
    )
    (tmp_path / "home").mkdir()
    tools = tmp_path / "tools"
    tools.mkdir()
    for name, text in {"ssh": SSH, "askpass": ASKPASS}.items():
        (tools / name).write_text(text.format(root=ROOT, folder=tmp_path))
        (tools / name).chmod(0o755)
    (tmp_path / "ssh_config").write_text(ssh_config("ssh -W %h:%p thor") + GIVE_UP)
    path = os.pathsep.join((str(tools), str(Path(sys.executable).parent), os.environ["PATH"]))
    environment = {"PATH": path, "SSH_ASKPASS": str(tools / "askpass"), "SSH_ASKPASS_REQUIRE": "force"}
    project = LabProject(root, tmp_path / "home", environment)
    yield Job(tmp_path, project, lab)
    lab("exec", "loki", "rm", "-rf", f"{HOME}/jobs")
    lab("exec", TARGET, "sh", "-c", "rm -f /tmp/remote-* /var/tmp/rackbench/lease.json")


def waiting(job: Job) -> Callable[[], bool]:
    """Add a benchmark that ends when /tmp/remote-go is there, and return what tells that it began."""
    made_up.add(job.project, [made_up.family(count="/tmp/remote-count", until="/tmp/remote-go")])
    job.settings(lab_benchmarks="made-up")
    return lambda: job.is_there("/tmp/remote-count")


def test_a_run_on_a_worker_comes_back_whole_and_without_the_secrets_of_the_worker(job: Job) -> None:
    made_up.add(job.project, [made_up.family()])
    job.settings(lab_benchmarks="made-up")
    done = job.command(block("run-on-a-worker.md", "sh", "transmit job --playbook run.yml"))
    assert done.rc == 0, done.said
    assert "PLAY RECAP" in done.stdout

    run = job.run()
    assert run.status["state"] == "completed"
    assert run.status["exit_status"] == 0
    told = list((job.home / "artifacts/nightly/job_events").glob("*.json"))
    assert {json.loads(path.read_text())["event"] for path in told} >= {"runner_on_ok", "playbook_on_stats"}
    sent, returned = (texts_of_stream(job.folder / name) for name in ("sent", "returned"))
    assert "project/inventories/lab.yml" in sent
    assert any(name.endswith("/events.jsonl") for name in returned)
    for name in SECRETS:
        secret = max((job.lab.secrets / name).read_bytes().split(), key=len)
        for texts in (sent, returned):
            assert not [place for place, text in texts.items() if secret in text]


def test_a_job_as_awx_sends_it_has_a_static_inventory_and_a_key_for_the_agent(job: Job) -> None:
    made_up.add(job.project, [made_up.family()])
    job.settings(lab_benchmarks="made-up")
    place = f"{HOME}/jobs/nightly/project/inventories/known_hosts.txt"
    host = {
        "ansible_host": "10.77.2.20", "ansible_user": "deploy", "ansible_python_interpreter": "/usr/bin/python3",
        "ansible_ssh_common_args": f"-o UserKnownHostsFile={place} -o HostKeyAlias={TARGET}",
    }  # fmt: skip
    give_static_inventory(job, {TARGET: host})
    shutil.copy(job.lab.secrets / "id_ed25519", job.folder / "job/env/ssh_key")
    done = job.command(block("run-on-a-worker.md", "sh", "transmit job --playbook run.yml"))
    assert done.rc == 0, done.said
    assert job.run().status["exit_status"] == 0
    # A key that is part of the job travels with it, as the page says, and does not come back.
    secret = max((job.lab.secrets / "id_ed25519").read_bytes().split(), key=len)
    sent, returned = (texts_of_stream(job.folder / name) for name in ("sent", "returned"))
    assert [place for place, text in sent.items() if secret in text]
    assert not [place for place, text in returned.items() if secret in text]


def test_the_playbook_for_awx_reaches_hosts_through_the_lab_file(job: Job) -> None:
    made_up.add(job.project, [made_up.family()])
    job.settings(lab_hosts=TARGET, lab_benchmarks="made-up")
    give_static_inventory(job, {"localhost": {"ansible_connection": "local"}})
    (job.project.root / "awx.yml").write_text(block("run-from-awx.md", "yaml", "hosts: localhost"))
    started = block("run-on-a-worker.md", "sh", "transmit job --playbook run.yml")
    done = job.command(started.replace("run.yml", "awx.yml").replace(f" --limit {TARGET}", ""))
    assert done.rc == 0, done.said
    assert job.run().status["exit_status"] == 0


def test_a_line_that_is_cut_leaves_a_run_that_ends_on_the_worker(job: Job, broken_lab: LabControl) -> None:
    has_begun = waiting(job)
    process = job.start(block("run-on-a-worker.md", "sh", "transmit job --playbook run.yml"))
    wait_for(has_begun, process)
    # The worker still reaches the target: that is another network.
    broken_lab("cut", "thor", "edge")
    done = finish(process)
    assert done.rc != 0, done.said
    assert not list(job.home.glob("artifacts/nightly/automation-runs"))
    broken_lab("heal", "thor", "edge")
    broken_lab("exec", TARGET, "touch", "/tmp/remote-go")
    fetch = block("run-on-a-worker.md", "sh", "tar -c")
    wait_for(lambda: ended_on_worker(job))
    done = job.command(fetch)
    assert done.rc == 0, done.said
    run = job.run()
    assert run.status["exit_status"] == 0
    assert not run.records("run.resumed")


def test_a_worker_whose_power_was_cut_is_told_to_resume(job: Job, broken_lab: LabControl) -> None:
    has_begun = waiting(job)
    process = job.start(block("run-on-a-worker.md", "sh", "transmit job --playbook run.yml"))
    wait_for(has_begun, process)
    broken_lab("kill", "loki")
    assert finish(process).rc != 0
    broken_lab("start", "loki")
    broken_lab("exec", TARGET, "touch", "/tmp/remote-go")
    resume = block("run-on-a-worker.md", "sh", "rackbench.lab.resume")
    done = job.command(resume)
    assert done.rc == 0, done.said
    run = job.run()
    assert run.status["exit_status"] == 0
    assert len(run.records("run.resumed")) == 1
    # What ran on the target when the worker went away was found again, and not begun anew.
    counted = broken_lab("exec", TARGET, "cat", "/tmp/remote-count").split()
    assert counted == ["made-up.only.1"]


def give_static_inventory(job: Job, hosts: dict[str, dict[str, str]]) -> None:
    """Write the program that AWX writes: it prints the inventory as it was when the job was made."""
    folder = job.folder / "job/inventory"
    folder.mkdir()
    document = json.dumps({"all": {"hosts": list(hosts)}, "_meta": {"hostvars": hosts}})
    (folder / "hosts").write_text(f"#!/usr/bin/env python3\nprint({document!r})\n")
    (folder / "hosts").chmod(0o700)


def ended_on_worker(job: Job) -> bool:
    """Say whether the run that is on the worker has ended, by its journal."""
    journal = f"{HOME}/jobs/nightly/artifacts/nightly/automation-runs/*/{TARGET}/*/events.jsonl"
    return "run.closed" in job.lab("exec", "loki", "sh", "-c", f"cat {journal}")
