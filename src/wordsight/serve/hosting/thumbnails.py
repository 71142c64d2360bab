"""Small images, made once, kept on disk under the mark of their content, and given out again.

    thumbnails = Thumbnails(cache_folder() / "thumbnails", most=4 * GIB)
    small = await thumbnails.of(library, "holiday/beach.jpg", side=256)     # small.tag, small.jpeg

Several who ask for the same one have it made once.  A file is whole or not there; the oldest go when there are too many
bytes.  Knows libraries.
"""

import asyncio
import contextlib
import logging
import os
import threading
import time
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import TYPE_CHECKING, NamedTuple, TypeVar

from wordsight.base.errors import InputError, NotFound, StorageError, WordsightError
from wordsight.base.files import atomic_write, sha256_bytes
from wordsight.base.processor import cores
from wordsight.base.reading import read_file
from wordsight.index.lock import LibraryBusy, writing
from wordsight.search.unasked import all_keys
from wordsight.serve.errors import Overloaded
from wordsight.serve.hosting.libraries import HostedLibraries
from wordsight.serve.hosting.located import LocatedImage, located, require_own
from wordsight.serve.watched.figures import note_cache

if TYPE_CHECKING:
    from wordsight.search.library import Library

T = TypeVar("T")
SIDES = (64, 128, 256, 512, 1024)  # pixels of the longer side
ROOM = 4096  # that may wait
LARGEST = 8 << 20  # bytes of one
KEPT_SHARE = 0.9  # of the bytes that may be kept, after the oldest have gone
COUNTED = 1 / 64  # of the bytes that may be kept, written until all are counted again: other processes write too
USED_AGAIN = 86_400.0  # seconds behind which one that is used counts as new again
BEFOREHAND = 256  # side of those that are made before anybody asks
LOCKS = "locks"  # in their folder: one for each library
SHARE = 0.5  # of one core, that this takes
IDLE = 0.2  # seconds to wait while others work
log = logging.getLogger("wordsight.serve")
_END = b"\xff\xd9"  # how a whole JPEG file ends


class Thumbnail(NamedTuple):
    """A JPEG file (None where the asker has it), its tag, and whether it is of the content that the library knows."""

    tag: str
    jpeg: bytes | None
    is_as_known: bool = True


def step_of(side: int) -> int:
    """Return the side of the smallest thumbnail that has so many pixels."""
    return next((step for step in SIDES if step >= side), SIDES[-1])


