# SPDX-License-Identifier: Apache-2.0
"""The shared bundle cache on a web server: whole bundles with the right bytes, or the reason why not."""

from __future__ import annotations

import datetime as dt
import ipaddress
import json
import os
import ssl
import subprocess
import sys
import time
from pathlib import Path
from types import SimpleNamespace
from typing import TYPE_CHECKING

import pytest
from rackbench.bundles import cache_download
from rackbench.bundles.cache import open_cache
from rackbench.bundles.cache_download import Patience
from rackbench.bundles.catalog import list_bundles, sidecar_path, signature_path
from rackbench.bundles.index import INDEX_NAME, write_index
from rackbench.errors import RackbenchError
from rackbench.files import json_text, sha256_of

from tests.unit.bundles.cache_server import CacheServer, Fault
from tests.unit.bundles.cached_bundle import FILE, SIZE, publish, sidecar_of

if TYPE_CHECKING:
    from collections.abc import Iterator

pytestmark = pytest.mark.slow

QUICK = Patience(first_wait_s=0.001)
LIMIT_S = 120


@pytest.fixture
def server(tmp_path: Path) -> Iterator[CacheServer]:
    """Return a server over a directory with one bundle."""
    publish(tmp_path / "published")
    with CacheServer(tmp_path / "published").serving() as server:
        yield server


@pytest.fixture
def downloads(tmp_path: Path) -> Path:
    return tmp_path / "own" / "downloads"


def fetch(location: str, downloads: Path, file: str = FILE) -> Path:
    """Fetch one bundle as a new process would."""
    cache = open_cache(location, downloads, patience=QUICK)
    (listed,) = (listed for listed in cache.listed() if listed.tarball.name == file)
    return cache.fetch(listed)


def refused(location: str, downloads: Path) -> RackbenchError:
    """Fail to fetch, and see that nothing is there that could be taken for the bundle."""
    with pytest.raises(RackbenchError) as caught:
        fetch(location, downloads)
    assert not list(downloads.rglob("*.tar.gz"))
    return caught.value


def part_of(server: CacheServer, downloads: Path) -> Path:
    return downloads / f"{sha256_of(server.directory / FILE)}.part"


# What goes well


def test_a_bundle_is_fetched_with_its_sidecar_and_signature(server: CacheServer, downloads: Path) -> None:
    published = server.directory / FILE
    signature_path(published).write_text("a signature\n")
    write_index(server.directory)
    tarball = fetch(server.url, downloads)
    assert tarball == downloads / sha256_of(published) / FILE
    for path in (tarball, sidecar_path(tarball), signature_path(tarball)):
        assert path.read_bytes() == (server.directory / path.name).read_bytes()
    assert [listed.reason for listed in list_bundles([tarball.parent])] == [None]
    assert not list(downloads.glob("*.part"))


def test_a_bundle_that_is_here_is_not_asked_for_again(server: CacheServer, downloads: Path) -> None:
    fetch(server.url, downloads)
    server.asked.clear()
    fetch(server.url, downloads)
    assert [asked.name for asked in server.asked] == [INDEX_NAME]


def test_a_cache_asks_for_its_index_once(server: CacheServer, downloads: Path) -> None:
    cache = open_cache(server.url, downloads, patience=QUICK)
    assert cache.listed() == cache.listed()
    assert len(server.asked) == 1


def test_a_bundle_whose_bytes_changed_here_is_fetched_again(server: CacheServer, downloads: Path) -> None:
    tarball = fetch(server.url, downloads)
    tarball.write_bytes(b"x" * SIZE)
    assert sha256_of(fetch(server.url, downloads)) == sha256_of(server.directory / FILE)


def test_a_bundle_that_was_signed_later_gets_its_signature_and_no_second_download(
    server: CacheServer, downloads: Path
) -> None:
    tarball = fetch(server.url, downloads)
    for text in ("first\n", "second\n"):
        signature_path(server.directory / FILE).write_text(text)
        write_index(server.directory)
        fetch(server.url, downloads)
        assert signature_path(tarball).read_text() == text
    signature_path(server.directory / FILE).unlink()
    write_index(server.directory)
    fetch(server.url, downloads)
    assert not signature_path(tarball).exists()
    assert len(server.asked_for()) == 1


