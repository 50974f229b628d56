#!/usr/bin/env python3
# SPDX-License-Identifier: Apache-2.0
"""Refuse commands that a shell would read with somebody else's text in them: in Python and in the tasks of Ansible.

`tools/check_shell.py [FILE ...]` checks the files of this checkout that are no tests, or the files that are named.
ruff has its own rules for `shell=True` and `os.system` (S602, S604, S605), and zizmor one for expressions in workflows;
here is what they do not see, and that nobody switches those rules off for a line.
"""

from __future__ import annotations

import ast
import re
import subprocess
import sys
from functools import partial
from itertools import pairwise
from pathlib import Path
from typing import TYPE_CHECKING, NamedTuple

import yaml
from verdict import ROOT, CheckError, report

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Iterator

SHELLS = {"sh", "bash", "dash", "ash", "ksh", "zsh", "busybox", "su", "runuser"}
# `-c`, also among other letters, as in `bash -lc`.
COMMAND_OPTION = re.compile(r"-[a-z]*c")
# Options of ssh whose value is the next word.
SSH_OPTION = re.compile(r"-[46AaCfGgKkMNnqsTtVvXxYy]*[BbcDEeFIiJLlmOoPpQRSWw]")
STARTERS = {"run", "Popen", "call", "check_call", "check_output"}
# What these are handed is read by the shell of another machine or process.
READ_BY_A_SHELL = {"exec_command", "_low_level_execute_command", "create_subprocess_shell", "system", "popen"}
READ_BY_A_SHELL |= {"getoutput", "getstatusoutput"}
# The names of the first argument of all these, where it is given by name.
COMMAND_ARGUMENTS = {"args", "cmd", "command"}
HUSHED = re.compile(r"noqa:.*\bS60[245]\b")

BUILTIN = re.compile(r"(?:ansible\.(?:builtin|legacy)\.)?(\w+)")
SHELL_MODULES = {"shell", "raw"}
COMMAND_MODULES = {"command", "script", "expect"}
SHELL_LOOP = re.compile(r"with_(?:ansible\.builtin\.)?(?:pipe|lines)")
ACTIONS = {"action", "local_action"}
EXPRESSION = re.compile(r"\{\{|\{%")
# Lookups that hand their text to a shell of the controller.
SHELL_LOOKUP = re.compile(r"""\b(?:lookup|query|q)\(\s*['"](?:ansible\.builtin\.)?(?:pipe|lines)['"]\s*,""")
# In a list of Jinja: a shell, and `-c` without a literal behind it.
SHELL_LIST = re.compile(
    rf"""(['"])(?:/[\w/]*/)?(?:{"|".join(sorted(SHELLS))})\1\s*,[^\]]*?(['"])-[a-z]*c\2"""
    r"""(?!\s*,\s*(?:'[^']*'|"[^"]*")\s*[,\]])"""
)
QUOTED_EXPRESSION = re.compile(r"\{\{[^{}]*\|\s*quote\s*\}\}")
# A part of its text that is a literal, or made safe.
QUOTED = re.compile(r"""^\s*(?:'[^']*'|"[^"]*")|\|\s*quote\b""")
YAML_IN_MARKDOWN = re.compile(r"^```ya?ml\n(.*?)^```", re.MULTILINE | re.DOTALL)


# A word of a command, or None: one that is put together, or that cannot be known from the text.
Word = str | None


class Found(NamedTuple):
    """A line of a file and what is wrong with it."""

    path: Path
    line: int
    what: str

    def __str__(self) -> str:
        """Return it as compilers do, so that editors find the place."""
        return f"{self.path}:{self.line}: {self.what}"


def _of_shell(words: list[Word]) -> str | None:
    """Return what is wrong with a list of words if they start a shell."""
    at = _first(words, SHELLS)
    if at is not None:
        behind = [*words[at + 1 :], None]
        for option, command in pairwise(behind):
            if option is not None and COMMAND_OPTION.fullmatch(option) and command is None:
                return "a shell is given a command that is put together; use arguments"
    return None


def _of_ssh(words: list[Word]) -> str | None:
    """Return what is wrong with a list of words if they start ssh."""
    at = _first(words, {"ssh"})
    if at is not None and None in _sent_by_ssh(words[at + 1 :]):
        return "what ssh sends is read by a shell there: give it constants, or quote it"
    return None


def _first(words: list[Word], programs: set[str]) -> int | None:
    return next((at for at, word in enumerate(words) if word and Path(word).name in programs), None)


def _sent_by_ssh(words: list[Word]) -> list[Word]:
    """Return the words behind the destination."""
    at = 0
    while at < len(words) and (word := words[at]) is not None and word.startswith("-"):
        if word == "--":
            return words[at + 2 :]
        at += 2 if SSH_OPTION.fullmatch(word) else 1
    return words[at + 1 :]


# Python


