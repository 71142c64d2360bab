"""Work under way as server-sent events: `progress`, and in the end `done` or `error`."""

from collections.abc import AsyncIterator, Callable
from typing import Any

import msgspec
from starlette.responses import StreamingResponse

from wordsight.serve.answering import encoded
from wordsight.serve.hosting.heard import WorkStep
from wordsight.serve.hosting.host import Host
from wordsight.serve.hosting.jobs import Job, JobDone, JobFailed

EVENTS = "text/event-stream"
_HEADERS = {"cache-control": "no-store", "x-accel-buffering": "no"}


class ProgressEvent(msgspec.Struct):
    """How many of `total` (null: not known) are done of a stage."""

    done: int
    total: int | None
    stage: str


class ErrorEvent(msgspec.Struct):
    """Why the work failed, and what helps."""

    problem: str
    cure: str


def events_of(job: Job, host: Host, shape: Callable[[Any, list[str]], Any]) -> StreamingResponse:
    """Return the events of a job; `shape` makes the answer of its result and its notices."""
    return StreamingResponse(_events(job, host, shape), media_type=EVENTS, headers=_HEADERS)


async def _events(job: Job, host: Host, shape: Callable[[Any, list[str]], Any]) -> AsyncIterator[bytes]:
    public = host.public
    async for event in job.events():
        if event is None:
            yield b": it goes on\n\n"
        elif isinstance(event, WorkStep):
            yield _event("progress", ProgressEvent(*event))
        elif isinstance(event, JobDone):
            yield _event("done", shape(event.result, [public(one) for one in event.notices]))
        elif isinstance(event, JobFailed):
            yield _event("error", ErrorEvent(public(event.error.problem), public(event.error.cure)))


def _event(name: str, answer: Any) -> bytes:
    return b"event: %s\ndata: %s\n\n" % (name.encode(), encoded(answer))
