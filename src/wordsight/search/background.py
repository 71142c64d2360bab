"""What cosines are in a library before anybody asks: mean and covariance of its images' embeddings, and of phrases'.

    refresh(folder, index, model)          # after the library has changed; does nothing where little has
    background = read(folder, fingerprint) # None where there is none

From the two moments of a set follow mean and variance of its cosines with any embedding.  The phrases are those of
`phrases.txt`; their moments are computed once for each model and user.  Both lie in the library's folder, and are
made again when missing.  Knows the protocol of an index and the model.
"""

import os
from dataclasses import dataclass
from functools import cache
from pathlib import Path
from typing import TYPE_CHECKING, NamedTuple
from zlib import crc32

import numpy as np
from numpy.typing import NDArray

from wordsight.base.arrays import Embeddings
from wordsight.base.errors import StorageError
from wordsight.base.files import atomic_write, make_way
from wordsight.base.progress import bar, notice
from wordsight.base.reading import open_regular

if TYPE_CHECKING:
    from wordsight.embeddings.model import Model
    from wordsight.index.index import Index

NAME = "background.f16"
FORMAT = 3
HEAD = 40  # bytes before the numbers
SAMPLE = 4096  # images: the standard deviation of their cosines is then within 1 % of that of all
LEAST = 30  # images: of fewer, probabilities were further from the truth than none (docs/search.md)
ONE_IMAGE = 1e-6  # variance below which images differ by rounding alone
PHRASES = 100  # between steps of the bar
CHANGE = 0.1  # of the images; a background of a library that changed less is still right
USUAL_END = "gibberish"  # the first part of phrases.txt that is not what people ask


class Moments(NamedTuple):
    """Of a set of embeddings: `mean` (D,) and `covariance` (D, D), float32."""

    mean: NDArray[np.float32]
    covariance: NDArray[np.float32]

    def spread(self, embeddings: Embeddings) -> NDArray[np.float32]:
        """Return the standard deviation (n,) of the set's cosines with each embedding (n, D)."""
        variances = np.einsum("id,id->i", embeddings @ self.covariance, embeddings)
        deviations: NDArray[np.float32] = np.sqrt(np.maximum(variances, 1e-12))
        return deviations


@dataclass(frozen=True, slots=True)
class Background:
    """`images`: of the library, of which there were `count`; `texts`: of what people ask."""

    images: Moments
    texts: Moments
    count: int


def moments(embeddings: Embeddings) -> Moments:
    """Return the moments of embeddings (n, D)."""
    mean = embeddings.mean(axis=0)
    centred = embeddings - mean
    return Moments(mean, centred.T @ centred / np.float32(len(embeddings)))


@cache
def phrases() -> dict[str, list[str]]:
    """Return the parts of phrases.txt by name, each a list of phrases."""
    parts: dict[str, list[str]] = {}
    for line in Path(__file__).with_name("phrases.txt").read_text(encoding="utf-8").splitlines():
        name = line.removeprefix("# ").partition(": ")[0]
        if line.startswith("#"):
            part = parts.setdefault(name, []) if name.isalpha() else []
        elif line:
            part.append(line)
    return parts


def usual_phrases() -> list[str]:
    """Return the phrases that people may ask: all but gibberish and other languages."""
    names = list(phrases())
    return [phrase for name in names[: names.index(USUAL_END)] for phrase in phrases()[name]]


def refresh(folder: Path, index: "Index", model: "Model") -> None:
    """Write the background of a library where there is none, or that of another model or of another number of images.

    Where it cannot be written a notice says so: the library answers without probabilities.
    """
    count = len(index)
    known = _stored(folder, model.fingerprint)
    if count < LEAST or (known is not None and abs(known.count - count) <= CHANGE * known.count):
        return
    try:
        sample = index.sample(SAMPLE)
        if len(sample) >= LEAST:  # fewer where the others are absent
            _write(folder / NAME, model.fingerprint, count, (moments(sample), usual_moments(model)))
    except StorageError as error:
        notice(f"hits come without probabilities: {error}")


