"""Each graph gives the rows of the PyTorch tower that it was written from."""

from dataclasses import replace

import numpy as np
import pytest
import torch

from wordsight.engines.parity import some_images, some_texts
from wordsight.engines.torch_engine import TorchEngine
from wordsight.images.spec import PreprocessSpec
from wordsight.text.spec import TokenizerSpec
from wordsight.towers.bert.spec import BertSpec
from wordsight.towers.build import build
from wordsight.towers.clip_text.spec import ClipTextSpec
from wordsight.towers.eva.spec import EvaSpec
from wordsight.towers.graph import operators
from wordsight.towers.graph.write import GraphSource, build_graph, write_graph
from wordsight.towers.resnet.spec import ResNetSpec
from wordsight.towers.spec import ModelSpec
from wordsight.towers.vit.spec import VitSpec

VIT = VitSpec(size=32, width=64, layers=2, heads=2, patch=8)
SIGLIP = replace(
    VIT,
    width=40,
    patch_bias=True,
    pre_norm=False,
    class_token=False,
    pool="attention",
    final_norm="tokens",
    projection="none",
    activation="gelu_tanh",
    epsilon=1e-6,
)
EVA = EvaSpec(size=32, width=64, layers=2, heads=2, patch=8, projection="linear", epsilon=1e-6)
RESNET = ResNetSpec(size=64, width=8, heads=4, stages=(1, 2, 1, 1))
IMAGES = {
    "class token": VIT,
    "quick gelu": replace(VIT, activation="quick_gelu"),
    "mean of patches": replace(VIT, pool="mean", mlp_ratio=2.0),
    "conv stem": replace(VIT, stem="conv", positions="sincos", pool="mean"),
    "conv stem, class token": replace(VIT, stem="conv", positions="sincos"),
    "tiered stem": replace(VIT, stem="tiered", stem_padding=1, patch=16, size=48),
    "resnet": RESNET,
    "siglip": SIGLIP,
    "siglip, mean of patches": replace(SIGLIP, pool="mean", final_norm="pooled", projection="linear"),
    "tokens normed, class token": replace(VIT, final_norm="tokens"),
    "class token, mean of patches": replace(VIT, class_token=True, pool="mean", final_norm="tokens", activation="silu"),
    "layer scale": replace(VIT, layer_scale=True, epsilon=1e-3),
    "queries": replace(VIT, pool="queries", pool_queries=3, pool_heads=4),
    "queries as wide as the tower": replace(VIT, width=40, pool="queries", pool_queries=3),
    "perception": replace(
        VIT, rotary="perception", pool="attention", pool_heads=4, class_token=True, final_norm="tokens"
    ),
    "perception, class token": replace(VIT, rotary="perception"),
    "perception without class token": replace(VIT, rotary="perception", pool="mean"),
    "a part of a patch over": replace(VIT, size=35),
    "eva, plain": EVA,
    "eva, swiglu": replace(EVA, rotary="eva", mlp="swiglu", inner_norm=True, activation="silu", mlp_ratio=2.6667),
    "eva, after the branches": replace(EVA, norm_order="post", layer_scale=True, pool="mean"),
    "eva, rms": replace(EVA, norm="rms", attention_bias="none", pool="mean_all", projection="matrix", layer_scale=True),
}
TEXT = ClipTextSpec(context_length=12, vocabulary_size=600, width=48, layers=3, heads=3)
BERT = BertSpec(context_length=12, vocabulary_size=600, width=48, layers=3, heads=6)
TOKENS = TokenizerSpec(vocabulary="own", vocabulary_size=600, context_length=12)


def towers_of(image, text=TEXT, tokens=TOKENS, *, width=40, preprocess=None):
    torch.manual_seed(7)
    preprocess = preprocess or PreprocessSpec(size=image.size)
    spec = ModelSpec("tiny", width=width, image=image, text=text, preprocess=preprocess, tokenizer=tokens)
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


def source_of(towers):
    """The weights as a checkpoint holds them: fixed positions and other tables are no part of it."""
    return GraphSource(towers.spec, {name: tensor.numpy() for name, tensor in towers.state_dict().items()}, "f" * 16)


def run_graph(towers, tower, precision, inputs):
    import onnxruntime

    content = build_graph(source_of(towers), tower, precision)
    session = onnxruntime.InferenceSession(content, providers=["CPUExecutionProvider"])
    return session.run(["rows"], {session.get_inputs()[0].name: inputs})[0]


@pytest.mark.parametrize("batch", [1, 5])
@pytest.mark.parametrize("image", IMAGES.values(), ids=IMAGES)
def test_image_graph_in_fp32_is_the_tower(image, batch):
    towers = towers_of(image)
    pixels = some_images(towers.spec, batch)
    rows = run_graph(towers, "image", "fp32", pixels)
    expected = TorchEngine.of(towers, fingerprint="").embed_images(pixels)
    np.testing.assert_allclose(rows, expected, atol=2e-6)


@pytest.mark.parametrize("image", IMAGES.values(), ids=IMAGES)
def test_image_graph_in_int8_is_near_the_tower(image):
    towers = towers_of(image)
    pixels = some_images(towers.spec, 5)
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