def in_python(path: Path, text: str) -> Iterator[Found]:
    """Yield what a Python file hands to a shell with something put into it, and the tasks of its documentation."""
    for number, line in enumerate(text.splitlines(), 1):
        if HUSHED.search(line):
            yield Found(path, number, "the rules S602, S604 and S605 have no exceptions")
    for node in ast.walk(ast.parse(text, str(path))):
        if isinstance(node, ast.Call):
            yield from (Found(path, node.lineno, what) for what in _of_call(node))
        elif isinstance(node, ast.List | ast.Tuple | ast.BinOp):
            words = _words(node)
            # A tuple that begins with "ssh" may well be a scheme and a host.
            if what := _of_shell(words) or (None if isinstance(node, ast.Tuple) else _of_ssh(words)):
                yield Found(path, node.lineno, what)
        elif (
            isinstance(node, ast.Assign)
            and isinstance(node.value, ast.Constant)
            and "EXAMPLES" in _names(node)
        ):
            yield from in_yaml(path, str(node.value.value), node.lineno - 1)


def _of_call(call: ast.Call) -> Iterator[str]:
    name = _last_name(call.func)
    for keyword in call.keywords:
        # Others, such as an argument parser, may well have an argument of that name.
        is_shell = keyword.arg == "use_unsafe_shell" or (keyword.arg == "shell" and name in STARTERS)
        if is_shell and not (isinstance(keyword.value, ast.Constant) and keyword.value.value is False):
            yield f"{keyword.arg} is given to {name}; use a list of arguments"
    words = [_word(argument) for argument in call.args]
    if what := _of_shell(words) or _of_ssh(words):
        yield what
    first = next(iter(call.args), None) or next(
        (keyword.value for keyword in call.keywords if keyword.arg in COMMAND_ARGUMENTS), None
    )
    if first is None:
        return
    if any(keyword.arg == "input" and _word(keyword.value) is None for keyword in call.keywords):
        command = _words(first) or words
        if _first(command, SHELLS) is not None and not any(
            word is not None and COMMAND_OPTION.fullmatch(word) for word in command
        ):
            yield "a shell reads what is put together as its input; use arguments"
    # Others may well have a function `run` or `call` of their own.
    is_other = name in {"run", "call"} and not (
        isinstance(call.func, ast.Attribute) and _last_name(call.func.value) == "subprocess"
    )
    if ((name in STARTERS and not is_other) or name == "run_command") and _is_text(first):
        yield f"{name} is given one text; use a list of arguments"
    if name in READ_BY_A_SHELL and _word(first) is None:
        yield f"{name} is read by a shell: give it a constant, or shlex.join(...)"


def _words(node: ast.expr) -> list[Word]:
    """Return the words of a list, of a tuple, or of a sum with one; none of anything else."""
    if isinstance(node, ast.List | ast.Tuple):
        return [_word(element) for element in node.elts]
    if isinstance(node, ast.BinOp) and isinstance(node.op, ast.Add):
        left, right = _words(node.left), _words(node.right)
        return [*(left or [None]), *(right or [None])] if left or right else []
    return []


def _word(node: ast.expr) -> Word:
    """Return a constant as it is, and something else for what is quoted: both are safe."""
    if isinstance(node, ast.Constant):
        return str(node.value)
    is_quoted = isinstance(node, ast.Call) and ast.unparse(node.func) in {"shlex.join", "shlex.quote"}
    return "quoted" if is_quoted else None


def _is_text(node: ast.expr) -> bool:
    """Return whether an expression is a text by its looks."""
    if isinstance(node, ast.BinOp):
        return _is_text(node.left) or _is_text(node.right)
    if isinstance(node, ast.Call):
        return _last_name(node.func) in {"join", "format", "str"}
    return isinstance(node, ast.JoinedStr) or (isinstance(node, ast.Constant) and isinstance(node.value, str))


def _last_name(node: ast.expr) -> str:
    return node.attr if isinstance(node, ast.Attribute) else node.id if isinstance(node, ast.Name) else ""


def _names(node: ast.Assign) -> set[str]:
    return {target.id for target in node.targets if isinstance(target, ast.Name)}


# YAML


def in_yaml(path: Path, text: str, before: int = 0) -> Iterator[Found]:
    """Yield the tasks of a YAML text that put something into a command; its first line is `before` + 1 of the file."""
    try:
        documents = list(yaml.compose_all(text, Loader=yaml.SafeLoader))
    except yaml.YAMLError as error:
        yield Found(path, before + 1, f"this YAML cannot be read: {error}")
        return
    for document in documents:
        for node in _nodes(document):
            for line, what in _of_node(node):
                yield Found(path, before + line, what)


def _nodes(node: yaml.Node | None) -> Iterator[yaml.Node]:
    if node is not None:
        yield node
    if isinstance(node, yaml.MappingNode):
        for key, value in node.value:
            yield from _nodes(key)
            yield from _nodes(value)
    elif isinstance(node, yaml.SequenceNode):
        for value in node.value:
            yield from _nodes(value)


