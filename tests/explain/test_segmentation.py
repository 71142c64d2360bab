"""Classes of pixels: a drawn scene whose places are known, synonyms, background, many classes in little memory."""

import tracemalloc

import numpy as np
import pytest

from wordsight.base.arrays import unit
from wordsight.base.errors import UsageError
from wordsight.data.drawing import Figure, Spot, paint_figures
from wordsight.explain.segmentation import NOTHING, class_cosines, class_texts, label_map
from wordsight.explain.windows import averaged, cut, plan_windows

CELL = 4


def by_colour(texts):
    """Stand in for a text tower: the colours of the words, a direction each."""
    colours = {"red": (1, -1, -1), "crimson": (1, -0.9, -0.8), "blue": (-1, -0.6, 1), "grey": (0.01, 0.01, 0.01)}
    return unit(np.array([(*colours[text], 1) for text in texts], np.float32))


def coloured(image, plan):
    """Return features (n, 4, G, G) of each cell: how far its mean colour is from grey, and a constant."""
    grids = []
    for batch in cut(image, plan, at_once=5):
        cells = batch.reshape(len(batch), plan.crop // CELL, CELL, plan.crop // CELL, CELL, 3).mean(axis=(2, 4))
        away = (cells - cells.mean(axis=3, keepdims=True)) / 64
        grids.append(np.concatenate([away, np.ones_like(away[..., :1])], axis=3))
    features = np.concatenate(grids)
    lengths = np.linalg.norm(features, axis=3, keepdims=True)
    return (features / lengths).transpose(0, 3, 1, 2).astype(np.float32)


def scene():
    spots = Spot(0.27, 0.3, 0.2), Spot(0.7, 0.7, 0.2)
    figures = [Figure("square", colour, "plain", spot) for colour, spot in zip(("red", "blue"), spots, strict=True)]
    return paint_figures(figures, rng=np.random.default_rng(0)), spots


def test_each_thing_of_a_drawn_scene_is_found_in_its_place():
    image, spots = scene()
    plan = plan_windows(*image.shape[:2], crop=64)
    classes = class_texts(by_colour, ["red", "blue"], background=["grey"])
    found = label_map(plan, class_cosines(coloured(image, plan), classes), background=classes.background)
    assert found.labels.shape == found.probability.shape == image.shape[:2]
    rows, columns = (np.arange(96) + 0.5)[:, None] / 96, (np.arange(96) + 0.5) / 96
    for label, spot in enumerate(spots):
        away = np.maximum(abs(rows - spot.y), abs(columns - spot.x))
        assert (found.labels[away < 0.6 * spot.radius] == label).mean() > 0.95
    far = np.minimum(*(np.maximum(abs(rows - spot.y), abs(columns - spot.x)) for spot in spots)) > 0.3
    assert (found.labels[far] == NOTHING).mean() > 0.99


def test_a_class_is_as_near_as_the_nearest_of_its_texts():
    rng = np.random.default_rng(0)
    texts = unit(rng.normal(size=(6, 5)).astype(np.float32))
    features = rng.normal(size=(3, 5, 2, 4)).astype(np.float32)
    classes = class_texts(lambda given: texts[: len(given)], {"a": ["1", "2", "3"], "b": ["4"]}, background=["5", "6"])
    assert classes.names == ("a", "b", "5", "6") and classes.background == {2, 3}
    each = np.einsum("neij,pe->npij", features, texts)
    wanted = np.stack([each[:, :3].max(axis=1), each[:, 3], each[:, 4], each[:, 5]], axis=1)
    assert np.allclose(class_cosines(features, classes), wanted, atol=1e-6)


def test_probabilities_are_the_softmax_of_scaled_cosines_and_a_threshold_leaves_the_rest():
    plan = plan_windows(20, 30, crop=12)
    cosines = np.random.default_rng(0).uniform(-1, 1, (len(plan), 7, 3, 3)).astype(np.float32)
    mean = np.zeros((7, 20, 30))
    for part, tile in averaged(plan, cosines):
        mean[(slice(None), *part)] = tile
    shares = np.exp(8 * mean) / np.exp(8 * mean).sum(axis=0)
    found = label_map(plan, cosines, scale=8, tile_bytes=900)
    assert (found.labels == shares.argmax(axis=0)).all() and found.labels.dtype == np.int32
    assert np.allclose(found.probability, shares.max(axis=0), atol=1e-5)
    some = label_map(plan, cosines, scale=8, threshold=0.6)
    assert 0 < (some.labels == NOTHING).sum() < some.labels.size
    assert ((some.labels == NOTHING) == (found.probability < 0.6)).mean() > 0.999


def test_many_classes_of_a_large_picture_take_little_memory():
    plan = plan_windows(600, 800, crop=32)
    cosines = np.zeros((len(plan), 500, 4, 4), np.float32)
    cosines[:, 321] = 0.5
    tracemalloc.start()
    found = label_map(plan, cosines, tile_bytes=1 << 20)
    _, most = tracemalloc.get_traced_memory()
    tracemalloc.stop()
    assert (found.labels == 321).all()
    assert most < 40e6  # all classes of all pixels would be 960e6


@pytest.mark.parametrize(("height", "width"), [(1, 1), (2, 900), (900, 2)])
def test_pictures_of_every_shape(height, width):
    plan = plan_windows(height, width, crop=16)
    cosines = np.zeros((len(plan), 2, 4, 4), np.float32)
    cosines[:, 1] = 0.1
    found = label_map(plan, cosines)
    assert found.labels.shape == (height, width) and (found.labels == 1).all()


def test_what_cannot_be_is_an_error():
    with pytest.raises(UsageError, match="no classes"):
        class_texts(by_colour, [])
    with pytest.raises(UsageError, match="one text"):
        class_texts(by_colour, "red")
    with pytest.raises(UsageError, match="the texts of 'red' are \\[\\]"):
        class_texts(by_colour, {"red": []})
    classes = class_texts(by_colour, ["red"])
    with pytest.raises(UsageError, match="from one model"):
        class_cosines(np.zeros((1, 5, 2, 2), np.float32), classes)
    plan = plan_windows(4, 4, crop=4)
    with pytest.raises(UsageError, match="a threshold of 2"):
        label_map(plan, np.zeros((len(plan), 1, 2, 2), np.float32), threshold=2)
