"""EVA's vision transformer as ONNX: pixels uint8 (B, S, S, 3) to unit embeddings (B, E), normalisation inside.

Free of PyTorch.
"""

import numpy as np
from onnx import TensorProto

from wordsight.towers.eva.angles import eva_angles
from wordsight.towers.eva.spec import EvaSpec
from wordsight.towers.graph.operators import Array, Graph
from wordsight.towers.graph.pixels import mean_of_patches, patch_stem, with_class
from wordsight.towers.graph.positions import Angles, rotary
from wordsight.towers.graph.transformer import GraphWeights, balance, paired, project, turned
from wordsight.towers.spec import ModelSpec


def eva_graph(graph: Graph, weights: GraphWeights, image: EvaSpec, spec: ModelSpec) -> None:
    """Add the image tower with input "pixels" and output "rows"."""
    pixels = graph.input("pixels", TensorProto.UINT8, ["batch", image.size, image.size, 3])
    kernel, bias = (weights.take(f"visual.patch_embed.proj.{part}") for part in ("weight", "bias"))
    x = patch_stem(graph, kernel, pixels, spec.preprocess, size=image.size, bias=bias)  # (B, N, D)
    table = weights.take("visual.pos_embed")[0]
    x = with_class(graph, x, weights.take("visual.cls_token", folded=0)[0, 0] + table[0], table[1:])
    angles = rotary(eva_angles(image))
    for number in range(image.layers):
        one = image.pool == "class" and number == image.layers - 1
        x = _Block(graph, weights, image, f"visual.blocks.{number}.", angles).add(x, one=one)
    if image.pool == "class":
        x = graph.reshape(x, [-1, image.width])
    else:
        x = mean_of_patches(graph, x, skip=int(image.pool == "mean"))
    x = _norm(graph, weights, x, "visual.norm", image)
    name = "visual.proj" if image.projection == "matrix" else "visual.head"
    graph.output(project(graph, weights, x, name, form=image.projection), "rows", ["batch", spec.width])


class _Block:
    """One residual block; `one` computes the class token's row only."""

    def __init__(self, graph: Graph, weights: GraphWeights, image: EvaSpec, name: str, angles: Angles | None) -> None:
        self.graph, self.weights, self.image, self.name, self.angles = graph, weights, image, name, angles
        self.post = image.norm_order == "post"

    def add(self, x: str, *, one: bool) -> str:
        """Return (B, T, D), or (B, 1, D) for `one`, for x (B, T, D)."""
        qkv = self.weights.matrix(f"{self.name}attn.qkv.weight")  # (D, 3D)
        y, qkv = (x, qkv) if self.post else self._normed(x, "norm1", qkv)
        mixed = self._attend(y, qkv, one=one)
        if one:
            x = self.graph.first(x)
        x = self.graph.node("Add", x, self._end(mixed, "attn.proj", "norm1", "gamma_1"))
        first = self.weights.matrix(f"{self.name}mlp.fc1.weight")
        y, first = (x, first) if self.post else self._normed(x, "norm2", first)
        y = self.graph.linear(y, first, self._take("mlp.fc1.bias"), name=f"{self.name}mlp.fc1")
        return self.graph.node("Add", x, self._end(self._gate(y), "mlp.fc2", "norm2", "gamma_2"))

    def _take(self, name: str, *, folded: float | None = None) -> Array:
        return self.weights.take(f"{self.name}{name}", folded=folded)

    def _normed(self, x: str, norm: str, matrix: Array) -> tuple[str, Array]:
        """Add the norm before a linear layer of (in, out) `matrix`, ranges shared out as in `normed`."""
        scale = self._take(f"{norm}.weight")
        shift = np.zeros_like(scale) if self.image.norm == "rms" else self._take(f"{norm}.bias")
        if self.graph.balanced:
            share = balance(scale, shift, matrix)
            scale, shift, matrix = scale / share, shift / share, matrix * share[:, None]
        return _normalised(self.graph, x, scale, shift, self.image), matrix

    def _attend(self, y: str, qkv: Array, *, one: bool) -> str:
        graph, width, heads = self.graph, self.image.width, self.image.heads
        bias = np.zeros(3 * width, np.float32)
        if self.image.attention_bias == "no_key":
            bias[:width], bias[2 * width :] = self._take("attn.q_bias"), self._take("attn.v_bias")
        name = f"{self.name}attn.qkv"
        if self.angles is not None:
            columns = paired(width, heads)
            qkv, bias = np.ascontiguousarray(qkv[:, columns]), bias[columns]
        if one:
            cut = [np.ascontiguousarray(part) for part in (qkv[:, :width], qkv[:, width:])]
            query = graph.linear(graph.first(y), cut[0], bias[:width], name=name)
            fused = graph.linear(y, cut[1], bias[width:], name=name)
            key, value = graph.nodes("Split", fused, count=2, axis=-1, num_outputs=2)
        else:
            fused = graph.linear(y, qkv, bias, name=name)
            query, key, value = graph.nodes("Split", fused, count=3, axis=-1, num_outputs=3)
        if self.angles is not None:
            asked = self.angles.first() if one else self.angles
            query = turned(graph, query, angles=asked, heads=heads, width=width)
            key = turned(graph, key, angles=self.angles, heads=heads, width=width)
        mixed = graph.attention(query, key, value, heads=heads, width=width)
        return self._inner_norm(mixed, "attn.norm")

    def _inner_norm(self, x: str, name: str) -> str:
        return _norm(self.graph, self.weights, x, f"{self.name}{name}", self.image) if self.image.inner_norm else x

    def _gate(self, y: str) -> str:
        graph, activation = self.graph, self.image.activation
        if self.image.mlp == "swiglu":
            gate, rest = graph.nodes("Split", y, count=2, axis=-1, num_outputs=2)
            y = graph.node("Mul", graph.activation(gate, activation), rest)
        else:
            y = graph.activation(y, activation)
        return self._inner_norm(y, "mlp.norm")

    def _end(self, x: str, name: str, norm: str, gamma: str) -> str:
        """Add the linear layer that ends a branch, the norm behind it, and the branch's factor."""
        matrix, bias = self.weights.matrix(f"{self.name}{name}.weight"), self._take(f"{name}.bias")
        factor = self._take(gamma, folded=None if self.post else 1) if self.image.layer_scale else None
        if factor is not None and not self.post:
            matrix, bias, factor = matrix * factor, bias * factor, None
        y = self.graph.linear(x, matrix, bias, name=f"{self.name}{name}")
        if self.post:
            y = _norm(self.graph, self.weights, y, f"{self.name}{norm}", self.image)
        return y if factor is None else self.graph.node("Mul", y, self.graph.constant(factor))


def _norm(graph: Graph, weights: GraphWeights, x: str, name: str, image: EvaSpec) -> str:
    scale = weights.take(f"{name}.weight")
    shift = np.zeros_like(scale) if image.norm == "rms" else weights.take(f"{name}.bias")
    return _normalised(graph, x, scale, shift, image)


def _normalised(graph: Graph, x: str, scale: Array, shift: Array, image: EvaSpec) -> str:
    if image.norm != "rms":
        return graph.layer_norm(x, scale, shift, epsilon=image.epsilon)
    square = graph.node("ReduceMean", graph.node("Mul", x, x), graph.constant([-1]), keepdims=1)
    root = graph.node("Sqrt", graph.node("Add", square, graph.constant(image.epsilon)))
    return graph.node("Mul", graph.node("Div", x, root), graph.constant(scale))