def _of_node(node: yaml.Node) -> Iterator[tuple[int, str]]:
    if isinstance(node, yaml.ScalarNode) and (lookup := SHELL_LOOKUP.search(node.value)):
        parts = node.value[lookup.end() :].split("~")
        if not all(QUOTED.search(part) for part in parts):
            yield (
                node.start_mark.line + 1,
                "this lookup hands its text to a shell: put `| quote` behind each part",
            )
    if isinstance(node, yaml.ScalarNode) and EXPRESSION.search(node.value) and SHELL_LIST.search(node.value):
        yield node.start_mark.line + 1, "a shell is given a command that is put together; use arguments"
    if isinstance(node, yaml.SequenceNode):
        words = [_yaml_word(item) for item in node.value]
        if what := _of_shell(words) or _of_ssh(words):
            yield node.start_mark.line + 1, what
    if not isinstance(node, yaml.MappingNode):
        return
    for key, value in node.value:
        line = key.start_mark.line + 1
        name = BUILTIN.fullmatch(str(key.value))
        module = name[1] if name else ""
        if key.value in ACTIONS and isinstance(value, yaml.ScalarNode):
            yield line, f"{key.value} as one text: name the module as the key"
        elif module in SHELL_MODULES and any(map(EXPRESSION.search, _command_texts(value))):
            yield line, f"{module} with an expression: hand values over by `environment`"
        elif module in COMMAND_MODULES and any(map(EXPRESSION.search, _command_texts(value))):
            yield line, f"{module} with an expression in one text: use argv"
        elif SHELL_LOOP.fullmatch(str(key.value)) and any(
            isinstance(term, yaml.ScalarNode) and EXPRESSION.search(term.value) for term in _nodes(value)
        ):
            yield line, f"{key.value} hands its texts to a shell: use `loop`, and a task with arguments"


def _yaml_word(node: yaml.Node) -> Word:
    """Return a scalar without an expression, or with nothing but quoted ones, as it is."""
    if isinstance(node, yaml.ScalarNode) and not EXPRESSION.search(QUOTED_EXPRESSION.sub("", node.value)):
        return str(node.value)
    return None


def _command_texts(value: yaml.Node) -> Iterator[str]:
    """Yield what of a module's arguments is one text that is cut or read as a whole."""
    if isinstance(value, yaml.ScalarNode):
        yield value.value
    elif isinstance(value, yaml.MappingNode):
        for key, item in value.value:
            if key.value in {"cmd", "command", "_raw_params", "free_form"} and isinstance(
                item, yaml.ScalarNode
            ):
                yield item.value


def in_markdown(path: Path, text: str) -> Iterator[Found]:
    """Yield the same of the YAML in a page, which readers copy."""
    for block in YAML_IN_MARKDOWN.finditer(text):
        yield from in_yaml(path, block[1], text.count("\n", 0, block.start(1)))


# Files

READERS: dict[str, Callable[[Path, str], Iterable[Found]]] = {
    ".py": in_python, ".yml": in_yaml, ".yaml": in_yaml, ".md": in_markdown,
}  # fmt: skip
PYTHON = re.compile(rb"#!.*\bpython")
CHECKS = {"Python": (".py",), "YAML": (".yml", ".yaml"), "YAML in pages": (".md",)}


def files_of_checkout() -> list[Path]:
    """Return the files that Git has or would take, without the tests."""
    listed = subprocess.run(
        ["git", "ls-files", "-z", "--cached", "--others", "--exclude-standard"],
        cwd=ROOT, capture_output=True, text=True, check=True,
    )  # fmt: skip
    names = [name for name in listed.stdout.split("\0") if name and not name.startswith("tests/")]
    return [path for name in names if (path := ROOT / name).is_file() and not path.is_symlink()]


def _suffix(path: Path) -> str:
    """Return the suffix of a file, or of what its first line says that reads it."""
    if path.suffix:
        return path.suffix
    with path.open("rb") as file:
        return ".py" if PYTHON.match(file.readline()) else ""


def check(paths: list[Path], suffixes: tuple[str, ...]) -> str:
    """Check the files of one of these kinds; raise `CheckError` with all that was found."""
    chosen = [(path, suffix) for path in paths if (suffix := _suffix(path)) in suffixes]
    found = dict.fromkeys(
        str(one) for path, suffix in chosen for one in READERS[suffix](path, path.read_text())
    )
    if found:
        raise CheckError("\n".join(found))
    return f"{len(chosen)} files"


def main(arguments: list[str]) -> int:
    """Check the files that are named, or all of the checkout; return the exit status."""
    paths = [Path(name) for name in arguments] or files_of_checkout()
    return report("commands", {name: partial(check, paths, suffixes) for name, suffixes in CHECKS.items()})


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
