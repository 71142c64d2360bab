"""Counts, times and states of this server in Prometheus' text format, of all its worker processes together.

    note_batch("texts", size=8, seconds=0.02)
    note_cache("thumbnails", hits=1)
    text = figures_text()                          # what /metrics answers

Worker processes share a folder of figures, named by PROMETHEUS_MULTIPROC_DIR before this file is imported
(`shared_figures`).  Labels are bounded: templates of addresses, names of what is served, never what a request brings.
"""

import contextlib
import os
import sys
from collections.abc import Iterator
from functools import cache
from pathlib import Path
from typing import TYPE_CHECKING, Any

from wordsight.base.records import locked

if TYPE_CHECKING:
    from prometheus_client import CollectorRegistry

FOLDER = "PROMETHEUS_MULTIPROC_DIR"
SECONDS = (0.001, 0.0025, 0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1.0, 2.5, 5.0, 10.0, 30.0, 60.0)
SIZES = (1, 2, 4, 8, 16, 32, 64, 128, 256)
METHODS = frozenset({"GET", "HEAD", "POST", "PUT", "DELETE", "OPTIONS", "PATCH"})
REASONS = {
    401: "no key",
    403: "not allowed",
    404: "not there",
    405: "no such method",
    413: "too large",
    415: "media type",
    421: "host",
    429: "too often",
    499: "client gone",
    501: "not installed",
    503: "overloaded",
    504: "no time left",
    507: "storage",
}


@contextlib.contextmanager
def shared_figures(folder: Path) -> Iterator[None]:
    """Let worker processes that are started in the block share their figures in a folder, which is made."""
    folder.mkdir()
    os.environ[FOLDER] = str(folder)
    try:
        yield
    finally:
        del os.environ[FOLDER]


class ServerFigures:
    """The figures of one process; made once."""

    def __init__(self, registry: "CollectorRegistry") -> None:
        from prometheus_client import Counter, Gauge, Histogram

        def counter(name: str, what: str, *labels: str) -> Counter:
            return Counter(f"wordsight_{name}", what, labels, registry=registry)

        def gauge(name: str, what: str, *labels: str) -> Gauge:
            return Gauge(f"wordsight_{name}", what, labels, registry=registry, multiprocess_mode="livesum")

        def state(name: str, what: str, *labels: str) -> Gauge:
            return Gauge(f"wordsight_{name}", what, labels, registry=registry, multiprocess_mode="livemax")

        def times(name: str, what: str, *labels: str) -> Histogram:
            return Histogram(f"wordsight_{name}_seconds", what, labels, registry=registry, buckets=SECONDS)

        self.requests = counter("requests", "Requests answered.", "method", "route", "status")
        self.refusals = counter("refusals", "Requests refused or failed.", "reason")
        self.received = counter("received_bytes", "Bytes of bodies that came.", "route")
        self.sent = counter("sent_bytes", "Bytes of bodies that were answered.", "route")
        self.seconds = times("request", "Time until the last byte of an answer was handed over.", "method", "route")
        self.in_flight = gauge("requests_in_flight", "Requests that are being answered.")
        self.queued = gauge("queue_length", "Inputs that wait.", "model", "queue")
        self.waited = times("queue_wait", "Time that inputs of a request waited for their batch or thread.", "queue")
        self.batches = Histogram(
            "wordsight_batch_size", "Inputs of a batch.", ["queue"], registry=registry, buckets=SIZES
        )
        self.computed = times("batch", "Time that a batch or a call of a library took.", "queue")
        self.caches = counter("cache_lookups", "Look-ups of a cache.", "cache", "result")
        self.model = state("model_open", "1 for a model that is open.", "model", "fingerprint")
        self.images = state("library_images", "Images of a library.", "library")
        self.ready = gauge("workers_ready", "Worker processes that answer without waiting for models.")
        self.memory = gauge("memory_bytes", "Resident memory of all worker processes.")
        self.unlogged = counter("log_lines_dropped", "Log lines that nobody read in time.")
        self.build = state("info", "1, with the version.", "version")


