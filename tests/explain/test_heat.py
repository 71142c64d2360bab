"""Maps over pictures: where they lie, what is left grey, how they are scaled."""

import numpy as np
import pytest

from wordsight.explain.heat import against, on_image, overlay, scaled
from wordsight.images.geometry import framed
from wordsight.images.spec import PreprocessSpec


@pytest.mark.parametrize(
    ("resize", "seen"), [("shortest", (slice(0, 40), slice(20, 60))), ("squash", (slice(0, 40), slice(0, 80)))]
)
def test_it_lies_where_the_tower_looked(resize, seen):
    spec = PreprocessSpec(size=20, resize=resize)
    square = np.ones((1, 20, 20), np.float32)
    over = on_image(square, framed(40, 80, spec), (40, 80))
    inside = np.zeros((40, 80), bool)
    inside[seen] = True
    assert np.array_equal(~np.isnan(over[0]), inside)


def test_a_padded_picture_leaves_the_padding_out():
    square = np.arange(400, dtype=np.float32).reshape(1, 20, 20)
    over = on_image(square, framed(40, 80, PreprocessSpec(size=20, resize="longest")), (40, 80))
    assert not np.isnan(over).any()
    assert (over.min(), over.max()) == (100, 299)  # rows 5 to 14 of the square hold the picture


def test_a_corner_of_the_square_is_a_corner_of_what_was_seen():
    square = np.zeros((1, 20, 20), np.float32)
    square[0, 0, 19] = 1
    over = on_image(square, framed(40, 80, PreprocessSpec(size=20)), (40, 80))
    assert np.argwhere(over[0] == 1).tolist() == [[0, 58], [0, 59], [1, 58], [1, 59]]


def test_values_go_from_nothing_to_one():
    maps = np.array([[[1, 3], [np.nan, 2]], [[5, 5], [np.nan, 5]]], np.float32)
    assert np.array_equal(scaled(maps), np.array([[[0, 1], [np.nan, 0.5]], [[0, 0], [np.nan, 0]]]), equal_nan=True)


def test_the_stronger_the_more_colour_and_what_was_not_seen_is_dark_and_grey():
    picture = np.full((2, 3, 3), 200, np.uint8)
    heat = np.array([[0, 0.5, 1], [np.nan, 0, 0]], np.float32)
    drawn = overlay(picture, heat).astype(int)
    assert drawn[0, 2, 0] - drawn[0, 2, 2] > 80  # red where it is strongest
    assert len(set(drawn[1, 0])) == 1
    assert drawn[1, 0, 0] < 100
    both = against(picture, heat, 1 - heat).astype(int)
    assert both[0, 2, 2] > both[0, 2, 0] + 40  # blue for the first
    assert both[0, 0, 0] > both[0, 0, 2] + 40  # orange for the second
    assert np.array_equal(both[0, 1], [200, 200, 200])
