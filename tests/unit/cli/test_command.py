# SPDX-License-Identifier: Apache-2.0
"""The command line itself: help, wrong usage, exit statuses, plain output, completion."""

from __future__ import annotations

import json
import os
import pty
import subprocess
import sys
from pathlib import Path

import pytest
from rackbench.cli.main import VERBS

from .conftest import ROOT, Command

pytestmark = pytest.mark.slow


def test_help_names_every_verb(rackbench: Command) -> None:
    answer = rackbench("--help")
    assert answer.returncode == 0
    assert all(verb in answer.stdout for verb in VERBS)


@pytest.mark.parametrize("verb", sorted(VERBS))
def test_every_verb_explains_itself(rackbench: Command, verb: str) -> None:
    answer = rackbench(verb, "--help")
    assert answer.returncode == 0, answer.stderr
    assert answer.stdout.startswith(f"usage: rackbench {verb}")


def test_the_version_is_printed(rackbench: Command) -> None:
    assert rackbench("--version").stdout.startswith("rackbench ")


def test_help_imports_nothing_slow(rackbench: Command) -> None:
    listing = "import sys; from rackbench.cli.main import main; main(['--help']); print(*sys.modules, file=sys.stderr)"
    answer = subprocess.run(
        [sys.executable, "-c", listing],
        env={**os.environ, "PYTHONPATH": str(ROOT / "python")},
        capture_output=True,
        text=True,
        check=True,
    )
    assert not {"pydantic", "rich", "yaml", "ansible", "ansible_runner", "shtab"} & set(answer.stderr.split())


def test_an_unknown_verb_suggests_the_nearest(rackbench: Command) -> None:
    answer = rackbench("statsu")
    assert answer.returncode == 2
    assert "did you mean `status`" in answer.stderr
    assert "rackbench status --help" in answer.stderr
    assert answer.stdout == ""


def test_an_unknown_option_is_wrong_usage(rackbench: Command) -> None:
    answer = rackbench("status", "--nonsense")
    assert answer.returncode == 2
    assert "wrong_usage" in answer.stderr


def test_wrong_usage_is_a_document_with_json(rackbench: Command) -> None:
    answer = rackbench("status", "--json", "--nonsense")
    assert answer.returncode == 2
    assert json.loads(answer.stdout)["error"]["code"] == "wrong_usage"


def test_run_without_a_host_off_a_terminal_is_wrong_usage(rackbench: Command) -> None:
    answer = rackbench("run")
    assert answer.returncode == 2
    assert "--host" in answer.stderr


def test_a_directory_outside_of_a_project_is_said_to_be_none(rackbench: Command, tmp_path: Path) -> None:
    answer = rackbench("adapters", "list", cwd=tmp_path)
    assert answer.returncode == 2
    assert "not_a_project" in answer.stderr


def test_rackbench_project_names_the_project_from_elsewhere(
    rackbench: Command, project: Path, tmp_path: Path
) -> None:
    answer = rackbench("adapters", "list", cwd=tmp_path, RACKBENCH_PROJECT=str(project))
    assert answer.returncode == 0, answer.stderr
    assert "demo" in answer.stdout


def test_a_wrong_rackbench_project_is_named(rackbench: Command, tmp_path: Path) -> None:
    answer = rackbench("adapters", "list", RACKBENCH_PROJECT=str(tmp_path))
    assert answer.returncode == 2
    assert str(tmp_path) in answer.stderr


def test_an_adapter_is_explained_from_its_file(rackbench: Command) -> None:
    answer = rackbench("adapters", "show", "demo")
    assert answer.returncode == 0, answer.stderr
    for text in ("A made-up benchmark", "demo-results", "smoke (default)", "apt: hwloc", "median"):
        assert text in answer.stdout


def test_an_unknown_adapter_suggests_the_nearest(rackbench: Command) -> None:
    answer = rackbench("adapters", "show", "deno")
    assert answer.returncode == 2
    assert "demo" in answer.stderr


