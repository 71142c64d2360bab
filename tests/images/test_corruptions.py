"""The fifteen corruptions: their definitions on values that can be worked out, their strengths, sizes and errors."""

import colorsys
import io
from collections.abc import Callable

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from PIL import Image

from wordsight.base.arrays import Pixels
from wordsight.base.errors import UsageError
from wordsight.images.corruptions import CORRUPTIONS, GROUPS, corrupt, digital, filters, noise, weather
from wordsight.images.corruptions import blur as blurs

Make = Callable[..., Pixels]
RANDOM = [
    "gaussian noise", "shot noise", "impulse noise", "glass blur", "motion blur", "snow", "frost", "fog", "elastic transform"
]  # fmt: skip
NOT_RISING = (
    "elastic transform",
    "frost",
    "snow",
    "glass blur",
    "fog",
)  # another kind, or other clouds, at each strength


def generator(seed=0):
    return np.random.default_rng(seed)


def error(a: Pixels, b: Pixels) -> float:
    return float(((a.astype(float) - b) ** 2).mean())


def test_the_groups_hold_every_corruption_once():
    assert [name for group in GROUPS.values() for name in group] == list(CORRUPTIONS)
    assert len(CORRUPTIONS) == 15


@pytest.mark.parametrize("name", CORRUPTIONS)
def test_every_strength_changes_a_copy_and_the_same_seed_gives_the_same(photo: Make, name: str):
    pixels = photo(96, 96)
    before = pixels.copy()
    for strength in range(1, 6):
        changed = corrupt(pixels, name, strength, seed=5)
        assert changed.shape == pixels.shape
        assert changed.dtype == np.uint8
        assert error(changed, pixels) > 1
    assert np.array_equal(changed, corrupt(pixels, name, 5, seed=5))
    assert np.array_equal(pixels, before)


@pytest.mark.parametrize("name", CORRUPTIONS)
@pytest.mark.parametrize("shape", [(8, 8), (17, 60), (130, 97), (448, 448)])
def test_other_shapes_work(photo: Make, name: str, shape: tuple[int, int]):
    assert corrupt(photo(*shape), name, 5, seed=1).shape == (*shape, 3)


@pytest.mark.parametrize("name", CORRUPTIONS)
def test_the_seed_counts_where_chance_has_a_part(photo: Make, name: str):
    pixels = photo(96, 96)
    same = np.array_equal(corrupt(pixels, name, 3, seed=0), corrupt(pixels, name, 3, seed=1))
    assert same == (name not in RANDOM)


@pytest.mark.parametrize("name", [name for name in CORRUPTIONS if name not in NOT_RISING])
def test_greater_strengths_change_more(name: str):
    details = filters.clouds(1.5, generator())[:224, :224]  # of every size, as in photographs
    pixels = np.rint(255 * details[..., None].repeat(3, axis=2)).astype(np.uint8)
    errors = [error(corrupt(pixels, name, strength, seed=2), pixels) for strength in range(1, 6)]
    assert errors == sorted(errors)


@pytest.mark.parametrize(
    "name", ["defocus blur", "glass blur", "motion blur", "zoom blur", "elastic transform", "pixelate"]
)
@given(level=st.integers(0, 255), seed=st.integers(0, 2**40))
@settings(max_examples=5, deadline=None)
def test_a_plain_area_stays_plain(name: str, level: int, seed: int):
    pixels = np.full((32, 40, 3), level, np.uint8)
    assert np.array_equal(corrupt(pixels, name, 5, seed=seed), pixels)


