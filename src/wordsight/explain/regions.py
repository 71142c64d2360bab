"""Superpixels that merge two by two into larger regions, until one is left: every region on the way may be a thing.

    tree = merged(graph_of(lab, labels), Likeness(edge=2.0))
    tree.members                     # bool (2L - 1, L): which superpixels each region holds

Uijlings et al. 2013, "Selective search", section 3: the two neighbours that are most alike merge first, by the overlap
of their histograms of colour and texture, by how small they are and how well they fill their common box.  `edge` is
added here: how little the colours on both sides of their common border differ.  Free of PyTorch.

Shapes: H, W sides of the picture, L superpixels.
"""

import heapq
from collections.abc import Iterator
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from wordsight.explain.superpixels import PartNumbers, Planes, neighbours

BINS = 16  # of each channel's histogram
TURNS = 8  # directions of gradients
SHARP = 12.0  # Lab: a difference across a border that counts as a clear edge
Members = NDArray[np.bool_]
PixelValues = NDArray[np.floating]  # (H*W,)


@dataclass(frozen=True, slots=True)
class Likeness:
    """How much each part counts when it is asked how alike two regions are; each part is between 0 and 1."""

    colour: float = 1.0
    texture: float = 1.0
    size: float = 1.0
    fill: float = 1.0
    edge: float = 0.0


@dataclass(frozen=True, slots=True, eq=False)
class RegionTree:
    """Every region that came to be: the L superpixels first, then each merger, the whole picture last.

    `members` bool (2L - 1, L); `lasts` float32 (2L - 1,): how many mergers lie between those that made a region and
    that took it away, as a share of all; regions that last stand out from what lies around them.
    """

    members: Members
    lasts: Planes


@dataclass(frozen=True, slots=True, eq=False)
class RegionGraph:
    """What is known of the superpixels before any merger.

    `histograms` (L, colour's bins then texture's, each part summing to 1), `sizes` in pixels (L,), `boxes` (L, 4)
    top, left, bottom, right, `borders` of each pair that touches: pixels and the sum of the differences across.
    """

    histograms: Planes
    sizes: NDArray[np.int64]
    boxes: NDArray[np.int64]
    borders: dict[tuple[int, int], tuple[float, float]]


def graph_of(lab: Planes, labels: PartNumbers) -> RegionGraph:
    """Return what is known of the superpixels `labels` (H, W), numbers from 0, of Lab colours (H, W, 3)."""
    count = int(labels.max()) + 1
    flat = labels.ravel()
    sizes = np.bincount(flat, minlength=count)
    levels = (lab + np.array([0, 50, 50], np.float32)) * np.float32(BINS / 100)  # a and b beyond 50 are rare
    parts = [_histogram(flat, channel, np.ones_like(channel), BINS, count) for channel in levels.reshape(-1, 3).T]
    turn, steep = _gradients(lab[..., 0])
    turns = _histogram(flat, turn, steep + 1e-3, TURNS, count)
    strengths = _histogram(flat, 1.5 * np.log2(1 + steep), np.ones_like(steep), TURNS, count)
    histograms = np.concatenate([part / 3 for part in parts] + [turns / 2, strengths / 2], axis=1).astype(np.float32)
    y, x = (line.ravel() for line in np.indices(labels.shape))
    boxes = np.stack(
        [_least(flat, y, count), _least(flat, x, count), -_least(flat, -y, count), -_least(flat, -x, count)]
    )
    return RegionGraph(histograms, sizes, boxes.T, _borders(lab, labels))


def _gradients(light: Planes) -> tuple[PixelValues, PixelValues]:
    """Return the direction, from 0 to TURNS, and the length of the gradient of each pixel of (H, W), both (H*W,)."""
    down, across = (np.gradient(light, axis=axis) if light.shape[axis] > 1 else np.zeros_like(light) for axis in (0, 1))
    turn: PixelValues = (np.arctan2(down, across) / np.pi + 1) * (TURNS / 2)
    steep: PixelValues = np.hypot(down, across)
    return turn.ravel(), steep.ravel()


def _histogram(flat: PartNumbers, values: PixelValues, weights: PixelValues, bins: int, count: int) -> Planes:
    """Return the share of each bin in each label, (count, bins)."""
    bin_of = values.astype(np.int64).clip(0, bins - 1)
    sums = np.bincount(flat.astype(np.int64) * bins + bin_of, weights, count * bins).reshape(count, bins)
    shares: Planes = (sums / sums.sum(axis=1, keepdims=True)).astype(np.float32)
    return shares


def _least(flat: PartNumbers, values: NDArray[np.int64], count: int) -> NDArray[np.int64]:
    least = np.full(count, np.iinfo(np.int64).max)
    np.minimum.at(least, flat, values)
    return least


