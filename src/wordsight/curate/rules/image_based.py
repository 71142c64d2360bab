"""Images like those of a reference set, by clusters (DataComp's image-based filter).

The pool's embeddings are clustered; a cluster is kept when it is the nearest one of an image of `against`.  Published
with ImageNet's training images as the reference, and after a filter of captions: join `basic` for that.
"""

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from wordsight.base.errors import UsageError
from wordsight.curate.clusters import assign, check_clusters, cluster_count, fitted
from wordsight.curate.pool import PairPool
from wordsight.curate.rules.table import Ruling, by_image

NEEDS = ("images",)
AMONG_KEPT = False


@dataclass(frozen=True, slots=True)
class ImageBasedOptions:
    """`against`: the reference sets; `clusters`: how many, None for the square root of twice the images."""

    against: tuple[str, ...] = ()
    clusters: int | None = None

    def __post_init__(self) -> None:
        if not self.against:
            raise UsageError("image-based without a set to compare with", cure="name one with --against PLACE")
        check_clusters("image-based", self.clusters)


OPTIONS = ImageBasedOptions


def judge(pool: PairPool, options: ImageBasedOptions, alive: NDArray[np.bool_]) -> Ruling:
    """Judge every image; the figure is its cosine with the centre of its cluster."""
    sound = pool.images.sound
    centroids = fitted(pool.images.rows, sound, options.clusters or cluster_count(int(sound.sum())))
    near = np.zeros(len(centroids), bool)
    for location in options.against:
        reference = pool.compared_with(location)
        numbers, _ = assign(reference.images.rows, centroids)
        near[numbers[reference.images.sound]] = True
    numbers, cosines = assign(pool.images.rows, centroids)
    return Ruling(by_image(pool, near[numbers] & sound), by_image(pool, cosines))