@pytest.mark.parametrize(
    ("name", "strength", "seed", "pixels", "words"),
    [
        ("rain", 1, 0, np.zeros((9, 9, 3), np.uint8), "'rain'.*gaussian noise"),
        ("fog", 0, 0, np.zeros((9, 9, 3), np.uint8), "strength 0.*1, 2, 3, 4 or 5"),
        ("fog", 6, 0, np.zeros((9, 9, 3), np.uint8), "strength 6.*1, 2, 3, 4 or 5"),
        ("fog", 1, -1, np.zeros((9, 9, 3), np.uint8), "seed -1.*from 0"),
        ("fog", 1, 0, np.zeros((9, 9, 3), np.float32), "float32.*uint8"),
        ("fog", 1, 0, np.zeros((9, 9), np.uint8), r"\(9, 9\).*\(H, W, 3\)"),
        ("fog", 1, 0, np.zeros((9, 7, 3), np.uint8), "7 x 9.*8 or more"),
    ],
)
def test_what_cannot_be_used_is_named_with_the_cure(name, strength, seed, pixels, words):
    with pytest.raises(UsageError, match=words):
        corrupt(pixels, name, strength, seed=seed)


# noise, on grey

GREY = np.full((200, 200, 3), 0.5, np.float32)


def test_gaussian_noise_has_the_published_deviation():
    changes = noise.gaussian_noise(GREY, 2, generator()) - GREY
    assert changes.std() == pytest.approx(0.12, rel=0.02)
    assert changes.mean() == pytest.approx(0, abs=0.002)


def test_shot_noise_counts_photons():
    counts = noise.shot_noise(GREY, 3, generator()) * 12
    assert np.allclose(counts, np.rint(counts), atol=1e-4)
    assert counts.mean() == pytest.approx(6, rel=0.01)
    assert counts.var() == pytest.approx(6, rel=0.03)  # of Poisson: the mean


def test_impulse_noise_loses_the_published_share_to_black_and_white_alike():
    changed = noise.impulse_noise(GREY, 5, generator())
    assert set(np.unique(changed)) == {0, 0.5, 1}
    assert (changed == 0).mean() == pytest.approx(0.135, abs=0.004)
    assert (changed == 1).mean() == pytest.approx(0.135, abs=0.004)


# blur


