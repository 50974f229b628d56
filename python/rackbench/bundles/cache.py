# SPDX-License-Identifier: Apache-2.0
"""The shared bundle cache: a directory, a web server, or an object store."""

from __future__ import annotations

import hashlib
import json
import os
import re
from pathlib import Path, PurePosixPath
from typing import TYPE_CHECKING, Protocol
from urllib.parse import urlsplit

from pydantic import ValidationError

from rackbench.bundles.cache_download import (
    Patience,
    Remote,
    Wanted,
    download,
    is_good,
    read_small,
    unwritable,
)
from rackbench.bundles.catalog import (
    SIDECAR_SUFFIX,
    SIGNATURE_SUFFIX,
    TARBALL_SUFFIX,
    Listed,
    list_bundles,
    order,
    sidecar_path,
    signature_path,
)
from rackbench.bundles.index import INDEX_NAME, read_index
from rackbench.errors import RackbenchError
from rackbench.files import sha256_of, write_atomic
from rackbench.models.bundle import Sidecar
from rackbench.models.bundle_index import IndexEntry

if TYPE_CHECKING:
    from collections.abc import Callable

# Of one scheme and one place: what is chained, as `cache::https://...`, could hold a login where nobody looks for it.
_URL = re.compile(r"[A-Za-z][A-Za-z0-9+.-]*://(?!.*://)[!-~]*")
_INDEX_LIMIT = 64 << 20
_SIDECAR_LIMIT = 1 << 20
_SIGNATURE_LIMIT = 64 << 10


class Cache(Protocol):
    """A shared cache. Bundles of a remote one are fetched before they are there."""

    location: str
    remote: bool

    def listed(self) -> list[Listed]:
        """Return every bundle of the cache, with the path at which it is or will be."""

    def fetch(self, listed: Listed) -> Path:
        """Return the tarball, whole and with its sidecar and signature beside it."""


def open_cache(
    location: str,
    downloads: Path,
    *,
    base: Path | None = None,
    patience: Patience | None = None,
    digest: Callable[[Path], str] = sha256_of,
) -> Cache:
    """Return the cache at a directory or URL; nothing is asked of it yet.

    A directory is relative to `base`. What is fetched is kept in `downloads`; `digest` tells the SHA-256 of what is
    there already. Raises `RackbenchError` (unknown_option) for a location that nobody can read, or that holds a
    password.
    """
    if "://" not in location:
        return DirectoryCache(str((base or Path()) / Path(location).expanduser()))
    patience = patience or Patience()
    _check_url(location)
    remote: Remote
    if location.lower().startswith(("http://", "https://")):
        from rackbench.bundles.cache_http import WebServer

        remote = WebServer(location, patience)
    else:
        from rackbench.bundles.cache_fsspec import ObjectStore

        remote = ObjectStore(location, patience)
    return RemoteCache(location, remote, downloads, patience, digest)


def _check_url(location: str) -> None:
    """Refuse what would put a secret into the records of a run, or cannot be extended by a file name."""
    next_step = "Correct lab_bundle_cache."
    if not _URL.fullmatch(location):
        raise RackbenchError(
            "unknown_option",
            "The bundle cache is neither a directory nor one whole URL without blanks.",
            next_step="Name a directory, a web server, or an object store such as s3://bucket/prefix.",
        )
    try:
        parts = urlsplit(location)
        port_is_good = parts.port is None or parts.port > 0
    except ValueError:
        raise RackbenchError(
            "unknown_option", "The URL of the bundle cache cannot be understood.", next_step=next_step
        ) from None
    web = parts.scheme in {"http", "https"}
    problem = None
    if parts.password is not None or (web and parts.username is not None):
        problem = "holds a user name or password, and the URL is written into the records of every run"
        next_step = "Take it out; an object store finds its login in the environment or in its own files."
    elif parts.query or parts.fragment:
        problem = "goes on after the path, so no file name can follow it"
    elif web and (not parts.hostname or not port_is_good):
        problem = "names no machine"
    if problem:
        # The URL itself is not repeated here: it may hold the secret.
        raise RackbenchError(
            "unknown_option", f"The {parts.scheme} URL of the bundle cache {problem}.", next_step=next_step
        )


def shared_directory(location: str) -> Path:
    """Return the directory that a cache is. Raises `RackbenchError` (cache_unreachable) when it is not there.

    Perhaps it is not mounted: to say nothing would look as if it were empty.
    """
    # `Path.is_dir` raises for a directory that lies where nobody may look.
    if not os.path.isdir(location):  # noqa: PTH112
        raise RackbenchError(
            "cache_unreachable",
            f"The bundle cache {location} is no directory on this machine.",
            where=location,
            next_step="Mount it, or correct lab_bundle_cache.",
        )
    return Path(location)


class DirectoryCache:
    """A directory that is mounted here."""

    remote = False

    def __init__(self, location: str) -> None:
        self.location = location

    def listed(self) -> list[Listed]:
        """Return the bundles of the directory. Raises `RackbenchError` (cache_unreachable) when it is not there."""
        return list_bundles([shared_directory(self.location)])

    def fetch(self, listed: Listed) -> Path:
        """Return the tarball: it is here."""
        return listed.tarball


