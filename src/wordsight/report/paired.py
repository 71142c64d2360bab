"""Two models, or two ways of learning, on the same pictures: the paired difference of their shares, who alone is right.

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
    """Whether each of N pictures was right, (N,), 0 or 1, and hex digits that stand for their keys in this order.

    Of several draws the share of them in which it was right.
    """

    key_hash: str
    right: NDArray[np.floating]


@dataclass(frozen=True, slots=True)
class Difference:
    """The share right of a first minus that of a second, on the same `count` pictures.

    `only_first`: pictures that the first has right and the second not, of draws those that it has right more often.
    """

    value: float
    interval: tuple[float, float]
    only_first: int
    only_second: int
    count: int


def read_hits(data: Mapping[str, Any]) -> RecordedHits:
    """Return the hits of a record; what is no base64, too short or too long raises `ValueError`.

    Without `draws` a picture is one bit; with them one byte, in how many of the draws it was right.
    """
    count = data["count"]
    if not isinstance(count, int) or isinstance(count, bool) or count < 1:
        raise ValueError(f"its count is {count!r}")
    if not isinstance(data["key_hash"], str) or not data["key_hash"]:
        raise ValueError(f"its key_hash is {data['key_hash']!r}")
    try:
        packed = np.frombuffer(base64.b64decode(data["hits"], validate=True), np.uint8)
    except (binascii.Error, TypeError) as error:
        raise ValueError(f"its hits are no base64: {error}") from None
    if (draws := data.get("draws")) is not None:
        return RecordedHits(data["key_hash"], _shares(packed, count, draws))
    if len(packed) != (count + 7) // 8:
        raise ValueError(f"its hits are {len(packed)} bytes, which is not {count} bits")
    return RecordedHits(data["key_hash"], np.unpackbits(packed, count=count).astype(np.float64))


def _shares(times: NDArray[np.uint8], count: int, draws: object) -> NDArray[np.float64]:
    """Return in which share of the draws each picture was right, (count,)."""
    if not isinstance(draws, int) or isinstance(draws, bool) or not 1 <= draws <= 255:
        raise ValueError(f"its draws are {draws!r}")
    if len(times) != count:
        raise ValueError(f"its hits are {len(times)} bytes for {count} pictures")
    if times.max() > draws:
        raise ValueError(f"a picture was right in {times.max()} of {draws} draws")
    return times / np.float64(draws)


def compare(first: RecordedHits, second: RecordedHits) -> Difference | None:
    """Return how much more often the first is right, with its 95 % interval; None for other pictures."""
    if first.key_hash != second.key_hash or len(first.right) != len(second.right):
        return None
    differences = first.right.astype(np.float64) - second.right.astype(np.float64)  # (N,), from -1 to 1
    return Difference(
        float(differences.mean()),
        bootstrap_interval(differences),
        int((differences > 0).sum()),
        int((differences < 0).sum()),
        len(differences),
    )
