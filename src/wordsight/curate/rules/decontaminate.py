"""Images that are not those of an evaluation set: neither the same file, nor one that looks so, nor near by embedding.

Every set named by `against` is read once; its embeddings stay in the cache.  A copy that was cropped or drawn over is
met by its embedding only, and so is an image that merely shows the same: the higher `cosine`, the fewer of both.
"""

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from wordsight.base.errors import UsageError
from wordsight.curate.pool import PairPool
from wordsight.curate.reference import Resemblance
from wordsight.curate.rules.table import Ruling, by_image

NEEDS = ("looks", "images")
AMONG_KEPT = False
WHYS = ("equal", "looks the same", "embedding")


@dataclass(frozen=True, slots=True)
class DecontaminateOptions:
    """`against`: the evaluation sets; `cosine` from which on an embedding is too near, above 1 for none."""

    against: tuple[str, ...] = ()
    cosine: float = 0.9

    def __post_init__(self) -> None:
        if not self.against:
            raise UsageError("decontaminate without an evaluation set", cure="name one with --against PLACE")


OPTIONS = DecontaminateOptions


def judge(pool: PairPool, options: DecontaminateOptions, alive: NDArray[np.bool_]) -> Ruling:
    """Judge every image; the figure is its largest cosine with an image of the sets."""
    looks, images = pool.looks, pool.images
    cosines = np.full(len(looks.sound), -1, np.float32)
    equal, alike = np.zeros(len(looks.sound), bool), np.zeros(len(looks.sound), bool)
    for location in options.against:
        other = Resemblance(pool, pool.compared_with(location))
        equal |= other.equal()
        alike |= other.alike()
        cosines = np.maximum(cosines, other.cosines())
    near = cosines >= options.cosine
    why = np.where(equal, 0, np.where(alike, 1, 2)).astype(np.uint8)
    sound = looks.sound & images.sound
    kept = sound & ~equal & ~alike & ~near
    return Ruling(by_image(pool, kept), by_image(pool, cosines), WHYS, by_image(pool, why))
