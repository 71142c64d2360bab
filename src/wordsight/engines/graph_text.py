"""The text tower as ONNX: token ids int32 (B, L) to unit rows (B, E); L is any length that holds the end tokens.

Free of PyTorch.
"""

import numpy as np
from onnx import TensorProto

from wordsight.engines.graph import Graph
from wordsight.engines.graph_transformer import Reading, Stack, Weights, layer_norm, project, transformer
from wordsight.towers.spec import ModelSpec

HIDDEN = -1e9  # added to a score before softmax: that token is not seen


def text_graph(graph: Graph, weights: Weights, spec: ModelSpec) -> None:
    """Add the text tower with input "tokens" and output "rows"."""
    text = spec.text
    tokens = graph.input("tokens", TensorProto.INT32, ["batch", "length"])
    zero, one = graph.constant([0]), graph.constant([1])
    length = graph.node("Shape", tokens, start=1, end=2)  # (1,)
    places = graph.constant(weights.take("positional_embedding"))
    x = graph.lookup(weights.take("token_embedding.weight"), tokens)  # (B, L, D)
    x = graph.node("Add", x, graph.node("Slice", places, zero, length, zero))

    later = np.triu(np.full((text.context_length, text.context_length), HIDDEN, dtype=np.float32), k=1)
    mask = graph.node("Slice", graph.constant(later), zero, length, zero)
    mask = graph.node("Slice", mask, zero, length, one)  # (L, L)
    ends = graph.node("ArgMax", tokens, axis=1, keepdims=0)  # (B,): the end token has the largest id
    seen = graph.node("Unsqueeze", graph.node("Gather", mask, ends, axis=0), graph.constant([1, 2]))  # (B, 1, 1, L)
    chosen = graph.node("Unsqueeze", ends, graph.constant([1, 2]))  # (B, 1, 1)

    stack = Stack("transformer.", text.width, text.layers, text.heads, text.activation)
    reading = Reading(lambda value: graph.node("GatherND", value, chosen, batch_dims=1), seen)
    everywhere = graph.node("Unsqueeze", mask, graph.constant([0, 1]))  # (1, 1, L, L)
    x = transformer(graph, weights, x, stack=stack, bias=everywhere, reading=reading)  # (B, 1, D)
    x = layer_norm(graph, weights, graph.reshape(x, [-1, text.width]), "ln_final")
    graph.output(project(graph, weights, x, "text_projection"), "rows", ["batch", spec.width])
