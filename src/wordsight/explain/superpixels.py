"""Small connected parts of a picture of about one colour: what mask proposals are put together from.

    labels = superpixels(lab_of(image), count=200)             # int32 (H, W), numbers from 0

Achanta et al. 2012, "SLIC": pixels join the nearest of the centres around them by colour and place, centres move to the
mean of their pixels, a few times over.  Here each pixel knows nine centres, those of its cell of the starting grid and
of the cells beside it, so that all pixels move at once.  Then parts that do not hang together become parts of their
own, and the small ones join the neighbour of the nearest colour.  Free of PyTorch.

Shapes: H, W sides of the picture, K superpixels.
"""

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from wordsight.base.arrays import Pixels

Planes = NDArray[np.float32]
PartNumbers = NDArray[np.int32]  # (H, W)
Links = NDArray[np.int64]  # (N, 2)
ROUNDS = 6
COMPACT = 10.0  # how many steps of colour (Lab) the distance of two starting centres counts; SLIC's usual m
SMALLEST = 0.25  # of the mean size; smaller parts join a neighbour

# sRGB (IEC 61966-2-1) to XYZ, divided by the white point D65
_TO_XYZ = np.array([[0.4124, 0.3576, 0.1805], [0.2126, 0.7152, 0.0722], [0.0193, 0.1192, 0.9505]], np.float32)
_TO_XYZ /= _TO_XYZ.sum(axis=1, keepdims=True)


def lab_of(image: Pixels) -> Planes:
    """Return CIE L*a*b* of sRGB uint8 (H, W, 3), float32: L from 0 to 100, a and b about -100 to 100."""
    levels = np.arange(256, dtype=np.float32) / 255
    linear = np.where(levels <= 0.04045, levels / 12.92, ((levels + 0.055) / 1.055) ** 2.4).astype(np.float32)
    xyz = linear[image] @ _TO_XYZ.T
    f = np.where(xyz > (6 / 29) ** 3, np.cbrt(xyz), xyz / (3 * (6 / 29) ** 2) + np.float32(4 / 29))
    x, y, z = f[..., 0], f[..., 1], f[..., 2]
    return np.stack([116 * y - 16, 500 * (x - y), 200 * (y - z)], axis=-1)


def superpixels(lab: Planes, *, count: int, compact: float = COMPACT) -> PartNumbers:
    """Return the number of the superpixel of each pixel, int32 (H, W), for about `count` of them; all hang together."""
    labels = connected(_gathered(lab, _grid(lab.shape[:2], count), compact))
    return _without_crumbs(labels, lab, least=SMALLEST * labels.size / max(count, 1))


@dataclass(frozen=True, slots=True)
class _Grid:
    rows: int
    columns: int
    step: float  # pixels between two centres


def _grid(sides: tuple[int, ...], count: int) -> _Grid:
    height, width = sides
    step = max(1.0, (height * width / max(count, 1)) ** 0.5)
    return _Grid(max(1, round(height / step)), max(1, round(width / step)), step)


def _gathered(lab: Planes, grid: _Grid, compact: float) -> PartNumbers:
    """Return the number of the nearest centre of each pixel."""
    height, width, _ = lab.shape
    weight = np.float32(compact / grid.step)
    y, x = np.mgrid[:height, :width].astype(np.float32) * weight
    planes = np.concatenate([lab.transpose(2, 0, 1), y[None], x[None]])  # (5, H, W)
    row, column = np.arange(height) * grid.rows // height, np.arange(width) * grid.columns // width
    labels: PartNumbers = (row[:, None] * grid.columns + column).astype(np.int32)  # where each begins
    centres = _means(planes, labels, grid.rows * grid.columns)
    beside = [
        (down.clip(0, grid.rows - 1)[:, None] * grid.columns + right.clip(0, grid.columns - 1)).astype(np.int32)
        for down in (row - 1, row, row + 1)
        for right in (column - 1, column, column + 1)
    ]
    for _ in range(ROUNDS):
        nearest = np.full((height, width), np.inf, np.float32)
        for numbers in beside:
            distance = np.zeros((height, width), np.float32)
            for plane, centre in zip(planes, centres, strict=True):
                apart = np.take(centre, numbers)
                np.subtract(plane, apart, out=apart)
                distance += np.square(apart, out=apart)
            nearer = distance < nearest
            np.copyto(nearest, distance, where=nearer)
            np.copyto(labels, numbers, where=nearer)
        centres = _means(planes, labels, centres.shape[1])
    return labels


