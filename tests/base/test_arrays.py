"""Embeddings are float32 vectors of length 1, whatever they were made of."""

import numpy as np
import pytest

from wordsight.base.arrays import unit


@pytest.mark.parametrize("dtype", [np.float16, np.float32, np.float64])
def test_vectors_are_brought_to_length_one(dtype: type[np.floating]) -> None:
    vectors = np.array([[3, 4], [0, -2], [1e-4, 0]], dtype)
    rows = unit(vectors)
    assert rows.dtype == np.float32
    np.testing.assert_allclose(rows, [[0.6, 0.8], [0, -1], [1, 0]], rtol=1e-3)
    assert vectors[0, 0] == 3  # the argument stays


def test_a_vector_of_nothing_is_near_nothing() -> None:
    np.testing.assert_array_equal(unit(np.zeros((1, 3), np.float32)), [[0, 0, 0]])
