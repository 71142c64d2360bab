"""Every tensor is used exactly once, and what does not fit is listed with name, number and kind."""

import dataclasses
from pathlib import Path

import numpy as np
import pytest

from wordsight.base.errors import ConfigError, ShapeMismatch
from wordsight.engines.fake import FakeEngine
from wordsight.towers.shapes import shapes
from wordsight.weights.checkpoint import Checkpoint, Keys, check_shapes, check_state, some


def keys(*names: str) -> Keys:
    return Keys({name: np.full(2, n, np.float32) for n, name in enumerate(names)}, where="x.safetensors")


def test_keys_are_the_tensors_in_the_order_of_the_file() -> None:
    all_keys = keys("b", "a", "c")
    assert list(all_keys) == all_keys.left == ["b", "a", "c"]
    assert len(all_keys) == 3
    assert all_keys["a"].tolist() == [1, 1]
    assert "a" in all_keys and "d" not in all_keys
    assert all_keys.where == "x.safetensors"


def test_looking_is_no_use_but_taking_is() -> None:
    all_keys = keys("b", "a", "c")
    assert all_keys["c"].tolist() == [2, 2]
    assert all_keys.take("a").tolist() == [1, 1]
    assert all_keys.left == ["b", "c"]
    assert len(all_keys) == 3  # what was used can still be looked at
    all_keys.drop("b", "not there")
    assert all_keys.left == ["c"]
    all_keys.take("c")
    all_keys.finish()


def test_what_was_dropped_is_not_taken() -> None:
    all_keys = keys("mask")
    all_keys.drop("mask")
    with pytest.raises(ShapeMismatch, match="mask of x.safetensors would be used twice"):
        all_keys.take("mask")


def message(call) -> str:
    with pytest.raises(ShapeMismatch) as caught:
        call()
    return str(caught.value)


def test_a_missing_tensor_and_one_used_twice_are_named() -> None:
    all_keys = keys("a")
    assert message(lambda: all_keys.take("b")) == ("x.safetensors has no b; the file is not whole, or of another kind")
    all_keys.take("a")
    assert message(lambda: all_keys.take("a")) == "a of x.safetensors would be used twice; report this file's layout"


def test_what_is_left_over_is_counted_and_listed() -> None:
    assert message(keys("a", "b").finish) == (
        "x.safetensors holds 2 weights that have no place: a, b; "
        "the file is of another kind, or holds more than two towers"
    )


@pytest.mark.parametrize(
    ("count", "text"),
    [(0, ""), (1, "a"), (5, "a, b, c, d, e"), (6, "a, b, c, d, e and 1 more"), (9, "a, b, c, d, e and 4 more")],
)
def test_five_names_are_shown_and_the_others_counted(count: int, text: str) -> None:
    assert some(list("abcdefghi"[:count])) == text


def test_the_same_names_and_shapes_pass() -> None:
    state = {"w": np.zeros((2, 3), np.float16), "bn.num_batches_tracked": np.zeros((), np.int64)}
    check_shapes({"w": (2, 3), "bn.num_batches_tracked": ()}, state, where="x")


def test_everything_that_does_not_fit_is_listed_at_once() -> None:
    expected = {"lost": (1,), "wide": (2, 3), "whole": (2,), "bn.num_batches_tracked": ()}
    state = {
        "wide": np.zeros((3, 2), np.float32),
        "whole": np.zeros(2, np.int32),
        "extra": np.zeros(1, np.float32),
        "bn.num_batches_tracked": np.zeros((), np.float32),
    }
    assert message(lambda: check_shapes(expected, state, where="model.safetensors")) == (
        "the weights in model.safetensors do not fit their architecture: 1 missing (lost); 1 unknown (extra); "
        "1 of another shape (wide is (3, 2), not (2, 3)); "
        "2 of another kind (whole is int32, bn.num_batches_tracked is float32); "
        "the spec and the weights must come from the same model"
    )


SPEC = FakeEngine().spec


def test_a_state_has_to_be_that_of_its_spec() -> None:
    state = {name: np.zeros(shape, np.float32) for name, shape in shapes(SPEC).items()}
    check_state(SPEC, state, where="here")
    del state["logit_scale"]
    assert message(lambda: check_state(SPEC, state, where="here")).startswith(
        "the weights in here do not fit their architecture: 1 missing (logit_scale); "
    )


def test_a_spec_beyond_all_reason_is_refused_before_its_weights() -> None:
    with pytest.raises(ConfigError, match="width = 1000000000000"):
        check_state(dataclasses.replace(SPEC, width=10**12), {}, where="here")


def test_a_checkpoint_needs_spec_and_state_only() -> None:
    checkpoint = Checkpoint(SPEC, {})
    assert (dict(checkpoint.tokenizer_files), checkpoint.assumed, dict(checkpoint.origin)) == ({}, (), {})
    assert (checkpoint.card, dict(checkpoint.graphs)) == ("", {})
    assert Checkpoint(SPEC, {}, graphs={"image": Path("i.onnx")}).graphs["image"] == Path("i.onnx")
