# SPDX-License-Identifier: Apache-2.0
"""A target that answers with commands for a terminal, for Jinja, for a spreadsheet and for a person who pastes them.

The run is started with umask 000, and is looked at for what others may write.
"""

from __future__ import annotations

import json
import re
import sys
from typing import TYPE_CHECKING, NamedTuple

import pytest
from rackbench.errors import FAILURES

from tests.integration import made_up
from tests.integration.harness import make_project

if TYPE_CHECKING:
    from pathlib import Path

    from tests.integration.harness import Done, LabProject, Run

# What no output and no document may hold: a terminal obeys it, or shows something else than what is there.
OBEYED = re.compile(
    r"[\x00-\x08\x0b-\x1f\x7f-\x9f\xad\u034f\u061c\u200b-\u200f\u2028\u2029\u202a-\u202e\u2060-\u2069\ud800-\udfff\ufeff"
    r"\U000e0000-\U000e007f]"
)
# Lines that would pass for ours, with a command to paste; and a command of GitHub's workflows.
FORGED = "\nrun_dir: /forged\n  run     rackbench forged\n::error::forged\n"
LINES = ("run_dir: /forged", "  run     rackbench forged", "::error::")
# Colours, the clipboard, a link, C1, backspaces over what stood there, the direction of writing, what nobody sees.
TERMINAL = "\x1b[31m\x1b]52;c;Zm9yZ2Vk\x07\x1b]8;;http://forged.example\x1b\\\x9b2J\x90q\x08\x08\r\x7f\u202e\u2066\u2028\u200b\u00ad\U000e0041"

PROGRAM = r"""#!/usr/bin/env python3
import json, pathlib, sys
argv = dict(zip(sys.argv[1::2], sys.argv[2::2]))
job, out = json.loads(pathlib.Path(argv["--config"]).read_text()), pathlib.Path(argv["--out"])
hostile = {hostile!r}
bad = job["parameters"].get("act") == "bad"
print(hostile)
print(hostile, file=sys.stderr)
(out / "progress.ndjson").write_text(json.dumps({"at": hostile, "done": 1, "total": 2, "unit": hostile,
                                                 "label": hostile}) + "\n")
(out / "turns \u009b31m\u202e$(id);`id`.csv").write_text(hostile)
(out / "result.json").write_text(json.dumps({
    "schema": "rackbench.result/1.0", "benchmark": {"name": hostile, "version": hostile},
    "status": "failed" if bad else "passed", "started_at": "2026-11-21T08:00:00Z", "duration_s": 0.5,
    "metrics": [{"name": "turn_rate", "unit": hostile, "direction": "higher", "samples": [40.0, 44.0],
                 "labels": {hostile: hostile}}],
    "checks": [{"name": hostile, "ok": False, "detail": hostile}], "skipped": [{"name": hostile, "reason": hostile}],
    "facts": {"result_url": hostile, hostile: hostile},
    "failure": {"code": "execution_failed", "message": hostile} if bad else None}))
sys.exit(1 if bad else 0)
"""

# The Python of a target that was taken over: it runs our modules, and changes what they say.
INTERPRETER = r"""#!{python}
import json, subprocess, sys
hostile = json.loads({hostile!r})
done = subprocess.run([sys.executable, *sys.argv[1:]], stdout=subprocess.PIPE)
try:
    said = json.loads(done.stdout)
except ValueError:
    sys.stdout.buffer.write(done.stdout)
    sys.exit(done.returncode)
said["warnings"] = [hostile]
said["deprecations"] = [{{"msg": hostile, "version": "9.9", "collection_name": "forged.forged"}}]
said["ansible_facts"] = {{"ansible_connection": "forged", "lab_benchmarks": hostile, "discovered": hostile}}
said["rackbench"] = {{"records": [{{"kind": "forged"}}], "open": {{"run_dir": "/forged"}}}}
said["diff"] = {{"before": hostile, "after": ""}}
for name in ("hostname", "os_id", "os_version", "kernel", "user", "package_manager"):
    if name in said.get("platform", {{}}):
        said["platform"][name] = hostile
sys.stdout.write(json.dumps(said))
sys.exit(done.returncode)
"""