def test_the_rest_of_a_bundle_is_fetched_by_the_next_call(server: CacheServer, downloads: Path) -> None:
    part = part_of(server, downloads)
    downloads.mkdir(parents=True)
    part.write_bytes((server.directory / FILE).read_bytes()[:1_234_567])
    fetch(server.url, downloads)
    (asked,) = server.asked_for()
    assert (asked.status, asked.headers["Range"]) == (206, "bytes=1234567-")


def test_a_connection_that_breaks_is_taken_up_where_it_broke(server: CacheServer, downloads: Path) -> None:
    server.faults[FILE] = Fault("drop", times=2, after=700_000)
    fetch(server.url, downloads)
    first, second, third = server.asked_for()
    assert [first.status, second.status, third.status] == [200, 206, 206]
    assert second.headers["If-Range"].startswith(f'"{SIZE}-')
    assert 0 < int(second.headers["Range"][6:-1]) < int(third.headers["Range"][6:-1])


def test_a_connection_that_breaks_every_two_megabytes_still_brings_a_large_bundle(
    server: CacheServer, downloads: Path
) -> None:
    publish(server.directory, size=20_000_000)
    server.faults[FILE] = Fault("drop", after=2_000_000)
    fetch(server.url, downloads)
    assert len(server.asked_for()) > QUICK.tries


def test_a_server_that_ignores_ranges_begins_anew(server: CacheServer, downloads: Path) -> None:
    part = part_of(server, downloads)
    downloads.mkdir(parents=True)
    part.write_bytes((server.directory / FILE).read_bytes()[:500_000])
    server.faults[FILE] = Fault("no ranges")
    fetch(server.url, downloads)
    assert [asked.status for asked in server.asked_for()] == [200]


def test_a_server_that_refuses_ranges_begins_anew(server: CacheServer, downloads: Path) -> None:
    part = part_of(server, downloads)
    downloads.mkdir(parents=True)
    part.write_bytes((server.directory / FILE).read_bytes()[:500_000])
    server.faults[FILE] = Fault("416")
    fetch(server.url, downloads)
    assert [asked.status for asked in server.asked_for()] == [416, 200]


@pytest.mark.parametrize("left", [b"other bytes" * 1000, b"x" * SIZE, b"x" * (SIZE + 1)])
def test_a_part_of_other_bytes_is_fetched_anew_once(
    server: CacheServer, downloads: Path, left: bytes
) -> None:
    downloads.mkdir(parents=True)
    part_of(server, downloads).write_bytes(left)
    assert sha256_of(fetch(server.url, downloads)) == sha256_of(server.directory / FILE)
    assert server.asked_for()[-1].status == 200


def test_a_whole_part_needs_no_request(server: CacheServer, downloads: Path) -> None:
    downloads.mkdir(parents=True)
    part_of(server, downloads).write_bytes((server.directory / FILE).read_bytes())
    fetch(server.url, downloads)
    assert server.asked_for() == []


@pytest.mark.parametrize("status", [408, 429, 500, 502, 503, 504])
def test_a_status_that_passes_is_waited_out(server: CacheServer, downloads: Path, status: int) -> None:
    server.faults[INDEX_NAME] = Fault("status", times=2, status=status, headers={"Retry-After": "0"})
    server.faults[FILE] = Fault("status", times=3, status=status)
    fetch(server.url, downloads)
    assert [asked.status for asked in server.asked_for()] == [status] * 3 + [200]


