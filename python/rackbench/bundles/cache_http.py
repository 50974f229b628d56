# SPDX-License-Identifier: Apache-2.0
"""A bundle cache on a web server: any server over a directory of bundles with its index."""

from __future__ import annotations

import re
import ssl
from contextlib import contextmanager
from http import HTTPStatus
from typing import TYPE_CHECKING
from urllib.parse import quote, urljoin, urlsplit

from urllib3 import PoolManager, Timeout
from urllib3.exceptions import HTTPError, SSLError

from rackbench import __version__
from rackbench.bundles.cache_download import LostError, Patience, Reply
from rackbench.errors import RackbenchError

if TYPE_CHECKING:
    from collections.abc import Iterator

    from urllib3.response import BaseHTTPResponse

_REDIRECTS = (301, 302, 303, 307, 308)
_MOST_REDIRECTS = 5
_MAY_PASS = (HTTPStatus.REQUEST_TIMEOUT, HTTPStatus.TOO_MANY_REQUESTS)
# What a broken connection loses at most of what had come.
_BLOCK = 128 << 10
_CONTENT_RANGE = re.compile(r"bytes (\d+)-\d+/(\d+|\*)")


class WebServer:
    """The files below a URL."""

    def __init__(self, location: str, patience: Patience) -> None:
        self._root = location.rstrip("/")
        # The default context takes the machine's CAs, or those of SSL_CERT_FILE and SSL_CERT_DIR.
        self._pool = PoolManager(
            retries=False,
            timeout=Timeout(connect=patience.connect_s, read=patience.read_s),
            ssl_context=ssl.create_default_context(),
            headers={"Accept-Encoding": "identity", "User-Agent": f"rackbench/{__version__}"},
        )

    def url(self, name: str) -> str:
        """Return the address of a file."""
        return f"{self._root}/{quote(name)}"

    @contextmanager
    def open(self, name: str, start: int, tag: str | None) -> Iterator[Reply]:
        """Ask for a file from `start` on, as `Remote` says."""
        headers = {"Range": f"bytes={start}-"} if start else {}
        if start and tag:
            headers["If-Range"] = tag
        response = self._get(name, headers)
        try:
            if response.status == HTTPStatus.REQUESTED_RANGE_NOT_SATISFIABLE and start:
                # The file is shorter than what we have of it: ask for the whole, and see.
                response.close()
                response = self._get(name, {})
            yield self._reply(name, response, start)
        finally:
            # What was not read is not waited for.
            response.close()

    def _get(self, name: str, headers: dict[str, str]) -> BaseHTTPResponse:
        url = self.url(name)
        for _redirect in range(_MOST_REDIRECTS + 1):
            try:
                response = self._pool.request(
                    "GET",
                    url,
                    headers={**self._pool.headers, **headers},
                    preload_content=False,
                    redirect=False,
                )
            except SSLError as error:
                raise self._tls_error(name, error) from error
            except HTTPError as error:
                raise LostError(f"the request failed: {error}") from error
            if response.status not in _REDIRECTS:
                return response
            response.close()
            url = self._redirected(name, url, response.headers.get("Location", ""))
        raise self._unreachable(name, f"it was redirected more than {_MOST_REDIRECTS} times")

    def _redirected(self, name: str, url: str, location: str) -> str:
        there = urljoin(url, location)
        scheme = urlsplit(there).scheme
        if scheme not in {"http", "https"} or (url.startswith("https:") and scheme == "http"):
            raise self._unreachable(name, f"it was redirected from {urlsplit(url).scheme} to {scheme}")
        return there

    def _reply(self, name: str, response: BaseHTTPResponse, start: int) -> Reply:
        status = response.status
        if status >= HTTPStatus.INTERNAL_SERVER_ERROR or status in _MAY_PASS:
            wait = response.headers.get("Retry-After", "")
            raise LostError(f"it answered {_words(status)}", float(wait) if wait.isdecimal() else 0.0)
        tag = response.headers.get("ETag")
        if not tag or tag.startswith("W/"):
            tag = response.headers.get("Last-Modified")
        if status == HTTPStatus.PARTIAL_CONTENT:
            found = _CONTENT_RANGE.fullmatch(response.headers.get("Content-Range", ""))
            if not found or int(found[1]) != start:
                raise self._unreachable(name, "it sent another range than the one that was asked for")
            total = None if found[2] == "*" else int(found[2])
            return Reply(start, total, tag, _blocks(response))
        if status != HTTPStatus.OK:
            raise self._unreachable(name, f"it answered {_words(status)}")
        length = response.headers.get("Content-Length", "")
        return Reply(0, int(length) if length.isdecimal() else None, tag, _blocks(response))

    def _tls_error(self, name: str, error: SSLError) -> Exception:
        cause = error.args[0] if error.args else None
        if not isinstance(cause, ssl.SSLCertVerificationError):
            return LostError(f"the TLS connection failed: {error}")
        return self._unreachable(
            name,
            f"its certificate is not trusted ({cause.verify_message})",
            next_step="Give the file of its CA in the environment variable SSL_CERT_FILE.",
        )

    def _unreachable(self, name: str, reason: str, next_step: str | None = None) -> RackbenchError:
        url = self.url(name)
        return RackbenchError(
            "cache_unreachable", f"{url} could not be fetched: {reason}.", where=url, next_step=next_step
        )


def _blocks(response: BaseHTTPResponse) -> Iterator[bytes]:
    try:
        # As they are: a tar.gz that a server calls gzip-encoded is not unpacked.
        yield from response.stream(_BLOCK, decode_content=False)
    except HTTPError as error:
        raise LostError(f"the connection broke: {error}") from error


def _words(status: int) -> str:
    try:
        return f"{status} {HTTPStatus(status).phrase}"
    except ValueError:
        return str(status)
