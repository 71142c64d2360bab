"""No int8 graph can overflow: 16 bits hold the sum of any two neighbouring products, on every processor.

Processors of the x86 family without VNNI multiply activations (bytes, 0..255) with the weights of rows 2i and 2i + 1
and add the two products in 16 bits.  The bound is computed from the weights, so that it is tested on any processor.
"""

import sys
from dataclasses import replace
from pathlib import Path

import numpy as np
import onnx
import onnxruntime
import pytest
import torch
from onnx import helper, numpy_helper

sys.path.insert(0, str(Path(__file__).parent))
sys.path.insert(0, str(Path(__file__).parents[1] / "conformance"))

import pinning
from test_onnx_equals_torch import IMAGES, TEXTS, TOKENS, VIT, source_of, towers_of

from wordsight.engines.export_traced import trace, write_traced
from wordsight.towers.graph import operators
from wordsight.towers.graph.operators import quantise, quantise_matrix
from wordsight.towers.graph.write import build_graph, writes
from wordsight.weights.find import BUNDLED

# where the weights of integer products stand
PRODUCTS = {"DynamicQuantizeMatMul": 1, "MatMulIntegerToFloat": 1, "QLinearConv": 3}
WIDENED = {"Cast", "Gather"}  # what else may read integers: they become float32
FITS = range(-(2**15), 2**15)


def sums_of(weight):
    """The smallest and the largest sum of two neighbouring products with bytes, for weights (K, N)."""
    pairs = np.pad(weight.astype(int), ((0, len(weight) % 2), (0, 0))).reshape(-1, 2, weight.shape[1])
    return 255 * pairs.clip(max=0).sum(axis=1).min(), 255 * pairs.clip(min=0).sum(axis=1).max()


def sums_of_products(model):
    """The sums of every integer product of a graph; integers that anything unknown reads are an error."""
    graph = model.graph
    whole = {one.name: one for one in graph.initializer if one.data_type == onnx.TensorProto.INT8}
    found = []
    for node in graph.node:
        read = [place for place, name in enumerate(node.input) if name in whole]
        if not read:
            continue
        if node.op_type in WIDENED:
            continue
        assert read[0] == PRODUCTS[node.op_type], node
        weight = numpy_helper.to_array(whole[node.input[read[0]]])
        if weight.ndim == 4:
            if weight.shape[1] == 1:  # depthwise convolutions are summed in 32 bits
                continue
            weight = weight.transpose(2, 3, 1, 0).reshape(-1, len(weight))  # in the order in which the grid is read
        found.append(sums_of(weight))
    return found


def check(content, *, products=True):
    model = onnx.load_from_string(content)
    assert {one.key: one.value for one in model.metadata_props}["sums"] == "16-bit"
    found = sums_of_products(model)
    assert bool(found) == products
    assert all(one in FITS for sums in found for one in sums), found


@pytest.mark.parametrize("image", IMAGES.values(), ids=IMAGES)
def test_of_image_towers(image):
    check(build_graph(source_of(towers_of(image)), "image", "int8"), products=image.kind != "resnet")


@pytest.mark.parametrize("text", TEXTS.values(), ids=TEXTS)
def test_of_text_towers(text):
    tokens = replace(TOKENS, padding="full", end_id=7, keep_end=False)
    check(build_graph(source_of(towers_of(VIT, text, tokens, width=42)), "text", "int8"))


@pytest.mark.parametrize("name", pinning.NAMES)
def test_of_models_of_every_family(name, tmp_path):
    source = pinning.source(name, tmp_path)
    for tower in ("image", "text"):
        if writes(source.spec, tower):
            check(build_graph(source, tower, "int8"), products=source.spec.image.kind != "resnet" or tower == "text")


@pytest.mark.parametrize(("name", "tower"), [("timm", "image"), ("bert-text", "text")])
def test_of_traced_towers(name, tower, tmp_path):
    pinning.source(name, tmp_path)
    write_traced(trace(tmp_path / "new", tower), tmp_path / "traced.onnx", "int8")
    check((tmp_path / "traced.onnx").read_bytes())


@pytest.mark.parametrize("tower", ["image", "text"])
def test_of_the_bundled_model(tower):
    check((BUNDLED / "onnx" / f"{tower}.int8.onnx").read_bytes())


def test_weights_scaled_by_the_largest_would_overflow(monkeypatch):
    monkeypatch.setattr(operators, "quantise_matrix", lambda weight: quantise(weight, axis=1))
    with pytest.raises(AssertionError):
        check(build_graph(source_of(towers_of(VIT)), "image", "int8"))


@pytest.mark.parametrize("rows", [1, 2, 5, 96])
@pytest.mark.parametrize("draw", ["normal", "ones", "halves"])
def test_of_any_matrix(rows, draw):
    random = np.random.default_rng(0)
    signs = np.where(random.random((rows, 400)) < 0.5, -1, 1)
    weight = {
        "normal": random.standard_normal((rows, 400)),
        "ones": signs,
        "halves": signs * (63.5 / 127 + 1e-7),  # which all round up
    }[draw].astype(np.float32)
    whole, scale = quantise_matrix(weight)
    assert all(one in FITS for one in sums_of(whole))
    assert (np.abs(whole * scale - weight) <= scale * 0.5001).all()
    assert max(np.abs(sums_of(whole))) >= 255 * 126  # and none of the range is given away


