"""Whether two images of which small versions are known are copies of one another: resaved, resized, edited, marked.

    compared = compare(small, others)     # uint8 (P, 48, 48, 3) each: one Compared of P values each
    compared.agreeing                      # (P,): share of the fields with something to see that agree

The brightness, contrast and saturation of one are first fitted to the other, leaving out the pixels that fit worst, so
that an edit is allowed for and a watermark does not hide the rest.  Then 8 x 8 fields are compared one by one: a copy
agrees in nearly all of them, another view or another colour of the same thing in some.  Even fields, as a white
background, count for nothing.  Knows only arrays.
"""

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

LightLevels = NDArray[np.float32]
SmallImage = NDArray[np.uint8]  # (P, SIDE, SIDE, 3)

SIDE = 48  # pixels of a small version: 8 x 8 fields of 6 x 6
_FIELD = 6
_FIELDS = SIDE // _FIELD
_WORST = 0.85  # the quantile of differences above which pixels are left out of the second fit
_EVEN = 4.0  # levels: a field that varies by less in both images has nothing to see
_LEVELS = 6.0  # by which a field of a copy may differ at most,
_OF_CONTRAST = 0.35  # and so much more times what it varies itself: sharp edges lose most when saved again


@dataclass(frozen=True, slots=True)
class Compared:
    """What was seen of P pairs, (P,) each.

    `agreeing`: share of the fields with something to see that agree; 1 where there are none.  `texture`: correlation
    of the fine detail; `inside`: in the fields that agree alone.  `fields`: how many have something to see.
    `difference`: levels between the two after fitting, root mean square.  `contrast`, `colour`: what contrast and
    saturation were multiplied by.  `shift`: levels of brightness and colour that were added.
    """

    agreeing: LightLevels
    texture: LightLevels
    inside: LightLevels
    fields: LightLevels
    difference: LightLevels
    contrast: LightLevels
    colour: LightLevels
    shift: LightLevels


def compare(some: NDArray[np.generic], others: NDArray[np.generic]) -> Compared:
    """Compare P pairs of small images (P, SIDE, SIDE, 3) of levels 0 to 255."""
    (light, red, blue), (other_light, other_red, other_blue) = _channels(some), _channels(others)
    weights = np.ones_like(light)
    gain, offset = _line(light, other_light, weights)
    for _ in range(2):
        off = np.abs(other_light - _fitted(light, gain, offset))
        weights = (off <= np.quantile(off, _WORST, axis=1, keepdims=True) + 1).astype(np.float32)
        gain, offset = _line(light, other_light, weights)
    colour, red_shift, blue_shift = _saturation((red, blue), (other_red, other_blue), weights)
    fitted = _fitted(light, gain, offset)
    off = (
        (other_light - fitted) ** 2
        + (other_red - _fitted(red, colour, red_shift)) ** 2
        + (other_blue - _fitted(blue, colour, blue_shift)) ** 2
    )
    differences = np.sqrt(_in_fields(off))
    variation, other_variation = (_variation(one) for one in (fitted, other_light))
    seen = (np.maximum(variation, other_variation) > _EVEN) | (differences > _LEVELS)
    agrees = differences <= _LEVELS + _OF_CONTRAST * np.minimum(variation, other_variation)
    count = seen.sum(axis=1)
    middle = np.float32(128)
    shift = np.maximum.reduce([np.abs(gain * middle + offset - middle), np.abs(red_shift), np.abs(blue_shift)])
    return Compared(
        agreeing=((seen & agrees).sum(axis=1) / np.maximum(count, 1) + (count == 0)).astype(np.float32),
        texture=_texture(light, other_light, np.ones_like(agrees)),
        inside=_texture(light, other_light, agrees),
        fields=count.astype(np.float32),
        difference=np.sqrt(off.mean(axis=1)),
        contrast=gain,
        colour=colour,
        shift=shift,
    )


