"""Images that are the same, or nearly: files with equal bytes, and images that look alike when very small.

An image is described by its difference hash (64 bits: is each of 8 x 8 fields brighter than its right neighbour?) and
a thumbnail of 16 x 16.  Two are near-duplicates when their hashes differ in at most 3 bits and their thumbnails by no
more than 20 of 255 levels anywhere: an image saved again at another size or quality stays within that, but hashes
alone call all sandals on white the same.
"""

from collections import defaultdict
from collections.abc import Callable, Iterable, Iterator, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np
from numpy.typing import NDArray

if TYPE_CHECKING:
    from PIL.Image import Image

HASH_BITS_APART = 3  # so that of 4 bands of 16 bits one is equal
LEVELS_APART = 20  # the most seen between 80 photos of 128 pixels and their JPEGs of quality 60 at three quarters
_THUMB = 16
_GAP = 4096.0  # how many times larger an image may be that is scaled down at once: the filters of longer ones are huge
_LARGE_BUCKET = 2000  # images that share a band; above it (blank images) only equal hashes are compared


@dataclass(frozen=True, slots=True)
class PerceptualHash:
    """How an image looks when very small: `bits` (64-bit hash) and `thumb`, uint8 (768,)."""

    bits: int
    thumb: NDArray[np.uint8]


def perceptual_hash(image: "Image") -> PerceptualHash:
    """Describe a Pillow image in RGB."""
    from PIL import Image

    box = Image.Resampling.BOX
    fields = np.asarray(image.convert("L").resize((9, 8), box, reducing_gap=_GAP), dtype=np.int16)
    thumb = np.asarray(image.resize((_THUMB, _THUMB), box, reducing_gap=_GAP)).reshape(-1)
    bits = np.packbits(fields[:, 1:] > fields[:, :-1]).tobytes()
    return PerceptualHash(int.from_bytes(bits, "big"), thumb)


def equal_groups(names: Sequence[str], marks: Sequence[str]) -> list[list[str]]:
    """Return the groups of two and more names whose marks (file hashes) are equal, in order of appearance."""
    groups: dict[str, list[str]] = defaultdict(list)
    for name, mark in zip(names, marks, strict=True):
        groups[mark].append(name)
    return [group for group in groups.values() if len(group) > 1]


def near_groups(names: Sequence[str], hashes: Sequence[PerceptualHash]) -> list[list[str]]:
    """Return the groups of names whose images are near-duplicates, linked through one another."""
    if not hashes:
        return []
    bits = np.array([one.bits for one in hashes], dtype=np.uint64)
    thumbs = np.stack([one.thumb for one in hashes])
    parents = list(range(len(hashes)))
    for row, others in near_links(bits, lambda rows: thumbs[rows]):
        for other in others.tolist():
            parents[_root(parents, other)] = _root(parents, row)
    groups: dict[int, list[str]] = defaultdict(list)
    for row, name in enumerate(names):
        groups[_root(parents, row)].append(name)
    return [group for group in groups.values() if len(group) > 1]


def near_links(
    bits: NDArray[np.uint64], thumbs: Callable[[NDArray[np.int64]], NDArray[np.uint8]]
) -> Iterator[tuple[int, NDArray[np.int64]]]:
    """Yield rows with the later ones that are their near-duplicates; a pair may come more than once.

    `bits` are the hashes (N,), `thumbs` returns those of given rows (n, 768): they need not lie in memory.
    """
    for rows in _buckets(bits):
        for position, row in enumerate(rows[:-1]):
            others = rows[position + 1 :]
            near = others[bits_set(bits[others] ^ bits[row]) <= HASH_BITS_APART]
            if len(near):
                yield int(row), near[looks_alike(thumbs(near), thumbs(rows[position : position + 1])[0])]


def looks_alike(thumbs: NDArray[np.uint8], thumb: NDArray[np.uint8]) -> NDArray[np.bool_]:
    """Return which thumbnails (n, 768) differ from one (768,) by no more than `LEVELS_APART` anywhere."""
    alike: NDArray[np.bool_] = np.abs(thumbs.astype(np.int16) - thumb).max(axis=1) <= LEVELS_APART
    return alike


def _buckets(bits: NDArray[np.uint64]) -> Iterable[NDArray[np.int64]]:
    """Yield rows that agree in one of four bands of the hash."""
    for band in range(4):
        part = (bits >> np.uint64(16 * band)) & np.uint64(0xFFFF)
        for rows in _runs(part):
            if len(rows) <= _LARGE_BUCKET:
                yield rows
            else:
                yield from (rows[same][:_LARGE_BUCKET] for same in _runs(bits[rows]))


def _runs(values: NDArray[np.uint64]) -> list[NDArray[np.int64]]:
    order = np.argsort(values, kind="stable")
    cuts = np.flatnonzero(np.diff(values[order])) + 1
    return [rows for rows in np.split(order, cuts) if len(rows) > 1]


def bits_set(values: NDArray[np.uint64]) -> NDArray[np.int64]:
    """Return how many bits of each value (n,) are set."""
    counts: NDArray[np.int64] = np.unpackbits(values.view(np.uint8).reshape(-1, 8), axis=1).sum(axis=1, dtype=np.int64)
    return counts


def _root(parents: list[int], row: int) -> int:
    while parents[row] != row:
        parents[row] = parents[parents[row]]
        row = parents[row]
    return row
