"""From words to regions on the fake engine, which knows colours: what is where, and what is refused."""

import numpy as np
import pytest

from wordsight.base.errors import MissingExtra, UsageError
from wordsight.embeddings.model import Model
from wordsight.engines.fake import COLOURS, FakeEngine
from wordsight.explain import named_regions, region_methods
from wordsight.explain.inside.dense import WAYS
from wordsight.explain.named_regions import RegionOptions, regions, synonyms_of
from wordsight.explain.part_labels import mask_labels, of_masks
from wordsight.explain.region_methods import segmenter_of
from wordsight.explain.region_table import DENSE

MODEL = Model(FakeEngine())
LEFT, RIGHT = (slice(0, 40), slice(0, 30)), (slice(0, 40), slice(30, 60))


def two_halves():
    """Return an image, red on the left and blue on the right, and the mask of the left."""
    image = np.empty((40, 60, 3), np.uint8)
    image[LEFT], image[RIGHT] = COLOURS["red"], COLOURS["blue"]
    mask = np.zeros((40, 60), np.bool_)
    mask[LEFT] = True
    return image, mask


@pytest.mark.parametrize("method", ["proposals", "windows"])
def test_each_half_is_of_its_class(method):
    image, mask = two_halves()
    shown = regions(MODEL, image, ["red", "green", "blue"], how=RegionOptions(method=method))
    assert shown.labels.shape == (40, 60) and shown.masks.shape == (3, 40, 60)
    assert (shown.labels[:, :15] == 0).all() and (shown.labels[:, 45:] == 2).all()
    assert shown.shares[[0, 2]].sum() == pytest.approx(1) and shown.boxes[1] is None and np.isnan(shown.cosines[1])
    assert shown.cosines[0] > shown.whole[0]
    assert shown.overlay().shape == image.shape and (shown.overlay() != image).any()
    if method == "proposals":
        assert (shown.masks[0] == mask).all() and shown.boxes[2] == (30.0, 0.0, 30.0, 40.0)


def test_given_masks_alone_are_scored():
    image, mask = two_halves()
    shown = regions(MODEL, image, ["red", "blue"], proposals=[mask])
    assert shown.method == "proposals"
    assert (shown.labels == np.where(mask, 0, -1)).all()
    assert [(one.number, one.area) for one in shown.regions] == [(0, 1200)]


def test_background_and_threshold_show_nothing():
    image, mask = two_halves()
    shown = regions(MODEL, image, ["red"], how=RegionOptions(method="proposals", background=("blue",)))
    assert (shown.labels == np.where(mask, 0, -1)).all()
    sure = regions(MODEL, image, ["green", "yellow"], how=RegionOptions(method="proposals", threshold=1.0))
    assert (sure.labels == -1).all() and sure.regions == ()


def test_a_synonym_is_as_good_as_the_name():
    image, mask = two_halves()
    shown = regions(MODEL, image, ["scarlet|red", "blue"], how=RegionOptions(method="proposals"))
    assert shown.classes == ("scarlet", "blue")
    assert (shown.masks[0] == mask).all()
    assert synonyms_of(["sofa | couch", "cat"]) == {"sofa": ["sofa", "couch"], "cat": ["cat"]}


def test_parts_that_do_not_touch_are_regions_of_their_own():
    image = np.full((40, 60, 3), COLOURS["white"], np.uint8)
    masks = np.zeros((2, 40, 60), np.bool_)
    masks[0, 5:15, 5:20], masks[1, 20:35, 30:55] = True, True
    image[masks.any(axis=0)] = COLOURS["red"]
    shown = regions(MODEL, image, ["red", "green"], proposals=list(masks))
    assert [(one.number, one.area) for one in shown.regions] == [(0, 375), (0, 150)]
    assert shown.boxes[0] == (30.0, 20.0, 25.0, 15.0)


def test_parts_of_a_large_image_are_looked_for_in_steps(monkeypatch):
    monkeypatch.setattr(named_regions, "SIDE", 20)
    mask = np.zeros((40, 60), np.bool_)
    mask[3:15, 6:18], mask[24:36, 30:54] = True, True
    larger, smaller = named_regions._parts(mask)
    assert (larger == mask & (np.arange(60) >= 30)).all() and (smaller[4:15, 7:18] == mask[4:15, 7:18]).all()
    line = np.zeros((40, 60), np.bool_)
    line[1] = True
    assert [part.sum() for part in named_regions._parts(line)] == [60]


