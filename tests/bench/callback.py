# SPDX-License-Identifier: GPL-3.0-or-later
"""What a play costs with our callback, against none and against its peers."""

from __future__ import annotations

import importlib.util
import json
import os
import statistics
import sys
import tempfile
import time
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    import argparse

ROOT = Path(__file__).resolve().parents[2]
# Our plan task refuses to run unrecorded. Where our callback is off, this one answers for it and does nothing.
ANNOUNCE = '''\
from ansible.plugins.callback import CallbackBase
from ansible_collections.rackbench.lab.plugins.plugin_utils import _ledger_link

DOCUMENTATION = """
name: announce
type: notification
short_description: says that a ledger is there
description: Says that a ledger is there.
"""

class CallbackModule(CallbackBase):
    CALLBACK_VERSION = 2.0
    CALLBACK_TYPE = "notification"
    CALLBACK_NAME = "announce"
    CALLBACK_NEEDS_ENABLED = True

    def v2_playbook_on_start(self, playbook):
        _ledger_link.announce("20260101T000000Z")
'''


@dataclass
class Variant:
    """One way to run the play, and what each round of it took."""

    environment: dict[str, str]
    wall: list[float] = field(default_factory=list)
    cpu: list[float] = field(default_factory=list)
    peak_mib: list[float] = field(default_factory=list)


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Describe the command line."""
    parser.add_argument("--hosts", type=int, default=100)
    parser.add_argument("--tasks", type=int, default=20)
    parser.add_argument("--rounds", type=int, default=5)
    parser.add_argument("--module", default="ansible.builtin.ping", help="what each task does")


def measure(args: argparse.Namespace) -> None:
    """Run every variant in turns and print the medians and their ratios to no callback."""
    with tempfile.TemporaryDirectory() as scratch:
        root = Path(scratch)
        _write_play(root, args)
        variants = _variants(root)
        for _ in range(args.rounds):
            for name, variant in variants.items():
                _run(name, variant, root, args.hosts)
    base = variants["none"]
    print(f"{args.hosts} hosts x {args.tasks} tasks of {args.module}, median of {args.rounds} rounds")
    print(f"{'callback':<22} {'wall s':>8} {'ratio':>6} {'cpu s':>8} {'ratio':>6} {'peak MiB':>9}")
    for name, variant in variants.items():
        wall, cpu = statistics.median(variant.wall), statistics.median(variant.cpu)
        print(
            f"{name:<22} {wall:8.2f} {wall / statistics.median(base.wall):6.3f} "
            f"{cpu:8.2f} {cpu / statistics.median(base.cpu):6.3f} {statistics.median(variant.peak_mib):9.1f}"
        )


def _write_play(root: Path, args: argparse.Namespace) -> None:
    hosts = [f"box{number:03d}" for number in range(args.hosts)]
    local = f"ansible_connection=local ansible_python_interpreter={sys.executable}"
    (root / "hosts.ini").write_text("".join(f"{host} {local}\n" for host in hosts), encoding="utf-8")
    plan = {
        "name": "Plan",
        "rackbench.lab.plan": {"benchmarks": ["preflight"], "limit": "all", "runs_dir": str(root / "runs")},
    }
    tasks = [{"name": f"Task {number}", args.module: {}} for number in range(args.tasks)]
    play = {
        "name": "Rackbench measurement",
        "hosts": "all",
        "gather_facts": False,
        "strategy": "ansible.builtin.host_pinned",
        "tasks": [plan, *tasks],
    }
    (root / "play.json").write_text(json.dumps([play]), encoding="utf-8")
    (root / "plugins").mkdir()
    (root / "plugins" / "announce.py").write_text(ANNOUNCE, encoding="utf-8")


def _variants(root: Path) -> dict[str, Variant]:
    variants = {
        "none": Variant({"ANSIBLE_CALLBACKS_ENABLED": "announce"}),
        "rackbench.run_ledger": Variant({"ANSIBLE_CALLBACKS_ENABLED": "rackbench.lab.run_ledger"}),
    }
    if importlib.util.find_spec("ansible_collections"):
        variants["ansible.posix.jsonl"] = Variant(
            {"ANSIBLE_CALLBACKS_ENABLED": "announce", "ANSIBLE_STDOUT_CALLBACK": "ansible.posix.jsonl"}
        )
    else:
        print("ansible.posix.jsonl is left out: the package ansible is not installed.")
    if importlib.util.find_spec("ara"):
        from ara.setup import callback_plugins

        variants["ara"] = Variant(
            {
                "ANSIBLE_CALLBACKS_ENABLED": "announce,ara_default",
                "ANSIBLE_CALLBACK_PLUGINS": f"{root / 'plugins'}:{callback_plugins}",
                "ARA_BASE_DIR": str(root / "ara"),
            }
        )
    else:
        print("ara is left out: it is not installed.")
    return variants


def _run(name: str, variant: Variant, root: Path, hosts: int) -> None:
    environment = {
        **os.environ,
        "ANSIBLE_CONFIG": str(ROOT / "ansible.cfg"),
        "ANSIBLE_STDOUT_CALLBACK": "ansible.builtin.default",
        "ANSIBLE_CALLBACK_PLUGINS": str(root / "plugins"),
        "ANSIBLE_FORKS": str(hosts),
        **variant.environment,
    }
    program = str(Path(sys.executable).parent / "ansible-playbook")
    output = os.open(root / "output", os.O_WRONLY | os.O_CREAT | os.O_TRUNC)
    began = time.perf_counter()
    pid = os.posix_spawn(
        program,
        [program, "-i", str(root / "hosts.ini"), str(root / "play.json")],
        environment,
        file_actions=[(os.POSIX_SPAWN_DUP2, output, 1), (os.POSIX_SPAWN_DUP2, output, 2)],
    )
    _, status, usage = os.wait4(pid, 0)
    variant.wall.append(time.perf_counter() - began)
    os.close(output)
    if os.waitstatus_to_exitcode(status) != 0:
        tail = (root / "output").read_text(encoding="utf-8", errors="replace")[-2000:]
        raise SystemExit(f"the play failed with {name}:\n{tail}")
    variant.cpu.append(usage.ru_utime + usage.ru_stime)
    variant.peak_mib.append(usage.ru_maxrss / 1024)