def test_the_adapters_are_a_document_with_json(rackbench: Command) -> None:
    document = json.loads(rackbench("adapters", "list", "--json").stdout)
    assert [adapter["name"] for adapter in document["adapters"]] == ["demo"]


def test_a_bundle_without_a_sidecar_is_not_good(rackbench: Command, tmp_path: Path) -> None:
    tarball = tmp_path / "demo-1.0.0-any.tar.gz"
    tarball.write_bytes(b"no archive")
    answer = rackbench("bundle", "verify", "--json", str(tarball))
    assert answer.returncode == 1
    assert json.loads(answer.stdout)["ok"] is False


def test_a_bundle_is_built_listed_and_verified(rackbench: Command, tmp_path: Path) -> None:
    source = tmp_path / "source"
    (source / "bin").mkdir(parents=True)
    (source / "bin" / "run").write_text("#!/bin/sh\n", encoding="utf-8")
    (source / "bin" / "run").chmod(0o755)
    (source / "bundle.toml").write_text(
        '[bundle]\nname = "demo"\nversion = "1.0.0"\nentry_point = "bin/run"\nplatform = "any"\n'
        '[files]\ninclude = ["bin/run"]\n',
        encoding="utf-8",
    )
    built = rackbench("bundle", "build", str(source), "--json")
    assert built.returncode == 0, built.stderr
    path = json.loads(built.stdout)["bundles"][0]["path"]
    assert "demo" in rackbench("bundle", "list").stdout
    assert rackbench("bundle", "verify", path).returncode == 0
    assert json.loads(rackbench("bundle", "show", path).stdout)["version"] == "1.0.0"
    with Path(path).open("ab") as stream:
        stream.write(b"x")
    assert rackbench("bundle", "verify", path).returncode == 1


@pytest.mark.parametrize(
    "arguments",
    [
        ("bundle", "show", "no/such"),
        ("bundle", "verify", "no/such"),
        ("bundle", "build", "no/such"),
        ("bundle", "list", "--dist", "no/such"),
        ("inventory", "import", "no/such"),
        ("validate", "-i", "no/such"),
        ("hosts", "enroll", "--yes", "-i", "no/such"),
    ],
    ids=" ".join,
)
def test_a_path_that_is_not_there_is_said_to_be_missing(
    rackbench: Command, arguments: tuple[str, ...]
) -> None:
    answer = rackbench(*arguments)
    assert answer.returncode == 2, answer.stdout
    assert "There is no file or directory no/such." in answer.stderr
    assert "Errno" not in answer.stderr
    assert "input_missing" in answer.stderr


def test_a_directory_without_a_bundle_toml_is_refused_in_words(rackbench: Command, tmp_path: Path) -> None:
    answer = rackbench("bundle", "build", str(tmp_path))
    assert answer.returncode == 2
    assert "bundle.toml: No such file or directory" in answer.stderr
    assert "Errno" not in answer.stderr


LAB = """\
schema: rackbench.lab/1.0
plugin: rackbench.lab.lab
auth_refs: {own: {type: agent}}
defaults: {user: me, auth_ref: own}
hops: {loki: {hostname: 192.0.2.1}}
hosts: {loki: {}}
"""


def _with_inventory(project: Path) -> None:
    (project / "inventory").mkdir()
    (project / "inventory" / "here.yml").write_text("all: {hosts: {here: {}}}\n")
    (project / "ansible.cfg").write_text(
        f"[defaults]\ninventory = inventory\ncollections_path = {ROOT / 'collections'}\n"
    )


@pytest.mark.full
def test_a_host_of_no_lab_has_nothing_to_probe_and_is_good(rackbench: Command, project: Path) -> None:
    _with_inventory(project)
    answer = rackbench("validate", "--host", "here")
    assert answer.returncode == 0, answer.stderr
    assert "not a host of a lab inventory" in answer.stdout
    (project / "inventory" / "lab.yml").write_text(LAB)
    assert rackbench("validate", "--host", "here").returncode == 0
    unknown = rackbench("validate", "--host", "there")
    assert unknown.returncode == 2
    assert "No inventory has a host 'there'; did you mean 'here'?" in unknown.stderr


