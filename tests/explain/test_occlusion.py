from dataclasses import replace

import numpy as np
import pytest
from tests.explain.patch_engine import SIDE, TEXTS, PatchEngine, red_patch

from wordsight.base.errors import UsageError
from wordsight.explain.occlusion import RiseMasks, occlusion, random_masks, rise

PATCH = (slice(8, 16), slice(16, 24))  # cells (1, 2) of a grid of 4
CELL = np.zeros((4, 4), dtype=bool)
CELL[1, 2] = True


def test_occlusion_finds_exactly_the_patch():
    relevance = occlusion(PatchEngine(PATCH), red_patch(PATCH), TEXTS, grid=4, window=1, fill="black")
    assert relevance.shape == (3, 4, 4)
    assert relevance.dtype == np.float32
    assert relevance[0][CELL] == pytest.approx(3**-0.5)  # the whole score
    assert relevance[0][~CELL] == pytest.approx(0, abs=1e-6)
    assert relevance[1:] == pytest.approx(0, abs=1e-6)  # neither green nor blue


def test_what_speaks_against_a_text_is_negative():
    """The model looks at the red patch alone; there green stands before the blue fill: hiding it adds to no score."""
    pixels = np.full((SIDE, SIDE, 3), (0, 0, 255), dtype=np.uint8)
    pixels[PATCH] = (0, 255, 0)
    relevance = occlusion(PatchEngine(PATCH), pixels, TEXTS, grid=4, window=1)
    assert relevance[1][CELL] > 0.3
    assert relevance[2][CELL] < -0.3
    assert relevance[:, ~CELL] == pytest.approx(0, abs=1e-6)


def test_windows_overlap_and_hang_over_the_border():
    """Each cell has the mean of the windows that hide it: by a loop over them."""
    corner = (slice(0, 8), slice(0, 12))
    engine, pixels = PatchEngine(corner), red_patch(corner)
    whole = (engine.embed_images(pixels[None]) @ TEXTS.T)[0]
    sums, counts = np.zeros((3, 4, 4)), np.zeros((4, 4))
    for top in (-1, 0, 1, 2, 3):
        for left in (-1, 0, 1, 2, 3):
            changed = pixels.copy()
            changed[8 * max(top, 0) : 8 * (top + 2), 8 * max(left, 0) : 8 * (left + 2)] = 0
            fall = whole - (engine.embed_images(changed[None]) @ TEXTS.T)[0]
            part = slice(max(top, 0), top + 2), slice(max(left, 0), left + 2)
            sums[(slice(None), *part)] += fall[:, None, None]
            counts[part] += 1
    assert (counts == 4).all()
    engine.sizes.clear()
    relevance = occlusion(engine, pixels, TEXTS, grid=4, window=2, fill="black")
    assert relevance == pytest.approx(sums / counts, abs=1e-6)
    assert sum(engine.sizes) == (4 + 2 - 1) ** 2 + 1


def test_cells_of_a_side_that_does_not_divide():
    patch = (slice(10, 21), slice(0, 11))  # of 32 in 3: 0, 11, 21, 32
    relevance = occlusion(PatchEngine(patch), red_patch(patch), TEXTS, grid=3, window=1, fill="black")
    assert np.unravel_index(relevance[0].argmax(), (3, 3)) == (1, 0)


def test_models_that_keep_the_shape_of_an_image():
    """Of 16 x 64 pixels in patches of 8, the last two columns are red: cell (0, 3) of 4 x 4."""
    patch = (slice(0, 4), slice(48, 64))
    engine = PatchEngine(patch)
    engine.spec = replace(engine.spec, preprocess=replace(engine.spec.preprocess, resize="patches", patch=8))
    pixels = np.zeros((16, 64, 3), dtype=np.uint8)
    pixels[(*patch, 0)] = 255
    for relevance in (
        occlusion(engine, pixels, TEXTS, grid=4, window=1, fill="black"),
        rise(engine, pixels, TEXTS, grid=4, masks=RiseMasks(300, cells=4), fill="black"),
    ):
        assert relevance.shape == (3, 4, 4)
        assert np.unravel_index(relevance[0].argmax(), (4, 4)) == (0, 3)


