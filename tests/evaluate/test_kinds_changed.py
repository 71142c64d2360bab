"""Kinds that change images: robustness, typographic, texture."""

import sys
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from wordsight.base.errors import ConfigError, FormatError, UsageError
from wordsight.base.nouns import Sample
from wordsight.embeddings.model import Model
from wordsight.engines.fake import COLOURS, FakeEngine
from wordsight.evaluate.building import TaskSets, build_from
from wordsight.evaluate.kinds.texture import draw_pairs
from wordsight.evaluate.metrics import bootstrap_interval
from wordsight.evaluate.sample_set import SampleSet
from wordsight.evaluate.tasks import TaskSpec, with_options
from wordsight.images.corruptions import CORRUPTIONS, GROUPS
from wordsight.images.typographic import WordStyle, write_word

sys.path.insert(0, str(Path(__file__).parent))

from written import measured, unit

MODEL = Model(FakeEngine())
SIDE = 32
HUES = {"red": (200, 0, 0), "green": (0, 200, 0), "blue": (0, 0, 200)}


class Toy:
    """An encoder whose class is what `answer(pixels)` says, a row of the classes; texts are looked up by their order.

    It keeps what it was given as pixels.
    """

    fingerprint = "0123456789abcdef"

    def __init__(self, classes, answer):
        self.classes, self.answer, self.seen = list(classes), answer, []

    def load_pixels(self, item, *, name=""):
        return np.asarray(item)

    def embed_images(self, items):
        self.seen.append([item for item in items if isinstance(item, np.ndarray)])
        return unit([self.answer(self.load_pixels(item)) for item in items])

    def embed_texts(self, texts):
        return np.eye(len(self.classes), dtype=np.float32)[[self.classes.index(text) for text in texts]]


def a_set_of(images, labels, name="t"):
    return SampleSet(name, [Sample(f"{name}/{i}", label=label) for i, label in enumerate(labels)], images)


@pytest.fixture(scope="module")
def mixed():
    """Images of cells, a third to two thirds of them of the colour they are called: some are hard."""
    generator = np.random.default_rng(0)
    names = ["red", "green", "blue", "yellow"]
    images, labels = [], []
    for number in range(24):
        own = names[number % 4]
        cells = generator.choice(names, size=(8, 8))
        cells[generator.random((8, 8)) < 0.1] = own
        colours = np.array([[COLOURS[cell] for cell in row] for row in cells], np.uint8)
        images.append(Image.fromarray(np.kron(colours, np.ones((4, 4, 1), np.uint8))))
        labels.append(own)
    return a_set_of(images, labels)


def test_clean_is_zero_shot_and_the_mean_is_that_of_all_corruptions(mixed):
    asked = {"corruptions": ["weather", "gaussian-noise"], "strengths": [5, 1, 5]}
    results, done = measured("robustness", MODEL, mixed, **asked)
    clean = results.pop("robustness/clean/top-1")
    zero = measured("zero-shot", MODEL, mixed)[0]["zero-shot/top-1"]
    assert (clean.value, clean.interval, clean.count) == (zero.value, zero.interval, zero.count)
    assert 0 < clean.value < 1
    mean = results.pop("robustness/mean/top-1")
    names = ["gaussian-noise", "snow", "frost", "fog", "brightness"]
    assert list(results) == [f"robustness/{name}-{strength}/top-1" for name in names for strength in (1, 5)]
    assert mean.value == pytest.approx(np.mean([result.value for result in results.values()]))
    assert len({result.value for result in results.values()}) > 1
    assert mean.interval[0] < mean.value < mean.interval[1]
    assert {result.count for result in [mean, *results.values()]} == {24}
    fog = results["robustness/fog-5/top-1"].setting
    assert (fog["corruption"], fog["strength"], fog["chance"]) == ("fog", 5, 0.25)
    assert [detail.form for detail in done.details] == ["hits", "lines", "lines", "table"]
    weather = done.details[2].data["series"]
    assert weather[0]["points"][0] == [0, clean.value]
    assert [one["name"] for one in weather] == names[1:]
    kept = np.mean([results[f"robustness/snow-{strength}/top-1"].value for strength in (1, 5)]) / clean.value
    assert done.details[3].data["rows"][1][-1] == f"{100 * kept:.0f} %"


@pytest.mark.parametrize(
    ("asked", "corruptions"),
    [
        (["all"], list(CORRUPTIONS)),
        (["fog", "all"], list(CORRUPTIONS)),
        (["none"], []),
        (["digital"], list(GROUPS["digital"])),
        (["zoom_blur", "defocus-blur", "zoom blur"], ["defocus blur", "zoom blur"]),
    ],
)
def test_names_of_corruptions(mixed, asked, corruptions):
    spec = TaskSpec("robustness", "x", name="n", options={"corruptions": asked})
    assert list(build_from(spec, TaskSets(mixed)).corruptions) == corruptions