@pytest.mark.parametrize(("asked", "waited"), [("7", 7.0), ("999999", 30.0), ("soon", 0.001)])
def test_a_server_that_asks_for_patience_is_given_some(
    server: CacheServer, downloads: Path, monkeypatch: pytest.MonkeyPatch, asked: str, waited: float
) -> None:
    waits: list[float] = []
    monkeypatch.setattr(cache_download, "time", SimpleNamespace(sleep=waits.append))
    server.faults[INDEX_NAME] = Fault("status", times=1, status=503, headers={"Retry-After": asked})
    fetch(server.url, downloads)
    assert waits == [waited]


def test_a_tarball_that_the_server_calls_gzip_encoded_is_kept_as_it_is(
    server: CacheServer, downloads: Path
) -> None:
    server.faults[FILE] = Fault("none", headers={"Content-Encoding": "gzip"})
    assert sha256_of(fetch(server.url, downloads)) == sha256_of(server.directory / FILE)


def test_a_redirect_is_followed(server: CacheServer, downloads: Path) -> None:
    moved = server.directory / "moved"
    (server.directory / FILE).rename(moved)
    server.faults[FILE] = Fault("status", status=302, headers={"Location": "moved"})
    assert fetch(server.url, downloads).read_bytes() == moved.read_bytes()


def test_a_file_name_with_odd_characters_is_fetched(server: CacheServer, downloads: Path) -> None:
    odd = server.directory / "probe-1.0.0-any copy #1 50%.tar.gz"
    odd.write_bytes(b"odd")
    sidecar_path(odd).write_text(json_text(sidecar_of(odd)))
    write_index(server.directory)
    assert fetch(server.url, downloads, odd.name).read_bytes() == b"odd"


def test_two_processes_at_once_download_a_bundle_once(server: CacheServer, downloads: Path) -> None:
    def wait() -> None:
        # Until the second process waits for the first one, or does not and asks for the bundle as well.
        end = time.monotonic() + LIMIT_S
        inode = f":{part_of(server, downloads).stat().st_ino} "
        while len(server.asked_for()) < 2 and time.monotonic() < end:
            locks = Path("/proc/locks").read_text().splitlines()
            if any("->" in lock and inode in lock for lock in locks):
                return
            time.sleep(0.01)

    server.faults[FILE] = Fault("hook", times=1, after=1000, hook=wait)
    processes = [_fetching(server.url, downloads) for _process in range(2)]
    said = [process.communicate(timeout=LIMIT_S) for process in processes]
    assert [process.returncode for process in processes] == [0, 0], said
    assert len(server.asked_for()) == 1
    assert [path.name for path in downloads.glob("*")] == [sha256_of(server.directory / FILE)]


def test_a_process_that_is_killed_leaves_a_part_that_the_next_one_takes_up(
    server: CacheServer, downloads: Path
) -> None:
    part = part_of(server, downloads)
    processes: list[subprocess.Popen[str]] = []

    def kill() -> None:
        end = time.monotonic() + LIMIT_S
        while not (part.exists() and part.stat().st_size) and time.monotonic() < end:
            time.sleep(0.01)
        processes[0].kill()
        processes[0].wait()

    server.faults[FILE] = Fault("hook", times=1, after=1_500_000, hook=kill)
    processes.append(_fetching(server.url, downloads))
    processes[0].communicate(timeout=LIMIT_S)
    assert processes[0].returncode == -9
    assert not list(downloads.rglob("*.tar.gz"))
    fetch(server.url, downloads)
    assert [asked.status for asked in server.asked_for()] == [200, 206]


@pytest.mark.full
def test_memory_does_not_grow_with_the_bundle(server: CacheServer, downloads: Path) -> None:
    peaks = []
    for name, size in (("small", 1_000_000), ("large", 150_000_000)):
        with (server.directory / name).open("wb") as stream:
            stream.truncate(size)
        tarball = (server.directory / name).rename(server.directory / f"{name}-1.0.0-any.tar.gz")
        sidecar_path(tarball).write_text(json_text(sidecar_of(tarball, name=name)))
        write_index(server.directory)
        process = _fetching(server.url, downloads, tarball.name)
        said = process.communicate(timeout=LIMIT_S)
        assert process.returncode == 0, said
        peaks.append(int(said[0]))
    assert peaks[1] - peaks[0] < 32_000, f"KiB at most: {peaks}"


