"""The blind baseline: its probabilities by hand, leave-one-out, and that it solves shuffled words."""

import math

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from wordsight.base.errors import UsageError
from wordsight.text.blind import blind_scores
from wordsight.text.contrasts import contrasts


def test_lengths_are_words_and_marks():
    scores = blind_scores([["A dog .", "two dogs run"], ["one"]], corpus=["a cat"])
    assert [list(one) for one in scores.length] == [[3, 3], [1]]


def test_the_probability_of_a_text_is_that_of_witten_and_bell():
    scores = blind_scores([["a"]], corpus=["a b"])
    # words: a, b and the end, so each has 1/3 before anything is counted; the corpus has a, b, end once each
    empty = dict.fromkeys("ab", (1 + 3 / 3) / (3 + 3))
    end = (1 + 3 / 3) / (3 + 3)
    first = (1 + 1 * ((1 + 1 * empty["a"]) / 2)) / 2  # "a" after the start, seen once in both contexts
    after_start_a = (0 + 1 * ((0 + 1 * end) / 2)) / 2  # the end after "a", where only "b" was seen
    assert scores.fluency[0][0] == pytest.approx((math.log(first) + math.log(after_start_a)) / 2)


def test_the_own_caption_is_taken_out_with_its_copies_and_comes_back():
    corpus = ["a dog runs", "a cat runs", "A dog runs", "a bird flies"]
    both = blind_scores([["a dog runs"], ["a cat runs"], ["a dog runs"]], corpus=corpus)
    without = blind_scores([["a dog runs"]], corpus=["a cat runs", "a bird flies", "b b dog"])
    assert both.fluency[0][0] == both.fluency[2][0]
    again = blind_scores([["a dog runs", "x"]], corpus=corpus)
    only = blind_scores([["a dog runs", "x"]], corpus=["a cat runs", "a bird flies"])
    assert again.fluency[0] == pytest.approx(only.fluency[0])
    assert without.fluency[0][0] != pytest.approx(both.fluency[0][0])


def test_a_corpus_of_the_own_caption_alone_tells_nothing_of_the_order():
    scores = blind_scores([["a dog runs", "runs dog a"]], corpus=["a dog runs"])
    assert scores.fluency[0][0] == scores.fluency[0][1]


def test_probabilities_of_all_words_after_a_context_are_one():
    words = ["a", "b", "c"]
    corpus = ["a b", "b c", "a c b", "c"]
    one_word = blind_scores([[word, f"{word} {word}"] for word in words], corpus=corpus)
    assert all(np.isfinite(scores).all() for scores in one_word.fluency)
    from wordsight.text.blind import _Trigrams

    model = _Trigrams(4)
    for text in corpus:
        model.learn(text.split(), 1)
    for context in (("<s>", "<s>"), ("<s>", "a"), ("a", "b"), ("b", "b"), ("x", "y")):
        assert sum(model._probability(context, word) for word in (*words, "</s>")) == pytest.approx(1)


def test_shuffled_captions_are_told_without_a_picture():
    things = ["dog", "cat", "horse", "cow", "bird"]
    where = ["on the grass", "in the water", "near a tree"]
    corpus = [
        f"a {colour} {thing} runs {place}" for thing in things for place in where for colour in ("black", "white")
    ]
    items = [[text, *(one.text for one in contrasts(text, seed=0, kinds=("shuffle-trigrams",)))] for text in corpus]
    scores = blind_scores(items, corpus=corpus)
    assert np.mean([fluency.argmax() == 0 for fluency in scores.fluency]) > 0.9


@given(st.lists(st.text("ab .", max_size=6).filter(str.strip), min_size=1, max_size=5), st.text("abc ", max_size=8))
def test_what_is_scored_first_changes_nothing(corpus, other):
    items = [[text, other] for text in corpus]
    forward = blind_scores(items, corpus=corpus)
    backward = blind_scores(items[::-1], corpus=corpus)
    assert all(np.allclose(a, b) for a, b in zip(forward.fluency, backward.fluency[::-1], strict=True))


@pytest.mark.parametrize(
    ("candidates", "corpus", "message"),
    [
        ([["a"]], [" "], "a language model of no captions; give the true captions of the set as corpus"),
        ([["a"], []], ["a"], "item 1 has no candidates; give each item at least one text"),
    ],
)
def test_what_cannot_be_scored_is_an_error(candidates, corpus, message):
    with pytest.raises(UsageError, match=message):
        blind_scores(candidates, corpus)


def test_no_items_have_no_scores():
    assert blind_scores([], ["a"]).fluency == []
