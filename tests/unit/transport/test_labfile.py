# SPDX-License-Identifier: Apache-2.0
"""Lab files: what loads, and what the errors of broken ones say."""

from __future__ import annotations

import textwrap
from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from rackbench.errors import RackbenchError
from rackbench.transport import labfile, routes

GOOD = """\
schema: rackbench.lab/1.0
plugin: rackbench.lab.lab
auth_refs:
  pw: {type: password_env, variable: LAB_PASSWORD}
  key: {type: key_file, path: keys/id}
defaults:
  user: deploy
  auth_ref: key
hops:
  thor: {hostname: 192.0.2.1, user: jump, auth_ref: pw}
hosts:
  turind8:
    hostname: 192.0.2.20
    transport: {type: jump_chain, hops: [thor]}
"""
REPOSITORY = Path(__file__).resolve().parents[3]


def write(folder: Path, text: str) -> Path:
    path = folder / "my.lab.yml"
    path.write_text(text)
    return path


def failure(folder: Path, text: str) -> str:
    path = write(folder, text)
    with pytest.raises(RackbenchError) as caught:
        routes.resolve(labfile.load(path))
    assert caught.value.code == "inventory_invalid"
    assert caught.value.exit_status == 2
    assert str(path) in caught.value.message
    return caught.value.message


def test_the_lab_that_we_ship_loads() -> None:
    found = routes.resolve(labfile.load(REPOSITORY / "inventories" / "lab" / "lab.yml"))
    assert found.hops("skadi") == ["thor", "loki"]
    assert found.endpoints["thor"].port == 2201
    assert found.lab.known_hosts == REPOSITORY / ".lab" / "run" / "known_hosts"


def test_known_hosts_is_beside_the_file_unless_it_says_otherwise(tmp_path: Path) -> None:
    assert labfile.load(write(tmp_path, GOOD)).known_hosts == tmp_path / "known_hosts.txt"


def test_relative_paths_are_relative_to_the_project_around_the_file(tmp_path: Path) -> None:
    (tmp_path / "ansible.cfg").touch()
    (tmp_path / "inventories" / "x").mkdir(parents=True)
    lab = labfile.load(write(tmp_path / "inventories" / "x", GOOD))
    assert lab.resolve("keys/id") == tmp_path / "keys" / "id"


@pytest.mark.parametrize(
    ("change", "line", "says"),
    [
        (
            ("hops: [thor]", "hops: [tor]"),
            14,
            "hosts.turind8.transport.hops[0]: there is no hop 'tor'; did you mean 'thor'?",
        ),
        (
            ("hostname: 192.0.2.20", "hostnam: 192.0.2.20"),
            13,
            "hosts.turind8.hostnam: unknown key; did you mean 'hostname'?",
        ),
        (("user: deploy", "usr: deploy"), 7, "defaults.usr: unknown key; did you mean 'user'?"),
        (("variable: LAB", "varible: LAB"), 4, "auth_refs.pw.varible: unknown key; did you mean 'variable'?"),
        (("hosts:\n", "hots:\n"), 11, "hots: unknown key; did you mean 'hosts'?"),
        (
            ("auth_ref: pw", "auth_ref: pww"),
            10,
            "hops.thor.auth_ref: there is no auth reference 'pww'; did you mean 'pw'?",
        ),
        (("  auth_ref: key\n", ""), 11, "hosts.turind8: the key 'auth_ref' is missing"),
        (
            ("type: jump_chain", "type: jump-chain"),
            14,
            "unknown type 'jump-chain'; did you mean 'jump_chain'?",
        ),
        (
            ("user: jump,", "user: jump, port: 70000,"),
            10,
            "hops.thor.port: Input should be less than or equal to 65535",
        ),
        (("user: jump,", "user: jump, via: thor,"), 10, "a loop of hops: thor -> thor"),
        (("schema: rackbench.lab/1.0", "schema: rackbench.lab/2.0"), 1, "schema"),
        (("schema: rackbench.lab/1.0\n", ""), 1, "the key 'schema' is missing"),
        (
            ("plugin: rackbench.lab.lab\n", ""),
            1,
            "the file: the line `plugin: rackbench.lab.lab` is missing",
        ),
        (
            ("path: keys/id", "path: keys/id, passphrase: key"),
            5,
            "'key' is of type key_file; a password is needed",
        ),
        (("  turind8:", "  thor:"), 13, "'thor' is a hop as well: give this in hops.thor only"),
    ],
    ids=lambda value: value if isinstance(value, str) else None,
)
def test_an_error_names_file_line_path_and_what_is_allowed(
    tmp_path: Path, change: tuple[str, str], line: int, says: str
) -> None:
    assert change[0] in GOOD
    message = failure(tmp_path, GOOD.replace(*change, 1))
    assert says in message
    assert f"my.lab.yml:{line}: " in message