def _means(planes: Planes, labels: PartNumbers, count: int) -> Planes:
    """Return the mean of each label in each plane of (D, H, W), (D, count); one without pixels is far from all."""
    flat = labels.ravel()
    sizes = np.bincount(flat, minlength=count)
    sums = np.stack([np.bincount(flat, plane.ravel(), count) for plane in planes])
    return np.where(sizes > 0, sums / np.maximum(sizes, 1), 1e6).astype(np.float32)


def neighbours(numbers: NDArray[np.integer]) -> Links:
    """Return the numbers of all pairs of pixels of (H, W) that share an edge, (N, 2): side by side, then below."""
    across = np.stack([numbers[:, :-1].ravel(), numbers[:, 1:].ravel()], axis=1)
    down = np.stack([numbers[:-1].ravel(), numbers[1:].ravel()], axis=1)
    return np.concatenate([across, down]).astype(np.int64)


def connected(labels: PartNumbers) -> PartNumbers:
    """Return int32 (H, W) in which each part of a label that hangs together, edge to edge, has a number of its own."""
    pairs = neighbours(np.arange(labels.size).reshape(labels.shape))
    flat = labels.ravel()
    return joined(pairs[flat[pairs[:, 0]] == flat[pairs[:, 1]]], labels.size)[0].reshape(labels.shape)


def joined(pairs: Links, count: int) -> tuple[PartNumbers, int]:
    """Return the numbers of `count` things after each of the pairs has become one, and how many are left."""
    root = np.arange(count)
    while True:
        first, second = root[pairs[:, 0]], root[pairs[:, 1]]
        apart = first != second
        if not apart.any():
            break
        pairs, first, second = pairs[apart], first[apart], second[apart]
        np.minimum.at(root, np.maximum(first, second), np.minimum(first, second))
        while True:  # each points to the root of what it points to
            further = root[root]
            if (further == root).all():
                break
            root = further
    left, numbers = np.unique(root, return_inverse=True)
    return numbers.astype(np.int32), len(left)


def touching(labels: PartNumbers) -> Links:
    """Return the pairs of labels that share an edge somewhere, once each, the smaller number first, (N, 2)."""
    return _once(neighbours(labels))


def _once(pairs: Links) -> Links:
    """Return the pairs of two different numbers, once each, the smaller number first."""
    first, second = pairs.min(axis=1), pairs.max(axis=1)
    keys = (first << 32 | second)[first != second]
    keys = np.unique(keys)
    return np.stack([keys >> 32, keys & 0xFFFFFFFF], axis=1)


def _without_crumbs(labels: PartNumbers, lab: Planes, *, least: float) -> PartNumbers:
    """Return labels in which each part below `least` pixels has joined the neighbour of the nearest colour."""
    count = int(labels.max()) + 1
    sizes: NDArray[np.int64] = np.bincount(labels.ravel(), minlength=count)
    sums = np.stack([np.bincount(labels.ravel(), plane.ravel(), count) for plane in lab.transpose(2, 0, 1)])
    edges, numbers = touching(labels), np.arange(count, dtype=np.int32)  # from here on parts, not pixels
    while True:
        pairs = np.concatenate([edges, edges[:, ::-1]])  # each from both sides
        small, other = pairs.T
        larger = (sizes[other] > sizes[small]) | ((sizes[other] == sizes[small]) & (other < small))
        pairs = pairs[(sizes[small] < least) & larger]  # towards larger ones: no circles
        if not len(pairs):
            return numbers[labels]
        colours = sums / sizes
        apart = np.square(colours[:, pairs[:, 0]] - colours[:, pairs[:, 1]]).sum(axis=0)
        pairs = pairs[np.lexsort((apart, pairs[:, 0]))]
        _, firsts = np.unique(pairs[:, 0], return_index=True)
        merged, left = joined(pairs[firsts], len(sizes))
        sums = np.stack([np.bincount(merged, plane, left) for plane in sums])
        sizes = np.bincount(merged, sizes, left).astype(np.int64)
        edges, numbers = _once(merged[edges].astype(np.int64)), merged[numbers]
