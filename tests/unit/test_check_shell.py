# SPDX-License-Identifier: Apache-2.0
"""`make lint` refuses every way in which a shell would read somebody else's text."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parents[2]

BAD_PYTHON = {
    "a text to run": 'subprocess.run(f"ls {name}")',
    "a text to Popen": 'subprocess.Popen("ls " + name)',
    "a formatted text": 'subprocess.check_output("ls {}".format(name))',
    "words that are joined": 'subprocess.call(" ".join(words))',
    "a shell by a variable": "subprocess.run(words, shell=wanted)",
    "a shell of Ansible": "module.run_command(name, use_unsafe_shell=True)",
    "sh with an f-string": 'subprocess.run(["sh", "-c", f"ls {name}"])',
    "bash with a sum": 'words = ("/bin/bash", "-lc", "ls " + name)',
    "busybox": 'words = ["busybox", "sh", "-c", command]',
    "another machine's shell": "channel.exec_command(command)",
    "a connection's shell": 'self._low_level_execute_command(f"ls {name}")',
    "asyncio": "asyncio.create_subprocess_shell(command)",
    "os.system": "os.system(command)",
    "a rule that is switched off": "subprocess.run(words)  # noqa: S602",
    "a task in EXAMPLES": 'EXAMPLES = """\n- ansible.builtin.shell: ls {{ name }}\n"""',
}
GOOD_PYTHON = {
    "a list": 'subprocess.run(["ls", name])',
    "no shell": "subprocess.run(words, shell=False)",
    "a constant script": 'subprocess.run(["sh", "-c", "ls \\"$1\\"", "sh", name])',
    "quoted words": "channel.exec_command(shlex.join(words))",
    "a constant": 'self._low_level_execute_command("true")',
    "an option of git": 'words = ["git", "-c", f"user.name={name}"]',
    "another function's argument": "shtab.complete(parser, shell=args.shell)",
}
BAD_YAML = {
    "shell": "- ansible.builtin.shell: ls {{ name }}",
    "shell with cmd": "- ansible.builtin.shell:\n    cmd: ls {{ name }}",
    "shell by its short name": "- shell: ls {{ name }}",
    "a statement of Jinja": "- ansible.builtin.shell: '{% if a %}ls{% endif %}'",
    "raw": "- ansible.builtin.raw: ls {{ name }}",
    "command as a text": "- ansible.builtin.command: ls {{ name }}",
    "command with cmd": "- ansible.legacy.command:\n    cmd: ls {{ name }}",
    "script": "- ansible.builtin.script: run.sh {{ name }}",
    "local_action": "- local_action: ansible.builtin.command ls",
    "pipe": "a: \"{{ lookup('ansible.builtin.pipe', 'ls ' ~ name) }}\"",
    "in a block": "- block:\n    - ansible.builtin.shell: ls {{ name }}",
}
GOOD_YAML = {
    "argv": "- ansible.builtin.command:\n    argv: [ls, '{{ name }}']",
    "environment": "- ansible.builtin.shell: ls \"$NAME\"\n  environment:\n    NAME: '{{ name }}'",
    "a folder of command": "- ansible.builtin.command:\n    argv: [ls]\n    chdir: '{{ name }}'",
    "pipe with quote": "a: \"{{ lookup('ansible.builtin.pipe', 'ls ' ~ name | quote) }}\"",
}


def _check(folder: Path, cases: dict[str, str], suffix: str) -> tuple[int, dict[str, bool]]:
    """Check a file for each case; return the exit status and which cases were named."""
    files = {name: folder / f"{number}{suffix}" for number, name in enumerate(cases)}
    for name, path in files.items():
        path.write_text(cases[name] + "\n")
    argv = [sys.executable, str(ROOT / "tools/check_shell.py"), *map(str, files.values())]
    done = subprocess.run(argv, capture_output=True, text=True)
    return done.returncode, {name: f"{path}:" in done.stderr for name, path in files.items()}


@pytest.mark.parametrize(("cases", "suffix"), [(BAD_PYTHON, ".py"), (BAD_YAML, ".yml")])
def test_text_that_a_shell_would_read_is_refused(tmp_path: Path, cases: dict[str, str], suffix: str) -> None:
    assert _check(tmp_path, cases, suffix) == (1, dict.fromkeys(cases, True))


@pytest.mark.parametrize(("cases", "suffix"), [(GOOD_PYTHON, ".py"), (GOOD_YAML, ".yml")])
def test_commands_of_arguments_are_left_alone(tmp_path: Path, cases: dict[str, str], suffix: str) -> None:
    assert _check(tmp_path, cases, suffix) == (0, dict.fromkeys(cases, False))


def test_a_task_in_a_page_is_found_on_its_line(tmp_path: Path) -> None:
    page = tmp_path / "page.md"
    page.write_text("# Page\n\n```yaml\n- name: Look\n  ansible.builtin.shell: ls {{ name }}\n```\n")
    argv = [sys.executable, str(ROOT / "tools/check_shell.py"), str(page)]
    done = subprocess.run(argv, capture_output=True, text=True)
    assert done.returncode == 1
    assert f"{page}:5: shell with an expression" in done.stderr


@pytest.mark.parametrize(
    ("line", "rule"),
    [
        ('subprocess.run("ls", shell=True)', "S602"),
        ("start(words, shell=True)", "S604"),
        ("os.system(words)", "S605"),
        ("os.popen(words)", "S605"),
        ("subprocess.getoutput(words)", "S605"),
    ],
)
def test_what_is_left_to_ruff_is_refused_by_ruff(line: str, rule: str) -> None:
    source = f"import os\nimport subprocess\n\n\ndef work(words, start):\n    {line}\n"
    argv = [
        "ruff",
        "check",
        "--quiet",
        "--no-cache",
        "--stdin-filename",
        str(ROOT / "python/rackbench/x.py"),
        "-",
    ]
    ruff = Path(sys.executable).with_name("ruff")
    done = subprocess.run([str(ruff), *argv[1:]], input=source, cwd=ROOT, capture_output=True, text=True)
    assert rule in done.stdout, done
