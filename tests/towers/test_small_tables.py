"""Tables in 4 bits, and ranges shared between inputs and weights."""

import sys
from dataclasses import replace
from pathlib import Path

import numpy as np
import onnx
import onnxruntime
import pytest
from onnx import TensorProto

sys.path.insert(0, str(Path(__file__).parents[1] / "equal"))

from test_onnx_equals_torch import BERT, VIT, source_of, spec_tokens, towers_of

from wordsight.engines.layer_noise import measured_reach, worst_layers
from wordsight.towers.graph.nibbles import packed_nibbles, widened_nibbles
from wordsight.towers.graph.operators import Graph
from wordsight.towers.graph.read_back import read_back
from wordsight.towers.graph.smoothing import capped, evened
from wordsight.towers.graph.write import GraphSource, build_graph, write_graph


def run(content, tokens):
    return onnxruntime.InferenceSession(content, providers=["CPUExecutionProvider"]).run(None, {"tokens": tokens})[0]


@pytest.mark.parametrize("width", [128, 48, 6])
def test_a_graph_reads_the_table_that_was_packed(width):
    random = np.random.default_rng(0)
    table = (random.standard_normal((9, width)) * random.uniform(0.01, 3, (9, 1))).astype(np.float32)
    table[4] = 0
    packed, scale = packed_nibbles(table)
    assert (packed.shape, packed.dtype, scale.dtype) == ((9, width // 2), np.uint8, np.float16)
    wide = widened_nibbles(packed, scale)
    assert np.linalg.norm(wide - table) < 0.12 * np.linalg.norm(table)
    assert not wide[4].any()
    graph = Graph("int8", table_bits=4)
    graph.output(graph.lookup(table, graph.input("tokens", TensorProto.INT32, ["b", "l"])), "rows", ["b", "l", width])
    rows = np.array([[0, 4, 8], [3, 3, 1]], np.int32)
    np.testing.assert_array_equal(run(graph.model({}), rows), wide[rows])


def test_an_odd_width_keeps_its_bytes():
    graph = Graph("int8", table_bits=4)
    table = np.ones((3, 5), np.float32)
    graph.output(graph.lookup(table, graph.input("tokens", TensorProto.INT32, ["b", "l"])), "rows", ["b", "l", 5])
    assert {one.data_type for one in onnx.load_from_string(graph.model({})).graph.initializer} == {
        TensorProto.INT8,
        TensorProto.FLOAT,
    }


@pytest.fixture(scope="module")
def source():
    """A tower with an input of each block that reaches far beyond the others."""
    made = source_of(towers_of(VIT, replace(BERT, width=64, heads=2)))
    state = {name: array.copy() for name, array in made.state.items()}
    for number in range(3):
        block = f"text.transformer.resblocks.{number}."
        state[f"{block}ln_1.weight"][7] *= 40
        state[f"{block}mlp.c_fc.weight"][:, 7] /= 40
        state[f"{block}ln_2.weight"][9] *= 30
    return replace(made, state=state)


def test_shared_ranges_bring_the_embeddings_nearer(source):
    tokens = spec_tokens(source.spec.text)
    true = run(build_graph(source, "text", "fp32"), tokens)
    reach = measured_reach(source, "text", lambda: tokens)
    assert set(reach) == {name for name, _ in worst_layers(source, "text", tokens)}
    assert reach["text.transformer.resblocks.1.mlp.c_fc"].argmax() == 7
    shared = replace(source, reach=reach)
    lost = [1 - (run(build_graph(one, "text", "int8"), tokens) * true).sum(axis=1).mean() for one in (source, shared)]
    assert lost[1] < lost[0] / 4
    noise = [dict(worst_layers(one, "text", tokens)) for one in (source, shared)]
    assert sum(noise[1].values()) < sum(noise[0].values()) / 3


@pytest.mark.parametrize("bits", [8, 4])
def test_weights_come_back_from_shared_ranges_and_small_tables(source, bits, tmp_path):
    tokens = spec_tokens(source.spec.text)
    small = replace(source, reach=measured_reach(source, "text", lambda: tokens), table_bits=bits)
    write_graph(tmp_path / "text.int8.onnx", small, "text", "int8")
    state = read_back(tmp_path / "text.int8.onnx", source.spec, "text")
    again = GraphSource(source.spec, {**source.state, **state})
    true = run((tmp_path / "text.int8.onnx").read_bytes(), tokens)
    assert (run(build_graph(again, "text", "fp32"), tokens) * true).sum(axis=1).min() > 0.998
    table = source.state["text.token_embedding.weight"]
    error = np.linalg.norm(state["text.token_embedding.weight"] - table) / np.linalg.norm(table)
    assert error < (0.01 if bits == 8 else 0.11)


def test_a_table_in_4_bits_is_half_the_size(source):
    sizes = [len(build_graph(replace(source, table_bits=bits), "text", "int8")) for bits in (8, 4)]
    assert 0.4 < (sizes[0] - sizes[1]) / source.state["text.token_embedding.weight"].size < 0.55


def test_towers_that_share_no_ranges_are_not_run():
    def inputs():
        raise AssertionError("not needed")

    assert measured_reach(source_of(towers_of(VIT)), "text", inputs) == {}


def test_what_is_moved_from_inputs_to_weights():
    weight = np.ones((4, 3), np.float32)
    reach = np.array([1, 1, 16, 1], np.float32)
    share = evened(reach, weight)
    np.testing.assert_allclose(share / share[0], [1, 1, 8, 1], rtol=1e-5)
    assert np.prod(share) == pytest.approx(1)
    np.testing.assert_allclose(capped(np.array([1.0] * 19 + [50]), weight), [1] * 19 + [50], rtol=1e-5)
    assert np.isfinite(evened(np.zeros(4), 0 * weight)).all() and np.isfinite(capped(np.zeros(4), weight)).all()
