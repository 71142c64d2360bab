"""What goes together in a set: words of captions and values of columns that are seen together far more than apart.

    terms = [*caption_terms(samples), *column_terms(samples)]
    for link in links(terms): link.first.name, link.second.name, link.share, link.share_without

From a set in which red things are nearly always striped a model learns to answer "striped" where it sees red.  Words
that never stand together although both are frequent are alternatives of one thing (red, blue; left, right), as are the
values of a column: they are one family, and only terms of two families are compared.  Knows no model and no images.
"""

import math
import re
from collections import Counter, defaultdict
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass, replace
from itertools import permutations

import numpy as np
from numpy.typing import NDArray

from wordsight.base.nouns import Sample
from wordsight.evaluate.fairness import wilson_interval
from wordsight.text.caption_phrases import DETERMINERS, is_number, word_set
from wordsight.text.mentions import singular

LEAST = 20  # images with a term: an interval of fewer is wider than what is looked for
LEAST_SHARE = 0.01  # of the images
MOST_SHARE = 0.95  # of the images: what is in nearly all of them goes with everything
MOST_WORDS = 150  # words, the most frequent: 22,000 ordered pairs
MOST_VALUES = 100  # of a column that is compared: names and numbers have more
EXPECTED = 5.0  # images in which two words would meet by chance, from which on never meeting says something
MISSING = 0.1  # of the images expected by chance: fewer is a gap; a convention
_WORD = re.compile(r"[^\W\d_]+(?:['’-][^\W\d_]+)*")
_STRUCTURE = frozenset(  # words that only hold a sentence together, beside those of the lists
    (
        "it",
        "there",
        "they",
        "them",
        "he",
        "she",
        "one",
        "who",
        "i",
        "you",
        "we",
        "not",
        "no",
        "do",
        "does",
        "be",
        "been",
    )
) | frozenset(("being", "s"))


@dataclass(frozen=True, slots=True, eq=False)
class Term:
    """A word or a value of a column: `has` (N,) says which images have it, `stated` (N,) of which it is known at all.

    `family` is the common name of it and its alternatives.
    """

    name: str
    family: str
    has: NDArray[np.bool_]
    stated: NDArray[np.bool_]

    @property
    def count(self) -> int:
        """The number of images that have it."""
        return int(self.has.sum())


@dataclass(frozen=True, slots=True)
class Link:
    """How often images with `first` have `second`, too, and how often those without do.

    Of the `images` of which both are stated, `firsts` have the first, `seconds` the second and `together` both.
    """

    first: Term
    second: Term
    images: int
    firsts: int
    seconds: int
    together: int

    @property
    def share(self) -> float:
        """Of the images with the first."""
        return self.together / self.firsts

    @property
    def share_without(self) -> float:
        """Of the images without the first."""
        return (self.seconds - self.together) / (self.images - self.firsts)

    @property
    def difference(self) -> float:
        """The first share minus the second."""
        return self.share - self.share_without

    @property
    def expected(self) -> float:
        """The number of images in which both would meet by chance."""
        return self.firsts * self.seconds / self.images

    @property
    def lift(self) -> float:
        """How many times as often both meet as they would by chance."""
        return self.together / self.expected

    def interval(self) -> tuple[float, float]:
        """Return the 95 % interval of the difference (Newcombe 1998, method 10)."""
        hits = np.array([self.together, self.seconds - self.together])
        lows, highs = wilson_interval(hits, np.array([self.firsts, self.images - self.firsts]))
        below = math.hypot(self.share - lows[0], highs[1] - self.share_without)
        above = math.hypot(highs[0] - self.share, self.share_without - lows[1])
        return self.difference - below, self.difference + above


def words_of(text: str) -> set[str]:
    """Return the words of a caption in small letters, plurals as singular, but those that only join others."""
    words = {match.group().lower() for match in _WORD.finditer(text)}
    plain = words - DETERMINERS - word_set("function_words") - _STRUCTURE
    return {singular(word) for word in plain if not is_number(word)}


def caption_terms(samples: Sequence[Sample]) -> list[Term]:
    """Return the frequent words of captions as terms, those of all captions of an image together."""
    each = [{word for text in sample.texts for word in words_of(text)} for sample in samples]
    counts = Counter(word for words in each for word in words)
    frequent = [word for word, count in counts.most_common() if _counts(count, len(samples))][:MOST_WORDS]
    everywhere = np.ones(len(samples), np.bool_)
    return _families([Term(word, "", np.array([word in words for words in each]), everywhere) for word in frequent])


def columns_of(samples: Sequence[Sample]) -> dict[str, list[str]]:
    """Return the columns with 2 to `MOST_VALUES` values, each a list of N values, "" where there is none.

    The class is a column, too.  One that only renames another (numbers of classes beside their names) is left out.
    """
    columns: dict[str, list[str]] = defaultdict(lambda: [""] * len(samples))
    for row, sample in enumerate(samples):
        facts = {**({"class": sample.label} if sample.label else {}), **sample.meta}
        for column, value in facts.items():
            columns[column][row] = "" if value is None else str(value)
    kept: dict[str, list[str]] = {}
    partitions = set()
    for column, values in columns.items():
        numbers: dict[str, int] = {}
        partition = tuple(numbers.setdefault(value, len(numbers)) for value in values)
        if 2 <= len(set(values) - {""}) <= MOST_VALUES and partition not in partitions:
            kept[column] = values
            partitions.add(partition)
    return kept


