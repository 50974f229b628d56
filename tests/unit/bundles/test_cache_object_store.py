# SPDX-License-Identifier: Apache-2.0
"""The shared bundle cache in an object store: moto's S3 server, and fsspec's own file systems."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import botocore.session
import pytest
from moto.server import ThreadedMotoServer
from rackbench.bundles import cache_fsspec
from rackbench.bundles.cache import open_cache
from rackbench.bundles.cache_download import Patience
from rackbench.bundles.catalog import sidecar_path, signature_path
from rackbench.bundles.index import INDEX_NAME, write_index
from rackbench.errors import RackbenchError
from rackbench.files import sha256_of

from tests.unit.bundles.cached_bundle import FILE, SIZE, publish

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

pytestmark = pytest.mark.slow

BUCKET = "bundles"
LOCATION = f"s3://{BUCKET}/lab/x86"


class Bucket:
    """The bucket of a test, with what is published in it."""

    def __init__(self, client: Any, directory: Path) -> None:
        self.client, self.directory = client, directory

    def upload(self) -> None:
        """Put the files of the directory into the bucket, as `aws s3 sync` does."""
        for path in self.directory.iterdir():
            self.put(path.name, path.read_bytes())

    def put(self, name: str, content: bytes) -> None:
        self.client.put_object(Bucket=BUCKET, Key=f"lab/x86/{name}", Body=content)


@pytest.fixture(scope="module")
def endpoint() -> Iterator[str]:
    server = ThreadedMotoServer(ip_address="127.0.0.1", port=0, verbose=False)
    server.start()
    host, port = server.get_host_and_port()
    yield f"http://{host}:{port}"
    server.stop()


@pytest.fixture
def own_settings(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Let nothing of the user's settings reach the client."""
    monkeypatch.setenv("HOME", str(tmp_path))
    for name in ("AWS_PROFILE", "AWS_SESSION_TOKEN", "AWS_CONFIG_FILE", "AWS_SHARED_CREDENTIALS_FILE"):
        monkeypatch.delenv(name, raising=False)
    monkeypatch.setenv("AWS_ACCESS_KEY_ID", "key")
    monkeypatch.setenv("AWS_SECRET_ACCESS_KEY", "secret")
    monkeypatch.setenv("AWS_DEFAULT_REGION", "us-east-1")
    monkeypatch.setenv("AWS_EC2_METADATA_DISABLED", "true")
    monkeypatch.setenv("NO_PROXY", "127.0.0.1")


@pytest.fixture
def bucket(
    endpoint: str, tmp_path: Path, own_settings: None, monkeypatch: pytest.MonkeyPatch
) -> Iterator[Bucket]:
    monkeypatch.setenv("AWS_ENDPOINT_URL", endpoint)
    client = botocore.session.get_session().create_client("s3")
    client.create_bucket(Bucket=BUCKET)
    publish(tmp_path / "published")
    bucket = Bucket(client, tmp_path / "published")
    bucket.upload()
    yield bucket
    for item in client.list_objects_v2(Bucket=BUCKET).get("Contents", []):
        client.delete_object(Bucket=BUCKET, Key=item["Key"])
    client.delete_bucket(Bucket=BUCKET)
    client.close()


@pytest.fixture
def downloads(tmp_path: Path) -> Path:
    return tmp_path / "own" / "downloads"


def fetch(location: str, downloads: Path) -> Path:
    """Fetch the only bundle as a new process would."""
    cache = open_cache(location, downloads, patience=Patience(first_wait_s=0.001))
    (listed,) = cache.listed()
    return cache.fetch(listed)


def refused(location: str, downloads: Path) -> RackbenchError:
    """Fail to fetch, and see that nothing is there that could be taken for the bundle."""
    with pytest.raises(RackbenchError) as caught:
        fetch(location, downloads)
    assert not list(downloads.rglob("*.tar.gz"))
    return caught.value


