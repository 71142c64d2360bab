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
from wordsight.weights.folder import read_spec

PRODUCTS = {"DynamicQuantizeMatMul": 1, "MatMulIntegerToFloat": 1}  # where the weights of integer products stand
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
        assert read == [PRODUCTS[node.op_type]], node
        found.append(sums_of(numpy_helper.to_array(whole[node.input[read[0]]])))
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
    resnet = read_spec(BUNDLED).image.kind == "resnet"
    content = (BUNDLED / "onnx" / f"{tower}.int8.onnx").read_bytes()
    check(content, products=not (resnet and tower == "image"))


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
