#!/usr/bin/env python3
# SPDX-License-Identifier: GPL-3.0-or-later
"""Measure the way through the jump box thor to turind8 in the test lab: 50 tasks, and 500 MB. See README.md."""

from __future__ import annotations

import argparse
import os
import shutil
import statistics
import subprocess
import sys
import tempfile
import time
from pathlib import Path

ROOT = Path(__file__).resolve().parents[2]
sys.path[:0] = [str(ROOT), str(ROOT / "python")]

from tests.integration import made_up  # noqa: E402
from tests.integration.harness import LabProject, make_project  # noqa: E402

SECRETS = ROOT / ".lab/run/secrets"
PLAY = "- hosts: turind8\n  gather_facts: false\n  tasks:\n" + "".join(
    f"    - name: Task {number}\n      ansible.builtin.command: 'true'\n" for number in range(50)
)
DIRECT = f"""all:
  hosts:
    turind8:
      ansible_host: 10.77.2.20
      ansible_user: deploy
      ansible_python_interpreter: /usr/bin/python3
      ansible_ssh_private_key_file: {SECRETS}/id_ed25519
      ansible_ssh_args: >-
        -o ControlMaster=auto -o ControlPersist=60s -o HostKeyAlias=turind8
        -o UserKnownHostsFile={ROOT}/.lab/run/known_hosts
"""
SSH_CONFIG = f"""Host *
  UserKnownHostsFile {ROOT}/.lab/run/known_hosts
  StrictHostKeyChecking yes
  IdentitiesOnly yes
  IdentityFile {SECRETS}/id_ed25519
Host thor
  HostKeyAlias thor
  HostName 10.77.1.10
  Port 2201
  User jump
  PreferredAuthentications password
  ProxyCommand {ROOT}/tests/lab/lab.py proxy %h %p
Host turind8
  HostKeyAlias turind8
  HostName 10.77.2.20
  User deploy
  ProxyJump thor
"""


def timed(*argv: str | Path, **options: object) -> float:
    """Return how many seconds a command took; a failure ends the measurement."""
    began = time.monotonic()
    done = subprocess.run([str(part) for part in argv], capture_output=True, text=True, **options)  # type: ignore[call-overload]
    if done.returncode != 0:
        raise SystemExit(done.stdout + done.stderr)
    return time.monotonic() - began


def measure_tasks(project: LabProject, rounds: int) -> tuple[float, float]:
    """Return the median seconds of the play through thor, and of the play started in thor's own network."""
    folder = project.root
    (folder / "play.yml").write_text(PLAY)
    (folder / "direct.yml").write_text(DIRECT)
    environment = {**project.environ(), "ANSIBLE_STDOUT_CALLBACK": "ansible.builtin.default"}
    chain, direct = [], []
    for _ in range(rounds):
        chain.append(
            timed("ansible-playbook", "-i", "inventories/lab", "play.yml", cwd=folder, env=environment)
        )
        inside = ("ip", "netns", "exec", "lab-thor", "ansible-playbook", "-i", "direct.yml", "play.yml")
        direct.append(timed(*inside, cwd=folder, env=environment))
    return statistics.median(chain), statistics.median(direct)


def measure_upload(project: LabProject, megabytes: int, rounds: int) -> tuple[float, float]:
    """Return the median seconds of staging a bundle, and of `cat` through ssh, for a file of this size."""
    blob = project.root / "benchmarks/made-up/blob"
    made_up.add(project, families=[made_up.family()])
    with blob.open("wb") as stream:
        for _ in range(megabytes):
            stream.write(os.urandom(1_000_000))
    manifest = blob.parent / "bundle.toml"
    manifest.write_text(manifest.read_text().replace('["bin/run"]', '["bin/run", "blob"]'))
    built = project.rackbench("bundle", "build", "benchmarks/made-up")
    if built.rc != 0:
        raise SystemExit(built.said)
    (bundle,) = (
        path for path in project.root.glob("dist/made-up-*.tar.gz") if path.stat().st_size > 1_000_000
    )
    config, askpass = project.root / "ssh_config", project.root / "askpass"
    config.write_text(SSH_CONFIG)
    askpass.write_text(f"#!/bin/sh\ncat {SECRETS}/thor.pw\n")
    askpass.chmod(0o700)
    environment = {
        **project.environ(),
        "SSH_ASKPASS": str(askpass),
        "SSH_ASKPASS_REQUIRE": "force",
        "DISPLAY": "-",
    }
    ssh = (
        "ssh",
        "-F",
        config,
        "-o",
        "ControlMaster=auto",
        "-o",
        f"ControlPath={project.home}/m",
        "-o",
        "ControlPersist=600",
    )
    timed(*ssh, "turind8", "true", cwd=ROOT, env=environment)
    ours, theirs = [], []
    for _ in range(rounds):
        timed(*ssh, "turind8", "rm -rf .rackbench/bundles", cwd=ROOT, env=environment)
        done = project.playbook("-e", "lab_benchmarks=made-up", "-e", "lab_phases=stage", host="turind8")
        if done.rc != 0:
            raise SystemExit(done.said)
        ours += [
            line["duration_s"]
            for line in project.runs("turind8")[-1].lines("transfer_ledger.jsonl")
            if line["bytes"]
        ]
        with bundle.open("rb") as stream:
            theirs.append(timed(*ssh, "turind8", "cat > blob", cwd=ROOT, env=environment, stdin=stream))
        timed(*ssh, "turind8", "rm blob", cwd=ROOT, env=environment)
    timed(*ssh, "-O", "exit", "turind8", cwd=ROOT, env=environment)
    return statistics.median(ours), statistics.median(theirs)


def main() -> int:
    """Measure what was asked for."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--rounds", type=int, default=3)
    parser.add_argument("--megabytes", type=int, default=500)
    args = parser.parse_args()
    folder = Path(tempfile.mkdtemp(prefix="rackbench-bench-"))
    try:
        project = make_project(folder)
        (project.root / ".lab").symlink_to(ROOT / ".lab")
        (project.root / "tests").symlink_to(ROOT / "tests")
        chain, direct = measure_tasks(project, args.rounds)
        print(f"50 tasks through thor            {chain:6.1f} s")
        print(f"50 tasks from thor's own network {direct:6.1f} s")
        print(f"ratio                            {chain / direct:6.2f}   (aim: at most 1.15)")
        ours, theirs = measure_upload(project, args.megabytes, args.rounds)
        print(f"staging {args.megabytes} MB                   {ours:6.1f} s")
        print(f"cat FILE | ssh                   {theirs:6.1f} s")
        print(f"speed against cat                {theirs / ours:6.2f}   (aim: at least 0.8)")
    finally:
        shutil.rmtree(folder)
    return 0


if __name__ == "__main__":
    sys.exit(main())
