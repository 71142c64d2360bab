"""The public face of a model, on the small true engine."""

from dataclasses import replace

import numpy as np
import pytest
from PIL import Image

import wordsight
from wordsight.base.errors import BrokenImage, UnknownModel, UsageError
from wordsight.embeddings.model import Model, load
from wordsight.embeddings.pipeline import encode_images
from wordsight.images.transform import transform

SIDE = 40


def solid(colour):
    return np.full(
        (SIDE, SIDE, 3), {"red": (220, 30, 30), "blue": (40, 70, 210), "white": (250,) * 3}[colour], np.uint8
    )


@pytest.fixture(scope="module")
def model():
    return wordsight.load(engine="fake")


def test_every_kind_of_item_gives_the_same_row(model, tmp_path):
    array = solid("red")
    path = tmp_path / "red.png"
    Image.fromarray(array).save(path)
    rows = model.embed_images([array, path, str(path), path.read_bytes(), Image.fromarray(array)])
    assert rows.shape == (5, model.spec.width)
    assert rows.dtype == np.float32
    np.testing.assert_allclose(np.linalg.norm(rows, axis=1), 1, atol=1e-6)
    np.testing.assert_array_equal(rows, rows[:1].repeat(5, axis=0))


def test_order_is_kept_over_many_batches(model):
    colours = [("red", "blue", "white")[i % 3] for i in range(150)]
    rows = model.embed_images(solid(colour) for colour in colours)
    best = (rows @ model.embed_texts(["red", "blue", "white"]).T).argmax(axis=1)
    assert [("red", "blue", "white")[i] for i in best] == colours


def test_nothing_in_nothing_out(model):
    assert model.embed_images([]).shape == (0, model.spec.width)
    assert model.embed_texts([]).shape == (0, model.spec.width)
    assert model.classify([], ["a"]).shape == (0, 1)


def test_texts_of_all_lengths_keep_their_places(model):
    texts = ["red", "a very long sentence about something blue " * 30, "", "white and blue"]
    rows = model.embed_texts(texts)
    for text, row in zip(texts, rows, strict=True):
        np.testing.assert_allclose(model.embed_texts([text])[0], row, atol=1e-6)


def test_a_broken_picture_is_named(model, tmp_path):
    broken = tmp_path / "broken.jpg"
    broken.write_bytes(b"no picture")
    with pytest.raises(BrokenImage, match=r"broken\.jpg"):
        model.embed_images([solid("red"), broken])
    with pytest.raises(BrokenImage, match="picture 2"):
        model.embed_images([solid("red"), b"no picture"])
    with pytest.raises(BrokenImage, match=r"missing\.jpg"):
        model.embed_images([tmp_path / "missing.jpg"])


def test_probabilities_sum_to_one_and_follow_the_softmax(model):
    items = [solid("red"), solid("blue")]
    shares = model.classify(items, ["red", "blue", "white"], templates=["{}"])
    np.testing.assert_allclose(shares.sum(axis=1), 1, atol=1e-6)
    assert shares.argmax(axis=1).tolist() == [0, 1]
    logits = model.scale * model.score(items, ["red", "blue", "white"]).astype(np.float64)
    np.testing.assert_allclose(shares, np.exp(logits) / np.exp(logits).sum(axis=1, keepdims=True), rtol=1e-4)


def test_probabilities_of_a_sigmoid_model_are_its_own_divided_by_their_sum(model):
    class Sigmoid:
        scale, bias = 10.0, -10.0

    cosines = np.array([[0.2, 0.9, -1.0], [-1.0, -1.0, -1.0]], np.float32)
    own = 1 / (1 + np.exp(-(10.0 * cosines.astype(np.float64) - 10.0)))
    np.testing.assert_allclose(Model(Sigmoid()).probabilities(cosines), own / own.sum(axis=1, keepdims=True), rtol=1e-5)


def test_texts_compete_for_a_picture_in_a_softmax_family(model):
    items, texts = [solid("red"), solid("blue")], ["red", "blue", "white"]
    shares = model.match(items, texts)
    np.testing.assert_allclose(shares, model.probabilities(model.score(items, texts)), atol=1e-6)
    np.testing.assert_allclose(shares.sum(axis=1), 1, atol=1e-6)


