"""The layers that note every request, from outside to inside: (ASGI application, host) -> one around it.

A request gets an id, which is answered as X-Request-ID; when its answer is handed over it is counted, logged and, where
that is wanted, traced.
"""

import asyncio
import contextlib
from collections.abc import Callable
from typing import TYPE_CHECKING, Any

from wordsight.serve.repeating import repeated
from wordsight.serve.watched.figures import figures, note_request
from wordsight.serve.watched.log import RequestLog, now, server_messages, shortened
from wordsight.serve.watched.notes import RequestNotes, clock, identity_of, noting
from wordsight.serve.watched.states import EVERY, note_states
from wordsight.serve.watched.stopping import marking_stops
from wordsight.serve.watched.traces import Tracer, tracer_of

if TYPE_CHECKING:
    from wordsight.serve.hosting.host import Host

UNMATCHED = "unmatched"  # the route of what is nowhere
CLIENT_GONE = 499


class _Watch:
    """One request on its way: what went in and out."""

    __slots__ = ("notes", "received", "send", "sent", "status", "take")

    def __init__(self, notes: RequestNotes, take: Any, send: Any) -> None:
        self.notes, self.take, self.send = notes, take, send
        self.status = self.received = self.sent = 0

    async def receive(self) -> Any:
        message = await self.take()
        if message["type"] == "http.request":
            self.received += len(message.get("body", b""))
        return message

    async def pass_on(self, message: Any) -> None:
        if message["type"] == "http.response.start":
            self.status = message["status"]
            header = (b"x-request-id", self.notes.identity.encode("ascii"))
            message = {**message, "headers": [*message.get("headers", ()), header]}
        elif message["type"] == "http.response.body":
            self.sent += len(message.get("body", b""))
        await self.send(message)


def watched(app: Any, host: "Host") -> Any:
    """Note every request of an application."""
    settings = host.settings.watch
    log = RequestLog(form=settings.log, queries=settings.queries)
    tracer = tracer_of(settings)
    in_flight = figures().in_flight

    async def watching(scope: Any, receive: Any, send: Any) -> None:
        if scope["type"] == "lifespan":
            async with _running(host, log, tracer):
                await app(scope, receive, send)
            return
        given = next((value for name, value in scope["headers"] if name == b"x-request-id"), b"")
        watch = _Watch(RequestNotes(identity_of(given)), receive, send)
        in_flight.inc()
        try:
            with noting(watch.notes):
                await app(scope, watch.receive, watch.pass_on)
        except asyncio.CancelledError:
            watch.status = watch.status or CLIENT_GONE
            raise
        finally:
            in_flight.dec()
            _note(scope, watch, log, tracer)

    return watching


def _note(scope: Any, watch: _Watch, log: RequestLog, tracer: Tracer | None) -> None:
    """Count, log and trace a request that is over."""
    own, ended = watch.notes, clock()
    status = watch.status or 500
    route = own.route or UNMATCHED
    note_request(
        scope["method"], route, status, seconds=(ended - own.begun) / 1e9, received=watch.received, sent=watch.sent
    )
    trace = "" if tracer is None else tracer.note(scope, own, route=route, status=status, ended=ended)
    if log.form == "off":
        return
    entry = {
        "time": now(),
        "id": own.identity,
        "method": scope["method"],
        "route": route,
        "status": status,
        "ms": round((ended - own.begun) / 1e6, 3),
        "queue_ms": own.milliseconds("queue"),
        "engine_ms": own.milliseconds("engine"),
        "decode_ms": own.milliseconds("decode"),
        "library_ms": own.milliseconds("library"),
        "bytes_in": watch.received,
        "bytes_out": watch.sent,
        "key": getattr(scope.get("wordsight.asker"), "name", ""),
        "client": (scope.get("client") or ("",))[0],
        "error": own.error,
        "trace": trace,
    }
    if log.queries:
        query = scope["query_string"].decode("latin-1")
        entry["path"] = scope["path"] + (f"?{query}" if query else "")
        entry["problem"] = own.problem
        entry["asked"] = None if own.asked is None else shortened(own.asked)
    log.write(entry)


@contextlib.asynccontextmanager
async def _running(host: "Host", log: RequestLog, tracer: Tracer | None) -> Any:
    """Note what belongs to the whole time that a process answers."""
    with server_messages(log), marking_stops(host):
        try:
            async with repeated(EVERY, lambda: note_states(host)):
                yield
        finally:
            if tracer is not None:
                await asyncio.to_thread(tracer.close)


LAYERS: tuple[Callable[[Any, Any], Any], ...] = (watched,)