def test_rise_finds_the_patch():
    relevance = rise(PatchEngine(PATCH), red_patch(PATCH), TEXTS, grid=4, masks=RiseMasks(400, cells=4), fill="black")
    assert relevance.shape == (3, 4, 4)
    assert relevance.dtype == np.float32
    others = np.sort(relevance[0][~CELL])
    assert relevance[0][CELL] > 1.8 * others[-1]
    assert np.unravel_index(relevance[0].argmax(), (4, 4)) == (1, 2)
    assert relevance[1:] == pytest.approx(0, abs=1e-6)


def test_rise_is_the_weighted_mean_by_a_loop_over_masks():
    masks = RiseMasks(23, cells=3, kept=0.4, seed=5)
    engine, pixels = PatchEngine(PATCH), red_patch(PATCH)
    drawn = list(random_masks((SIDE, SIDE), masks))
    scores = []
    for mask in drawn:
        shown = np.rint(pixels * mask[..., None]).astype(np.uint8)
        scores.append((engine.embed_images(shown[None]) @ TEXTS.T)[0, 0])
    cells = np.stack([mask.reshape(4, 8, 4, 8).mean(axis=(1, 3)) for mask in drawn])
    expected = np.einsum("n,nij->ij", np.array(scores), cells) / cells.sum(axis=0) - np.mean(scores)
    relevance = rise(engine, pixels, TEXTS[:1], grid=4, masks=masks, fill="black")
    assert relevance[0] == pytest.approx(expected, abs=1e-5)


def test_rise_does_not_depend_on_batches_but_on_the_seed():
    pixels = red_patch(PATCH)
    maps = [
        rise(PatchEngine(PATCH, batch=batch), pixels, TEXTS, grid=4, masks=RiseMasks(30, seed=seed))
        for batch, seed in ((7, 0), (30, 0), (7, 1))
    ]
    assert maps[0] == pytest.approx(maps[1], abs=1e-6)
    assert np.abs(maps[0] - maps[2]).max() > 1e-3


def test_masks_let_through_the_share_that_is_asked_and_are_never_aligned():
    masks = np.stack(list(random_masks((30, 44), RiseMasks(600, cells=7, kept=0.3))))
    assert masks.shape == (600, 30, 44)
    assert masks.dtype == np.float32
    assert masks.min() >= 0
    assert masks.max() <= 1
    assert masks.mean(axis=0) == pytest.approx(0.3, abs=0.09)
    peaks = masks[:, 15].argmax(axis=1) % 7  # 44 in 7 cells: 7 pixels each
    assert len(np.unique(peaks)) == 7


@pytest.mark.parametrize(
    ("wrong", "message"),
    [
        ({"grid": 0}, "a grid of 0; give a whole number from 1 to 32"),
        ({"grid": 33}, "a grid of 33; give a whole number from 1 to 32"),
        ({"grid": 4, "window": 5}, "a window of 5; give a whole number from 1 to 4"),
        ({"fill": "pink"}, "no fill 'pink'"),
    ],
)
def test_occlusion_refuses(wrong, message):
    with pytest.raises(UsageError, match=message):
        occlusion(PatchEngine(PATCH), red_patch(PATCH), TEXTS, **wrong)


@pytest.mark.parametrize(
    ("wrong", "message"),
    [
        ({"count": 0}, "masks: 0; give a whole number from 1"),
        ({"cells": 0}, "cells of a mask: 0"),
        ({"kept": 1.0}, "a share of 1.0 kept; give a number between 0 and 1"),
        ({"kept": float("nan")}, "a share of nan kept"),
    ],
)
def test_masks_refuse(wrong, message):
    with pytest.raises(UsageError, match=message):
        RiseMasks(**wrong)


def test_rise_refuses_a_grid_finer_than_pixels():
    with pytest.raises(UsageError, match="a grid of 40; give a whole number from 1 to 32"):
        rise(PatchEngine(PATCH), red_patch(PATCH), TEXTS, grid=40)
