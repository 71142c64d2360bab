"""Connections that are too many, too slow or too large in their headers: watched where they come in.

    uvicorn.Config(app, http=ConnectionGuard(limits), ...)

A request that never ends costs its sender nothing and us a connection.  Each connection is looked at once a second:
headers have a time, bodies and the reading of answers a least speed.  What is refused here is answered before the
application sees it.  Stands around uvicorn's own protocol, which parses; knows nothing of routes and keys.
"""

import asyncio
import ipaddress
import json
import logging
import time
from collections import Counter
from functools import lru_cache
from typing import Any

import httptools
from uvicorn.protocols.http.httptools_impl import HttpToolsProtocol

from wordsight.serve.route import own_shape
from wordsight.serve.safety.layers import HEADERS
from wordsight.serve.safety.settings import ConnectionLimits

TICK = 1.0
_log = logging.getLogger("wordsight.serve.connections")
_log.setLevel(logging.ERROR)  # what a client sends is no reason to write a line: it would fill a disk
TRUSTED = ("127.0.0.1", "::1")  # this machine
_PHRASES = {
    400: "Bad Request",
    408: "Request Timeout",
    431: "Request Header Fields Too Large",
    503: "Service Unavailable",
}


class ConnectionGuard:
    """Makes the protocol of each connection of a process, and watches all; `trusted` addresses are not counted."""

    def __init__(self, limits: ConnectionLimits, *, trusted: tuple[str, ...] = TRUSTED) -> None:
        self.limits = limits
        self._trusted = trusted
        self._open: set[GuardedConnection] = set()
        self._of_address: Counter[str] = Counter()
        self._watching: asyncio.TimerHandle | None = None

    def __call__(self, **options: Any) -> "GuardedConnection":
        """Return the protocol of a new connection; uvicorn calls this where it would make its own."""
        return GuardedConnection(self, HttpToolsProtocol(**options), asyncio.get_running_loop())

    def problem(self, client: str) -> str:
        """Return why one more connection of a client is not kept, "" where it is."""
        if len(self._open) >= self.limits.total:
            return f"{len(self._open)} connections are open"
        if client not in self._trusted and self._of_address[_network(client)] >= self.limits.of_one_address:
            return f"{self.limits.of_one_address} connections of your address are open"
        return ""

    def add(self, connection: "GuardedConnection") -> None:
        """Watch a connection."""
        self._open.add(connection)
        self._of_address[_network(connection.client)] += 1
        if self._watching is None:
            self._watching = connection.loop.call_later(TICK, self._watch)

    def drop(self, connection: "GuardedConnection") -> None:
        """Forget a connection that has ended."""
        self._open.discard(connection)
        network = _network(connection.client)
        self._of_address[network] -= 1
        if not self._of_address[network]:
            del self._of_address[network]

    def _watch(self) -> None:
        connections, now = list(self._open), time.monotonic()
        self._watching = connections[0].loop.call_later(TICK, self._watch) if connections else None
        for connection in connections:
            try:
                connection.check(now)
            except Exception:  # noqa: BLE001  (the others are looked at all the same)
                _log.exception("a connection that cannot be looked at is ended")
                connection.abort()


