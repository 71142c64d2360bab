"""Augmentation against Pillow and against plain statements of each change."""

import numpy as np
import pytest
import torch
from PIL import Image

from wordsight.data.augment import Changes, draw_changes, may_flip
from wordsight.data.augment_torch import CHUNK, GREY, apply
from wordsight.data.spec import AugmentSpec

PLAIN = np.ones((1, 3), np.float32)


def _pixels(side=28, number=0):
    small = np.random.default_rng(number).integers(0, 256, (5, 5, 3), dtype=np.uint8)
    return np.asarray(Image.fromarray(small).resize((side, side), Image.Resampling.BICUBIC))


def _apply(picture, box, size, colours=PLAIN):
    changes = Changes(np.array([box], dtype=np.float32), np.array(colours, dtype=np.float32))
    return apply(torch.from_numpy(picture.copy())[None], changes, size)[0].numpy()


@pytest.mark.parametrize("size", [7, 20, 28, 50])
@pytest.mark.parametrize("box", [(0, 0, 1, 1), (0.25, 0.1, 0.9, 0.6)])
def test_crops_are_those_of_pillow(size, box):
    picture = _pixels()
    edges = tuple(28 * edge for edge in box)
    expected = Image.fromarray(picture).resize((size, size), Image.Resampling.BILINEAR, box=edges)
    # Pillow does not look beyond the box, so only the inside is compared when it is smaller than the picture.
    inside = slice(None) if box == (0, 0, 1, 1) else slice(size // 5, -(size // 5))
    difference = _apply(picture, box, size).astype(int) - np.asarray(expected, dtype=int)
    assert np.abs(difference[inside, inside]).max() <= 1


def test_nothing_changes_without_change():
    assert np.array_equal(_apply(_pixels(), (0, 0, 1, 1), 28), _pixels())


def test_a_box_from_right_to_left_mirrors():
    straight, mirrored = (_apply(_pixels(), box, 20) for box in [(0.1, 0, 0.8, 1), (0.8, 0, 0.1, 1)])
    assert np.abs(mirrored[:, ::-1].astype(int) - straight).max() <= 1


def test_colours_are_changed_one_after_the_other():
    picture = 60 + _pixels() * 0.4  # far from the limits, so that nothing is clipped
    picture = picture.astype(np.uint8)
    bright = picture * 1.1
    mean = (bright @ np.array(GREY)).mean()
    contrasted = mean + (bright - mean) * 0.8
    grey = (contrasted @ np.array(GREY))[..., None]
    expected = grey + (contrasted - grey) * 1.3
    got = _apply(picture, (0, 0, 1, 1), 28, [[1.1, 0.8, 1.3]])
    assert np.abs(got - expected).max() <= 1


def test_without_saturation_pictures_are_grey():
    got = _apply(_pixels(), (0, 0, 1, 1), 28, [[1, 1, 0]]).astype(int)
    assert (got.max(axis=2) - got.min(axis=2)).max() <= 1


def test_pictures_of_a_batch_do_not_touch_each_other():
    number = CHUNK + 5
    pictures = torch.from_numpy(np.stack([_pixels(number=n) for n in range(number)]))
    changes = draw_changes(AugmentSpec(), ["a dog"] * number, np.random.default_rng(3))
    together = apply(pictures, changes, 24)
    for place in (0, CHUNK - 1, CHUNK, number - 1):
        here = np.array([place])
        alone = apply(pictures[place : place + 1], changes.of(here), 24)[0]
        assert (together[place].int() - alone.int()).abs().max() <= 1


def test_drawn_changes_keep_to_the_spec():
    spec = AugmentSpec(
        scale=(0.4, 0.9), ratio=(0.8, 1.25), flip=0.5, brightness=0.1, contrast=0.2, saturation=0.3, grey=0.1
    )
    changes = draw_changes(spec, ["a dog"] * 5000, np.random.default_rng(0))
    left, top, right, bottom = changes.boxes.T
    flipped = left > right
    width, height = np.abs(right - left), bottom - top
    assert min(left.min(), right.min(), top.min()) >= 0 and max(left.max(), right.max(), bottom.max()) <= 1 + 1e-6
    assert 0.45 < flipped.mean() < 0.55
    free = (width < 1) & (height < 1)
    area, ratio = (width * height)[free], (width / height)[free]
    assert (
        area.min() >= 0.4 - 1e-4
        and area.max() <= 0.9 + 1e-4
        and ratio.min() >= 0.8 - 1e-4
        and ratio.max() <= 1.25 + 1e-4
    )
    grey = changes.colours[:, 2] == 0
    assert 0.07 < grey.mean() < 0.13
    assert (
        np.abs(changes.colours[:, 0] - 1).max() <= 0.1 + 1e-6
        and np.abs(changes.colours[~grey, 2] - 1).max() <= 0.3 + 1e-6
    )


def test_the_same_numbers_are_drawn_whatever_the_texts_are():
    one, other = (draw_changes(AugmentSpec(), [text] * 50, np.random.default_rng(1)) for text in ("a dog", "turn left"))
    assert np.array_equal(np.sort(one.boxes[:, ::2]), np.sort(other.boxes[:, ::2]))
    assert (other.boxes[:, 0] < other.boxes[:, 2]).all() and (one.boxes[:, 0] > one.boxes[:, 2]).any()


@pytest.mark.parametrize(
    ("text", "allowed"),
    [
        ("a brown dog runs .", True),
        ("a dog that has left the house", False),
        ("To the RIGHT of a tree", False),
        ("player number ten", False),
        ("a shirt with 3 stripes", False),
        ("a stop sign", False),
        ("Nike t-shirt with printed logo", False),
        ("brightness and leftovers, a wordless signal", True),
        ("một người đứng bên trái", False),
        ("một con chó", True),
    ],
)
def test_what_may_be_mirrored(text, allowed):
    assert may_flip(text) is allowed


def test_without_a_spec_nothing_is_changed_and_nothing_drawn():
    generator = np.random.default_rng(0)
    changes = draw_changes(None, ["a", "b"], generator)
    assert changes.boxes.tolist() == [[0, 0, 1, 1]] * 2 and changes.colours.tolist() == [[1, 1, 1]] * 2
    assert changes.boxes.dtype == changes.colours.dtype == np.float32
    assert generator.random() == np.random.default_rng(0).random()


NOTHING = {"scale": (1, 1), "ratio": (1, 1), "flip": 0, "brightness": 0, "contrast": 0, "saturation": 0, "grey": 0}


def drawn(texts=("a dog",) * 400, **values):
    return draw_changes(AugmentSpec(**{**NOTHING, **values}), texts, np.random.default_rng(5))


def test_each_change_is_made_alone():
    whole, one = np.array([0, 0, 1, 1]), np.ones(3)
    assert (drawn().boxes == whole).all() and (drawn().colours == one).all()
    assert (drawn(flip=1).boxes == whole[[2, 1, 0, 3]]).all()
    assert (drawn(grey=1).colours == [1, 1, 0]).all()
    for place, name in enumerate(("brightness", "contrast", "saturation")):
        colours = drawn(**{name: 0.25}).colours
        assert 0.75 <= colours[:, place].min() < 0.8 and 1.2 < colours[:, place].max() <= 1.25
        assert (np.delete(colours, place, axis=1) == 1).all()
    boxes = drawn(scale=(0.25, 0.25)).boxes
    assert np.allclose(boxes[:, 2:] - boxes[:, :2], 0.5)
    assert boxes[:, :2].min() < 0.02 and boxes[:, :2].max() > 0.48  # anywhere
    assert not np.allclose(boxes[:, 0], boxes[:, 1])
    boxes = drawn(scale=(0.25, 0.25), ratio=(4, 4)).boxes
    assert np.allclose(boxes[:, 2] - boxes[:, 0], 1.0) and np.allclose(boxes[:, 3] - boxes[:, 1], 0.25)


def test_only_what_may_be_mirrored_is():
    boxes = drawn(["a dog", "turn left", "a cat"], flip=1).boxes
    assert (boxes[:, 0] > boxes[:, 2]).tolist() == [True, False, True]


def test_changes_of_some_are_those_of_all():
    changes = drawn(scale=(0.3, 0.9), brightness=0.2)
    some = changes.of(np.array([7, 2]))
    assert np.array_equal(some.boxes, changes.boxes[[7, 2]]) and np.array_equal(some.colours, changes.colours[[7, 2]])
