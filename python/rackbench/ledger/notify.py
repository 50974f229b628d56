# SPDX-License-Identifier: Apache-2.0
"""Telling a web server of our users that a run finished, failed or stalls: once for each change, and never in the way.

The address may hold a token, so it is in no message and no record: a failure is told in our own words only. Everything
that a delivery needs is imported here and not by its thread, for a process that is forked meanwhile would wait for ever
for an import that nobody ends.
"""

from __future__ import annotations

import encodings.idna  # noqa: F401 - see above; the lookup of a name imports it
import json
import os
import socket
import ssl
import threading
import time
import urllib.request
from dataclasses import dataclass, field
from http import HTTPStatus
from http.client import HTTPException
from typing import TYPE_CHECKING, Any
from urllib.error import HTTPError, URLError
from urllib.parse import urlsplit

from rackbench import __version__, clock
from rackbench.errors import GOOD, INTERRUPTED

if TYPE_CHECKING:
    from collections.abc import Mapping

    from rackbench.ledger.recorder import Recorder

SCHEMA = "rackbench.notification/1.0"
FINISHED, FAILED, STALLED = "finished", "failed", "stalled"
# A delivery has this long for all of its attempts, and one attempt half of it.
LIMIT_S = 10.0
ATTEMPTS = 2
PAUSE_S = 1.0
# Seconds between two looks at a run that is open; a heartbeat is stale after 15 s at the soonest.
LOOK_S = 5.0

_SCHEMES = frozenset({"http", "https"})
_MAY_PASS = frozenset({HTTPStatus.REQUEST_TIMEOUT, HTTPStatus.TOO_MANY_REQUESTS})
NO_URL = "The address of the webhook is no http or https URL that can be used."
NO_ANSWER = f"No answer came within {LIMIT_S:.0f} s."


def event_of(status: Mapping[str, Any]) -> str | None:
    """Return what is to be told of a run with this status document, or None."""
    if status["closed_at"] is not None:
        return FINISHED if status["exit_status"] in {GOOD, INTERRUPTED} else FAILED
    return STALLED if status["monitoring"]["state"] == "stalled" else None


def notification(event: str, status: Mapping[str, Any]) -> dict[str, Any]:
    """Return what the server is sent."""
    primary = status["alerts"]["primary"]
    return {
        "schema": SCHEMA,
        "event": event,
        **{name: status[name] for name in ("run_id", "host", "run_dir", "state", "exit_status")},
        "summary": status["monitoring"]["summary"],
        "alert": {name: primary[name] for name in ("code", "message")} if primary else None,
        "next_command": primary["next_command"] if primary else None,
    }


class _NoRedirect(urllib.request.HTTPRedirectHandler):
    """Refuses to go elsewhere with what may be a token: the redirect is an answer like any other."""

    def redirect_request(self, *_args: Any, **_kwargs: Any) -> None:
        return None


def deliver(address: str, body: Mapping[str, Any], limit_s: float = LIMIT_S) -> str | None:
    """Send a notification; return why it was not delivered, or None. The reason does not hold the address."""
    deadline = clock.monotonic() + limit_s
    try:
        if urlsplit(address).scheme not in _SCHEMES:
            return NO_URL
        request = urllib.request.Request(  # noqa: S310 - the scheme was looked at
            address,
            data=json.dumps(body).encode(),
            headers={"Content-Type": "application/json", "User-Agent": f"rackbench/{__version__}"},
        )
    except ValueError:
        return NO_URL
    opener = urllib.request.build_opener(_NoRedirect)
    for attempt in range(1, ATTEMPTS + 1):
        left = deadline - clock.monotonic()
        if left <= 0:
            break
        reason, may_pass = _attempt(opener, request, min(left, limit_s / ATTEMPTS))
        if reason is None or not may_pass or attempt == ATTEMPTS:
            return reason
        time.sleep(min(PAUSE_S, max(0.0, deadline - clock.monotonic())))
    return NO_ANSWER


