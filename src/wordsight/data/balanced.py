"""Training pairs that are drawn with their probability, anew at each epoch: what a `balance` decided, in use.

    probabilities = read_probabilities(Path("verdicts.csv"))      # by key, as `wordsight data balance --out` wrote them
    source = Balanced(open_source("photos"), probabilities, seed=0, epoch=3)      # a `Source` of one epoch's pairs
    images = BalancedSet(cache, by_row(cache, probabilities))                     # an `ImageSet` for the loader

Both draw without state: what is drawn follows from key, seed and epoch (`Balanced`), or from the loader's seed and the
epoch (`BalancedSet`, by `Order`), so that a walk, or a run, goes on from its position.  A choice made once is a table
of the keys that were kept; here every pair comes in time.
"""

import csv
import json
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import IO, Any, Protocol

import numpy as np
from numpy.typing import NDArray

from wordsight.base.arrays import Pixels, RowIds
from wordsight.base.errors import FormatError, InputError, NotFound
from wordsight.base.files import sha256_bytes
from wordsight.base.nouns import Sample
from wordsight.base.optional import require
from wordsight.base.reading import open_regular
from wordsight.data.image_set import Caption, ImageSet
from wordsight.data.source import START, Position, Source, Walk, walk_changed

RANGE = 2.0**52  # of the 13 digits of a hash that are used: below it every number is exact
DIGITS = 16  # of a source's fingerprint


def read_probabilities(path: Path) -> dict[str, float]:
    """Return the probability of each key of a table of verdicts: csv, jsonl or parquet.

    Raises `NotFound`, and `FormatError` for a table of something else or a key with two probabilities.
    """
    probabilities: dict[str, float] = {}
    try:
        with open_regular(path) as handle:
            for key, value in _rows(handle, path):
                probability = float(value)
                if not 0 <= probability <= 1:
                    raise ValueError(f"{key!r} has the probability {value}")
                if probabilities.setdefault(str(key), probability) != probability:
                    raise ValueError(f"{key!r} has two probabilities")
    except OSError as error:
        raise NotFound(f"{path} cannot be read: {error.strerror or error}", cure="check the path") from None
    except (ValueError, KeyError, TypeError) as error:
        cure = "write it with wordsight data balance --out, as .csv, .jsonl or .parquet"
        raise FormatError(f"{path} holds no verdicts: {error}", cure=cure) from None
    return probabilities


def _rows(handle: IO[bytes], path: Path) -> Iterator[tuple[Any, Any]]:
    if path.suffix == ".parquet":
        table = require("pyarrow.parquet", extra="data").read_table(handle, columns=["key", "probability"])
        yield from zip(*table.to_pydict().values(), strict=True)
        return
    lines = (line.decode("utf-8") for line in handle)
    rows = csv.DictReader(lines) if path.suffix == ".csv" else map(json.loads, lines)
    yield from ((row["key"], row["probability"]) for row in rows)


class Balanced:
    """A `Source` of the pairs of one epoch: each is there with its probability; one without any is a failure."""

    def __init__(self, source: Source, probabilities: Mapping[str, float], *, seed: int = 0, epoch: int = 0) -> None:
        self.name = source.name
        self._source, self._probabilities = source, probabilities
        self._drawing = f"{seed} {epoch} "

    def samples(self, start: Position = START) -> Walk:
        """Walk over the drawn samples from `start` on."""
        return walk_changed(self._source, start, self._drawn)

    def _drawn(self, sample: Sample) -> Sample | InputError | None:
        """Return a sample that is drawn, None for one that is not."""
        probability = self._probabilities.get(sample.key)
        if probability is None:
            return InputError(f"{sample.key} has no probability", cure="balance the whole source")
        return sample if self._uniform(sample.key) < probability else None

    def _uniform(self, key: str) -> float:
        """Return a number from 0 to 1 that seed, epoch and key settle."""
        return int(sha256_bytes(self._drawing.encode(), key.encode("utf-8", "surrogatepass"))[:13], 16) / RANGE

    def parts(self) -> int:
        """Return how many files the source has."""
        return self._source.parts()

    def count(self) -> None:
        """Return None: how many are drawn shows only when all are read."""

    def fingerprint(self) -> str:
        """Return what names the source, the probabilities, the seed and the epoch."""
        stated = json.dumps(sorted(self._probabilities.items()))
        return sha256_bytes(f"{self._source.fingerprint()} {self._drawing}{stated}".encode())[:DIGITS]


class _Keyed(Protocol):
    name: str
    keys: list[str]


def by_row(images: _Keyed, probabilities: Mapping[str, float]) -> NDArray[np.float64]:
    """Return the probability of each row of a set, (N,); a key without one raises `FormatError`."""
    missing = [key for key in images.keys if key not in probabilities]
    if missing:
        problem = (
            f"{len(missing):,} of {len(images.keys):,} images of {images.name} have no verdict, such as {missing[0]}"
        )
        raise FormatError(problem, cure="run wordsight data balance over the same source")
    return np.array([probabilities[key] for key in images.keys], np.float64)


class BalancedSet:
    """An image set of which each row is drawn once in an epoch, at most, and with its probability."""

    def __init__(self, images: ImageSet, probabilities: NDArray[np.float64]) -> None:
        self.name = images.name
        self.size = images.size
        self.images: Any = images
        self.by_row = probabilities  # (N,)

    def __len__(self) -> int:
        return len(self.images)

    def blocks(self) -> list[RowIds]:
        """Return the rows that can be drawn."""
        blocks = [block[self.by_row[block] > 0] for block in self.images.blocks()]
        return [block for block in blocks if len(block)]

    def pixels(self, rows: RowIds) -> tuple[Pixels, dict[int, InputError]]:
        """Return uint8 (len(rows), S, S, 3) and the errors, as the set beneath gives them."""
        drawn: tuple[Pixels, dict[int, InputError]] = self.images.pixels(rows)
        return drawn

    def draw(self, row: int, uniform: float) -> Caption:
        """Return one of the row's texts."""
        caption: Caption = self.images.draw(row, uniform)
        return caption
