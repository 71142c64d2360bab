"""Exact words: which words an entry has, and how well they answer a question, by BM25.

    words_of("Nike Men's Fury-Shoes")                 # ["nike", "men", "s", "fury", "shoes"]
    ranked({1: words_of(text), ...}, ["nike"])        # [(1, 1.0), ...], best first

What every index's `keywords` has to answer: `ranked` is what it means, in Python.  Words are letters and digits
whatever their case and accents.  An entry's words are those of its text columns, but not where it lies, nor dates and
addresses.
Source: Robertson and Zaragoza 2009, "The Probabilistic Relevance Framework", with the constants of SQLite's FTS5.
"""

import math
import re
import unicodedata
from collections import Counter
from collections.abc import Iterable, Mapping, Sequence

from wordsight.base.value import Value

SATURATION = 1.2  # k1: how soon a word that comes again counts no more
LENGTH = 0.75  # b: how much long texts are held back
LEAST_WEIGHT = 1e-6  # of a word that more than half of the entries have
WORDLESS = frozenset(  # columns whose text is not words about an image: "apple" asks for fruit, not for telephones
    (
        "path",
        "folder",
        "source_path",
        "mtime",
        "url",
        "sha256",
        "taken",
        "taken_utc",
        "camera",
        "lens",
        "sidecar",
        "exif",
    )
)
_WORD = re.compile(r"[^\W_]+")


def words_of(text: str) -> list[str]:
    """Return the words of a text in its order, lower case, without accents."""
    if not text.isascii():
        apart = unicodedata.normalize("NFKD", text.casefold())
        text = "".join(letter for letter in apart if not unicodedata.combining(letter))
    return _WORD.findall(text.lower())


def is_worded(column: str) -> bool:
    """Return whether the text of a column is words about the image."""
    return column.lower() not in WORDLESS


def words_of_entry(meta: Mapping[str, Value]) -> list[str]:
    """Return the words of an entry's metadata."""
    texts = (value for column, value in meta.items() if isinstance(value, str) and is_worded(column))
    return [word for text in texts for word in words_of(text)]


def weights(words: Iterable[str], having: Mapping[str, int], count: int) -> dict[str, float]:
    """Return how much each of these words counts: `having` so many of `count` entries have it."""
    rarity = {word: (count - having.get(word, 0) + 0.5) / (having.get(word, 0) + 0.5) for word in words}
    return {word: max(math.log(one), LEAST_WEIGHT) for word, one in rarity.items()}


def share(own: Iterable[str], weight_of: Mapping[str, float]) -> float:
    """Return which share of the weight of the words asked for an entry with its `own` words has, from 0 to 1."""
    there = set(own)
    return sum(weight for word, weight in weight_of.items() if word in there) / sum(weight_of.values())


def ranked(entries: Mapping[int, Sequence[str]], words: Iterable[str]) -> list[tuple[int, float]]:
    """Return the entries that have any of the words, best first by BM25, with their `share` of them.

    `entries`: number -> its words.  Equal ones are ordered by number.
    """
    counted = {number: Counter(own) for number, own in entries.items()}
    length = sum(map(len, entries.values())) / max(len(entries), 1) or 1.0
    asked = dict.fromkeys(words)
    having = {word: sum(word in counter for counter in counted.values()) for word in asked}
    weight_of = weights(asked, having, len(entries))
    scores: dict[int, float] = {}
    for number, counter in counted.items():
        held_back = SATURATION * (1 - LENGTH + LENGTH * len(entries[number]) / length)
        times = {word: counter[word] for word in asked if word in counter}
        if times:
            scores[number] = sum(weight_of[w] * n * (SATURATION + 1) / (n + held_back) for w, n in times.items())
    best = sorted(scores, key=lambda number: (-scores[number], number))
    return [(number, share(entries[number], weight_of)) for number in best]
