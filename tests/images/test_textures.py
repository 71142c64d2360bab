"""Cue conflicts: patches come from the texture and follow the shape; amplitudes and phases are those they are meant to be."""

from collections.abc import Callable
from itertools import pairwise, product

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from hypothesis.extra.numpy import arrays

from wordsight.base.arrays import Pixels
from wordsight.base.errors import UsageError
from wordsight.images import textures
from wordsight.images.textures import cue_conflict, least_path

Make = Callable[..., Pixels]
WAYS = ("patches", "amplitudes")


def disk(side: int = 96) -> Pixels:
    rows, columns = np.mgrid[0:side, 0:side] - side // 2
    grey = np.where(rows**2 + columns**2 < (side // 3) ** 2, 220, 30).astype(np.uint8)
    return np.repeat(grey[..., None], 3, axis=2)


def two_materials(side: int = 96) -> Pixels:
    """Dark green speckles above, bright yellow ones below."""
    rng = np.random.default_rng(0)
    base = np.where(np.arange(side)[:, None, None] < side // 2, (10, 60, 20), (230, 210, 40))
    pixels: Pixels = np.clip(base + rng.integers(-9, 10, (side, side, 1)), 0, 255).astype(np.uint8)
    return pixels


@pytest.mark.parametrize("way", WAYS)
@pytest.mark.parametrize("shape", [(16, 16), (50, 120), (97, 64)])
def test_the_result_has_the_size_of_the_shape_and_is_the_same_each_time(photo: Make, way, shape):
    content, texture = photo(*shape), photo(70, 40, seed=1)
    before = content.copy()
    mixed = cue_conflict(content, texture, way=way, seed=3)
    assert mixed.shape == content.shape
    assert mixed.dtype == np.uint8
    assert np.array_equal(mixed, cue_conflict(content, texture, way=way, seed=3))
    assert np.array_equal(content, before)


def test_patches_are_made_of_the_texture_alone_and_follow_the_shape():
    content, texture = disk(), two_materials()
    mixed = cue_conflict(content, texture, way="patches", seed=0)
    colours = {tuple(c) for c in texture.reshape(-1, 3).tolist()}
    assert {tuple(c) for c in mixed.reshape(-1, 3).tolist()} <= colours
    yellow = mixed[..., 0] > 128
    assert (yellow == (content[..., 0] > 128)).mean() > 0.93


def test_the_seed_chooses_other_patches(photo: Make):
    one, other = (cue_conflict(disk(), photo(96, 96), way="patches", seed=seed) for seed in (0, 1))
    assert not np.array_equal(one, other)


def test_amplitudes_are_of_the_texture_and_phases_of_the_shape(photo: Make):
    shape, texture = (photo(32, 48, seed=seed).astype(np.float32) for seed in (0, 1))
    mixed = np.fft.fft2(textures._amplitudes(shape, texture, np.random.default_rng(0)), axes=(0, 1))
    wanted = np.fft.fft2(texture, axes=(0, 1))
    assert np.allclose(np.abs(mixed), np.abs(wanted), rtol=1e-3, atol=1)
    angles = np.angle(mixed * np.conj(np.fft.fft2(shape, axes=(0, 1))))
    assert np.abs(angles[np.abs(wanted) > 100]).max() < 0.02


def test_an_image_with_its_own_amplitudes_stays(photo: Make):
    pixels = photo(40, 40)
    mixed = cue_conflict(pixels, pixels, way="amplitudes", seed=0)
    assert np.abs(mixed.astype(int) - pixels).max() <= 1


@given(costs=arrays(np.float32, st.tuples(st.integers(1, 6), st.integers(1, 4)), elements=st.integers(0, 9).map(float)))
@settings(max_examples=60, deadline=None)
def test_the_seam_is_the_cheapest_of_all(costs):
    path = least_path(costs)
    cost = sum(costs[row, column] for row, column in enumerate(path))
    assert all(abs(a - b) <= 1 for a, b in pairwise(path))
    every = product(range(costs.shape[1]), repeat=len(costs))
    ways = (p for p in every if all(abs(a - b) <= 1 for a, b in pairwise(p)))
    assert cost == min(sum(costs[row, column] for row, column in enumerate(p)) for p in ways)


def test_distances_are_mean_squares():
    rng = np.random.default_rng(0)
    blocks, candidates = rng.random((3, 12)).astype(np.float32), rng.random((5, 2, 2, 3)).astype(np.float32)
    expected = ((blocks[:, None] - candidates.reshape(1, 5, 12)) ** 2).mean(axis=2)
    assert np.allclose(textures._distances(blocks, candidates), expected, atol=1e-6)


def test_levels_are_matched_and_plain_areas_stay_plain():
    luma = np.float32([[0, 0, 5, 9]])
    other = np.float32([[10, 20, 30, 40]])
    assert np.allclose(textures._with_levels_of(luma, other), [[17.5, 17.5, 28.75, 36.25]])  # ranks 1/4, 5/8, 7/8


@pytest.mark.parametrize(
    ("shape", "texture", "way", "seed", "problem"),
    [
        (disk(), disk(), "style", 0, "'style'.*patches, amplitudes"),
        (disk(), disk(), "patches", -1, "seed -1"),
        (disk(12), disk(), "patches", 0, "12 x 12.*16"),
        (disk().astype(float), disk(), "patches", 0, "float64.*uint8"),
        (disk(), disk()[..., 0], "patches", 0, r"\(96, 96\).*\(H, W, 3\)"),
    ],
)
def test_what_cannot_be_mixed_is_named(shape, texture, way, seed, problem):
    with pytest.raises(UsageError, match=problem):
        cue_conflict(shape, texture, way=way, seed=seed)
