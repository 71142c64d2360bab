"""The reference transform is the published preprocessing; the fast one stays within two levels of it."""

from collections.abc import Callable
from dataclasses import replace
from typing import Any

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from numpy.typing import NDArray
from PIL import Image

from wordsight.base.arrays import Pixels
from wordsight.base.errors import BrokenImage, ConfigError
from wordsight.images import transform as transform_module
from wordsight.images.check import check_preprocess
from wordsight.images.decode import decode, open_image, upright_sides
from wordsight.images.geometry import corner, resized
from wordsight.images.spec import PreprocessSpec
from wordsight.images.transform import load_pixels, load_seen, normalise, transform

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


@pytest.mark.parametrize(("mode", "progressive"), [("RGB", False), ("RGB", True), ("L", False), ("CMYK", False)])
@pytest.mark.parametrize(("resize", "rgb"), [("shortest", "before"), ("squash", "after"), ("longest", "after")])
def test_large_jpegs_are_decoded_at_a_fraction(
    encoded: Make, photo: Make, mode: str, progressive: bool, resize: Any, rgb: Any
) -> None:
    spec = PreprocessSpec(size=32, rgb=rgb, resize=resize)
    data = encoded(Image.fromarray(photo(503, 651)).convert(mode), "JPEG", quality=92, progressive=progressive)
    assert 0 < apart_from_exact(data, spec) < 1.5


@pytest.mark.parametrize("turn", range(2, 9))
def test_a_fraction_of_a_turned_image_is_cut_where_the_whole_is(encoded: Make, photo: Make, turn: int) -> None:
    exif = Image.Exif()
    exif[0x0112] = turn
    data = encoded(photo(503, 651), "JPEG", quality=92, exif=exif)
    for spec in (
        PreprocessSpec(size=32, resize="squash"),
        PreprocessSpec(resize="patches", patch=8, max_patches=16),
    ):
        assert 0 < apart_from_exact(data, spec) < 1.5
    seen = load_seen(data, PreprocessSpec(size=32))
    assert (seen.width, seen.height) == ((503, 651) if turn > 4 else (651, 503))


@pytest.mark.parametrize("turn", range(1, 9))
def test_sides_by_the_header_of_a_jpeg_are_those_of_the_upright_image(photo: Make, encoded: Make, turn: int) -> None:
    exif = Image.Exif()
    exif[0x0112] = turn
    for kind, by_header in (("JPEG", True), ("MPO", True), ("PNG", False), ("WEBP", False)):
        data = encoded(photo(203, 301), kind, exif=exif)
        for size in (16, 224):  # decoded at a fraction, and whole
            seen = load_seen(data, PreprocessSpec(size=size))
            assert upright_sides(data) == ((seen.width, seen.height) if by_header else None)


def test_sides_of_what_is_no_whole_header_are_an_error() -> None:
    with pytest.raises(BrokenImage, match="row 3"):
        upright_sides(b"\xff\xd8\xff", name="row 3")


def apart_from_exact(data: bytes, spec: PreprocessSpec) -> float:
    """Return the mean difference in levels of the fast pixels from the exact ones."""
    exact, fast = (load_seen(data, spec, quality=quality) for quality in ("exact", "fast"))
    assert exact.pixels.shape == fast.pixels.shape
    assert (fast.width, fast.height) == (exact.width, exact.height)
    return float(np.abs(exact.pixels.astype(int) - fast.pixels).mean())


def test_an_edge_stays_where_it_is_in_a_fraction_of_an_image(encoded: Make) -> None:
    scene = np.zeros((1607, 1607, 3), dtype=np.uint8)
    scene[:, 1206:] = 255  # three quarters to the right: 48.03 of 64
    data = encoded(Image.fromarray(scene), "JPEG", quality=95)
    exact, fast = (load_pixels(data, SPEC, quality=quality).astype(int) for quality in ("exact", "fast"))
    assert np.abs(exact.sum(axis=1) - fast.sum(axis=1)).max() < 0.06 * 255  # hundredths of a column