class Thumbnails:
    """Thumbnails in a folder, up to `most` bytes."""

    def __init__(self, folder: Path, *, most: int) -> None:
        self._folder = folder
        self._most = most
        self._threads = ThreadPoolExecutor(max(2, cores()), thread_name_prefix="thumbnail")
        self._writer = ThreadPoolExecutor(1, thread_name_prefix="thumbnail-writer")
        self._making: dict[tuple[str, int], asyncio.Future[Thumbnail]] = {}
        self._size: int | None = None  # bytes in the folder when they were last counted
        self._unseen = 0  # written since
        self._inside = 0
        self._unkept = set[str]()  # why some were not, as it was said
        self._lock = threading.Lock()

    @property
    def folder(self) -> Path:
        """Where they are kept."""
        return self._folder

    @property
    def is_busy(self) -> bool:
        """Whether somebody waits for one."""
        return self._inside > 0

    async def of(self, library: "Library", key: str, *, side: int, known: str = "") -> Thumbnail:
        """Return the thumbnail of an image; without its bytes where `known` is its tag.

        `NotFound` for a key that is not in the library, `InputError` for an image that cannot be read.
        """
        step = step_of(side)
        image, kept = await self._run(lambda: self._kept(library, key, step, known))
        note_cache("thumbnails", hits=kept is not None, misses=kept is None)
        if kept is not None:
            return kept
        name = (image.mark, step)
        if name not in self._making:
            made = asyncio.ensure_future(self._run(lambda: self._made(image, step)))
            self._making[name] = made
            made.add_done_callback(lambda _: self._making.pop(name, None))
        return await asyncio.shield(self._making[name])

    def make(self, library: "Library", key: str, *, side: int) -> bool:
        """Make a thumbnail in this thread unless it is kept; returns whether there was something to do."""
        image, kept = self._kept(library, key, side, "")
        if kept is None:
            self._made(image, side)
        return kept is None

    async def _run(self, work: Callable[[], T]) -> T:
        if self._inside >= ROOM:
            raise Overloaded(f"{self._inside} thumbnails wait already")
        self._inside += 1
        try:
            return await asyncio.get_running_loop().run_in_executor(self._threads, work)
        finally:
            self._inside -= 1

    def _path(self, mark: str, side: int) -> Path:
        return self._folder / str(side) / mark[:2] / f"{mark}.jpg"

    def _kept(self, library: "Library", key: str, side: int, known: str) -> tuple[LocatedImage, Thumbnail | None]:
        image = located(library, key)
        tag = f'"{image.mark}-{side}"'
        if tag in known:
            return image, Thumbnail(tag, None)
        path = self._path(image.mark, side)
        try:
            jpeg = read_file(path, limit=LARGEST)
        except OSError:
            jpeg = b""
        if not jpeg.endswith(_END):
            require_own(image.hit, library)
            return image, None
        with contextlib.suppress(OSError):
            if time.time() - path.stat().st_mtime > USED_AGAIN:
                os.utime(path)
        return image, Thumbnail(tag, jpeg)

    def _made(self, image: LocatedImage, side: int) -> Thumbnail:
        from wordsight.search.thumbnails import as_jpeg, thumbnail

        jpeg = thumbnail(image.hit, as_jpeg, side=side)
        is_as_known = image.is_as_known()
        if is_as_known:
            with contextlib.suppress(RuntimeError):  # it ends
                self._writer.submit(self._keep, image.mark, side, jpeg)
        return Thumbnail(f'"{image.mark}-{side}"', jpeg, is_as_known)

    def _keep(self, mark: str, side: int, jpeg: bytes) -> None:
        path = self._path(mark, side)
        try:
            path.parent.mkdir(parents=True, exist_ok=True)
            with atomic_write(path) as handle:
                handle.write(jpeg)
        except (StorageError, OSError) as error:
            self._say_unkept(error)
            return
        self._unseen += len(jpeg)
        if self._size is None or self._unseen > COUNTED * self._most:
            self._size, self._unseen = sum(size for _, size, _ in self._files()), 0
        if self._size + self._unseen > self._most:
            self._make_room()

    def _say_unkept(self, error: StorageError | OSError) -> None:
        """Log that thumbnails are not kept, once for each reason that the system gives."""
        cause = error.__cause__ if isinstance(error, StorageError) else error
        reason = (cause.strerror if isinstance(cause, OSError) else None) or type(error).__name__
        if reason not in self._unkept:
            self._unkept.add(reason)
            log.warning("thumbnails are not kept: %s", reason)

    def _make_room(self) -> None:
        """Delete the thumbnails that were not used for longest."""
        files = sorted(self._files())
        total = sum(size for _, size, _ in files)
        for _, size, path in files:
            if total <= KEPT_SHARE * self._most:
                break
            with contextlib.suppress(OSError):
                path.unlink(missing_ok=True)  # another process makes room too
                total -= size
        self._size, self._unseen = total, 0

    def _files(self) -> list[tuple[float, int, Path]]:
        """Return time of last use, bytes and path of all that is kept."""
        there = []
        for path in self._folder.glob("*/*/*.jpg"):
            with contextlib.suppress(OSError):
                stat = path.stat()
                there.append((stat.st_mtime, stat.st_size, path))
        return there

    def close(self) -> None:
        """Let what runs end."""
        self._threads.shutdown(cancel_futures=True)
        self._writer.shutdown()


class Beforehand:
    """Makes the thumbnails of all images of some libraries in a thread, while little else happens.

    Of several processes that serve a library, one does.
    """

    def __init__(self, thumbnails: Thumbnails, libraries: HostedLibraries) -> None:
        self._thumbnails = thumbnails
        self._libraries = libraries
        self._ends = threading.Event()
        self._thread = threading.Thread(target=self._run, name="thumbnails-beforehand", daemon=True)

    def start(self) -> None:
        """Begin."""
        self._thread.start()

    def _run(self) -> None:
        for name in self._libraries.names:
            library = self._libraries.named(name)
            mark = sha256_bytes(str(library.folder.resolve()).encode("utf-8", "surrogateescape"))[:16]
            try:
                with writing(self._thumbnails.folder / LOCKS / mark):
                    self._make_all(library)
            except LibraryBusy:
                continue
            except WordsightError as error:
                log.warning("thumbnails of %s are not made beforehand: %s", name, error)

    def _make_all(self, library: "Library") -> None:
        with library.reading() as index:
            keys = all_keys(index, None, "")
        for key in keys:
            started = time.monotonic()
            if self._ends.is_set():
                return
            with contextlib.suppress(NotFound, InputError, OSError):  # the others are made all the same
                if not self._thumbnails.make(library, key, side=BEFOREHAND):
                    continue
            pause = (time.monotonic() - started) * (1 / SHARE - 1)
            while not self._ends.wait(pause) and self._is_busy:
                pause = IDLE

    @property
    def _is_busy(self) -> bool:
        return self._libraries.is_busy or self._thumbnails.is_busy

    def close(self) -> None:
        """Stop, and wait until the thread has ended."""
        self._ends.set()
        if self._thread.is_alive():
            self._thread.join()
