"""Embeddings as clients ask for their numbers: fewer of them, and float, base64, int8, uint8, binary or ubinary.

    as_numbers(shortened(embeddings, 256), "int8")                 # one JSON value for each embedding

int8: each embedding is scaled so that its largest number is 127, which keeps its direction, and not its length.  uint8
is int8 plus 128.  ubinary has a bit for each number, set where it is above zero, the first in the highest bit; binary
is ubinary minus 128.
"""

from collections.abc import Callable
from typing import Any

import msgspec
import numpy as np
from numpy.typing import NDArray

from wordsight.base.arrays import Embeddings, unit
from wordsight.serve.answering import numbers
from wordsight.serve.errors import Refused
from wordsight.serve.own.embedding import base64_of


def shortened(embeddings: Embeddings, count: int | None) -> Embeddings:
    """Return the first `count` numbers of embeddings (n, width), of unit length again; None and 0 are all of them.

    Models that were not learned for it lose by it.
    """
    width = embeddings.shape[1]
    if count is None or count in (0, width):
        return embeddings
    if not 1 <= count < width:
        raise Refused(400, f"{count} dimensions of embeddings of {width}", cure=f"ask for 1 to {width}")
    cut = embeddings[:, :count]
    if not np.linalg.norm(cut, axis=1).all():
        raise Refused(400, f"the first {count} numbers are zeros", cure="ask for more")
    return unit(cut)


def as_numbers(embeddings: Embeddings, kind: str) -> list[msgspec.Raw]:
    """Return each embedding (n, width) as JSON, in numbers of a kind; `Refused` for an unknown one."""
    if kind not in KINDS:
        raise Refused(400, f"the embedding type {kind[:40]!r}", cure=f"ask for {', '.join(KINDS)}")
    return [KINDS[kind](one) for one in embeddings]


def _base64(embedding: Embeddings) -> msgspec.Raw:
    return msgspec.Raw(msgspec.json.encode(base64_of(embedding)))


def _int8(embedding: Embeddings) -> NDArray[np.int16]:
    scaled: NDArray[np.int16] = np.rint(embedding * (127 / max(float(np.abs(embedding).max()), 1e-12))).astype(np.int16)
    return scaled


def _ubinary(embedding: Embeddings) -> NDArray[np.int16]:
    return np.packbits(embedding > 0).astype(np.int16)


KINDS: dict[str, Callable[[Any], msgspec.Raw]] = {
    "float": numbers,
    "base64": _base64,
    "int8": lambda one: numbers(_int8(one)),
    "uint8": lambda one: numbers(_int8(one) + 128),
    "binary": lambda one: numbers(_ubinary(one) - 128),
    "ubinary": lambda one: numbers(_ubinary(one)),
}
