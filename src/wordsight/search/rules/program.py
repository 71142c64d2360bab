"""Running a program of a rule: its arguments as they are, never through a shell, within a time.

    run_program(["convert", "/photos/a.jpg"], timeout=60)          # "" or why it failed

What it prints goes to standard error.
"""

import contextlib
import os
import shutil
import signal
import subprocess
from collections.abc import Sequence

from wordsight.base.errors import NotFound

STDERR = 2  # the file descriptor
PATIENCE = 5.0  # seconds from a polite end to a hard one


def require_program(name: str, rule: str) -> None:
    """Raise `NotFound` for a program that is not there."""
    if shutil.which(name) is None:
        raise NotFound(f"rule {rule}: no program {name}", cure="install it, or write its whole path")


def run_program(arguments: Sequence[str], *, timeout: float) -> str:
    """Run a program to its end and return why it failed, "" where it did not; stopped, it stops the program too."""
    try:
        process = subprocess.Popen(
            list(arguments), stdin=subprocess.DEVNULL, stdout=STDERR, start_new_session=os.name == "posix"
        )
    except (OSError, ValueError) as error:
        return f"{arguments[0]} cannot be run: {getattr(error, 'strerror', None) or error}"
    try:
        status = process.wait(timeout)
    except subprocess.TimeoutExpired:
        _end(process)
        return f"{arguments[0]} took more than {timeout:g} seconds and was stopped"
    except BaseException:
        _end(process)
        raise
    if status < 0:
        return f"{arguments[0]} was ended by signal {-status}"
    return f"{arguments[0]} ended with status {status}" if status else ""


def _end(process: "subprocess.Popen[bytes]") -> None:
    """End a program and what it started."""
    for how in (signal.SIGTERM, getattr(signal, "SIGKILL", signal.SIGTERM)):
        with contextlib.suppress(ProcessLookupError, PermissionError):
            if os.name == "posix":
                os.killpg(process.pid, how)
            else:
                process.terminate()
        with contextlib.suppress(subprocess.TimeoutExpired):
            process.wait(PATIENCE)
            return
