"""Clusters of unit embeddings by spherical k-means: learned from a sample, then the nearest one of every row.

    centroids = fitted(embeddings, sound, 100)       # float32 (100, width), the same at every run
    numbers, cosines = assign(embeddings, centroids)

Rows are read in blocks, so they may be mapped from a file.
"""

import numpy as np
from numpy.typing import NDArray

from wordsight.base.arrays import Embeddings, unit
from wordsight.base.errors import UsageError
from wordsight.curate.pool import PairPool

SAMPLE = 50_000  # rows that centroids are learned from, at most
ROUNDS = 20
_AT_ONCE = 8192  # rows


def cluster_count(images: int) -> int:
    """Return the square root of twice the images: a common choice where nothing is known."""
    return max(1, int((2 * images) ** 0.5))


def check_clusters(rule: str, count: int | None) -> None:
    """Raise `UsageError` where a rule is asked for fewer clusters than one; None leaves the number to the rule."""
    if count is not None and count < 1:
        raise UsageError(f"{rule}: clusters={count}", cure="give 1 or more, or leave it out")


def fitted(embeddings: Embeddings, sound: NDArray[np.bool_], count: int) -> Embeddings:
    """Return at most `count` centroids (K, width) of the rows that are `sound`; a cluster without a row is left out."""
    rows = np.flatnonzero(sound)
    generator = np.random.default_rng(0)
    if len(rows) > SAMPLE:
        rows = np.sort(generator.choice(rows, SAMPLE, replace=False))
    sample = np.asarray(embeddings[rows])
    count = min(count, len(sample))
    if count < 2:
        return (
            unit(sample.mean(axis=0, keepdims=True)) if len(sample) else np.zeros((1, embeddings.shape[1]), np.float32)
        )
    centroids: Embeddings = sample[np.sort(generator.choice(len(sample), count, replace=False))].copy()
    numbers = np.full(len(sample), -1)
    for _ in range(ROUNDS):
        renewed, _ = assign(sample, centroids)
        if np.array_equal(renewed, numbers):
            break
        numbers = renewed
        order = np.argsort(numbers, kind="stable")
        starts = np.flatnonzero(np.diff(numbers[order], prepend=-1))
        centroids = unit(np.add.reduceat(sample[order], starts, axis=0))  # one for each that has a row
        numbers = np.unique(numbers, return_inverse=True)[1]
    return centroids


def assign(embeddings: Embeddings, centroids: Embeddings) -> tuple[NDArray[np.int64], NDArray[np.float32]]:
    """Return for each row (n,) the number of its nearest centroid, and the cosine with it."""
    numbers = np.empty(len(embeddings), np.int64)
    cosines = np.empty(len(embeddings), np.float32)
    for start in range(0, len(embeddings), _AT_ONCE):
        scores = np.asarray(embeddings[start : start + _AT_ONCE]) @ centroids.T
        numbers[start : start + len(scores)] = scores.argmax(axis=1)
        cosines[start : start + len(scores)] = scores.max(axis=1)
    return numbers, cosines


def cluster_numbers(pool: PairPool, count: int) -> NDArray[np.int64]:
    """Return the cluster of each image (N,) of a pool, of `count` clusters."""
    images = pool.images
    if count < 2:
        return np.zeros(len(images.sound), np.int64)
    return assign(images.rows, fitted(images.rows, images.sound, count))[0]
