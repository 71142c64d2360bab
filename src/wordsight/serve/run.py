"""The server process: binds its socket, says where it answers, and runs until it is told to stop.

    run(settings)                  # returns when what was accepted has been answered

With several workers each is a process of its own; one that ends is replaced.
"""

import contextlib
import signal
import socket
from collections.abc import Callable
from functools import partial

import uvicorn

from wordsight.base.errors import UsageError
from wordsight.base.progress import notice
from wordsight.serve.app import make_app
from wordsight.serve.settings import ServeSettings

SILENT = 120  # seconds without a sign after which a worker is replaced: opening a large graph takes some
BACKLOG = 1024  # connections that may wait to be accepted


def run(settings: ServeSettings, *, bound: Callable[[str], None] = lambda address: None) -> None:
    """Serve until stopped; `bound` is called with the address as soon as connections are accepted."""
    listener = _listener(settings)
    with contextlib.closing(listener):
        address = _address(settings, listener)
        bound(address)
        notice(f"{address}  (Ctrl-C stops)")
        config = uvicorn.Config(
            partial(make_app, settings),
            factory=True,
            workers=settings.workers,
            log_config=None,
            access_log=False,
            server_header=False,
            ws="none",
            timeout_graceful_shutdown=max(1, round(settings.grace)),
            timeout_keep_alive=15,
            timeout_worker_healthcheck=SILENT,
        )
        signal.signal(signal.SIGTERM, lambda number, frame: None)  # uvicorn drains, and raises it once more behind that
        if settings.workers == 1:
            uvicorn.Server(config).run(sockets=[listener])
        else:
            from uvicorn.supervisors import Multiprocess

            Multiprocess(config, sockets=[listener]).run()


def _listener(settings: ServeSettings) -> socket.socket:
    family = socket.AF_INET6 if ":" in settings.host else socket.AF_INET
    listener = socket.socket(family)
    try:
        listener.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        listener.bind((settings.host, settings.port))
        listener.listen(BACKLOG)
    except OSError as error:
        listener.close()
        at = f"{settings.host}:{settings.port}"
        raise UsageError(f"cannot listen at {at}: {error.strerror}", cure="give another --port or --host") from None
    listener.set_inheritable(True)
    return listener


def _address(settings: ServeSettings, listener: socket.socket) -> str:
    host = f"[{settings.host}]" if ":" in settings.host else settings.host
    return f"http://{host}:{listener.getsockname()[1]}"