def dot(side: int) -> filters.Planes:
    image = np.zeros((side, side, 3), np.float32)
    image[side // 2, side // 2] = 1
    return image


def test_defocus_makes_a_dot_a_disk():
    spread = blurs.defocus_blur(dot(224), 5, generator())[..., 0]
    inside = sum(x * x + y * y <= 100 for x in range(-10, 11) for y in range(-10, 11))
    assert inside == 317
    assert spread[112, 112] == pytest.approx(1 / 317, abs=1e-6)
    assert spread[112, 119] == pytest.approx(1 / 317, abs=1e-6)
    assert spread.sum() == pytest.approx(1, abs=1e-4)
    assert abs(spread[112, 112 + 13 :]).max() < 1e-6


def test_lengths_grow_with_the_side():
    def width(side: int) -> float:
        spread = blurs.defocus_blur(dot(side), 5, generator())[..., 0].clip(min=0)
        return float(np.sqrt((spread.sum(axis=0) * (np.arange(side) - side // 2) ** 2).sum()))

    assert width(448) == pytest.approx(2 * width(224), rel=0.02)
    assert width(224) == pytest.approx(5, rel=0.03)  # of a disk: half its radius


def test_glass_leaves_the_border_and_moves_the_rest_a_little():
    order = blurs._copied(40, 50, 2, 1, generator())
    rows, columns = np.divmod(order.reshape(40, 50), 50)
    here_rows, here_columns = np.mgrid[0:40, 0:50]
    moved = np.maximum(abs(rows - here_rows), abs(columns - here_columns))
    assert moved[:2].max() == moved[39:].max() == moved[:, :2].max() == moved[:, 49:].max() == 0
    assert 0.8 < moved[3:38, 3:48].mean() < 4
    assert len(np.unique(order)) < order.size  # copied, not exchanged


def test_motion_makes_a_dot_half_a_gaussian_to_the_left():
    line = np.zeros((9, 31), np.float32)
    line[4, 20] = 1
    moved = filters.moved(line, radius=3, sigma=2, angle=0)
    weights = np.exp(-0.5 * (np.arange(7) / 2) ** 2)
    expected = np.zeros((9, 31))
    expected[4, 20 - np.arange(7)] = weights / weights.sum()
    assert np.allclose(moved, expected, atol=1e-6)


def test_motion_repeats_the_border():
    line = np.tile(np.arange(5, dtype=np.float32), (3, 1))
    moved = filters.moved(line, radius=1, sigma=100, angle=0)  # nearly the mean of three
    assert np.allclose(moved[1], [1, 2, 3, 11 / 3, 4], atol=1e-3)


@pytest.mark.parametrize("factor", [1.0, 1.3, 2.0, 4.5])
def test_zoom_shows_the_middle(factor: float):
    ramp = np.tile(np.arange(60, dtype=np.float32), (60, 1))
    row = filters.zoomed(ramp, factor)[30]
    part = int(np.ceil(60 / factor))
    first = (60 - part) // 2
    long = np.linspace(first, first + part - 1, round(part * factor))
    assert np.allclose(row, long[:60], atol=1e-3)


@pytest.mark.parametrize(("border", "padding"), [("nearest", "edge"), ("reflect", "symmetric"), ("mirror", "reflect")])
@pytest.mark.parametrize("sigma", [0.8, 9.0])
def test_gaussian_blur_is_the_plain_sum(border, padding, sigma):
    plane = generator().random((23, 17)).astype(np.float32)
    radius = int(3 * sigma + 0.5)
    taps = np.exp(-0.5 * (np.arange(-radius, radius + 1) / sigma) ** 2)
    padded = np.pad(plane.astype(float), radius, mode=padding)
    for axis in (0, 1):
        padded = np.apply_along_axis(np.convolve, axis, padded, taps / taps.sum(), "valid")
    assert np.allclose(filters.gaussian_blur(plane, sigma, truncate=3, border=border), padded, atol=1e-6)


def test_points_between_pixels_are_interpolated():
    image = np.arange(12, dtype=np.float32).reshape(3, 4, 1)
    rows, columns = np.float32([[0.5, 2.0, -1.0]]), np.float32([[1.25, 3.5, 0.0]])
    got = filters.at_points(image, rows, columns, border="mirror")[0, :, 0]
    assert got == pytest.approx([3.25, 10.5, 4.0])  # mirrored at the border: 11 and 10; row 1


# weather


def test_clouds_fill_their_range_and_a_small_decay_is_finer():
    soft, fine = (filters.clouds(decay, generator(), size=64) for decay in (3.0, 1.4))
    assert soft.min() == fine.min() == 0
    assert soft.max() == fine.max() == 1
    assert np.abs(np.diff(fine)).mean() > 2 * np.abs(np.diff(soft)).mean()
    assert abs(soft[:, 0] - soft[:, -1]).max() < 0.2  # it repeats


def test_fog_keeps_the_brightest_value_within_reach():
    image = np.full((64, 64, 3), 0.6, np.float32)
    foggy = weather.fog(image, 1, generator())
    assert foggy.max() <= 0.6 + 1e-6
    assert foggy.min() == pytest.approx(0.6 * 0.6 / 2.1, rel=0.2)


def test_brightness_adds_to_the_value_of_hsv():
    image = np.float32([[[0.2, 0.4, 0.1], [0, 0, 0], [0.95, 0.5, 0.9]]])
    changed = weather.brightness(image, 1, generator())
    for before, after in zip(image[0], changed[0], strict=True):
        hue, saturation, value = colorsys.rgb_to_hsv(*map(float, before))
        assert after == pytest.approx(colorsys.hsv_to_rgb(hue, saturation, min(1, value + 0.1)), abs=1e-6)


def test_snow_makes_a_scene_pale_and_falls_the_same_upside_down():
    flakes = weather.snow(np.zeros((224, 224, 3), np.float32), 1, generator()) - 0.2 * 0.5  # black turns pale grey
    assert np.allclose(flakes, flakes[::-1, ::-1], atol=1e-6)
    assert 0.005 < (flakes > 0.1).mean() < 0.5
    assert flakes.min() == pytest.approx(0, abs=1e-6)


@pytest.mark.parametrize("seed", range(4))
def test_frost_is_bluish_and_has_edges(seed: int):
    black = np.zeros((224, 224, 3), np.float32)
    ice = weather.frost(black, 5, generator(seed)) / 0.75
    assert 0.35 < ice.mean() < 0.85
    assert ice[..., 2].mean() > ice[..., 0].mean()
    assert 0.05 < ice.mean(axis=2).std() < 0.2
    assert np.abs(np.diff(ice[..., 1])).mean() > 0.01


# digital


def test_contrast_draws_towards_the_mean():
    image = np.float32([[[0.2, 0, 1], [0.6, 0, 0]]])
    assert np.allclose(digital.contrast(image, 1, generator()), [[[0.32, 0, 0.7], [0.48, 0, 0.3]]], atol=1e-6)


def test_pixelate_averages_boxes(photo: Make):
    pixels = photo(40, 40)
    means = pixels.reshape(10, 4, 10, 4, 3).mean(axis=(1, 3))
    expected = means.repeat(4, axis=0).repeat(4, axis=1)
    assert (
        np.abs(corrupt(pixels, "pixelate", 5, seed=0) - expected).max() <= 1
    )  # Pillow rounds the rows, then the columns


def test_jpeg_is_one_of_low_quality(photo: Make):
    pixels = photo(64, 64)
    buffer = io.BytesIO()
    Image.fromarray(pixels).save(buffer, "JPEG", quality=7)
    assert np.array_equal(corrupt(pixels, "jpeg", 5, seed=0), np.asarray(Image.open(buffer)))


def test_elastic_moves_points_by_what_was_drawn():
    """The image of a ramp shows where each pixel comes from: an affine map, then a smooth displacement."""
    ramp = np.tile(np.linspace(0, 1, 224, dtype=np.float32), (224, 1))[..., None].repeat(3, axis=2)
    changed = digital.elastic_transform(ramp, 4, generator(3))[40:-40, 40:-40, 0]
    shifts = (changed - ramp[40:-40, 40:-40, 0]) * 223
    assert 0.2 < shifts.std() < 4  # 17 x uniform noise after sigma 2.4, and corners of 5 pixels' jitter
    again = generator(3)
    again.uniform(size=(3, 2))
    across = (
        244
        * 0.07
        * filters.gaussian_blur(again.uniform(-1, 1, (224, 224)).astype(np.float32), 2.44, truncate=3, border="reflect")
    )
    left = shifts - across[40:-40, 40:-40]
    assert np.abs(np.diff(left, n=2, axis=1)).mean() < 0.3 * np.abs(np.diff(shifts, n=2, axis=1)).mean()


def test_elastic_displaces_by_the_same_share_of_any_side(monkeypatch):
    monkeypatch.setattr(digital, "_affine_back", lambda *_: np.float64([[1, 0, 0], [0, 1, 0]]))

    def spread(side: int) -> float:
        ramp = np.tile(np.linspace(0, 1, side, dtype=np.float32), (side, 1))[..., None].repeat(3, axis=2)
        return float((digital.elastic_transform(ramp, 4, generator()) - ramp)[20:-20, 20:-20].std())

    assert spread(448) == pytest.approx(spread(224), rel=0.1)
    assert spread(96) == pytest.approx(spread(224), rel=0.2)


def test_three_corners_go_where_they_were_moved():
    back = digital._affine_back(60, 90, 7.0, generator(1))
    corners = np.array([(65, 50), (65, 10), (25, 10)])
    drawn = corners + generator(1).uniform(-7, 7, (3, 2))
    assert np.allclose(back @ np.column_stack([drawn, np.ones(3)]).T, corners.T)
