"""Cue-conflict images: the shape of one image with the texture of another, made without a neural network.

    conflict = cue_conflict(cat, elephant_skin, way="patches", seed=0)    # uint8 (H, W, 3), a cat of elephant skin

What such images are for: Geirhos et al., "ImageNet-trained CNNs are biased towards texture", ICLR 2019;
theirs are made by neural style transfer.  Two ways here:

- patches: image quilting guided by luminance (Efros and Freeman 2001, section 4), with random instead of all patches.
  Outlines stay, coarsely; colours and material are the texture's, best when it fills its image (fur, leaves, bricks).
- amplitudes: the Fourier amplitudes of the texture with the phases of the shape.  Shape stays in detail; of the
  texture little more than colours and directions does: to be called texture only with care.
"""

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Literal

import numpy as np
from numpy.lib.stride_tricks import sliding_window_view
from numpy.typing import NDArray

from wordsight.base.arrays import Pixels
from wordsight.base.errors import UsageError

ConflictWay = Literal["patches", "amplitudes"]
Float32s = NDArray[np.float32]

LEAST_SIDE = 16  # pixels
_CANDIDATES = 800  # patches drawn from the texture in each round: bounds the time
_TOLERANCE = 1.02  # of the least error: one of the patches below is taken at random (1.1 in the paper, coarser here)
_LUMA = np.array((0.299, 0.587, 0.114), np.float32)  # ITU-R BT.601


@dataclass(frozen=True, slots=True)
class _Round:
    """One pass over the image: `parts` patches along its shorter side; `fit` is the weight of seams against shape."""

    parts: int
    fit: float


_ROUNDS = (_Round(10, 0.2), _Round(20, 0.4))  # patches shrink, seams count more, as in the paper


def cue_conflict(shape: Pixels, texture: Pixels, *, way: ConflictWay = "patches", seed: int) -> Pixels:
    """Return an image of the shape's size, uint8 (H, W, 3), with the texture of another uint8 (h, w, 3).

    The texture is scaled and cut to cover the shape.  The same arguments give the same pixels; `seed` is a whole
    number from 0, which "amplitudes" does not use.  Unknown ways, other arrays and sides below 16 pixels raise
    `UsageError`.
    """
    if way not in _WAYS:
        raise UsageError(f"no way {way!r} to swap textures", cure=f"choose one of: {', '.join(_WAYS)}")
    if seed < 0:
        raise UsageError(f"seed {seed}", cure="give a whole number from 0")
    for pixels in (shape, texture):
        if pixels.dtype != np.uint8 or pixels.ndim != 3 or pixels.shape[2] != 3 or min(pixels.shape) == 0:
            raise UsageError(f"an image of {pixels.dtype} {pixels.shape}", cure="give uint8 (H, W, 3)")
    if min(shape.shape[:2]) < LEAST_SIDE:
        size = f"{shape.shape[1]} x {shape.shape[0]}"
        raise UsageError(f"an image of {size} pixels", cure=f"give one of {LEAST_SIDE} or more a side")
    cover = _covering(texture, shape.shape[0], shape.shape[1])
    mixed = _WAYS[way](shape.astype(np.float32), cover.astype(np.float32), np.random.default_rng(seed))
    return np.rint(np.clip(mixed, 0, 255)).astype(np.uint8)


def _covering(pixels: Pixels, height: int, width: int) -> Pixels:
    from PIL.Image import Resampling, fromarray
    from PIL.ImageOps import fit

    return np.asarray(fit(fromarray(pixels), (width, height), Resampling.BICUBIC))


def _amplitudes(shape: Float32s, texture: Float32s, _generator: np.random.Generator) -> Float32s:
    """Return the inverse transform of the texture's amplitudes and the shape's phases, channel by channel."""
    amplitudes = np.abs(np.fft.rfft2(texture, axes=(0, 1)))
    spectrum = np.fft.rfft2(shape, axes=(0, 1))
    phases = spectrum / np.maximum(np.abs(spectrum), 1e-6)
    height, width, _ = shape.shape
    return np.fft.irfft2(amplitudes * phases, s=(height, width), axes=(0, 1)).astype(np.float32)


def _patches(shape: Float32s, texture: Float32s, generator: np.random.Generator) -> Float32s:
    """Return the texture quilted so that its luminance follows the shape's, in rounds of ever smaller patches."""
    guide = _with_levels_of(shape @ _LUMA, texture @ _LUMA)
    result: Float32s | None = None
    for number in _ROUNDS:
        size = max(4, round(min(guide.shape) / number.parts))
        result = _quilted(guide, texture, result, size, fit=number.fit, generator=generator)
    assert result is not None
    return result


def _with_levels_of(luma: Float32s, other: Float32s) -> Float32s:
    """Return a plane with the levels of another as often as they occur there; equal values stay equal."""
    _, codes, counts = np.unique(luma, return_inverse=True, return_counts=True)
    middles = (np.cumsum(counts) - counts / 2) / luma.size
    return np.quantile(other, middles).astype(np.float32)[codes.reshape(luma.shape)]


