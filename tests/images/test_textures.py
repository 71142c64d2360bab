"""Cue conflicts keep the shape's light and dark and are made of the texture."""

from collections.abc import Callable

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from hypothesis.extra import numpy as arrays

from wordsight.base.arrays import Pixels
from wordsight.base.errors import UsageError
from wordsight.images.textures import CONFLICT_WAYS, ConflictWay, _beyond_cut, cue_conflict

Photo = Callable[..., Pixels]


def disk(height: int, width: int) -> Pixels:
    """Return a white disk on black."""
    rows, columns = np.mgrid[0:height, 0:width]
    inside = (rows - height / 2) ** 2 + (columns - width / 2) ** 2 < (min(height, width) / 3) ** 2
    return np.repeat(inside[..., None] * np.uint8(255), 3, axis=2).astype(np.uint8)


def stripes(height: int, width: int) -> Pixels:
    """Return a texture of two colours: red stripes on the left, blue ones on the right, which are darker."""
    columns = np.arange(width) // 2 % 2
    left, right = np.array((250, 120, 90)), np.array((10, 20, 90))
    line = np.where(np.arange(width)[:, None] < width / 2, left, right) - columns[:, None] * 10
    return np.broadcast_to(line, (height, width, 3)).astype(np.uint8)


@pytest.mark.parametrize("way", CONFLICT_WAYS)
@pytest.mark.parametrize("size", [(97, 61), (61, 97), (160, 160), (16, 40)])
def test_the_result_has_the_shapes_size_and_depends_on_nothing_else(
    photo: Photo, way: ConflictWay, size: tuple[int, int]
) -> None:
    shape, texture = photo(*size, seed=1), photo(70, 83, seed=2)
    before = shape.copy(), texture.copy()
    first = cue_conflict(shape, texture, way=way, seed=3)
    assert first.shape == shape.shape and first.dtype == np.uint8
    assert np.array_equal(first, cue_conflict(shape, texture, way=way, seed=3))
    assert np.array_equal(shape, before[0]) and np.array_equal(texture, before[1])
    assert not np.array_equal(first, shape)


def test_another_seed_gives_other_patches(photo: Photo) -> None:
    shape, texture = photo(160, 160, seed=1), photo(160, 160, seed=2)
    one, other = (cue_conflict(shape, texture, way="patches", seed=seed) for seed in (0, 1))
    assert not np.array_equal(one, other)


def test_patches_are_bright_where_the_shape_is_and_hold_only_colours_of_the_texture() -> None:
    shape, texture = disk(120, 120), stripes(120, 120)
    mixed = cue_conflict(shape, texture, way="patches", seed=0)
    inside = shape[..., 0] > 0
    deep = inside & np.roll(inside, 12, 0) & np.roll(inside, -12, 0) & np.roll(inside, 12, 1) & np.roll(inside, -12, 1)
    red = mixed[..., 0] > 128
    assert red[deep].mean() > 0.95
    assert red[~inside].mean() < 0.35  # half of the texture is red, a third of the shape bright: some must go beyond
    offered = {tuple(colour) for colour in texture.reshape(-1, 3)}
    assert {tuple(colour) for colour in mixed.reshape(-1, 3)} <= offered


def test_a_texture_on_its_own_image_is_nearly_that_image() -> None:
    rows, columns = np.mgrid[0:64, 0:64]
    image = np.stack([rows * 3, columns * 3, (rows + columns)], axis=-1).astype(np.uint8)
    mixed = cue_conflict(image, image, way="patches", seed=0)
    assert np.abs(mixed.astype(int) - image).mean() < 12  # patches of 5 pixels, each drawn where it was or near
    swapped = cue_conflict(image, image, way="amplitudes", seed=0)
    assert np.abs(swapped.astype(int) - image).max() <= 1


def test_amplitudes_are_the_textures_and_phases_the_shapes() -> None:
    shape, texture = np.zeros((2, 32, 32, 3))
    columns = 2 * np.pi * np.arange(32) / 32
    shape += (128 + 100 * np.cos(3 * columns + 1))[None, :, None]  # wave 3 with phase 1
    texture += (100 + 40 * np.cos(3 * columns + 2))[None, :, None]  # the same wave, weaker, shifted, on a darker level
    mixed = cue_conflict(np.rint(shape).astype(np.uint8), np.rint(texture).astype(np.uint8), way="amplitudes", seed=0)
    expected = 100 + 40 * np.cos(3 * columns + 1)
    assert np.abs(mixed - expected[None, :, None]).max() < 4  # rounding to levels has waves of its own


@settings(max_examples=50, deadline=None)
@given(arrays.arrays(np.float32, st.tuples(st.integers(1, 5), st.integers(1, 4)), elements=st.integers(0, 9)))
def test_the_cut_is_the_cheapest_path(costs: np.ndarray[tuple[int, int], np.dtype[np.float32]]) -> None:
    beyond = _beyond_cut(costs)
    columns = beyond.argmax(axis=1)
    assert beyond.any(axis=1).all() and (np.abs(np.diff(columns)) <= 1).all()
    assert (np.sort(beyond, axis=1) == beyond).all()  # all that lies right of the cut
    paths = [[column] for column in range(costs.shape[1])]
    for _ in range(len(costs) - 1):
        paths = [[*p, p[-1] + d] for p in paths for d in (-1, 0, 1) if 0 <= p[-1] + d < costs.shape[1]]
    cheapest = min(sum(costs[row, column] for row, column in enumerate(path)) for path in paths)
    assert sum(costs[row, column] for row, column in enumerate(columns)) == cheapest


@pytest.mark.parametrize("way", CONFLICT_WAYS)
def test_flat_images_have_a_result(way: ConflictWay) -> None:
    black, grey = np.zeros((20, 30, 3), np.uint8), np.full((40, 25, 3), 77, np.uint8)
    assert (cue_conflict(black, grey, way=way, seed=0) == 77).all()


def test_wrong_arguments_are_refused() -> None:
    image, small = np.zeros((32, 32, 3), np.uint8), np.zeros((15, 32, 3), np.uint8)
    with pytest.raises(UsageError, match="style"):
        cue_conflict(image, image, way="style", seed=0)  # type: ignore[arg-type]
    with pytest.raises(UsageError, match="seed -1"):
        cue_conflict(image, image, way="patches", seed=-1)
    for pair in ((image, small), (small, image)):
        with pytest.raises(UsageError, match="32 x 15"):
            cue_conflict(*pair, way="amplitudes", seed=0)
    with pytest.raises(UsageError, match="float64"):
        cue_conflict(image, image / 255, way="patches", seed=0)
