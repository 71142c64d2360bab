"""Features of what does not learn, computed once and kept: float32 in parts of `PART` rows, mapped from the disk.

    features = keep(folder, count, compute, shape=(4, 512), name="photos")     # what is there is not computed again
    features.take(rows, views)                                  # (B, D)

A row is an image or a text, with one view or several.  float32, because the model that is saved gives the same
embeddings as its features, within rounding.  A part appears whole, so a job that is stopped goes on where it was; one
that is damaged, of another shape or from another folder is computed again.  Knows neither towers nor images.
"""

import io
import zlib
from collections.abc import Callable, Sequence
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from wordsight.base.arrays import RowIds
from wordsight.base.cache import cache_errors
from wordsight.base.files import atomic_write
from wordsight.base.progress import bar, notice

Vectors = NDArray[np.float32]  # (N, V, D) or (B, D), of any length
PART = 1024  # rows: a minute or two of a large tower on one core, which is what a stop costs at most


class Features:
    """N rows of V views each, of D numbers."""

    def __init__(self, parts: Sequence[Vectors], folder: Path, shape: tuple[int, int]) -> None:
        self._parts = list(parts)
        self.folder = folder
        self.views, self.width = shape

    def __len__(self) -> int:
        return sum(len(part) for part in self._parts)

    def take(self, rows: RowIds, views: RowIds | None = None) -> Vectors:
        """Return the features of some rows, (B, D); of each the view with its number, by default the first."""
        numbers, inside = np.divmod(rows, PART)
        chosen = np.zeros(len(rows), np.int64) if views is None else views
        features = np.empty((len(rows), self.width), np.float32)
        for number in np.unique(numbers):
            here = np.flatnonzero(numbers == number)
            features[here] = self._parts[number][inside[here], chosen[here]]
        return features

    def missing(self) -> RowIds:
        """Return the rows without features: of inputs that could not be read."""
        parts = [np.flatnonzero(np.isnan(part[:, 0, 0])) + number * PART for number, part in enumerate(self._parts)]
        return np.concatenate([np.empty(0, np.int64), *parts])


def keep(
    folder: Path,
    count: int,
    compute: Callable[[RowIds], Vectors],
    *,
    shape: tuple[int, int],
    name: str,
    unit: str = "img",
) -> Features:
    """Return the features of `count` rows in `folder`; those that are not there are computed, with a bar called `name`.

    `shape` is (V, D); `compute` returns (B, V, D) for B rows, NaN for what cannot be read.  A disk that cannot be
    written is a `StorageError`.
    """
    parts: list[Vectors] = []
    with cache_errors("features"), bar(count, unit=unit, desc=f"features of {name}") as progress:
        for start in range(0, count, PART):
            rows = np.arange(start, min(start + PART, count), dtype=np.int64)
            path = folder / f"{start // PART:06d}.npy"
            part = _opened(path, (len(rows), *shape))
            if part is None:
                notice(f"computing the features of {name} ({count:,}), once; they are kept in {folder}", once=True)
                _write(path, compute(rows))
                part = np.load(path, mmap_mode="r", allow_pickle=False)
            else:
                part = _completed(path, part, rows, compute)
            parts.append(part)
            progress.update(len(rows))
    return Features(parts, folder, shape)


def _opened(path: Path, shape: tuple[int, int, int]) -> Vectors | None:
    """Return the part in a file, None where there is none or one that is not as it was written, or for other rows.

    Every byte is read for that: 0.6 s for each GB (one core of a Xeon), besides the disk.
    """
    try:
        if path.with_suffix(".crc32").read_text() != str(_checksum(path)):
            return None
        part: Vectors = np.load(path, mmap_mode="r", allow_pickle=False)
    except (OSError, EOFError, ValueError):
        return None
    return part if part.dtype == np.float32 and part.shape == shape else None


def _completed(path: Path, part: Vectors, rows: RowIds, compute: Callable[[RowIds], Vectors]) -> Vectors:
    """Return a part after another try at the inputs that could not be read when it was computed."""
    missing = np.flatnonzero(np.isnan(part[:, 0, 0]))
    again = compute(rows[missing]) if len(missing) else part[:0]
    if np.isnan(again[:, 0, 0]).all():
        return part
    whole = np.array(part)
    whole[missing] = again
    _write(path, whole)
    return whole


def _checksum(path: Path) -> int:
    value = _beginning(path)
    with path.open("rb") as handle:
        while block := handle.read(2**20):
            value = zlib.crc32(block, value)
    return value


def _beginning(path: Path) -> int:
    """Return what the checksum of a file begins with: its name, and those of the two folders that say whose it is."""
    return zlib.crc32("/".join(path.absolute().parts[-3:]).encode(errors="surrogateescape"))


def _write(path: Path, part: Vectors) -> None:
    packed = io.BytesIO()  # numpy's own writing to a file hides that the disk is full
    np.save(packed, np.ascontiguousarray(part, "<f4"), allow_pickle=False)
    with atomic_write(path) as handle:
        handle.write(packed.getbuffer())
    with atomic_write(path.with_suffix(".crc32"), "w") as handle:
        handle.write(str(zlib.crc32(packed.getbuffer(), _beginning(path))))