class Made(NamedTuple):
    """A run whose only host says what is hostile wherever it can say something, and what the run said."""

    project: LabProject
    run: Run
    done: Done
    # What only an expression or a command in a text of the host would make.
    canary: Path


@pytest.fixture(scope="module")
def made(tmp_path_factory: pytest.TempPathFactory) -> Made:
    """Make the run."""
    folder = tmp_path_factory.mktemp("hostile")
    project = make_project(folder)
    canary = folder / "canary"
    touch = f"touch {canary}"
    hostile = (
        f"{{{{ lookup('ansible.builtin.pipe', '{touch}') }}}}{{{{ 'jinja' ~ 'spoke' }}}}"
        f"{{% for a in [1] %}}{{% endfor %}}"
        f"$({touch})`{touch}`;{touch};{TERMINAL}{FORGED}=1+1|<script>forged()</script>"
    )
    families = [made_up.family("bad", act="bad"), made_up.family("good")]
    made_up.add(project, families=families, program=PROGRAM.replace("{hostile!r}", repr(hostile)))
    interpreter = folder / "python"
    interpreter.write_text(INTERPRETER.format(python=sys.executable, hostile=json.dumps(hostile)))
    interpreter.chmod(0o755)
    (project.root / "playbooks/host_vars").mkdir()
    settings = {"ansible_python_interpreter": str(interpreter)}
    (project.root / "playbooks/host_vars/local.yml").write_text(json.dumps(settings))
    done = project.command("rackbench", "run", "--host", "local", "--benchmarks", "made-up", umask=0)
    return Made(project, project.run(), done, canary)


def obeyed_in(text: str) -> list[str]:
    """Return what of a text would not only be read, with what stands around it."""
    found = [f"{text[max(0, hit.start() - 40) : hit.end() + 20]!r}" for hit in OBEYED.finditer(text)]
    return (
        found
        + [line for line in text.splitlines() if line.startswith(LINES)]
        + re.findall("jinjaspoke", text)
    )


def test_nothing_that_a_target_says_is_obeyed_in_any_output(made: Made) -> None:
    project, run, done, canary = made
    assert done.rc == 1, done.said
    # It did speak, and what is ours is still the last line.
    assert "rackbench forged" in done.said
    assert done.last_line == f"run_dir: {run.path.relative_to(project.root)}"
    outputs = {"run": done.said}
    for verb in (
        ("status", "--run-dir", run.path),
        ("status", "--run-dir", run.path, "--json"),
        ("watch", "--run-dir", run.path),
        ("compare", run.path, run.path),
        ("compare", run.path, run.path, "--markdown"),
        ("export", run.path, "--csv"),
        ("export", run.path, "--json"),
        ("report", "--run-dir", run.path),
    ):
        said = project.rackbench(*verb)
        assert said.rc in {0, 1}, (verb, said.said)
        outputs[" ".join(str(word) for word in verb if word != run.path)] = said.said
    assert {name: found[:3] for name, text in outputs.items() if (found := obeyed_in(text))} == {}
    assert not canary.exists()


def test_nothing_that_a_target_says_is_obeyed_in_any_document(made: Made) -> None:
    benchmarks = made.run.path / "benchmarks"
    wrong = {}
    for path in made.run.path.rglob("*"):
        # What the benchmark itself wrote is kept as it is, and so a page with its texts, which no terminal shows.
        if path.is_file() and benchmarks not in path.parents and path.suffix != ".html":
            text = path.read_text()
            wrong[path.name] = obeyed_in(text)[:3]
    assert {name: found for name, found in wrong.items() if found} == {}
    # Its words are there, and only as data.
    assert any("rackbench forged" in str(record) for record in made.run.journal)
    assert {"made-up.bad.1", "made-up.good.1"} == {each["execution"] for each in made.run.records("result")}
    assert not made.run.records("forged")


