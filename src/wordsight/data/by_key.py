"""Images by the keys that a source gives them, without reading the whole source where its form allows.

    for key, image in images_by_key(source, keys): ...    # bytes, a path, or why there is none

They come in the order of the source.  Tars are read by their index, parquet tables by their column of keys and then by
the groups of rows that hold the images.  Any other source is walked over until all keys are met.
"""

from collections.abc import Callable, Collection, Iterator, Mapping
from pathlib import Path
from typing import Any, Protocol, runtime_checkable

import numpy as np

from wordsight.base.errors import InputError
from wordsight.data.parquet import ParquetTable
from wordsight.data.source import Source

ImageOrError = bytes | Path | InputError


@runtime_checkable
class KeyedSource(Protocol):
    """A source that finds images by key faster than by walking over all."""

    def images_by_key(self, keys: Collection[str]) -> Iterator[tuple[str, ImageOrError]]:
        """Yield key and image of those that are there, each once: the first where a key comes again."""


def images_by_key(source: Source, keys: Collection[str]) -> Iterator[tuple[str, ImageOrError]]:
    """Yield each of these keys once with its image, or with the `InputError` that says why it has none."""
    left = set(keys)
    images = source.images_by_key(left.copy()) if isinstance(source, KeyedSource) else _walked(source, left.copy())
    for key, image in images:
        left.discard(key)
        yield key, image
    for key in sorted(left):
        yield key, InputError(f"{source.name} has no image {key} that can be read", cure="it was there when indexed")


def _walked(source: Source, left: set[str]) -> Iterator[tuple[str, ImageOrError]]:
    for sample in source.samples() if left else ():
        if sample.key in left and sample.image is not None:
            left.discard(sample.key)
            yield sample.key, sample.image
        if not left:
            return


class ParquetKeys:
    """Where the rows of keys stand in one parquet table; a key is kept as eight bytes.

    `names` are the columns that `key_of(row_id, values)` makes a row's key of.
    """

    def __init__(
        self, table: ParquetTable, names: Collection[str], key_of: Callable[[int, Mapping[str, Any]], str]
    ) -> None:
        self.table = table
        self._key_of = key_of
        self._hashes = np.array([hash(key) for key in self._keys(names)], np.int64)

    def _keys(self, names: Collection[str]) -> Iterator[str]:
        for row_id, (_, row) in enumerate(self.table.rows(binary=False, names=names)):
            yield "" if isinstance(row, InputError) else self._key_of(row_id, row)

    def rows(self, keys: Collection[str], names: Collection[str]) -> Iterator[tuple[int, Mapping[str, Any]]]:
        """Yield row id and the values of these columns for the first row of each key that is there."""
        left = set(keys)
        hashes = np.array([hash(key) for key in left], np.int64)
        row_ids = np.flatnonzero(np.isin(self._hashes, hashes)).tolist()
        for row_id, row in self.table.rows_at(row_ids, names):
            if not isinstance(row, InputError) and (key := self._key_of(row_id, row)) in left:
                left.remove(key)
                yield row_id, row
