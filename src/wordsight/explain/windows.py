"""Windows that slide over a picture larger than what a tower sees, and what is found in them put together.

    plan = plan_windows(480, 640, crop=224)                 # the shorter side becomes 336, a window every 112 pixels
    for batch in cut(image, plan, at_once=16): ...        # uint8 (n, 224, 224, 3)
    for part, mean in averaged(plan, maps): ...             # (C, rows, columns) of maps (n, C, G, G)

The picture is scaled, windows are cut from it, each has a map of cells; a pixel of the picture is the mean of the
windows over it, in each of which it lies between four cells (bilinear).  A picture narrower than a window is filled up
with grey.  Free of PyTorch; knows neither models nor texts.

Shapes: H, W sides of the picture, n windows, C maps of each, G side of a map.
"""

import math
from collections.abc import Iterator
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from wordsight.base.arrays import Pixels
from wordsight.base.errors import UsageError
from wordsight.explain.perturbed import between_centres

Maps = NDArray[np.float32]
Tile = tuple[slice, slice]  # rows and columns
GREY = 124  # of 255: about the mean of photos, so that the border of a filled up picture is no object
MOST_WINDOWS = 256
TILE_BYTES = 1 << 23  # of the maps that are put together at a time: 8 MiB, measured best of 0.5 to 256


@dataclass(frozen=True, slots=True)
class WindowPlan:
    """Where windows of `crop` x `crop` pixels lie in a picture (`height`, `width`) scaled to (`rows`, `columns`).

    `tops` and `lefts` are their corners: there is a window at each pair, row by row.
    """

    height: int
    width: int
    rows: int
    columns: int
    crop: int
    tops: tuple[int, ...]
    lefts: tuple[int, ...]

    def __len__(self) -> int:
        """How many windows there are."""
        return len(self.tops) * len(self.lefts)


def plan_windows(
    height: int, width: int, *, crop: int, short: int = 0, stride: int = 0, most: int = MOST_WINDOWS
) -> WindowPlan:
    """Return the windows of a picture of `height` x `width` pixels whose shorter side is scaled to `short`.

    0 is one and a half times `crop`, and for `stride` half of it (Wang et al. 2024, "SCLIP": 336, 224 and 112).  Where
    there would be more than `most` windows the picture is scaled less, so that very long ones end, too.
    """
    short, stride = short or crop * 3 // 2, stride or max(crop // 2, 1)
    if min(height, width) < 1:
        raise UsageError(f"a picture of {height} x {width} pixels", cure="give one with at least one pixel")
    if min(crop, short, stride, most) < 1 or stride > crop:
        problem = f"windows of {crop} pixels, one every {stride}, of a shorter side of {short}, at most {most}"
        raise UsageError(problem, cure="give 1 or more, and a stride of at most a window, or pixels are left out")
    factor = short / min(height, width)
    while True:
        rows, columns = (max(1, round(side * factor)) for side in (height, width))
        tops, lefts = _starts(rows, crop, stride), _starts(columns, crop, stride)
        if len(tops) * len(lefts) <= most:
            return WindowPlan(height, width, rows, columns, crop, tops, lefts)
        factor *= max(0.5, min(0.98, math.sqrt(most / (len(tops) * len(lefts)))))


def _starts(side: int, crop: int, stride: int) -> tuple[int, ...]:
    """Return the first pixels of windows along a side: evenly, at most `stride` apart, the last at the end."""
    if side <= crop:
        return (0,)
    steps = math.ceil((side - crop) / stride)
    return tuple(round(i * (side - crop) / steps) for i in range(steps + 1))


