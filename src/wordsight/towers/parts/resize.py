"""Learned positions for another image size or text length, by the rule each family resizes with.  Free of PyTorch.

    resize_grid(table, 24, extra=1, rule=RULES["openclip"])      # (1 + 24*24, D)
    resize_line(table, 77)                                       # (77, D)

Each rule is what the family's own code does when it is given another size, so that the result is what its
users have.  Both directions of a grid are resized one after the other, each by one matrix of weights.
"""

import math
from dataclasses import dataclass
from typing import Any, Literal

import numpy as np
from numpy.typing import NDArray

from wordsight.base.errors import ConfigError

Array = NDArray[Any]
ResizeWeights = NDArray[np.float64]


@dataclass(frozen=True, slots=True)
class Rule:
    """How a grid of positions is resized.

    `antialias`: the kernel grows with the step when the grid shrinks. `corners`: the outer cells' centres stay
    where they are, in place of the outer cells' borders.
    """

    kernel: Literal["bicubic", "bilinear"]
    antialias: bool = False
    corners: bool = False


RULES = {
    "openclip": Rule("bicubic", antialias=True),  # open_clip, model.py, resize_pos_embed; timm does the same
    "huggingface": Rule("bicubic"),  # transformers, interpolate_pos_encoding
    "bigvision": Rule("bilinear", corners=True),  # big_vision, models/vit.py, resample_posemb (scipy's zoom)
    "eva": Rule("bicubic"),  # EVA-CLIP, utils.py, resize_evaclip_pos_embed
    "perception": Rule("bilinear"),  # perception_models, pe.py, _sample_abs_posemb
    "naflex": Rule("bilinear", antialias=True),  # transformers, Siglip2VisionEmbeddings
}

# Keys' cubic convolution has one free number: -0.75 in OpenCV and in PyTorch's plain form, -0.5 in Pillow and in
# PyTorch's form with antialias
CUBIC_PLAIN, CUBIC_ANTIALIAS = -0.75, -0.5

MOST_CELLS, MOST_TOKENS = 512, 2**16  # in a row; ten times what any published model has


def resize_grid(table: Array, side: int, *, extra: int, rule: Rule) -> Array:
    """Return the positions of a square grid of `side`, (extra + side*side, D), float32 or wider.

    The first `extra` rows of `table` (extra + G*G, D) belong to no cell and are kept.  A table of another
    number of rows raises `ConfigError`.
    """
    old = math.isqrt(len(table) - extra)
    if old * old != len(table) - extra or old < 1 or side < 1:
        raise ConfigError(f"{len(table)} positions, {extra} of them for no cell", cure="they are no square grid")
    _refuse_beyond(side, MOST_CELLS)
    kept = table.astype(np.promote_types(table.dtype, np.float32))
    if side == old:
        return kept
    weights = _weights(old, side, rule)  # (G', G)
    grid = np.einsum("ai,bj,ijd->abd", weights, weights, kept[extra:].reshape(old, old, -1), optimize=True)
    return np.concatenate([kept[:extra], grid.reshape(side * side, -1).astype(kept.dtype)])


def resize_line(table: Array, length: int) -> Array:
    """Return positions (length, D) for those of another length (L, D): linear (open_clip, resize_text_pos_embed)."""
    _refuse_beyond(length, MOST_TOKENS)
    kept = table.astype(np.promote_types(table.dtype, np.float32))
    if length == len(table):
        return kept
    weights = _weights(len(table), length, Rule("bilinear"))
    return (weights @ kept.astype(np.float64)).astype(kept.dtype)


def _refuse_beyond(count: int, most: int) -> None:
    if count > most:
        raise ConfigError(f"positions for {count} places in a row", cure=f"at most {most} make sense")


def _weights(old: int, new: int, rule: Rule) -> ResizeWeights:
    """Return the weight of every old position for every new one, (new, old); rows sum to 1."""
    centres: Array
    if rule.corners:
        centres = np.linspace(0.0, old - 1.0, new) if new > 1 else np.zeros(1)
    else:  # in float32, as PyTorch has it: at the far end of a long text that is 1e-5 of a position
        step = np.float32(old) / np.float32(new)
        centres = step * (np.arange(new, dtype=np.float32) + np.float32(0.5)) - np.float32(0.5)
    return _wide_kernel(centres, old, new, rule) if rule.antialias else _plain_kernel(centres, old, rule)


def _plain_kernel(centres: Array, old: int, rule: Rule) -> ResizeWeights:
    """Positions beyond an end count as the end."""
    if rule.kernel == "bilinear":
        centres = centres.clip(0, old - 1)
    reach = 2 if rule.kernel == "bicubic" else 1
    first = np.floor(centres).astype(int)
    weights = np.zeros((len(centres), old))
    for step in range(1 - reach, reach + 1):
        positions = first + step
        np.add.at(weights, (np.arange(len(centres)), positions.clip(0, old - 1)), _kernel(positions - centres, rule))
    return weights


def _wide_kernel(centres: Array, old: int, new: int, rule: Rule) -> ResizeWeights:
    """Positions beyond an end do not count; the others weigh the more."""
    stretch = max(old / new, 1.0)
    weights = _kernel((np.arange(old)[None, :] - centres[:, None]) / stretch, rule)
    normed: ResizeWeights = weights / weights.sum(axis=1, keepdims=True)
    return normed


def _kernel(distance: Array, rule: Rule) -> ResizeWeights:
    x: ResizeWeights = np.abs(np.asarray(distance, dtype=np.float64))
    if rule.kernel == "bilinear":
        line: ResizeWeights = np.maximum(1 - x, 0)
        return line
    a = CUBIC_ANTIALIAS if rule.antialias else CUBIC_PLAIN
    near = ((a + 2) * x - (a + 3)) * x * x + 1
    far = a * (((x - 5) * x + 8) * x - 4)
    return np.where(x <= 1, near, np.where(x < 2, far, 0.0))
