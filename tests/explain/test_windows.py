"""Windows over a picture: every pixel seen, means as counted one by one, pictures of every shape."""

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from wordsight.base.errors import UsageError
from wordsight.explain.windows import GREY, averaged, cut, plan_windows

SIDES = st.integers(1, 90)


def whole(plan, maps, **settings):
    image = np.full((maps.shape[1], plan.height, plan.width), np.nan, np.float32)
    for part, mean in averaged(plan, maps, **settings):
        assert np.isnan(image[(slice(None), *part)]).all()  # no pixel comes twice
        image[(slice(None), *part)] = mean
    return image


def one_by_one(plan, maps):
    """Return the mean map, pixel by pixel and window by window."""
    image = np.zeros((maps.shape[1], plan.height, plan.width))
    corners = [(top, left) for top in plan.tops for left in plan.lefts]
    for y in range(plan.height):
        for x in range(plan.width):
            row, column = (y + 0.5) * plan.rows / plan.height, (x + 0.5) * plan.columns / plan.width
            values = []
            for (top, left), one in zip(corners, maps, strict=True):
                v, u = row - top, column - left
                if 0 <= v < plan.crop and 0 <= u < plan.crop:
                    values.append(between(one, v * one.shape[1] / plan.crop, u * one.shape[2] / plan.crop))
            image[:, y, x] = np.mean(values, axis=0)
    return image


def between(one, v, u):
    v, u = (min(max(at - 0.5, 0), side - 1) for at, side in ((v, one.shape[1]), (u, one.shape[2])))
    a, b = int(v), int(u)
    c, d = min(a + 1, one.shape[1] - 1), min(b + 1, one.shape[2] - 1)
    top = one[:, a, b] * (1 - u + b) + one[:, a, d] * (u - b)
    low = one[:, c, b] * (1 - u + b) + one[:, c, d] * (u - b)
    return top * (1 - v + a) + low * (v - a)


@given(SIDES, SIDES, st.integers(1, 20), st.integers(1, 40), st.integers(1, 20), st.integers(1, 40))
@settings(max_examples=100, deadline=None)
def test_every_pixel_lies_in_a_window(height, width, crop, short, stride, most):
    plan = plan_windows(height, width, crop=crop, short=short, stride=min(stride, crop), most=most)
    assert 1 <= len(plan) <= most
    for starts, side in ((plan.tops, plan.rows), (plan.lefts, plan.columns)):
        assert starts[0] == 0 and starts[-1] == max(side - crop, 0)
        assert all(0 < step <= min(stride, crop) for step in np.diff(starts))
    seen = whole(plan, np.ones((len(plan), 2, 3, 3), np.float32))
    assert np.allclose(seen, 1)


@pytest.mark.parametrize(("height", "width"), [(13, 9), (5, 31), (40, 40), (1, 1)])
@pytest.mark.parametrize("tile_bytes", [1, 500, 1 << 20])
def test_maps_are_put_together_as_counted_one_by_one(height, width, tile_bytes):
    plan = plan_windows(height, width, crop=12)
    maps = np.random.default_rng(0).normal(size=(len(plan), 3, 4, 2)).astype(np.float32)
    assert np.allclose(whole(plan, maps, tile_bytes=tile_bytes), one_by_one(plan, maps), atol=1e-5)


def test_windows_are_parts_of_the_scaled_picture():
    image = np.random.default_rng(0).integers(0, 256, (18, 30, 3), np.uint8)
    plan = plan_windows(18, 30, crop=12)  # 18 is one and a half windows: nothing is scaled
    batches = list(cut(image, plan, at_once=4))
    assert [len(batch) for batch in batches] == [4, 4]
    corners = [(top, left) for top in (0, 6) for left in (0, 6, 12, 18)]
    for window, (top, left) in zip(np.concatenate(batches), corners, strict=True):
        assert (window == image[top : top + 12, left : left + 12]).all()


def test_a_long_picture_is_scaled_less_and_filled_up():
    plan = plan_windows(10, 10000, crop=32)
    assert len(plan) <= 256 and plan.rows < 32
    windows = np.concatenate(list(cut(np.full((10, 10000, 3), 7, np.uint8), plan, at_once=100)))
    assert (windows[:, : plan.rows] == 7).all() and (windows[:, plan.rows :] == GREY).all()
    assert np.isfinite(whole(plan, np.ones((len(plan), 1, 4, 4), np.float32))).all()


def test_what_cannot_be_is_an_error():
    with pytest.raises(UsageError, match="0 x 5 pixels"):
        plan_windows(0, 5, crop=4)
    with pytest.raises(UsageError, match="pixels are left out"):
        plan_windows(5, 5, crop=4, stride=5)
    plan = plan_windows(5, 5, crop=4)
    with pytest.raises(UsageError, match="plan is for 5 x 5"):
        next(cut(np.zeros((5, 6, 3), np.uint8), plan, at_once=1))
    with pytest.raises(UsageError, match="maps of shape"):
        next(averaged(plan, np.zeros((1, 2, 3, 3), np.float32)))