def test_a_pixel_has_the_mean_of_its_masks():
    masks = np.zeros((2, 4, 6), np.bool_)
    masks[0, :, :4], masks[1, :, 2:] = True, True
    cosines = np.array([[0.3, 0.2], [0.1, 0.35]], np.float32)
    shown = mask_labels(of_masks(masks), cosines, scale=10)
    first, second = np.exp([1.0, 0.0]) / np.exp([1.0, 0.0]).sum(), np.exp([-2.5, 0.0]) / np.exp([-2.5, 0.0]).sum()
    assert shown.labels[0].tolist() == [0, 0, 1, 1, 1, 1]
    wanted = [first[0]] * 2 + [(first[1] + second[1]) / 2] * 2 + [second[1]] * 2
    assert np.allclose(shown.probability[0], wanted)
    assert [(mask == given).all() for mask, given in zip(of_masks(masks), masks, strict=True)] == [True, True]


@pytest.mark.parametrize(
    ("image", "classes", "message"),
    [
        (np.zeros((40, 60, 3), np.uint8), ["red"], "one colour"),
        (np.zeros((1, 1, 3), np.uint8), ["red"], "1 x 1 pixels"),
        (np.zeros((10, 10_000, 3), np.uint8), ["red"], "10,000 x 10 pixels"),
        (two_halves()[0], ["!!!"], "no word that fake knows"),
        (two_halves()[0], ["red", "red|crimson"], "red is given twice"),
        (two_halves()[0], ["red", "RED"], "RED is given twice; give every class once, in capitals or not"),
        (two_halves()[0], ["red", "blue|"], "empty class name"),
        (two_halves()[0], ["red", "blue|red"], "'red' is a name of 'red' and of 'blue'"),
        (two_halves()[0], [], "no classes"),
        (two_halves()[0], "red", "one text"),
    ],
)
def test_what_cannot_be_is_one_line(image, classes, message):
    with pytest.raises(UsageError, match=message):
        regions(MODEL, image, classes)


def test_masks_that_do_not_fit_are_refused():
    image, mask = two_halves()
    with pytest.raises(UsageError, match="mask 1 of 60 x 39 pixels, the image has 60 x 40"):
        regions(MODEL, image, ["red"], proposals=[mask, mask[1:]])
    with pytest.raises(UsageError, match="no proposals"):
        regions(MODEL, image, ["red"], proposals=[])
    with pytest.raises(UsageError, match="proposals with the method windows"):
        regions(MODEL, image, ["red"], proposals=[mask], how=RegionOptions(method="windows"))


def test_methods_that_do_not_fit_say_what_does(monkeypatch, tmp_path):
    assert set(DENSE) == set(WAYS)
    with pytest.raises(UsageError, match="did you mean naclip"):
        segmenter_of(MODEL, "naclp")
    with pytest.raises(UsageError, match="use proposals or windows, which need none"):
        segmenter_of(MODEL, "naclip")
    assert segmenter_of(MODEL).method == "proposals"
    missing = MissingExtra("torch is not installed", cure="pip install wordsight[train]")

    def without(target, *, extra):
        def load(folder):
            raise missing

        return load

    monkeypatch.setattr(region_methods, "resolve", without)
    apart = Model(FakeEngine(), folder=tmp_path)
    with pytest.raises(MissingExtra, match=r"pip install wordsight\[train\], or use proposals or windows"):
        segmenter_of(apart, "naclip")
    assert segmenter_of(apart).method == "proposals"


def test_the_whole_image_may_be_nearest_to_the_background():
    image, _ = two_halves()
    image[:, 20:] = COLOURS["blue"]
    shown = regions(MODEL, image, ["red"], how=RegionOptions(method="proposals", background=("green", "blue")))
    assert shown.nearest == 2 and len(shown.whole) == 1 and shown.beside[1] > max(shown.beside[0], shown.whole[0])
    with pytest.raises(UsageError, match="'blue' is a class and background"):
        regions(MODEL, image, ["red", "navy|blue"], how=RegionOptions(background=("blue",)))


class RangedEngine(FakeEngine):
    """As int8 graphs are: an embedding hangs on what else is in the batch."""

    precision = "int8"

    def embed_texts(self, tokens):
        rows = super().embed_texts(tokens)
        rows = rows + 0.1 * rows.mean(axis=0)
        return (rows / np.linalg.norm(rows, axis=1, keepdims=True)).astype(np.float32)


def test_figures_do_not_hang_on_what_else_is_asked():
    model, (image, _) = Model(RangedEngine()), two_halves()
    together = model.embed_texts(["a photo of a red.", "a photo of a blue."])
    assert not np.allclose(together[0], model.embed_texts(["a photo of a red."])[0], atol=1e-3)
    few, many = (
        regions(model, image, names, how=RegionOptions(method="windows")).whole[0]
        for names in (["red", "blue"], ["red", "blue", "green", "yellow"])
    )
    assert few == pytest.approx(many, abs=1e-6)
