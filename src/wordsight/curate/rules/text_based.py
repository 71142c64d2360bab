"""Captions that mention a class: any of its names, in small or capital letters, in the plural too.

The classes are a published list (`imagenet`, `food101`…) or a file, one class a line, names of one class parted by
commas.  A class of several words is mentioned where they stand side by side.  DataComp's filter of this name looks each
word up in WordNet and keeps those whose first sense is one of ImageNet-21k's; without WordNet the names themselves are
looked for.
"""

import re
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from wordsight.base.errors import FormatError, NotFound
from wordsight.base.suggest import suggest
from wordsight.curate.pool import PairPool
from wordsight.curate.rules.table import Ruling
from wordsight.text.class_names import LISTS, class_names
from wordsight.text.lines import listed_lines

NEEDS = ()
AMONG_KEPT = False
_WORD = re.compile(r"[^\W_]+")


@dataclass(frozen=True, slots=True)
class TextBasedOptions:
    """`classes`: a published list, or a file."""

    classes: str = "imagenet"


OPTIONS = TextBasedOptions


def judge(pool: PairPool, options: TextBasedOptions, alive: NDArray[np.bool_]) -> Ruling:
    """Judge every pair; the figure is the number of mentions."""
    mentions = Mentions(_names(options.classes))
    counts = np.fromiter(map(mentions.count, pool.records.texts()), np.float32, pool.records.pairs)
    return Ruling(counts > 0, counts)


class Mentions:
    """Counts how often names occur in a text."""

    def __init__(self, names: list[str]) -> None:
        self._by_first: dict[str, set[tuple[str, ...]]] = {}
        for name in names:
            words = _words(name)
            if words:
                self._by_first.setdefault(words[0], set()).add(words)

    def count(self, text: str) -> int:
        """Return how many places of a text a name begins at."""
        words = _words(text)
        return sum(
            any(words[at : at + len(name)] == name for name in self._by_first.get(word, ()))
            for at, word in enumerate(words)
        )


def _words(text: str) -> tuple[str, ...]:
    return tuple(_singular(word) for word in _WORD.findall(text.casefold()))


def _singular(word: str) -> str:
    """Return a word without the ending of a plural: dogs, boxes, berries; names are treated alike, so "bus" is "bu"."""
    if word.endswith("ies") and len(word) > 4:
        return f"{word[:-3]}y"
    for ending in ("ches", "shes", "sses", "xes", "zes"):
        if word.endswith(ending):
            return word[:-2]
    return word[:-1] if word.endswith("s") and not word.endswith("ss") and len(word) > 2 else word


def _names(classes: str) -> list[str]:
    path = Path(classes)
    if classes in LISTS:
        lines = list(class_names(classes))
    elif path.is_file():
        lines = [line for _, line in listed_lines(path)]
    else:
        raise NotFound(f"no list of classes {classes!r}", cure=f"{suggest(classes, LISTS)}, or give a text file")
    names = [name for line in lines for name in line.split(",") if _words(name)]
    if not names:
        raise FormatError(f"{classes} names no class", cure="write one a line")
    return names