def test_without_corruptions_clean_alone_is_left(mixed):
    results, _ = measured("robustness", MODEL, mixed, corruptions=["none"], images=10)
    assert {name: result.count for name, result in results.items()} == {"robustness/clean/top-1": 10}


@pytest.mark.parametrize(
    ("asked", "says"),
    [
        ({"corruptions": ["fogg"]}, r"corruptions = 'fogg'; did you mean fog\?"),
        ({"corruptions": ["wether"]}, r"'wether'; did you mean weather\?"),
        ({"corruptions": ["none", "fog"]}, "corruptions = 'none' beside others; give it alone"),
        ({"strengths": [1, 6]}, "strengths = 6; give some of 1, 2, 3, 4, 5"),
        ({"strengths": []}, "corruptions without strengths"),
        ({"images": 0}, "images = 0; give 1 or more"),
    ],
)
def test_what_robustness_cannot_do_is_named(mixed, asked, says):
    with pytest.raises(ConfigError, match=says):
        measured("robustness", MODEL, mixed, **asked)


def test_noise_is_an_images_own_and_the_seeds():
    same = a_set_of([Image.new("RGB", (SIDE, SIDE), (128, 128, 128))] * 4, ["red", "red", "blue", "blue"])

    def noisy(**keys):
        toy = Toy(["blue", "red"], lambda pixels: [1.0, pixels.mean() / 255])
        measured("robustness", toy, same, corruptions=["gaussian-noise"], strengths=[1, 2], **keys)
        return np.array([part for part in toy.seen if part])  # (strengths, N, S, S, 3)

    first = noisy()
    assert np.array_equal(first, noisy())
    other = noisy(seed=1)
    assert not (first == other).all(axis=(2, 3, 4)).any()
    assert len(np.unique(first.reshape(8, -1), axis=0)) == 8  # of each image and strength another
    fewer = noisy(images=2)
    assert np.array_equal(fewer, first[:, [0, 2]])  # whatever is measured beside it


def test_shifted_sets_are_measured_under_their_names(mixed, tmp_path):
    for folder, shown in (("sketches", ["red", "green"]), ("night", ["blue", "green"])):
        for name, colour in zip(["red", "green"], shown, strict=True):
            (tmp_path / folder / name).mkdir(parents=True)
            Image.new("RGB", (SIDE, SIDE), COLOURS[colour]).save(tmp_path / folder / name / "0.png")
    places = [str(tmp_path / "sketches"), str(tmp_path / "night")]
    results, _ = measured("robustness", MODEL, mixed, corruptions=["none"], shifts=places)
    good, bad = results["robustness/shifted/sketches/top-1"], results["robustness/shifted/night/top-1"]
    assert (good.value, good.count, bad.value) == (1, 2, 0.5)
    assert (bad.setting["set"], bad.setting["classes"], bad.setting["chance"]) == (places[1], 4, 0.25)
    with pytest.raises(ConfigError, match="two sets have the name 'night'"):
        measured("robustness", MODEL, mixed, shifts=[*places, places[1]])
    (tmp_path / "night" / "red").rename(tmp_path / "night" / "pink")
    with pytest.raises(UsageError, match="class 'pink' of night is not among classes"):
        measured("robustness", MODEL, mixed, shifts=places)


STYLE = WordStyle("outlined", "middle", 0.25)


def by_corner(pixels):
    return (pixels[0, 0] > 100).astype(float)


def ink(word, hue):
    """How many of the pixels a word covers, with its rim, on a colour."""
    blank = np.full((64, 64, 3), hue, np.uint8)
    return int((write_word(blank, word, STYLE) != blank).any(axis=2).sum())


def reading(rows):
    """An encoder that believes a word in these rows of the image, known by its ink, more than the colour."""

    def answer(pixels):
        hue = pixels[0, 0]
        covered = int((pixels[rows] != hue).any(axis=(2)).sum())
        words = [covered == ink(word, hue) for word in HUES]
        return np.array(words, float) if any(words) else by_corner(pixels)

    return Toy(HUES, answer)


@pytest.fixture(scope="module")
def plain():
    labels = list(HUES) * 4
    return a_set_of([Image.new("RGB", (64, 64), HUES[name]) for name in labels], labels)


ONE = {"fonts": ["outlined"], "positions": ["middle"], "sizes": [0.25]}


