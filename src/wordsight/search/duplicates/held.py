"""What is held of all images of a library while duplicates are looked for: a row each, in arrays and a temporary file.

    held = hold(index, where)
    held.keys[7], held.rows[7], held.digests[7], held.moments[7]

Takes some 60 bytes of memory an image beside its key; the embeddings lie in a temporary file, at 2 bytes a number.
Absent images and broken ones are left out.  Knows the protocol of an index.
"""

import os
import tempfile
from array import array
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray

from wordsight.base.files import storage_errors
from wordsight.base.progress import bar
from wordsight.base.value import Value
from wordsight.index.index import Index, IndexEntry, pages_of

if TYPE_CHECKING:
    from collections.abc import Mapping

    from wordsight.index.where import Condition

GROUP = 1024  # entries read at once
TAKEN, CHANGED, CAMERA = "taken", "mtime", "camera"  # columns


@dataclass(frozen=True, slots=True)
class HeldImages:
    """N images: keys, embeddings float16 (N, W), SHA-256 uint8 (N, 32), seconds at which each was taken, and camera.

    `moments` (N,) are NaN where no time is known, `cameras` (N,) are numbers that are equal for equal names.
    """

    keys: list[str]
    rows: NDArray[np.float16]
    digests: NDArray[np.uint8]
    moments: NDArray[np.float64]
    cameras: NDArray[np.int64]

    def __len__(self) -> int:
        return len(self.keys)


def temporary(shape: tuple[int, ...], kind: Any) -> "NDArray[Any]":
    """Return an array in a temporary file, which goes with it; `StorageError` where the disk is full."""
    folder = Path(tempfile.gettempdir())
    with storage_errors(folder), tempfile.TemporaryFile(dir=folder) as file:
        size = max(1, int(np.prod(shape, dtype=np.int64)) * np.dtype(kind).itemsize)
        if hasattr(os, "posix_fallocate"):
            os.posix_fallocate(file.fileno(), 0, size)
        else:
            file.truncate(size)
        return np.memmap(file, kind, "r+", shape=shape)


def hold(index: Index, where: "Condition | None" = None) -> HeldImages:
    """Return all images that are there and satisfy `where`."""
    from wordsight.index.where import check, matches

    if where is not None:
        check(where, index.columns())
    total = len(index)
    rows = temporary((max(total, 1), int(index.facts()["width"])), np.float16)
    keys: list[str] = []
    digests, moments, cameras = bytearray(), array("d"), array("q")
    with bar(total, unit=" images", desc="reading") as progress:
        for states in pages_of(index.files, GROUP):
            sound = [key for key, state in states.items() if not (state.absent or state.error)]
            kept = [one for one in index.entries(sound) if where is None or matches(where, one.meta)]
            for entry in kept:
                rows[len(keys)] = entry.embedding
                keys.append(entry.key)
                digests += states[entry.key].digest
                moments.append(moment_of(entry.meta))
                cameras.append(hash(str(entry.meta.get(CAMERA) or "")))
            progress.update(len(states))
    return HeldImages(
        keys,
        rows[: len(keys)],
        np.frombuffer(bytes(digests), np.uint8).reshape(-1, 32),
        np.array(moments),
        np.array(cameras, np.int64),
    )


def moment_of(meta: "Mapping[str, Value]") -> float:
    """Return when an image was taken, else when its file was changed, in seconds; NaN where neither is known."""
    for column in (TAKEN, CHANGED):
        value = meta.get(column)
        if isinstance(value, str):
            try:
                read = datetime.fromisoformat(value)
            except ValueError:
                continue
            return (read if read.tzinfo else read.replace(tzinfo=UTC)).timestamp()
    return float("nan")


def entries_of(index: Index, held: HeldImages, numbers: NDArray[np.int64]) -> "list[IndexEntry]":
    """Return the entries of these rows."""
    return index.entries([held.keys[number] for number in numbers.tolist()])
