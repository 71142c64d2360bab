"""The embeddings of an index: float32 rows one after the other in a file, appended to and memory-mapped.

`rows-G.f32` holds slot i of width W at byte 4·W·i, little-endian; G is the generation.  Knows neither keys nor models.
"""

import os
import re
from io import FileIO
from pathlib import Path

import numpy as np

from wordsight.base.arrays import Embeddings
from wordsight.base.errors import FormatError
from wordsight.base.files import storage_errors

_NAME = re.compile(r"rows-(\d+)\.f32")


class EmbeddingFile:
    """One generation of embeddings; opened for writing at the first `append`."""

    def __init__(self, folder: Path, generation: int, width: int) -> None:
        self.path = folder / f"rows-{generation}.f32"
        self.generation = generation
        self._width = width
        self._handle: FileIO | None = None
        self._unflushed = False
        self._map: Embeddings = np.empty((0, width), np.float32)

    def append(self, first: int, embeddings: Embeddings) -> None:
        """Write embeddings (n, width) from slot `first` on, over what an unfinished process left behind there."""
        with storage_errors(self.path):
            if self._handle is None:
                self.path.touch()
                self._handle = self.path.open("r+b", buffering=0)
            self._handle.seek(4 * self._width * first)
            data = embeddings.astype("<f4", copy=False).data.cast("B")
            while len(data):
                data = data[self._handle.write(data) :]
        self._unflushed = True

    def flush(self) -> None:
        """Wait until what was appended is on the disk."""
        if self._handle is not None and self._unflushed:
            with storage_errors(self.path):
                os.fsync(self._handle.fileno())
            self._unflushed = False

    def mapped(self, count: int) -> Embeddings:
        """Return the first `count` embeddings (count, width), memory-mapped."""
        if count > len(self._map):
            if not self.path.is_file() or self.path.stat().st_size < 4 * self._width * count:
                raise FormatError(f"{self.path} lacks embeddings", cure=f"delete {self.path.parent} and index again")
            self._map = np.asarray(np.memmap(self.path, "<f4", mode="r", shape=(count, self._width)))
        return self._map[:count]

    def close(self) -> None:
        """Close the file; mapped embeddings that are still held stay valid."""
        if self._handle is not None:
            self._handle.close()
        self._handle = None


def drop_generations(folder: Path, *, but: int | None = None) -> None:
    """Delete the files of all generations, or of all but one: what a save or a killed process left behind."""
    for path in folder.iterdir():
        match = _NAME.fullmatch(path.name)
        if match and int(match[1]) != but:
            path.unlink()
