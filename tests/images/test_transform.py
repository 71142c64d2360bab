"""The reference transform is the published preprocessing; the fast one stays within two levels of it."""

from collections.abc import Callable
from typing import Any

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from numpy.typing import NDArray
from PIL import Image

from wordsight.images.decode import Pixels, decode
from wordsight.images.geometry import corner, resized
from wordsight.images.spec import PreprocessSpec
from wordsight.images.transform import load_pixels, normalise, transform

Make = Callable[..., Any]
SPEC = PreprocessSpec(size=64)


def published(picture: Image.Image, size: int) -> NDArray[np.float64]:
    """CLIP's preprocessing in its own words: Resize(size, BICUBIC), CenterCrop(size), ToTensor, Normalize."""
    width, height = picture.size
    short, long = min(width, height), max(width, height)
    new_long = int(size * long / short)
    new = (size, new_long) if width <= height else (new_long, size)
    picture = picture.resize(new, Image.Resampling.BICUBIC)
    top = round((picture.height - size) / 2.0)
    left = round((picture.width - size) / 2.0)
    picture = picture.crop((left, top, left + size, top + size))
    values = np.asarray(picture, dtype=np.float64) / 255
    mean = np.array([0.48145466, 0.4578275, 0.40821073])
    deviation = np.array([0.26862954, 0.26130258, 0.27577711])
    result: NDArray[np.float64] = ((values - mean) / deviation).transpose(2, 0, 1)
    return result


@pytest.mark.parametrize("size", [32, 64, 224])
@pytest.mark.parametrize("shape", [(375, 500), (500, 375), (224, 224), (333, 227), (97, 61), (50, 41), (64, 301)])
def test_reference_is_the_published_preprocessing(photo: Make, shape: tuple[int, int], size: int) -> None:
    image = photo(*shape)
    spec = PreprocessSpec(size=size)
    ours = normalise(transform(image, spec)[None], spec)[0]
    assert np.abs(ours - published(Image.fromarray(image), size)).max() < 1e-6
    levels = np.rint((ours * np.reshape(spec.std, (3, 1, 1)) + np.reshape(spec.mean, (3, 1, 1))) * 255)
    assert np.array_equal(levels.astype(np.uint8).transpose(1, 2, 0), transform(image, spec))


def test_rounding_of_sizes_and_corners() -> None:
    spec = PreprocessSpec(size=224)
    assert resized(375, 500, spec) == (224, 298)  # 298.67 is cut, not rounded
    assert resized(500, 375, spec) == (298, 224)
    assert resized(1, 1, spec) == (224, 224)
    assert (corner(225, spec), corner(227, spec)) == (0, 2)  # a half goes to the even number
    floor = PreprocessSpec(size=224, crop="floor")
    assert (corner(225, floor), corner(227, floor)) == (0, 1)
    assert [(corner(side, spec), corner(side, floor)) for side in (223, 222, 221)] == [(0, -1), (-1, -1), (-1, -2)]
    assert resized(100, 300, PreprocessSpec(size=50, resize="squash")) == (50, 50)


@pytest.mark.parametrize("interpolation", ["bicubic", "bilinear"])
@pytest.mark.parametrize("resize", ["shortest", "squash"])
@pytest.mark.parametrize(
    "shape",
    [
        (375, 500),
        (501, 333),
        (64, 64),
        (65, 64),
        (64, 129),
        (63, 63),
        (7, 5),
        (1, 1),
        (1, 40),
        (40, 1),
        (3, 700),
        (900, 20),
    ],
)
def test_fast_is_within_two_levels(photo: Make, shape: tuple[int, int], resize: Any, interpolation: Any) -> None:
    spec = PreprocessSpec(size=64, resize=resize, interpolation=interpolation)
    image = photo(*shape)
    assert deviation(load_pixels(image, spec), transform(image, spec)) <= 2


@settings(max_examples=60)
@given(height=st.integers(1, 150), width=st.integers(1, 150), size=st.integers(1, 70), seed=st.integers(0, 9))
def test_fast_is_within_two_levels_on_pure_noise(height: int, width: int, size: int, seed: int) -> None:
    image = np.random.default_rng(seed).choice([0, 255], (height, width, 3)).astype(np.uint8)
    for spec in (PreprocessSpec(size=size), PreprocessSpec(size=size, resize="squash")):
        assert deviation(load_pixels(image, spec), transform(image, spec)) <= 2


def test_fast_takes_large_pictures_in_pieces(photo: Make) -> None:
    image = photo(700, 1101)
    spec = PreprocessSpec(size=224)
    assert deviation(load_pixels(image, spec), transform(image, spec)) <= 2


def test_fast_costs_no_more_than_the_crop() -> None:
    thin = np.full((1, 200_000, 3), 77, dtype=np.uint8)  # the reference would make 6 million columns of it
    assert (load_pixels(thin, PreprocessSpec(size=32)) == 77).all()


def test_load_pixels_is_decode_and_transform(photo: Make, encoded: Make) -> None:
    for kind in ("JPEG", "PNG"):
        data = encoded(photo(90, 120), kind)
        assert deviation(load_pixels(data, SPEC), transform(decode(data), SPEC)) <= 2
        assert deviation(load_pixels(decode(data), SPEC), load_pixels(data, SPEC)) == 0


def test_results_do_not_share_memory(photo: Make) -> None:
    first = load_pixels(photo(90, 120), SPEC)
    kept = first.copy()
    load_pixels(photo(90, 120, seed=1), SPEC)
    assert np.array_equal(first, kept)


def test_scaled_decode_is_close_in_the_mean_only(photo: Make, encoded: Make) -> None:
    data = encoded(photo(800, 900), "JPEG", quality=95)
    scaled = load_pixels(data, SPEC, scaled_decode=True)
    reference = transform(decode(data), SPEC)
    assert scaled.shape == reference.shape
    assert 0 < np.abs(scaled.astype(int) - reference).mean() < 5


def test_normalise_is_the_formula() -> None:
    batch = np.random.default_rng(0).integers(0, 256, (2, 5, 5, 3), dtype=np.uint8)
    spec = PreprocessSpec(size=5, mean=(0.1, 0.2, 0.3), std=(0.5, 0.25, 2.0))
    result = normalise(batch, spec)
    assert result.dtype == np.float32
    assert result.shape == (2, 3, 5, 5)
    assert result.flags.c_contiguous
    expected = (batch[1, 3, 2, 1] / 255 - 0.2) / 0.25
    assert abs(result[1, 1, 3, 2] - expected) < 1e-6


def deviation(one: Pixels, other: Pixels) -> int:
    """Return the largest difference in levels; the shapes must agree."""
    assert one.shape == other.shape
    return int(np.abs(one.astype(int) - other).max())
