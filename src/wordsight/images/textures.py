"""Cue conflicts: the shape of one photo with the texture of another, made without a neural network.

    mixed = cue_conflict(cat, elephant_skin, way="patches", seed=0)     # uint8, of the size of `cat`

What they are for: Geirhos et al., "ImageNet-trained CNNs are biased towards texture", ICLR 2019: does a model answer
with the shape's class or with the texture's?  The paper's images come from neural style transfer (Gatys et al.); these
do not, so figures are no match for the paper's.  What the two ways give, seen on photos of people, dogs and clothes:

- "patches": real texture, since every pixel is one of the texture's photo.  The shape is a silhouette of light and
  dark: clear where it stands out in brightness (trousers on a sheet, a white dog before a wood), lost where only its
  colour or inner drawing tells it (a person in a street).
- "amplitudes": nearly all contours of the shape, in the texture's colours and main directions, under a veil of
  coloured noise.  Fur, cloth or leaves are not recognisable: it tests colour and frequency rather than texture.

So choose shapes that are large and stand out, and textures that fill their image; then use "patches".
"""

import math
from typing import Literal, get_args

import numpy as np
from numpy.typing import NDArray

from wordsight.base.arrays import Pixels
from wordsight.base.errors import UsageError
from wordsight.images.corruptions.filters import LUMA, Planes, gaussian_blur

ConflictWay = Literal["patches", "amplitudes"]

CONFLICT_WAYS: tuple[ConflictWay, ...] = get_args(ConflictWay)
LEAST_CONFLICT_SIDE = 16  # pixels: four patches across

# chosen by eye on six pairs of photos, among patches of 1/14 to 1/7 and guides of 0.6 to 0.85
_PATCH = 1 / 14  # of the shape's shorter side
_LEAST_PATCH = 4  # pixels
_OVERLAP = 1 / 4  # of a patch
_GUIDE = 0.8  # weight of the shape's brightness against the fit of the seam
_BLUR = 0.01  # sigma of the brightness that is compared, of the shorter side
_CANDIDATES = 6000  # patches of the texture, drawn at random
_SHORTLIST = 24  # of them whose seam is compared, for each position


def cue_conflict(shape: Pixels, texture: Pixels, *, way: ConflictWay, seed: int) -> Pixels:
    """Return the shape of one image with the texture of another, uint8 (H, W, 3) as `shape`.

    The texture's image is first scaled: to the shape's shorter side ("patches"), to its size ("amplitudes").  The
    same arguments give the same pixels; `seed` is a whole number from 0, and only "patches" uses it.  Other ways,
    seeds and shapes, and sides of less than 16 pixels raise `UsageError`.
    """
    if way not in CONFLICT_WAYS:
        raise UsageError(f"no way {way!r} to a cue conflict", cure=f"choose one of: {', '.join(CONFLICT_WAYS)}")
    if seed < 0:
        raise UsageError(f"seed {seed}", cure="give a whole number from 0")
    for image in (shape, texture):
        if image.dtype != np.uint8 or image.ndim != 3 or image.shape[2] != 3:
            raise UsageError(f"an image of {image.dtype} {image.shape}", cure="give uint8 (H, W, 3)")
    if min(shape.shape[:2]) < LEAST_CONFLICT_SIDE or min(texture.shape[:2]) < LEAST_CONFLICT_SIDE:
        raise UsageError(
            f"a shape of {shape.shape[1]} x {shape.shape[0]} and a texture of {texture.shape[1]} x {texture.shape[0]}",
            cure=f"give images of {LEAST_CONFLICT_SIDE} or more pixels a side",
        )
    height, width, _ = shape.shape
    if way == "amplitudes":
        return _swapped(shape, _scaled(texture, height, width))
    factor = min(height, width) / min(texture.shape[:2])
    scaled = _scaled(texture, round(texture.shape[0] * factor), round(texture.shape[1] * factor))
    return _quilted(shape, scaled, np.random.default_rng(seed))


def _scaled(image: Pixels, height: int, width: int) -> Pixels:
    from PIL import Image

    return np.asarray(Image.fromarray(image).resize((width, height), Image.Resampling.BICUBIC))


def _swapped(shape: Pixels, texture: Pixels) -> Pixels:
    """Return the inverse Fourier transform of the texture's amplitudes and the shape's phases, channel by channel.

    Phases carry contours: Oppenheim and Lim, "The Importance of Phase in Signals", Proc. IEEE 1981.
    """
    phases = np.angle(np.fft.rfft2(shape.astype(np.float64), axes=(0, 1)))
    amplitudes = np.abs(np.fft.rfft2(texture.astype(np.float64), axes=(0, 1)))
    mixed = np.fft.irfft2(amplitudes * np.exp(1j * phases), s=shape.shape[:2], axes=(0, 1))
    return np.rint(np.clip(mixed, 0, 255)).astype(np.uint8)


