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
    "sh in a sum of lists": 'subprocess.run(["sh", "-c"] + [text])',
    "sh in a list that is added to": 'words = ["sudo", "sh"] + ["-c", text]',
    "sh with the command behind a star": 'subprocess.run(["sh", "-c", *words])',
    "sh in the arguments of exec": 'os.execlp("sh", "sh", "-c", text)',
    "sh in the arguments of asyncio": 'asyncio.create_subprocess_exec("sh", "-c", text)',
    "su": 'subprocess.run(["su", "-c", text, user])',
    "a text that sh reads": 'subprocess.run(["/bin/sh"], input=text)',
    "a text that sh reads on another machine": 'subprocess.run(["ssh", host, "sh", "-s"], input=text)',
    "a text by its name": 'subprocess.Popen(args=f"ls {name}")',
    "a text to an imported Popen": 'Popen(f"ls {name}")',
    "a command by its name": "channel.exec_command(command=text)",
    "a text to a module": 'module.run_command("cat " + path)',
    "ssh": 'subprocess.run(["ssh", host, f"rm {name}"])',
    "ssh with options": 'subprocess.run(["ssh", "-tp", port, "-q", host, "rm", name])',
    "ssh with a mark before the host": 'subprocess.run(["ssh", "--", host, text])',
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
    "words that ssh sends": 'subprocess.run(["ssh", "-F", str(config), "-fN", "-p", port, "--", user + "@" + host])',
    "quoted words that ssh sends": 'subprocess.run(["ssh", host, "rm", "--", shlex.quote(name)])',
    "a scheme and a host": 'where = ("ssh", host, path)',
    "another's run": 'git.run(f"{name}")',
    "another program's input": 'subprocess.run(["cat"], input=text)',
    "the input of a script": 'subprocess.run(["sh", "-c", "wc -l"], input=text)',
    "words to a module": 'module.run_command(["cat", path])',
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
    "sh in argv": "- ansible.builtin.command:\n    argv: [sh, -c, 'ls {{ name }}']",
    "bash in argv, line by line": (
        "- ansible.builtin.command:\n    argv:\n      - sudo\n      - /bin/bash\n      - -euc\n      - ls {{ name }}"
    ),
    "sh in a list of Jinja": "- ansible.builtin.command:\n    argv: \"{{ ['sh', '-c', name] }}\"",
    "sh in a sum of Jinja": "- ansible.builtin.command:\n    argv: \"{{ ['/bin/sh', '-c'] + names }}\"",
    "ssh in argv": "- ansible.builtin.command:\n    argv: [ssh, '{{ host }}', 'ls {{ name }}']",
    "expect": "- ansible.builtin.expect:\n    command: ls {{ name }}\n    responses: {}",
    "with_pipe": "- ansible.builtin.debug:\n    msg: '{{ item }}'\n  with_pipe: ls {{ name }}",
    "with_lines by its full name": (
        "- ansible.builtin.debug:\n    msg: '{{ item }}'\n  with_ansible.builtin.lines: [ls, 'ls {{ name }}']"
    ),
    "in a block": "- block:\n    - ansible.builtin.shell: ls {{ name }}",
}
GOOD_YAML = {
    "argv": "- ansible.builtin.command:\n    argv: [ls, '{{ name }}']",
    "environment": "- ansible.builtin.shell: ls \"$NAME\"\n  environment:\n    NAME: '{{ name }}'",
    "a folder of command": "- ansible.builtin.command:\n    argv: [ls]\n    chdir: '{{ name }}'",
    "a constant script in argv": (
        "- ansible.builtin.command:\n    argv: [sh, -ec, 'ls \"$1\"', sh, '{{ name }}']"
    ),
    "a constant script in a list of Jinja": (
        "- ansible.builtin.command:\n    argv: \"{{ ['sh', '-c', 'ls \\\"$1\\\"', 'sh', name] }}\""
    ),
    "quoted words that ssh sends": (
        "- ansible.builtin.command:\n    argv: [ssh, '{{ host }}', rm, --, '{{ name | quote }}']"
    ),
    "expect of a constant": "- ansible.builtin.expect:\n    command: ls\n    responses: {}",
    "with_lines of a constant": "- ansible.builtin.debug:\n    msg: '{{ item }}'\n  with_lines: ls",
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


def test_a_python_program_without_a_suffix_is_read(tmp_path: Path) -> None:
    program = tmp_path / "run"
    program.write_text("#!/usr/bin/env python3\nos.system(command)\n")
    argv = [sys.executable, str(ROOT / "tools/check_shell.py"), str(program)]
    done = subprocess.run(argv, capture_output=True, text=True)
    assert done.returncode == 1
    assert f"{program}:2: system is read by a shell" in done.stderr


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
