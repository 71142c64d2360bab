"""The index of a library, as this process has it open: read by a few threads at a time, written by one process.

    index = OpenIndex(location, folder, model)
    with index.reading() as opened: ...
    with index.writing() as opened: ...

Threads may share it, also when one of them closes it: each that reads has an index of its own, opened when the others
are in use, so that a long read holds up no short one.  A forked child opens it again.  Where another library has taken
the place of the one that is open, that one is opened by whoever reads next.  Knows the protocol of an index, and
nothing of images.
"""

import contextlib
import os
import threading
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from pathlib import Path

from wordsight.base import disk
from wordsight.base.errors import FingerprintMismatch, FormatError, NotFound, StorageError, UsageError, WordsightError
from wordsight.base.processes import PerProcess
from wordsight.base.progress import notice
from wordsight.embeddings.model import Model
from wordsight.index.database import NAME
from wordsight.index.index import Backend, EarlierFormat, Index
from wordsight.index.lock import LibraryBusy, may_write, writing
from wordsight.index.open import backend_of, delete, record, record_anew
from wordsight.search.contents import index_command, lies_aside

PLACE = "place"  # the fact that keeps what location a library is of
READERS = 4  # threads that read at once: each index that is open has memory of its own, 5 MB of 100,000 images


@dataclass(slots=True)
class _Reading:
    """An index that a thread reads, None while it is being opened; `era`: after how many closings it began."""

    era: int
    index: Index | None = None


@dataclass(slots=True)
class _Open:
    """What one process has open: indexes that nobody reads, the last used at the end, and those of threads."""

    free: list[Index] = field(default_factory=list)
    held: dict[int, _Reading] = field(default_factory=dict)
    era: int = 0
    file: tuple[int, int] | None = None  # of the database that is open
    changed: threading.Condition = field(default_factory=threading.Condition)
    compacting: threading.Thread | None = None


