"""What a task gives back: results, details to draw, small pictures; and how its parts are made.

    Measured([share("pets/zero-shot/top-1", right, setting={...})], [hits("pets/zero-shot/top-1", keys, right)])

Knows no kind of task.
"""

import base64
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from io import BytesIO
from typing import Any

import numpy as np
from numpy.typing import NDArray

from wordsight.base.details import Detail
from wordsight.base.files import sha256_bytes
from wordsight.base.nouns import Result
from wordsight.base.value import Value
from wordsight.evaluate.metrics import bootstrap_interval, share_interval
from wordsight.images.decode import decode

THUMBNAIL = 160  # pixels of the longer side of a picture in a report
JPEG_QUALITY = 80  # as pages with hits have it


@dataclass(frozen=True, slots=True)
class Measured:
    """Results and details of one task, and small JPEGs that the details name, "pictures/NAME.jpg" -> bytes."""

    results: Sequence[Result]
    details: Sequence[Detail] = ()
    pictures: Mapping[str, bytes] = field(default_factory=dict)

    def and_also(self, other: "Measured") -> "Measured":
        """Return both."""
        return Measured(
            [*self.results, *other.results],
            [*self.details, *other.details],
            {**self.pictures, **other.pictures},
        )


def share(
    name: str,
    values: NDArray[np.generic],
    *,
    clusters: NDArray[np.integer] | None = None,
    setting: Mapping[str, Value] | None = None,
) -> Result:
    """Return the mean of values (N,) with its 95 % interval; `clusters` (N,) are drawn whole.

    The values are shares, but where `unit` in the setting says another thing.
    """
    of = bootstrap_interval if setting and setting.get("unit") else share_interval
    interval = of(values, clusters=clusters)
    return Result(name, float(values.mean()), interval, len(values), setting=setting or {})


def hits(name: str, keys: Sequence[str], right: NDArray[np.bool_]) -> Detail:
    """Return which of the images (N), by their keys, were right: models are compared by pairs of the same images."""
    packed = base64.b64encode(np.packbits(right.astype(bool)).tobytes()).decode()
    return Detail(name, "", "hits", {"key_hash": hash_of(keys), "hits": packed, "count": len(right)})


def hits_of_draws(name: str, keys: Sequence[str], right: NDArray[np.bool_]) -> Detail:
    """Return in how many of D draws each of the images (N), by their keys, was right, of `right` (D, N), D <= 255."""
    draws, count = right.shape
    if draws > 255:
        raise ValueError(f"{draws} draws do not fit into one byte")
    times = base64.b64encode(right.sum(axis=0).astype(np.uint8).tobytes()).decode()
    return Detail(name, "", "hits", {"key_hash": hash_of(keys), "hits": times, "count": count, "draws": draws})


def hash_of(texts: Sequence[str]) -> str:
    """Return 12 hexadecimal digits over texts in order: names of classes, templates, keys."""
    return sha256_bytes(*(text.encode(errors="surrogatepass") + b"\0" for text in texts))[:12]


def small_image(item: Any, *, name: str) -> tuple[str, bytes]:
    """Return an image as ("pictures/HASH.jpg", a small JPEG); errors are those of decoding."""
    from PIL import Image

    packed = BytesIO()
    small = Image.fromarray(decode(item, name=name, at_least=THUMBNAIL))
    small.thumbnail((THUMBNAIL, THUMBNAIL))
    small.save(packed, "JPEG", quality=JPEG_QUALITY)
    return f"pictures/{sha256_bytes(packed.getvalue())[:16]}.jpg", packed.getvalue()
