"""Towers of other packages as ONNX: traced by PyTorch, with the normalisation put before and unit embeddings behind.

    write_traced(trace(folder, "image"), path, "int8")

Inputs and outputs are those of the package's own graphs: "pixels" uint8 or "tokens" int32 to "rows".  In int8 the
matrices are integers with one scale for each output channel, convolutions stay in float32.  Needs PyTorch, the
tower's package, onnx and onnxscript.
"""

import tempfile
import warnings
from pathlib import Path
from typing import Any

import numpy as np
import onnx
import torch
from onnx import helper, numpy_helper
from torch import Tensor, nn

from wordsight.base.files import atomic_write
from wordsight.base.optional import require
from wordsight.engines.parity import some_images, some_texts
from wordsight.towers.graph.operators import APART, CONTRIB, WHOLE, half, quantise_matrix
from wordsight.towers.graph.precision import SUMS, Precision
from wordsight.towers.two import TwoTowers
from wordsight.weights.folder import load_towers
from wordsight.weights.manifest import read_fingerprint

OPSET = 20
SHAPES = {"image": {0: "batch"}, "text": {0: "batch", 1: "length"}}
NAMES = {"image": "pixels", "text": "tokens"}


class _Images(nn.Module):
    """Pixels uint8 (B, S, S, 3) to unit embeddings (B, E)."""

    mean: Tensor
    deviation: Tensor

    def __init__(self, towers: TwoTowers) -> None:
        super().__init__()
        self.visual = towers.visual
        preprocess = towers.spec.preprocess
        for name, values in (("mean", preprocess.mean), ("deviation", preprocess.std)):
            self.register_buffer(name, 255 * torch.tensor(values).view(3, 1, 1))

    def forward(self, pixels: Tensor) -> Tensor:
        normal = (pixels.permute(0, 3, 1, 2).float() - self.mean) / self.deviation
        return nn.functional.normalize(self.visual(normal), dim=-1)


class _Texts(nn.Module):
    """Tokens int32 (B, L) to unit embeddings (B, E)."""

    def __init__(self, towers: TwoTowers) -> None:
        super().__init__()
        self.towers = towers

    def forward(self, tokens: Tensor) -> Tensor:
        return self.towers.encode_text(tokens, trim=False)


def trace(folder: Path, tower: str) -> onnx.ModelProto:
    """Return the graph of one tower of the model in `folder`, in float32.  Takes some seconds."""
    towers = load_towers(folder)
    with tempfile.TemporaryDirectory(prefix="wordsight-trace-") as name:
        path = Path(name) / "traced.onnx"
        _trace(towers, tower, path)
        model = onnx.load(path)
    properties = {"fingerprint": read_fingerprint(folder), "tower": tower, "model": towers.spec.name}
    del model.metadata_props[:]
    helper.set_model_props(model, properties)
    return model


def write_traced(traced: onnx.ModelProto, path: Path, precision: Precision) -> None:
    """Write a traced graph in a precision; constants too large for one file lie beside it."""
    model = onnx.ModelProto()
    model.CopyFrom(traced)
    if precision == "int8":
        _quantise(model)
        model.metadata_props.add(key="sums", value=SUMS)
    elif precision == "fp16":
        _store_half(model)
    model.metadata_props.add(key="precision", value=precision)
    if model.ByteSize() > WHOLE:
        filename = f"{path.name}.data"
        onnx.save(model, path, save_as_external_data=True, location=filename, size_threshold=APART)
        return
    with atomic_write(path) as handle:
        handle.write(model.SerializeToString(deterministic=True))


def _trace(towers: TwoTowers, tower: str, path: Path) -> None:
    require("onnxscript", extra="timm")
    spec = towers.spec
    inputs: Any = some_images(spec, 2) if tower == "image" else some_texts(spec, 2)
    module = (_Images if tower == "image" else _Texts)(towers).eval()
    with warnings.catch_warnings(), torch.inference_mode():
        warnings.simplefilter("ignore")  # the exporter's own, of the packages it is made of
        torch.onnx.export(
            module,
            (torch.from_numpy(inputs),),
            path,
            dynamo=True,
            verbose=False,
            input_names=[NAMES[tower]],
            output_names=["rows"],
            dynamic_shapes=(SHAPES[tower],),
            opset_version=OPSET,
            external_data=True,
        )


def _quantise(model: onnx.ModelProto) -> None:
    """Store the matrices that activations are multiplied with as integers, as the package's own graphs do."""
    graph = model.graph
    constants = {constant.name: constant for constant in graph.initializer}
    for index, node in enumerate(graph.node):
        if node.op_type not in ("MatMul", "Gemm") or node.input[1] not in constants or node.input[0] in constants:
            continue
        matrix = numpy_helper.to_array(constants[node.input[1]])
        given = {entry.name: helper.get_attribute_value(entry) for entry in node.attribute}
        scaled = given.get("alpha", 1.0) != 1.0 or given.get("beta", 1.0) != 1.0
        if matrix.ndim != 2 or matrix.dtype != np.float32 or given.get("transA") or scaled:
            continue
        whole, scale = quantise_matrix(matrix.T if given.get("transB") else matrix)
        names = [f"{node.output[0]}.{part}" for part in ("whole", "scale")]
        parts = zip((whole, scale), names, strict=True)
        graph.initializer.extend(numpy_helper.from_array(np.ascontiguousarray(part), name) for part, name in parts)
        inputs = [node.input[0], *names, *(["", node.input[2]] if len(node.input) > 2 else [])]
        made = helper.make_node("DynamicQuantizeMatMul", inputs, list(node.output), name=node.name, domain=CONTRIB)
        graph.node[index].CopyFrom(made)
    used = {name for node in graph.node for name in node.input}
    kept = [constant for constant in graph.initializer if constant.name in used]
    del graph.initializer[:]
    graph.initializer.extend(kept)
    model.opset_import.append(helper.make_opsetid(CONTRIB, 1))


def _store_half(model: onnx.ModelProto) -> None:
    """Store float32 weights in 16 bits, widened when the graph is opened."""
    for constant in model.graph.initializer:
        if constant.data_type != onnx.TensorProto.FLOAT or len(constant.dims) < 2:
            continue
        name = constant.name
        stored = numpy_helper.from_array(half(numpy_helper.to_array(constant)), f"{name}.half")
        constant.CopyFrom(stored)
        widened = helper.make_node("Cast", [stored.name], [name], to=onnx.TensorProto.FLOAT)
        model.graph.node.insert(0, widened)
