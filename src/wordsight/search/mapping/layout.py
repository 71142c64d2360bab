"""Where images come to lie on a map: near ones drawn together along their neighbour graph, all others pushed apart.

    start = principal(rows)                          # (N, 2)
    positions = layout(near.numbers, start, seed=0)  # float32 (N, 2), within [-1, 1]

That is t-SNE (van der Maaten and Hinton, "Visualizing data using t-SNE", JMLR 9, 2008): descent of the divergence
between how near images are and how near their points are.  As in later work an image is as near to each of its k
neighbours (Böhm, Berens and Kobak, "Attraction-repulsion spectrum in neighbor embeddings", JMLR 23, 2022, who find it
as good as a likeness by distance), and what pushes is summed on a mesh.  LargeVis and UMAP push by some drawn
at random instead: on 6,000 photos that kept 0.43 to 0.52 of what this keeps 0.73 of (docs/map.md).  Knows only arrays.
"""

from collections.abc import Callable, Iterator
from typing import Protocol

import numpy as np
from numpy.typing import NDArray

from wordsight.search.mapping.mesh import Line, Mesh

Positions = NDArray[np.float32]  # (N, 2)

STEPS, EARLY = 500, 100  # of the descent, and those in which neighbours are drawn together by more
EARLY_PULL, PULL = 12.0, 1.1  # how much more
HEAVY, HEAVY_EARLY = 0.8, 0.5  # what stays of the speed between steps
FASTEST = 5.0  # of a point, in a step
CROWDED = 0.001  # of half the map's width: two points of one such square cannot be told apart
_BLOCK = 8192  # rows read at once


class _Rows(Protocol):
    """Embeddings (N, W), which may be a file."""

    def __len__(self) -> int: ...

    def __getitem__(self, asked: slice) -> NDArray[np.floating]: ...


def principal(rows: _Rows) -> Positions:
    """Return the two principal components of embeddings (N, W), (N, 2); zeros where all are one."""
    if not len(rows):
        return np.zeros((0, 2), np.float32)
    total, products = None, None
    for block in _blocks(rows):
        total = block.sum(axis=0) if total is None else total + block.sum(axis=0)
        products = block.T @ block if products is None else products + block.T @ block
    assert total is not None and products is not None
    mean = total / len(rows)
    _, axes = np.linalg.eigh(products / len(rows) - np.outer(mean, mean))
    chosen = axes[:, ::-1][:, :2]
    chosen = chosen * np.where(chosen[np.abs(chosen).argmax(axis=0), [0, 1]] < 0, -1, 1)  # the same signs everywhere
    return np.concatenate([(block - mean) @ chosen for block in _blocks(rows)]).astype(np.float32)


def layout(
    neighbours: NDArray[np.int32], start: Positions, *, seed: int = 0, progress: Callable[[float], None] | None = None
) -> Positions:
    """Return where N images lie within [-1, 1], given the neighbours of each (N, k) and where they begin (N, 2)."""
    if len(start) < 3:
        return within(np.array([[0.0, 0.0], [1.0, 0.0]], np.float32)[: len(start)])
    descent = _Descent(neighbours, start, seed)
    for number in range(STEPS):
        descent.step(early=number < EARLY)
        if progress is not None:
            progress((number + 1) / STEPS)
    return _parted(within(np.stack([descent.x, descent.y], axis=1)), seed)


def _parted(positions: Positions, seed: int) -> Positions:
    """Return positions (N, 2), those that lie on one another a little apart, as many copies of one image do."""
    squares = np.floor(positions / CROWDED).astype(np.int64)
    _, which, times = np.unique(squares @ np.array([1 << 20, 1]), return_inverse=True, return_counts=True)
    crowded = times[which.reshape(-1)] > 1
    draw = np.random.default_rng(seed).normal(scale=2 * CROWDED, size=(int(crowded.sum()), 2))
    positions[crowded] = np.clip(positions[crowded] + draw, -1, 1)
    return positions


def within(positions: Positions) -> Positions:
    """Return positions (N, 2) moved and scaled, both axes alike, to just fill [-1, 1]."""
    if not len(positions):
        return positions
    low, high = positions.min(axis=0), positions.max(axis=0)
    scale = max(float((high - low).max()) / 2, 1e-12)
    return np.asarray(np.clip((positions - (low + high) / 2) / scale, -1, 1), np.float32)


class _Descent:
    """The points and their speeds; the step of each coordinate grows while it goes one way (Jacobs, 1988)."""

    def __init__(self, neighbours: NDArray[np.int32], start: Positions, seed: int) -> None:
        draw = np.random.default_rng(seed).normal(size=start.shape)  # equal images have to part
        deviation = float(start.std())
        begin = start / deviation + 1e-3 * draw if deviation > 1e-6 else draw
        self.x, self.y = np.ascontiguousarray(begin.T, np.float32)
        self._near = neighbours.astype(np.int64)
        self._flat = self._near.reshape(-1)
        self._mesh = Mesh()
        self._speeds = np.zeros((2, len(start)), np.float32)
        self._gains = np.ones((2, len(start)), np.float32)

    def step(self, *, early: bool) -> None:
        """Move all points once."""
        pull = EARLY_PULL if early else PULL
        push = self._mesh.forces(self.x, self.y)
        pull_x, pull_y = self._pull()
        share, mass = np.float32(pull / (2 * self._near.size)), np.float32(max(push.mass, 1e-12))
        rate = np.float32(len(self.x) / max(pull, 4.0))
        heavy = np.float32(HEAVY_EARLY if early else HEAVY)
        for axis, force in enumerate((share * pull_x + push.x / mass, share * pull_y + push.y / mass)):
            speed, gain = self._speeds[axis], self._gains[axis]
            gain[:] = np.maximum(np.where(speed * force > 0, gain + np.float32(0.2), gain * np.float32(0.8)), 0.01)
            speed *= heavy
            speed += rate * gain * force
        self._speeds /= np.maximum(1, np.hypot(*self._speeds) / np.float32(FASTEST))
        self.x += self._speeds[0] - self._speeds[0].mean()
        self.y += self._speeds[1] - self._speeds[1].mean()

    def _pull(self) -> tuple[Line, Line]:
        """Return the sums of q (x' - x) over the neighbours of each point, and over those whose neighbour it is."""
        count = len(self.x)
        pull_x, pull_y = self.x[self._near], self.y[self._near]
        pull_x -= self.x[:, None]
        pull_y -= self.y[:, None]
        q = 1 / (1 + pull_x * pull_x + pull_y * pull_y)
        pull_x *= q
        pull_y *= q
        back_x, back_y = (np.bincount(self._flat, one.reshape(-1), count) for one in (pull_x, pull_y))
        return (pull_x.sum(axis=1) - back_x).astype(np.float32), (pull_y.sum(axis=1) - back_y).astype(np.float32)


def _blocks(rows: _Rows) -> Iterator[NDArray[np.float32]]:
    for start in range(0, len(rows), _BLOCK):
        yield np.asarray(rows[start : start + _BLOCK], np.float32)
