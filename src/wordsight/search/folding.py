"""Near-duplicates folded: hits that show nearly the same as a better hit stand behind it, not beside it.

    threshold = likeness(index.sample(SAMPLE))
    folded(neighbours, threshold)              # [(neighbour, ("b.jpg", "c.jpg")), ...]

How near "nearly the same" is comes from the library itself: a tenth of the distance of its nearest 1 % of pairs, so
that it holds for every model, and is stricter where everything looks alike.  Two images of which sizes are known
are the same only in the same proportions.  Knows only neighbours.
"""

from collections.abc import Sequence
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from wordsight.base.arrays import Embeddings
from wordsight.base.value import Value
from wordsight.index.index import Neighbour

SAMPLE = 512  # images of the library: 130,000 pairs
NEAR_PAIRS = 0.99  # the quantile of their cosines
SHARE = 0.1  # of the distance there, within which images are the same
LEAST_SHARE = 0.02  # of the distance of usual pairs: so near are copies, also where a library is full of them
_AT_ONCE = 256  # compared with all before them
PROPORTIONS = 0.1  # by which width / height may differ


class Folded(NamedTuple):
    """A hit and the keys of those that show nearly the same."""

    neighbour: Neighbour
    alike: tuple[str, ...] = ()


def likeness(sample: Embeddings) -> float:
    """Return the cosine from which two images of the library that `sample` (n, width) is of are nearly the same."""
    if len(sample) < 2:
        return 1 - 1e-3
    cosines = (sample @ sample.T)[~np.tri(len(sample), dtype=bool)]  # of each pair once
    usual, near = _quantile(cosines, 0.5), _quantile(cosines, NEAR_PAIRS)
    return 1 - max(SHARE * (1 - near), LEAST_SHARE * (1 - usual), 1e-4)


def _quantile(values: NDArray[np.float32], share: float) -> float:
    """Return a quantile of values (n,): what `np.quantile` does, which imports much."""
    at = share * (len(values) - 1)
    low = int(at)
    high = min(low + 1, len(values) - 1)
    parted = np.partition(values, (low, high))
    return float(parted[low] + (parted[high] - parted[low]) * (at - low))


def folded(neighbours: Sequence[Neighbour], threshold: float, *, k: int | None = None) -> list[Folded]:
    """Return the first k in their order, all by default, each with those behind it that are nearly the same."""
    if not neighbours:
        return []
    embeddings = np.array([one.embedding for one in neighbours])
    alike: dict[int, list[str]] = {}  # by the numbers of those that stand for others
    for start in range(0, len(neighbours), _AT_ONCE):
        block, before = embeddings[start : start + _AT_ONCE], np.array([*alike], np.int64)
        cosines = np.concatenate([block @ embeddings[before].T, block @ block.T], axis=1)
        numbers = np.concatenate([before, np.arange(start, start + len(block))])
        for i, row in enumerate(cosines, start):
            near = np.flatnonzero(row[: len(before) + i - start] >= threshold).tolist()
            same = {
                int(numbers[at]): float(row[at])
                for at in near
                if int(numbers[at]) in alike and _same_shape(neighbours[numbers[at]], neighbours[i])
            }
            if same:
                alike[max(same, key=same.__getitem__)].append(neighbours[i].key)
            elif k is None or len(alike) < k:
                alike[i] = []
    return [Folded(neighbours[i], tuple(keys)) for i, keys in alike.items()]


def _same_shape(one: Neighbour, other: Neighbour) -> bool:
    """Return whether two images may have the same proportions: they have, or it is not known."""
    shapes = [_proportion(meta.get("width"), meta.get("height")) for meta in (one.meta, other.meta)]
    return not all(shapes) or abs(np.log(shapes[0] / shapes[1])) <= PROPORTIONS


def _proportion(width: Value, height: Value) -> float:
    """Return width / height, 0 where it is not known."""
    known = isinstance(width, int | float) and isinstance(height, int | float) and width > 0 and height > 0
    return float(width) / float(height) if known else 0.0  # type: ignore[arg-type]
