"""Graphs that nobody should run: each is refused by name, in seconds, and this process lives."""

import numpy as np
import onnx
import pytest
from onnx import TensorProto, helper, numpy_helper

from wordsight.base.errors import FormatError
from wordsight.embeddings.model import Model
from wordsight.engines import trial
from wordsight.engines.graph_screen import screen
from wordsight.engines.onnx_engine import OnnxEngine
from wordsight.engines.parity import some_texts
from wordsight.weights.folder import read_fingerprint

WIDTH = 24


def mean_times(values, *more, dtype=TensorProto.FLOAT, source="tokens"):
    """Return nodes and constants of rows that are the mean token id times `values` (1, width), then `more` nodes."""
    nodes = [
        helper.make_node("Cast", [source], ["wide"], to=TensorProto.FLOAT),
        helper.make_node("ReduceMean", ["wide", "one"], ["mean"], keepdims=1),
        helper.make_node("MatMul", ["mean", "values"], ["long"]),
        helper.make_node("LpNormalization", ["long"], ["unit"], axis=1, p=2),
        *more,
        helper.make_node("Cast", ["last" if more else "unit"], ["rows"], to=dtype),
    ]
    constants = [
        numpy_helper.from_array(np.array([1], np.int64), "one"),
        numpy_helper.from_array(np.asarray(values, np.float32)[None], "values"),
    ]
    return nodes, constants


def added(shape, *, power=0):
    """Return nodes that add the sum of a constant of a shape, multiplied by itself `power` times."""
    last, nodes = "big0", [helper.make_node("ConstantOfShape", ["shape"], ["big0"])]
    for number in range(power):
        nodes.append(helper.make_node("MatMul", [last, "big0"], [f"big{number + 1}"]))
        last = f"big{number + 1}"
    nodes += [
        helper.make_node("ReduceSum", [last], ["sum"], keepdims=0),
        helper.make_node("Add", ["unit", "sum"], ["last"]),
    ]
    return nodes, numpy_helper.from_array(np.array(shape, np.int64), "shape")


def endless():
    body = helper.make_graph(
        [helper.make_node("Identity", [name], [f"{name}_out"]) for name in ("going", "state")],
        "body",
        [helper.make_tensor_value_info("number", TensorProto.INT64, []),
         helper.make_tensor_value_info("going", TensorProto.BOOL, []),
         helper.make_tensor_value_info("state", TensorProto.FLOAT, None)],
        [helper.make_tensor_value_info("going_out", TensorProto.BOOL, []),
         helper.make_tensor_value_info("state_out", TensorProto.FLOAT, None)],
    )  # fmt: skip
    return helper.make_node("Loop", ["", "true", "unit"], ["last"], body=body)


def save(path, nodes, constants, *, source="tokens"):
    graph = helper.make_graph(
        nodes,
        "text",
        [helper.make_tensor_value_info(source, TensorProto.INT32, ["b", "l"])],
        [helper.make_tensor_value_info("rows", nodes[-1].attribute[0].i, None)],
        constants,
    )
    model = helper.make_model(
        graph, opset_imports=[helper.make_opsetid("", 20), helper.make_opsetid("own", 1)], ir_version=9
    )
    onnx.helper.set_model_props(model, {"fingerprint": read_fingerprint(path.parent.parent)})
    onnx.save(model, path)


@pytest.fixture
def hostile(exported, recorded):
    """Put a graph in place of the text tower's and return what its use raises."""

    def refused(nodes, constants, **options):
        path = exported / "onnx" / "text.fp32.onnx"
        save(path, nodes, constants, **options)
        recorded(exported)
        model = Model(OnnxEngine(exported, precision="fp32"), folder=exported)
        with pytest.raises(FormatError) as caught:
            model.embed_texts(["a", "some words"])
        assert str(path) in str(caught.value)
        return caught.value.problem.removeprefix(f"{path}").removeprefix(":").strip()

    return refused


ONES = np.ones(WIDTH)