def cut(image: Pixels, plan: WindowPlan, *, at_once: int) -> Iterator[Pixels]:
    """Yield the windows of uint8 (H, W, 3) in order, at most `at_once` together, uint8 (n, crop, crop, 3)."""
    from PIL import Image

    if image.shape != (plan.height, plan.width, 3):
        raise UsageError(f"a picture of shape {image.shape}", cure=f"the plan is for {plan.height} x {plan.width}")
    scaled = np.asarray(Image.fromarray(image).resize((plan.columns, plan.rows), Image.Resampling.BICUBIC))
    corners = [(top, left) for top in plan.tops for left in plan.lefts]
    for start in range(0, len(corners), at_once):
        batch = np.full((len(corners[start : start + at_once]), plan.crop, plan.crop, 3), GREY, np.uint8)
        for window, (top, left) in zip(batch, corners[start:], strict=False):
            part = scaled[top : top + plan.crop, left : left + plan.crop]
            window[: part.shape[0], : part.shape[1]] = part
        yield batch


def averaged(plan: WindowPlan, maps: Maps, *, tile_bytes: int = TILE_BYTES) -> Iterator[tuple[Tile, Maps]]:
    """Yield tiles of the picture, its rows and columns, and its maps there, float32 (C, rows, columns).

    They are put together from the maps of all windows, (n, C, G, G'), and cover the picture; each takes about
    `tile_bytes`, and is a pixel at least.  Maps of another number of windows raise `UsageError`.
    """
    if maps.ndim != 4 or len(maps) != len(plan):
        raise UsageError(f"maps of shape {maps.shape}", cure=f"give (n, C, G, G) for {len(plan)} windows")
    down = [_along(plan.height, plan.rows, top, plan.crop, maps.shape[2]) for top in plan.tops]
    across = [_along(plan.width, plan.columns, left, plan.crop, maps.shape[3]) for left in plan.lefts]
    pixels = max(1, tile_bytes // (maps.itemsize * maps.shape[1]))
    columns = min(plan.width, pixels)
    for rows in _stretches(plan.height, pixels // columns):
        for part in _stretches(plan.width, columns):
            yield (rows, part), _tile(maps, down, across, tile=(rows, part))


def _stretches(side: int, most: int) -> Iterator[slice]:
    for start in range(0, side, most):
        yield slice(start, min(start + most, side))


@dataclass(frozen=True, slots=True)
class _Weights:
    """Of pixels `first` to `last` of a side: the weight of each cell of one window, (last - first, G)."""

    first: int
    last: int
    cells: Maps

    def within(self, stretch: slice) -> tuple[slice, Maps]:
        """Return where the window lies in a stretch of the side, counted from its start, and the weights there."""
        first, last = max(self.first, stretch.start), min(self.last, stretch.stop)
        if first >= last:
            return slice(0, 0), self.cells[:0]
        return slice(first - stretch.start, last - stretch.start), self.cells[first - self.first : last - self.first]


def _along(side: int, scaled: int, start: int, crop: int, cells: int) -> _Weights:
    """Return the weights of the cells of the window at `start` for the pixels of a side that lie in it."""
    centres = (np.arange(side) + 0.5) * (scaled / side) - start  # in pixels of the window
    inside = np.flatnonzero((centres >= 0) & (centres < crop))
    if not len(inside):  # between the centres of two pixels of a picture that was made smaller
        return _Weights(0, 0, np.zeros((0, cells), np.float32))
    weights = between_centres(centres[inside] * (cells / crop), cells)
    return _Weights(int(inside[0]), int(inside[-1]) + 1, weights)


def _tile(maps: Maps, down: list[_Weights], across: list[_Weights], *, tile: Tile) -> Maps:
    """Return the mean over windows in a tile, (C, rows, columns)."""
    sides = [stretch.stop - stretch.start for stretch in tile]
    total, counts = np.zeros((maps.shape[1], *sides), np.float32), np.zeros(sides, np.float32)
    for number, one in enumerate(maps):
        (rows, upper), (columns, left) = (
            weights.within(stretch)
            for weights, stretch in zip((down[number // len(across)], across[number % len(across)]), tile, strict=True)
        )
        if len(upper) and len(left):
            total[:, rows, columns] += (upper @ one) @ left.T
            counts[rows, columns] += 1
    total /= counts
    return total
