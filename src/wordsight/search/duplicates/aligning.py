"""Where in an image a crop of it lies: small versions slid over one another at several scales, then fitted.

    window = where_cropped(whole, crop, ratio)      # CropWindow(left, top, width, height), or None
    seen = windowed(whole, window)                  # the small version that a crop there would have

`ratio` is the proportion of the crop over that of the whole image, which tells how wide a window of each height is: a
crop may have been resized, but not squeezed.  The first place comes from normalised cross-correlation (Lewis 1995), the
exact one by Gauss-Newton steps on place, size, contrast and brightness (Lucas and Kanade 1981).  Knows only arrays.
"""

from functools import cache
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from wordsight.search.duplicates.comparing import SIDE, LightLevels

SCALES = np.geomspace(0.96, 0.6, 9)  # of the square root of the area: 8 to 64 % cut off, and what lies between
LEAST = 0.75  # of the correlation: below it no place is fitted
STEPS = 6
_HALF = SIDE // 2  # the size at which images are slid
_LARGEST = 1.02  # a window may leave the image by so much, for proportions are rounded to pixels


class CropWindow(NamedTuple):
    """A part of an image, in shares of its sides."""

    left: float
    top: float
    width: float
    height: float


def brightness(small: NDArray[np.uint8]) -> LightLevels:
    """Return the brightness (SIDE, SIDE) of a small version."""
    return small.astype(np.float32) @ np.array([0.299, 0.587, 0.114], np.float32)


def where_cropped(whole: LightLevels, crop: LightLevels, ratio: float) -> CropWindow | None:
    """Return the window of `whole` (SIDE, SIDE) that `crop` (SIDE, SIDE) may be; None where nothing fits."""
    first = _slid(whole, crop, float(np.sqrt(ratio)))
    return None if first is None else _fitted(whole, crop, first)


def _slid(whole: LightLevels, crop: LightLevels, ratio: float) -> CropWindow | None:
    """Return the window at which the correlation of brightness is largest, found at half the size."""
    whole, crop = _halved(whole), _halved(crop)
    spectrum = np.fft.rfft2(whole)
    sums, squares = _summed(whole), _summed(whole * whole)
    best, window = LEAST, None
    for scale in SCALES:
        width, height = round(scale * ratio * _HALF), round(scale / ratio * _HALF)
        if not (min(width, height) >= _HALF // 3 and max(width, height) <= _HALF):
            continue
        template = _resizing(height) @ crop @ _resizing(width).T
        template = template - template.mean()
        length = float(np.sqrt((template * template).sum()))
        rows, columns = _HALF - height + 1, _HALF - width + 1
        product = np.fft.irfft2(spectrum * np.conj(np.fft.rfft2(template, s=whole.shape)), s=whole.shape)
        inside, squared = _boxes(sums, height, width), _boxes(squares, height, width)
        spread = np.sqrt(np.maximum(squared - inside * inside / (height * width), 1.0))
        correlation = product[:rows, :columns] / (spread * max(length, 1.0))
        at = int(correlation.argmax())
        if correlation.flat[at] > best:
            best, (top, left) = float(correlation.flat[at]), divmod(at, columns)
            window = CropWindow(left / _HALF, top / _HALF, width / _HALF, height / _HALF)
    return window


def _halved(values: LightLevels) -> LightLevels:
    return np.asarray(values.reshape(_HALF, 2, _HALF, 2).mean(axis=(1, 3)), np.float32)


@cache
def _resizing(size: int) -> LightLevels:
    """Return the matrix (size, _HALF) that makes half of SIDE pixels to `size` by the mean of what each covers."""
    edges = np.linspace(0, _HALF, size + 1)
    pixels = np.arange(_HALF)
    covered = np.minimum(edges[1:, None], pixels + 1) - np.maximum(edges[:-1, None], pixels)
    covered = np.maximum(covered, 0)
    return np.asarray(covered / covered.sum(axis=1, keepdims=True), np.float32)


def _summed(values: LightLevels) -> NDArray[np.float64]:
    return np.pad(values.astype(np.float64).cumsum(axis=0).cumsum(axis=1), ((1, 0), (1, 0)))


def _boxes(summed: NDArray[np.float64], height: int, width: int) -> NDArray[np.float64]:
    """Return the sum of every box of this size."""
    return summed[height:, width:] - summed[:-height, width:] - summed[height:, :-width] + summed[:-height, :-width]


def _fitted(whole: LightLevels, crop: LightLevels, window: CropWindow) -> CropWindow | None:
    """Return the window fitted to a fraction of a pixel; None where it leaves the image or grows out of bounds."""
    down, across = (np.asarray(one, np.float32) for one in np.gradient(whole))
    share = (np.arange(SIDE) + 0.5) / SIDE
    u, v = (one.reshape(-1) for one in np.meshgrid(share, share))
    target = crop.reshape(-1) - crop.mean()
    for _ in range(STEPS):
        seen, x, y = (_sampled(one, window).reshape(-1) for one in (whole, across, down))
        centred = seen - seen.mean()
        gain = float(centred @ target / max(float(centred @ centred), 1.0))
        slopes = np.stack([gain * x, gain * y, gain * x * u, gain * y * v, seen, np.ones_like(seen)], axis=1)
        square, sides = slopes.T @ slopes, slopes.T @ (target - gain * centred)
        step = np.linalg.solve(square + np.diag(1e-4 * np.diag(square) + 1e-3), sides)[:4] / SIDE
        step = np.clip(step, -0.05, 0.05)
        window = CropWindow(*(float(one) for one in np.array(window) + step))
        if not (min(window.width, window.height) > 0.3 and max(window.width, window.height) < _LARGEST):
            return None
    out = 1 - _LARGEST
    inside = min(window.left, window.top) >= out
    inside = inside and max(window.left + window.width, window.top + window.height) <= _LARGEST
    return window if inside else None


def windowed(whole: NDArray[np.uint8], window: CropWindow) -> LightLevels:
    """Return the small version (SIDE, SIDE, 3) of a window of an image of which the small version is `whole`."""
    return np.stack([_sampled(whole[..., channel].astype(np.float32), window) for channel in range(3)], axis=-1)


def _sampled(values: LightLevels, window: CropWindow) -> LightLevels:
    """Return SIDE x SIDE values of a window, between pixels in a straight line."""
    (left, right, x), (upper, lower, y) = (
        _between(start, size) for start, size in ((window.left, window.width), (window.top, window.height))
    )
    top = values[upper][:, left] * (1 - x) + values[upper][:, right] * x
    bottom = values[lower][:, left] * (1 - x) + values[lower][:, right] * x
    return np.asarray(top * (1 - y[:, None]) + bottom * y[:, None], np.float32)


def _between(start: float, size: float) -> tuple[NDArray[np.int64], NDArray[np.int64], LightLevels]:
    """Return the pixels before and behind each of SIDE points, and how far each is between them."""
    at = np.clip((start + size * (np.arange(SIDE) + 0.5) / SIDE) * SIDE - 0.5, 0, SIDE - 1)
    before = np.minimum(at.astype(np.int64), SIDE - 2)
    return before, before + 1, np.asarray(at - before, np.float32)