def _fetching(url: str, downloads: Path, file: str = FILE) -> subprocess.Popen[str]:
    program = (
        "import sys; from pathlib import Path; from rackbench.bundles.cache import open_cache\n"
        "cache = open_cache(sys.argv[1], Path(sys.argv[2]))\n"
        "cache.fetch(next(one for one in cache.listed() if one.tarball.name == sys.argv[3]))\n"
        "print(Path('/proc/self/status').read_text().partition('VmHWM:')[2].split()[0])\n"
    )
    return subprocess.Popen(
        [sys.executable, "-c", program, url, str(downloads), file],
        env={**os.environ, "PYTHONPATH": os.pathsep.join(path for path in sys.path if path)},
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
    )


# What is refused


@pytest.mark.parametrize(
    ("fault", "words"),
    [
        (Fault("other bytes"), "were wanted"),
        (Fault("short", after=2_000_000), "the cache has 2000000 bytes"),
        (Fault("long"), "the cache has 3001000 bytes"),
        (
            Fault("long", headers={"no length": "1", "Connection": "close"}),
            "more than the 3000000 bytes came",
        ),
    ],
    ids=["other bytes", "too short", "too long", "too long without length"],
)
def test_other_bytes_are_refused_and_not_kept(
    server: CacheServer, downloads: Path, fault: Fault, words: str
) -> None:
    server.faults[FILE] = fault
    error = refused(server.url, downloads)
    assert error.code == "cache_refused"
    assert words in error.message
    assert sha256_of(server.directory / FILE) in error.message
    assert error.where == f"{server.url}/{FILE}"
    assert not list(downloads.rglob("*.part"))


def test_a_download_ends_at_the_first_byte_too_many(server: CacheServer, downloads: Path) -> None:
    # The rest comes only when the client is gone: without an end at the declared size this would never return.
    ended: list[bool] = []

    def wait() -> None:
        end = time.monotonic() + LIMIT_S
        while not ended and time.monotonic() < end:
            time.sleep(0.01)

    server.faults[FILE] = Fault(
        "hook", after=SIZE + 500_000, hook=wait, headers={"no length": "1", "Connection": "close"}
    )
    with (server.directory / FILE).open("ab") as stream:
        stream.write(b"x" * 1_000_000)
    assert refused(server.url, downloads).code == "cache_refused"
    ended.append(True)


@pytest.mark.parametrize("suffix", [".json", ".json.sig"])
def test_a_document_that_is_not_that_of_the_index_is_refused_before_the_download(
    server: CacheServer, downloads: Path, suffix: str
) -> None:
    signature_path(server.directory / FILE).write_text("a signature\n")
    write_index(server.directory)
    server.faults[FILE + suffix] = Fault("other bytes")
    error = refused(server.url, downloads)
    assert error.code == "cache_refused"
    assert FILE + suffix in error.message
    assert server.asked_for() == []


@pytest.mark.parametrize(
    ("fault", "words"),
    [
        (Fault("drop", after=100), "the connection broke"),
        (Fault("hang up"), "the request failed"),
        (Fault("status", status=500), "500 Internal Server Error"),
        (Fault("status", status=429), "429 Too Many Requests"),
        (Fault("status", status=599), "599"),
        (Fault("short", after=1000, headers={"no length": "1", "Connection": "close"}), "it ended after"),
    ],
    ids=["drops", "hangs up", "500", "429", "unknown status", "ends early without length"],
)
def test_a_server_that_fails_forever_is_given_up(
    server: CacheServer, downloads: Path, fault: Fault, words: str
) -> None:
    server.faults[FILE] = fault
    error = refused(server.url, downloads)
    assert error.code == "cache_unreachable"
    assert "tried 5 times in a row" in error.message
    assert words in error.message


