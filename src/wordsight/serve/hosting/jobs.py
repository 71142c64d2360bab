"""Work that changes a library, one at a time for each: it goes on whether somebody listens or not.

    job = jobs.start("photos", lambda: library.sync())       # Refused with 409 while another runs
    async for event in job.events(): ...                      # WorkStep, ..., then JobDone or JobFailed

Work that `may_stop` ends when whoever started it has gone.
"""

import asyncio
import contextvars
import logging
import threading
from collections.abc import AsyncIterator, Callable
from typing import Any, NamedTuple

from wordsight.base.errors import WordsightError
from wordsight.base.progress import heard_by
from wordsight.serve.errors import Overloaded, Refused
from wordsight.serve.hosting.heard import WorkListener, WorkStep, WorkStoppedError

HEARTBEAT = 15.0  # seconds behind which a silent connection is told that it lives
MOST = 16  # jobs that run at once, of all libraries
log = logging.getLogger("wordsight.serve")


def under_way(name: str) -> Refused:
    """Return what is answered while somebody else changes what has this name."""
    return Refused(409, f"{name}: another change is under way", cure="wait until it is done", after=5)


class JobDone(NamedTuple):
    """What the work returned, and its notices."""

    result: Any
    notices: list[str]


class JobFailed(NamedTuple):
    """Why the work failed."""

    error: WordsightError


JobEvent = WorkStep | JobDone | JobFailed | None  # None: nothing new, but the work goes on


class Job:
    """One piece of work in a thread of its own."""

    def __init__(self, name: str, work: Callable[[], Any], *, may_stop: bool) -> None:
        self.may_stop = may_stop
        self._work = work
        self._loop = asyncio.get_running_loop()
        self._stop = threading.Event()
        self._last: JobEvent = None
        self._changed = asyncio.Event()
        self.finished = asyncio.Event()
        context = contextvars.copy_context()
        self._thread = threading.Thread(target=context.run, args=(self._run,), name=f"job-{name}", daemon=True)

    def start(self) -> None:
        """Begin."""
        self._thread.start()

    def stop(self) -> None:
        """End the work at its next step."""
        self._stop.set()

    def _run(self) -> None:
        listener = WorkListener(self._tell, self._stop)
        try:
            with heard_by(listener):
                result = self._work()
            last: JobEvent = JobDone(result, listener.notices)
        except WordsightError as error:
            last = JobFailed(error)
        except WorkStoppedError:
            last = JobFailed(Refused(503, "the work was stopped", cure="start it again: it goes on"))
        except Exception:
            log.exception("job %s", self._thread.name)
            last = JobFailed(Refused(500, "an internal error", cure="see the server's log"))
        self._tell(last)

    def _tell(self, event: JobEvent) -> None:
        if not self._loop.is_closed():
            self._loop.call_soon_threadsafe(self._set, event)

    def _set(self, event: JobEvent) -> None:
        self._last = event
        if isinstance(event, JobDone | JobFailed):
            self.finished.set()
        self._changed.set()

    async def outcome(self) -> Any:
        """Return what the work returned, or raise why it failed; it goes on when nobody waits."""
        await self.finished.wait()
        if isinstance(self._last, JobFailed):
            raise self._last.error
        assert isinstance(self._last, JobDone)
        return self._last.result

    async def events(self) -> AsyncIterator[JobEvent]:
        """Yield what is new, the last step of many, until the work has ended; for one listener."""
        try:
            while True:
                try:
                    async with asyncio.timeout(HEARTBEAT):
                        await self._changed.wait()
                except TimeoutError:
                    yield None
                    continue
                self._changed.clear()
                event = self._last  # while whoever listens has it, there may come another
                yield event
                if isinstance(event, JobDone | JobFailed):
                    return
        finally:
            if self.may_stop:
                self.stop()


class Jobs:
    """The jobs that run, by the name of what each alone may change."""

    def __init__(self) -> None:
        self._running: dict[str, Job] = {}

    def require_free(self, name: str) -> None:
        """Refuse with 409 where a job of this name runs."""
        if name in self._running and not self._running[name].finished.is_set():
            raise under_way(name)

    def start(self, name: str, work: Callable[[], Any], *, may_stop: bool = False) -> Job:
        """Start a job; `Refused` with 409 where one of this name runs."""
        self.require_free(name)
        if len(self._running) >= MOST:
            raise Overloaded(f"{MOST} long requests run already", after=5)
        job = Job(name, work, may_stop=may_stop)
        job.start()  # where there is no thread for it, the name stays free
        self._running[name] = job
        watching = asyncio.ensure_future(self._watch(name, job))
        watching.add_done_callback(lambda done: done.exception())
        return job

    async def _watch(self, name: str, job: Job) -> None:
        await job.finished.wait()
        if self._running.get(name) is job:
            del self._running[name]

    async def close(self) -> None:
        """Stop all at their next step, and wait for them."""
        running = list(self._running.values())
        for job in running:
            job.stop()
        for job in running:
            await job.finished.wait()
