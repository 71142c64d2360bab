"""Masks that are scored alone: the right text for each thing of a drawn scene, whatever lies beside it."""

import numpy as np
import pytest

from wordsight.base.arrays import unit
from wordsight.base.errors import UsageError
from wordsight.explain.mask_scores import overlaps, score_masks, suppressed
from wordsight.explain.proposals import propose
from wordsight.images.spec import PreprocessSpec

COLOURS = np.array([[255, 0, 0], [0, 0, 255]], np.float32)


class MeanColour:
    """An engine whose embedding is the mean colour, counted from grey."""

    def __init__(self, size=16):
        self.spec = type("Spec", (), {"preprocess": PreprocessSpec(size=size)})()
        self.seen = None

    def embed_images(self, pixels):
        self.seen = pixels
        return unit(pixels.astype(np.float32).mean(axis=(1, 2)) - 127.5)


def two_things():
    image = np.full((40, 60, 3), 120, np.uint8)
    image[5:15, 5:15], image[20:36, 30:55] = COLOURS
    masks = np.zeros((2, 40, 60), np.bool_)
    masks[0, 5:15, 5:15], masks[1, 20:36, 30:55] = True, True
    return image, masks


def test_each_mask_is_nearest_to_its_own_text():
    image, masks = two_things()
    cosines = score_masks(MeanColour(), image, masks, unit(COLOURS - 127.5))
    assert cosines.shape == (2, 2) and cosines.dtype == np.float32
    assert (cosines.argmax(axis=1) == [0, 1]).all()


def test_what_lies_outside_a_mask_fades_to_the_mean_colour():
    image, masks = two_things()
    engine = MeanColour(size=12)  # the box of the first mask with a margin: 10 + 2 pixels
    mean = image.reshape(-1, 3).mean(axis=0)
    hole = masks[:1].copy()
    hole[0, 8:12, 8:12] = False
    for seen in (0.0, 0.25, 1.0):
        score_masks(engine, image, hole, unit(COLOURS), seen=seen)
        (cut,) = engine.seen
        window = image[4:16, 4:16].astype(float)
        wanted = np.where(hole[0, 4:16, 4:16, None], window, window * seen + mean * (1 - seen))
        assert np.abs(cut - wanted).max() <= 0.51


def test_a_mask_at_the_border_is_filled_up_to_a_square():
    image = np.zeros((10, 40, 3), np.uint8)
    image[:, :, 0] = 200
    mask = np.ones((1, 10, 40), np.bool_)
    engine = MeanColour(size=48)
    score_masks(engine, image, mask, unit(COLOURS))
    assert (engine.seen[0] == (200, 0, 0)).all()  # the mean colour of this picture


def test_a_large_picture_is_cut_from_a_coarser_copy():
    image, masks = two_things()
    masks[1] = False
    masks[1, 30, 50] = True  # one pixel
    large = image.repeat(20, axis=0).repeat(20, axis=1)[:-7, :-3]  # 1197 pixels along, a factor of 10
    far = masks.repeat(20, axis=1).repeat(20, axis=2)[:, :-7, :-3]
    far[1, 1::2] = False
    engine = MeanColour()
    cosines = score_masks(engine, large, far, unit(COLOURS - 127.5))
    assert (cosines.argmax(axis=1) == [0, 1]).all()
    assert (engine.seen[0, 8, 8] == COLOURS[0]).all()


def test_any_sequence_of_masks_will_do():
    image, masks = two_things()
    texts = unit(COLOURS - 127.5)
    several = score_masks(MeanColour(), image, masks, texts)
    assert np.array_equal(several, score_masks(MeanColour(), image, list(masks), texts))
    proposals = propose(image)
    cosines = score_masks(MeanColour(), image, proposals, texts)
    for colour, mask in zip((0, 1), masks, strict=True):
        best = proposals[int(cosines[:, colour].argmax())]
        assert (best & mask).sum() / best.sum() > 0.9  # what is nearest to the colour is of it
    assert score_masks(MeanColour(), image, [], texts).shape == (0, 2)


def test_overlaps_are_counted_pixel_by_pixel():
    masks = np.random.default_rng(0).random((7, 30, 40)) < 0.4
    masks[3] = False
    wanted = [[(a & b).sum() / max((a | b).sum(), 1) for b in masks] for a in masks]
    assert np.allclose(overlaps(masks), wanted, atol=1e-6)
    proposals = propose(two_things()[0])
    assert np.array_equal(overlaps(proposals), proposals.overlaps)


def test_the_best_of_those_that_overlap_is_left():
    shared = np.array([[1, 0.6, 0], [0.6, 1, 0.6], [0, 0.6, 1]])
    assert suppressed(shared, np.array([0.3, 0.9, 0.5])) == [1]
    assert suppressed(shared, np.array([0.9, 0.3, 0.5])) == [0, 2]
    assert suppressed(shared, np.array([0.5, 0.5, 0.5]), most=0.7) == [0, 1, 2]
    assert suppressed(np.zeros((0, 0)), np.zeros(0)) == []


def test_what_cannot_be_is_an_error():
    image, masks = two_things()
    texts = unit(COLOURS)
    with pytest.raises(UsageError, match="mask 1 has no pixel"):
        score_masks(MeanColour(), image, masks & np.array([True, False])[:, None, None], texts)
    with pytest.raises(UsageError, match="mask 0 of shape"):
        score_masks(MeanColour(), image, masks[:, 1:], texts)
    with pytest.raises(UsageError, match="seen = 2"):
        score_masks(MeanColour(), image, masks, texts, seen=2)
    with pytest.raises(UsageError, match="for 3 scores"):
        suppressed(np.zeros((2, 2)), np.zeros(3))