def test_one_who_reads_is_fooled_and_one_who_looks_at_a_corner_is_not(plain):
    assert len({ink(word, HUES["red"]) for word in HUES}) == 3
    results, done = measured("typographic", reading(slice(None)), plain, **ONE)
    values = {name.removeprefix("typographic/"): result.value for name, result in results.items()}
    assert values == {
        "clean/top-1": 1, "attacked/top-1": 0, "drop": 1, "taken": 1, "attacked/outlined-middle-25/top-1": 0
    }  # fmt: skip
    shown = next(detail for detail in done.details if detail.form == "pictures").data["pictures"]
    assert len(shown) == len(plain) == 12
    assert {entry["picture"] for entry in shown} <= set(done.pictures)
    results, done = measured("typographic", Toy(HUES, by_corner), plain, **ONE)
    values = [results[f"typographic/{name}"].value for name in ("clean/top-1", "attacked/top-1", "drop", "taken")]
    assert values == [1, 1, 0, 0]
    assert [detail.form for detail in done.details] == ["hits", "bars"]


def test_half_of_the_styles_are_half_a_drop(plain):
    below = reading(slice(42, None))  # where words at the bottom are
    results, _ = measured("typographic", below, plain, **{**ONE, "positions": ["middle", "bottom", "bottom"]})
    read = results["typographic/attacked/outlined-bottom-25/top-1"]
    assert (read.value, read.setting["position"]) == (0, "bottom")
    clean, attacked = results["typographic/clean/top-1"], results["typographic/attacked/top-1"]
    drop, taken = results["typographic/drop"], results["typographic/taken"]
    assert (clean.value, attacked.value, drop.value, taken.value) == (1, 0.5, 0.5, 0.5)
    assert drop.value == clean.value - attacked.value
    assert (drop.setting["unit"], attacked.setting["styles"]) == ("difference", 2)
    assert "chance" not in drop.setting and taken.setting["chance"] == pytest.approx(1 / 3)
    assert {result.count for result in results.values()} == {12}


def test_an_image_that_is_wrong_anyway_has_no_part_in_the_drop(plain):
    wrong = Toy(HUES, lambda pixels: np.roll(by_corner(pixels), 1))
    results, _ = measured("typographic", wrong, plain, **ONE)
    assert [results[f"typographic/{name}"].value for name in ("clean/top-1", "attacked/top-1", "drop")] == [0, 0, 0]
    spec = with_options(TaskSpec("typographic", "x", name="n", templates="none", options=ONE))
    task = build_from(spec, TaskSets(plain))
    answers = [list(HUES)[(list(HUES).index(sample.label) + 1) % 3] for sample in plain.samples]
    words = [task.classified.names[number] for number in task.written]
    same = np.mean([answer == word for answer, word in zip(answers, words, strict=True)])
    assert 0 < same < 1
    assert results["typographic/taken"].value == pytest.approx(same)


@pytest.mark.parametrize("seed", range(3))
def test_the_word_is_never_what_the_own_class_is_called(seed):
    names = ("crane, bird", "Crane, machine", "heron", "lift")
    labels = names * 100
    test = a_set_of([Image.new("RGB", (8, 8))] * len(labels), labels)
    spec = TaskSpec("typographic", "x", name="n", classes=names, seed=seed, options={"images": 400})
    task = build_from(spec, TaskSets(test))
    pairs = np.zeros((4, 4), int)
    np.add.at(pairs, (task.classified.labels, task.written), 1)
    assert (pairs[[0, 0, 1, 1], [0, 1, 0, 1]] == 0).all()
    assert (pairs[:2, 2:] > 25).all()  # of 100 images, about half
    assert (pairs[2:] > 15).sum() == 6 and (np.diag(pairs) == 0).all()  # about a third
    with pytest.raises(UsageError, match="every class of n is called 'crane'"):
        build_from(TaskSpec("typographic", "x", name="n", classes=names[:2]), TaskSets(test.of([0, 1])))


def test_words_that_cannot_be_written_are_named_before_anything_is_measured(plain):
    toy = Toy(HUES, by_corner)
    dogs = a_set_of([Image.new("RGB", (64, 64))] * 2, ["red", "犬"])
    with pytest.raises(UsageError, match="the font has no '犬'"):
        measured("typographic", toy, dogs)
    long = a_set_of([Image.new("RGB", (48, 48))] * 2, ["red", "a" * 40])
    toy.classes = ["a" * 40, "red"]
    with pytest.raises(UsageError, match="does not fit 48 x 48 pixels"):
        measured("typographic", toy, long, **ONE)
    assert toy.seen == []


@pytest.mark.parametrize(
    ("asked", "says"),
    [
        ({"fonts": ["serif"]}, "fonts = 'serif'; use some of plain, outlined, note"),
        ({"positions": ["centre"]}, "positions = 'centre'; use some of top left"),
        ({"sizes": []}, "no style to write in"),
        ({"sizes": [0.5]}, "a word of size 0.5"),
        ({"images": 0}, "images = 0"),
    ],
)
def test_what_typographic_cannot_do_is_named(plain, asked, says):
    with pytest.raises((ConfigError, UsageError), match=says):
        measured("typographic", MODEL, plain, **asked)