def read(folder: Path, fingerprint: str) -> Background | None:
    """Return the background of the library in a folder; None where there is none of this model.

    None too where all its images are one: no cosine says more of one than of the others.
    """
    known = _stored(folder, fingerprint)
    return None if known is not None and float(np.trace(known.images.covariance)) < ONE_IMAGE else known


def _stored(folder: Path, fingerprint: str) -> Background | None:
    stored = _read(folder / NAME, fingerprint)
    if stored is None or len(stored[1]) != 2:
        return None
    images, texts = stored[1]
    return Background(images, texts, stored[0])


def is_there(folder: Path, fingerprint: str) -> bool:
    """Return whether there is a background of this model, whole and of today's format, or can be none."""
    path = folder / NAME
    return _whole(path, fingerprint) is not None or path.is_dir() or not os.access(folder, os.W_OK)


def size(folder: Path) -> int:
    """Return how many bytes it takes on the disk; 0 where there is none."""
    path = folder / NAME
    return path.stat().st_size if path.is_file() else 0


def stamp(folder: Path) -> str:
    """Return a text that is another one when the background is; "" where there is none."""
    try:
        stat = (folder / NAME).stat()
    except OSError:
        return ""
    return f"{stat.st_mtime_ns} {stat.st_size}"


def usual_moments(model: "Model") -> Moments:
    """Return the moments of the usual phrases, from the user's cache where they are known already."""
    from wordsight.base.cache import cache_errors, cache_folder

    path = cache_folder() / "background" / f"{model.fingerprint}.f16"
    usual = sorted(usual_phrases(), key=len)  # so that those of a batch are of one length
    known = _read(path, model.fingerprint)
    if known is not None and known[0] == len(usual):
        return known[1][0]
    parts = []
    with bar(len(usual), unit="phrase", desc="measuring what is usual") as progress:
        for start in range(0, len(usual), PHRASES):
            parts.append(model.embed_texts(usual[start : start + PHRASES]))
            progress.update(len(parts[-1]))
    computed = moments(np.concatenate(parts))
    with cache_errors("backgrounds"):
        _write(path, model.fingerprint, len(usual), (computed,))
    return computed


def _write(path: Path, fingerprint: str, count: int, sets: tuple[Moments, ...]) -> None:
    """Write a head of five uint64, and for each set float16 (1 + D, D).

    The head: format, fingerprint, count, width D, and the CRC-32 of these four and of the numbers behind it.

    Of these the first row is the mean, the others are the covariance times D, for float16 has no small numbers.
    """
    width = len(sets[0].mean)
    packed = np.array([[one.mean, *(one.covariance * width)] for one in sets], "<f2").tobytes()
    head = np.array([FORMAT, int(fingerprint, 16), count, width], "<u8").tobytes()
    make_way(path)
    with atomic_write(path) as handle:
        handle.write(head + np.array([crc32(packed, crc32(head))], "<u8").tobytes())
        handle.write(packed)


def _read(path: Path, fingerprint: str) -> tuple[int, list[Moments]] | None:
    """Return the count and the sets of a file; None where there is none, or one of another format or model."""
    whole = _whole(path, fingerprint)
    if whole is None:
        return None
    count, width, numbers = whole
    packed = np.frombuffer(numbers, "<f2").reshape(-1, 1 + width, width).astype(np.float32)
    return count, [Moments(one[0], one[1:] / np.float32(width)) for one in packed]


def _whole(path: Path, fingerprint: str) -> tuple[int, int, bytes] | None:
    """Return the count, the width and the numbers of a file as they lie there; None as `_read` does."""
    try:
        with open_regular(path) as handle:
            stored = handle.read()
    except OSError:
        return None  # disposable: one that cannot be read is the same as none, and so is a damaged one
    if len(stored) < HEAD:
        return None
    written_as, made_by, count, width, checksum = (int(number) for number in np.frombuffer(stored[:HEAD], "<u8"))
    size, numbers = 2 * width * (1 + width), stored[HEAD:]
    if (written_as, made_by) != (FORMAT, int(fingerprint, 16)) or not size or len(numbers) % size:
        return None
    return (count, width, numbers) if crc32(numbers, crc32(stored[: HEAD - 8])) == checksum else None