def _quilted(
    guide: Float32s,
    texture: Float32s,
    before: Float32s | None,
    size: int,
    *,
    fit: float,
    generator: np.random.Generator,
) -> Float32s:
    """Return patches of `size` laid row by row over `guide` (H, W), cut along the seams that show least: (H, W, 3).

    The error of a patch is `fit` times that to its neighbours' overlap and to the round `before`, and the rest of the
    weight times that of its luminance to the guide; each is a mean square.
    """
    height, width = guide.shape
    overlap = max(1, size // 4)
    step = size - overlap
    rows, columns = (np.arange(max(0, -(-(side - size) // step)) + 1) * step for side in (height, width))
    whole = rows[-1] + size, columns[-1] + size
    windows = sliding_window_view(texture, (size, size), axis=(0, 1))
    tops = generator.integers(0, windows.shape[0], _CANDIDATES)
    lefts = generator.integers(0, windows.shape[1], _CANDIDATES)
    candidates = np.ascontiguousarray(windows[tops, lefts].transpose(0, 2, 3, 1))
    errors = (1 - fit) * _distances(_blocks(_grown(guide[..., None], whole), rows, columns, size), candidates @ _LUMA)
    if before is not None:
        errors += fit * _distances(_blocks(_grown(before, whole), rows, columns, size), candidates)
    canvas = np.zeros((*whole, 3), np.float32)
    ties = generator.random(len(errors))
    strips = candidates[:, :, :overlap].reshape(_CANDIDATES, -1), candidates[:, :overlap].reshape(_CANDIDATES, -1)
    for number, error in enumerate(errors):
        top, left = rows[number // len(columns)], columns[number % len(columns)]
        block = canvas[top : top + size, left : left + size]
        if left:
            error = error + fit * _distances(block[:, :overlap].reshape(1, -1), strips[0])[0]
        if top:
            error = error + fit * _distances(block[:overlap].reshape(1, -1), strips[1])[0]
        good = np.flatnonzero(error <= max(error.min(), 1e-3) * _TOLERANCE)
        patch = candidates[good[int(ties[number] * len(good))]]
        keep = _seams(block, patch, overlap, beside=bool(left), below=bool(top))
        block[...] = np.where(keep[..., None], block, patch)
    return canvas[:height, :width]


def _grown(planes: Float32s, whole: tuple[int, int]) -> Float32s:
    below, beside = whole[0] - planes.shape[0], whole[1] - planes.shape[1]
    return np.pad(planes, ((0, below), (0, beside), (0, 0)), mode="edge")


def _blocks(planes: Float32s, rows: NDArray[np.int64], columns: NDArray[np.int64], size: int) -> Float32s:
    return np.stack([planes[y : y + size, x : x + size].ravel() for y in rows for x in columns])


def _distances(blocks: Float32s, candidates: Float32s) -> Float32s:
    """Return the mean squared differences (B, K) between blocks (B, N) and candidates (K, ...) of N values each."""
    flat = candidates.reshape(len(candidates), -1)
    squares = np.einsum("bn,bn->b", blocks, blocks)[:, None] + np.einsum("kn,kn->k", flat, flat)[None, :]
    means: Float32s = np.maximum(squares - 2 * (blocks @ flat.T), 0) / np.float32(blocks.shape[1])
    return means


def _seams(block: Float32s, patch: Float32s, overlap: int, *, beside: bool, below: bool) -> NDArray[np.bool_]:
    """Return where what lies there stays, (size, size): left of the best seam at the left, above that at the top."""
    keep = np.zeros(block.shape[:2], dtype=np.bool_)
    differences = ((block - patch) ** 2).sum(axis=2)
    if beside:
        cuts = least_path(differences[:, :overlap])
        keep |= np.arange(block.shape[1])[None, :] < np.array(cuts)[:, None]
    if below:
        cuts = least_path(differences[:overlap].T)
        keep |= np.arange(block.shape[0])[:, None] < np.array(cuts)[None, :]
    return keep


def least_path(costs: Float32s) -> list[int]:
    """Return the column in each row of `costs` (R, C) of the cheapest path down, at most one column aside a row."""
    lines = costs.tolist()
    last = len(lines[0]) - 1
    totals = [lines[0]]
    for line in lines[1:]:
        above = totals[-1]
        totals.append([cost + min(above[max(c - 1, 0) : c + 2]) for c, cost in enumerate(line)])
    column = totals[-1].index(min(totals[-1]))
    path = [column]
    for total in reversed(totals[:-1]):
        near = range(max(column - 1, 0), min(column + 1, last) + 1)
        column = min(near, key=total.__getitem__)
        path.append(column)
    return path[::-1]


_WAYS: Mapping[ConflictWay, Callable[[Float32s, Float32s, np.random.Generator], Float32s]] = {
    "patches": _patches,
    "amplitudes": _amplitudes,
}