@pytest.mark.parametrize("status", [400, 401, 403, 404, 410])
def test_a_status_that_stays_is_final(server: CacheServer, downloads: Path, status: int) -> None:
    server.faults[FILE] = Fault("status", status=status)
    error = refused(server.url, downloads)
    assert error.code == "cache_unreachable"
    assert f"it answered {status} " in error.message
    assert len(server.asked_for()) == 1


@pytest.mark.parametrize(
    ("location", "words"),
    [(FILE, "more than 5 times"), ("", "more than 5 times"), ("file:///etc/passwd", "to file")],
    ids=["loop", "no location", "file"],
)
def test_a_redirect_that_leads_nowhere_good_is_final(
    server: CacheServer, downloads: Path, location: str, words: str
) -> None:
    server.faults[FILE] = Fault("status", status=302, headers={"Location": location})
    error = refused(server.url, downloads)
    assert error.code == "cache_unreachable"
    assert words in error.message


def test_another_range_than_the_one_asked_for_is_refused(server: CacheServer, downloads: Path) -> None:
    downloads.mkdir(parents=True)
    part_of(server, downloads).write_bytes((server.directory / FILE).read_bytes()[:500_000])
    server.faults[FILE] = Fault("wrong range")
    assert "another range" in refused(server.url, downloads).message


def test_a_server_that_is_not_there_is_unreachable(tmp_path: Path, downloads: Path) -> None:
    with CacheServer(tmp_path).serving() as server:
        url = server.url
    error = refused(url, downloads)
    assert error.code == "cache_unreachable"
    assert "tried 5 times" in error.message


def test_a_silent_server_is_unreachable(server: CacheServer, downloads: Path) -> None:
    ended: list[bool] = []

    def wait() -> None:
        end = time.monotonic() + LIMIT_S
        while not ended and time.monotonic() < end:
            time.sleep(0.01)

    server.faults[INDEX_NAME] = Fault("hook", after=10, hook=wait)
    cache = open_cache(server.url, downloads, patience=Patience(tries=2, first_wait_s=0.001, read_s=0.2))
    with pytest.raises(RackbenchError) as caught:
        cache.listed()
    ended.append(True)
    assert caught.value.code == "cache_unreachable"
    assert "Read timed out" in caught.value.message


def test_a_directory_without_an_index_is_no_cache(tmp_path: Path, downloads: Path) -> None:
    with CacheServer(tmp_path).serving() as server:
        error = refused(server.url, downloads)
    assert error.code == "cache_unreachable"
    assert f"{server.url}/index.json" in error.message
    assert "404" in error.message


