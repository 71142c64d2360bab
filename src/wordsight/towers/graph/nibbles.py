"""Tables in 4 bits: two numbers in a byte, and a scale in 16 bits for each block of a row.  numpy only.

    packed, scale = packed_nibbles(table)           # uint8 (V, D / 2), float16 (V, D / block)
    widened_nibbles(packed, scale)                  # (V, D) again, nearly

The first half of a row lies in the lower bits of its bytes, the second in the upper.
"""

from typing import Any

import numpy as np
from numpy.typing import NDArray

Array = NDArray[Any]

BLOCK = 64  # numbers of a row that share a scale; 32 lose a tenth less and make the table 6 % larger (MiniLM's)
LOWEST, ZERO = -8, 8  # the least number of 4 bits, and what is added so that none has a sign
CUTS = tuple(np.linspace(0.55, 1.1, 12))  # which shares of a block's largest number are tried as its range


def packed_nibbles(table: Array) -> tuple[NDArray[np.uint8], NDArray[np.float16]]:
    """Return a table (V, D), D even, as bytes (V, D / 2) and the scale of each block of a row, (V, D / block).

    Of several ranges, those that cut off the outermost numbers included, each block has the one of least squared error.
    """
    parts = table.reshape(len(table), -1, _block(table.shape[1]))  # (V, blocks, block)
    largest = np.abs(parts).max(axis=-1, keepdims=True)
    least = np.full(largest.shape, np.inf, np.float32)
    scale: NDArray[np.float16] = np.ones(largest.shape, np.float16)
    for share in CUTS:
        tried = np.where(largest > 0, largest * share / -LOWEST, 1).astype(np.float16)
        wide = np.maximum(tried, np.finfo(np.float16).tiny).astype(np.float32)
        error = ((_rounded(parts, wide) * wide - parts) ** 2).sum(axis=-1, keepdims=True)
        scale = np.where(error < least, wide.astype(np.float16), scale)
        least = np.minimum(error, least)
    whole = (_rounded(parts, scale.astype(np.float32)) + ZERO).reshape(table.shape).astype(np.uint8)
    half = table.shape[1] // 2
    packed = np.bitwise_or(whole[:, :half], whole[:, half:] << 4, dtype=np.uint8)
    return packed, scale[..., 0]


def unfilled_nibbles(table: Array) -> tuple[NDArray[np.uint8], NDArray[np.float16]]:
    """Return arrays of the shapes that `packed_nibbles` gives, all zero, at once."""
    rows, width = table.shape
    return np.zeros((rows, width // 2), np.uint8), np.zeros((rows, width // _block(width)), np.float16)


def widened_nibbles(packed: Array, scale: Array) -> Array:
    """Return a table (V, D) in float32."""
    whole = np.concatenate([packed & 15, packed >> 4], axis=1).astype(np.float32) - ZERO
    blocks: Array = whole.reshape(*scale.shape, -1) * scale.astype(np.float32)[..., None]
    return blocks.reshape(len(packed), -1)


def _block(width: int) -> int:
    return BLOCK if width % BLOCK == 0 else width


def _rounded(parts: Array, scale: Array) -> Array:
    whole: Array = np.clip(np.round(parts / scale), LOWEST, -LOWEST - 1)
    return whole
