"""What the arrays at the borders between rooms are called, and how vectors become embeddings."""

import numpy as np
from numpy.typing import NDArray

Pixels = NDArray[np.uint8]  # (B, S, S, 3), one image (H, W, 3), or (B, H, W, 3) for models that keep an image's shape
Tokens = NDArray[np.int32]  # (B, L), token ids
Embeddings = NDArray[np.float32]  # (B, E), unit length
RowIds = NDArray[np.int64]  # (N,), which rows of a set

SLACK = 0.1  # of a squared length from 1: bfloat16 rounds it by less than 0.02
_LEAST = 1e-12  # a vector shorter than this has no direction: it stays as good as zero, and near nothing


def unit(vectors: NDArray[np.floating]) -> Embeddings:
    """Return vectors (B, E) at length 1."""
    wide = np.asarray(vectors, dtype=np.result_type(vectors, np.float32))  # half precision could not hold the least
    lengths = np.linalg.norm(wide, axis=1, keepdims=True)
    return np.asarray(wide / np.maximum(lengths, _LEAST), dtype=np.float32)


def is_unit(embeddings: Embeddings) -> NDArray[np.bool_]:
    """Return for each embedding (B, E) whether it is one, (B,): of length 1, not zero, NaN or infinite."""
    wide = np.asarray(embeddings, np.float64)
    squares = np.einsum("ij,ij->i", wide, wide)
    sound: NDArray[np.bool_] = np.abs(squares - 1) < SLACK
    return sound
