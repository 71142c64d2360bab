"""Votes of the nearest neighbours: the published weights, blocks, ties, and the number that is chosen."""

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from wordsight.base.arrays import unit
from wordsight.base.errors import UsageError
from wordsight.evaluate import neighbours
from wordsight.evaluate.linear import Labelled
from wordsight.evaluate.metrics import label_ranks
from wordsight.evaluate.neighbours import choose_k, vote


def drawn(count, *, classes=4, width=8, seed=0, noise=1.0):
    generator = np.random.default_rng(seed)
    centres = np.random.default_rng(7).normal(size=(classes, width))
    labels = np.arange(count) % classes
    return Labelled(unit(centres[labels] + noise * generator.normal(size=(count, width))), labels)


def by_sorting(learned, queries, *, classes, k, temperature):
    """The formula of the papers, one query after the other, divided by what the nearest row gives."""
    votes = np.zeros((len(queries), classes))
    for row, query in enumerate(queries):
        cosines = learned.embeddings.astype(np.float64) @ query
        for one in np.argsort(-cosines)[:k]:
            votes[row, learned.labels[one]] += np.exp((cosines[one] - cosines.max()) / temperature)
    return votes


@pytest.fixture
def small_blocks(monkeypatch):
    monkeypatch.setattr(neighbours, "QUERIES", 3)
    monkeypatch.setattr(neighbours, "ROWS", 7)


@pytest.mark.parametrize(("k", "temperature"), [(1, 0.07), (5, 0.07), (20, 0.5), (400, 0.07)])
@pytest.mark.parametrize("dtype", [np.float32, np.float16])
def test_votes_are_those_of_the_formula_however_many_blocks_there_are(small_blocks, k, temperature, dtype):
    learned, queries = drawn(90), drawn(11, seed=1).embeddings
    learned = Labelled(learned.embeddings.astype(dtype), learned.labels)
    expected = by_sorting(learned, queries, classes=4, k=k, temperature=temperature)
    votes = vote(learned, queries, classes=4, k=k, temperature=temperature)
    np.testing.assert_allclose(votes, expected, rtol=2e-5)


def test_an_identical_row_gives_one_to_its_class():
    learned = Labelled(np.eye(3, dtype=np.float32), np.array([2, 0, 1]))
    np.testing.assert_allclose(vote(learned, learned.embeddings, classes=4, k=1), np.eye(4)[[2, 0, 1]], rtol=1e-6)
    both = vote(learned, learned.embeddings[:1], classes=4, k=3, temperature=0.5)
    np.testing.assert_allclose(both, [[np.exp(-2), np.exp(-2), 1, 0]], rtol=1e-6)


def test_rows_as_near_as_the_last_share_what_is_left(small_blocks):
    near, far = np.eye(4, dtype=np.float32)[0], np.eye(4, dtype=np.float32)[1]
    rows = np.stack([near, *[far] * 9])  # one at cosine 1; nine at cosine 0 share two places
    learned = Labelled(rows, np.array([0, 1, 1, 1, 1, 1, 1, 2, 2, 2]))
    votes = vote(learned, near[None], classes=3, k=3, temperature=1.0)
    np.testing.assert_allclose(votes, [[1, 2 * 6 / 9 / np.e, 2 * 3 / 9 / np.e]], rtol=1e-6)


@settings(deadline=None, max_examples=60)
@given(seed=st.integers(0, 10_000), count=st.integers(1, 40), k=st.integers(1, 45))
def test_the_order_of_the_rows_never_counts(seed, count, k):
    generator = np.random.default_rng(seed)
    corners = np.eye(4, dtype=np.float32)[generator.integers(0, 4, count)]  # cosines of exactly 0 or 1: many ties
    labels = generator.integers(0, 3, count)
    order = generator.permutation(count)
    queries = np.eye(4, dtype=np.float32)
    votes = vote(Labelled(corners, labels), queries, classes=3, k=k)
    np.testing.assert_allclose(vote(Labelled(corners[order], labels[order]), queries, classes=3, k=k), votes, rtol=1e-9)
    assert votes.sum(axis=1).max() <= min(k, count) + 1e-6


def test_an_encoder_that_gives_everything_one_embedding_is_never_right(small_blocks):
    learned = Labelled(np.tile(np.eye(8, dtype=np.float32)[0], (40, 1)), np.arange(40) % 4)
    votes = vote(learned, learned.embeddings[:10], classes=4, k=6)
    np.testing.assert_allclose(votes, 6 / 4)
    assert (label_ranks(votes, learned.labels[:10]) == 3).all()


def test_a_query_with_nan_gets_no_votes_and_harms_no_other():
    learned, queries = drawn(50), drawn(4, seed=1).embeddings
    broken = queries.copy()
    broken[2, 3] = np.nan
    votes = vote(learned, broken, classes=4)
    assert votes[2].tolist() == [0, 0, 0, 0]
    np.testing.assert_allclose(votes[[0, 1, 3]], vote(learned, queries, classes=4)[[0, 1, 3]], rtol=1e-6)


def test_no_query_has_no_votes_and_senseless_numbers_are_refused():
    learned = drawn(8)
    assert vote(learned, np.empty((0, 8), np.float32), classes=4).shape == (0, 4)
    with pytest.raises(UsageError, match="0 neighbours"):
        vote(learned, learned.embeddings, classes=4, k=0)
    with pytest.raises(UsageError, match="among 0 rows"):
        vote(learned.of(np.arange(0)), learned.embeddings, classes=4)


def test_the_number_is_the_smallest_of_those_that_are_right_most_often(small_blocks):
    learned, held_out = drawn(60, noise=1.2), drawn(80, seed=1, noise=1.2)

    def right(k):
        return (label_ranks(vote(learned, held_out.embeddings, classes=4, k=k), held_out.labels) == 0).mean()

    among = (1, 3, 8, 25, 1000)
    chosen = choose_k(learned, held_out, classes=4, among=among)
    assert right(chosen) == max(right(k) for k in among) > right(1)
    assert chosen == min(k for k in (1, 3, 8, 25, 60) if right(k) == right(chosen))
    easy = drawn(60, noise=0.01)
    assert choose_k(easy, drawn(20, seed=2, noise=0.01), classes=4, among=(25, 8, 3)) == 3
