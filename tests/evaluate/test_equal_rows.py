"""Equal embeddings tie exactly, wherever they stand, and nothing else changes."""

import numpy as np
import pytest

from wordsight.base.arrays import unit
from wordsight.evaluate import equal_rows, metrics, neighbours
from wordsight.evaluate.equal_rows import first_equal, products, repeated_together
from wordsight.evaluate.linear import Labelled

COUNTS = (3, 7, 13, 29, 37, 40, 67, 72, 131)


def rows(count, width=512, seed=0):
    return unit(np.random.default_rng(seed).standard_normal((count, width)).astype(np.float32))


@pytest.mark.parametrize("block", [1, 3, 8192])
def test_each_row_knows_the_first_that_equals_it(block, monkeypatch):
    monkeypatch.setattr(equal_rows, "BLOCK", block)
    few = rows(3, 4)
    few[2, 0], again = 0.0, few[2].copy()
    again[0] = -0.0
    every = np.stack([few[0], few[1], few[0], few[2], again, few[1]])
    assert first_equal(every).tolist() == [0, 1, 0, 3, 3, 1]
    assert first_equal(np.asfortranarray(every)).tolist() == [0, 1, 0, 3, 3, 1]
    assert first_equal(every[:0]).tolist() == []


def test_places_of_repeated_rows_come_together():
    first = np.array([9, 4, 9, 5, 4, 9, 7])
    repeated = np.array([True, True, True, False, True, True, True])
    assert [part.tolist() for part in repeated_together(first, repeated)] == [[1, 4], [6], [0, 2, 5]]
    assert repeated_together(first, np.zeros(7, bool)) == []


@pytest.mark.parametrize("count", COUNTS)
def test_products_of_equal_rows_are_equal_to_the_last_bit(count):
    few, queries = rows(5), rows(count, seed=1)
    which = np.random.default_rng(count).integers(0, 5, count)
    gallery = few[which]
    found = products(queries, gallery)
    for number in range(5):
        same = found[:, which == number]
        assert (same == same[:, :1]).all()
    np.testing.assert_allclose(found, queries @ gallery.T, rtol=0, atol=1e-6)


def test_products_without_repeats_are_those_of_the_matrices():
    queries, gallery = rows(31), rows(67, seed=1)
    assert np.array_equal(products(queries, gallery), queries @ gallery.T)


@pytest.mark.parametrize("count", COUNTS)
def test_captions_or_images_that_are_all_the_same_find_nothing(count):
    same, other = np.repeat(rows(1), count, axis=0), rows(count, seed=1)
    owners = np.arange(count)
    ranks = metrics.best_ranks(other, same, query_owners=owners, gallery_owners=owners)
    assert (ranks == count - 1).all()
    first = metrics.first_right(other, same, query_owners=owners, gallery_owners=owners, k=min(10, count - 1))
    assert not first.any()


@pytest.mark.parametrize("count", COUNTS)
def test_ranks_do_not_depend_on_the_order_of_what_repeats(count):
    few, queries, owners = rows(4), rows(count, seed=1), np.arange(count)
    which = np.random.default_rng(count).integers(0, 4, count)
    ranks = metrics.best_ranks(queries, few[which], query_owners=owners, gallery_owners=owners)
    order = np.random.default_rng(1).permutation(count)
    again = metrics.best_ranks(queries, few[which[order]], query_owners=owners, gallery_owners=owners[order])
    assert ranks.tolist() == again.tolist()
    scores = queries @ few.T
    wrong = np.array([[(scores[q] >= scores[q, which[q]])[which].sum() - 1] for q in range(count)])
    assert ranks.tolist() == wrong.ravel().tolist()


@pytest.mark.parametrize("count", [29, 37, 67, 700])
def test_one_image_under_two_labels_gives_both_the_same_votes(count, monkeypatch):
    monkeypatch.setattr(neighbours, "ROWS", 53)  # copies lie in several blocks
    one, queries = rows(1), rows(9, seed=1)
    learned = Labelled(np.concatenate([np.repeat(one, count, axis=0), rows(20, seed=2)]), np.arange(count + 20) % 2)
    halves = Labelled(learned.embeddings[: count // 2 * 2], learned.labels[: count // 2 * 2])
    for k in (1, 5, count // 2 * 2):
        votes = neighbours.vote(halves, queries, classes=2, k=k)
        assert (votes[:, 0] == votes[:, 1]).all()
    order = np.random.default_rng(0).permutation(len(learned.labels))
    mixed = Labelled(learned.embeddings[order], learned.labels[order])
    before, after = (neighbours.vote(one, queries, classes=2, k=7) for one in (learned, mixed))
    np.testing.assert_allclose(before, after, rtol=1e-4)
