"""What several corruptions are made of: blurs, motion, zoom, sampling, a field of clouds.

Images are float32 (H, W) or (H, W, C).  Lengths are in pixels of the image that is given; `unit` says how many of
them make one pixel of the 224 x 224 images for which the corruptions are published.
"""

import math
from functools import lru_cache
from typing import Literal

import numpy as np
from numpy.typing import NDArray

Planes = NDArray[np.float32]  # (H, W) or (H, W, C), 0..1 where colours are meant
Border = Literal["nearest", "reflect", "mirror"]  # a|abc|c, ba|abc|cb and cb|abc|ba: what lies outside of an image

PUBLISHED_SIDE = 224  # pixels, for which the published parameters hold


def unit(image: Planes) -> float:
    """Return the shorter side of an image in units of 224 pixels: what published lengths are multiplied by."""
    return float(min(image.shape[:2])) / PUBLISHED_SIDE


def gaussian_blur(image: Planes, sigma: float, *, truncate: float, border: Border) -> Planes:
    """Return an image blurred by a Gaussian that ends at `truncate` sigmas.

    Each direction is a product with a dense matrix: at 224 pixels faster than sums over shifted images, and the
    same for any sigma.
    """
    down = _gaussian_matrix(image.shape[0], sigma, truncate, border)
    across = _gaussian_matrix(image.shape[1], sigma, truncate, border)
    if image.ndim == 2:
        return np.asarray((down @ image) @ across.T, dtype=np.float32)
    blurred = np.stack([(down @ image[..., c]) @ across.T for c in range(image.shape[2])], axis=-1)
    return blurred.astype(np.float32, copy=False)


@lru_cache(maxsize=32)
def _gaussian_matrix(size: int, sigma: float, truncate: float, border: Border) -> Planes:
    radius = int(truncate * sigma + 0.5)
    offsets = np.arange(-radius, radius + 1)
    weights = np.exp(-0.5 * (offsets / sigma) ** 2)
    weights /= weights.sum()
    matrix = np.zeros((size, size))
    rows = np.arange(size)
    for offset, weight in zip(offsets, weights, strict=True):
        matrix[rows, inside(rows + int(offset), size, border)] += weight  # each row once: no index is repeated
    return matrix.astype(np.float32)


def inside(positions: NDArray[np.int64], size: int, border: Border) -> NDArray[np.int64]:
    """Return which of `size` pixels stands at positions that may lie outside of them."""
    if border == "nearest":
        return np.clip(positions, 0, size - 1)
    period = 2 * size if border == "reflect" else max(2 * size - 2, 1)
    last = 2 * size - 1 if border == "reflect" else 2 * size - 2
    folded = np.mod(positions, period)
    mirrored: NDArray[np.int64] = np.minimum(folded, last - folded)
    return mirrored


def convolve(image: Planes, kernel: Planes) -> Planes:
    """Return an image (H, W, C) convolved with a symmetric kernel (K, K), K odd; borders are mirrored."""
    height, width, _ = image.shape
    radius = len(kernel) // 2
    padded = np.pad(image, ((radius, radius), (radius, radius), (0, 0)), mode="reflect")
    shape = _fast(padded.shape[0]), _fast(padded.shape[1])
    transfer = np.fft.rfft2(kernel, s=shape)
    result = np.empty_like(image)
    for c in range(image.shape[2]):
        spectrum = np.fft.rfft2(padded[..., c], s=shape)
        whole = np.fft.irfft2(spectrum * transfer, s=shape)
        result[..., c] = whole[2 * radius : 2 * radius + height, 2 * radius : 2 * radius + width]
    return result


def _fast(size: int) -> int:
    """Return the least length from `size` whose prime factors are 2, 3 and 5: those FFTs are fast."""
    while True:
        rest = size
        for prime in (2, 3, 5):
            while rest % prime == 0:
                rest //= prime
        if rest == 1:
            return size
        size += 1


