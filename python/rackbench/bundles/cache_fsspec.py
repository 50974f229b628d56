# SPDX-License-Identifier: Apache-2.0
"""A bundle cache in an object store, or in whatever else fsspec reads."""

from __future__ import annotations

from contextlib import contextmanager
from typing import TYPE_CHECKING, Any

from rackbench.bundles.cache_download import Patience, Reply
from rackbench.errors import RackbenchError

if TYPE_CHECKING:
    from collections.abc import Iterator

# One request each; as much is held in memory.
_RANGE = 8 << 20


class ObjectStore:
    """The files below an fsspec URL. Login and endpoint are where the store's own tools look for them."""

    def __init__(self, location: str, patience: Patience) -> None:
        self._location = location.rstrip("/")
        scheme = location.partition("://")[0]
        try:
            import fsspec

            fsspec.get_filesystem_class(scheme)
        except ImportError as error:
            raise RackbenchError(
                "unknown_option",
                f"The bundle cache {location} needs a Python package that is missing: {error}.",
                where=location,
                next_step="Install what reads object stores.",
                next_command="pip install 'rackbench[object-store]'",
            ) from error
        except ValueError as error:
            raise RackbenchError(
                "unknown_option",
                f"Nothing reads bundle caches of the kind {scheme}:// ({location}).",
                where=location,
                next_step="Name a directory, a web server, or an object store such as s3://bucket/prefix.",
            ) from error
        self._files, self._root = _open(location, _options(scheme, patience))

    def url(self, name: str) -> str:
        """Return how messages call a file."""
        return f"{self._location}/{name}"

    @contextmanager
    def open(self, name: str, start: int, tag: str | None) -> Iterator[Reply]:
        """Ask for a file from `start` on, as `Remote` says; its size is asked for before.

        The store's own client has tried again already when it fails, so every failure is final.
        """
        path = f"{self._root}/{name}"
        try:
            size = self._files.info(path)["size"]
        except Exception as error:
            raise self._unreachable(name, error) from error
        # A file that shrank meanwhile begins anew, and is found to be another one by its size.
        yield Reply(start if start <= size else 0, size, tag, self._blocks(name, path, start, size))

    def _blocks(self, name: str, path: str, start: int, size: int) -> Iterator[bytes]:
        for position in range(start, size, _RANGE):
            try:
                end = min(position + _RANGE, size)
                block: bytes = self._files.cat_file(path, start=position, end=end)
            except Exception as error:
                raise self._unreachable(name, error) from error
            yield block

    def _unreachable(self, name: str, error: Exception) -> RackbenchError:
        url = self.url(name)
        reason = (
            "it is not there"
            if isinstance(error, FileNotFoundError)
            else f"{type(error).__name__}: {str(error).rstrip('.')}"
        )
        return RackbenchError("cache_unreachable", f"{url} could not be fetched: {reason}.", where=url)


def _options(scheme: str, patience: Patience) -> dict[str, Any]:
    if scheme not in {"s3", "s3a"}:
        return {}
    # Its own limits are a minute per connection, and five tries of five tries.
    limits = {
        "connect_timeout": patience.connect_s,
        "read_timeout": patience.read_s,
        "retries": {"max_attempts": 1},
    }
    return {"config_kwargs": limits}


def _open(location: str, options: dict[str, Any]) -> tuple[Any, str]:
    import fsspec.core

    try:
        files, root = fsspec.core.url_to_fs(location, skip_instance_cache=True, **options)
    except Exception as error:
        raise RackbenchError(
            "cache_unreachable", f"The bundle cache {location} cannot be opened: {error}.", where=location
        ) from error
    return files, str(root).rstrip("/")
