"""Entries of captions: counts and mutual information as counted plainly, and a stated error where memory is short."""

import math
import random
from collections import Counter

import pytest

from wordsight.base.errors import UsageError
from wordsight.data.own_entries import CappedCounts, own_entries


def captions():
    pick = random.Random(1)
    words = ["hot", "dog", "a", "the", "cat", "runs", "süß", "x"]
    for _ in range(3000):
        own = pick.choices(words, [1, 1, 8, 8, 4, 4, 1, 2], k=pick.randint(1, 8))
        yield pick.choice([" ", ", "]).join(own) + pick.choice(["", ".", " hot dog", " --- a"])


def test_words_and_pairs_are_those_counted_plainly():
    import re

    words, pairs = Counter(), Counter()
    for caption in captions():
        terms = re.sub(r"([,.;:?!`])", r" \1 ", caption).split(" ")
        words.update(term for term in terms if any(map(str.isalnum, term)))
        pairs.update(
            (a, b)
            for a, b in zip(terms, terms[1:], strict=False)
            if any(map(str.isalnum, a)) and any(map(str.isalnum, b))
        )
    total = words.total()
    expected = {word: count for word, count in words.items() if count >= 20}
    for (a, b), count in pairs.items():
        if count >= 20 and math.log2(count * total / (words[a] * words[b])) >= 0.5:
            expected[f"{a} {b}"] = count
    own = own_entries(captions, min_count=20, min_pmi=0.5)
    assert dict(zip(own.entries, own.counts, strict=True)) == expected
    assert own.missed == 0
    assert "hot dog" in own.entries and "a the" not in own.entries


def test_counts_of_more_than_fit_are_low_by_what_is_stated():
    pick = random.Random(2)
    stream = [f"w{int(pick.paretovariate(0.8))}" for _ in range(30_000)]
    counts: CappedCounts[str] = CappedCounts(200)
    for at in range(0, len(stream), 100):
        counts.add(Counter(stream[at : at + 100]))
        assert len(counts.counts) <= 200
    exact = Counter(stream)
    assert counts.missed > 0
    for word, count in exact.items():
        assert count - counts.missed <= counts.counts.get(word, 0) <= count


def test_a_short_memory_is_stated():
    own = own_entries(captions, min_count=1, min_pmi=-99, capacity=4)
    assert own.missed > 0


@pytest.mark.parametrize(("least", "why"), [(0, "a least count of 0"), (10**6, "no word occurs 1000000 times")])
def test_what_gives_no_entries_is_refused(least, why):
    with pytest.raises(UsageError, match=why):
        own_entries(captions, min_count=least, min_pmi=0)
