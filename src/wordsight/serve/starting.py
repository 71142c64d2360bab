"""What is wrong before anything is served: settings are checked first, and a process that cannot start says why.

    check_settings(settings)                       # raises before an address is bound
    app = started_app(settings, Path(folder), os.getpid())     # a failure to start is one line in the folder
    raise_failure(Path(folder))                    # in the supervisor: that line as an error

Knows nothing of requests.
"""

import ipaddress
import json
import logging
import os
import signal
import sys
import threading
import time
from pathlib import Path
from typing import Any

from wordsight.base.errors import UsageError, WordsightError
from wordsight.serve.app import make_app
from wordsight.serve.memory import ServerMemory
from wordsight.serve.safety.admission import Admission, require_keys
from wordsight.serve.settings import ServeSettings

FAILURE = "failure"  # the file of why a process could not start
LOOK = 0.5  # seconds
CANNOT_START = 3  # the exit status of a process that its supervisor does not start again
_REPEATED = ("Application startup failed", "failed to start, stopping")
log = logging.getLogger("wordsight.serve")


class StartError(WordsightError):
    """The application cannot start."""

    exit_status = 1


def check_settings(settings: ServeSettings) -> None:
    """Raise what is wrong with the settings: keys, origins, names, proxies, memory."""
    require_keys(settings)
    Admission(settings)  # reads the keys, and origins
    for one in settings.safety.proxies:
        _check_proxy(one)
    if settings.memory is not None:
        ServerMemory(settings.memory)


def _check_proxy(given: str) -> None:
    if given == "*":
        return
    try:
        ipaddress.ip_network(given)
    except ValueError:
        raise UsageError(f"--behind-proxy {given}", cure="give the address of the proxy, such as 10.0.0.2") from None


def started_app(settings: ServeSettings, folder: Path, supervisor: int) -> Any:
    """Return the application; why it cannot start is written into `folder`, and the process ends.

    A process of its own answers what it accepted and ends when the process `supervisor` is gone.
    """
    if supervisor != os.getpid():
        threading.Thread(target=_end_with, args=(supervisor,), name="supervisor", daemon=True).start()
    try:
        app = make_app(settings)
    except Exception as error:  # noqa: BLE001 - raised by `raise_failure`
        _note(error, folder)
        sys.exit(CANNOT_START)

    async def starting(scope: Any, receive: Any, send: Any) -> None:
        if scope["type"] != "lifespan":
            await app(scope, receive, send)
            return

        async def noting(message: Any) -> None:
            if message["type"] == "lifespan.startup.failed":
                logging.getLogger("uvicorn.error").addFilter(is_new)
                _note(sys.exception() or RuntimeError("the application did not start"), folder)
                message = {"type": message["type"], "message": ""}  # no traceback
            await send(message)

        await app(scope, receive, noting)

    return starting


def _end_with(supervisor: int) -> None:
    while os.getppid() == supervisor:
        time.sleep(LOOK)
    log.warning("the supervisor is gone: this process answers what it accepted, and ends")
    os.kill(os.getpid(), signal.SIGTERM)


def _note(error: BaseException, folder: Path) -> None:
    problem, cure, status = f"{type(error).__name__}: {error}", "", 1
    if isinstance(error, WordsightError):
        problem, cure, status = error.problem, error.cure, error.exit_status
    noted = {"problem": problem, "cure": cure, "status": status}
    (folder / FAILURE).write_text(json.dumps(noted), encoding="ascii")


def is_new(record: logging.LogRecord) -> bool:
    """Return whether a message of uvicorn says more than the error with which the server ends."""
    return not any(one in record.getMessage() for one in _REPEATED)


def raise_failure(folder: Path) -> None:
    """Raise why a process could not start."""
    try:
        noted = json.loads((folder / FAILURE).read_text(encoding="ascii"))
    except (OSError, ValueError):
        raise StartError("a process of the server cannot start", cure="see its messages above") from None
    kind = UsageError if noted["status"] == 2 else StartError
    raise kind(f"the server cannot start: {' '.join(noted['problem'].split())}", cure=noted["cure"])
