"""Classes that were learned from images, as a file: `wordsight classify --classes-file classes.json`.

    write_classes(path, LearnedClasses(names, linear, model.fingerprint))
    classes = read_classes(path)
    classes.probabilities(model.embed_images(items))       # (N, C), rows sum to 1

One JSON object: the names, a row of weights and a bias for each, and the fingerprint of the model whose embeddings
they are for.  Knows no models.
"""

import json
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from wordsight.base.arrays import Embeddings
from wordsight.base.errors import FingerprintMismatch, FormatError
from wordsight.base.files import atomic_write, read_json
from wordsight.evaluate.linear import Linear

FORMAT = "wordsight-classes"
VERSION = 1
SUFFIX = ".json"
DIGITS = 7  # of a weight: what float32 holds


@dataclass(frozen=True, slots=True)
class LearnedClasses:
    """The names of C classes, and the linear classifier over the embeddings of the model with this fingerprint."""

    names: tuple[str, ...]
    linear: Linear
    fingerprint: str

    def probabilities(self, embeddings: Embeddings) -> NDArray[np.float32]:
        """Return the probability of each class for embeddings (N, E), (N, C)."""
        logits = self.linear.scores(embeddings).astype(np.float64)
        shares = np.exp(logits - logits.max(axis=1, keepdims=True))
        result: NDArray[np.float32] = (shares / shares.sum(axis=1, keepdims=True)).astype(np.float32)
        return result

    def require_model(self, fingerprint: str, where: Path) -> None:
        """Raise `FingerprintMismatch` where the embeddings would come from another model."""
        if fingerprint != self.fingerprint:
            raise FingerprintMismatch(
                f"{where} was learned with model {self.fingerprint}, the model in use is {fingerprint}",
                cure="use that model (--model), or learn the classes again: wordsight train probe",
            )


def write_classes(path: Path, classes: LearnedClasses) -> None:
    """Write the file, atomically."""
    linear = classes.linear
    values = {
        "format": FORMAT,
        "version": VERSION,
        "fingerprint": classes.fingerprint,
        "names": list(classes.names),
        "bias": [float(f"{number:.{DIGITS}g}") for number in linear.bias],
        "weights": [[float(f"{number:.{DIGITS}g}") for number in row] for row in linear.weights],
    }
    with atomic_write(path, "w") as handle:
        handle.write(json.dumps(values, ensure_ascii=True) + "\n")


def read_classes(path: Path) -> LearnedClasses:
    """Read the file; another one, or a damaged one, raises `FormatError`."""
    values = read_json(path)
    if not isinstance(values, dict) or values.get("format") != FORMAT or values.get("version") != VERSION:
        raise FormatError(
            f"{path} holds no classes that this program reads", cure="give one class a line, or the file of a probe"
        )
    try:
        names = tuple(map(str, values["names"]))
        weights, bias = (np.asarray(values[name], dtype=np.float32) for name in ("weights", "bias"))
        fits = weights.ndim == 2 and bias.shape == (len(names),) == weights.shape[:1]
        if not fits or not (np.isfinite(weights).all() and np.isfinite(bias).all()):
            raise ValueError("names, weights and bias do not fit each other")
        return LearnedClasses(names, Linear(weights, bias), str(values["fingerprint"]))
    except (KeyError, TypeError, ValueError) as error:
        raise FormatError(f"{path} is damaged: {error}", cure="learn it again: wordsight train probe") from None