@pytest.mark.parametrize("rows", [1, 2, 7, 64, 385])
@pytest.mark.parametrize("columns", [1, 16, 259])
def test_kernels_sum_what_fits_exactly(rows, columns):
    """In a plain session on the processor at hand: the kernels pair no other rows than the bound assumes."""
    random = np.random.default_rng(0)
    first = random.integers(1, 128, ((rows + 1) // 2, 1, columns))
    alike = random.choice([-1, 1], first.shape) * np.concatenate([first, 128 - first], axis=1)
    apart = np.concatenate([np.full_like(first, 127), np.full_like(first, -127)], axis=1)
    weight = np.where(random.random(first.shape) < 0.5, alike, apart).reshape(-1, columns)[:rows].astype(np.int8)
    y = helper.make_tensor_value_info("y", onnx.TensorProto.INT32, None)
    a = helper.make_tensor_value_info("a", onnx.TensorProto.UINT8, ["m", rows])
    node = helper.make_node("MatMulInteger", ["a", "b"], ["y"])
    product = helper.make_graph([node], "product", [a], [y], [numpy_helper.from_array(weight, "b")])
    model = helper.make_model(product, opset_imports=[helper.make_opsetid("", 20)], ir_version=9)
    session = onnxruntime.InferenceSession(model.SerializeToString(), providers=["CPUExecutionProvider"])
    for height in (1, 3, 6, 50):
        given = np.where(random.random((height, rows)) < 0.8, 255, 3).astype(np.uint8)
        np.testing.assert_array_equal(session.run(None, {"a": given})[0], given.astype(int) @ weight.astype(int))


CONVOLUTIONS = {  # kernel (O, I, K, L), strides, zeros around
    "pointwise": ((40, 24, 1, 1), (1, 1), (0, 0, 0, 0)),
    "pointwise, few channels": ((8, 9, 1, 1), (1, 1), (0, 0, 0, 0)),
    "stem": ((32, 3, 3, 3), (2, 2), (0, 0, 1, 1)),
    "stem by cells": ((64, 12, 3, 2), (2, 1), (0, 0, 1, 1)),
    "depthwise": ((48, 1, 3, 3), (1, 1), (1, 1, 1, 1)),
    "depthwise with a stride": ((40, 1, 5, 5), (2, 2), (1, 1, 2, 2)),
}


def extreme(shape, random):
    """Weights of which every pair is as large as fits; depthwise ones, whose products have 32 bits, all are 127."""
    outputs, inputs, rows, columns = shape
    if inputs == 1:
        return np.where(random.random(shape) < 0.2, -127, 127).astype(np.int8)
    first = random.integers(1, 128, ((rows * columns * inputs + 1) // 2, 1, outputs))
    pairs = random.choice([-1, 1], first.shape) * np.concatenate([first, 128 - first], axis=1)
    flat = np.clip(pairs, -127, 127).reshape(-1, outputs)[: rows * columns * inputs]
    return flat.reshape(rows, columns, inputs, outputs).transpose(3, 2, 0, 1).astype(np.int8)


@pytest.mark.parametrize(("shape", "strides", "pads"), CONVOLUTIONS.values(), ids=CONVOLUTIONS)
def test_convolutions_sum_what_fits_exactly(shape, strides, pads):
    """In a plain session on the processor at hand: bytes of 255 and the largest weights give the sums of 64 bits."""
    random = np.random.default_rng(0)
    weight, groups = extreme(shape, random), shape[0] if shape[1] == 1 else 1
    x = np.where(random.random((2, 12, 12, shape[1] * groups)) < 0.8, 255, 3).astype(np.uint8)
    grid = torch.from_numpy(x.transpose(0, 3, 1, 2).astype(np.float64))
    padded = torch.nn.functional.pad(grid, (pads[1], pads[3], pads[0], pads[2]))
    kernel = torch.from_numpy(weight.astype(np.float64))
    true = torch.nn.functional.conv2d(padded, kernel, stride=strides, groups=groups).numpy()
    scale = np.float32(np.abs(true).max() / 127)
    ends = [np.float32(1), np.uint8(0), weight, np.ones(shape[0], np.float32), np.zeros(shape[0], np.int8)]
    values = [
        numpy_helper.from_array(np.asarray(value), str(n)) for n, value in enumerate([*ends, scale, np.uint8(128)])
    ]
    options = {"strides": strides, "pads": pads, "group": groups, "channels_last": 1, "domain": "com.microsoft"}
    node = helper.make_node("QLinearConv", ["x", *(value.name for value in values)], ["y"], **options)
    ports = [helper.make_tensor_value_info(name, onnx.TensorProto.UINT8, None) for name in "xy"]
    graph = helper.make_graph([node], "convolution", ports[:1], ports[1:], values)
    opsets = [helper.make_opsetid("", 20), helper.make_opsetid("com.microsoft", 1)]
    model = helper.make_model(graph, opset_imports=opsets, ir_version=9)
    session = onnxruntime.InferenceSession(model.SerializeToString(), providers=["CPUExecutionProvider"])
    given = session.run(None, {"x": x})[0].transpose(0, 3, 1, 2).astype(int)
    assert np.abs(given - (np.round(true / scale) + 128).clip(0, 255)).max() <= 1  # which way halves are rounded
