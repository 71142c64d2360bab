"""One line a request on standard error, as JSON or as text; the server's own messages in the same form.

    log = RequestLog(form="json", queries=False)
    log.write({"time": now(), "method": "GET", "route": "/health", "status": 200})

A line is written whole, is never longer than what a pipe takes in one go, and is left out, and counted, where nobody
reads.  Whatever a request brings can neither end a line nor begin one: JSON escapes it, and text escapes all that is
not printable.  Without `queries` no body, no text and no address of a request is in it, and no message of an unexpected
exception, only where it came from.
"""

import contextlib
import json
import logging
import os
import select
import sys
import time
import traceback
from collections.abc import Iterator, Mapping
from functools import lru_cache
from typing import Any, Literal

import msgspec
import orjson

from wordsight.serve.watched.figures import figures
from wordsight.serve.watched.notes import notes

LogForm = Literal["json", "text", "off", ""]
LOGGERS = ("wordsight.serve", "uvicorn", "asyncio")
LINE = 4096  # bytes that a pipe takes whole or not at all
LONG = ("asked", "path", "trace", "problem", "message")  # left out of a line that is too long
TEXT, LIST, MESSAGE = (
    200,
    20,
    1500,
)  # letters of a text, entries of a list, that are logged of what was asked; of a message
FRAMES = 12


class RequestLog:
    """Writes lines; `form` "" is text on a terminal and JSON elsewhere."""

    def __init__(self, *, form: LogForm, queries: bool) -> None:
        self.form = form or ("text" if sys.stderr is not None and sys.stderr.isatty() else "json")
        self.queries = queries
        self._writer = _Writer()

    def write(self, entry: Mapping[str, Any]) -> None:
        """Write the entry of a request; fields that are None or "" are left out."""
        if self.form != "off":
            self.tell(entry)

    def tell(self, entry: Mapping[str, Any]) -> None:
        """Write an entry that is no request's, even where requests are not logged."""
        kept = {name: value for name, value in entry.items() if value is not None and value != ""}
        line = _json(kept) if self.form == "json" else _text(kept)
        if not self._writer.put(line):
            figures().unlogged.inc()


def now() -> str:
    """Return the time in UTC, to the millisecond."""
    seconds, thousandths = divmod(time.time_ns() // 1_000_000, 1000)
    return f"{_second(seconds)}.{thousandths:03d}Z"


@lru_cache(maxsize=2)
def _second(seconds: int) -> str:
    return time.strftime("%Y-%m-%dT%H:%M:%S", time.gmtime(seconds))


def _json(entry: Mapping[str, Any]) -> bytes:
    line = _encoded(entry)
    if len(line) > LINE:
        line = _encoded({name: value for name, value in entry.items() if name not in LONG} | {"cut": True})
    return line


def _encoded(entry: Mapping[str, Any]) -> bytes:
    try:
        return orjson.dumps(entry, option=orjson.OPT_APPEND_NEWLINE)
    except TypeError:  # half of a pair of surrogates
        return json.dumps(entry).encode("ascii") + b"\n"


def _text(entry: Mapping[str, Any]) -> bytes:
    line = " ".join(
        str(value) if name in ("time", "method", "route") else f"{name}={value}" for name, value in entry.items()
    )
    return printable(line).encode("utf-8", "replace")[: LINE - 1] + b"\n"


def printable(text: str) -> str:
    """Return a text in which nothing ends a line or moves the cursor."""
    if text.isprintable():
        return text
    return "".join(one if one.isprintable() else one.encode("unicode_escape").decode("ascii") for one in text)


class _Writer:
    """Writes whole lines to standard error, unless that would wait for its reader."""

    def __init__(self) -> None:
        self._descriptor = -1
        self._poll: Any = None

    def put(self, line: bytes) -> bool:
        """Write a line and return whether all of it was."""
        try:
            descriptor = sys.stderr.fileno()
            if descriptor != self._descriptor:
                self._watch(descriptor)
            if self._poll is not None and not any(event & select.POLLOUT for _, event in self._poll.poll(0)):
                return False
            return os.write(descriptor, line) == len(line)
        except (OSError, ValueError, AttributeError):  # closed, its reader gone, or none at all
            return False

    def _watch(self, descriptor: int) -> None:
        self._descriptor = descriptor
        if sys.platform != "win32":
            self._poll = select.poll()
            self._poll.register(descriptor, select.POLLOUT)


def shortened(value: Any) -> Any:
    """Return what was asked as it may be logged: long texts and lists cut."""
    plain = msgspec.to_builtins(value, enc_hook=str)
    return _cut(plain)


def _cut(value: Any) -> Any:
    if isinstance(value, str):
        return value if len(value) <= TEXT else f"{value[:TEXT]}… ({len(value):,})"
    if isinstance(value, dict):
        return {str(name): _cut(one) for name, one in value.items() if one not in ("", [], None)}
    if isinstance(value, list):
        return [_cut(one) for one in value[:LIST]]
    return value


class LogHandler(logging.Handler):
    """The server's own messages as entries of its log."""

    def __init__(self, log: RequestLog, level: int = logging.WARNING) -> None:
        super().__init__(level)
        self._log = log

    def emit(self, record: logging.LogRecord) -> None:
        """Write a message; of an exception its class and frames, its words only where queries are logged."""
        entry: dict[str, Any] = {
            "time": now(),
            "level": record.levelname.lower(),
            "id": notes().identity,
            "message": record.getMessage()[:MESSAGE],
        }
        if record.exc_info and record.exc_info[1] is not None:
            error = record.exc_info[1]
            entry["error"] = type(error).__name__
            entry["problem"] = str(error)[:TEXT] if self._log.queries else None
            entry["trace"] = [
                f"{frame.filename}:{frame.lineno} {frame.name}"
                for frame in traceback.extract_tb(error.__traceback__)[-FRAMES:]
            ]
        self._log.tell(entry)


@contextlib.contextmanager
def server_messages(log: RequestLog, *, level: int = logging.WARNING) -> Iterator[None]:
    """Send the messages of the server and of uvicorn to its log while the block runs; the log is one for a process."""
    handler = LogHandler(log, level)
    loggers = [logging.getLogger(name) for name in LOGGERS]
    for one in loggers:
        one.handlers = [other for other in one.handlers if not isinstance(other, LogHandler)]
        one.addHandler(handler)
    before = [one.level for one in loggers]
    for one in loggers if level < logging.WARNING else ():
        one.setLevel(level)
    try:
        yield
    finally:
        for one, own in zip(loggers, before, strict=True):
            one.removeHandler(handler)
            one.setLevel(own)
