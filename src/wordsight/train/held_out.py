"""A validation set for recipes that name none: images kept from training, a function of their keys alone.

Images that could give each other away stay on one side: those with the same key, the same pixels or a caption in
common, over all sources.  Such groups are ordered by the hash of their first key and chosen while they fit into the
share, so adding images moves few others.  Class names are no captions here.
"""

from collections.abc import Hashable, Iterator, Sequence

import numpy as np

from wordsight.base.arrays import Pixels, RowIds
from wordsight.base.errors import InputError
from wordsight.base.files import sha256_bytes
from wordsight.data.cache import ImageCache
from wordsight.data.image_set import AnnotatedSet, Annotation, Caption

MOST = 1000  # images held out: enough for intervals of 3 %, and retrieval among them takes seconds
FEWEST = 2  # with one image every answer is right

RowOfSet = tuple[int, int]  # the number of a set and a row in it


class Without:
    """An image set of whose rows some are never drawn."""

    def __init__(self, images: AnnotatedSet, rows: RowIds) -> None:
        self.name = images.name
        self.size = images.size
        self._images = images
        self._rows = rows

    def __len__(self) -> int:
        return len(self._images)

    def blocks(self) -> list[RowIds]:
        """Return the rows that may be drawn."""
        return [block[~np.isin(block, self._rows)] for block in self._images.blocks()]

    def pixels(self, rows: RowIds) -> tuple[Pixels, dict[int, InputError]]:
        """Return uint8 (len(rows), S, S, 3) and the errors, as the set beneath gives them."""
        return self._images.pixels(rows)

    def annotation(self, row: int) -> Annotation:
        """Return the captions and class name of a row."""
        return self._images.annotation(row)

    def draw(self, row: int, uniform: float) -> Caption:
        """Return one of the row's texts."""
        return self._images.draw(row, uniform)


def choose_held_out(sets: Sequence[ImageCache], share: float) -> list[RowIds]:
    """Return for each set the rows to hold out, sorted; all empty where fewer than `FEWEST` fit.

    No set gives more than half of its images.
    """
    counts = [sum(len(block) for block in one.blocks()) for one in sets]
    room = min(round(share * sum(counts)), MOST)
    spare = [count // 2 for count in counts]
    chosen: list[RowOfSet] = []
    for group in sorted(_groups(sets), key=lambda group: _first_hash(sets, group)):
        needed = np.bincount([number for number, _ in group], minlength=len(sets))
        if len(chosen) + len(group) <= room and all(needed <= spare):
            chosen += group
            spare = [left - n for left, n in zip(spare, needed, strict=True)]
    if len(chosen) < FEWEST:
        chosen = []
    return [np.array(sorted(row for n, row in chosen if n == number), dtype=np.int64) for number in range(len(sets))]


def _first_hash(sets: Sequence[ImageCache], group: Sequence[RowOfSet]) -> str:
    return min(sha256_bytes(sets[number].keys[row].encode("utf-8", "surrogatepass")) for number, row in group)


def _groups(sets: Sequence[ImageCache]) -> list[list[RowOfSet]]:
    """Return the rows of all sets that are drawn from, in groups that are held together by something they share."""
    above: dict[RowOfSet, RowOfSet] = {}
    first: dict[Hashable, RowOfSet] = {}
    for number, images in enumerate(sets):
        for row in np.concatenate(images.blocks()):
            member = (number, int(row))
            above[member] = member
            for mark in _marks(images, number, int(row)):
                above[_root(above, member)] = _root(above, first.setdefault(mark, member))
    groups: dict[RowOfSet, list[RowOfSet]] = {}
    for member in above:
        groups.setdefault(_root(above, member), []).append(member)
    return list(groups.values())


def _marks(images: ImageCache, number: int, row: int) -> Iterator[Hashable]:
    yield "key", number, images.keys[row]
    yield "pixels", sha256_bytes(images.array[row].tobytes())
    for text in images.texts[row]:
        yield "caption", " ".join(text.lower().split())


def _root(above: dict[RowOfSet, RowOfSet], member: RowOfSet) -> RowOfSet:
    while above[member] != member:
        above[member] = above[above[member]]
        member = above[member]
    return member
