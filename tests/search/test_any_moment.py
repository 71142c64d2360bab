"""A library is stopped ahead of every call that changes the disk, once each: killed, interrupted, or without room.

Whatever is left, the next command goes on from it and comes to what an undisturbed run comes to.
"""

import errno
import os
import shutil
import signal
import sqlite3
import threading
import warnings

import numpy as np
import pytest

from wordsight.base import disk
from wordsight.base.errors import StorageError
from wordsight.index import exact
from wordsight.search import sync
from wordsight.search.library import open_library

LEFT_UNTIL_THE_NEXT_WRITER = "lock.db-journal"  # by a writer that was killed


@pytest.fixture(autouse=True)
def small_steps(monkeypatch):
    """Save after every few images, so that there are many moments."""
    monkeypatch.setattr(sync, "SAVE_SECONDS", -1.0)
    monkeypatch.setattr(sync, "GROUP", 2)
    monkeypatch.setattr(exact, "DEAD_LEAST", 1)
    monkeypatch.setattr(exact, "DEAD_SHARE", 0.1)


def first_index(library):
    library.sync()


def update(library):
    library.sync()


def rebuild(library):
    library.rebuild()


def rebuild_damaged(library):
    library.rebuild()


def mend(library):
    library.verify()


def make_again(library):
    library.forget()
    library.sync()


@pytest.fixture
def prepared(photos, model, paint):
    """Bring the photos and their library to where a command begins."""

    def preparing(command):
        if command is first_index:
            return
        with open_library(photos, model=model) as library:
            library.sync()
        if command is update:  # added, changed, moved, removed (two, so that compacting pays), broken, and metadata
            for name, colour in {"new": "orange", "other": "yellow", "top": "red"}.items():
                paint(photos / f"{name}.png", colour, shade=3)
            (photos / "a" / "blue.png").rename(photos / "a" / "sea.png")
            (photos / "b" / "green.png").unlink()
            (photos / "b" / "bad.png").write_bytes(b"no image")
            (photos / "metadata.csv").write_text("file,price\na/red.png,5\n")
        if command is mend:
            (file,) = (photos / ".wordsight").glob("*.f16")
            content = bytearray(file.read_bytes())
            content[3] ^= 255
            file.write_bytes(content)
        if command is rebuild_damaged:
            (photos / ".wordsight" / "library.db").write_bytes(b"no database" * 1000)

    return preparing


def state_of(photos, model):
    """Return all that a library answers and knows of files, its location brought up to date."""
    with open_library(photos, model=model) as library:
        library.sync()
        library.close()
        assert library.in_step()
        assert library.verify() == []
        hits = [(hit.key, round(hit.score, 4), dict(hit.meta)) for hit in library.search("red", k=99)]
        with library._index.reading() as index:
            states = index.files.states()
            embeddings = {entry.key: entry.embedding for entry in index.entries([key for key, *_ in hits])}
    left = {path.suffix for path in (photos / ".wordsight").iterdir() if path.name != LEFT_UNTIL_THE_NEXT_WRITER}
    assert left <= {".db", ".f16", ".damaged"}, left
    assert len(list((photos / ".wordsight").glob("*.f16"))) == 1
    return hits, states, {key: np.round(embedding, 3).tolist() for key, embedding in embeddings.items()}


def run_killed(photos, model, command, step):
    """Run a command in a process that is killed ahead of a step; says whether it came so far."""
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", DeprecationWarning)
        child = os.fork()
    if child == 0:
        with disk.watched(stop_at(step, lambda *_: os.kill(os.getpid(), signal.SIGKILL))):
            open_and(photos, model, command)
        os._exit(0)
    _, status = os.waitpid(child, 0)
    assert os.WIFSIGNALED(status) or os.WEXITSTATUS(status) == 0
    return os.WIFSIGNALED(status)


def run_raising(photos, model, command, step, *, error):
    """Run a command that meets an error at a step; says whether it came so far."""
    stopped = []

    def raising(call, path):
        stopped.append(call)
        if error is not KeyboardInterrupt or threading.current_thread() is threading.main_thread():
            raise error(call)

    with disk.watched(stop_at(step, raising)):
        try:
            open_and(photos, model, command)
        except (StorageError, KeyboardInterrupt):
            assert stopped
    return bool(stopped)


def stop_at(step, stop):
    calls = iter(range(1 << 30))

    def before(call, path):
        if next(calls) == step:
            stop(call, path)

    return before


def open_and(photos, model, command):
    with open_library(photos, model=model) as library:
        command(library)


def full(call):
    if call in ("commit", "pragma"):
        error = sqlite3.OperationalError("database or disk is full")
        error.sqlite_errorcode = sqlite3.SQLITE_FULL
        return error
    return OSError(errno.ENOSPC, "No space left on device")


ERRORS = {"without room": full, "interrupted": KeyboardInterrupt}


@pytest.mark.parametrize("how", ["killed", "interrupted", "without room"])
@pytest.mark.parametrize("command", [first_index, update, rebuild, rebuild_damaged, mend, make_again])
def test_the_next_command_goes_on_from_every_moment(photos, model, prepared, command, how, tmp_path):
    prepared(command)
    before = tmp_path / "before"
    shutil.copytree(photos, before)
    open_and(photos, model, command)
    wanted = state_of(photos, model)
    steps = 0
    while True:
        shutil.rmtree(photos)
        shutil.copytree(before, photos)
        if how == "killed":
            stopped = run_killed(photos, model, command, steps)
        else:
            stopped = run_raising(photos, model, command, steps, error=ERRORS[how])
        if not stopped:
            break
        with open_library(photos, model=model) as library:
            if (
                command is not rebuild_damaged and library.exists()
            ):  # what can be asked is whole, also before anything is mended
                assert all(hit.path.name for hit in library.search("red", k=99))
            open_and(photos, model, command)
        assert state_of(photos, model) == wanted, (command.__name__, steps)
        steps += 1
    assert steps > 8