def test_every_pair_stands_for_itself_in_a_sigmoid_family():
    class Sigmoid:
        scale, bias = 10.0, -5.0
        spec = replace(load(engine="fake").spec, loss="sigmoid", bias=-5.0)

    cosines = np.array([[0.9, 0.9, -1.0], [-1.0, -1.0, -1.0]], np.float32)
    shares = Model(Sigmoid()).matches(cosines)
    np.testing.assert_allclose(shares, 1 / (1 + np.exp(-(10.0 * cosines.astype(np.float64) - 5.0))), rtol=1e-5)
    assert shares[0].sum() > 1 > shares[1].sum()


def test_a_class_is_the_mean_of_its_prompts(model):
    rows = model.embed_classes(["red", "sky blue, navy blue"], templates=["a {} thing", "my {c}"])
    parts = model.embed_texts(["a sky blue thing", "my sky blue", "a navy blue thing", "my navy blue"])
    np.testing.assert_allclose(rows[1], parts.mean(axis=0) / np.linalg.norm(parts.mean(axis=0)), atol=1e-6)
    np.testing.assert_allclose(np.linalg.norm(rows, axis=1), 1, atol=1e-6)
    named = model.embed_classes(["red"], templates="none")
    np.testing.assert_allclose(named, model.embed_texts(["red"]), atol=1e-6)
    assert not np.allclose(model.embed_classes(["red"]), named)  # the default is a template
    own = model.embed_classes(["blue", "red"], {"red": ["red"], "blue": ["a blue thing"]})
    np.testing.assert_allclose(own, model.embed_texts(["a blue thing", "red"]), atol=1e-6)


@pytest.mark.parametrize(
    "call",
    [
        lambda m: m.embed_texts("dog"),
        lambda m: m.embed_images("dog.jpg"),
        lambda m: m.embed_texts([1]),
        lambda m: m.embed_images([3.5]),
        lambda m: m.classify([], []),
        lambda m: m.classify([], ["cat", " "]),
        lambda m: m.classify([], ["cat"], templates="foto"),
    ],
)
def test_wrong_calls_name_the_cure(model, call):
    with pytest.raises(UsageError, match=";"):
        call(model)


def test_unknown_model_and_engine(tmp_path):
    with pytest.raises(UnknownModel):
        load(tmp_path / "nothing")
    with pytest.raises(UsageError, match="engine"):
        load(engine="fake", precision="int8")


def test_decoding_errors_other_than_broken_input_end_the_run():
    def load_one(item):
        if item == 40:
            raise ZeroDivisionError
        return np.zeros((2, 2, 3), np.uint8)

    with pytest.raises(ZeroDivisionError):
        list(encode_images(range(100), load_one, lambda batch: np.ones((len(batch), 1), np.float32)))


def test_items_without_a_picture_pass_through():
    def load_one(item):
        return None if item % 3 == 0 else np.full((2, 2, 3), item, np.uint8)

    found = list(encode_images(range(50), load_one, lambda batch: batch[:, 0, 0, :1].astype(np.float32)))
    assert [one.item for one in found] == list(range(50))
    assert all((one.embedding is None) == (one.item % 3 == 0) for one in found)
    assert all(one.embedding is None or one.embedding[0] == one.item for one in found)


def test_exact_pixels_are_those_of_the_reference():
    noise = np.random.default_rng(0).integers(0, 256, (90, 121, 3), dtype=np.uint8)
    fast, exact = (load(engine="fake", pixels=pixels) for pixels in ("fast", "exact"))
    reference = transform(noise, exact.spec.preprocess)
    assert np.array_equal(exact.load_pixels(noise), reference)
    assert not np.array_equal(fast.load_pixels(noise), reference)
    with pytest.raises(UsageError, match="fast or exact"):
        load(engine="fake", pixels="precise")


def test_pictures_of_one_shape_go_to_the_engine_together_and_keep_their_places():
    shapes = [(2, 3), (3, 2), (2, 2)]
    seen = []

    def load_one(item):
        if item == 5:
            raise BrokenImage("five is broken")
        return None if item == 6 else np.full((*shapes[item % 3], 3), item, np.uint8)

    def embed(pixels):
        seen.append(pixels.shape)
        return pixels[:, 0, 0, :1].astype(np.float32)

    found = list(encode_images(range(32), load_one, embed, batch=16))
    assert [one.item for one in found] == list(range(32))
    assert all(one.embedding is None if one.item in (5, 6) else one.embedding[0] == one.item for one in found)
    assert isinstance(found[5].error, BrokenImage)
    assert len(seen) == 6
    assert sum(shape[0] for shape in seen) == 30
