"""Every corruption keeps an image's form, repeats itself and gets worse with strength; the simple ones by hand."""

import io
from collections.abc import Callable
from itertools import pairwise
from math import sqrt

import numpy as np
import pytest
from PIL import Image

from wordsight.base.arrays import Pixels
from wordsight.base.errors import UsageError
from wordsight.images.corruptions import CORRUPTIONS, GROUPS, STRENGTHS, corrupt
from wordsight.images.corruptions.blur import _scattered
from wordsight.images.corruptions.digital import _affine_back

Photo = Callable[..., Pixels]

NAMES = tuple(CORRUPTIONS)
IN_SERIES = ("glass blur", "snow", "elastic transform")
RANDOM = frozenset(NAMES) - {"defocus blur", "zoom blur", "brightness", "contrast", "pixelate", "jpeg"}


def smooth(height: int = 112, width: int = 112) -> Pixels:
    """Return slopes of colour with a darker disk: nothing is at the ends of the range."""
    rows, columns = np.mgrid[0:height, 0:width]
    waves = [np.sin(rows / 11 + columns / 17 + phase) for phase in (0, 1, 2)]
    image = 120 + 70 * np.stack(waves, axis=-1)
    image[(rows - height / 2) ** 2 + (columns - width / 2) ** 2 < (height / 4) ** 2] -= 40
    return np.clip(image, 0, 255).astype(np.uint8)


def change(before: Pixels, after: Pixels) -> float:
    """Return the mean absolute difference in levels."""
    return float(np.abs(before.astype(float) - after).mean())


def likeness(before: Pixels, after: Pixels) -> float:
    """Return the correlation of two images' values."""
    return float(np.corrcoef(before.ravel(), after.ravel())[0, 1])


def grey(level: int, height: int = 200, width: int = 200) -> Pixels:
    return np.full((height, width, 3), level, np.uint8)


def test_there_are_fifteen_in_four_groups() -> None:
    assert len(NAMES) == 15
    assert [name for group in GROUPS.values() for name in group] == list(NAMES)


@pytest.mark.parametrize("strength", STRENGTHS)
@pytest.mark.parametrize("name", NAMES)
def test_form_is_kept_and_seeds_decide(name: str, strength: int) -> None:
    image = smooth(97, 61)
    given = image.copy()
    first = corrupt(image, name, strength, seed=5)
    assert first.shape == image.shape and first.dtype == np.uint8
    assert np.array_equal(image, given)
    assert not np.array_equal(first, image)
    assert np.array_equal(first, corrupt(image, name, strength, seed=5))
    other = corrupt(image, name, strength, seed=6)
    assert np.array_equal(first, other) == (name not in RANDOM)


@pytest.mark.parametrize("name", [name for name in NAMES if name not in IN_SERIES and name != "frost"])
def test_stronger_is_further_from_the_image(name: str) -> None:
    image = smooth()
    changes = [np.mean([change(image, corrupt(image, name, s, seed=seed)) for seed in range(3)]) for s in STRENGTHS]
    assert all(weak < strong for weak, strong in pairwise(changes)), changes


@pytest.mark.parametrize("name", IN_SERIES)
def test_some_are_two_series_as_published(name: str) -> None:
    """Strengths 1 and 2 of these are another distortion than 3 to 5 (finer flakes, larger shifts)."""
    image = smooth(224, 224)
    changes = [np.mean([change(image, corrupt(image, name, s, seed=seed)) for seed in range(3)]) for s in STRENGTHS]
    if name == "glass blur":  # passes are 2, 1, 3, 2, 2: only the two series are in order
        assert max(changes[:2]) < min(changes[2:]), changes
    else:
        assert changes[0] < changes[1] and changes[2] < changes[3] < changes[4], changes


def test_frost_leaves_less_of_the_image() -> None:
    """Ice may be as bright as the image: likeness falls with strength, while the difference need not grow."""
    image = smooth()
    alike = [np.mean([likeness(image, corrupt(image, "frost", s, seed=seed)) for seed in range(3)]) for s in STRENGTHS]
    assert all(weak > strong for weak, strong in pairwise(alike)), alike


@pytest.mark.parametrize("name", NAMES)
@pytest.mark.parametrize("size", [(8, 8), (8, 40), (224, 224)])
def test_small_and_usual_sizes_work(photo: Photo, name: str, size: tuple[int, int]) -> None:
    image = photo(*size)
    assert corrupt(image, name, 5, seed=0).shape == image.shape


@pytest.mark.parametrize("level", [0, 128, 255])
@pytest.mark.parametrize("name", NAMES)
def test_flat_grey_images_work(name: str, level: int) -> None:
    after = corrupt(grey(level, 32, 40), name, 3, seed=0)
    channels_differ = np.ptp(after.astype(int), axis=2).max() > 0
    if "noise" not in name and name != "frost":  # noise is a channel's own, ice is bluish
        assert not channels_differ
    if "blur" in name or name in ("contrast", "elastic transform", "pixelate"):
        assert np.abs(after.astype(int) - level).max() <= 1


