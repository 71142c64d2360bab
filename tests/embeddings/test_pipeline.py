"""Order, errors and threads of the way from items to rows."""

import threading
import time

import numpy as np
import pytest
from threadpoolctl import threadpool_info, threadpool_limits

from wordsight.base.errors import BrokenImage
from wordsight.base.threads import PREFIX
from wordsight.embeddings import pipeline
from wordsight.embeddings.pipeline import encode_images

SHAPES = [(2, 3), (3, 2), (2, 2)]


@pytest.fixture(autouse=True)
def several(monkeypatch):
    """Decode in four threads on any machine."""
    monkeypatch.setattr(pipeline, "decode_threads", lambda: 4)


def late(item):
    """Return a picture that knows its item, later ones sooner."""
    time.sleep(0.002 * (-item % 5))
    return np.full((*SHAPES[item % 3], 3), item, np.uint8)


def first_values(pixels):
    return pixels[:, 0, 0, :1].astype(np.float32)


def decoding():
    return [thread for thread in threading.enumerate() if thread.name.startswith(PREFIX)]


def test_order_is_that_of_the_items_whichever_is_decoded_first():
    def load(item):
        if item % 7 == 3:
            raise BrokenImage(f"{item} is broken")
        return None if item % 11 == 5 else late(item)

    found = list(encode_images(range(100), load, first_values, batch=8))
    assert [one.item for one in found] == list(range(100))
    for one in found:
        if one.item % 7 == 3:
            assert str(one.error).startswith(f"{one.item} is broken")
            assert one.embedding is None
        else:
            assert one.error is None
            assert one.embedding is None if one.item % 11 == 5 else one.embedding[0] == one.item


@pytest.mark.parametrize(
    ("count", "sizes"),
    [(0, []), (1, [1]), (8, [8]), (9, [5, 4]), (40, [8] * 5), (41, [8, 8, 7, 6, 6, 6]), (17, [6, 6, 5])],
)
def test_the_last_batches_are_of_like_size(count, sizes):
    seen = []

    def embed(pixels):
        seen.append(len(pixels))
        return first_values(pixels)

    rows = [one.embedding[0] for one in encode_images(range(count), lambda item: late(3 * item), embed, batch=8)]
    assert rows == [3 * item for item in range(count)]
    assert seen == sizes


def test_closing_early_ends_the_threads_and_takes_no_more():
    taken = []
    found = encode_images((taken.append(i) or i for i in range(1000)), late, first_values, batch=4)
    assert next(found).item == 0
    found.close()
    assert decoding() == []
    assert len(taken) <= 4 * pipeline.AHEAD


def test_an_error_of_the_engine_comes_out_behind_the_rows_before_it():
    def embed(pixels):
        if pixels[0, 0, 0, 0] >= 16:
            raise ZeroDivisionError
        return first_values(pixels)

    before = []
    with pytest.raises(ZeroDivisionError):
        for one in encode_images(range(0, 99, 3), late, embed, batch=4):
            before.append((one.item, one.embedding[0]))
    assert before == [(item, item) for item in range(0, 24, 3)]
    assert decoding() == []


def test_an_error_of_the_source_ends_the_threads():
    def items():
        yield from range(6)
        raise OSError("the place is gone")

    with pytest.raises(OSError, match="the place is gone"):
        list(encode_images(items(), late, first_values, batch=4))
    assert decoding() == []


def blas_threads():
    return [entry["num_threads"] for entry in threadpool_info() if entry["user_api"] == "blas"]


def test_numpy_multiplies_in_one_thread_until_the_last_run_is_over():
    with threadpool_limits(limits=2, user_api="blas"):
        before = blas_threads()
        assert before and set(before) == {2}
        first, second = (encode_images(range(20), late, first_values, batch=2) for _ in range(2))
        next(first)
        assert set(blas_threads()) == {1}
        next(second)
        first.close()
        assert set(blas_threads()) == {1}
        list(second)
        assert blas_threads() == before