def test_a_graph_that_behaves_is_run(exported, recorded):
    save(exported / "onnx" / "text.fp32.onnx", *mean_times(ONES))
    recorded(exported)
    engine = OnnxEngine(exported, precision="fp32")
    np.testing.assert_allclose(
        engine.embed_texts(some_texts(engine.spec, 3)), np.full((3, WIDTH), WIDTH**-0.5), atol=1e-5
    )


def test_a_graph_that_gives_no_numbers(hostile):
    assert hostile(*mean_times(ONES * np.nan)) == "the graph gives NaN, infinite numbers or zeros for plain inputs"


def test_a_graph_of_another_width_number_or_type(hostile):
    for rows, says in (
        (mean_times(np.ones(WIDTH - 1)), "the text graph gives float32 (1, 23) for 1 inputs, not float32 (1, 24)"),
        (mean_times(ONES, dtype=TensorProto.DOUBLE), "the text graph gives float64 (1, 24) for 1 inputs, not"),
    ):
        assert hostile(*rows).startswith(says)
    first = helper.make_node("Gather", ["unit", "zero"], ["last"], axis=0)
    nodes, constants = mean_times(ONES, first)
    constants.append(numpy_helper.from_array(np.array([0], np.int64), "zero"))
    assert hostile(nodes, constants).startswith(
        "the text graph gives float32 (1, 24) for 3 inputs, not float32 (3, 24)"
    )


def test_a_graph_with_other_inputs(hostile):
    assert "cannot be run" in hostile(*mean_times(ONES, source="ids"), source="ids")


def test_a_graph_that_may_never_end(hostile):
    nodes, constants = mean_times(ONES, endless())
    constants.append(numpy_helper.from_array(np.array(True), "true"))
    assert hostile(nodes, constants) == "holds the operator Loop, which may never end"


def test_a_graph_that_asks_for_sixty_gigabytes(hostile):
    nodes, shape = added([15_000_000_000])
    rows, constants = mean_times(ONES, *nodes)
    assert hostile(rows, [*constants, shape]).startswith("the graph asks for more memory than 3.")


def test_a_graph_that_takes_too_long(hostile, monkeypatch):
    monkeypatch.setattr(trial, "SECONDS", 3)
    nodes, shape = added([3000, 3000], power=2000)
    rows, constants = mean_times(ONES, *nodes)
    rows.insert(0, helper.make_node("Identity", ["tokens"], ["same"]))
    assert "does not end within" in hostile(rows, [*constants, shape])  # of a processor, or of a busy machine's clock


def test_operators_of_others(hostile):
    own = helper.make_node("Mine", ["unit"], ["last"], domain="own")
    assert hostile(*mean_times(ONES, own)) == "holds operators of 'own', which ONNX Runtime does not bring"


@pytest.mark.parametrize("name", ["../../../secret", "/etc/passwd", "nothing.data"])
def test_tensors_elsewhere(hostile, name):
    nodes, constants = mean_times(ONES)
    constants[1].ClearField("raw_data")
    constants[1].data_location = TensorProto.EXTERNAL
    for key, value in (("location", name), ("offset", "0"), ("length", str(4 * WIDTH))):
        entry = constants[1].external_data.add()
        entry.key, entry.value = key, value
    assert hostile(nodes, constants) == f"keeps tensors in {name!r}, which is no file beside it"


@pytest.mark.parametrize(
    "content", [b"\x3a\xff\xff\xff\xff\x7f", b"\x3a\x05ab", b"\xff" * 40, b"\x0f", b"PK\x03\x04 no graph"]
)
def test_what_is_no_graph_at_all(tmp_path, content):
    (tmp_path / "x.onnx").write_bytes(content)
    with pytest.raises(FormatError, match=r"x\.onnx is no ONNX graph"):
        screen(tmp_path / "x.onnx")


def test_a_graph_is_tried_once(exported, recorded, monkeypatch):
    save(exported / "onnx" / "text.fp32.onnx", *mean_times(ONES * 2))
    recorded(exported)
    tried, attempt = [], trial._attempt
    monkeypatch.setattr(trial, "_attempt", lambda *given: (tried.append(given[1]), attempt(*given))[1])
    for _ in range(3):
        engine = OnnxEngine(exported, precision="fp32")
        engine.embed_texts(some_texts(engine.spec, 2))
    assert tried == ["text"]