def test_nobody_else_may_write_what_a_run_with_umask_000_made(made: Made) -> None:
    writable = {}
    for top in (made.run.path.parents[2], made.project.home, made.project.root / ".rackbench"):
        for path in (top, *top.rglob("*")):
            if (
                not path.is_symlink()
                and path.exists()
                and path.stat().st_mode & 0o022
                and path != made.project.home
            ):
                writable[path.relative_to(made.project.root.parent).as_posix()] = path.stat().st_mode & 0o7777
    # The lease of a host is for all of its users: a sticky directory, and a file that is only locked.
    assert writable == {"home/lease": 0o1777, "home/lease/lease.lock": 0o666}
    assert list(made.project.home.glob(".rackbench/lib/supervisor-*.py")), (
        "what runs on the target was looked at"
    )


@pytest.mark.full
def test_nothing_that_a_target_says_is_obeyed_with_vvv(made: Made) -> None:
    done = made.project.rackbench("run", "-vvv", "--host", "local", "--benchmarks", "made-up")
    assert done.rc == 1, done.said[-3000:]
    assert "rackbench forged" in done.said
    assert obeyed_in(done.said) == []
    assert not made.canary.exists()


@pytest.mark.full
@pytest.mark.parametrize("umask", [0o027, 0o077], ids=oct)
def test_a_run_works_with_a_strict_umask_and_lets_nobody_in(project: LabProject, umask: int) -> None:
    made_up.add(project, families=[made_up.family()])
    done = project.command("rackbench", "run", "--host", "local", "--benchmarks", "made-up", umask=umask)
    assert done.rc == 0, done.said
    run = project.run()
    # Who may not enter the directory of the runs reads nothing in it.
    assert run.path.parents[2].stat().st_mode & umask == 0
    assert (project.home / ".rackbench").stat().st_mode & umask == 0


# Changes what a module says, if it is the one that says `KEY`.
NONSENSE = r"""#!{python}
import json, subprocess, sys
done = subprocess.run([sys.executable, *sys.argv[1:]], stdout=subprocess.PIPE)
try:
    said = json.loads(done.stdout)
except ValueError:
    said = {{}}
if {key!r} in said:
    sys.stdout.write({answer})
else:
    sys.stdout.buffer.write(done.stdout)
sys.exit(done.returncode)
"""


@pytest.mark.full
@pytest.mark.parametrize(
    ("key", "answer"),
    [
        ("platform", "json.dumps({name: 7 for name in said})"),
        ("platform", "'{\"platform\": ' + '[' * 200000 + ']' * 200000 + '}'"),
        ("platform", "json.dumps({**said, 'platform': {**said['platform'], 'hostname': '\\ud800'}})"),
        ("platform", "json.dumps({'failed': True, 'msg': ['x'], 'rackbench_failure': ['x']})"),
        (
            "platform",
            "json.dumps({'failed': True, 'msg': 'x', 'rackbench_failure': {'code': 'target_disk_full'}})",
        ),
        ("job_state", "json.dumps({'changed': False})"),
        ("job_state", "json.dumps({name: 7 for name in said})"),
        ("archive", "json.dumps({**said, 'archive': '/etc/hostname', 'files': [], 'members': 'x'})"),
        ("archive", "json.dumps({**said, 'files': [{'path': '../x', 'size': -1}]})"),
    ],
    ids=[
        "numbers",
        "depth",
        "surrogate",
        "failure",
        "own-code",
        "job-nothing",
        "job-numbers",
        "empty",
        "file",
    ],
)
def test_an_answer_of_no_use_ends_the_run_in_order(
    project: LabProject, tmp_path: Path, key: str, answer: str
) -> None:
    made_up.add(project, families=[made_up.family()])
    interpreter = tmp_path / "python"
    interpreter.write_text(NONSENSE.format(python=sys.executable, key=key, answer=answer))
    interpreter.chmod(0o755)
    done = project.rackbench(
        "run", "--host", "local", "--benchmarks", "made-up", "-e", f"ansible_python_interpreter={interpreter}"
    )
    assert done.rc in {1, 3}, done.said
    run = project.run()
    assert run.journal[-1]["kind"] == "run.closed"
    assert "host.finalize" in run.states
    assert run.status["alerts"]["primary"]["code"] in FAILURES
