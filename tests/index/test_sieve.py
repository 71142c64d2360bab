"""The nearest of guessed scores: what is scored is enough, and no more than that."""

import numpy as np
import pytest

from wordsight.index.sieve import Errors, Sieve, down_to


@pytest.fixture
def scores():
    return np.random.default_rng(11).normal(0, 0.1, 100_000).astype(np.float32)


@pytest.fixture
def guesses(scores):
    """Off by one amount for all rows, and by errors of their own."""
    return (scores + np.random.default_rng(12).normal(0.5, 0.01, len(scores))).astype(np.float32)


def recall(row_ids, truth):
    return np.isin(truth, row_ids).mean()


@pytest.mark.parametrize("where", [0.5, 0.9, 0.999])
def test_no_row_is_scored_twice_and_no_more_than_are_needed(scores, guesses, where):
    """A filter that cuts off the best where many rows lie, so that very many have to be scored."""
    allowed = scores <= np.quantile(scores, where)
    scored = []

    def exact(row_ids):
        assert (np.diff(row_ids) > 0).all()
        scored.extend(row_ids.tolist())
        return scores[row_ids]

    answer, row_ids = Sieve(guesses, exact, allowed).nearest(100, 150)
    assert len(set(scored)) == len(scored) < 0.5 * allowed.sum()
    assert allowed[scored].all()
    assert (answer == scores[row_ids]).all() and (np.diff(answer) <= 0).all()
    assert recall(row_ids, np.argsort(np.where(allowed, -scores, 9))[:100]) >= 0.99


def test_what_the_errors_of_the_first_show_decides_how_many_are_scored(scores):
    truth = np.argsort(-scores)[:50]
    counts = []
    for deviation in (0.001, 0.01, 0.05):
        scored = []
        wrong = (scores + np.random.default_rng(13).normal(0.5, deviation, len(scores))).astype(np.float32)
        _, row_ids = Sieve(wrong, lambda row_ids, to=scored: to.extend(row_ids) or scores[row_ids]).nearest(50, 60)
        assert recall(row_ids, truth) >= 0.98
        counts.append(len(scored))
    assert recall(np.argsort(-wrong)[:60], truth) < 0.5
    assert counts[0] < 100 < counts[1] < counts[2] / 5


def test_of_many_equal_guesses_few_are_scored():
    guesses, scored = np.full(50_000, 0.25, np.float32), []
    _, row_ids = Sieve(guesses, lambda row_ids: scored.extend(row_ids) or guesses[row_ids]).nearest(10, 100)
    assert row_ids.tolist() == list(range(10))
    assert len(scored) == 100


def test_equal_scores_are_ordered_by_row_and_all_that_are_allowed_may_be_wanted():
    scores = np.array([0, 1, 1, 0, 1, 0.5, 2] * 10, np.float32)
    allowed = np.ones(70, bool)
    allowed[:7] = False
    answer, row_ids = Sieve(scores + 1, scores.take, allowed).nearest(63, 63)
    expected = np.lexsort((np.arange(70), -scores))
    assert row_ids.tolist() == [row for row in expected if row >= 7]
    assert answer.tolist() == scores[row_ids].tolist()


def test_a_border_is_a_guess_that_is_there():
    guesses = np.linspace(0, 1, 1000, dtype=np.float32)
    errors = Errors(mean=0.0, deviation=0.01)
    border = down_to(guesses, 0.9, errors, missed=0.001, most=10_000)
    assert border in guesses and 0.9 - 6 * 0.01 < border < 0.9 - 3 * 0.01
    assert down_to(guesses[guesses < border], 0.9, errors, missed=0.001, most=10_000) == np.inf
    nearer = down_to(guesses[guesses < 0.95], 0.9, errors, missed=0.001, most=80)
    assert border < nearer and abs(np.count_nonzero((guesses >= nearer) & (guesses < 0.95)) - 80) < 5
    assert down_to(guesses[:0], 0.9, errors, missed=0.001, most=10) == np.inf
