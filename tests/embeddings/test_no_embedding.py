"""What a tower gives no numbers for is named, and nothing of it is stored, printed or returned."""

import json

import numpy as np
import pytest

from wordsight.base.arrays import is_unit
from wordsight.base.errors import FormatError, NoEmbedding, UsageError
from wordsight.embeddings.model import Model
from wordsight.embeddings.store import EmbeddingBlock, PartNote, write_part
from wordsight.engines.fake import FakeEngine

RED = np.full((32, 32, 3), (220, 30, 30), np.uint8)
BLUE = np.full((32, 32, 3), (40, 70, 210), np.uint8)


def model_that_spoils(value, spoiled):
    """Return a model whose towers give `value` for what `spoiled` says of its pixels or tokens."""
    engine = FakeEngine()

    def spoil(embed):
        def embedded(inputs):
            embeddings = embed(inputs)
            embeddings[[spoiled(one) for one in inputs]] = value
            return embeddings

        return embedded

    engine.fingerprint = (
        "5b01150000000000"  # it is another model: what is kept of the sound one is not taken for its own
    )
    engine.embed_images, engine.embed_texts = spoil(engine.embed_images), spoil(engine.embed_texts)
    return Model(engine)


def is_blue(pixels):
    return pixels.ndim == 3 and pixels[0, 0, 2] == 210


def test_unit_embeddings():
    rows = np.array([[1, 0], [0.6, 0.8], [0, 0], [np.nan, 1], [np.inf, 0], [0, 2], [0.999, 0]], np.float32)
    assert is_unit(rows).tolist() == [True, True, False, False, False, False, True]


@pytest.mark.parametrize("value", [np.nan, np.inf, 0.0])
def test_an_image_is_named(value, tmp_path):
    from PIL import Image

    model = model_that_spoils(value, is_blue)
    path = tmp_path / "blue.png"
    Image.fromarray(BLUE).save(path)
    for item, name in ((BLUE, "picture 2"), (path, str(path)), (Image.open(path), str(path))):
        with pytest.raises(NoEmbedding) as caught:
            model.embed_images([RED, item])
        assert str(caught.value) == (
            f"the image tower of fake gives NaN, infinite numbers or zeros for {name}; "
            "leave it out, or compute in fp32: precision='fp32'"
        )
        assert caught.value.exit_status == 1


def test_a_text_is_named():
    model = model_that_spoils(np.nan, lambda tokens: len(tokens) > 4)
    model.embed_texts(["red"])
    with pytest.raises(NoEmbedding, match=r"text tower of fake gives .* for 'the red the red the red'; leave"):
        model.embed_texts(["the red the red the red"])


def test_a_tower_that_gives_nothing_at_all_is_the_models_fault():
    model = model_that_spoils(np.nan, lambda inputs: True)
    for call in (lambda: model.embed_images([RED]), lambda: model.classify([RED], ["red", "blue"])):
        with pytest.raises(FormatError, match=r"tower of fake gives NaN, infinite numbers or zeros for every"):
            call()


def test_a_bulk_job_lists_the_image_and_goes_on(tmp_path):
    from PIL import Image

    from wordsight.data.source import open_source
    from wordsight.embeddings.bulk import BulkOptions, embed_source

    (tmp_path / "in").mkdir()
    for name, pixels in (("a", RED), ("b", BLUE), ("c", RED)):
        Image.fromarray(pixels).save(tmp_path / "in" / f"{name}.png")
    model = model_that_spoils(np.nan, is_blue)
    report = embed_source(model, open_source(tmp_path / "in"), tmp_path / "out", BulkOptions())
    assert report.manifest.images == 2
    ((failure),) = report.failures
    assert "gives NaN" in failure["error"] and "b.png" in failure["error"]
    assert np.isfinite(np.load(tmp_path / "out" / "image-00000.npy")).all()


def test_a_library_lists_the_image_and_goes_on(tmp_path):
    from PIL import Image

    from wordsight.search.library import open_library

    for name, pixels in (("a", RED), ("b", BLUE)):
        Image.fromarray(pixels).save(tmp_path / f"{name}.png")
    with open_library(tmp_path, model=model_that_spoils(np.nan, is_blue)) as library:
        report = library.sync()
        assert report.added == ["a.png"]
        ((key, reason),) = report.failed
        assert key == "b.png" and "gives NaN" in reason
        assert [hit.key for hit in library.search("red")] == ["a.png"]


