"""Resize and centre crop as matrix products: what Pillow computes, several times faster.

    pixels = resize_crop(photo, framed(*photo.shape[:2], spec), "bicubic")   # uint8 (H, W, 3) -> (rows, columns, 3)

Pillow's filters are linear: every column of the result is a weighted sum of a few neighbouring columns, then every
row of rows.  The weights of 16 neighbouring outputs lie close together, so each pass is a row of small dense
products (banded matrix times image), and only pixels that reach the crop are touched.  Between the passes values
are clipped to 0..255 as Pillow does but not rounded: at most 1 or 2 levels away from it.  Does not know files.
"""

import math
import threading
from dataclasses import dataclass
from functools import lru_cache
from typing import TYPE_CHECKING, Literal

import numpy as np
from numpy.typing import NDArray

from wordsight.base.arrays import Pixels
from wordsight.images.geometry import Frame

if TYPE_CHECKING:
    from PIL.Image import Image

Float32s = NDArray[np.float32]
Filter = Literal["bicubic", "bilinear", "lanczos"]
Box = tuple[float, float, float, float]  # left, top, right, bottom, as Pillow's

_BAND = 16  # outputs a product: 8 to 32 measured alike, 16 best
_CHUNK = 1 << 19  # input samples turned into floats at a time: 2 MiB, measured best of 0.25 to 4
BETWEEN_MOST = 64_000_000  # bytes held between the passes: 23,800 rows of 224 outputs
_SUPPORT = {"bicubic": 2.0, "bilinear": 1.0, "lanczos": 3.0}  # in output pixels; Pillow, src/libImaging/Resample.c


@dataclass(frozen=True, slots=True)
class _Band:
    """Outputs `start`..`stop` are the product of the inputs `first`..`last` with `weights` (last-first, stop-start)."""

    start: int
    stop: int
    first: int
    last: int
    weights: Float32s


class ImageSamples:
    """A Pillow image of mode RGB or L as an array uint8 (H, W, 3): parts are copied, never the whole."""

    def __init__(self, image: "Image") -> None:
        self._image = image
        self.shape = (image.height, image.width, 3)

    def __getitem__(self, part: tuple[slice, slice]) -> Pixels:
        """Return the rows and columns of a part, as a view of four bytes a pixel."""
        rows, columns = part
        image = self._image.crop((columns.start, rows.start, columns.stop, rows.stop)).convert("RGB")
        samples = np.frombuffer(image.tobytes("raw", "RGBX"), dtype=np.uint8)
        return samples.reshape(image.height, image.width, 4)[:, :, :3]


def resize_crop(pixels: Pixels | ImageSamples, frame: Frame, kind: Filter, *, box: Box | None = None) -> Pixels:
    """Return uint8 (H, W, 3) resized and cut to uint8 (rows, columns, 3), within 2 levels of Pillow.

    The cut must lie inside the scaled image.  `box` (left, top, right, bottom) is what the image is where its last or
    first pixels stand for less than whole ones, as in a JPEG of 1001 x 1001 decoded at an eighth: 125.125 of 126.
    """
    assert frame.inside
    height, width, _ = pixels.shape
    left, top, right, bottom = box or (0, 0, width, height)
    if (frame.height, frame.width) == (height, width) and box is None:
        return np.ascontiguousarray(pixels[frame.top : frame.top + frame.rows, frame.left : frame.left + frame.columns])
    rows = _bands((top, bottom), frame.height, frame.top, frame.rows, kind)
    columns = _bands((left, right), frame.width, frame.left, frame.columns, kind)
    at_once = BETWEEN_MOST // (3 * 4 * frame.columns)  # rows
    if rows[-1].last - rows[0].first > at_once:
        return _rounded(_summed(pixels, columns, rows, frame, at_once))
    half = _horizontal(pixels, columns, rows[0].first, rows[-1].last, frame.columns)
    return _vertical(half, rows, frame.rows)


def _summed(
    pixels: Pixels | ImageSamples, columns: tuple[_Band, ...], rows: tuple[_Band, ...], frame: Frame, at_once: int
) -> Float32s:
    """Return what `_vertical` rounds, of very tall images: a part of the rows after the other is added to the sums."""
    result = np.zeros((3, frame.rows, frame.columns), np.float32)
    for first in range(rows[0].first, rows[-1].last, at_once):
        last = min(first + at_once, rows[-1].last)
        half = _horizontal(pixels, columns, first, last, frame.columns)
        for band in rows:
            low, high = max(first, band.first), min(last, band.last)
            if low < high:
                weights = band.weights[low - band.first : high - band.first]
                result[:, band.start : band.stop] += np.matmul(weights.T, half[:, low - first : high - first])
    return result


