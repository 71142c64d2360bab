"""Which of several alike images stays: the first, the largest, or the one whose caption fits best."""

from typing import Literal

import numpy as np
from numpy.typing import NDArray

from wordsight.curate.pool import PairPool

Keep = Literal["first", "largest", "score"]


def ranks(pool: PairPool, keep: Keep, alive: NDArray[np.bool_]) -> NDArray[np.int64]:
    """Return the rank of each image, int64 (N,): 0 is preferred to all; N for one without a pair that is `alive`."""
    images = pool.records.images
    here = np.zeros(images, bool)
    here[pool.records.owners[alive]] = True
    if keep == "first":
        value = np.zeros(images)
    elif keep == "largest":
        value = pool.sides.astype(np.float64).prod(axis=1)
    else:
        value = np.full(images, -np.inf)
        np.maximum.at(value, pool.records.owners[alive], np.nan_to_num(pool.scores().cosines[alive], nan=-np.inf))
    order = np.argsort(-value, kind="stable")  # of equals the first in the source
    rank = np.empty(images, np.int64)
    rank[order] = np.arange(images)
    rank[~here] = images
    return rank
