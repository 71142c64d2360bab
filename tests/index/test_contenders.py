"""Whatever is kept while a scan goes by, the nearest are among it."""

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from wordsight.index import contenders as module
from wordsight.index.contenders import Contenders
from wordsight.index.halves import nearest_halves


@settings(max_examples=80)
@given(st.data())
def test_the_nearest_of_all_chunks_are_those_of_comparing_all(data):
    random = np.random.default_rng(data.draw(st.integers(0, 2**32 - 1)))
    count, size = data.draw(st.integers(1, 900)), data.draw(st.integers(1, 5))
    k, step = data.draw(st.integers(1, min(count, 40))), data.draw(st.integers(1, 300))
    # Small whole numbers: dot products are exact, and many of them equal.
    rows = random.integers(-2, 3, (count, 8)).astype(np.float16)
    queries = random.integers(-2, 3, (size, 8)).astype(np.float32)
    share = data.draw(st.sampled_from([None, 0.2, 0.9]))
    allowed = None if share is None else random.random(count) < share
    truth = nearest_halves(queries, rows, k, allowed=allowed)
    bounds = queries @ rows.astype(np.float32).T + random.uniform(0, 2, (size, count)).astype(np.float32)
    contenders = Contenders(queries, rows, truth.scores.shape[1] or 1, first=2 * k, allowed=allowed)
    for start in range(0, count, step):
        chunk = slice(start, min(start + step, count))
        ids = np.arange(chunk.start, chunk.stop) if data.draw(st.booleans()) else chunk
        contenders.offer(ids, bounds[:, chunk])
    for number in range(size):
        answer = contenders.nearest(number)
        assert answer is not None
        assert answer[0].tolist() == truth.scores[number].tolist()
        assert answer[1].tolist() == truth.row_ids[number].tolist()


@pytest.mark.parametrize("step", [7, 50, 1000])
def test_a_query_with_too_many_rows_left_is_given_up_alone(monkeypatch, step):
    monkeypatch.setattr(module, "MOST", 60)
    rows = np.zeros((1000, 4), np.float16)
    rows[:, 0] = 1  # for the first query all are alike
    rows[:, 1] = np.linspace(0, 1, 1000)
    queries = np.eye(2, 4, dtype=np.float32)
    contenders = Contenders(queries, rows, 5, first=20)
    for start in range(0, 1000, step):
        part = rows[start : start + step].astype(np.float32)
        contenders.offer(slice(start, start + len(part)), queries @ part.T + np.float32(1e-5))
    assert contenders.nearest(0) is None
    scores, row_ids = contenders.nearest(1)
    assert scores.tolist() == rows[row_ids, 1].tolist() and row_ids.tolist() == [999, 998, 997, 996, 995]
