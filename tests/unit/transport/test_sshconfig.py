# SPDX-License-Identifier: Apache-2.0
"""The generated ssh configuration, read back by OpenSSH itself."""

from __future__ import annotations

import json
import subprocess
import sys
from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from rackbench.errors import RackbenchError
from rackbench.transport import labfile, routes, sshconfig

pytestmark = pytest.mark.slow

LAB = Path(__file__).resolve().parents[3] / "inventories" / "lab" / "lab.yml"
ARGUMENT = st.text(st.characters(codec="utf-8", exclude_characters="\x00\n\r"), max_size=12)


def effective(config: Path, name: str) -> dict[str, str]:
    done = subprocess.run(["ssh", "-F", str(config), "-G", name], capture_output=True, text=True, check=True)
    return dict(line.partition(" ")[::2] for line in done.stdout.splitlines())


@pytest.fixture
def config(tmp_path: Path) -> Path:
    found = routes.resolve(labfile.load(LAB))
    (tmp_path / "open").write_text("exit 1\n")
    path = tmp_path / "config"
    path.write_text(sshconfig.render(found, tmp_path, tmp_path / "known_hosts"))
    return path


@pytest.mark.full
@settings(deadline=None, max_examples=60)
@given(
    arguments=st.lists(ARGUMENT, max_size=4),
    program=st.sampled_from(["show", "=show", "none", "%h x", "a'b"]),
)
def test_every_argument_of_a_proxy_command_arrives_as_it_was(
    tmp_path_factory: pytest.TempPathFactory, arguments: list[str], program: str
) -> None:
    folder = tmp_path_factory.mktemp("proxy")
    script = folder / program
    script.write_text(
        f"#!{sys.executable} -I\nimport json, pathlib, sys\n"
        f"pathlib.Path({str(folder / 'seen')!r}).write_text(json.dumps(sys.argv[1:]))\n"
    )
    script.chmod(0o700)
    config = folder / "config"
    line = sshconfig.proxy_command([f"./{program}", *arguments])
    config.write_text(f"Host x\n  ProxyCommand {line}\n", encoding="utf-8")
    subprocess.run(
        ["ssh", "-F", str(config), "x"],
        cwd=folder,
        capture_output=True,
        stdin=subprocess.DEVNULL,
        env={"SHELL": "/bin/sh"},
    )
    assert json.loads((folder / "seen").read_text()) == arguments


@pytest.mark.parametrize("program", ["=x", "none"])
def test_a_program_with_a_name_that_ssh_would_misread_is_quoted(tmp_path: Path, program: str) -> None:
    config = tmp_path / "config"
    config.write_text(f"Host x\n  ProxyCommand {sshconfig.proxy_command([program])}\n")
    assert effective(config, "x")["proxycommand"] == f"'{program}'"


def test_what_is_dialled_checks_host_keys_by_name_and_stays_open(config: Path) -> None:
    found = effective(config, "skadi+dial")
    assert found["stricthostkeychecking"] == "true"
    assert found["hostkeyalias"] == "skadi"
    assert found["proxyjump"] == "loki"
    assert found["controlmaster"] == "true"
    assert found["controlpersist"] == "300"
    assert found["compression"] == "no"
    assert found["identitiesonly"] == "yes"
    assert found["updatehostkeys"] == "false"
    assert found["port"] == "2222"
    assert found["user"] == "ops"


def test_an_alias_never_dials_by_itself(config: Path) -> None:
    found = effective(config, "skadi")
    assert found["proxycommand"] == "false"
    assert found["controlmaster"] == "false"
    assert found["batchmode"] == "yes"
    assert found["controlpath"] == effective(config, "skadi+dial")["controlpath"]


def test_a_password_hop_offers_nothing_but_the_password_and_once(config: Path) -> None:
    found = effective(config, "thor+dial")
    assert found["preferredauthentications"] == "password"
    assert found["pubkeyauthentication"] == "false"
    assert found["numberofpasswordprompts"] == "1"
    said = config.parent / "state" / "thor.stderr"
    assert found["proxycommand"] == f"'tests/lab/lab.py' proxy 10.77.1.10 2201 2>>{said}"


def test_a_name_that_is_not_in_the_lab_goes_nowhere(config: Path) -> None:
    assert effective(config, "elsewhere")["proxycommand"] == "false"


@settings(deadline=None, max_examples=60)
@given(
    name=st.text(
        st.characters(codec="utf-8", exclude_categories=["Cc", "Cs"], exclude_characters="/"),
        min_size=1,
        max_size=20,
    )
)
def test_a_path_is_read_back_as_it_was_or_refused(
    tmp_path_factory: pytest.TempPathFactory, name: str
) -> None:
    folder = tmp_path_factory.mktemp("path")
    path = Path("/keys") / name
    try:
        value = sshconfig.path_value(path)
    except RackbenchError:
        assert any(sign in name for sign in ('"', "\\", "${"))
        return
    config = folder / "config"
    config.write_text(
        f"Host x\n  HostName y\n  IdentityFile {value}\n  UserKnownHostsFile {value}\n", encoding="utf-8"
    )
    assert effective(config, "x")["identityfile"] == str(path).replace("%", "%%")


def test_control_paths_are_short_and_different() -> None:
    found = {
        str(sshconfig.control_path(Path("/tmp/rb-abcdefgh"), f"{'host' * 15}{index}")) for index in range(200)
    }
    assert len(found) == 200
    assert max(map(len, found)) < 40
