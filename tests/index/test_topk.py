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
    np.testing.assert_array_equal(found.positions, positions)


@pytest.fixture(scope="module")
def monkeypatch_module():
    with pytest.MonkeyPatch.context() as patch:
        yield patch


def test_asks_for_more_than_there_is():
    found = top_k(np.ones((2, 3), np.float32), np.ones((2, 3), np.float32), 5)
    assert found.scores.shape == found.positions.shape == (2, 2)
