"""The transformer blocks of both towers as ONNX, and the weights they take.

The last block of a tower that is read at one token computes its query, its output projection and its MLP
for that token only: the others' results would be thrown away.  Free of PyTorch.
"""

from collections.abc import Callable, Mapping
from dataclasses import dataclass

import numpy as np

from wordsight.base.errors import FormatError
from wordsight.engines.graph import Array, Graph
from wordsight.towers.spec import Activation


class Weights:
    """A state dict that notices what nobody took."""

    def __init__(self, arrays: Mapping[str, Array]) -> None:
        self._arrays = arrays
        self._left = set(arrays)

    def take(self, name: str) -> Array:
        """Return a weight; a missing one is a `FormatError`."""
        if name not in self._arrays:
            raise FormatError(f"no weight {name}", cure="export the towers as wordsight built them")
        self._left.discard(name)
        return self._arrays[name]

    def matrix(self, name: str) -> Array:
        """Return a linear layer's weight as (in, out)."""
        return np.ascontiguousarray(self.take(name).T)

    def check_all_taken(self) -> None:
        """Raise `FormatError` when weights are left over: the graph would not be the tower."""
        if self._left:
            raise FormatError(
                f"the graph has no place for {', '.join(sorted(self._left)[:5])}",
                cure="the tower has parts that the export does not know",
            )


@dataclass(frozen=True, slots=True)
class Stack:
    """The shape of a transformer; `prefix` ends where "resblocks" begins."""

    prefix: str
    width: int
    layers: int
    heads: int
    activation: Activation


@dataclass(frozen=True, slots=True)
class Reading:
    """The one token of each row that is read in the end.

    `pick` takes it, (B, T, D) to (B, 1, D); `bias` is what attention scores get when only it asks, as (B, 1, 1, T).
    """

    pick: Callable[[str], str]
    bias: str = ""


def transformer(
    graph: Graph, weights: Weights, x: str, *, stack: Stack, bias: str = "", reading: Reading | None = None
) -> str:
    """Add all blocks to x (B, T, D), with `bias` on the attention scores; with `reading` the result is (B, 1, D)."""
    for number in range(stack.layers):
        block = f"{stack.prefix}resblocks.{number}."
        last = reading if number == stack.layers - 1 else None
        y = layer_norm(graph, weights, x, f"{block}ln_1")
        if last is None:
            mixed = _attend_all(graph, weights, y, name=f"{block}attn.", stack=stack, bias=bias)
        else:
            mixed = _attend_one(graph, weights, y, name=f"{block}attn.", stack=stack, reading=last)
            x = last.pick(x)
        x = graph.node("Add", x, linear(graph, weights, mixed, f"{block}attn.out_proj"))
        y = linear(graph, weights, layer_norm(graph, weights, x, f"{block}ln_2"), f"{block}mlp.c_fc")
        y = linear(graph, weights, graph.activation(y, stack.activation), f"{block}mlp.c_proj")
        x = graph.node("Add", x, y)
    return x


def linear(graph: Graph, weights: Weights, x: str, name: str) -> str:
    """Add the linear layer of that name."""
    return graph.linear(x, weights.matrix(f"{name}.weight"), weights.take(f"{name}.bias"))


def layer_norm(graph: Graph, weights: Weights, x: str, name: str) -> str:
    """Add the layer norm of that name."""
    return graph.layer_norm(x, weights.take(f"{name}.weight"), weights.take(f"{name}.bias"))


def project(graph: Graph, weights: Weights, x: str, name: str) -> str:
    """Multiply x (B, D) with the projection (D, E) and scale to unit rows; always in float32, it costs little."""
    return graph.unit(graph.node("MatMul", x, graph.constant(weights.take(name))))


def _attend_all(graph: Graph, weights: Weights, y: str, *, name: str, stack: Stack, bias: str) -> str:
    matrix, offset = weights.matrix(f"{name}in_proj_weight"), weights.take(f"{name}in_proj_bias")
    packed = graph.linear(y, matrix, offset)  # (B, T, 3D)
    query, key, value = graph.nodes("Split", packed, count=3, axis=-1, num_outputs=3)
    return graph.attention(query, key, value, heads=stack.heads, width=stack.width, bias=bias)


def _attend_one(graph: Graph, weights: Weights, y: str, *, name: str, stack: Stack, reading: Reading) -> str:
    width = stack.width
    matrix, offset = weights.matrix(f"{name}in_proj_weight"), weights.take(f"{name}in_proj_bias")
    query = graph.linear(reading.pick(y), np.ascontiguousarray(matrix[:, :width]), offset[:width])  # (B, 1, D)
    packed = graph.linear(y, np.ascontiguousarray(matrix[:, width:]), offset[width:])  # (B, T, 2D)
    key, value = graph.nodes("Split", packed, count=2, axis=-1, num_outputs=2)
    return graph.attention(query, key, value, heads=stack.heads, width=width, bias=reading.bias)
