# SPDX-License-Identifier: Apache-2.0
"""The ssh configuration of a host that is in no lab file, read back by OpenSSH itself."""

from __future__ import annotations

import subprocess
from typing import TYPE_CHECKING, Any

import pytest
from rackbench.errors import RackbenchError
from rackbench.transport import plain

if TYPE_CHECKING:
    from pathlib import Path


def render(**changes: Any) -> str:
    values: dict[str, Any] = {
        "hostname": "192.0.2.20",
        "user": None,
        "port": None,
        "key": None,
        "check_host_key": True,
        # What Ansible gives by itself.
        "arguments": "-C -o ControlMaster=auto -o ControlPersist=60s",
        "more_arguments": "",
    }
    return plain.render("box", **values | changes)


def effective(folder: Path, **changes: Any) -> dict[str, str]:
    """Return what ssh understands of a configuration."""
    path = folder / "config"
    plain.write(path, render(**changes))
    done = subprocess.run(["ssh", "-F", path, "-G", "box"], capture_output=True, text=True, check=True)
    return dict(line.partition(" ")[::2] for line in done.stdout.splitlines())


def test_the_address_user_port_and_key_of_ansible_reach_ssh(tmp_path: Path) -> None:
    key = tmp_path / "a key"
    found = effective(tmp_path, user="deploy", port=2201, key=str(key), check_host_key=False)
    assert (found["hostname"], found["user"], found["port"]) == ("192.0.2.20", "deploy", "2201")
    assert found["identityfile"] == str(key)
    assert found["stricthostkeychecking"] in {"no", "false"}
    assert found["batchmode"] == "yes"
    assert found["compression"] == "yes"


def test_the_file_is_for_ourselves_only_and_replaces_one_that_was_left(tmp_path: Path) -> None:
    path = tmp_path / "folder/config"
    plain.write(path, "old")
    path.chmod(0o644)
    plain.write(path, "new")
    assert path.read_text() == "new"
    assert path.stat().st_mode & 0o777 == 0o600


@pytest.mark.parametrize(
    ("more", "key", "value"),
    [
        ("-J hop.example.net", "proxyjump", "hop.example.net"),
        ("-o ProxyJump=hop.example.net -4 -v", "proxyjump", "hop.example.net"),
        ("-oHostKeyAlias=other", "hostkeyalias", "other"),
        ('-o "ConnectTimeout 7"', "connecttimeout", "7"),
        ("-o ProxyCommand='nc --proxy=x %h 22'", "proxycommand", "nc --proxy=x %h 22"),
        ("-i /keys/one", "identityfile", "/keys/one"),
    ],
)
def test_arguments_of_ssh_are_taken_over(tmp_path: Path, more: str, key: str, value: str) -> None:
    assert effective(tmp_path, more_arguments=more)[key] == value


def test_a_file_given_with_f_counts_and_what_ansible_says_comes_before_it(tmp_path: Path) -> None:
    own = tmp_path / "own config"
    own.write_text("Host box\n  User other\n  ConnectTimeout 9\n")
    found = effective(tmp_path, user="deploy", arguments=f"-F '{own}'")
    assert (found["user"], found["connecttimeout"]) == ("deploy", "9")


def test_the_usual_configurations_count_unless_there_is_f_none() -> None:
    assert "Include ~/.ssh/config" in render()
    assert "Include" not in render(arguments="-F none")


@pytest.mark.parametrize(
    "changes",
    [{"more_arguments": "-o 'A=\"b'\"'"}, {"more_arguments": "-o"}, {"user": "a\nProxyCommand touch x"}],
    ids=["quotes", "no_value", "line_break"],
)
def test_arguments_that_cannot_be_read_are_refused_without_repeating_them(changes: dict[str, Any]) -> None:
    with pytest.raises(RackbenchError) as caught:
        render(**changes)
    assert caught.value.code == "inventory_invalid"
    assert "touch" not in str(caught.value)
