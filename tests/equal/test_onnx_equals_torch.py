"""Each graph gives the rows of the PyTorch tower that it was written from."""

from dataclasses import replace

import numpy as np
import pytest
import torch

from wordsight.engines.export import build_graph
from wordsight.engines.parity import some_pictures, some_texts
from wordsight.engines.torch_engine import TorchEngine
from wordsight.images.spec import PreprocessSpec
from wordsight.text.spec import TokenizerSpec
from wordsight.towers.build import build
from wordsight.towers.spec import ImageTowerSpec, ModelSpec, TextTowerSpec

VIT = ImageTowerSpec(size=32, width=64, layers=2, heads=2, patch=8)
RESNET = ImageTowerSpec(kind="resnet", size=64, width=8, heads=4, stages=(1, 2, 1, 1))
IMAGES = {
    "class token": VIT,
    "quick gelu": replace(VIT, activation="quick_gelu"),
    "mean of patches": replace(VIT, pool="mean", mlp_ratio=2.0),
    "conv stem": replace(VIT, stem="conv", positions="sincos", pool="mean"),
    "conv stem, class token": replace(VIT, stem="conv", positions="sincos"),
    "resnet": RESNET,
}
TEXT = TextTowerSpec(context_length=12, vocabulary_size=600, width=48, layers=3, heads=3)
TOKENS = TokenizerSpec(vocabulary="own", vocabulary_size=600, context_length=12)


def towers_of(image, text=TEXT):
    torch.manual_seed(7)
    spec = ModelSpec(
        "tiny", width=40, image=image, text=text, preprocess=PreprocessSpec(size=image.size), tokenizer=TOKENS
    )
    towers = build(spec)
    with torch.no_grad():  # zeros and ones of a fresh tower would hide a forgotten weight
        for parameter in towers.parameters():
            parameter.add_(0.1 * torch.randn_like(parameter))
        for name, buffer in towers.named_buffers():
            if name.endswith("running_mean"):
                buffer.normal_()
            if name.endswith("running_var"):
                buffer.uniform_(0.5, 2.0)
    return towers.eval()


def run_graph(towers, tower, precision, inputs):
    import onnxruntime

    content = build_graph(towers, tower, precision, "0" * 16)
    session = onnxruntime.InferenceSession(content, providers=["CPUExecutionProvider"])
    return session.run(["rows"], {session.get_inputs()[0].name: inputs})[0]


@pytest.mark.parametrize("batch", [1, 5])
@pytest.mark.parametrize("image", IMAGES.values(), ids=IMAGES)
def test_image_graph_in_fp32_is_the_tower(image, batch):
    towers = towers_of(image)
    pixels = some_pictures(towers.spec, batch)
    rows = run_graph(towers, "image", "fp32", pixels)
    expected = TorchEngine.of(towers, fingerprint="").embed_images(pixels)
    np.testing.assert_allclose(rows, expected, atol=2e-6)


@pytest.mark.parametrize("image", IMAGES.values(), ids=IMAGES)
def test_image_graph_in_int8_is_near_the_tower(image):
    towers = towers_of(image)
    pixels = some_pictures(towers.spec, 5)
    rows = run_graph(towers, "image", "int8", pixels)
    expected = TorchEngine.of(towers, fingerprint="").embed_images(pixels)
    assert (rows * expected).sum(axis=1).min() > 0.99


@pytest.mark.parametrize("activation", ["gelu", "quick_gelu"])
@pytest.mark.parametrize("batch", [1, 5])
def test_text_graph_in_fp32_is_the_tower_at_every_length(batch, activation):
    towers = towers_of(VIT, replace(TEXT, activation=activation))
    tokens = some_texts(towers.spec, batch, seed=3)
    with torch.inference_mode():
        expected = towers.encode_text(torch.from_numpy(tokens), trim=False).numpy()
    ends = tokens.argmax(axis=1) + 1
    for length in range(ends.max(), towers.spec.text.context_length + 1):
        rows = run_graph(towers, "text", "fp32", tokens[:, :length])
        np.testing.assert_allclose(rows, expected, atol=2e-6)


def test_text_graph_in_int8_is_near_the_tower():
    towers = towers_of(VIT)
    tokens = some_texts(towers.spec, 5)
    rows = run_graph(towers, "text", "int8", tokens)
    expected = TorchEngine.of(towers, fingerprint="").embed_texts(tokens)
    assert (rows * expected).sum(axis=1).min() > 0.99


def test_the_first_end_token_counts():
    towers = towers_of(VIT)
    once = np.array([[598, 5, 6, 599, 0, 0]], dtype=np.int32)
    twice = np.array([[598, 5, 6, 599, 7, 599]], dtype=np.int32)
    rows = run_graph(towers, "text", "fp32", np.concatenate([once, twice]))
    np.testing.assert_allclose(rows[0], rows[1], atol=1e-6)


@pytest.mark.parametrize("precision", ["int8", "fp32"])
def test_the_same_weights_give_the_same_bytes(precision):
    for tower in ("image", "text"):
        first = build_graph(towers_of(VIT), tower, precision, "f" * 16)
        assert first == build_graph(towers_of(VIT), tower, precision, "f" * 16)