def _quilted(shape: Pixels, texture: Pixels, generator: np.random.Generator) -> Pixels:
    """Return overlapping patches of the texture, as bright as the shape and with inconspicuous seams.

    Texture transfer of Efros and Freeman, "Image Quilting for Texture Synthesis and Transfer", SIGGRAPH 2001, with
    one pass instead of several and candidates short-listed by brightness.  What is bright in the shape becomes what
    is bright in the texture: the ranks of brightness are matched.
    """
    height, width, _ = shape.shape
    side = max(_LEAST_PATCH, round(_PATCH * min(height, width)))
    overlap = max(1, round(_OVERLAP * side))
    step = side - overlap
    rows, columns = (math.ceil((size - overlap) / step) for size in (height, width))
    blurred = _brightness(texture)
    guide = _with_values_of(_brightness(shape), blurred)
    below, beside = rows * step + overlap - height, columns * step + overlap - width
    guide = np.pad(guide, ((0, below), (0, beside)), mode="edge")
    windows = np.lib.stride_tricks.sliding_window_view(blurred, (side, side))
    count = windows.shape[0] * windows.shape[1]
    chosen = generator.choice(count, min(_CANDIDATES, count), replace=False)
    tops, lefts = np.divmod(chosen, windows.shape[1])
    wanted = np.lib.stride_tricks.sliding_window_view(guide, (side, side))[::step, ::step]
    shortlists, errors = _shortlisted(wanted.reshape(rows * columns, -1), windows[tops, lefts].reshape(len(chosen), -1))
    patches = np.lib.stride_tricks.sliding_window_view(texture, (side, side), axis=(0, 1)).transpose(0, 1, 3, 4, 2)
    canvas = np.zeros((*guide.shape, 3), np.float32)
    for index, (shortlist, error) in enumerate(zip(shortlists, errors, strict=True)):
        row, column = index // columns, index % columns
        under = canvas[row * step :, column * step :][:side, :side]
        candidates = patches[tops[shortlist], lefts[shortlist]].astype(np.float32)
        _lay(under, candidates, error, above=overlap if row else 0, before=overlap if column else 0)
    return canvas[:height, :width].astype(np.uint8)


def _brightness(image: Pixels) -> Planes:
    grey: Planes = image.astype(np.float32) @ LUMA
    return gaussian_blur(grey, _BLUR * min(grey.shape), truncate=3, border="reflect")


def _with_values_of(image: Planes, other: Planes) -> Planes:
    """Return (H, W) in the order of `image` with the distribution of `other`, of any shape."""
    matched = np.empty(image.size, np.float32)
    matched[np.argsort(image, axis=None, kind="stable")] = np.quantile(other, np.linspace(0, 1, image.size))
    return matched.reshape(image.shape)


def _shortlisted(wanted: Planes, offered: Planes) -> tuple[NDArray[np.int64], Planes]:
    """Return for each wanted patch (N, P) the nearest of those offered (M, P), and their mean squared errors."""
    errors = (offered**2).sum(axis=1) - 2 * (wanted @ offered.T) + (wanted**2).sum(axis=1, keepdims=True)
    kept = min(_SHORTLIST, len(offered))
    nearest = np.argpartition(errors, kept - 1, axis=1)[:, :kept]
    return nearest, np.take_along_axis(errors, nearest, axis=1) / wanted.shape[1]


def _lay(under: Planes, candidates: Planes, errors: Planes, *, above: int, before: int) -> None:
    """Write onto a part of the canvas (S, S, 3) that one of the candidates (K, S, S, 3) which fits best.

    `above` rows and `before` columns hold earlier patches; the cut goes where the two differ least.
    """
    top = ((candidates[:, :above] - under[:above]) ** 2).mean(axis=3)
    left = ((candidates[:, :, :before] - under[:, :before]) ** 2).mean(axis=3)
    seam = (top.sum(axis=(1, 2)) + left.sum(axis=(1, 2))) / max(top[0].size + left[0].size, 1)
    best = int(np.argmin(_GUIDE * errors + (1 - _GUIDE) * seam))
    kept = np.ones(under.shape[:2], np.bool_)
    if before:
        kept[:, :before] &= _beyond_cut(left[best])
    if above:
        kept[:above] &= _beyond_cut(top[best].T).T
    under[kept] = candidates[best][kept]


def _beyond_cut(costs: Planes) -> NDArray[np.bool_]:
    """Return (S, O): what lies on and right of the cheapest path from the first row to the last of `costs` (S, O)."""
    total = costs.copy()
    for row in range(1, len(total)):
        before = np.pad(total[row - 1], 1, constant_values=np.inf)
        total[row] += np.minimum(np.minimum(before[:-2], before[1:-1]), before[2:])
    beyond = np.zeros(costs.shape, np.bool_)
    column = int(np.argmin(total[-1]))
    for row in range(len(total) - 1, -1, -1):
        beyond[row, column:] = True
        if row:
            low = max(column - 1, 0)
            column = low + int(np.argmin(total[row - 1, low : column + 2]))
    return beyond