@pytest.mark.parametrize("name", ["defocus blur", "motion blur", "fog", "snow"])
def test_lengths_grow_with_the_image(name: str) -> None:
    """A blur of an image twice as large, made smaller, is the blur of the small image."""
    large = smooth(224, 224)
    small = np.asarray(Image.fromarray(large).resize((112, 112), Image.Resampling.BOX))
    of_large = Image.fromarray(corrupt(large, name, 3, seed=1)).resize((112, 112), Image.Resampling.BOX)
    scaled, direct = np.asarray(of_large), corrupt(small, name, 3, seed=1)
    assert abs(change(small, scaled) - change(small, direct)) < 0.2 * change(small, direct)


@pytest.mark.parametrize(("strength", "added"), [(1, 25.5), (3, 76.5), (5, 127.5)])
def test_brightness_adds_to_the_value_of_hsv(strength: int, added: float) -> None:
    after = corrupt(grey(100, 8, 8), "brightness", strength, seed=0)
    assert np.abs(after - (100 + added)).max() <= 0.51
    colour = np.broadcast_to(np.array((100, 50, 0), np.uint8), (8, 8, 3))
    expected = np.array((100, 50, 0)) * (100 + added) / 100  # hue and saturation stay: all channels by one factor
    assert np.abs(corrupt(colour, "brightness", strength, seed=0) - expected).max() <= 0.51
    assert (corrupt(grey(200, 8, 8), "brightness", 5, seed=0) == 255).all()
    assert np.abs(corrupt(grey(0, 8, 8), "brightness", strength, seed=0) - added).max() <= 0.51


@pytest.mark.parametrize(("strength", "left"), [(1, 0.4), (2, 0.3), (3, 0.2), (4, 0.1), (5, 0.05)])
def test_contrast_draws_channels_to_their_means(strength: int, left: float) -> None:
    image = np.zeros((8, 8, 3), np.uint8)
    image[:4] = (200, 100, 60)  # means 100, 50, 30
    after = corrupt(image, "contrast", strength, seed=0)
    means = np.array((100, 50, 30))
    assert np.abs(after[:4] - (means + left * means)).max() <= 0.51
    assert np.abs(after[4:] - (means - left * means)).max() <= 0.51


def test_pixelate_makes_squares_of_means() -> None:
    image = np.random.default_rng(0).integers(0, 256, (32, 48, 3), dtype=np.uint8)
    after = corrupt(image, "pixelate", 5, seed=0)  # a quarter of the side is left
    means = image.reshape(8, 4, 12, 4, 3).mean(axis=(1, 3))
    assert np.abs(after - means.repeat(4, axis=0).repeat(4, axis=1)).max() <= 1  # Pillow rounds twice


def test_jpeg_is_what_pillow_saves_at_the_published_quality() -> None:
    image = smooth()
    for strength, quality in zip(STRENGTHS, (25, 18, 15, 10, 7), strict=True):
        buffer = io.BytesIO()
        Image.fromarray(image).save(buffer, "JPEG", quality=quality)
        assert np.array_equal(corrupt(image, "jpeg", strength, seed=0), np.asarray(Image.open(buffer)))


@pytest.mark.parametrize(("strength", "deviation"), [(1, 0.08), (2, 0.12)])
def test_gaussian_noise_has_the_published_deviation(strength: int, deviation: float) -> None:
    noise = corrupt(grey(128), "gaussian noise", strength, seed=0) / 255 - 128 / 255  # 120,000 values, none clipped
    assert abs(noise.std() / deviation - 1) < 0.02
    assert abs(noise.mean()) < 4 * deviation / sqrt(noise.size)
    assert abs(np.corrcoef(noise[..., 0].ravel(), noise[..., 1].ravel())[0, 1]) < 0.02


@pytest.mark.parametrize(("strength", "photons"), [(1, 60), (2, 25)])
def test_shot_noise_has_the_variance_of_counted_photons(strength: int, photons: int) -> None:
    level = 102 / 255  # 24 or 10 photons
    noisy = corrupt(grey(102), "shot noise", strength, seed=0) / 255
    assert abs(noisy.mean() - level) < 0.002
    assert abs(noisy.std() / sqrt(level / photons) - 1) < 0.02
    counts = noisy * photons
    assert np.abs(counts - np.rint(counts)).max() <= 0.51 * photons / 255
    assert (corrupt(grey(0, 8, 8), "shot noise", 5, seed=0) == 0).all()


