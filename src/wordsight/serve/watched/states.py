"""What changes without a request: queues, models, libraries, memory; read when figures are asked for.

    note_states(host)              # where several processes answer, also every few seconds: one of them is asked

Knows what is served, and no HTTP.
"""

import asyncio
from typing import TYPE_CHECKING

from starlette.responses import Response

from wordsight import __version__
from wordsight.serve.route import HttpCall
from wordsight.serve.watched.figures import figures, figures_text, resident_bytes

if TYPE_CHECKING:
    from wordsight.serve.hosting.host import Host

PLAIN = "text/plain; version=0.0.4; charset=utf-8"  # Prometheus' text format
EVERY = 5.0  # seconds between notes


async def metrics(call: HttpCall[None]) -> Response:
    """Return counts, times and states in Prometheus' text format, of all worker processes together."""
    note_states(call.host)
    return Response(await asyncio.to_thread(_figures, call.host), headers={"content-type": PLAIN})


def _figures(host: "Host") -> bytes:
    for name, count in host.libraries.counts().items():
        figures().images.labels(name).set(count)
    return figures_text()


def note_states(host: "Host") -> None:
    """Note the states of this process; costs microseconds, and reads no library."""
    own = figures()
    own.ready.set(host.ready)
    own.memory.set(resident_bytes())
    own.build.labels(__version__).set(1)
    own.queued.labels("", "libraries").set(host.libraries.waiting)
    for hosted in host.models.open:
        own.model.labels(hosted.name, hosted.model.fingerprint).set(1)
        for queue in (hosted.texts, hosted.images):
            own.queued.labels(hosted.name, queue.name).set(len(queue))