def _borders(lab: Planes, labels: PartNumbers) -> dict[tuple[int, int], tuple[float, float]]:
    pairs, pixels = neighbours(labels), neighbours(np.arange(labels.size).reshape(labels.shape))
    crossing = pairs[:, 0] != pairs[:, 1]
    pairs, pixels, colours = pairs[crossing], pixels[crossing], lab.reshape(-1, 3)
    apart = np.linalg.norm(colours[pixels[:, 0]] - colours[pixels[:, 1]], axis=1)
    keys, numbers = np.unique(pairs.min(axis=1) << 32 | pairs.max(axis=1), return_inverse=True)
    counts, sums = np.bincount(numbers), np.bincount(numbers, apart)
    return {
        (int(key >> 32), int(key & 0xFFFFFFFF)): (float(count), float(total))
        for key, count, total in zip(keys, counts, sums, strict=True)
    }


def merged(graph: RegionGraph, likeness: Likeness) -> RegionTree:
    """Return every region that comes to be while the two that are most alike merge, until none touch."""
    return _Merging(graph, likeness).run()


class _Merging:
    def __init__(self, graph: RegionGraph, likeness: Likeness) -> None:
        self.likeness, count = likeness, len(graph.sizes)
        every = 2 * count - 1
        self.count = count
        self.histograms = np.zeros((every, graph.histograms.shape[1]), np.float32)
        self.histograms[:count] = graph.histograms
        self.sizes, self.boxes = np.zeros(every), np.zeros((every, 4))
        self.sizes[:count], self.boxes[:count] = graph.sizes, graph.boxes
        self.total = float(graph.sizes.sum())
        self.members = np.zeros((every, count), np.bool_)
        self.members[:count] = np.eye(count, dtype=np.bool_)
        self.beside: list[dict[int, tuple[float, float]]] = [{} for _ in range(every)]
        for (first, second), border in graph.borders.items():
            self.beside[first][second] = self.beside[second][first] = border

    def run(self) -> RegionTree:
        ends = np.full(2 * self.count - 1, 2 * self.count - 1)
        heap: list[tuple[float, int, int]] = []
        for region in range(self.count):
            heap.extend(self._likes(region, [other for other in self.beside[region] if other < region]))
        heapq.heapify(heap)
        new = self.count
        while heap:
            _, first, second = heapq.heappop(heap)
            if second not in self.beside[first]:  # one of the two is gone
                continue
            self._merge(first, second, new)
            ends[[first, second]] = new
            for entry in self._likes(new, list(self.beside[new])):
                heapq.heappush(heap, entry)
            new += 1
        began = np.maximum(np.arange(new), self.count)
        return RegionTree(self.members[:new], ((ends[:new] - began) / max(self.count, 1)).astype(np.float32))

    def _merge(self, first: int, second: int, new: int) -> None:
        share = self.sizes[first] / (self.sizes[first] + self.sizes[second])
        self.histograms[new] = self.histograms[first] * share + self.histograms[second] * (1 - share)
        self.sizes[new] = self.sizes[first] + self.sizes[second]
        self.boxes[new, :2] = np.minimum(self.boxes[first, :2], self.boxes[second, :2])
        self.boxes[new, 2:] = np.maximum(self.boxes[first, 2:], self.boxes[second, 2:])
        self.members[new] = self.members[first] | self.members[second]
        for old in (first, second):
            for other, (length, apart) in self.beside[old].items():
                del self.beside[other][old]
                if other not in (first, second):
                    more, further = self.beside[new].get(other, (0.0, 0.0))
                    self.beside[new][other] = self.beside[other][new] = (length + more, apart + further)
            self.beside[old] = {}

    def _likes(self, region: int, others: list[int]) -> Iterator[tuple[float, int, int]]:
        """Yield (minus how alike, region, other) for the heap."""
        if not others:
            return
        like, colours = self.likeness, 3 * BINS
        common = np.minimum(self.histograms[region], self.histograms[others])  # (n, bins)
        sizes = self.sizes[region] + self.sizes[others]
        low = np.minimum(self.boxes[region, :2], self.boxes[others, :2])
        high = np.maximum(self.boxes[region, 2:], self.boxes[others, 2:])
        box = (high - low + 1).prod(axis=1)
        border = np.array([self.beside[region][other] for other in others])  # (n, 2)
        alike = (
            like.colour * common[:, :colours].sum(axis=1)
            + like.texture * common[:, colours:].sum(axis=1)
            + like.size * (1 - sizes / self.total)
            + like.fill * (1 - (box - sizes) / self.total)
            + like.edge * np.exp(-border[:, 1] / border[:, 0] / SHARP)
        )
        yield from zip((-alike).tolist(), [region] * len(others), others, strict=True)