def _channels(images: NDArray[np.generic]) -> tuple[LightLevels, LightLevels, LightLevels]:
    """Return brightness, and how much red and blue are above it, each (P, SIDE * SIDE)."""
    wide = images.reshape(len(images), SIDE * SIDE, 3).astype(np.float32)
    light = wide @ np.array([0.299, 0.587, 0.114], np.float32)
    return light, wide[..., 0] - light, wide[..., 2] - light


def _line(of: LightLevels, to: LightLevels, weights: LightLevels) -> tuple[LightLevels, LightLevels]:
    """Return gain and offset, (P,) each, of the least squares line."""
    total = weights.sum(axis=1, keepdims=True)
    mean, mean_to = ((one * weights).sum(axis=1, keepdims=True) / total for one in (of, to))
    centred = (of - mean) * weights
    gain = ((centred * (to - mean_to)).sum(axis=1) + 1) / ((centred * (of - mean)).sum(axis=1) + 1)
    return np.asarray(gain, np.float32), mean_to[:, 0] - gain * mean[:, 0]


def _saturation(
    of: tuple[LightLevels, LightLevels], to: tuple[LightLevels, LightLevels], weights: LightLevels
) -> tuple[LightLevels, LightLevels, LightLevels]:
    """Return by what the colours of `of` are multiplied to be those of `to`, and what is added to red and to blue."""
    total = weights.sum(axis=1, keepdims=True)
    means = [(one * weights).sum(axis=1, keepdims=True) / total for one in (*of, *to)]
    over = under = np.full(
        len(weights), total.max(initial=1.0), np.float32
    )  # one level everywhere: what has no colour stays
    for one, other, mean, mean_to in zip(of, to, means[:2], means[2:], strict=True):
        centred = (one - mean) * weights
        over = over + (centred * (other - mean_to)).sum(axis=1)
        under = under + (centred * (one - mean)).sum(axis=1)
    factor = over / under
    red, blue = (mean_to[:, 0] - factor * mean[:, 0] for mean, mean_to in zip(means[:2], means[2:], strict=True))
    return factor, red, blue


def _fitted(values: LightLevels, gain: LightLevels, offset: LightLevels) -> LightLevels:
    return np.asarray(gain[:, None] * values + offset[:, None], np.float32)


def _in_fields(values: LightLevels) -> LightLevels:
    """Return the mean of each field, (P, 64)."""
    split = values.reshape(len(values), _FIELDS, _FIELD, _FIELDS, _FIELD)
    return np.asarray(split.mean(axis=(2, 4)).reshape(len(values), _FIELDS * _FIELDS), np.float32)


def _variation(values: LightLevels) -> LightLevels:
    """Return the standard deviation inside each field, (P, 64)."""
    squares = _in_fields(values * values) - _in_fields(values) ** 2
    return np.asarray(np.sqrt(np.maximum(squares, 0)), np.float32)


def _texture(some: LightLevels, others: LightLevels, fields: NDArray[np.bool_]) -> LightLevels:
    """Return the correlation of what a blur of 3 x 3 takes away, in these fields (P, 64); 1 where nothing is."""
    rows = np.repeat(fields.reshape(len(fields), _FIELDS, _FIELDS), _FIELD, axis=1)
    chosen = np.repeat(rows, _FIELD, axis=2).reshape(some.shape)
    fine, other = ((one - _blurred(one)) * chosen for one in (some, others))
    energy, other_energy = ((one * one).sum(axis=1) for one in (fine, other))
    even = np.float32(0.05 * some.shape[1])  # a quarter of a level everywhere
    return np.asarray(((fine * other).sum(axis=1) + even) / (np.sqrt(energy * other_energy) + even), np.float32)


def _blurred(values: LightLevels) -> LightLevels:
    square = values.reshape(len(values), SIDE, SIDE)
    wide = np.pad(square, ((0, 0), (1, 1), (1, 1)), mode="edge")
    rows = wide[:, :-2] + wide[:, 1:-1] + wide[:, 2:]
    return np.asarray(((rows[..., :-2] + rows[..., 1:-1] + rows[..., 2:]) / 9).reshape(values.shape), np.float32)