TEXTS = {
    "end token by its number": replace(TEXT, end_id=7),
    "last token, all seen": replace(TEXT, mask="none", pool="last", projection="linear", activation="gelu_tanh"),
    "last token, causal": replace(TEXT, pool="last", pad_id=1),
    "first token, padding hidden": replace(TEXT, mask="padding", pool="first", layer_scale=True),
    "end token, padding hidden": replace(TEXT, mask="padding", end_id=7, epsilon=1e-3),
    "mean of words": replace(TEXT, mask="padding", pool="mean", width=42, projection="none"),
    "mean of all": replace(TEXT, mask="none", pool="mean"),
    "class token behind, shifted": replace(TEXT, pool="class"),
    "mixers around the blocks": replace(TEXT, mixer=5, mask="none"),
    "mixers around the blocks, causal": replace(TEXT, mixer=3, end_id=7),
    "bert, mean": BERT,
    "bert, hidden units": replace(BERT, hidden=9),
    "bert, first token": replace(BERT, pool="first", projection="matrix", mlp_ratio=2.0, pad_id=1),
    "bert, pooler": replace(BERT, pool="pooler", width=42, projection="none", activation="gelu_tanh", epsilon=1e-5),
    "class token behind": replace(TEXT, pool="class", class_mask="exact", mask="none"),
}


def spec_tokens(text):
    """Rows with an end token 7 and padding behind it, of every length."""
    random = np.random.default_rng(5)
    tokens = np.full((6, text.context_length), text.pad_id, np.int32)
    for number, row in enumerate(tokens):
        words = min(2 * number, text.context_length - 1)
        row[:words] = random.integers(10, 600, words)
        row[words] = 7
    return tokens


@pytest.mark.parametrize("precision", ["fp32", "int8"])
@pytest.mark.parametrize("text", TEXTS.values(), ids=TEXTS)
def test_text_graphs_read_what_the_tower_reads(text, precision):
    towers = towers_of(VIT, text, replace(TOKENS, padding="full", end_id=7, keep_end=False), width=42)
    tokens = spec_tokens(text)
    rows = run_graph(towers, "text", precision, tokens)
    with torch.inference_mode():
        expected = towers.encode_text(torch.from_numpy(tokens), trim=False).numpy()
    if precision == "fp32":
        np.testing.assert_allclose(rows, expected, atol=2e-6)
    else:
        assert (rows * expected).sum(axis=1).min() > 0.99


@pytest.mark.parametrize("text", TEXTS.values(), ids=TEXTS)
def test_what_engines_leave_out_of_texts_changes_nothing(text):
    towers = towers_of(VIT, text, replace(TOKENS, padding="full", end_id=7, keep_end=False), width=42)
    tokens = spec_tokens(text)
    with torch.inference_mode():
        expected = towers.encode_text(torch.from_numpy(tokens), trim=False).numpy()
    np.testing.assert_allclose(TorchEngine.of(towers, fingerprint="").embed_texts(tokens), expected, atol=2e-6)


@pytest.mark.parametrize("grid", [(4, 4), (3, 5), (7, 2), (1, 9)], ids=str)
@pytest.mark.parametrize("precision", ["fp32", "int8"])
def test_pictures_of_other_shapes_stretch_the_positions(precision, grid):
    keep_shape = PreprocessSpec(size=32, resize="patches", patch=8, max_patches=16)
    towers = towers_of(SIGLIP, preprocess=keep_shape)
    pixels = np.random.default_rng(0).integers(0, 256, (3, 8 * grid[0], 8 * grid[1], 3), dtype=np.uint8)
    rows = run_graph(towers, "image", precision, pixels)
    expected = TorchEngine.of(towers, fingerprint="").embed_images(pixels)
    if precision == "fp32":
        np.testing.assert_allclose(rows, expected, atol=2e-6)
    else:
        assert (rows * expected).sum(axis=1).min() > 0.99


@pytest.mark.parametrize("image", [VIT, RESNET, EVA], ids=["vit", "resnet", "eva"])
def test_fp16_graphs_are_half_the_size_and_near(image):
    towers = towers_of(image)
    pixels, tokens = some_images(towers.spec, 5), some_texts(towers.spec, 5)
    engine = TorchEngine.of(towers, fingerprint="")
    for tower, inputs, expected in (
        ("image", pixels, engine.embed_images(pixels)),
        ("text", tokens, engine.embed_texts(tokens)),
    ):
        rows = run_graph(towers, tower, "fp16", inputs)
        assert (rows * expected).sum(axis=1).min() > 0.99999
        half, whole = (len(build_graph(source_of(towers), tower, precision)) for precision in ("fp16", "fp32"))
        assert half < 0.6 * whole


def test_a_graph_too_large_for_one_file_is_two(tmp_path, monkeypatch):
    import onnxruntime

    towers = towers_of(VIT)
    pixels = some_images(towers.spec, 2)
    monkeypatch.setattr(operators, "WHOLE", 1000)
    write_graph(tmp_path / "image.fp32.onnx", source_of(towers), "image", "fp32")
    assert (tmp_path / "image.fp32.onnx").stat().st_size < 50_000 < (tmp_path / "image.fp32.onnx.data").stat().st_size
    session = onnxruntime.InferenceSession(tmp_path / "image.fp32.onnx", providers=["CPUExecutionProvider"])
    np.testing.assert_array_equal(
        session.run(["rows"], {"pixels": pixels})[0], run_graph(towers, "image", "fp32", pixels)
    )


def test_the_first_end_token_counts():
    towers = towers_of(VIT)
    once = np.array([[598, 5, 6, 599, 0, 0]], dtype=np.int32)
    twice = np.array([[598, 5, 6, 599, 7, 599]], dtype=np.int32)
    rows = run_graph(towers, "text", "fp32", np.concatenate([once, twice]))
    np.testing.assert_allclose(rows[0], rows[1], atol=1e-6)


@pytest.mark.parametrize("precision", ["int8", "fp32"])
def test_the_same_weights_give_the_same_bytes(precision):
    for tower in ("image", "text"):
        first = build_graph(source_of(towers_of(VIT)), tower, precision)
        assert first == build_graph(source_of(towers_of(VIT)), tower, precision)