def test_styles_have_names_of_their_own(plain):
    asked = {"fonts": ["note"], "positions": ["top left"], "sizes": [0.15, 0.154]}
    results, _ = measured("typographic", Toy(HUES, by_corner), plain, **asked)
    assert list(results)[-2:] == [f"typographic/attacked/note-top-left-{size}/top-1" for size in ("15", "15.4")]


SIDES = ["left", "right"]  # reddish and bright at the left, bluish and bright at the right


@pytest.fixture(scope="module")
def sided():
    images = []
    for number in range(16):
        columns = np.where((np.arange(SIDE) < SIDE // 2) == (number % 2 == 0), 220, 60)
        tint = np.array([-30, 0, 30] if number % 2 else [30, 0, -30]) + number // 2
        images.append(Image.fromarray(np.tile(columns[:, None] + tint, (SIDE, 1, 1)).astype(np.uint8)))
    return a_set_of(images, [SIDES[number % 2] for number in range(16)])


def by_hue(pixels):
    return [float(pixels[..., 0].mean() > pixels[..., 2].mean()), float(pixels[..., 0].mean() < pixels[..., 2].mean())]


def by_side(pixels):
    left, right = pixels[:, : SIDE // 2].mean(), pixels[:, SIDE // 2 :].mean()
    return [float(left > right), float(right > left)]


@pytest.mark.parametrize(("answer", "shape"), [(by_hue, 0), (by_side, 1)])
def test_colour_is_texture_and_side_is_shape(sided, answer, shape):
    results, done = measured("texture", Toy(SIDES, answer), sided, images=14)
    assert results["texture/shape"].value == shape
    assert results["texture/texture"].value == 1 - shape
    bias = results["texture/shape-bias"]
    assert (bias.value, bias.count, bias.setting["decided"], bias.setting["chance"]) == (shape, 14, 14, 0.5)
    assert results["texture/shape"].setting["pairs_of"] == "right images"
    entries = done.details[0].data["pictures"]
    assert len(entries) == 12 and {entry["right"] for entry in entries} == {bool(shape)}


def test_other_answers_are_of_neither_and_ties_too(sided):
    """Shapes of the left answer by the side, those of the right with a third class."""
    names = [*SIDES, "up"]
    third = Toy(names, lambda pixels: [by_side(pixels)[0], 0.0, by_side(pixels)[1]])
    results, done = measured("texture", third, sided, images=24, classes=tuple(names))
    labels = np.arange(16) % 2
    able = np.arange(16)  # eight are right as they are, fewer than ten: all are taken
    shapes, _ = draw_pairs(labels, able, 24, np.random.default_rng(0))
    lefts = labels[shapes] == 0
    assert 0 < lefts.sum() < 24
    shape, texture = results["texture/shape"], results["texture/texture"]
    assert (shape.value, shape.count, texture.value) == (lefts.mean(), 24, 0)
    assert shape.setting["pairs_of"] == "all images"
    bias = results["texture/shape-bias"]
    assert (bias.value, bias.count, bias.setting["decided"], bias.setting["of"]) == (1, lefts.sum(), lefts.sum(), 24)
    assert {entry["right"] for entry in done.details[0].data["pictures"]} == {True, None}
    flat, wide = bootstrap_interval(lefts), shape.interval
    assert wide[1] - wide[0] > flat[1] - flat[0]  # the pairs of an image stand together
    level = Toy(names, lambda pixels: [1, 1, 0])
    results, _ = measured("texture", level, sided, images=6, classes=tuple(names))
    assert {name: result.value for name, result in results.items()} == {"texture/shape": 0, "texture/texture": 0}


def test_pairs_are_of_different_classes_and_of_able_images():
    labels = np.array([0, 0, 0, 1, 2, 2, 2, 2])
    able = np.array([1, 3, 4, 6])
    shapes, textures = draw_pairs(labels, able, 500, np.random.default_rng(0))
    assert (labels[shapes] != labels[textures]).all()
    assert set(shapes) == set(textures) == set(able)


def test_what_texture_cannot_do_is_named(sided):
    with pytest.raises(ConfigError, match="images = 0"):
        measured("texture", MODEL, sided, images=0)
    with pytest.raises(ConfigError, match="way"):
        measured("texture", MODEL, sided, way="paint")
    with pytest.raises(FormatError, match="n has images of one class only"):
        measured("texture", MODEL, sided.of([0, 2, 4]), classes=tuple(SIDES))