@pytest.mark.parametrize("slash", ["", "/"])
def test_a_bundle_comes_from_s3_with_sidecar_and_signature(
    bucket: Bucket, downloads: Path, slash: str
) -> None:
    signature_path(bucket.directory / FILE).write_text("a signature\n")
    write_index(bucket.directory)
    bucket.upload()
    tarball = fetch(LOCATION + slash, downloads)
    for path in (tarball, sidecar_path(tarball), signature_path(tarball)):
        assert path.read_bytes() == (bucket.directory / path.name).read_bytes()


def test_a_bundle_of_several_ranges_comes_whole(
    bucket: Bucket, downloads: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(cache_fsspec, "_RANGE", 700_001)
    assert sha256_of(fetch(LOCATION, downloads)) == sha256_of(bucket.directory / FILE)


@pytest.mark.parametrize("had", [1, 2_000_000, SIZE])
def test_a_part_is_taken_up(bucket: Bucket, downloads: Path, had: int) -> None:
    content = (bucket.directory / FILE).read_bytes()
    downloads.mkdir(parents=True)
    (downloads / f"{sha256_of(bucket.directory / FILE)}.part").write_bytes(content[:had])
    # Of the bytes that are here already others are in the bucket now: only the rest is asked for.
    bucket.put(FILE, b"\0" * had + content[had:])
    assert fetch(LOCATION, downloads).read_bytes() == content


def test_a_bundle_that_is_here_is_not_asked_for_again(bucket: Bucket, downloads: Path) -> None:
    fetch(LOCATION, downloads)
    for suffix in ("", ".json"):
        bucket.client.delete_object(Bucket=BUCKET, Key=f"lab/x86/{FILE}{suffix}")
    assert fetch(LOCATION, downloads).stat().st_size == SIZE


@pytest.mark.parametrize("size", [0, 1000, SIZE, SIZE + 1])
def test_other_bytes_are_refused_and_not_kept(bucket: Bucket, downloads: Path, size: int) -> None:
    bucket.put(FILE, b"x" * size)
    error = refused(LOCATION, downloads)
    assert error.code == "cache_refused"
    assert f"{LOCATION}/{FILE}" in error.message
    assert not list(downloads.rglob("*.part"))


def test_a_new_bundle_is_seen_at_once(bucket: Bucket, downloads: Path) -> None:
    fetch(LOCATION, downloads)
    publish(bucket.directory, seed=2)
    bucket.upload()
    assert sha256_of(fetch(LOCATION, downloads)) == sha256_of(bucket.directory / FILE)


@pytest.mark.parametrize("name", [INDEX_NAME, FILE, f"{FILE}.json"])
def test_a_missing_object_is_unreachable(bucket: Bucket, downloads: Path, name: str) -> None:
    bucket.client.delete_object(Bucket=BUCKET, Key=f"lab/x86/{name}")
    error = refused(LOCATION, downloads)
    assert error.code == "cache_unreachable"
    assert f"{LOCATION}/{name} could not be fetched: it is not there." in error.message


def test_a_missing_bucket_is_unreachable(bucket: Bucket, downloads: Path) -> None:
    assert refused("s3://no-such-bucket/x", downloads).code == "cache_unreachable"


def test_a_store_that_is_not_there_is_unreachable(
    own_settings: None, downloads: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("AWS_ENDPOINT_URL", "http://127.0.0.1:1")
    error = refused(LOCATION, downloads)
    assert error.code == "cache_unreachable"
    assert "127.0.0.1:1" in error.message


def test_a_login_that_is_missing_is_told(
    endpoint: str, own_settings: None, downloads: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("AWS_ENDPOINT_URL", endpoint)
    monkeypatch.delenv("AWS_ACCESS_KEY_ID")
    monkeypatch.delenv("AWS_SECRET_ACCESS_KEY")
    error = refused(LOCATION, downloads)
    assert error.code == "cache_unreachable"
    assert "redentials" in error.message


def test_any_file_system_of_fsspec_is_a_cache(tmp_path: Path, downloads: Path) -> None:
    tarball = publish(tmp_path / "published")
    assert fetch(f"file://{tmp_path / 'published'}", downloads).read_bytes() == tarball.read_bytes()
    assert tarball.is_file()
