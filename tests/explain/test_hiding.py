"""The cheap test of a map: passes where the map lies on what the engine sees, and not elsewhere."""

import sys
from pathlib import Path

import numpy as np
import pytest

from wordsight.base.errors import UsageError
from wordsight.explain.hiding import hiding
from wordsight.explain.perturbed import is_of_one_colour

sys.path.insert(0, str(Path(__file__).parent))

from patch_engine import SIDE, TEXTS, PatchEngine, patch_map, red_patch

PATCH = (slice(4, 10), slice(20, 26))


def test_the_patch_that_is_seen_passes_and_another_fails():
    engine, pixels = PatchEngine(PATCH), red_patch(PATCH)
    right = hiding(engine, pixels, TEXTS[0], patch_map(PATCH)[0])
    assert right.passes and right.p_value == 0.05 and right.fall > max(right.randoms)
    assert len(right.randoms) == 19 and sum(engine.sizes) == 41
    wrong = hiding(engine, pixels, TEXTS[0], patch_map((slice(20, 26), slice(2, 8)))[0])
    assert not wrong.passes and wrong.fall < right.fall
    assert "passes (p = 0.05)" in str(right) and "fails" in str(wrong)


def test_an_even_map_fails_for_all_random_maps_are_the_same():
    even = hiding(PatchEngine(PATCH), red_patch(PATCH), TEXTS[0], np.zeros((SIDE, SIDE), np.float32))
    assert even.p_value == 1 and not even.passes


def test_only_finite_maps_of_the_image_are_tested():
    for wrong in (np.zeros((3, 3), np.float32), np.full((SIDE, SIDE), np.nan, np.float32)):
        with pytest.raises(UsageError, match="give finite values of the shape"):
            hiding(PatchEngine(PATCH), red_patch(PATCH), TEXTS[0], wrong)


def test_one_colour_is_told_from_little_contrast():
    flat = np.full((8, 8, 3), (10, 200, 30), np.uint8)
    assert is_of_one_colour(flat)
    flat[0, 0, 1] -= 2
    assert is_of_one_colour(flat)
    flat[0, 0, 1] -= 1
    assert not is_of_one_colour(flat)
