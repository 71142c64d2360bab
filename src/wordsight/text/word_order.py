"""A caption with its words in another order, in the four ways of ARO (Yuksekgonul et al. 2023).

    shuffle_trigrams(parse("a dog runs on the beach today"), rng)    # "on the beach a dog runs today"

Marks stay where they are, and so does a capital at the beginning.  Nouns and adjectives are those of our word lists,
where ARO asks a tagger.  Texts come out that nobody would write: a model that reads captions only can tell them.
"""

from collections.abc import Callable, Sequence

import numpy as np

from wordsight.text.caption_phrases import Parsed, attributes, is_number, nouns, word_set

Generator = np.random.Generator
_TRIES = 20  # drawings until the order is another: one in two of two words is


def shuffle_nouns_and_adjectives(caption: Parsed, rng: Generator) -> str | None:
    """Shuffle the nouns and adjectives among their places."""
    return _shuffled(caption, lambda: _among(_content(caption), len(caption.lower), rng))


def shuffle_other_words(caption: Parsed, rng: Generator) -> str | None:
    """Shuffle all words but the nouns and adjectives among their places."""
    content = set(_content(caption))
    others = [number for number in range(len(caption.lower)) if number not in content]
    return _shuffled(caption, lambda: _among(others, len(caption.lower), rng))


def shuffle_within_trigrams(caption: Parsed, rng: Generator) -> str | None:
    """Shuffle the words of each three that follow one another."""
    return _shuffled(caption, lambda: [n for three in _trigrams(caption) for n in rng.permutation(three)])


def shuffle_trigrams(caption: Parsed, rng: Generator) -> str | None:
    """Shuffle the threes of words, the order within each kept."""
    threes = _trigrams(caption)
    return _shuffled(caption, lambda: [n for i in rng.permutation(len(threes)) for n in threes[i]])


def _content(caption: Parsed) -> list[int]:
    known = {*nouns(), *attributes(), *word_set("scenes")}
    return [number for number, word in enumerate(caption.lower) if word in known or is_number(word)]


def _among(numbers: Sequence[int], count: int, rng: Generator) -> list[int]:
    """Return an order of `count` words in which only those with these numbers change places."""
    order = list(range(count))
    for slot, number in zip(numbers, rng.permutation(numbers), strict=True):
        order[slot] = int(number)
    return order


def _trigrams(caption: Parsed) -> list[list[int]]:
    count = len(caption.lower)
    return [list(range(start, min(start + 3, count))) for start in range(0, count, 3)]


def _shuffled(caption: Parsed, draw: Callable[[], Sequence[int]]) -> str | None:
    """Return the caption in the first order drawn that reads otherwise, or None."""
    for _ in range(_TRIES):
        order = draw()
        if [caption.lower[number] for number in order] != list(caption.lower):
            return _written(caption, order)
    return None


def _written(caption: Parsed, order: Sequence[int]) -> str:
    words = caption.words
    if words[0] == "A" or words[0].istitle():
        words[0] = words[0].lower()
        first = words[order[0]]
        words[order[0]] = first[:1].upper() + first[1:]
    parts, at = [], 0
    for (start, stop), number in zip(caption.spans, order, strict=True):
        parts += [caption.text[at:start], words[number]]
        at = stop
    return "".join([*parts, caption.text[at:]])
