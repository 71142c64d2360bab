"""What the arrays at the borders between rooms are called."""

import numpy as np
from numpy.typing import NDArray

Pixels = NDArray[np.uint8]  # (B, S, S, 3), one image (H, W, 3), or (B, H, W, 3) for models that keep an image's shape
Tokens = NDArray[np.int32]  # (B, L), token ids
Embeddings = NDArray[np.float32]  # (B, E), unit length
RowIds = NDArray[np.int64]  # (N,), which rows of a set
