"""All images of an index in little memory, those that are there: entries in blocks, each with its content's hash.

for block in blocks(index, 1024):
    block.keys, block.embeddings, block.meta, block.contents
"""

from collections.abc import Iterator, Mapping
from typing import TYPE_CHECKING, NamedTuple

import numpy as np
from numpy.typing import NDArray

from wordsight.base.arrays import Embeddings
from wordsight.base.value import Value
from wordsight.index.index import pages_of

if TYPE_CHECKING:
    from wordsight.index.index import Index


class WalkedImages(NamedTuple):
    """Some images: their keys, embeddings (n, D), metadata, and the first eight bytes of their SHA-256 as numbers."""

    keys: list[str]
    embeddings: Embeddings
    meta: list[Mapping[str, Value]]
    contents: list[int]

    def of(self, rows: NDArray[np.int64]) -> "WalkedImages":
        """Return the images with these numbers."""
        numbers = rows.tolist()
        keys, meta, contents = ([each[i] for i in numbers] for each in (self.keys, self.meta, self.contents))
        return WalkedImages(keys, self.embeddings[rows], meta, contents)


def blocks(index: "Index", count: int) -> Iterator[WalkedImages]:
    """Yield all images in the order of their keys, up to `count` at a time; absent and broken ones are left out."""
    for states in pages_of(index.files, count):
        there = {key: state for key, state in states.items() if not state.error and not state.absent}
        if there:
            entries = index.entries(list(there))
            contents = [int.from_bytes(state.digest[:8]) for state in there.values()]
            yield WalkedImages(
                list(there), np.array([one.embedding for one in entries]), [one.meta for one in entries], contents
            )
