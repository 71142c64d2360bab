"""What is special about taking weights out of a graph; that every family's come back is in conformance."""

import sys
from dataclasses import replace
from pathlib import Path

import numpy as np
import onnx
import pytest

from wordsight.base.errors import FormatError
from wordsight.towers.graph.read_back import read_back
from wordsight.towers.graph.write import GraphSource, write_graph

sys.path.insert(0, str(Path(__file__).parents[1] / "conformance"))

import pinning


@pytest.fixture
def resnet(tmp_path):
    return pinning.source("clip-resnet", tmp_path)


@pytest.fixture
def vit(tmp_path):
    return pinning.source("layer-scale", tmp_path)


def back(source, tower, precision, path, **options):
    write_graph(path, source, tower, precision, **options)
    return read_back(path, source.spec, tower)


def near(given, expected, share):
    limit = share * np.abs(expected).max()
    np.testing.assert_allclose(given, expected, atol=limit, rtol=0)


def test_weights_in_float32_come_back_as_they_were(vit, tmp_path):
    state = back(vit, "text", "fp32", tmp_path / "text.onnx")
    assert set(state) == {name for name in vit.state if not name.startswith(("visual.", "logit_"))}
    for name, array in state.items():
        near(array, vit.state[name], 1e-3 if name.endswith(("gamma", "proj.weight", "proj.bias")) else 1e-6)


def test_batch_norms_come_back_with_their_statistics_and_the_kernels_as_they_were(resnet, tmp_path):
    """Training goes on from them: norms of 1 and 0 would give other numbers as soon as they see batches."""
    state = back(resnet, "image", "int8", tmp_path / "image.onnx")
    for end in ("bn1.running_var", "bn1.running_mean", "bn1.weight", "bn1.bias"):
        near(state[f"visual.layer2.0.{end}"], resnet.state[f"visual.layer2.0.{end}"], 1e-3)
    near(state["visual.layer2.0.conv1.weight"], resnet.state["visual.layer2.0.conv1.weight"], 0.02)
    assert state["visual.bn1.num_batches_tracked"].dtype == np.int64


def test_the_fingerprint_ends_the_graph_whatever_else_it_says(resnet, tmp_path):
    """Where `wordsight.engines.openvino_engine` looks for it."""
    write_graph(tmp_path / "image.onnx", replace(resnet, fingerprint="0123456789abcdef"), "image", "fp32")
    content = (tmp_path / "image.onnx").read_bytes()
    assert b"folded" in content
    assert b"0123456789abcdef" in content[-100:]


def without_metadata(path, key):
    model = onnx.load(path)
    rest = {entry.key: entry.value for entry in model.metadata_props if entry.key != key}
    del model.metadata_props[:]
    onnx.helper.set_model_props(model, rest)
    onnx.save(model, path)


def test_without_its_metadata_what_was_folded_stays_folded(resnet, tmp_path):
    path = tmp_path / "image.onnx"
    write_graph(path, resnet, "image", "fp32")
    without_metadata(path, "folded")
    state = read_back(path, resnet.spec, "image")
    name = "visual.layer2.0."
    assert set(np.unique(state[f"{name}bn1.running_var"])) == set(np.unique(state[f"{name}bn1.weight"])) == {1}
    deviation = np.sqrt(resnet.state[f"{name}bn1.running_var"] + 1e-5)
    factor = resnet.state[f"{name}bn1.weight"] / deviation * np.sqrt(1 + 1e-5)
    near(state[f"{name}conv1.weight"], resnet.state[f"{name}conv1.weight"] * factor[:, None, None, None], 1e-5)


def test_layers_kept_in_float32_are_found_again(vit, tmp_path):
    name = "visual.transformer.resblocks.1.mlp.c_proj"
    state = back(vit, "image", "int8", tmp_path / "image.onnx", keep=[name])
    near(state[f"{name}.weight"], vit.state[f"{name}.weight"], 1e-3)


def test_the_graph_of_another_writer_is_refused(vit, tmp_path):
    path = tmp_path / "image.onnx"
    write_graph(path, vit, "image", "fp32")
    other = replace(vit.spec, image=replace(vit.spec.image, activation="silu"))
    with pytest.raises(
        FormatError, match=r"image\.onnx is not the graph that this version writes of .*copy of the model"
    ):
        read_back(path, other, "image")
    without_metadata(path, "precision")
    read_back(path, vit.spec, "image")


def test_folded_weights_of_another_size_are_refused(resnet, tmp_path):
    path = tmp_path / "image.onnx"
    write_graph(path, resnet, "image", "fp32")
    model = onnx.load(path)
    for entry in model.metadata_props:
        if entry.key == "folded":
            entry.value = entry.value[:400]
    onnx.save(model, path)
    with pytest.raises(FormatError, match="the graph's folded weights are of other sizes; export or fetch"):
        read_back(path, resnet.spec, "image")


def test_large_graphs_with_their_constants_beside_them_are_read(vit, tmp_path, monkeypatch):
    monkeypatch.setattr("wordsight.towers.graph.operators.WHOLE", 10_000)
    state = back(vit, "image", "fp32", tmp_path / "image.onnx")
    assert (tmp_path / "image.onnx.data").is_file()
    near(state["visual.conv1.weight"], vit.state["visual.conv1.weight"], 1e-6)


def test_every_number_of_a_large_weight_is_told_apart(tmp_path):
    """A position takes two numbers of 16 bits: there are more than 65,536 weights."""
    made = pinning.source("clip-vit", tmp_path)
    size = (3000, made.spec.text.width)
    spec = replace(
        made.spec,
        text=replace(made.spec.text, vocabulary_size=3000),
        tokenizer=replace(made.spec.tokenizer, vocabulary_size=3000),
    )
    table = np.random.default_rng(0).standard_normal(size).astype(np.float32)
    source = GraphSource(spec, {**made.state, "token_embedding.weight": table})
    state = back(source, "text", "fp32", tmp_path / "text.onnx")
    assert table.size > 2**16 and np.array_equal(state["token_embedding.weight"], table)
