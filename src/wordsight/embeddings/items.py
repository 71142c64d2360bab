"""What may be given as images, texts and classes: lists, and the same sentence for whatever is none.

Knows neither models nor how an image is decoded; Pillow is not imported.
"""

import os
import sys
from collections.abc import Iterable
from typing import Any

import numpy as np

from wordsight.base.errors import UsageError

LONGEST = 60  # letters of a text in a message


def image_list(items: Any) -> Iterable[Any]:
    """Return `items` where they are many images, also as an array (B, H, W, 3); one image is a `UsageError`."""
    if is_image(items):
        raise _single("picture")
    return listed(items, "picture")


def text_list(texts: Any, noun: str) -> list[str]:
    """Return the texts or class names; a single one, and what is no str, is a `UsageError`."""
    if isinstance(texts, str | bytes | bytearray):
        raise _single(noun)
    given: list[str] = list(listed(texts, noun))
    for text in given:
        if not isinstance(text, str):
            raise UsageError(f"a {noun} cannot be made of {type(text).__name__}", cure="give a list of str")
    return given


def listed(items: Any, noun: str) -> Iterable[Any]:
    """Return `items` if they are several, of whatever kind; else raise `UsageError`."""
    if not isinstance(items, Iterable):
        raise UsageError(f"{type(items).__name__} was given where a list is needed", cure=f"write [{noun}]")
    return items


def is_image(item: Any) -> bool:
    """Return whether `item` is one image in a form that is read: a path, bytes, a Pillow image or an array."""
    if isinstance(item, np.ndarray):
        return item.dtype.kind not in "OSUT" and item.ndim < 4
    return isinstance(item, str | os.PathLike | bytes | bytearray | memoryview) or _is_pillow(item)


def image_name(item: Any, otherwise: str) -> str:
    """Return how messages call an image: its path, or `otherwise` where it has none."""
    if isinstance(item, str | os.PathLike):
        return os.fsdecode(item)
    return str(getattr(item, "filename", "") or otherwise)


def shortened(text: str) -> str:
    """Return the beginning of a text, for a message."""
    return text if len(text) <= LONGEST else f"{text[:LONGEST]}…"


def _is_pillow(item: Any) -> bool:
    pillow = sys.modules.get("PIL.Image")  # whoever gives an image of Pillow's has imported it
    return pillow is not None and isinstance(item, pillow.Image)


def _single(noun: str) -> UsageError:
    return UsageError(f"a single {noun} was given where a list is needed", cure=f"write [{noun}]")
