"""Postings hold what `words_of` says of each text, in bulk and whatever letters there are."""

from collections import defaultdict

import numpy as np
from hypothesis import given, settings
from hypothesis import strategies as st

from wordsight.index.keywords import words_of
from wordsight.index.postings import _order_of, postings_of

LETTERS = st.sampled_from(
    [*"aAbZz09_-.' \n\t\0\x1c", "ß", "Đ", "é", "\u0301", "ﬁ", "²", "\u3000", "日", "İ", "\udce9", "₀"]
)
TEXT = st.text(LETTERS, max_size=12) | st.text(max_size=12)


def compare(texts):
    """Compare with counting words one by one; the texts stand at every second position."""
    positions = 2 * np.arange(len(texts)) + 1
    encoded = [text.encode("utf-8", "surrogatepass") for text in texts]
    halves = [(positions[:2], encoded[:2]), (positions[2:], encoded[2:])]
    postings, lengths = postings_of(halves, 2 * len(texts) + 1)
    own = dict(zip(positions.tolist(), map(words_of, texts), strict=True))
    assert lengths.tolist() == [len(own.get(position, ())) for position in range(len(lengths))]
    expected = defaultdict(list)
    for position, some in own.items():
        for word in some:
            expected[word].append(position)
    assert len(postings.words) == len(expected) and (postings.words[1:] > postings.words[:-1]).all()
    assert {word: postings.of(word).tolist() for word in expected} == expected
    for word in {"", "qq", "A", "a b", "\ud800"} - set(expected):
        assert not len(postings.of(word))


@settings(max_examples=150, deadline=None)
@given(texts=st.lists(TEXT, max_size=6))
def test_words_are_those_of_words_of(texts):
    compare(texts)


def test_many_words_have_numbers_of_their_own():
    compare([" ".join(f"{letter}{i}{letter}" for i in range(5000)) for letter in ("a", "b", "ab", "ba", "straße")])


def test_numbers_that_begin_alike_are_sorted_too():
    draw = np.random.default_rng(0)
    numbers = draw.integers(-(2**63), 2**63 - 1, 50) >> 62 << 62 | draw.integers(0, 9, 50)
    numbers = np.concatenate([numbers, draw.integers(-(2**63), 2**63 - 1, 50)])
    assert numbers[_order_of(numbers)].tolist() == sorted(numbers.tolist())
    assert not len(_order_of(numbers[:0]))
