# SPDX-License-Identifier: Apache-2.0
"""The index of a bundle cache: made from a directory, and read with suspicion."""

from __future__ import annotations

import json
import subprocess
from typing import TYPE_CHECKING, Any

import pytest
from hypothesis import given
from hypothesis import strategies as st
from rackbench.bundles.catalog import sidecar_path, signature_path
from rackbench.bundles.index import INDEX_NAME, read_index, write_index
from rackbench.cli.main import main
from rackbench.errors import RackbenchError
from rackbench.files import sha256_of
from rackbench.models.bundle_index import IndexEntry

from tests.unit.bundles.cached_bundle import FILE, publish

if TYPE_CHECKING:
    from pathlib import Path

    from tests.unit.bundles.conftest import MakeSource

WHERE = "http://cache/index.json"


def index_of(directory: Path) -> dict[str, Any]:
    document: dict[str, Any] = json.loads((directory / INDEX_NAME).read_bytes())
    return document


def test_the_index_names_each_bundle_with_its_sidecar_and_the_digest_of_its_signature(tmp_path: Path) -> None:
    signed, plain = publish(tmp_path, size=10), publish(tmp_path, name="other", size=10)
    signature_path(signed).write_text("a signature\n")
    write_index(tmp_path)
    document = index_of(tmp_path)
    assert document["schema"] == "rackbench.bundle-index/1.0"
    assert [
        (one["file"], one["sidecar"]["sha256"], one["signature"]) for one in document["bundles"]
    ] == [
        (plain.name, sha256_of(plain), None),
        (signed.name, sha256_of(signed), sha256_of(signature_path(signed))),
    ]  # fmt: skip
    entries = read_index((tmp_path / INDEX_NAME).read_bytes(), WHERE)
    assert all(isinstance(entry, IndexEntry) for entry in entries)


def test_an_index_of_the_same_bundles_is_not_written_again(tmp_path: Path) -> None:
    publish(tmp_path, size=10)
    before = (tmp_path / INDEX_NAME).stat()
    write_index(tmp_path)
    after = (tmp_path / INDEX_NAME).stat()
    assert (after.st_ino, after.st_mtime_ns) == (before.st_ino, before.st_mtime_ns)


def test_a_bundle_that_is_gone_or_unreadable_or_hidden_is_not_in_the_index(tmp_path: Path) -> None:
    gone, cut = publish(tmp_path, size=10), publish(tmp_path, name="cut", size=10)
    good = publish(tmp_path, name="good", size=10)
    gone.unlink()
    sidecar_path(cut).write_text("{")
    write_index(tmp_path)
    assert [one["file"] for one in index_of(tmp_path)["bundles"]] == [good.name]
    assert sorted(path.name for path in tmp_path.glob(".*")) == []


@pytest.mark.parametrize(
    ("content", "words"),
    [
        (b"", "not whole JSON"),
        (b"<html>Welcome</html>", "not whole JSON"),
        (b'{"schema": "rackbench.bundle-index/1.0", "bundles": [', "not whole JSON"),
        (b"[" * 100_000, "not whole JSON"),
        (b"\xff\xfe", "not whole JSON"),
        (b"[]", "no JSON object"),
        (b"{}", "its schema is 'None'"),
        (b'{"schema": "rackbench.bundle-index/2.0", "bundles": []}', "bundle-index/2.0"),
        (b'{"schema": "rackbench.bundle/1.0", "bundles": []}', "rackbench.bundle/1.0"),
        (b'{"schema": 7, "bundles": []}', "its schema is '7'"),
        (b'{"schema": "rackbench.bundle-index/1.0", "bundles": {}}', "is no list"),
        (b'{"schema": "rackbench.bundle-index/1.0"}', "is no list"),
    ],
    ids=[
        "empty", "html", "truncated", "deep", "no text", "list", "no schema", "newer major", "other schema",
        "number as schema", "object of bundles", "no bundles",
    ],
)  # fmt: skip
def test_a_document_that_is_no_index_is_refused(content: bytes, words: str) -> None:
    with pytest.raises(RackbenchError) as caught:
        read_index(content, WHERE)
    assert caught.value.code == "cache_refused"
    assert words in caught.value.message
    assert WHERE in caught.value.message


def test_a_newer_minor_version_is_read(tmp_path: Path) -> None:
    publish(tmp_path, size=10)
    document = index_of(tmp_path) | {"schema": "rackbench.bundle-index/1.7", "more": 1}
    (entry,) = read_index(json.dumps(document).encode(), WHERE)
    assert isinstance(entry, IndexEntry)


@pytest.mark.parametrize(
    "file",
    ["../x.tar.gz", "/etc/x.tar.gz", "a/b.tar.gz", "..", ".x.tar.gz", "x.zip", "", "a\nb.tar.gz", "a\\b.tar.gz",
     "x" * 300 + ".tar.gz", None, 7],
)  # fmt: skip
def test_a_bad_file_name_is_listed_with_its_reason_and_the_others_stay(tmp_path: Path, file: object) -> None:
    publish(tmp_path, size=10)
    document = index_of(tmp_path)
    document["bundles"].append(document["bundles"][0] | {"file": file})
    good, bad = read_index(json.dumps(document).encode(), WHERE)
    assert isinstance(good, IndexEntry)
    assert isinstance(bad, tuple)
    assert "bundles.1: file" in bad[1]


@pytest.mark.parametrize("entry", [None, [], "x", {}, {"file": FILE}, {"file": FILE, "sidecar": {}}])
def test_a_broken_entry_is_listed_with_its_reason(entry: object) -> None:
    document = {"schema": "rackbench.bundle-index/1.0", "bundles": [entry]}
    (bad,) = read_index(json.dumps(document).encode(), WHERE)
    assert isinstance(bad, tuple)
    assert "bundles.0" in bad[1]


def test_a_file_that_is_named_twice_is_refused_both_times(tmp_path: Path) -> None:
    publish(tmp_path, size=10)
    document = index_of(tmp_path)
    document["bundles"] *= 2
    entries = read_index(json.dumps(document).encode(), WHERE)
    assert [isinstance(entry, tuple) and entry[1] for entry in entries] == [
        f"{WHERE} names {FILE} 2 times."
    ] * 2


@given(st.recursive(st.none() | st.integers() | st.text(), lambda inner: st.lists(inner) | st.dictionaries(
    st.sampled_from(["file", "sidecar", "signature", "schema", "x"]), inner), max_leaves=20))  # fmt: skip
def test_no_entry_whatever_ends_the_reading_of_an_index(entry: object) -> None:
    document = {"schema": "rackbench.bundle-index/1.0", "bundles": [entry, entry]}
    assert len(read_index(json.dumps(document).encode(), WHERE)) == 2


def test_signing_a_bundle_of_an_index_brings_the_index_up_to_date(
    make_source: MakeSource, tmp_path: Path
) -> None:
    key, dist = tmp_path / "key", tmp_path / "dist"
    subprocess.run(["ssh-keygen", "-q", "-t", "ed25519", "-N", "", "-f", str(key)], check=True)
    assert main(["bundle", "build", str(make_source()), "--dist", str(dist)]) == 0
    (before,) = index_of(dist)["bundles"]
    tarball = dist / before["file"]
    assert main(["bundle", "sign", "--key", str(key), str(tarball)]) == 0
    (after,) = index_of(dist)["bundles"]
    assert (before["signature"], after["signature"]) == (None, sha256_of(signature_path(tarball)))
