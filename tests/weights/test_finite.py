"""Weights that are no numbers are refused when they are read, by tensor, count and cure."""

import numpy as np
import pytest

from wordsight.base.errors import FormatError
from wordsight.engines.fake import FakeEngine
from wordsight.towers.shapes import shapes
from wordsight.weights.checkpoint import check_state
from wordsight.weights.finite import CHUNK, check_finite, check_scale, check_variances, not_finite

CURE = "the training diverged or the file is damaged: take an earlier checkpoint, or fetch it again"


def refused(call) -> str:
    with pytest.raises(FormatError) as caught:
        call()
    return str(caught.value)


@pytest.mark.parametrize("dtype", [np.float16, np.float32, np.float64])
@pytest.mark.parametrize("value", [np.nan, np.inf, -np.inf])
def test_numbers_that_are_none_are_counted_in_every_type(dtype, value) -> None:
    array = np.ones((3, CHUNK), dtype)
    assert not_finite(array) == 0
    array[0, 1] = array[1, 7] = array[2, -1] = value
    assert not_finite(array) == not_finite(array.T) == 3


def test_the_largest_and_smallest_numbers_of_a_type_are_numbers() -> None:
    for dtype in (np.float16, np.float32):
        limits = np.finfo(dtype)
        assert not_finite(np.array([limits.max, limits.min, limits.tiny, limits.smallest_subnormal, 0], dtype)) == 0
    assert not_finite(np.array([1e300, 1.0])) == 1  # it is stored as float32


def test_whole_numbers_are_not_looked_at() -> None:
    assert not_finite(np.array([1, 2])) == 0


def test_tensors_are_named_with_their_counts() -> None:
    state = {f"t{number}": np.full((2, 2), np.nan, np.float32) for number in range(5)}
    state["good"] = np.zeros(3, np.float32)
    state["t1"][0] = 0
    assert refused(lambda: check_finite(state, where="x.pt")) == (
        "x.pt holds NaN or infinite numbers in 5 of 6 tensors: t0 (4 of 4 numbers), t1 (2 of 4 numbers), "
        f"t2 (4 of 4 numbers) and 2 more; {CURE}"
    )


def test_every_state_is_looked_at() -> None:
    spec = FakeEngine().spec
    state = {name: np.zeros(shape, np.float32) for name, shape in shapes(spec).items()}
    check_state(spec, state, where="x.pt")
    state["logit_scale"] = np.array(np.nan, np.float32)
    assert refused(lambda: check_state(spec, state, where="x.pt")) == (
        f"x.pt holds NaN or infinite numbers in 1 of {len(state)} tensors: logit_scale (1 of 1 numbers); {CURE}"
    )


@pytest.mark.parametrize("logarithm", [100.0, 89.0, 14.0, -10.0])
def test_an_absurd_scale_is_refused(logarithm: float) -> None:
    assert refused(lambda: check_finite({"logit_scale": np.array(logarithm)}, where="x.pt")) == (
        f"logit_scale of x.pt is {logarithm:g}, so cosines would be multiplied by e to the power of it; "
        "it is a logarithm, from -9.2 to 13.8, for CLIP about 4.6; take another checkpoint"
    )


def test_learned_scales_pass() -> None:
    for scale in (1.0, 14.3, 100.0, 117.3):
        check_finite({"logit_scale": np.log(np.array([scale], np.float32))}, where="x.pt")
        check_scale(scale, None, where="model.json")
        check_scale(scale, -16.5, where="model.json")


@pytest.mark.parametrize(
    ("scale", "bias", "named"),
    [
        (float("nan"), None, "scale = nan"),
        (float("inf"), None, "scale = inf"),
        (-1.0, None, "scale = -1.0"),
        (0.0, None, "scale = 0.0"),
        (1.0, float("nan"), "bias = nan"),
        (1.0, -1e30, "bias = -1e+30"),
    ],
)
def test_scale_and_bias_of_a_manifest(scale, bias, named) -> None:
    assert refused(lambda: check_scale(scale, bias, where="model.json")) == (
        f"{named} in model.json; restore the file: a scale lies from 0.0001 to 1,000,000, a bias within ±1,000,000"
    )


@pytest.mark.parametrize("dtype", [np.float16, np.float32, np.float64])
def test_variances_below_zero_are_refused_in_every_state(dtype) -> None:
    values = np.array([1, 0, -0.0, -2, -3], dtype)
    state = {"bn.weight": -values, "bn.running_mean": -values, "bn.running_var": np.abs(values)}
    check_finite(state, where="x.pt")
    state["bn.running_var"] = values
    said = f"bn.running_var of x.pt holds -2 (2 of 5 numbers), which is no variance; {CURE}"
    assert refused(lambda: check_finite(state, where="x.pt")) == said
    assert refused(lambda: check_variances(state, where="x.pt")) == said