@cache
def _registry() -> "CollectorRegistry":
    from prometheus_client import CollectorRegistry, disable_created_metrics

    disable_created_metrics()  # nobody asks when a count began, and it is a third of the text
    return CollectorRegistry()


@cache
def figures() -> ServerFigures:
    """Return the figures of this process."""
    return ServerFigures(_registry())


@cache
def _child(name: str, *labels: str) -> Any:
    """Return one figure with its labels; kept, as looking it up costs more than counting."""
    return getattr(figures(), name).labels(*labels)


def note_request(method: str, route: str, status: int, *, seconds: float, received: int, sent: int) -> None:
    """Count a request that was answered; `route` is a template."""
    method = method if method in METHODS else "other"
    _child("requests", method, route, str(status)).inc()
    _child("seconds", method, route).observe(seconds)
    if received:
        _child("received", route).inc(received)
    if sent:
        _child("sent", route).inc(sent)
    if status >= 400:
        _child("refusals", REASONS.get(status, "not understood" if status < 500 else "failed")).inc()


def note_batch(queue: str, *, size: int, seconds: float) -> None:
    """Count a batch of a queue."""
    _child("batches", queue).observe(size)
    _child("computed", queue).observe(seconds)


def note_call(queue: str, *, waited: float, seconds: float) -> None:
    """Count a call that ran in a thread of its own, after waiting for it; in seconds."""
    note_wait(queue, waited)
    _child("computed", queue).observe(seconds)


def note_wait(queue: str, seconds: float) -> None:
    """Count how long what a request brought waited in a queue."""
    _child("waited", queue).observe(seconds)


def note_cache(name: str, *, hits: int = 0, misses: int = 0) -> None:
    """Count look-ups of a cache: what was in it, and what was not."""
    if hits:
        _child("caches", name, "hit").inc(hits)
    if misses:
        _child("caches", name, "miss").inc(misses)


def figures_text() -> bytes:
    """Return all figures in Prometheus' text format; where there are several worker processes, their files are read."""
    from prometheus_client import CollectorRegistry, generate_latest
    from prometheus_client.multiprocess import MultiProcessCollector

    folder = os.environ.get(FOLDER)
    if folder is None:
        return generate_latest(_registry())
    with locked(Path(folder) / "lock"):  # no worker reads while another puts files together
        _forget_ended(Path(folder))
        together = CollectorRegistry()
        MultiProcessCollector(together, path=folder)
        return generate_latest(together)


def _forget_ended(folder: Path) -> None:
    """Forget the states of worker processes that have ended; what all of them counted stays, in one file of a kind."""
    from prometheus_client.multiprocess import mark_process_dead

    if sys.platform == "win32":
        return
    numbers = {path.stem.rpartition("_")[2] for path in folder.glob("*.db")}
    for process in (int(one) for one in numbers if one.isdecimal()):
        try:
            os.kill(process, 0)
        except (ProcessLookupError, PermissionError):  # or its number is that of somebody else's process by now
            mark_process_dead(process, path=str(folder))
            for path in (folder / f"{kind}_{process}.db" for kind in ("counter", "histogram")):
                if path.exists():
                    if path.stat().st_size:  # it may have ended before it wrote anything
                        _add_counts(path, path.with_stem(f"{path.stem.partition('_')[0]}_ended"))
                    path.unlink()


def _add_counts(path: Path, ended: Path) -> None:
    """Add what a process counted to what others did that have ended."""
    from prometheus_client.mmap_dict import MmapedDict

    together = MmapedDict(str(ended))
    for key, value, *_ in MmapedDict.read_all_values_from_file(str(path)):
        together.write_value(key, together.read_value(key)[0] + value, 0.0)
    together.close()


def resident_bytes() -> int:
    """Return the resident memory of this process; 0 where the system does not say."""
    with contextlib.suppress(OSError):
        return int(Path("/proc/self/statm").read_text(encoding="ascii").split()[1]) * os.sysconf("SC_PAGE_SIZE")
    return 0
