"""What every engine of the table must do."""

import numpy as np
import pytest
import torch

from wordsight.base.errors import UsageError
from wordsight.engines.export import export
from wordsight.engines.open import ENGINES, open_engine
from wordsight.engines.parity import some_images, some_texts
from wordsight.images.spec import PreprocessSpec
from wordsight.text.spec import TokenizerSpec
from wordsight.towers.build import build
from wordsight.towers.clip_text.spec import ClipTextSpec
from wordsight.towers.spec import ModelSpec
from wordsight.towers.vit.spec import VitSpec
from wordsight.weights.folder import save_model


@pytest.fixture(scope="module")
def folder(tmp_path_factory):
    torch.manual_seed(0)
    spec = ModelSpec(
        "tiny",
        width=24,
        image=VitSpec(size=32, width=32, layers=2, heads=2, patch=8),
        text=ClipTextSpec(context_length=16, vocabulary_size=49408, width=32, layers=2, heads=2),
        preprocess=PreprocessSpec(size=32),
        tokenizer=TokenizerSpec(context_length=16),
    )
    place = tmp_path_factory.mktemp("models") / "tiny"
    save_model(build(spec).eval(), place)
    export(place, precisions=["int8", "fp32"])
    return place


@pytest.fixture(
    params=[*((name, "auto") for name in ENGINES), ("onnx", "fp32"), ("torch", "bf16"), ("torch", "fp16")], ids="-".join
)
def engine(request, folder):
    name, precision = request.param
    return open_engine(folder, engine=name, device="cpu", precision=precision)


def test_facts(engine):
    assert len(engine.fingerprint) == 16
    assert int(engine.fingerprint, 16) >= 0
    assert engine.scale > 0
    assert engine.bias is None
    assert engine.spec.width > 0


def test_image_rows_are_float32_of_unit_length(engine):
    rows = engine.embed_images(some_images(engine.spec, 19))
    assert rows.shape == (19, engine.spec.width)
    assert rows.dtype == np.float32
    np.testing.assert_allclose(np.linalg.norm(rows, axis=1), 1, atol=1e-5)


def test_text_rows_are_float32_of_unit_length(engine):
    rows = engine.embed_texts(some_texts(engine.spec, 37))
    assert rows.shape == (37, engine.spec.width)
    assert rows.dtype == np.float32
    np.testing.assert_allclose(np.linalg.norm(rows, axis=1), 1, atol=1e-5)


def test_the_same_input_gives_the_same_rows(engine):
    pictures, texts = some_images(engine.spec, 3), some_texts(engine.spec, 3)
    np.testing.assert_array_equal(engine.embed_images(pictures), engine.embed_images(pictures))
    np.testing.assert_array_equal(engine.embed_texts(texts), engine.embed_texts(texts))


def test_different_inputs_give_different_rows(engine):
    pictures = engine.embed_images(some_images(engine.spec, 6))
    texts = engine.embed_texts(some_texts(engine.spec, 6))
    for rows in (pictures, texts):
        assert len(np.unique(rows.round(4), axis=0)) == 6


def test_a_row_does_not_depend_on_its_neighbours(engine):
    pictures, texts = some_images(engine.spec, 6), some_texts(engine.spec, 40)
    together, alone = engine.embed_images(pictures), engine.embed_images(pictures[4:5])
    assert float(together[4] @ alone[0]) > 0.998  # int8 scales are those of a batch
    together, alone = engine.embed_texts(texts), engine.embed_texts(texts[38:39])
    assert float(together[38] @ alone[0]) > 0.998


def test_what_follows_the_end_token_does_not_matter(engine):
    texts = some_texts(engine.spec, 4)
    ends = texts.argmax(axis=1)
    other = texts.copy()
    for row, end in zip(other, ends, strict=True):
        row[end + 1 :] = 7
    np.testing.assert_allclose(engine.embed_texts(texts), engine.embed_texts(other), atol=0.05)
    cut = texts[:, : ends.max() + 1]
    np.testing.assert_array_equal(engine.embed_texts(texts), engine.embed_texts(cut))


def test_no_inputs_give_no_rows(engine):
    size, width = engine.spec.preprocess.size, engine.spec.width
    assert engine.embed_images(np.zeros((0, size, size, 3), np.uint8)).shape == (0, width)
    assert engine.embed_texts(np.zeros((0, 5), np.int32)).shape == (0, width)


def test_arrays_need_not_lie_in_order(engine):
    pictures, texts = some_images(engine.spec, 3), some_texts(engine.spec, 3)
    turned = np.asfortranarray(pictures[::-1])
    np.testing.assert_allclose(engine.embed_images(turned), engine.embed_images(pictures[::-1].copy()), atol=1e-6)
    np.testing.assert_array_equal(engine.embed_texts(texts.astype(np.int64)), engine.embed_texts(texts))


@pytest.mark.parametrize("shape", [(2, 31, 32, 3), (2, 3, 32, 32), (32, 32, 3), (1, 64, 64, 3)])
def test_wrong_pixels_are_refused(engine, shape):
    with pytest.raises(UsageError, match=r"wants uint8 \(B, 32, 32, 3\)"):
        engine.embed_images(np.zeros(shape, np.uint8))


def test_normalised_pixels_are_refused(engine):
    with pytest.raises(UsageError, match="float32"):
        engine.embed_images(np.zeros((1, 32, 32, 3), np.float32))


def test_wrong_tokens_are_refused(engine):
    size, context = engine.spec.text.vocabulary_size, engine.spec.text.context_length
    with pytest.raises(UsageError, match="no end token"):
        engine.embed_texts(np.array([[size - 2, 5, size - 1], [size - 2, 5, 6]], np.int32))
    with pytest.raises(UsageError, match=f"has {size} tokens"):
        engine.embed_texts(np.array([[size - 2, size, size - 1]], np.int32))
    with pytest.raises(UsageError, match="token ids from -1"):
        engine.embed_texts(np.array([[size - 2, -1, size - 1]], np.int32))
    with pytest.raises(UsageError, match=f"L from 1 to {context}"):
        engine.embed_texts(np.full((1, context + 1), size - 1, np.int32))
    with pytest.raises(UsageError, match="float64"):
        engine.embed_texts(np.zeros((1, 3)))


def test_it_computes_on_the_processor_only_when_told_so(folder):
    for name in ENGINES:
        with pytest.raises(UsageError, match="'abacus'"):
            open_engine(folder, engine=name, device="abacus")
        with pytest.raises(UsageError, match="'int3'"):
            open_engine(folder, engine=name, precision="int3")
