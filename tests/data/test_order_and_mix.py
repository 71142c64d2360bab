"""Mixture and order: closed formulas that agree with counting."""

import itertools

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from wordsight.base.errors import UsageError
from wordsight.data.mix import CYCLE, Mixture
from wordsight.data.order import Order


@settings(max_examples=25)
@given(st.lists(st.floats(0.001, 1000), min_size=1, max_size=6), st.integers(0, 3 * CYCLE))
def test_the_formula_agrees_with_counting(weights, start):
    mixture = Mixture(weights)
    sets, _ = mixture.at(np.arange(start + 40))
    expected = [int(np.sum(sets[:place] == sets[place])) for place in range(start, start + 40)]
    assert mixture.at(np.arange(start, start + 40))[1].tolist() == expected


def test_weights_are_kept_in_the_long_run_and_in_each_batch():
    sets, _ = Mixture([5, 3, 2]).at(np.arange(4 * CYCLE))
    assert np.abs(np.bincount(sets) / len(sets) - [0.5, 0.3, 0.2]).max() < 2 / CYCLE
    for batch in sets[: 100 * 64].reshape(100, 64):
        assert np.abs(np.bincount(batch, minlength=3) - np.array([32, 19.2, 12.8])).max() <= 2


def test_a_vanishing_weight_still_has_its_turn():
    assert set(Mixture([1e9, 1e-9]).at(np.arange(CYCLE))[0]) == {0, 1}


@pytest.mark.parametrize("weights", [[], [1, 0], [1, -1], [float("nan")], [float("inf"), 1]])
def test_weights_without_sense(weights):
    with pytest.raises(UsageError):
        Mixture(weights)


@pytest.mark.parametrize("sizes", [[10], [3, 4, 5, 1, 2, 6, 7, 8, 9, 10, 11], [0, 5, 0, 1]])
def test_every_epoch_has_every_row_once_in_another_order(sizes):
    starts = np.cumsum([0, *sizes])
    order = Order([np.arange(a, b) for a, b in itertools.pairwise(starts)], seed=[1, 2])
    count = sum(sizes)
    epochs = [order.rows(np.arange(epoch * count, (epoch + 1) * count)) for epoch in range(3)]
    assert all(sorted(rows) == list(range(count)) for rows in epochs)
    assert len({tuple(rows) for rows in epochs}) == 3


def test_the_order_follows_from_seed_and_number_alone():
    blocks = [np.arange(100)]
    order = Order(blocks, seed=[1, 2])
    late = order.rows(np.array([950, 30, 499]))
    assert order.rows(np.array([0]))[0] == Order(blocks, seed=[1, 2]).rows(np.array([0]))[0]
    assert late.tolist() == [Order(blocks, seed=[1, 2]).rows(np.array([n]))[0] for n in (950, 30, 499)]
    assert Order(blocks, seed=[1, 3]).rows(np.arange(100)).tolist() != order.rows(np.arange(100)).tolist()


def test_few_blocks_are_open_at_a_time():
    blocks = [np.arange(n * 100, (n + 1) * 100) for n in range(40)]
    rows = Order(blocks, seed=[0]).rows(np.arange(4000))
    for first in range(0, 4000, 800):
        assert len(set(rows[first : first + 800] // 100)) == 8


def test_an_epoch_follows_the_definition():
    """Blocks shuffled, then the rows of each window: what a run drew is what it draws when it is resumed."""
    order = Order([np.arange(0, 4), np.arange(4, 7), np.arange(7, 12)], seed=[7, 0])
    assert order.count == 12
    generator = np.random.default_rng([7, 0, 3])  # the fourth epoch, by the definition
    blocks = [[0, 1, 2, 3], [4, 5, 6], [7, 8, 9, 10, 11]]
    window = np.concatenate([blocks[i] for i in generator.permutation(3)])
    assert order.rows(np.arange(36, 48)).tolist() == generator.permutation(window).tolist()


def test_the_last_of_an_epoch_and_the_first_of_the_next():
    order = Order([np.arange(5)], seed=[0])
    across = order.rows(np.array([4, 5, 9, 10]))
    assert across[0] == order.rows(np.arange(5))[-1]
    assert across[1:3].tolist() == [order.rows(np.arange(5, 10))[0], order.rows(np.arange(5, 10))[-1]]
    assert across[3] == order.rows(np.arange(10, 15))[0]


def test_rows_are_whole_numbers_also_when_none_are_asked_for():
    order = Order([np.arange(5)], seed=[0])
    assert order.rows(np.array([0, 7])).dtype == np.int64
    assert order.rows(np.array([], dtype=np.int64)).dtype == np.int64


def test_two_epochs_are_kept_and_no_more():
    """A batch may reach over the end of an epoch; a run of many epochs does not keep them all."""
    order = Order([np.arange(1000)], seed=[0])
    for epoch in range(5):
        order.rows(np.array([epoch * 1000, epoch * 1000 + 999, (epoch + 1) * 1000]))
    assert order._epoch.cache_info().currsize == 2
    assert order._epoch.cache_info().misses == 6