def test_all_problems_are_told_at_once_in_the_order_of_their_lines(tmp_path: Path) -> None:
    message = failure(
        tmp_path, GOOD.replace("auth_ref: pw", "auth_ref: a").replace("auth_ref: key", "auth_ref: b")
    )
    lines = [int(line.split(":")[1]) for line in message.splitlines()]
    assert len(lines) >= 2
    assert lines == sorted(lines)


def test_a_loop_of_three_hops_is_shown_as_a_loop(tmp_path: Path) -> None:
    hops = textwrap.dedent("""\
    hops:
      a: {hostname: a, user: u, auth_ref: key, via: c}
      b: {hostname: b, user: u, auth_ref: key, via: a}
      c: {hostname: c, user: u, auth_ref: key, via: b}
    """)
    text = GOOD.replace("hops:\n", hops, 1)
    assert "a loop of hops: a -> c -> b -> a" in failure(tmp_path, text)


def test_a_hop_reached_in_two_ways_is_refused(tmp_path: Path) -> None:
    text = GOOD.replace("hosts:\n", "  loki: {hostname: 192.0.2.3}\n  odin: {hostname: 192.0.2.4}\nhosts:\n")
    text += "  x: {hostname: x, transport: {type: jump_chain, hops: [thor, loki]}}\n"
    text += "  y: {hostname: y, transport: {type: jump_chain, hops: [odin, loki]}}\n"
    assert "'loki' is reached through 'thor' in hosts.x.transport.hops[1]; describe two hops" in failure(
        tmp_path, text
    )


def test_a_key_that_stands_twice_is_refused(tmp_path: Path) -> None:
    message = failure(tmp_path, GOOD + "  turind8: {hostname: b}\n")
    assert "hosts.turind8: this key stands twice; the first is on line 12" in message


@pytest.mark.parametrize("text", ["", "- a\n", "schema: [\n", "\x00", "a: &a\n  b: *c\n", "? [1]\n: 2\n"])
def test_what_is_no_lab_file_is_refused(tmp_path: Path, text: str) -> None:
    failure(tmp_path, text)


def test_a_missing_file_and_bytes_that_are_no_text_are_refused(tmp_path: Path) -> None:
    for content in (None, b"\xff\xfe\x00"):
        path = tmp_path / "x.lab.yml"
        if content is not None:
            path.write_bytes(content)
        with pytest.raises(RackbenchError) as caught:
            labfile.load(path)
        assert caught.value.code == "inventory_invalid"


@settings(deadline=None, max_examples=100)
@given(position=st.integers(0, len(GOOD) - 1), inserted=st.text(max_size=6), removed=st.integers(0, 6))
def test_a_damaged_file_loads_or_is_refused_with_its_name(
    tmp_path_factory: pytest.TempPathFactory, position: int, inserted: str, removed: int
) -> None:
    text = GOOD[:position] + inserted + GOOD[position + removed :]
    path = tmp_path_factory.mktemp("lab") / "my.lab.yml"
    path.write_bytes(text.encode(errors="replace"))
    try:
        routes.resolve(labfile.load(path))
    except RackbenchError as error:
        assert error.code == "inventory_invalid"  # noqa: PT017
        assert str(path) in error.message  # noqa: PT017
