"""Masks of what may be things in a picture, where none are given: made of colours and edges alone, in 0.2 seconds.

    proposals = propose(image)                  # of uint8 (H, W, 3); some tens to a few hundred
    proposals[0]                                # bool (H, W)
    proposals.boxes                             # (M, 4) left, top, right, bottom in pixels

Superpixels (`superpixels.py`) are merged into trees by several measures of likeness (`regions.py`); what is neither too
small nor nearly a region that is there already is proposed, first what is large and stays for long.  The picture is
looked at with `SIDE` pixels along its longer side, and masks are brought to its size when they are asked for: a few
hundred masks of a large photo take no memory until then.  Free of PyTorch; knows neither models nor texts.

Shapes: H, W sides of the picture, M masks, L superpixels.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import TypeVar, overload

import numpy as np
from numpy.typing import NDArray

from wordsight.base.arrays import Pixels
from wordsight.base.errors import UsageError
from wordsight.explain.masks import box_of
from wordsight.explain.regions import Likeness, Members, graph_of, merged
from wordsight.explain.superpixels import PartNumbers, lab_of, superpixels

Mask = NDArray[np.bool_]
PartValue = TypeVar("PartValue", bound=np.generic)
SIDE = 256  # pixels
COUNT = 100  # superpixels; 200 found no more of the segments of 50 photos
MOST = 200
SMALLEST = 0.002  # of the picture: a twentieth of each side
ALIKE = 0.8  # overlap from which on two masks count as one
LIKENESSES = (Likeness(), Likeness(edge=2.0), Likeness(colour=0.0, texture=0.0, edge=2.0))


@dataclass(frozen=True, slots=True, eq=False)
class Proposals(Sequence[Mask]):
    """Masks of a picture (`height`, `width`), those that stand out most first; indexing makes one, bool (H, W).

    `parts` int32 (h, w) are superpixels of the picture made smaller, `members` bool (M, L) say which each mask holds.
    """

    height: int
    width: int
    parts: PartNumbers
    members: Members

    def __len__(self) -> int:
        return len(self.members)

    @overload
    def __getitem__(self, index: int) -> Mask: ...
    @overload
    def __getitem__(self, index: slice) -> "Proposals": ...
    def __getitem__(self, index: int | slice) -> "Mask | Proposals":
        if isinstance(index, slice):
            return Proposals(self.height, self.width, self.parts, self.members[index])
        return self.over_image(self.members[index])

    def over_image(self, values: NDArray[PartValue]) -> NDArray[PartValue]:
        """Return a value of each superpixel, (L,), for each pixel of the picture, (H, W)."""
        rows, columns = self._nearest()
        return values[self.parts][rows[:, None], columns]

    @property
    def sizes(self) -> NDArray[np.int64]:
        """The pixels of each superpixel in the smaller picture, (L,)."""
        return np.bincount(self.parts.ravel(), minlength=self.members.shape[1])

    @property
    def overlaps(self) -> NDArray[np.float32]:
        """The intersection over the union of each two masks, (M, M)."""
        return overlaps_of(self.members, self.sizes)

    @property
    def boxes(self) -> NDArray[np.int64]:
        """The box of each mask, (M, 4): left, top, right, bottom in pixels of the picture, the last two exclusive."""
        return np.array([box_of(mask) for mask in self], np.int64).reshape(-1, 4)

    def _nearest(self) -> tuple[NDArray[np.int64], NDArray[np.int64]]:
        """Return the row and the column of the smaller picture for each of the picture's."""
        rows, columns = (
            (np.arange(side) * 2 + 1) * small // (2 * side)
            for side, small in zip((self.height, self.width), self.parts.shape, strict=True)
        )
        return rows, columns


def propose(image: Pixels, *, count: int = COUNT, most: int = MOST, side: int = SIDE) -> Proposals:
    """Return at most `most` masks of a picture, uint8 (H, W, 3), put together from about `count` superpixels.

    `side` is how many pixels along the longer side are looked at.  A picture of one colour has itself as its only mask.
    Another shape or type raises `UsageError`.
    """
    if image.ndim != 3 or image.shape[2] != 3 or image.dtype != np.uint8 or not image.size:
        raise UsageError(f"an image of shape {image.shape} and type {image.dtype}", cure="give uint8 (H, W, 3)")
    if min(count, most, side) < 1:
        raise UsageError(f"count = {count}, most = {most}, side = {side}", cure="give 1 or more of each")
    lab = lab_of(_smaller(image, side))
    parts = superpixels(lab, count=count)
    graph = graph_of(lab, parts)
    trees = [merged(graph, likeness) for likeness in LIKENESSES]
    members = np.concatenate([tree.members for tree in trees])
    lasts = np.concatenate([tree.lasts for tree in trees])
    shares = members @ (graph.sizes / graph.sizes.sum())
    fits = shares >= SMALLEST
    members, lasts, shares = members[fits], lasts[fits], shares[fits]
    order = np.argsort(-lasts * shares, kind="stable")
    kept = first_of_alike(overlaps_of(members[order], graph.sizes), ALIKE, most=most)
    return Proposals(image.shape[0], image.shape[1], parts, members[order[kept]])


def overlaps_of(members: Members, sizes: NDArray[np.integer]) -> NDArray[np.float32]:
    """Return the intersection over the union of each two rows of `members` (M, L) of parts of `sizes` (L,), (M, M)."""
    rows = members.astype(np.float32)
    common = (rows * sizes.astype(np.float32)) @ rows.T
    each = np.diagonal(common)
    shares: NDArray[np.float32] = common / np.maximum(each[:, None] + each - common, 1)
    return shares


def first_of_alike(overlaps: NDArray[np.float32], alike: float, *, most: int) -> list[int]:
    """Return the rows, in order, that overlap with none returned before by more than `alike`, at most `most`."""
    free, kept = np.ones(len(overlaps), np.bool_), list[int]()
    for row in range(len(overlaps)):
        if free[row]:
            kept.append(row)
            if len(kept) == most:
                break
            free &= overlaps[row] <= alike
    return kept


def _smaller(image: Pixels, side: int) -> Pixels:
    """Return the image with at most `side` pixels along its longer side, and at least one along the other."""
    from PIL import Image

    height, width = image.shape[:2]
    factor = side / max(height, width)
    if factor >= 1:
        return image
    size = max(1, round(width * factor)), max(1, round(height * factor))
    return np.asarray(Image.fromarray(image).resize(size, Image.Resampling.BOX))