def moved(image: Planes, *, radius: float, sigma: float, angle: float) -> Planes:
    """Return an image blurred along a line, as ImageMagick's motion blur does, which the corruptions are defined by.

    Half a Gaussian of 2 `radius` + 1 taps goes from each pixel in the direction `angle` (degrees, clockwise from the
    right), at whole pixels; borders are repeated.
    """
    taps = 2 * math.ceil(radius) + 1
    weights = np.exp(-0.5 * (np.arange(taps) / sigma) ** 2)
    weights /= weights.sum()
    down = np.ceil(np.arange(taps) * math.sin(math.radians(angle)) - 0.5).astype(int)
    across = np.ceil(np.arange(taps) * math.cos(math.radians(angle)) - 0.5).astype(int)
    height, width = image.shape[:2]
    outside = [(-int(s.min()), int(s.max())) for s in (down, across)]
    padded = np.pad(image, outside + [(0, 0)] * (image.ndim - 2), mode="edge")
    result = np.zeros_like(image)
    for weight, row, column in zip(
        weights.astype(np.float32), down + outside[0][0], across + outside[1][0], strict=True
    ):
        result += weight * padded[row : row + height, column : column + width]
    return result


def zoomed(image: Planes, factor: float) -> Planes:
    """Return the middle of an image (H, W) or (H, W, C), enlarged by `factor` from 1 with bilinear interpolation.

    The corners of the part and of the enlarged image are the same points; what goes beyond the shape is cut off.
    """
    lines = []
    for size in image.shape[:2]:
        part = math.ceil(size / factor)
        step = (part - 1) / max(round(part * factor) - 1, 1)
        lines.append((size - part) // 2 + np.minimum(np.arange(size) * step, part - 1))
    return on_grid(image, lines[0], lines[1], border="nearest")


def on_grid(image: Planes, rows: NDArray[np.float64], columns: NDArray[np.float64], *, border: Border) -> Planes:
    """Return an image at every pair of `rows` (h,) and `columns` (w,), interpolated bilinearly: (h, w) or (h, w, C)."""
    for axis, positions in enumerate((rows, columns)):
        low = np.floor(positions).astype(np.int64)
        size = image.shape[axis]
        share = (positions - low).astype(np.float32).reshape([-1 if a == axis else 1 for a in range(image.ndim)])
        first = image.take(inside(low, size, border), axis)
        image = first + share * (image.take(inside(low + 1, size, border), axis) - first)
    return image


def at_points(image: Planes, rows: Planes, columns: Planes, *, border: Border) -> Planes:
    """Return an image (H, W, C) at the points `rows`, `columns` (h, w), interpolated bilinearly: (h, w, C)."""
    height, width, _ = image.shape
    top, left = np.floor(rows), np.floor(columns)
    down, right = (rows - top)[..., None], (columns - left)[..., None]
    row, column = top.astype(np.int64), left.astype(np.int64)
    upper, lower = inside(row, height, border) * width, inside(row + 1, height, border) * width
    first, second = inside(column, width, border), inside(column + 1, width, border)
    flat = image.reshape(height * width, -1)
    above = flat[upper + first] * (1 - right) + flat[upper + second] * right
    below = flat[lower + first] * (1 - right) + flat[lower + second] * right
    mixed: Planes = (above * (1 - down) + below * down).astype(np.float32)
    return mixed


def clouds(decay: float, generator: np.random.Generator, *, size: int = 256) -> Planes:
    """Return a plasma fractal (size, size) from 0 to 1 that repeats in both directions; `size` is a power of two.

    The diamond-square algorithm: at each halving of the distance the points between become the mean of their four
    neighbours and a uniform deviation, whose range shrinks by `decay` squared.  A small `decay` gives fine clouds.
    """
    heights = np.zeros((size, size))
    step, swing = size, 1.0
    while step >= 2:
        half = step // 2
        corners = heights[::step, ::step]
        pairs = corners + np.roll(corners, -1, axis=0)
        middles = (pairs + np.roll(pairs, -1, axis=1)) / 4 + swing * generator.uniform(-1, 1, corners.shape)
        heights[half::step, half::step] = middles
        for axis, (rows, columns) in enumerate(((0, half), (half, 0))):
            near = middles + np.roll(middles, 1, axis=axis) + corners + np.roll(corners, -1, axis=1 - axis)
            heights[rows::step, columns::step] = near / 4 + swing * generator.uniform(-1, 1, corners.shape)
        step, swing = half, swing / decay**2
    heights -= heights.min()
    result: Planes = (heights / heights.max()).astype(np.float32)
    return result


def clouds_over(image: Planes, decay: float, generator: np.random.Generator) -> Planes:
    """Return clouds (H, W) for an image: its shorter side shows 224 of the 256 points, a longer one repeats them."""
    field = clouds(decay, generator)
    rows, columns = (np.arange(size) / unit(image) for size in image.shape[:2])
    wrapped = np.pad(field, (0, 1), mode="wrap")
    return on_grid(wrapped, np.mod(rows, len(field)), np.mod(columns, len(field)), border="nearest")
