"""The embeddings of an index: half-precision rows one after the other in a file, appended to and memory-mapped.

`embeddings-G.f16` holds position i of width W at byte 2·W·i, little-endian float16, without a header; G is the
generation.  Knows neither keys nor models.
"""

import contextlib
import re
from io import FileIO
from pathlib import Path

import numpy as np

from wordsight.base import disk
from wordsight.base.arrays import Embeddings
from wordsight.base.files import storage_errors
from wordsight.index.halves import Halves

_NAME = re.compile(r"embeddings-(\d+)\.f16")


class EmbeddingFile:
    """One generation of embeddings; opened for writing at the first `append`."""

    def __init__(self, folder: Path, generation: int, width: int) -> None:
        self.path = folder / f"embeddings-{generation}.f16"
        self.generation = generation
        self._width = width
        self._handle: FileIO | None = None
        self._unflushed = False
        self._map: Halves = np.empty((0, width), np.float16)

    def append(self, first: int, halves: Halves) -> None:
        """Write embeddings (n, width) from position `first` on, over what an unfinished process left behind there."""
        if not len(halves):
            return
        with storage_errors(self.path):
            if self._handle is None:
                if not self.path.exists():
                    disk.announce("create", self.path)
                    self.path.touch()
                    disk.flush_folder(self.path.parent)
                self._handle = self.path.open("r+b", buffering=0)
            self._handle.seek(2 * self._width * first)
            disk.write(self._handle, np.ascontiguousarray(halves, "<f2").data.cast("B"), self.path)
        self._unflushed = True

    def flush(self) -> None:
        """Wait until what was appended is on the disk."""
        if self._handle is not None and self._unflushed:
            with storage_errors(self.path):
                disk.flush(self._handle.fileno(), self.path)
            self._unflushed = False

    def mapped(self, count: int) -> Halves:
        """Return the first `count` embeddings (count, width), memory-mapped; fewer where the file has been cut.

        Raises `FileNotFoundError` where there is none.  A file that was cut in place since is mapped anew: to
        read what is no longer there would end the process.
        """
        with contextlib.suppress(FileNotFoundError):  # moved away: what is mapped stays
            if self.path.stat().st_size < self._map.nbytes:
                self._map = np.empty((0, self._width), np.float16)
        if count > len(self._map):
            there = min(count, self.path.stat().st_size // (2 * self._width))
            if there > len(self._map):
                self._map = np.asarray(np.memmap(self.path, "<f2", mode="r", shape=(there, self._width)))
        return self._map[:count]

    def close(self) -> None:
        """Close the file; mapped embeddings that are still held stay valid."""
        if self._handle is not None:
            self._handle.close()
        self._handle = None


def halved(embeddings: Embeddings) -> Halves:
    """Return embeddings as they are stored: half precision, which is off by at most 0.0005 of a number."""
    return np.asarray(embeddings, "<f2")


def generations(folder: Path) -> dict[int, Path]:
    """Return the files of embeddings in a folder by generation."""
    matches = {_NAME.fullmatch(path.name): path for path in folder.iterdir()} if folder.is_dir() else {}
    return {int(match[1]): path for match, path in matches.items() if match}
