"""Two models on the same pictures: the difference of their shares with a paired interval, and who alone is right.

    difference = compare(hits_of_a, hits_of_b)      # None where the pictures are not the same

Only hits under the same keys are compared.  The interval resamples pictures, both models' answers together, so what
makes a picture easy for both does not widen it.
"""

import base64
import binascii
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from wordsight.evaluate.metrics import bootstrap_interval


@dataclass(frozen=True, slots=True)
class RecordedHits:
    """Whether each of N pictures was right, (N,), and 16 hex digits that stand for their keys in this order."""

    key_hash: str
    right: NDArray[np.bool_]


@dataclass(frozen=True, slots=True)
class Difference:
    """The share right of a first model minus that of a second, on the same `count` pictures."""

    value: float
    interval: tuple[float, float]
    only_first: int
    only_second: int
    count: int


def read_hits(data: Mapping[str, Any]) -> RecordedHits:
    """Return the hits of a record; bits that are no base64, or too few or too many, raise `ValueError`."""
    count = data["count"]
    if not isinstance(count, int) or isinstance(count, bool) or count < 1:
        raise ValueError(f"its count is {count!r}")
    if not isinstance(data["key_hash"], str) or not data["key_hash"]:
        raise ValueError(f"its key_hash is {data['key_hash']!r}")
    try:
        packed = np.frombuffer(base64.b64decode(data["hits"], validate=True), np.uint8)
    except (binascii.Error, TypeError) as error:
        raise ValueError(f"its hits are no base64: {error}") from None
    if len(packed) != (count + 7) // 8:
        raise ValueError(f"its hits are {len(packed)} bytes, which is not {count} bits")
    return RecordedHits(data["key_hash"], np.unpackbits(packed, count=count).astype(np.bool_))


def compare(first: RecordedHits, second: RecordedHits) -> Difference | None:
    """Return how much more often the first is right, with its 95 % interval; None for other pictures."""
    if first.key_hash != second.key_hash or len(first.right) != len(second.right):
        return None
    differences = first.right.astype(np.int64) - second.right.astype(np.int64)  # (N,), in -1, 0, 1
    return Difference(
        float(differences.mean()),
        bootstrap_interval(differences),
        int((differences > 0).sum()),
        int((differences < 0).sum()),
        len(differences),
    )