def test_a_machine_that_is_hop_and_host_is_listed_once(rackbench: Command, project: Path) -> None:
    _with_inventory(project)
    (project / "inventory" / "lab.yml").write_text(LAB)
    answer = rackbench("hosts", "enroll", "--yes", "--host", "nosuch")
    assert answer.returncode == 2
    assert answer.stderr.count("loki") == 1


def test_a_lab_file_without_the_line_of_the_plugin_is_refused(rackbench: Command, project: Path) -> None:
    _with_inventory(project)
    (project / "inventory" / "lab.yml").write_text(LAB.replace("plugin: rackbench.lab.lab\n", ""))
    answer = rackbench("validate")
    assert answer.returncode == 2
    assert "lab.yml:1: the file: the line `plugin: rackbench.lab.lab` is missing" in answer.stderr


def test_an_import_is_written_into_the_current_directory(
    rackbench: Command, project: Path, tmp_path: Path
) -> None:
    source = tmp_path / "old.toml"
    source.write_text('[[hosts]]\nname = "a"\nhostname = "192.0.2.1"\nusername = "me"\n')
    answer = rackbench("inventory", "import", str(source))
    assert answer.returncode == 0, answer.stderr
    assert (project / "old.lab.yml").is_file()
    assert not (tmp_path / "old.lab.yml").exists()


def test_the_bash_completion_loads_and_completes_verbs(rackbench: Command, tmp_path: Path) -> None:
    answer = rackbench("completion", "bash")
    assert answer.returncode == 0, answer.stderr
    script = tmp_path / "completion.bash"
    script.write_text(answer.stdout, encoding="utf-8")
    asked = 'source "$1"; COMP_WORDS=(rackbench stat); COMP_CWORD=1; _shtab_rackbench; echo "${COMPREPLY[@]}"'
    completed = subprocess.run(
        ["bash", "-c", asked, "bash", str(script)], capture_output=True, text=True, check=False
    )
    assert completed.stdout.split() == ["status"], completed.stderr


def test_the_zsh_completion_is_printed(rackbench: Command) -> None:
    assert rackbench("completion", "zsh").stdout.startswith("#compdef rackbench")


@pytest.mark.parametrize(("no_color", "coloured"), [("", True), ("1", False)])
def test_colour_is_for_terminals_without_no_color(project: Path, no_color: str, coloured: bool) -> None:
    ours, theirs = pty.openpty()
    environment = {**os.environ, "PYTHONPATH": str(ROOT / "python"), "TERM": "xterm", "NO_COLOR": no_color}
    with subprocess.Popen(
        [sys.executable, "-m", "rackbench", "adapters", "show", "demo"],
        cwd=project,
        env=environment,
        stdin=subprocess.DEVNULL,
        stdout=theirs,
    ) as process:
        os.close(theirs)
        printed = b""
        while chunk := _read(ours):
            printed += chunk
        assert process.wait() == 0
    os.close(ours)
    assert (b"\x1b[" in printed) is coloured


def _read(handle: int) -> bytes:
    try:
        return os.read(handle, 4096)
    except OSError:  # the other end of a pseudo-terminal was closed
        return b""


@pytest.mark.parametrize(
    "arguments", [("completion", "bash"), ("adapters", "list"), ("adapters", "list", "--json")]
)
def test_a_reader_that_is_gone_makes_no_answer_good_that_is_not_known(arguments: tuple[str, ...]) -> None:
    reading, writing = os.pipe()
    os.close(reading)
    try:
        done = subprocess.run(
            [sys.executable, "-m", "rackbench", *arguments],
            cwd=ROOT,
            env={**os.environ, "PYTHONPATH": str(ROOT / "python")},
            stdout=writing,
            stderr=subprocess.PIPE,
        )
    finally:
        os.close(writing)
    assert (done.returncode, done.stderr) == (141, b"")
