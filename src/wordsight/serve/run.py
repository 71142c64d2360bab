"""The server process: binds its socket, says where it answers, and runs until it is told to stop.

    run(settings)                  # returns when what was accepted has been answered

With several workers each is a process of its own; one that ends is replaced.
"""

import contextlib
import gc
import logging
import os
import signal
import socket
import tempfile
import threading
from collections.abc import Callable
from dataclasses import replace
from functools import partial
from pathlib import Path
from typing import Any

import uvicorn

from wordsight.base.errors import UsageError
from wordsight.base.progress import notice
from wordsight.serve.app import make_app
from wordsight.serve.safety.connections import TRUSTED, ConnectionGuard
from wordsight.serve.safety.rates import make_counts
from wordsight.serve.settings import ServeSettings
from wordsight.serve.starting import CANNOT_START, check_settings, is_new, raise_failure, started_app
from wordsight.serve.watched.figures import shared_figures
from wordsight.serve.watched.log import RequestLog, server_messages

COLLECT = (2_000, 10, 10)  # the command looks for circles a hundred times less often: it ends before they matter
SILENT = 120  # seconds without a sign after which a worker is replaced: opening a large graph takes some
LOOPBACK_OF = {"": "127.0.0.1", "0.0.0.0": "127.0.0.1", "::": "::1"}  # noqa: S104  of all addresses
BACKLOG = 1024  # connections that may wait to be accepted


def run(settings: ServeSettings, *, bound: Callable[[str], None] = lambda address: None) -> None:
    """Serve until stopped; `bound` is called with the address as soon as connections are accepted."""
    check_settings(settings)
    _prepare(settings)
    with contextlib.ExitStack() as stack:
        listener = stack.enter_context(contextlib.closing(_listener(settings)))
        folder = Path(stack.enter_context(tempfile.TemporaryDirectory(prefix="wordsight-", ignore_cleanup_errors=True)))
        settings = _shared(settings, folder)
        if settings.workers > 1:
            stack.enter_context(shared_figures(folder / "figures"))
        address = _address(settings, listener)
        bound(address)
        notice(f"{address}{_elsewhere(settings, address)}  (Ctrl-C stops)")
        config = server_config(settings, folder)
        if settings.keys is not None and hasattr(signal, "SIGHUP"):
            signal.signal(signal.SIGHUP, lambda number, frame: None)  # keys are read again when their file has changed
        gc.freeze()  # what was imported stays; what requests leave is looked for as in any program
        gc.set_threshold(*COLLECT)
        signal.signal(signal.SIGTERM, lambda number, frame: None)  # uvicorn drains, and raises it once more behind that
        if settings.workers == 1:
            _run_one(config, listener, folder)
        else:
            _run_several(settings, config, listener, folder)


def _run_one(config: uvicorn.Config, listener: socket.socket, folder: Path) -> None:
    try:
        uvicorn.Server(config).run(sockets=[listener])
    except SystemExit as ended:
        if ended.code != CANNOT_START:
            raise
        raise_failure(folder)


def _run_several(settings: ServeSettings, config: uvicorn.Config, listener: socket.socket, folder: Path) -> None:
    """Run worker processes until stopped; the log says which one has died and was replaced."""
    from uvicorn.supervisors import Multiprocess

    supervisor = Multiprocess(config, sockets=[listener])
    logging.getLogger("uvicorn.error").addFilter(is_new)
    threading.Thread(target=_let_go, args=(supervisor,), name="pipes", daemon=True).start()
    log = RequestLog(form=settings.watch.log, queries=settings.watch.queries)
    with server_messages(log, level=logging.WARNING if log.form == "off" else logging.INFO):
        supervisor.run()
    if any(one.exitcode == CANNOT_START for one in supervisor.processes):  # it would fail the same way again
        raise_failure(folder)


def _let_go(supervisor: Any) -> None:
    """Close our copies of the workers' ends of the pipes: one that died is seen at once, not when `SILENT` is over."""
    while not supervisor.should_exit.wait(0.2):
        for one in list(supervisor.processes):
            one.child_conn.close()


def _prepare(settings: ServeSettings) -> None:
    """See that everything that is to be served is there; a library that was never made is made first."""
    from wordsight.embeddings.model import load
    from wordsight.search.library import open_library

    first, *_ = [load(name, engine=settings.engine, device=settings.device) for name in settings.models]
    for served in settings.libraries:
        with open_library(served.location, model=first, library_dir=served.folder) as library:
            if not library.exists():
                library.sync()


def server_config(settings: ServeSettings, folder: Path | None = None) -> uvicorn.Config:
    """Return how uvicorn serves: its connections are watched, and no header of a client is believed but a proxy's.

    `folder`: where a process that cannot start says why.
    """
    proxies = settings.safety.proxies
    guard: Any = ConnectionGuard(settings.safety.connections, trusted=(*TRUSTED, *proxies))
    return uvicorn.Config(
        partial(make_app, settings) if folder is None else partial(started_app, settings, folder, os.getpid()),
        factory=True,
        http=guard,
        workers=settings.workers,
        log_config=None,
        access_log=False,
        server_header=False,
        proxy_headers=bool(proxies),
        forwarded_allow_ips=list(proxies),
        ws="none",
        timeout_graceful_shutdown=max(1, round(settings.grace)),
        timeout_keep_alive=15,
        timeout_worker_healthcheck=SILENT,
    )


def _shared(settings: ServeSettings, folder: Path) -> ServeSettings:
    """Return the settings with what several workers share: counts of requests, sessions that were ended."""
    if settings.workers == 1:
        return settings
    counts, ended = folder / "requests", folder / "ended"
    make_counts(counts)
    ended.mkdir()
    return replace(settings, safety=replace(settings.safety, rates=counts, ended=ended))


def _listener(settings: ServeSettings) -> socket.socket:
    family = socket.AF_INET6 if ":" in settings.host else socket.AF_INET
    listener = socket.socket(family)
    try:
        if os.name == "posix":  # elsewhere it would let others take the port
            listener.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        listener.bind((settings.host, settings.port))
        listener.listen(BACKLOG)
    except (OSError, UnicodeError, TypeError) as error:  # the last two for a name that none can be
        listener.close()
        at, why = f"{settings.host}:{settings.port}", getattr(error, "strerror", "no name of a host")
        raise UsageError(f"cannot listen at {at}: {why}", cure="give another --port or --host") from None
    listener.set_inheritable(True)
    return listener


def _address(settings: ServeSettings, listener: socket.socket) -> str:
    """Return where this machine reaches the server."""
    host = LOOPBACK_OF.get(settings.host, settings.host)
    return f"http://{f'[{host}]' if ':' in host else host}:{listener.getsockname()[1]}"


def _elsewhere(settings: ServeSettings, address: str) -> str:
    """Return what to add for other machines, which know this one by its name; "" unless bound to all addresses."""
    if settings.host not in LOOPBACK_OF:
        return ""
    return f" here, http://{socket.gethostname()}:{address.rpartition(':')[2]} from other machines"