class RemoteCache:
    """A cache that is read by its index, which is asked for once."""

    remote = True

    def __init__(
        self,
        location: str,
        remote: Remote,
        downloads: Path,
        patience: Patience,
        digest: Callable[[Path], str],
    ) -> None:
        self.location = location
        self._remote, self._downloads, self._patience, self._digest = remote, downloads, patience, digest
        self._known: tuple[list[Listed], dict[Path, IndexEntry]] | None = None
        # A server that was down once is not asked again for the next benchmark: each time costs all attempts.
        self._failure: RackbenchError | None = None

    def listed(self) -> list[Listed]:
        """Return the bundles of the index; those that cannot be used with the reason.

        Raises `RackbenchError`: cache_unreachable, cache_refused (what came is no index).
        """
        return list(self._index()[0])

    def fetch(self, listed: Listed) -> Path:
        """Bring a bundle here, unless it is here; of one that is here nothing is asked for.

        Raises `RackbenchError`: cache_unreachable, cache_refused (other bytes came), cache_unwritable.
        """
        entry = self._index()[1].get(listed.tarball)
        if entry is None:
            reason = listed.reason or f"its index does not name {listed.tarball.name}"
            raise RackbenchError(
                "cache_refused", f"The bundle cache {self.location}: {reason}.", where=self.location
            )
        tarball = listed.tarball
        wanted = Wanted(entry.file, entry.sidecar.size, entry.sidecar.sha256)
        try:
            # The documents come first: when they are wrong, the large file is not asked for.
            documents = None if _documents_are_good(tarball, entry) else self._documents(entry)
            if not is_good(tarball, wanted, self._digest):
                part = self._downloads / f"{wanted.sha256}.part"
                download(self._remote, wanted, part, tarball, self._patience)
            if documents:
                _write_documents(tarball, *documents)
        except OSError as error:
            raise unwritable(self._downloads, error) from error
        return tarball

    def _index(self) -> tuple[list[Listed], dict[Path, IndexEntry]]:
        if self._failure:
            raise self._failure
        if self._known is None:
            try:
                content = read_small(self._remote, INDEX_NAME, _INDEX_LIMIT, self._patience)
            except RackbenchError as error:
                self._failure = error
                raise
            found: list[Listed] = []
            entries: dict[Path, IndexEntry] = {}
            for one in read_index(content, self._remote.url(INDEX_NAME)):
                if isinstance(one, IndexEntry):
                    tarball = self._downloads / one.sidecar.sha256 / one.file
                    entries[tarball] = one
                    found.append(Listed(tarball, one.sidecar, None))
                else:
                    found.append(Listed(self._downloads / _harmless(one[0]), None, one[1]))
            self._known = sorted(found, key=order), entries
        return self._known

    def _documents(self, entry: IndexEntry) -> tuple[bytes, bytes | None]:
        """Return the sidecar and the signature as the cache has them. The bytes of the sidecar are what is signed."""
        name = entry.file + SIDECAR_SUFFIX
        sidecar = read_small(self._remote, name, _SIDECAR_LIMIT, self._patience)
        if _as_sidecar(sidecar) != entry.sidecar:
            raise self._differs(name)
        if entry.signature is None:
            return sidecar, None
        name += SIGNATURE_SUFFIX
        signature = read_small(self._remote, name, _SIGNATURE_LIMIT, self._patience)
        if hashlib.sha256(signature).hexdigest() != entry.signature:
            raise self._differs(name)
        return sidecar, signature

    def _differs(self, name: str) -> RackbenchError:
        url = self._remote.url(name)
        return RackbenchError(
            "cache_refused",
            f"{url} is not what the index of the cache says.",
            where=url,
            next_step="Let whoever keeps the cache write its index again, with `rackbench bundle build`.",
        )


def _as_sidecar(content: bytes) -> Sidecar | None:
    try:
        return Sidecar.model_validate(json.loads(content))
    except (ValueError, RecursionError, ValidationError):
        return None


def _documents_are_good(tarball: Path, entry: IndexEntry) -> bool:
    """Say whether sidecar and signature are here as the index has them."""
    signature = signature_path(tarball)
    try:
        digest = sha256_of(signature) if signature.exists() else None
        return _as_sidecar(sidecar_path(tarball).read_bytes()) == entry.sidecar and digest == entry.signature
    except FileNotFoundError:
        return False


def _write_documents(tarball: Path, sidecar: bytes, signature: bytes | None) -> None:
    write_atomic(sidecar_path(tarball), sidecar)
    if signature is None:
        signature_path(tarball).unlink(missing_ok=True)
    else:
        write_atomic(signature_path(tarball), signature)


def _harmless(name: str) -> str:
    """Return a file name for what must not become one; it is shown and never opened."""
    last = re.sub(r"[^A-Za-z0-9._+-]", "_", PurePosixPath(name).name)[:100]
    return f"{last.lstrip('.').removesuffix(TARBALL_SUFFIX) or 'unnamed'}{TARBALL_SUFFIX}"
