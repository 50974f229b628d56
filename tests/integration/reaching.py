# SPDX-License-Identifier: Apache-2.0
"""A made-up benchmark that runs on the controller, reaches the host by itself, and writes down all that it can see."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from tests.integration import made_up

if TYPE_CHECKING:
    from tests.integration.harness import LabProject, Run

ONLY = ("-e", "lab_benchmarks=made-up")

# `seconds` is how long it looks around; `forget` names the machines whose open connections it ends before;
# `act: hang` leaves a child in its process group that takes no SIGTERM.
PROGRAM = """#!/usr/bin/env python3
import argparse, json, os, pathlib, subprocess, sys, time

parser = argparse.ArgumentParser()
parser.add_argument("--config")
parser.add_argument("--out")
args = parser.parse_args()
job = json.loads(pathlib.Path(args.config).read_text())
out = pathlib.Path(args.out)
target = job["target"]


def there(command):
    argv = ["sh", "-c", command]
    if target["connection"] == "ssh":
        argv = ["ssh", "-F", target["ssh_config"], target["name"], command]
    done = subprocess.run(argv, stdin=subprocess.DEVNULL, capture_output=True, text=True)
    if done.returncode:
        sys.exit(f"{argv} failed: {done.stderr}")
    return done.stdout.strip()


def look():
    for process in pathlib.Path("/proc").glob("[0-9]*"):
        ours = process.name in {str(os.getpid()), str(os.getppid())}
        for name in ("cmdline", "environ") if ours else ("cmdline",):
            try:
                yield (process / name).read_text(errors="replace")
            except OSError:
                pass


if job["parameters"].get("act") == "hang":
    child = subprocess.Popen(["sh", "-c", "trap '' TERM; while :; do sleep 1; done"])
    (out / "child").write_text(f"{child.pid} {pathlib.Path(f'/proc/{child.pid}/stat').read_text().split()[21]}")
    child.wait()
for name in job["parameters"].get("forget", ()):
    config = subprocess.run(["ssh", "-F", target["ssh_config"], "-G", name], capture_output=True, text=True).stdout
    (control,) = [line.split()[1] for line in config.splitlines() if line.startswith("controlpath ")]
    subprocess.run(["ssh", "-F", "none", "-S", control, "-O", "exit", name], check=True)
    while pathlib.Path(control).exists():
        time.sleep(0.1)
seen = set()
ends = time.monotonic() + job["parameters"].get("seconds", 0)
while True:
    there("true")
    seen.update(look())
    if time.monotonic() >= ends:
        break
facts = {
    "argv": sys.argv,
    "environment": dict(os.environ),
    "target": target,
    "there": there("uname -n; id -un; cat /proc/sys/kernel/random/boot_id").split(),
}
(out / "seen.txt").write_text("\\n".join(sorted(seen)))
result = {"schema": "rackbench.result/1.0", "benchmark": {"name": "made-up", "version": "1.0.0"}, "status": "passed",
          "started_at": "2026-11-21T08:00:00Z", "duration_s": 0.5,
          "metrics": [{"name": "turn_rate", "unit": "turns/s", "direction": "higher", "samples": [40.0, 44.0, 42.0],
                       "labels": {}}],
          "checks": [], "skipped": [], "facts": facts}
(out / "result.json").write_text(json.dumps(result))
"""


def add(project: LabProject, *families: dict[str, Any]) -> None:
    """Put the benchmark into a checkout; all that its adapter says of where it runs is `runs_on: controller`."""
    bundle = {**made_up.ADAPTER["bundle"], "runs_on": "controller"}
    made_up.add(project, families=list(families) or [made_up.family()], program=PROGRAM, bundle=bundle)


def facts_of(run: Run, execution: str = "made-up.only.1") -> dict[str, Any]:
    """Return what the benchmark wrote down of itself."""
    facts: dict[str, Any] = run.document(f"benchmarks/made-up/{execution}/result.json")["facts"]
    return facts
