"""Agreement of two engines: figures worked by hand, the limits of good and sound, and inputs that are varied and legal."""

from dataclasses import replace

import numpy as np
import pytest

from wordsight.engines.engine import check_pixels, check_tokens
from wordsight.engines.fake import FakeEngine
from wordsight.engines.parity import (
    CLASSES,
    ITSELF,
    Agreement,
    ParityReport,
    agreement,
    naming,
    prompts,
    some_images,
    some_texts,
)

SPEC = FakeEngine().spec


def unit(rows):
    rows = np.asarray(rows, np.float32)
    return rows / np.linalg.norm(rows, axis=1, keepdims=True)


def test_the_same_rows_agree_wholly():
    rows = unit([[1, 2, 3], [3, 1, 0], [0, 1, 1]])
    same = agreement("image", "fp32", rows, rows)
    assert (same.tower, same.precision, same.count, same.difference) == ("image", "fp32", 3, 0.0)
    for figure in (same.mean, same.worst, same.centred_mean, same.centred_worst):
        assert figure == pytest.approx(1)
    assert same.good and same.sound


def test_figures_by_hand():
    reference = np.array([[1, 0, 0], [0, 1, 0]], np.float32)
    rows = np.array([[0.8, 0.6, 0], [0, 1, 0]], np.float32)
    found = agreement("text", "int8", rows, reference)
    assert found.mean == pytest.approx(0.9)
    assert found.worst == pytest.approx(0.8)
    assert found.difference == pytest.approx(0.6)
    # The mean row is (.5, .5, 0): (.3, .1) and (-.5, .5) against (.5, -.5) and (-.5, .5).
    first = (0.3 * 0.5 - 0.1 * 0.5) / np.sqrt(0.1 * 0.5)
    assert found.centred_worst == pytest.approx(first, abs=1e-6)
    assert found.centred_mean == pytest.approx((first + 1) / 2, abs=1e-6)


def test_a_difference_counts_in_either_direction():
    reference = np.array([[0.6, 0.8]], np.float32)
    for rows in ([[0.6, 0.7]], [[0.6, 0.9]]):
        assert agreement("t", "fp32", np.array(rows, np.float32), reference).difference == pytest.approx(0.1, abs=1e-6)


def an_agreement(**values):
    return Agreement(**{
        "tower": "image", "precision": "int8", "count": 16, "difference": 0.5, "mean": 1.0, "worst": 1.0,
        "centred_mean": 1.0, "centred_worst": 1.0, **values,
    })  # fmt: skip


@pytest.mark.parametrize(
    ("values", "good", "sound"),
    [
        ({"mean": 0.99, "worst": 0.5}, True, False),
        ({"mean": 0.98999}, False, False),
        ({"mean": 0.999, "worst": 0.99}, True, True),
        ({"mean": 0.9989, "worst": 0.995}, True, False),
        ({"mean": 0.9995, "worst": 0.9899}, True, False),
        ({"precision": "fp32", "difference": 1e-4}, True, True),
        ({"precision": "fp32", "difference": 1.01e-4}, False, False),
        ({"precision": "fp32", "difference": 0, "mean": 0.5}, True, False),
        ({"precision": "fp16", "difference": 1, "mean": 0.9899}, False, False),
    ],
)
def test_limits(values, good, sound):
    found = an_agreement(**values)
    assert (found.good, found.sound) == (good, sound)


def test_lines():
    one = an_agreement(mean=0.99912345, worst=0.99, centred_mean=0.5, centred_worst=0.25, kept=("a", "b"))
    assert one.line() == (
        "image int8: cosine to PyTorch fp32 mean 0.999123 worst 0.990000, mean embedding subtracted 0.500000 / 0.250000, "
        "largest difference 5.0e-01, over 16 inputs; kept in fp32: a, b"
    )
    assert replace(one, kept=()).line().endswith("over 16 inputs")
    itself = an_agreement(precision="fp32", reference=ITSELF)
    assert itself.line() == "image fp32: not compared, since PyTorch is not installed"
    assert an_agreement(reference=ITSELF).line().startswith("image int8: cosine to ONNX Runtime fp32 mean")


def test_names_are_compared_image_by_image():
    axes = np.eye(3, dtype=np.float32)
    images = axes[[0, 1, 2, 0]]
    shifted = naming("int8", (images, axes), (axes[[0, 1, 1, 2]], axes))
    assert (shifted.precision, shifted.count, shifted.classes, shifted.share) == ("int8", 4, 3, 0.5)
    assert shifted.line() == "int8: 50% of 4 pictures get the same of 3 names"
    assert naming("fp16", (images, axes), (2 * images, axes)).share == 1.0
    report = ParityReport("f", (an_agreement(),), (shifted,))
    assert report.lines() == [an_agreement().line(), shifted.line()]
    assert len(prompts()) == len(set(prompts())) == len(CLASSES) and prompts()[0] == "a photo of a dog"


def test_images_are_legal_varied_and_always_the_same():
    images = some_images(SPEC, 12)
    assert check_pixels(images, SPEC).shape == (12, 32, 32, 3)
    assert np.array_equal(images, some_images(SPEC, 12))
    assert np.array_equal(images[:5], some_images(SPEC, 5))
    assert not np.array_equal(images, some_images(SPEC, 12, seed=1))
    assert len(np.unique(images.reshape(12, -1), axis=0)) == 12
    coarse, fine = (np.abs(np.diff(images[n].astype(int), axis=1)).mean() for n in (0, 5))
    assert fine > 2 * coarse
    assert images.std(axis=(1, 2, 3)).min() > 10 and 90 < images.mean() < 170


def test_images_that_keep_their_shape_are_wider_than_high():
    spec = replace(SPEC, preprocess=replace(SPEC.preprocess, resize="patches", patch=8, max_patches=16))
    images = check_pixels(some_images(spec, 3), spec)
    assert images.shape == (3, 24, 32, 3)


def test_texts_are_legal_and_of_every_length():
    tokens = check_tokens(some_texts(SPEC, 300), SPEC)
    assert tokens.shape == (300, 77)
    assert (tokens[:, 0] == 49406).all()
    ends = (tokens == 49407).argmax(axis=1)
    assert ((tokens == 49407).sum(axis=1) == 1).all() and ((tokens == 49406).sum(axis=1) == 1).all()
    assert ends.min() == 2 and ends.max() == 76  # one word to as many as fit
    assert all((row[end + 1 :] == 0).all() for row, end in zip(tokens, ends, strict=True))
    assert all((row[1:end] != 0).all() for row, end in zip(tokens, ends, strict=True))
    assert np.array_equal(tokens[:9], some_texts(SPEC, 9))


def test_texts_have_what_their_tokenizer_puts_around_them():
    spec = replace(SPEC, tokenizer=replace(SPEC.tokenizer, start_id=3, end_id=4, pad_id=5, last_id=6))
    tokens = some_texts(spec, 40)
    assert (tokens[:, 0] == 3).all() and (tokens[:, -1] == 6).all()
    assert ((tokens[:, 1:] == 4).sum(axis=1) <= 1).all() and (tokens == 4).any()
    assert not np.isin(tokens, [49406, 49407]).any()
