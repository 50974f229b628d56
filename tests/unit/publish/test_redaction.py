# SPDX-License-Identifier: Apache-2.0
"""What is taken out of files that are published; JSON stays JSON, numbers stay, and nothing is taken out twice."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from rackbench.publish.redaction import redacted

DATA = Path(__file__).parents[2] / "data"

TAKEN_OUT = {
    "link/ether 00:1b:21:aa:bb:cc brd ff:ff:ff:ff:ff:ff": "link/ether [redacted-mac] brd [redacted-mac]",
    "00-1B-21-AA-BB-CC": "[redacted-mac]",
    "Device Serial Number 00-1b-21-ff-ff-aa-bb-cc": "Device Serial Number [redacted-mac]",
    "4: enx001b21aabbcc: <UP>": "4: enx[redacted-mac]: <UP>",
    "10.0.0.7": "[redacted-ip]",
    "ip=172.31.255.1,192.168.1.1;": "ip=[redacted-ip],[redacted-ip];",
    "100.64.0.1 169.254.1.1/16": "[redacted-ip] [redacted-ip]/16",
    "inet 203.0.113.7/24 brd 203.0.113.255": "inet [redacted-ip]/24 brd [redacted-ip]",
    "default via 198.51.100.1 dev eth0": "default via [redacted-ip] dev eth0",
    "inet6 2001:db8::7/64": "inet6 [redacted-ip]/64",
    "fe80::21b:21ff:feaa:bbcc%eth0": "[redacted-ip]%eth0",
    "from fd12:3456::1: up": "from [redacted-ip]: up",
    "/home/alice/x.c and /Users/bob": "[redacted-path]/x.c and [redacted-path]",
    "/root/.cache -I/home/alice/include": "[redacted-path]/.cache -I[redacted-path]/include",
    "file:///home/alice/x": "file://[redacted-path]/x",
    "PATH=/bin:/data/home/alice/bin": "PATH=/bin:[redacted-path]/bin",
    "\tSerial Number: ABC 123\n\tSKU: x": "\tSerial Number: [redacted]\n\tSKU: x",
    "\tAsset Tag: rack 7, unit 3": "\tAsset Tag: [redacted]",
    "       serial: 7f3a99": "       serial: [redacted]",
    "\tUUID: 12345678-1234-1234-1234-123456789abc": "\tUUID: [redacted-uuid]",
    "root=PARTUUID=12345678-1234-1234-1234-123456789ABC ro": "root=PARTUUID=[redacted-uuid] ro",
    '<info name="DMIProductSerial" value="X1"/>': '<info name="DMIProductSerial" value="[redacted]"/>',
    '{"serial": "X\\"1", "uuid": "12345678123412341234123456789abc"}':
        '{"serial": "[redacted]", "uuid": "[redacted-uuid]"}',
    '"a\\nSerial Number: X1\\n10.0.0.1\\n/home/eve/x"':
        '"a\\nSerial Number: [redacted]\\n[redacted-ip]\\n[redacted-path]/x"',
}  # fmt: skip
KEPT = [
    "CPU max MHz: 3500.0000, firmware 232.0.155.2, driver v10.0.0.1, 1.10.0.0.1",
    "127.0.0.1 ::1 0.0.0.0 8.8.8.8 inet 127.0.0.1/8",
    "0000:03:00.0 12:34:56 2026-11-21T08:00:00Z std::fe80 0-1,2-3",
    '{"serial": 12.5, "parallel": 3.25, "serial_number": null, "uuid": ""}',
    "serial: 12.5\nserial: 12.5 s",
    "https://example.org/home/alice /homework/x /rootfs root=/dev/sda /dev/root /usr/home",
    "sha256 " + "ab" * 32,
    "12345678-1234-1234-1234-123456789abc",
]


@pytest.mark.parametrize(("given_text", "expected"), TAKEN_OUT.items())
def test_what_identifies_a_machine_or_its_owner_is_taken_out(given_text: str, expected: str) -> None:
    content, count = redacted(given_text.encode())
    assert content.decode() == expected
    assert count == expected.count("[redacted")


@pytest.mark.parametrize("text", KEPT)
def test_what_only_looks_like_it_is_kept(text: str) -> None:
    assert redacted(text.encode()) == (text.encode(), 0)


def test_a_nul_spares_nothing_beside_it() -> None:
    assert redacted(b"\0 10.0.0.7 /home/alice") == (b"\0 [redacted-ip] [redacted-path]", 2)


# Pass by pass, each of these would take hours.
@pytest.mark.parametrize(
    ("piece", "expected"),
    [("/root", "[redacted-path]"), ("10.0.0.1/home/a", "[redacted-ip][redacted-path]")],
)
def test_a_long_row_of_paths_is_taken_out_at_once(piece: str, expected: str) -> None:
    assert redacted(piece.encode() * 100_000) == (expected.encode(), expected.count("[redacted"))


def test_a_long_name_of_an_xml_value_is_read_once() -> None:
    content = b'<info name="' + b"Serial" * 100_000 + b'" v="1"/>'
    assert redacted(content) == (content, 0)


def test_a_byte_that_is_no_utf_8_spares_nothing_beside_it() -> None:
    assert redacted(b"caf\xe9 10.0.0.7\n") == (b"caf\xe9 [redacted-ip]\n", 1)


PIECES = [piece for text in TAKEN_OUT for piece in (text, *text.split())]
TEXTS = st.lists(
    st.one_of(
        st.sampled_from([*PIECES, *KEPT]), st.text(max_size=6), st.sampled_from(list("\n\t :/.-=\"'\\[]"))
    ),
    max_size=6,
).map("".join)
NUMBERS = st.one_of(
    st.integers(), st.floats(allow_nan=False, allow_infinity=False), st.sampled_from([10.0, 1e22])
)
KEYS = st.one_of(st.sampled_from(["serial", "uuid", "Asset Tag", "wwn", "address", "serial number"]), TEXTS)
DOCUMENTS = st.recursive(
    st.one_of(st.none(), st.booleans(), NUMBERS, TEXTS),
    lambda inner: st.one_of(st.lists(inner, max_size=4), st.dictionaries(KEYS, inner, max_size=4)),
    max_leaves=12,
)


@settings(max_examples=300)
@given(TEXTS)
def test_what_was_redacted_is_not_redacted_again(text: str) -> None:
    once, _count = redacted(text.encode())
    assert redacted(once) == (once, 0)


@settings(max_examples=100)
@given(st.binary(max_size=60))
def test_no_bytes_break_it(content: bytes) -> None:
    once, _count = redacted(content)
    assert redacted(once) == (once, 0)


def shape(document: Any) -> Any:
    """Return a document without its texts: what must stay. An object is the list of its members, doubled ones too."""
    if isinstance(document, str):
        return "text"
    if isinstance(document, tuple):
        return tuple(shape(value) for _key, value in document)
    return [shape(each) for each in document] if isinstance(document, list) else document


def parsed(content: bytes) -> Any:
    """Return a JSON document with objects as tuples of their members, and numbers as they are written."""
    return json.loads(content, object_pairs_hook=tuple, parse_int=_Number, parse_float=_Number)


class _Number:
    """A number as it is written."""

    def __init__(self, text: str) -> None:
        self.text = text

    def __eq__(self, other: object) -> bool:
        return isinstance(other, _Number) and self.text == other.text

    __hash__ = None


@pytest.mark.slow
@settings(max_examples=300)
@given(DOCUMENTS, st.sampled_from([None, 2]), st.booleans())
def test_json_stays_json_and_no_number_changes(document: Any, indent: int | None, ascii_only: bool) -> None:
    content = json.dumps(document, indent=indent, ensure_ascii=ascii_only).encode("utf-8", "surrogatepass")
    once, _count = redacted(content)
    assert shape(parsed(once)) == shape(parsed(content))
    assert redacted(once) == (once, 0)


@pytest.mark.parametrize("path", sorted(DATA.rglob("*.json")), ids=lambda path: path.name)
def test_documents_of_real_machines_keep_their_form_and_their_numbers(path: Path) -> None:
    content = path.read_bytes()
    once, _count = redacted(content)
    assert shape(parsed(once)) == shape(parsed(content))


def test_a_real_machine_loses_its_addresses_and_serial_numbers() -> None:
    raw = DATA / "system-info/amponed8/raw"
    text = b"".join(redacted(path.read_bytes())[0] for path in sorted(raw.iterdir())).decode()
    assert "Serial Number: [redacted]" in text
    assert "link/ether [redacted-mac]" in text
    assert "link/ether 0" not in text
    assert "Ampere" in text
