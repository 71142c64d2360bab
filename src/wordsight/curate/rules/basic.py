"""DataComp's basic filter (Gadre et al. 2023, appendix E): neither too short a caption nor too small or long an image.

A caption has at least 3 words (what white space parts) and 6 letters, the shorter side at least 200 pixels, the longer
one at most 3 times that.  Sides are those that the source states as original_width and original_height, else the
image's own.  The published filter also keeps English alone: that is the rule `language`.
"""

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from wordsight.curate.pool import PairPool
from wordsight.curate.rules.table import Ruling, by_image

NEEDS = ("sides",)
AMONG_KEPT = False
WHYS = ("words", "letters", "side", "aspect")


@dataclass(frozen=True, slots=True)
class BasicOptions:
    """At least so many `words`, `letters` and pixels of the shorter `side`; longer over shorter at most `aspect`."""

    words: int = 3
    letters: int = 6
    side: int = 200
    aspect: float = 3.0


OPTIONS = BasicOptions


def judge(pool: PairPool, options: BasicOptions, alive: NDArray[np.bool_]) -> Ruling:
    """Judge every pair; a figure is the count, side or aspect that is not met first, of a kept pair its words."""
    words = np.empty(pool.records.pairs, np.int32)
    letters = np.empty(pool.records.pairs, np.int32)
    for pair, text in enumerate(pool.records.texts()):
        words[pair], letters[pair] = len(text.split()), len(text)
    short, long = pool.sides.min(axis=1), pool.sides.max(axis=1)
    aspect = long / np.maximum(short, 1)
    figures = np.stack([words, letters, by_image(pool, short), by_image(pool, aspect)]).astype(np.float32)  # (4, P)
    failed = np.stack(
        [
            words < options.words,
            letters < options.letters,
            by_image(pool, short < options.side),
            by_image(pool, aspect > options.aspect),
        ]
    )
    why = failed.argmax(axis=0)  # the first that is not met, else words
    kept: NDArray[np.bool_] = np.logical_not(np.any(failed, axis=0))
    return Ruling(kept, figures[why, np.arange(len(why))], WHYS, why.astype(np.uint8))
