"""What is noted of one request while it is answered: by the layer around it, the queues, the errors.

    with stage("decode"): ...              # how long it took belongs to the request that is being answered
    notes().error = "NotFound"

Outside of a request what is noted goes nowhere.  Knows no HTTP.
"""

import contextlib
import itertools
import re
import secrets
import time
from collections.abc import Iterator
from contextvars import ContextVar
from dataclasses import dataclass, field
from typing import Any, NamedTuple

_SANE = re.compile(rb"[A-Za-z0-9-]{1,64}")
_PROCESS, _numbers = secrets.token_hex(8), itertools.count()  # together an id that does not come again
clock = time.perf_counter_ns


class RequestStage(NamedTuple):
    """A part of answering; times are those of `clock`, in nanoseconds."""

    name: str
    begun: int
    ended: int


@dataclass(slots=True)
class RequestNotes:
    """`route`: the template of its address; `error`: the class of what went wrong, `problem` with which words.

    `asked` is what was asked, for logs that may hold it.
    """

    identity: str
    begun: int = field(default_factory=clock)
    route: str = ""
    error: str = ""
    problem: str = ""
    asked: Any = None
    stages: list[RequestStage] = field(default_factory=list)

    def milliseconds(self, name: str) -> float | None:
        """Return how long a stage took, all its times together; None where there was none."""
        spent = [one.ended - one.begun for one in self.stages if one.name == name]
        return round(sum(spent) / 1e6, 3) if spent else None


_NOTES: ContextVar[RequestNotes | None] = ContextVar("wordsight_request", default=None)


def notes() -> RequestNotes:
    """Return the notes of the request that is being answered."""
    return _NOTES.get() or RequestNotes("")


@contextlib.contextmanager
def noting(one: RequestNotes) -> Iterator[None]:
    """Let `one` be the notes while the block runs."""
    token = _NOTES.set(one)
    try:
        yield
    finally:
        _NOTES.reset(token)


def note_stage(name: str, begun: int, ended: int) -> None:
    """Note a stage that is over."""
    if (current := _NOTES.get()) is not None:
        current.stages.append(RequestStage(name, begun, ended))


@contextlib.contextmanager
def stage(name: str) -> Iterator[None]:
    """Note how long the block takes."""
    begun = clock()
    try:
        yield
    finally:
        note_stage(name, begun, clock())


def identity_of(given: bytes) -> str:
    """Return the id that a client gave, if it is letters, digits and dashes, at most 64; else one made up."""
    if given and _SANE.fullmatch(given):
        return given.decode("ascii")
    return f"{_PROCESS}{next(_numbers):016x}"
