"""Other sets that a pool is compared with: evaluation sets, or those that say what is wanted.

other = Resemblance(pool, pool.compared_with("flickr8k/val-*.tar"))
other.equal(), other.alike(), other.cosines()     # (N,) for the images of the pool
"""

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from wordsight.curate.pool import PairPool
from wordsight.data.near_duplicates import HASH_BITS_APART, bits_set, looks_alike

_AT_ONCE = 2048  # images of the pool
_COLUMNS = 8192  # images of the other set
_BANDS = 4  # of 16 bits: of hashes that differ in at most 3, one band is equal


@dataclass(frozen=True)
class Resemblance:
    """What the images (N,) of `pool` have in common with those of `other`."""

    pool: PairPool
    other: PairPool

    def equal(self) -> NDArray[np.bool_]:
        """Return which images are the same file as one of the other set."""
        own, others = self.pool.looks, self.other.looks
        return np.isin(own.digests, others.digests[others.sound]) & own.sound

    def alike(self) -> NDArray[np.bool_]:
        """Return which images look the same as one of the other set when very small."""
        own, others = self.pool.looks, self.other.looks
        theirs = np.flatnonzero(others.sound)
        alike = np.zeros(len(own.sound), bool)
        for band in range(_BANDS):
            order = theirs[np.argsort(_band(others.bits[theirs], band), kind="stable")]
            sorted_bands = _band(others.bits[order], band)
            bands = _band(own.bits, band)
            starts = np.searchsorted(sorted_bands, bands, "left")
            ends = np.searchsorted(sorted_bands, bands, "right")
            for row in np.flatnonzero((ends > starts) & own.sound & ~alike):
                near = order[starts[row] : ends[row]]
                near = near[bits_set(others.bits[near] ^ own.bits[row]) <= HASH_BITS_APART]
                if len(near):
                    alike[row] = looks_alike(others.thumbs(near), own.thumbs(np.array([row]))[0]).any()
        return alike

    def cosines(self) -> NDArray[np.float32]:
        """Return the largest cosine of each image with one of the other set, -1 for broken ones."""
        own, others = self.pool.images, self.other.images
        theirs = np.flatnonzero(others.sound)
        nearest = np.full(len(own.sound), -1, np.float32)
        for start in range(0, len(nearest), _AT_ONCE):
            block = np.asarray(own.rows[start : start + _AT_ONCE])
            for first in range(0, len(theirs), _COLUMNS):
                scores = block @ np.asarray(others.rows[theirs[first : first + _COLUMNS]]).T
                nearest[start : start + len(block)] = np.maximum(
                    nearest[start : start + len(block)], scores.max(axis=1)
                )
        nearest[~own.sound] = -1
        return nearest


def _band(bits: NDArray[np.uint64], band: int) -> NDArray[np.uint64]:
    part: NDArray[np.uint64] = (bits >> np.uint64(16 * band)) & np.uint64(0xFFFF)
    return part
