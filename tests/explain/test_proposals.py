"""Masks that are proposed: the things of drawn scenes are among them, parts hang together, pictures of every shape."""

import numpy as np
import pytest
from scipy import ndimage

from wordsight.base.errors import UsageError
from wordsight.data.drawing import Figure, Spot, paint_figures
from wordsight.explain.proposals import box_of, first_of_alike, overlaps_of, propose
from wordsight.explain.regions import Likeness, graph_of, merged
from wordsight.explain.superpixels import connected, joined, lab_of, superpixels, touching

SPOTS = Spot(0.27, 0.27, 0.2), Spot(0.72, 0.7, 0.22), Spot(0.75, 0.2, 0.14)
COLOURS = "red", "blue", "green"


def scene(seed, textures=("plain", "plain", "plain")):
    kinds = zip(("square", "circle", "triangle"), COLOURS, textures, SPOTS, strict=True)
    figures = [Figure(*kind) for kind in kinds]
    return paint_figures(figures, rng=np.random.default_rng(seed)), figures


def areas_of(seed, figures):
    """Return where each figure is, bool (S, S): what is not as in the picture that lacks it."""
    whole = paint_figures(figures, rng=np.random.default_rng(seed)).astype(int)
    empty = paint_figures([], rng=np.random.default_rng(seed)).astype(int)  # the same backdrop
    changed = np.abs(whole - empty).max(axis=2) > 24
    rows, columns = (np.arange(96) + 0.5)[:, None] / 96, (np.arange(96) + 0.5) / 96
    near = [np.hypot(rows - f.spot.y, columns - f.spot.x) for f in figures]
    return [changed & (own == np.minimum.reduce(near)) for own in near]


@pytest.mark.parametrize("seed", range(5))
@pytest.mark.parametrize("texture", ["plain", "checked"])
def test_things_of_a_drawn_scene_are_proposed(seed, texture):
    image, figures = scene(seed, (texture,) * 3)
    proposals = propose(image)
    assert 10 <= len(proposals) <= 200
    for area in areas_of(seed, figures):
        best = max((mask & area).sum() / (mask | area).sum() for mask in proposals)
        assert best > (0.7 if texture == "plain" else 0.6)


def test_superpixels_hang_together_and_are_as_many_as_asked_for():
    image, _ = scene(0, ("dotted", "striped", "checked"))
    for count in (20, 100):
        labels = superpixels(lab_of(image), count=count)
        assert count / 2 <= labels.max() + 1 <= count * 2
        assert (np.bincount(labels.ravel()) >= 0.25 * labels.size / count).all()
        for number in range(labels.max() + 1):
            assert ndimage.label(labels == number)[1] == 1


def test_connected_parts_are_those_of_scipy():
    labels = np.random.default_rng(0).integers(0, 2, (40, 50)).astype(np.int32)
    parts = connected(labels)
    counts = [ndimage.label(labels == value) for value in (0, 1)]
    assert parts.max() + 1 == counts[0][1] + counts[1][1]
    for found, _ in counts:
        for number in range(1, found.max() + 1):
            (part,) = np.unique(parts[found == number])
            assert (parts == part).sum() == (found == number).sum()


def test_things_that_are_joined_have_one_number():
    numbers, left = joined(np.array([[0, 4], [4, 2], [5, 1]]), 6)
    assert left == 3
    assert numbers[0] == numbers[4] == numbers[2] and numbers[5] == numbers[1] and len(set(numbers.tolist())) == 3


def test_touching_parts_are_listed_once():
    assert touching(np.array([[0, 0, 1], [2, 0, 1]], np.int32)).tolist() == [[0, 1], [0, 2]]


def test_lab_is_that_of_known_colours():
    known = np.array([[[255, 255, 255], [0, 0, 0], [255, 0, 0], [0, 0, 255]]], np.uint8)
    wanted = [[100, 0, 0], [0, 0, 0], [53.24, 80.09, 67.20], [32.30, 79.19, -107.86]]
    assert np.allclose(lab_of(known)[0], wanted, atol=0.1)


def test_a_tree_ends_with_everything_and_every_region_hangs_together():
    image, _ = scene(1)
    labels = superpixels(lab_of(image), count=30)
    tree = merged(graph_of(lab_of(image), labels), Likeness(edge=1.0))
    count = labels.max() + 1
    assert tree.members.shape == (2 * count - 1, count) and tree.members[-1].all()
    for members in tree.members:
        assert ndimage.label(members[labels])[1] == 1
    sizes = tree.members.sum(axis=1)
    assert (sizes[:count] == 1).all() and (sizes[count:] > 1).all()
    assert ((tree.lasts >= 0) & (tree.lasts <= 1)).all()


def test_what_is_most_alike_merges_first():
    image = np.zeros((30, 30, 3), np.uint8)
    image[:, 10:20], image[:, 20:] = (200, 20, 20), (210, 25, 20)
    labels = np.repeat(np.arange(3, dtype=np.int32), 10)[None].repeat(30, axis=0)
    tree = merged(graph_of(lab_of(image), labels), Likeness(0, 0, 0, 0, edge=1))
    assert tree.members[3].tolist() == [False, True, True]


@pytest.mark.parametrize("shape", [(1, 1), (1, 500), (500, 1), (3000, 4), (2, 2), (700, 900)])
def test_pictures_of_every_shape(shape):
    image = np.random.default_rng(0).integers(0, 256, (*shape, 3), np.uint8)
    proposals = propose(image)
    assert len(proposals) >= 1
    boxes = proposals[:20].boxes
    for mask, box in zip(proposals[:20], boxes, strict=True):
        assert mask.shape == shape and mask.any()
        assert box.tolist() == list(box_of(mask))


def test_a_picture_of_one_colour_has_itself():
    masks = propose(np.full((50, 60, 3), 80, np.uint8), count=1)
    assert len(masks) == 1 and masks[0].all()


def test_equal_pictures_have_equal_masks_none_nearly_another():
    image, _ = scene(2)
    first, second = propose(image), propose(image.copy())
    assert (first.members == second.members).all() and (first.parts == second.parts).all()
    overlaps = first.overlaps - np.eye(len(first))
    assert overlaps.max() <= 0.8 + 1e-6
    rows = np.stack([mask.ravel() for mask in first]).astype(float)
    common = rows @ rows.T
    each = rows.sum(axis=1)
    assert np.allclose(common / (each[:, None] + each - common), first.overlaps, atol=1e-5)  # 96 pixels: not scaled


def test_the_first_of_those_alike_is_kept():
    members = np.array([[1, 1, 0], [1, 1, 0], [0, 1, 1], [0, 0, 1]], np.bool_)
    overlaps = overlaps_of(members, np.array([1, 2, 3]))
    assert np.allclose(overlaps[0], [1, 1, 2 / 6, 0])
    assert first_of_alike(overlaps, 0.5, most=9) == [0, 2]
    assert first_of_alike(overlaps, 0.7, most=2) == [0, 2]
    assert first_of_alike(overlaps, 0.7, most=9) == [0, 2, 3]


def test_what_cannot_be_is_an_error():
    with pytest.raises(UsageError, match="an image of shape"):
        propose(np.zeros((5, 5), np.uint8))
    with pytest.raises(UsageError, match="an image of shape"):
        propose(np.zeros((0, 5, 3), np.uint8))
    with pytest.raises(UsageError, match="count = 0"):
        propose(np.zeros((5, 5, 3), np.uint8), count=0)
