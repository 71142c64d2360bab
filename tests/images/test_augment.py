"""Augmentation: what it may change, and that its chance is only the generator's."""

from collections.abc import Callable
from typing import Any

import numpy as np
import pytest

from wordsight.base.errors import ConfigError
from wordsight.images.augment import Augmentation, augment

Make = Callable[..., Any]
COLOURS = Augmentation(scale=(0.3, 1.0), brightness=0.4, contrast=0.4, saturation=0.4)


def test_same_state_gives_the_same_view(photo: Make) -> None:
    image = photo(60, 90)
    views = [augment(image, 32, np.random.default_rng(seed), COLOURS) for seed in (5, 5, 6)]
    assert views[0].shape == (32, 32, 3)
    assert views[0].dtype == np.uint8
    assert np.array_equal(views[0], views[1])
    assert not np.array_equal(views[0], views[2])


def test_nothing_allowed_changes_nothing(photo: Make) -> None:
    image = photo(32, 32)
    still = Augmentation(scale=(1.0, 1.0), ratio=(1.0, 1.0), flip=0.0)
    assert np.array_equal(augment(image, 32, np.random.default_rng(0), still), image)
    turned = Augmentation(scale=(1.0, 1.0), ratio=(1.0, 1.0), flip=1.0)
    assert np.array_equal(augment(image, 32, np.random.default_rng(0), turned), image[:, ::-1])


def test_flip_comes_as_often_as_asked() -> None:
    image = np.zeros((8, 8, 3), dtype=np.uint8)
    image[:, :4] = 255
    how = Augmentation(scale=(1.0, 1.0), ratio=(1.0, 1.0), flip=0.25)
    generator = np.random.default_rng(3)
    flipped = sum(augment(image, 8, generator, how)[0, 0, 0] == 0 for _ in range(400))
    assert 70 <= flipped <= 130


def test_the_crop_keeps_the_share_asked_for() -> None:
    ramp = np.repeat(np.arange(200, dtype=np.uint8)[None, :, None], 200, axis=0).repeat(3, axis=2)
    how = Augmentation(scale=(0.25, 0.25), ratio=(1.0, 1.0), flip=0.0)
    for seed in range(20):
        view = augment(ramp, 100, np.random.default_rng(seed), how)
        assert 97 <= int(view[0, -1, 0]) - int(view[0, 0, 0]) <= 100  # half of the side


def test_saturation_leaves_grey_alone_and_brightness_scales() -> None:
    grey = np.full((8, 8, 3), 100, dtype=np.uint8)
    still: dict[str, Any] = {"scale": (1.0, 1.0), "ratio": (1.0, 1.0), "flip": 0.0}
    for seed in range(5):
        view = augment(grey, 8, np.random.default_rng(seed), Augmentation(**still, saturation=1.0, contrast=1.0))
        assert np.abs(view.astype(int) - 100).max() <= 1
    levels = [
        augment(grey, 8, np.random.default_rng(s), Augmentation(**still, brightness=0.5))[0, 0, 0] for s in range(30)
    ]
    assert 50 <= min(levels) < 70
    assert 130 < max(levels) <= 150


@pytest.mark.parametrize("shape", [(1, 1), (1, 50), (300, 2)])
def test_tiny_and_thin_pictures(photo: Make, shape: tuple[int, int]) -> None:
    for seed in range(10):
        assert augment(photo(*shape), 16, np.random.default_rng(seed), COLOURS).shape == (16, 16, 3)


@pytest.mark.parametrize("wrong", [{"scale": (0.0, 1.0)}, {"scale": (0.5, 1.5)}, {"ratio": (2.0, 1.0)}, {"flip": 2.0}])
def test_impossible_settings_are_named(wrong: dict[str, Any]) -> None:
    with pytest.raises(ConfigError, match=next(iter(wrong))):
        Augmentation(**wrong)