@pytest.mark.parametrize(("strength", "share"), [(1, 0.03), (3, 0.09), (5, 0.27)])
def test_impulse_noise_loses_the_published_share_of_values(strength: int, share: float) -> None:
    noisy = corrupt(grey(128), "impulse noise", strength, seed=0)
    assert set(np.unique(noisy)) == {0, 128, 255}
    for lost in (0, 255):
        assert abs((noisy == lost).mean() - share / 2) < 0.003


def test_defocus_is_the_mean_over_a_disk() -> None:
    image = grey(0, 224, 224)
    image[112, 112] = 255
    spread = np.argwhere(corrupt(image, "defocus blur", 1, seed=0)[..., 0] > 0) - 112
    assert 2.5 <= np.linalg.norm(spread, axis=1).max() <= 3.2  # radius 3; its softened rim is below one level
    edge = grey(0, 224, 224)
    edge[:, 112:] = 255
    profile = corrupt(edge, "defocus blur", 5, seed=0)[100, :, 0].astype(float)
    assert profile[100] == 0 and profile[124] == 255 and np.all(np.diff(profile) >= 0)
    assert abs(profile[111] + profile[112] - 255) <= 1  # symmetric


def test_motion_blur_keeps_brightness_and_goes_one_way() -> None:
    image = grey(0, 224, 224)
    image[100:124, 100:124] = 255
    after = corrupt(image, "motion blur", 3, seed=2)
    assert abs(after.mean() / image.mean() - 1) < 0.01
    columns = np.nonzero(after[..., 0].max(axis=0) > 2)[0]
    beyond = sorted((100 - columns.min(), columns.max() - 123))
    assert beyond[0] == 0 and 8 <= beyond[1] <= 31


def test_glass_shows_each_pixel_one_of_its_neighbours() -> None:
    height, width = 30, 40
    shown = _scattered(height, width, 2, 1, np.random.default_rng(0))
    rows, columns = np.divmod(shown.reshape(height, width), width)
    down, across = rows - np.arange(height)[:, None], columns - np.arange(width)
    for border in (down[:3], down[29:], across[:, :3], across[:, 39:]):
        assert (border == 0).all()  # too near the border to look around
    assert down.min() == -2  # two rows above at most: those are unchanged yet
    moved = shown.reshape(height, width)[3:29, 3:39] != np.arange(height * width).reshape(height, width)[3:29, 3:39]
    assert moved.mean() > 0.85  # 1 of 16 draws is the pixel itself


def test_glass_scatters_near_pixels_only() -> None:
    image = grey(0, 224, 224)
    image[:, 112:] = 255
    after = corrupt(image, "glass blur", 2, seed=0)[..., 0]  # 2 pixels away in one pass, and a blur of 4
    assert (after[:, :100] == 0).all() and (after[:, 124:] == 255).all()
    rows = after[20:200, 106:118].astype(int)
    assert np.abs(np.diff(rows, axis=0)).max() > 10  # a ragged edge, which no blur makes


def test_elastic_transform_moves_three_corners_by_what_is_drawn() -> None:
    jitter = np.random.default_rng(4).uniform(-6, 6, (3, 2))
    back = _affine_back(60, 90, 6, np.random.default_rng(4))
    corners = np.array([(65, 50), (65, 10), (25, 10)])  # x, y: the middle of 90 x 60, a third of 60 around it
    seen = np.column_stack([corners + jitter, np.ones(3)]) @ back.T
    assert np.abs(seen - corners).max() < 1e-9


def test_zoom_blur_leaves_the_middle_and_moves_the_rim() -> None:
    image = smooth(224, 224)
    difference = np.abs(corrupt(image, "zoom blur", 5, seed=0).astype(float) - image).mean(axis=2)
    assert difference[107:117, 107:117].mean() < 0.2 * difference[:20].mean()


def test_fog_keeps_the_brightest_value_possible_and_dims() -> None:
    image = smooth()
    after = corrupt(image, "fog", 3, seed=0)
    assert after.max() <= image.max()
    assert likeness(image, after) < 0.95


def test_wrong_arguments_are_refused() -> None:
    image = grey(9, 16, 16)
    with pytest.raises(UsageError, match="no corruption 'rain'.*gaussian noise"):
        corrupt(image, "rain", 1, seed=0)
    for strength in (0, 6, -1):
        with pytest.raises(UsageError, match=f"strength {strength} of fog"):
            corrupt(image, "fog", strength, seed=0)
    with pytest.raises(UsageError, match="seed -2"):
        corrupt(image, "fog", 1, seed=-2)
    for wrong in (image[..., 0], image.astype(np.float32), grey(9, 7, 16)):
        with pytest.raises(UsageError, match="an image of"):
            corrupt(wrong, "fog", 1, seed=0)  # type: ignore[arg-type]
