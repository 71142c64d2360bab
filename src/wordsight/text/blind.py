"""What can be told about a caption without seeing the picture: its length, and how usual its words are in their order.

    scores = blind_scores([["a dog on a bench", "a bench on a dog"], ...], corpus=true_captions)
    scores.length[0], scores.fluency[0]     # float64, one number a candidate

Printed beside a result on chosen captions: sets of false captions in odd word order are solved by models that never
look (Hsieh et al. 2023, SugarCrepe).  The language model is an interpolated trigram of words (Witten and Bell 1991),
learned from the captions handed in, so small a one that it says least where captions are few.  It knows no meaning,
no picture and no word that the captions have not: a set that it does not solve may still be solved by a larger
language model, and chance here is no proof that a set needs its pictures.
"""

import math
import re
from collections import Counter, defaultdict
from collections.abc import Iterable, Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from wordsight.base.errors import UsageError

_WORD = re.compile(r"[^\W_]+|[^\w\s]")
_START, _END = "<s>", "</s>"  # no text has such words: marks are words of their own
ORDER = 3  # words looked at together


@dataclass(frozen=True, slots=True)
class BlindScores:
    """One array for each item, one number for each of its candidates.

    `length` is the number of words; a baseline may prefer the longer or the shorter.  `fluency` is the mean natural
    logarithm of the probability of a word, the end included: larger is more usual, whatever the length.
    """

    length: list[NDArray[np.float64]]
    fluency: list[NDArray[np.float64]]


def blind_scores(candidates: Sequence[Sequence[str]], corpus: Sequence[str]) -> BlindScores:
    """Score the candidate texts of each item without its picture.

    `corpus` are true captions; those that an item has among its candidates are taken out before it is scored
    (leave-one-out, all copies), so it may be the set's own.  Case and spaces do not count.  An empty list of
    candidates, and a corpus without captions, raise `UsageError`.
    """
    learned = [tuple(_split(text)) for text in corpus if text.strip()]
    if not learned:
        raise UsageError("a language model of no captions", cure="give the true captions of the set as corpus")
    texts = [[tuple(_split(text)) for text in item] for item in candidates]
    words = {word for words in (*learned, *(text for item in texts for text in item)) for word in words}
    model = _Trigrams(len(words) + 1)
    copies = Counter(learned)
    for caption, count in copies.items():
        model.learn(caption, count)
    scores = BlindScores([], [])
    for number, item in enumerate(texts):
        if not item:
            raise UsageError(f"item {number} has no candidates", cure="give each item at least one text")
        own = {text: copies[text] for text in item if text in copies}
        for caption, count in own.items():
            model.learn(caption, -count)
        scores.length.append(np.array([float(len(text)) for text in item]))
        scores.fluency.append(np.array([model.mean_log_probability(text) for text in item]))
        for caption, count in own.items():
            model.learn(caption, count)
    return scores


class _Trigrams:
    """Counts of words behind the two, one and no words before them; `vocabulary` is how many words are possible."""

    def __init__(self, vocabulary: int) -> None:
        self._vocabulary = vocabulary
        self._after: dict[tuple[str, ...], Counter[str]] = defaultdict(Counter)
        self._total: Counter[tuple[str, ...]] = Counter()

    def learn(self, caption: Sequence[str], count: int) -> None:
        """Add a caption `count` times; a negative count takes it out again."""
        for context, word in _steps(caption):
            for start in range(len(context) + 1):
                before = context[start:]
                after = self._after[before]
                after[word] += count
                self._total[before] += count
                if after[word] == 0:
                    del after[word]

    def mean_log_probability(self, caption: Sequence[str]) -> float:
        """Return the mean logarithm of the probabilities of the words of a caption and of its end."""
        logarithms = [math.log(self._probability(context, word)) for context, word in _steps(caption)]
        return sum(logarithms) / len(logarithms)

    def _probability(self, context: tuple[str, ...], word: str) -> float:
        """Witten and Bell: each context leaves as much to the shorter one as it has kinds of words after it."""
        probability = 1.0 / self._vocabulary
        for start in range(len(context), -1, -1):
            before = context[start:]
            total = self._total[before]
            if total:
                after = self._after[before]
                probability = (after[word] + len(after) * probability) / (total + len(after))
        return probability


def _steps(caption: Sequence[str]) -> Iterable[tuple[tuple[str, ...], str]]:
    """Yield each word, and the end, behind the words before it."""
    padded = [*[_START] * (ORDER - 1), *caption, _END]
    for number in range(ORDER - 1, len(padded)):
        yield tuple(padded[number - ORDER + 1 : number]), padded[number]


def _split(text: str) -> list[str]:
    return _WORD.findall(text.lower())
