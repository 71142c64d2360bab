"""Blockwise nearest rows equal sorting everything."""

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from wordsight.index import topk
from wordsight.index.topk import top_k


def plain(queries, rows, k, among):
    positions = np.arange(len(rows)) if among is None else among
    scores = queries @ rows[positions].T
    order = np.argsort(-scores, axis=1, kind="stable")[:, :k]
    return np.take_along_axis(scores, order, 1), positions[order]


@settings(max_examples=100)
@given(
    st.integers(0, 2**32 - 1),
    st.integers(0, 70),
    st.integers(0, 4),
    st.integers(1, 20),
    st.booleans(),
    st.integers(1, 200),
)
def test_equals_sorting_everything_also_with_ties(monkeypatch_module, seed, count, queries, k, some, block):
    random = np.random.default_rng(seed)
    # Whole numbers are exact in float32, and small ones give many equal scores.
    rows = random.integers(-1, 2, (count, 3)).astype(np.float32)
    asked = random.integers(-1, 2, (queries, 3)).astype(np.float32)
    among = np.flatnonzero(random.integers(0, 2, count)) if some else None
    monkeypatch_module.setattr(topk, "BLOCK_SCORES", block)
    found = top_k(asked, rows, k, among=among)
    scores, positions = plain(asked, rows, k, among)
    np.testing.assert_array_equal(found.scores, scores)
    np.testing.assert_array_equal(found.row_ids, positions)


@pytest.fixture(scope="module")
def monkeypatch_module():
    with pytest.MonkeyPatch.context() as patch:
        yield patch


def test_asks_for_more_than_there_is():
    found = top_k(np.ones((2, 3), np.float32), np.ones((2, 3), np.float32), 5)
    assert found.scores.shape == found.row_ids.shape == (2, 2)


@pytest.mark.parametrize("k", [1, 2, 3, 7])
@pytest.mark.parametrize("columns", [4, 5, 8, 9, 13, 29])
def test_both_ways_to_the_largest_agree_at_the_border_between_them(k, columns):
    """Few columns are sorted whole, many are parted first: four times k is where the one takes over."""
    scores = np.random.default_rng(k * columns).integers(0, 4, (6, columns)).astype(np.float32)
    found = top_k(np.eye(columns, dtype=np.float32)[:0], np.eye(columns, dtype=np.float32), k)
    assert found.scores.shape == (0, min(k, columns))
    best, rows = top_k(scores, np.eye(columns, dtype=np.float32), k)
    for row in range(6):
        expected = sorted(range(columns), key=lambda column: (-scores[row, column], column))[:k]
        assert rows[row].tolist() == expected
        assert best[row].tolist() == scores[row, expected].tolist()


def test_types_and_shapes_of_an_answer():
    best, rows = top_k(np.ones((2, 3), np.float32), np.ones((0, 3), np.float32), 5)
    assert (best.shape, rows.shape) == ((2, 0), (2, 0))
    assert (best.dtype, rows.dtype) == (np.float32, np.int64)
    best, rows = top_k(np.ones((2, 3), np.float32), np.ones((9, 3), np.float32), 5)
    assert (best.dtype, rows.dtype) == (np.float32, np.int64)
    assert rows.tolist() == [[0, 1, 2, 3, 4]] * 2  # equal scores: the first of them


class Counting:
    """Embeddings that note how many rows are read at once, as a memory map would have to bring them in."""

    def __init__(self, rows):
        self.rows, self.read = rows, []

    def __len__(self):
        return len(self.rows)

    def __getitem__(self, index):
        part = self.rows[index]
        self.read.append(len(part))
        return part


@pytest.mark.parametrize(
    ("queries", "k", "block", "read"),
    [
        (1, 1, 4, [4, 4, 2]),
        (2, 1, 4, [2] * 5),
        (8, 1, 4, [1] * 10),  # a block has one row at least
        (1, 6, 4, [6, 4]),  # and as many as are asked for
        (0, 1, 4, [4, 4, 2]),
        (1, 99, 4, [10]),
    ],
)
def test_no_more_scores_than_a_block_are_held_at_once(monkeypatch, queries, k, block, read):
    monkeypatch.setattr(topk, "BLOCK_SCORES", block)
    rows = Counting(np.random.default_rng(0).random((10, 3), dtype=np.float32))
    top_k(np.ones((queries, 3), np.float32), rows, k)
    assert rows.read == read
    rows.read.clear()
    top_k(np.ones((queries, 3), np.float32), rows, k, among=np.arange(10))
    assert rows.read == read