def test_an_index_that_is_too_large_is_refused(
    server: CacheServer, downloads: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("rackbench.bundles.cache._INDEX_LIMIT", 100)
    error = refused(server.url, downloads)
    assert error.code == "cache_refused"
    assert "larger than 100 bytes" in error.message


@pytest.mark.parametrize("file", ["../probe-2.0.0-any.tar.gz", "/probe-2.0.0-any.tar.gz", "probe.zip"])
def test_a_bundle_with_a_bad_name_is_listed_with_its_reason_and_not_fetched(
    server: CacheServer, downloads: Path, file: str
) -> None:
    document = json.loads((server.directory / INDEX_NAME).read_bytes())
    document["bundles"].append(document["bundles"][0] | {"file": file})
    (server.directory / INDEX_NAME).write_text(json.dumps(document))
    cache = open_cache(server.url, downloads, patience=QUICK)
    (bad,) = (listed for listed in cache.listed() if listed.sidecar is None)
    assert bad.tarball.parent == downloads
    assert bad.reason
    assert file in bad.reason
    with pytest.raises(RackbenchError) as caught:
        cache.fetch(bad)
    assert caught.value.code == "cache_refused"
    assert len(server.asked) == 1


# Disks


@pytest.fixture
def small_disk(tmp_path: Path) -> Iterator[Path]:
    """Return a file system of 4 MB of its own."""
    place = tmp_path / "disk"
    place.mkdir()
    mounted = subprocess.run(
        ["mount", "-t", "tmpfs", "-o", "size=4m", "tmpfs", str(place)], capture_output=True, text=True
    )
    if mounted.returncode != 0:
        pytest.skip(f"a file system cannot be mounted here: {mounted.stderr.strip()}")
    try:
        yield place
    finally:
        subprocess.run(["umount", str(place)], check=True)


def test_a_disk_without_room_is_told_before_a_byte_is_fetched(server: CacheServer, small_disk: Path) -> None:
    (small_disk / "filler").write_bytes(b"x" * 2_000_000)
    error = refused(server.url, small_disk / "downloads")
    assert error.code == "cache_unwritable"
    assert "3000000 more bytes are needed" in error.message
    assert server.asked_for() == []
    assert not list(small_disk.rglob("*.part"))


def test_a_disk_that_fills_up_meanwhile_is_told_and_nothing_is_left_on_it(
    server: CacheServer, small_disk: Path
) -> None:
    def fill() -> None:
        with (small_disk / "filler").open("wb", buffering=0) as stream:
            try:
                while stream.write(b"x" * 4096):
                    pass
            except OSError:
                return

    server.faults[FILE] = Fault("hook", after=1_000_000, hook=fill)
    error = refused(server.url, small_disk / "downloads")
    assert error.code == "cache_unwritable"
    assert "No space left" in error.message
    assert not list(small_disk.rglob("*.part"))
    (small_disk / "filler").unlink()
    server.faults.clear()
    assert fetch(server.url, small_disk / "downloads").stat().st_size == SIZE


def test_a_read_only_disk_is_told_and_a_bundle_that_is_on_it_is_used(
    server: CacheServer, small_disk: Path
) -> None:
    fetch(server.url, small_disk / "downloads")
    subprocess.run(["mount", "-o", "remount,ro", str(small_disk)], check=True)
    server.asked.clear()
    fetch(server.url, small_disk / "downloads")
    assert server.asked_for() == []
    error = refused(server.url, small_disk / "others")
    assert error.code == "cache_unwritable"
    assert "Read-only file system" in error.message
    assert str(small_disk / "others") in error.message


def test_a_file_in_the_place_of_the_directory_is_told(server: CacheServer, downloads: Path) -> None:
    downloads.parent.mkdir()
    downloads.write_text("")
    with pytest.raises(RackbenchError) as caught:
        fetch(server.url, downloads)
    assert caught.value.code == "cache_unwritable"


# TLS


def test_a_certificate_is_trusted_only_when_its_ca_is_given(
    tmp_path: Path, downloads: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    publish(tmp_path / "published", size=1000)
    certificate = _certificate(tmp_path)
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.load_cert_chain(certificate)
    with CacheServer(tmp_path / "published", context).serving() as server:
        error = refused(server.url, downloads)
        assert error.code == "cache_unreachable"
        assert "certificate is not trusted (self-signed certificate)" in error.message
        assert "SSL_CERT_FILE" in error.next_step
        monkeypatch.setenv("SSL_CERT_FILE", str(certificate))
        assert fetch(server.url, downloads).stat().st_size == 1000
        server.faults[INDEX_NAME] = Fault(
            "status", status=302, headers={"Location": "http://127.0.0.1:1/index.json"}
        )
        with pytest.raises(RackbenchError, match="redirected from https to http"):
            fetch(server.url, downloads)


def _certificate(folder: Path) -> Path:
    from cryptography import x509
    from cryptography.hazmat.primitives import hashes, serialization
    from cryptography.hazmat.primitives.asymmetric import ec

    key = ec.generate_private_key(ec.SECP256R1())
    name = x509.Name([x509.NameAttribute(x509.NameOID.COMMON_NAME, "127.0.0.1")])
    now = dt.datetime.now(dt.UTC)
    certificate = (
        x509.CertificateBuilder()
        .subject_name(name)
        .issuer_name(name)
        .public_key(key.public_key())
        .serial_number(1)
        .not_valid_before(now - dt.timedelta(days=1))
        .not_valid_after(now + dt.timedelta(days=1))
        .add_extension(
            x509.SubjectAlternativeName([x509.IPAddress(ipaddress.ip_address("127.0.0.1"))]), critical=False
        )
        .sign(key, hashes.SHA256())
    )
    path = folder / "certificate.pem"
    path.write_bytes(
        key.private_bytes(
            serialization.Encoding.PEM, serialization.PrivateFormat.PKCS8, serialization.NoEncryption()
        )
        + certificate.public_bytes(serialization.Encoding.PEM)
    )
    return path


# Locations


@pytest.mark.parametrize(
    ("location", "words"),
    [
        ("http://me:secret@cache/x", "user name or password"),
        ("https://me@cache/x", "user name or password"),
        ("s3://key:secret@bucket/x", "user name or password"),
        ("http:///x", "names no machine"),
        ("http://cache:0/x", "names no machine"),
        ("http://cache:port/x", "cannot be understood"),
        ("http://cache:99999/x", "cannot be understood"),
        ("http://[::1/x", "cannot be understood"),
        ("http://cache/x?token=secret", "goes on after the path"),
        ("http://cache/x#secret", "goes on after the path"),
        ("nonsense://cache/x", "kind nonsense://"),
        pytest.param("simplecache::https://me:secret@cache/x", "neither a directory", id="chained URL"),
        pytest.param("simplecache://x::https://me:secret@cache/x", "neither a directory", id="two URLs"),
        pytest.param(" https://me:secret@cache/x", "neither a directory", id="blank before the URL"),
        pytest.param("https://me:secret@cache/x\n", "neither a directory", id="line break after the URL"),
        pytest.param("ht\ttps://me:secret@cache/x", "neither a directory", id="tab in the scheme"),
        pytest.param("://me:secret@cache/x", "neither a directory", id="no scheme"),
    ],
)
def test_a_location_that_cannot_be_used_is_refused_without_repeating_a_secret(
    tmp_path: Path, location: str, words: str
) -> None:
    with pytest.raises(RackbenchError) as caught:
        open_cache(location, tmp_path)
    assert caught.value.code == "unknown_option"
    assert words in caught.value.message
    assert "secret" not in str(caught.value.as_dict())


def test_a_package_that_is_missing_is_named_with_how_to_install_it(tmp_path: Path) -> None:
    program = (
        "import sys; from pathlib import Path; from rackbench.bundles.cache import open_cache\n"
        "sys.modules['fsspec'] = None\n"
        "open_cache('s3://bucket/x', Path(sys.argv[1]))\n"
    )
    done = subprocess.run(
        [sys.executable, "-c", program, str(tmp_path)],
        env={**os.environ, "PYTHONPATH": os.pathsep.join(path for path in sys.path if path)},
        capture_output=True,
        text=True,
    )
    assert "pip install 'rackbench[object-store]'" in done.stderr
    assert "[unknown_option]" in done.stderr


def test_a_directory_is_a_cache_that_needs_no_fetch(tmp_path: Path, downloads: Path) -> None:
    tarball = publish(tmp_path / "shared", size=10)
    cache = open_cache(str(tmp_path / "shared"), downloads)
    (listed,) = cache.listed()
    assert cache.fetch(listed) == tarball
    assert not downloads.exists()


def test_a_directory_is_looked_for_where_the_project_is(tmp_path: Path, downloads: Path) -> None:
    tarball = publish(tmp_path / "shared", size=10)
    (listed,) = open_cache("shared", downloads, base=tmp_path).listed()
    assert listed.tarball == tarball


def test_a_directory_that_is_not_mounted_is_unreachable(tmp_path: Path, downloads: Path) -> None:
    with pytest.raises(RackbenchError) as caught:
        open_cache(str(tmp_path / "none"), downloads).listed()
    assert caught.value.code == "cache_unreachable"