@pytest.mark.parametrize(("side", "fraction"), [(243, 1), (244, 2), (487, 2), (488, 4), (976, 8), (2000, 8)])
def test_a_fraction_leaves_nearly_twice_what_the_tower_sees(
    encoded: Make, monkeypatch: pytest.MonkeyPatch, side: int, fraction: int
) -> None:
    shapes: list[tuple[int, ...]] = []
    resized_crop = transform_module.resize_crop

    def spy(samples: Any, *arguments: Any, **named: Any) -> Pixels:
        shapes.append(samples.shape)
        return resized_crop(samples, *arguments, **named)

    monkeypatch.setattr(transform_module, "resize_crop", spy)
    load_pixels(encoded(Image.new("RGB", (side + 9, side), "red"), "JPEG"), SPEC)
    assert shapes == [(-(-side // fraction), -(-(side + 9) // fraction), 3)]


def test_without_antialiasing_all_of_a_jpeg_is_decoded(encoded: Make, photo: Make) -> None:
    data = encoded(photo(600, 700), "JPEG", quality=92)
    spec = PreprocessSpec(size=32, resize="squash", interpolation="bilinear", antialias=False)
    assert deviation(load_pixels(data, spec), transform(decode(data), spec)) == 0


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


@pytest.mark.parametrize("interpolation", ["bicubic", "bilinear", "lanczos"])
@pytest.mark.parametrize(
    "spec",
    [
        PreprocessSpec(size=60, scale_to=64),
        PreprocessSpec(size=50, scale_to=57, resize="squash", crop="floor"),
        PreprocessSpec(resize="patches", patch=7, max_patches=80),
    ],
)
def test_fast_is_within_two_levels_for_every_way_to_cut(photo: Make, spec: PreprocessSpec, interpolation: Any) -> None:
    spec = replace(spec, interpolation=interpolation)
    shapes = [(90, 121), (40, 300), (61, 33)]
    assert 0 < max(deviation(transform(photo(*shape), spec), load_pixels(photo(*shape), spec)) for shape in shapes) <= 2


def test_exact_is_the_reference(photo: Make, encoded: Make) -> None:
    image = photo(90, 121)
    for item in (image, encoded(image), Image.fromarray(image)):
        assert deviation(load_pixels(item, SPEC, quality="exact"), transform(image, SPEC)) == 0
    assert deviation(load_pixels(image, SPEC), transform(image, SPEC)) > 0
    thin = np.full((1, 2_000_000, 3), 77, dtype=np.uint8)  # the reference would need 24 GiB
    assert (load_pixels(thin, PreprocessSpec(size=64), quality="exact") == 77).all()


def test_what_is_not_there_is_filled() -> None:
    white = np.full((20, 10, 3), 255, dtype=np.uint8)
    spec = PreprocessSpec(size=8, resize="longest", fill=9)
    assert transform(white, spec)[4, :, 0].tolist() == [9, 9, 255, 255, 255, 255, 9, 9]
    small = PreprocessSpec(size=7, scale_to=4)
    assert transform(white[:10], small)[3, :, 0].tolist() == [0, 255, 255, 255, 255, 0, 0]
    floor = PreprocessSpec(size=7, scale_to=4, crop="floor")
    assert transform(white[:10], floor)[3, :, 0].tolist() == [0, 0, 255, 255, 255, 255, 0]


def test_patches_keep_the_shape() -> None:
    spec = PreprocessSpec(resize="patches", patch=16, max_patches=256)
    assert resized(480, 640, spec) == (224, 288)
    assert resized(640, 480, spec) == (288, 224)
    assert resized(1, 1, spec) == (112, 112)  # no more than a hundred times as large, in whole patches
    assert resized(5, 4000, spec) == (16, 4096)
    with pytest.raises(ConfigError, match="max_patches"):
        resized(5, 5, PreprocessSpec(resize="patches"))


def test_colours_before_or_after() -> None:
    clear_red = Image.new("RGBA", (40, 40), (255, 0, 0, 0))
    before, after = (PreprocessSpec(size=8, resize="squash", rgb=rgb) for rgb in ("before", "after"))
    assert (load_pixels(clear_red, before) == 255).all()  # nothing but the white behind it
    assert (load_pixels(clear_red, after) == 0).all()  # Pillow resizes what is clear as black
    assert load_pixels(clear_red, PreprocessSpec(size=40, rgb="after"))[0, 0].tolist() == [255, 0, 0]


@pytest.mark.parametrize("rgb", ["before", "after"])
def test_a_picture_opened_before_comes_out_the_same(rgb: Any, photo: Make, encoded: Make) -> None:
    exif = Image.Exif()
    exif[0x0112] = 6
    spec = PreprocessSpec(size=16, rgb=rgb)
    for mode in ("RGB", "RGBA", "P"):
        data = encoded(Image.fromarray(photo(40, 60)).convert(mode), exif=exif)
        kept = open_image(data, colours="kept")
        assert (kept.size, kept.mode) == ((40, 60), mode)
        assert deviation(load_pixels(kept, spec), load_pixels(data, spec)) == 0


def test_without_antialiasing_every_pixel_sees_its_four_neighbours() -> None:
    image = np.random.default_rng(0).integers(0, 256, (37, 50, 3), dtype=np.uint8)
    spec = PreprocessSpec(size=16, resize="squash", interpolation="bilinear", antialias=False)
    found = load_pixels(image, spec)
    one = np.float32(1)
    for y, x in [(0, 0), (0, 15), (15, 0), (15, 15), (7, 9), (3, 12)]:
        row, column = (np.float32((at + 0.5) * (side / 16) - 0.5) for at, side in ((y, 37), (x, 50)))
        top, left = int(np.floor(row)), int(np.floor(column))
        share, across = row - np.float32(top), column - np.float32(left)
        four = image[top : top + 2, left : left + 2].astype(np.float32)
        lines = four[:, 0] * (one - across) + four[:, 1] * across
        wanted = lines[0] * (one - share) + lines[1] * share
        assert np.abs(found[y, x] + 0.5 - wanted).max() <= 0.501  # cut to whole levels, not rounded
    near = load_pixels(image, PreprocessSpec(size=16, resize="squash", interpolation="nearest", antialias=False))
    assert near[3, 5].tolist() == image[int(3.5 * 37 / 16), int(5.5 * 50 / 16)].tolist()


def test_without_antialiasing_a_picture_that_fits_is_left_alone(photo: Make) -> None:
    image = photo(16, 16)
    spec = PreprocessSpec(size=16, resize="squash", interpolation="bilinear", antialias=False)
    assert deviation(load_pixels(image, spec), image) == 0
    with pytest.raises(ConfigError, match="bicubic"):
        load_pixels(image, replace(spec, interpolation="bicubic"))


@pytest.mark.parametrize(
    "wrong",
    [
        {"size": 0},
        {"scale_to": -1},
        {"resize": "patches", "patch": 16},
        {"fill": 256},
        {"std": (0.5, 0.0, 0.5)},
        {"antialias": False},
        {"antialias": False, "interpolation": "bilinear", "rgb": "after"},
        {"antialias": False, "interpolation": "bilinear", "resize": "longest"},
    ],
)
def test_what_cannot_be_done_is_refused_before_any_picture(wrong: dict[str, Any]) -> None:
    check_preprocess(PreprocessSpec())
    with pytest.raises(ConfigError):
        check_preprocess(PreprocessSpec(**wrong))