class GuardedConnection(asyncio.Protocol):
    """One connection: what comes is handed to `inner`, and noted."""

    def __init__(self, guard: ConnectionGuard, inner: Any, loop: asyncio.AbstractEventLoop) -> None:
        self.loop = loop
        self.client = ""
        self._guard = guard
        self._limits = guard.limits
        self._inner = inner
        self._transport: Any = None
        self._ended = False  # nothing more is read
        now = time.monotonic()
        self._last = now  # when something came
        self._heading: float | None = now  # since when headers are awaited; None while none are
        self._header_bytes = 0
        self._received = 0
        self._body = _Window(now, 0)
        self._unread: _Window | None = None
        self._answered: float | None = None
        inner.logger = _log
        inner.send_400_response = self._refuse_unreadable
        inner.parser = _parser(inner)

    def connection_made(self, transport: Any) -> None:
        """Keep the connection, or answer 503 and end it."""
        self._transport = transport
        peer = transport.get_extra_info("peername")
        self.client = str(peer[0]) if isinstance(peer, tuple) else ""
        if problem := self._guard.problem(self.client):
            self._ended = True
            transport.write(_refusal(503, problem, "close some, or ask again later"))
            transport.close()
            return
        self._guard.add(self)
        self._inner.connection_made(transport)

    def data_received(self, data: bytes) -> None:
        """Hand on what came; refuse headers that do not end."""
        if self._ended:
            return
        inner, before = self._inner, self._inner.cycle
        self._last = time.monotonic()
        self._received += len(data)
        awaited = before is None or not before.more_body
        inner.data_received(data)
        cycle = inner.cycle
        if cycle is not before:
            self._heading, self._header_bytes, self._answered = None, 0, None
            self._body = _Window(self._last, self._received)
        elif awaited and not self._ended:
            self._header_bytes += len(data)
            if self._heading is None:
                self._heading = self._last
            if self._header_bytes > self._limits.header_bytes:
                self._refuse(431, f"headers of more than {self._limits.header_bytes:,} bytes", "send less")

    def eof_received(self) -> None:
        """Let the other side end."""
        self._inner.eof_received()

    def connection_lost(self, exc: Exception | None) -> None:
        """Forget the connection."""
        if self._inner.transport is not None:
            self._guard.drop(self)
            self._inner.connection_lost(exc)
        vars(self._inner).pop("send_400_response", None)  # no circle is left that only the collector would see
        self._ended = True

    def pause_writing(self) -> None:
        """The other side does not read."""
        if self._inner.flow is not None:
            self._inner.pause_writing()

    def resume_writing(self) -> None:
        """The other side reads again."""
        if self._inner.flow is not None:
            self._inner.resume_writing()

    def abort(self) -> None:
        """End the connection at once."""
        self._transport.abort()

    def check(self, now: float) -> None:
        """End what has become too slow."""
        if self._is_stuck(now):
            self.abort()
            return
        if self._transport.is_closing():
            return
        cycle = self._inner.cycle
        if cycle is not None and cycle.response_complete:
            self._answered = self._answered or now
        if cycle is None or (cycle.response_complete and not cycle.more_body):
            self._check_headers(now)
        elif self._answered is not None:
            if now - self._answered > self._limits.linger:
                self.abort()
        elif cycle.more_body:
            self._check_body(now, cycle)

    def _is_stuck(self, now: float) -> bool:
        """Return whether the other side has stopped to read what it asked for."""
        waiting = self._transport.get_write_buffer_size()
        window, self._unread = self._unread, None
        if not waiting:
            return False
        if window is None or waiting > window.moved:
            window = _Window(now, waiting)
        elif now - window.since > self._limits.window:
            if window.moved - waiting < self._limits.rate * self._limits.window:
                return True
            window = _Window(now, waiting)
        self._unread = window
        return False

    def _check_headers(self, now: float) -> None:
        if self._heading is not None and now - self._heading > self._limits.header_seconds:
            if self._received and self._header_bytes:
                seconds = self._limits.header_seconds
                self._refuse(408, f"headers that did not end within {seconds:g} s", "send them at once")
            else:
                self._transport.close()
        elif now - max(self._last, self._answered or 0.0) > self._limits.idle:
            self._transport.close()

    def _check_body(self, now: float, cycle: Any) -> None:
        if self._inner.flow.read_paused or cycle.waiting_for_100_continue:
            self._body = _Window(now, self._received)  # it is us who are awaited
        elif now - self._body.since > self._limits.window:
            if self._received - self._body.moved < self._limits.rate * self._limits.window:
                self._refuse(408, f"a body of less than {self._limits.rate:g} bytes a second", "send it faster")
            self._body = _Window(now, self._received)

    def _refuse_unreadable(self, message: str) -> None:
        self._refuse(400, "what came is no HTTP request", "send HTTP/1.1")

    def _refuse(self, status: int, problem: str, cure: str) -> None:
        """Answer, unless an answer has begun, and end the connection."""
        if self._ended:
            return
        self._ended = True
        cycle = self._inner.cycle
        if cycle is not None and cycle.response_started and not cycle.response_complete:
            self.abort()
            return
        self._transport.write(_refusal(status, problem, cure))
        if cycle is not None and not cycle.response_complete:
            cycle.disconnected = True  # what the application still answers is not sent behind this
            cycle.message_event.set()
        self._transport.close()


class _Callbacks:
    """What the parser calls: `inner`, but for headers behind a body, which nobody has checked and nobody gets."""

    def __init__(self, inner: Any) -> None:
        self._inner = inner
        self._headed = False
        self.on_url = inner.on_url
        self.on_body = inner.on_body
        self.on_message_complete = inner.on_message_complete

    def on_message_begin(self) -> None:
        self._headed = False
        self._inner.on_message_begin()

    def on_header(self, name: bytes, value: bytes) -> None:
        if not self._headed:
            self._inner.on_header(name, value)

    def on_headers_complete(self) -> None:
        self._headed = True
        if not self._inner.url.startswith(b"/"):
            self._inner.scope["wordsight.absolute"] = True
        self._inner.on_headers_complete()


def _parser(inner: Any) -> httptools.HttpRequestParser:
    parser = httptools.HttpRequestParser(_Callbacks(inner))
    if hasattr(parser, "set_dangerous_leniencies"):  # what follows `Connection: close` is ignored, not an error
        parser.set_dangerous_leniencies(lenient_data_after_close=True)
    return parser


class _Window:
    """Since when bytes are counted, and from what count."""

    __slots__ = ("moved", "since")

    def __init__(self, since: float, moved: int) -> None:
        self.since = since
        self.moved = moved


@lru_cache(64)
def _refusal(status: int, problem: str, cure: str) -> bytes:
    body = json.dumps(own_shape(status, problem, cure)).encode()
    headers = [*HEADERS, (b"content-type", b"application/json"), (b"content-length", str(len(body)).encode())]
    headers += [(b"cache-control", b"no-store"), (b"connection", b"close")]
    headers += [(b"retry-after", b"5")] if status == 503 else []
    lines = [f"HTTP/1.1 {status} {_PHRASES[status]}".encode(), *(name + b": " + value for name, value in headers)]
    return b"\r\n".join(lines) + b"\r\n\r\n" + body


@lru_cache(1024)
def _network(client: str) -> str:
    """Return what counts as one address: of IPv6 the network of 64 bits, which one subscriber has."""
    try:
        address = ipaddress.ip_address(client.partition("%")[0])
    except ValueError:
        return client
    return client if address.version == 4 else str(ipaddress.ip_network((address, 64), strict=False))