def _horizontal(
    pixels: Pixels | ImageSamples, columns: tuple[_Band, ...], first: int, last: int, size: int
) -> Float32s:
    """Return the rows first..last with their columns resized: float32 (3, last - first, size) in 0..255."""
    left, right = columns[0].first, columns[-1].last
    step = max(1, _CHUNK // (3 * (right - left)))
    result = _room("half", 3 * (last - first) * size).reshape(3, last - first, size)
    for start in range(first, last, step):
        count = min(step, last - start)
        chunk = _room("chunk", 3 * count * (right - left)).reshape(3, count, right - left)
        np.copyto(chunk, pixels[start : start + count, left:right].transpose(2, 0, 1))
        flat = chunk.reshape(3 * count, right - left)
        done = _room("done", 3 * count * size).reshape(3 * count, size)
        for band in columns:
            part = flat[:, band.first - left : band.last - left]
            np.matmul(part, band.weights, out=done[:, band.start : band.stop])
        np.clip(done.reshape(3, count, size), 0, 255, out=result[:, start - first : start - first + count])
    return result


def _vertical(half: Float32s, rows: tuple[_Band, ...], size: int) -> Pixels:
    """Resize the rows of `half` (3, H', W') to `size` of them and round: uint8 (size, W', 3)."""
    origin, width = rows[0].first, half.shape[2]
    result = _room("result", 3 * size * width).reshape(3, size, width)
    for band in rows:
        part = half[:, band.first - origin : band.last - origin]
        np.matmul(band.weights.T, part, out=result[:, band.start : band.stop])
    return _rounded(result)


def _rounded(result: Float32s) -> Pixels:
    """Return float32 (3, rows, columns), which is used up, as uint8 (rows, columns, 3)."""
    result += 0.5
    np.clip(result, 0, 255, out=result)
    pixels = np.empty((*result.shape[1:], 3), dtype=np.uint8)
    for channel in range(3):
        pixels[:, :, channel] = result[channel]
    return pixels


_rooms = threading.local()


def _room(name: str, count: int) -> Float32s:
    """Return `count` floats of this thread's scratch memory: fresh pages for every image would double the time."""
    held: Float32s | None = getattr(_rooms, name, None)
    if held is None or held.size < count:
        held = np.empty(count, dtype=np.float32)
        setattr(_rooms, name, held)
    return held[:count]


@lru_cache(maxsize=256)
def _bands(old: tuple[float, float], new: int, corner: int, size: int, kind: Filter) -> tuple[_Band, ...]:
    """Return the bands that make the outputs corner..corner+size of the samples between `old` resized to `new`."""
    scale = (old[1] - old[0]) / new
    stretch = max(scale, 1.0)
    support = _SUPPORT[kind] * stretch
    centre = old[0] + (np.arange(corner, corner + size) + 0.5) * scale
    first = np.maximum((centre - support + 0.5).astype(np.int64), 0)
    last = np.minimum((centre + support + 0.5).astype(np.int64), math.ceil(old[1]))
    position = first[:, None] + np.arange((last - first).max())  # (size, taps)
    weight = _filtered((position - centre[:, None] + 0.5) / stretch, kind)
    weight[position >= last[:, None]] = 0
    weight /= weight.sum(axis=1, keepdims=True)
    bands = []
    for start in range(0, size, _BAND):
        stop = min(start + _BAND, size)
        low, high = int(first[start]), int(last[stop - 1])
        inside = position[start:stop] < high
        dense = np.zeros((high - low, stop - start), dtype=np.float32)
        output = np.broadcast_to(np.arange(stop - start)[:, None], inside.shape)
        dense[position[start:stop][inside] - low, output[inside]] = weight[start:stop][inside]
        bands.append(_Band(start, stop, low, high, dense))
    return tuple(bands)


def _filtered(distance: NDArray[np.float64], kind: Filter) -> NDArray[np.float64]:
    x: NDArray[np.float64] = np.abs(distance)
    if kind == "bilinear":
        return np.maximum(1 - x, 0)
    if kind == "lanczos":
        return np.where(x < 3, np.sinc(x) * np.sinc(x / 3), 0.0)
    near = (1.5 * x - 2.5) * x * x + 1  # Keys' cubic with a = -0.5
    far = ((-0.5 * x + 2.5) * x - 4) * x + 2
    weight: NDArray[np.float64] = np.where(x < 1, near, np.where(x < 2, far, 0.0))
    return weight