def test_a_store_takes_no_nan(tmp_path):
    block = EmbeddingBlock("image", np.full((1, 2), np.nan, np.float32), [{"key": "a"}])
    note = PartNote(read=1, images=1, texts=0, failures=(), next_part=0, next_entry=1)
    with pytest.raises(FormatError, match="NaN or infinite numbers; embed again; none of them was stored"):
        write_part(tmp_path, 0, [block], note=note, layout="npy")
    assert list(tmp_path.iterdir()) == []


def test_probabilities_of_nan_are_refused():
    model = Model(FakeEngine())
    for call in (model.probabilities, model.matches):
        with pytest.raises(UsageError, match="cosines that are NaN or infinite"):
            call(np.array([[0.5, np.nan]], np.float32))


def test_one_image_one_text_and_no_list_get_one_sentence_each(tmp_path):
    from PIL import Image

    model = Model(FakeEngine())
    Image.fromarray(RED).save(tmp_path / "a.png")
    path = tmp_path / "a.png"
    for item in (str(path), path, path.read_bytes(), bytearray(path.read_bytes()), Image.fromarray(RED), RED):
        with pytest.raises(UsageError, match=r"^a single picture was given where a list is needed; write \[picture\]$"):
            model.embed_images(item)
    for wrong in (None, 3, 2.5):
        for call in (model.embed_images, model.embed_texts):
            with pytest.raises(UsageError, match=f"^{type(wrong).__name__} was given where a list is needed"):
                call(wrong)
    for wrong in ([None], [float("nan")], [3], [b"x"]):
        with pytest.raises(
            UsageError, match=f"^a text cannot be made of {type(wrong[0]).__name__}; give a list of str"
        ):
            model.embed_texts(wrong)
    with pytest.raises(UsageError, match=r"^a single text was given"):
        model.embed_texts("a dog")


def test_every_list_is_taken(tmp_path):
    model = Model(FakeEngine())
    rows = model.embed_texts(["red", "blue"])
    for texts in (("red", "blue"), np.array(["red", "blue"]), iter(["red", "blue"]), {"red": 1, "blue": 2}):
        np.testing.assert_array_equal(model.embed_texts(texts), rows)
    images = model.embed_images([RED, BLUE])
    for items in (np.stack([RED, BLUE]), iter([RED, BLUE]), (RED, BLUE)):
        np.testing.assert_array_equal(model.embed_images(items), images)
    wanted = model.classify([RED], ["red", "blue"], templates=["a {}"])
    np.testing.assert_array_equal(model.classify([RED], ["red", "blue"], templates=(one for one in ["a {}"])), wanted)
    assert model.classify([RED], (name for name in ("red", "blue"))).shape == (1, 2)


@pytest.mark.parametrize(
    ("classes", "templates", "message"),
    [
        (["red", "blue"], ["a photo of"], "no slot in the template 'a photo of'; write {} where the class name goes"),
        (["red"], ["a {0}"], "no slot in the template 'a {0}'; write {} where the class name goes"),
        (["red"], ["{} and", "none"], "no slot in the template 'none'; write {} where the class name goes"),
        (["red"], [str.upper], "a template of method_descriptor; give a text; write {} where the class name goes"),
        (["red", "red"], None, "the class red is given twice; give every class once"),
        (["red"], 3, "int was given where a list is needed; write [template]"),
        (["red"], [], "no templates for the class red; give a list of at least one, for example {}"),
        ([], None, "no classes; give at least one, for example cat,dog"),
        ([None], None, "a class cannot be made of NoneType; give a list of str"),
        ("red", None, "a single class was given where a list is needed; write [class]"),
        (None, None, "NoneType was given where a list is needed; write [class]"),
    ],
)
def test_classes_and_templates_that_mean_nothing(classes, templates, message):
    with pytest.raises(UsageError) as caught:
        Model(FakeEngine()).classify([RED], classes, templates=templates)
    assert str(caught.value) == message


def test_results_are_json_that_every_reader_takes():
    shares = Model(FakeEngine()).classify([RED, BLUE], ["red", "blue"])
    json.loads(json.dumps(shares.tolist(), allow_nan=False))
