"""Words for the clusters of a map: the label of a set that tells a cluster best from the whole library.

    Namer(model, labels="auto").names(means, rows)    # ["dog, snow", "beach", "", ...]

Of each label the cosine with the cluster's mean image is compared with that with the mean of all, in deviations of the
label's cosines over the library: what all images have in common names nothing.  Clusters that one label names all get
a second one, which tells them from one another.  Where no label rises by `LEAST` the cluster has no name, "": a weaker
one is wrong.  No two names are equal.  Knows embeddings and the model that reads labels.
"""

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np
from numpy.typing import NDArray

from wordsight.base.arrays import Embeddings, unit
from wordsight.base.files import sha256_bytes
from wordsight.index.index import spread_evenly
from wordsight.text.label_sets import LabelSet, label_set

if TYPE_CHECKING:
    from wordsight.embeddings.model import Model

AUTO = "auto"
SETS = ("everyday", "products")  # that AUTO chooses from: the library's is the one whose labels rise more
ELSEWHERE = 0.5  # deviations by which a label of another set has to rise above the best of the library's
COLOURS = "colours"  # may be second words too
LEAST = 1.0  # deviations: below it most first labels of three libraries were wrong (docs/map.md)
APART = 0.3  # deviations by which a second label has to rise above the mean of the clusters that share the first
UNNAMED = ""
SAMPLE = 16_384  # images of which the deviations are known
_PHRASES = 128  # embedded at once

Rises = NDArray[np.float32]  # (clusters, labels)


@dataclass(frozen=True, slots=True)
class _Labels:
    """Names of L labels, their mean phrases (L, D), and the deviations of their cosines in the library, (L,)."""

    names: tuple[str, ...]
    texts: Embeddings
    deviations: NDArray[np.float32]

    def rises(self, differences: NDArray[np.float32]) -> Rises:
        """Return how far differences of mean images (C, D) go along each label, in deviations, (C, L)."""
        return np.asarray(differences @ self.texts.T / self.deviations, np.float32)


class Namer:
    """Names clusters by the labels of a set.

    `AUTO` takes the one of `SETS` that fits the library, and for a cluster that another fits much better, that one.
    """

    def __init__(self, model: "Model", labels: str | Path | LabelSet = AUTO) -> None:
        chosen = SETS if labels == AUTO else (labels,)
        self._sets = [one if isinstance(one, LabelSet) else label_set(one) for one in chosen]
        self._model = model

    @property
    def digest(self) -> str:
        """Return a hash of the labels, their phrases, and how far they have to rise."""
        sets = [*self._sets, label_set(COLOURS)]
        described = [[(one.name, one.phrases) for one in each.labels] for each in sets]
        return sha256_bytes(repr([LEAST, ELSEWHERE, UNNAMED, described]).encode())[:16]

    def names(self, means: NDArray[np.float32], rows: NDArray[np.float16]) -> list[str]:
        """Return a name for each cluster of `rows` (N, D), given their mean images (C, D)."""
        sample = np.asarray(rows[spread_evenly(len(rows), SAMPLE)], np.float32)
        centre = sample.mean(axis=0)
        covariance = (sample - centre).T @ (sample - centre) / np.float32(len(sample))
        read = [self._read(one, covariance) for one in self._sets]
        read.sort(key=lambda one: -float(one.rises(means - centre).max(axis=1).mean()))
        best, known = read[0], _joined(read)
        rises = known.rises(means - centre)
        rises[:, len(best.names) :] -= ELSEWHERE
        rises[:, [at for at, name in enumerate(known.names) if name in known.names[:at]]] = -np.inf
        firsts = [int(row.argmax()) if row.max() >= LEAST else -1 for row in rises]
        seconds = _joined([best, self._read(label_set(COLOURS), covariance)])
        names = [UNNAMED if first < 0 else known.names[first] for first in firsts]
        for first in sorted(set(firsts) - {-1}):
            group = [number for number, other in enumerate(firsts) if other == first]
            if len(group) > 1:
                for number, second in zip(group, _seconds(means[group], centre, seconds, names[group[0]]), strict=True):
                    names[number] += second
        return _numbered(names)

    def _read(self, labels: LabelSet, covariance: NDArray[np.float32]) -> _Labels:
        phrases = [phrase for label in labels.labels for phrase in label.phrases]
        embedded = np.concatenate(
            [self._model.embed_texts(phrases[start : start + _PHRASES]) for start in range(0, len(phrases), _PHRASES)]
        )
        starts = np.cumsum([0, *(len(label.phrases) for label in labels.labels[:-1])])
        texts = unit(np.add.reduceat(embedded, starts, axis=0))
        variances = np.einsum("id,id->i", texts @ covariance, texts)
        return _Labels(tuple(label.name for label in labels.labels), texts, np.sqrt(np.maximum(variances, 1e-10)))


def _seconds(means: NDArray[np.float32], centre: NDArray[np.float32], labels: _Labels, first: str) -> Iterable[str]:
    """Return what is written behind the common first label of some clusters, "" where nothing tells one apart."""
    above, apart = labels.rises(means - centre), labels.rises(means - means.mean(axis=0))
    fits = (above >= LEAST) & (apart >= APART) & np.array([name != first for name in labels.names])
    left = np.where(fits, above * apart, -np.inf)
    chosen = [""] * len(means)
    while np.isfinite(left).any():  # the surest first, each label once
        number, label = (int(at) for at in np.unravel_index(left.argmax(), left.shape))
        chosen[number] = f", {labels.names[label]}"
        left[number], left[:, label] = -np.inf, -np.inf
    return chosen


def _joined(sets: Sequence[_Labels]) -> _Labels:
    names = tuple(name for one in sets for name in one.names)
    return _Labels(names, np.concatenate([one.texts for one in sets]), np.concatenate([one.deviations for one in sets]))


def _numbered(names: list[str]) -> list[str]:
    """Return the names with numbers behind all but the first of equal ones; what has no name gets none."""
    counted: dict[str, int] = {}
    for at, name in enumerate(names):
        counted[name] = counted.get(name, 0) + 1
        if counted[name] > 1 and name:
            names[at] = f"{name} {counted[name]}"
    return names