def _attempt(
    opener: urllib.request.OpenerDirector, request: urllib.request.Request, timeout_s: float
) -> tuple[str | None, bool]:
    """Send a request once; return why it failed, or None, and whether that may pass by itself."""
    try:
        with opener.open(request, timeout=timeout_s):
            return None, False
    except HTTPError as error:
        code = error.code
        error.close()
        if HTTPStatus.MULTIPLE_CHOICES <= code < HTTPStatus.BAD_REQUEST:
            return f"The server answered {code}, a redirect, and those are not followed.", False
        return f"The server answered {code}.", code >= HTTPStatus.INTERNAL_SERVER_ERROR or code in _MAY_PASS
    except URLError as error:
        return _in_words(error.reason), True
    except OSError as error:
        return _in_words(error), True
    except (HTTPException, ValueError, UnicodeError) as error:
        # What the library says of an address that it cannot use quotes it.
        sent = isinstance(error, HTTPException) and type(error).__name__ != "InvalidURL"
        return ("The server's answer is no HTTP." if sent else NO_URL), sent


def _in_words(cause: object) -> str:
    """Return a failed connection in our own words; the text of the cause may name the address."""
    if isinstance(cause, TimeoutError):
        return "The server did not answer in time."
    if isinstance(cause, socket.gaierror):
        return "The name of the server cannot be resolved."
    if isinstance(cause, ssl.SSLError):
        return "The server's TLS certificate or protocol is not accepted."
    if isinstance(cause, OSError) and cause.errno:
        return f"The connection failed: {os.strerror(cause.errno)}."
    return "The connection failed."


@dataclass
class Delivery:
    """A notification on its way."""

    recorder: Recorder
    event: str
    body: dict[str, Any]
    began: float = field(default_factory=clock.monotonic)
    reason: str | None = NO_ANSWER
    thread: threading.Thread | None = None

    @property
    def is_over(self) -> bool:
        """Return whether there is nothing to wait for any more."""
        return self.thread is not None and not self.thread.is_alive()


class _Watched:
    """A run that is watched: what was told of it last, and where it was looked at last."""

    def __init__(self, recorder: Recorder) -> None:
        self.recorder = recorder
        self.told: str | None = None
        self.looked = float("-inf")
        self.seen: Any = None

    def is_due(self, now_mono: float) -> bool:
        """Return whether something may have changed: a closed run by its records only, an open one by its silence."""
        if self.recorder.is_open:
            return now_mono - self.looked >= LOOK_S
        return bool(self.recorder.state.last != self.seen)


class Notifier:
    """Watches runs and tells of them, each delivery in a thread of its own. One thread at a time may call it."""

    def __init__(self, address: str) -> None:
        """Tell the server at this address."""
        self._address = address
        self._watched: list[_Watched] = []
        self._open: list[Delivery] = []

    def watch(self, recorder: Recorder) -> None:
        """Tell of this run from now on; of a dry run nobody is told."""
        if not recorder.state.check:
            self._watched.append(_Watched(recorder))

    def look(self, now_mono: float) -> None:
        """Begin to tell of every run that changed since it was looked at."""
        for run in list(self._watched):
            if not run.is_due(now_mono):
                continue
            run.looked, run.seen = now_mono, dict(run.recorder.state.last or {})
            status = run.recorder.status()
            event = event_of(status)
            if event is not None and event != run.told:
                self._begin(Delivery(run.recorder, event, notification(event, status)))
            run.told = event

    def _begin(self, delivery: Delivery) -> None:
        def work() -> None:
            try:
                delivery.reason = deliver(self._address, delivery.body)
            except Exception as error:  # noqa: BLE001 - a traceback of this thread would show the address
                delivery.reason = f"The delivery failed: {type(error).__name__}."

        delivery.thread = threading.Thread(target=work, name="rackbench-webhook", daemon=True)
        self._open.append(delivery)
        delivery.thread.start()

    def ended(self) -> list[Delivery]:
        """Return the deliveries that came to an end since the last call."""
        over = [delivery for delivery in self._open if delivery.is_over]
        self._open = [delivery for delivery in self._open if delivery not in over]
        return over

    def wait(self) -> list[Delivery]:
        """Wait for what is on its way, as long as it may take, and return it; what is not delivered then is lost."""
        for delivery in self._open:
            if delivery.thread is not None:
                delivery.thread.join(max(0.0, delivery.began + LIMIT_S - clock.monotonic()))
        found, self._open = self._open, []
        return found