def column_terms(samples: Sequence[Sample]) -> list[Term]:
    """Return the frequent values of columns with few values as terms "column = value"."""
    terms = []
    for column, values in columns_of(samples).items():
        whole = np.array(values)
        frequent = [value for value, count in Counter(values).most_common() if value and _counts(count, len(samples))]
        terms += [Term(f"{column} = {value}", column, whole == value, whole != "") for value in frequent]
    return terms


def links(terms: Sequence[Term]) -> list[Link]:
    """Return every ordered pair of terms of two families that do not name each other, the largest difference first.

    Left out are pairs of which one is in all or none of the images where both are stated, and columns of which one is
    part of the other, as a colour is of the class "red star": each value of the one has a single value of the other.
    """
    if not terms:
        return []
    has = np.stack([term.has for term in terms]).astype(np.float32)  # (V, N)
    stated = np.stack([term.stated for term in terms]).astype(np.float32)
    together, firsts, images = (np.rint(one).astype(int) for one in (has @ has.T, has @ stated.T, stated @ stated.T))
    usable = (firsts > 0) & (firsts < images)
    settled = _settled(terms, together)
    pairs = (
        Link(terms[i], terms[j], *(int(n) for n in (images[i, j], firsts[i, j], firsts[j, i], together[i, j])))
        for i, j in zip(*np.nonzero(usable & usable.T), strict=True)
        if terms[i].family != terms[j].family
        and not _names(terms[i], terms[j])
        and frozenset((terms[i].family, terms[j].family)) not in settled
    )
    return sorted(pairs, key=lambda link: -link.difference)


def missing(pairs: Sequence[Link], *, least: float) -> list[Link]:
    """Return those of `links` whose families have three terms or more and that hardly meet, the most missed first.

    They meet in under a tenth of the images expected, and `least` are.  Families of one or two words are no
    attributes: that no dog plays a guitar is no gap.
    """
    members: dict[str, set[str]] = defaultdict(set)
    for link in pairs:
        members[link.first.family].add(link.first.name)
    rare = [
        link
        for link in pairs
        if link.first.name < link.second.name  # each pair is there both ways
        and min(len(members[link.first.family]), len(members[link.second.family])) >= 3
        and link.expected >= least
        and link.lift < MISSING
    ]
    return sorted(rare, key=lambda link: link.together - link.expected)


def _settled(terms: Sequence[Term], together: NDArray[np.int_]) -> set[frozenset[str]]:
    """Return the pairs of columns of which one settles the other altogether."""
    rows: dict[str, list[int]] = defaultdict(list)
    for row, term in enumerate(terms):
        if " = " in term.name:
            rows[term.family].append(row)
    return {
        frozenset((one, other))
        for one, other in permutations(rows, 2)
        if len(rows[other]) > 1 and ((together[np.ix_(rows[one], rows[other])] > 0).sum(axis=1) == 1).all()
    }


def _counts(count: int, images: int) -> bool:
    return max(LEAST, LEAST_SHARE * images) <= count <= MOST_SHARE * images


def _names(one: Term, other: Term) -> bool:
    """Say whether a term holds a word of the other: "red" and "colour = red", "class = red star" and "shape = star"."""
    words = [set(_value_words(term)) for term in (one, other)]
    return bool(words[0] & words[1])


def _value_words(term: Term) -> Iterator[str]:
    value = term.name.partition(" = ")[2] or term.name
    for word in _WORD.findall(value.lower()):
        yield word
        yield word.removesuffix("s")


def _families(terms: Sequence[Term]) -> list[Term]:
    """Give words that never meet, though each two would by chance, a common family; greedily, in order of frequency."""
    if not terms:
        return []
    has = np.stack([term.has for term in terms]).astype(np.float32)
    together = has @ has.T
    counts = has.sum(axis=1)
    apart = (together == 0) & (np.outer(counts, counts) / has.shape[1] >= EXPECTED)
    members: list[list[int]] = []
    for row in range(len(terms)):
        own = [family for family in members if apart[row, family].all()]
        if own:
            max(own, key=len).append(row)
        else:
            members.append([row])
    names = {row: " or ".join(terms[one].name for one in family) for family in members for row in family}
    return [replace(term, family=names[row]) for row, term in enumerate(terms)]


def cramers_v(one: Iterable[str], other: Iterable[str]) -> float:
    """Return how much two columns tell of each other, 0 to 1, without the part that chance gives.

    Cramer's V with Bergsma's (2013) correction; NaN where one of them has a single value.
    """
    table = _crossed(list(one), list(other))
    total, (rows, columns) = table.sum(), table.shape
    if min(rows, columns) < 2:
        return float("nan")
    expected = np.outer(table.sum(axis=1), table.sum(axis=0)) / total
    square = float(((table - expected) ** 2 / expected).sum()) / total
    square = max(0.0, square - (rows - 1) * (columns - 1) / (total - 1))
    rows, columns = (size - (size - 1) ** 2 / (total - 1) for size in (rows, columns))
    return math.sqrt(square / min(rows - 1, columns - 1))


def _crossed(one: Sequence[str], other: Sequence[str]) -> NDArray[np.float64]:
    first, rows = np.unique(np.array(one), return_inverse=True)
    second, columns = np.unique(np.array(other), return_inverse=True)
    flat = np.bincount(rows * len(second) + columns, minlength=len(first) * len(second))
    return flat.reshape(len(first), len(second)).astype(np.float64)