class OpenIndex:
    """`kind` is the kind of an index that is yet to be made, a key of `INDEXES`."""

    def __init__(self, location: Path, folder: Path, model: Model, kind: str | None = None) -> None:
        self.location = location
        self.folder = folder
        self.model = model
        self.kind = kind
        self._open_here = PerProcess(_Open)

    def exists(self) -> bool:
        """Return whether the index has been made, by whichever version."""
        try:
            with self.reading():
                return True
        except NotFound:
            return False
        except EarlierFormat:
            return True

    def facts(self) -> dict[str, str]:
        """Return the facts of the index, whichever model made it; none where there is no index that can be read."""
        with contextlib.suppress(NotFound, FormatError):  # a damaged index says so where it is opened
            return backend_of(self.folder, self.kind).facts_in(self.folder)
        return {}

    @contextlib.contextmanager
    def reading(self) -> Iterator[Index]:
        """Give the index, open for reading, to one thread; `NotFound` when there is none."""
        here, thread = self._open_here.here, threading.get_ident()
        known = here.held.get(thread)
        if known is not None and known.index is not None:
            yield known.index
            return
        try:
            with here.changed:
                here.changed.wait_for(lambda: len(here.held) < READERS)
                self._notice_another(here)
                mine = here.held[thread] = _Reading(here.era, here.free.pop() if here.free else None)
            if mine.index is None:
                try:
                    mine.index = self._opened(writable=False)
                except NotFound:
                    raise self.not_made() from None
            yield mine.index
        finally:
            self._give_back(here, thread)

    def _notice_another(self, here: _Open) -> None:
        """Let go of what is open where another library has taken its place."""
        try:
            state = os.stat(self.folder / NAME)
        except OSError:
            return  # none, as in memory, or none any more: who reads goes on
        now = state.st_dev, state.st_ino
        if here.file not in (None, now):
            here.era += 1
            self._close_free(here)
        here.file = now

    @staticmethod
    def _close_free(here: _Open) -> None:
        while here.free:
            here.free.pop().close()

    @staticmethod
    def _give_back(here: _Open, thread: int) -> None:
        """Keep the index of a thread for the next that reads; one that was to be closed meanwhile is closed."""
        with here.changed:
            mine = here.held.pop(thread, None)
            if mine is not None and mine.index is not None:
                if mine.era == here.era:
                    here.free.append(mine.index)
                else:
                    mine.index.close()
            here.changed.notify_all()

    @contextlib.contextmanager
    def writing(self) -> Iterator[Index]:
        """Give the index, made where there is none, to the one process that writes; what was removed makes room after.

        Raises `LibraryBusy` when another process is at it, `StorageError` for a folder that cannot be written.
        """
        with self._alone():
            record(self.folder, self.kind)
            with contextlib.closing(self._opened(writable=True)) as index:
                yield index
                wasteful = index.wants_upkeep()
        if wasteful:
            self._compact_beside()

    @contextlib.contextmanager
    def making_again(self) -> Iterator[Backend]:
        """Give the kind of index to who makes the library again, and alone may write."""
        with self._alone():
            record_anew(self.folder, self.kind)
            yield backend_of(self.folder, self.kind)

    def renew(self) -> None:
        """Bring the index of an earlier version into the form of this one."""
        with contextlib.suppress(NotFound):
            try:
                with self.reading():
                    return
            except EarlierFormat:
                with self.writing():
                    notice(f"the library in {self.folder} is renewed: it was made by an earlier version")

    def forget(self) -> None:
        """Delete the index."""
        self.close()
        if not self.folder.is_dir():
            return
        with writing(self.folder):
            with contextlib.suppress(FormatError):  # a damaged record is deleted too, an index of another kind is not
                backend_of(self.folder, self.kind)
            delete(self.folder)

    def tend(self) -> None:
        """Do the upkeep that a stopped process has left, beside whoever reads; none where nobody may write."""
        running = self._open_here.here.compacting
        if running is not None and running.is_alive():
            return
        with self.reading() as index:
            wanted = index.wants_upkeep()
        if wanted and may_write(self.folder):
            self._compact_beside(say_busy=False)

    def close(self) -> None:
        """Close the index, when those who read it now have done so; it is opened again when used."""
        here = self._open_here.here
        if here.compacting is not None:
            here.compacting.join()
            here.compacting = None
        with here.changed:
            here.era += 1
            self._close_free(here)
            era = here.era
            if threading.get_ident() not in here.held:  # else two that read and close would wait for each other
                here.changed.wait_for(lambda: all(one.era >= era for one in here.held.values()))

    def not_made(self) -> NotFound:
        """Return what is said of a library that is not there."""
        command = index_command(self.location, self.folder)
        return NotFound(f"no library of {self.location}", cure=f"make it with {command}")

    def moved_from(self, facts: Mapping[str, str]) -> str | None:
        """Return the location that a library elsewhere was made of where that is gone, so that it has moved here.

        `facts` are those of the index.  Raises `UsageError` where the other location is there: a library is of one.
        """
        known = facts.get(PLACE, "")
        if known in ("", str(self.location.absolute())) or not lies_aside(self.folder, self.location):
            return None
        if not os.path.exists(known):
            return known
        if os.path.exists(self.location) and os.path.samefile(known, self.location):
            return None
        raise UsageError(
            f"the library in {self.folder} is that of {known}, not of {self.location}",
            cure="give each place a library of its own: --library with another folder (library_dir=)",
        )

    def _opened(self, *, writable: bool) -> Index:
        model, kind = self.model, backend_of(self.folder, self.kind)
        try:
            index = kind.open(self.folder, fingerprint=model.fingerprint, width=model.spec.width, writable=writable)
        except FingerprintMismatch as error:
            from wordsight.search.other_model import with_commands

            self.moved_from(self.facts())
            raise with_commands(error, self.location, self.folder, model, facts=self.facts()) from None
        try:
            self.moved_from(index.facts())
        except UsageError:
            index.close()
            raise
        return index

    @contextlib.contextmanager
    def _alone(self) -> Iterator[None]:
        """Hold the right to write; nothing is open here."""
        self.close()
        try:
            disk.make_folder(self.folder)
        except OSError as error:
            raise StorageError(
                f"no library can be made in {self.folder}: {error.strerror}",
                cure="give it a place you may write to with --library DIR (library_dir=)",
            ) from error
        with writing(self.folder):
            yield

    def _compact_beside(self, *, say_busy: bool = True) -> None:
        """Give back the room of what was removed, in a thread: readers go on.

        Where another process writes, that one sees to it; `say_busy`: this is said.
        """

        def compact() -> None:
            try:
                with writing(self.folder), contextlib.closing(self._opened(writable=True)) as index:
                    index.upkeep()
            except WordsightError as error:
                if say_busy or not isinstance(error, LibraryBusy):
                    notice(f"the upkeep of the library in {self.folder} was not finished: {error}")

        thread = threading.Thread(target=compact, name="compact")
        self._open_here.here.compacting = thread
        thread.start()
