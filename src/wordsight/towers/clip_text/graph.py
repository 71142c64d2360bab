"""The text tower as ONNX: token ids int32 (B, L) to unit embeddings (B, E); L is any length that holds what is read.

Free of PyTorch.
"""

import numpy as np
from onnx import TensorProto

from wordsight.towers.clip_text.spec import ClipTextSpec
from wordsight.towers.graph.operators import Graph
from wordsight.towers.graph.padding import HIDDEN, for_all_tokens, mean_of_seen, padding_scores
from wordsight.towers.graph.transformer import (
    GraphStack,
    GraphWeights,
    ReadToken,
    layer_norm,
    linear,
    project,
    transformer,
)
from wordsight.towers.spec import ModelSpec


def text_graph(graph: Graph, weights: GraphWeights, text: ClipTextSpec, spec: ModelSpec) -> None:
    """Add the text tower with input "tokens" and output "rows"."""
    tokens = graph.input("tokens", TensorProto.INT32, ["batch", "length"])
    x = graph.lookup(weights.take("token_embedding.weight"), tokens)  # (B, L, D)
    if text.pool == "class":
        x = _with_class_behind(graph, weights, x, text.width)
    length = graph.node("Shape", x, start=1, end=2)  # (1,)
    zero = graph.constant([0])
    table = graph.constant(weights.take("positional_embedding"))
    x = graph.node("Add", x, graph.node("Slice", table, zero, length, zero))
    stack = GraphStack(
        "transformer.",
        text.width,
        text.layers,
        text.heads,
        text.activation,
        epsilon=text.epsilon,
        layer_scale=text.layer_scale,
    )
    hidden = _hidden(graph, tokens, text)
    later = _later(graph, text, length)
    everywhere = _everywhere(graph, hidden, later, length, text)
    reading = None if text.pool == "mean" else _reading(graph, tokens, text, hidden, later)
    if text.mixer:
        x = _mixer(graph, weights, x, "transformer.mixers.0", text)
        x = transformer(graph, weights, x, stack=stack, bias=everywhere)
        x = _mixer(graph, weights, x, "transformer.mixers.1", text)
        x = x if reading is None else reading.pick(x)
    else:
        x = transformer(graph, weights, x, stack=stack, bias=everywhere, reading=reading)
    if reading is None:
        x = _mean(graph, layer_norm(graph, weights, x, "ln_final", epsilon=text.epsilon), tokens, text)
    else:  # (B, 1, D)
        x = layer_norm(graph, weights, graph.reshape(x, [-1, text.width]), "ln_final", epsilon=text.epsilon)
    graph.output(project(graph, weights, x, "text_projection", form=text.projection), "rows", ["batch", spec.width])


def _mixer(graph: Graph, weights: GraphWeights, x: str, name: str, text: ClipTextSpec) -> str:
    """Add convolutions over neighbouring tokens, (B, L, D) to (B, L, D); see `wordsight.towers.clip_text.mixer`."""

    def convolved(value: str, part: str) -> str:
        kernel, bias = (graph.constant(weights.take(f"{name}.{part}.{end}")) for end in ("weight", "bias"))
        reach = text.mixer // 2
        return graph.node("Conv", value, kernel, bias, group=text.width, pads=[reach, reach])

    mixed = convolved(graph.node("Transpose", x, perm=[0, 2, 1]), "mix")  # (B, D, L)
    y = graph.node("Transpose", convolved(mixed, "conv"), perm=[0, 2, 1])
    y = graph.activation(linear(graph, weights, y, f"{name}.mlp.c_fc"), text.activation)
    y = linear(graph, weights, y, f"{name}.mlp.c_proj")
    return graph.node("Add", graph.node("Transpose", mixed, perm=[0, 2, 1]), y)


def _with_class_behind(graph: Graph, weights: GraphWeights, x: str, width: int) -> str:
    """Put the learned token behind the text, (B, L + 1, D)."""
    shape = graph.node("Concat", graph.node("Shape", x, start=0, end=1), graph.constant([1, width]), axis=0)
    behind = graph.node("Expand", graph.constant(weights.take("cls_emb").reshape(1, 1, width)), shape)
    return graph.node("Concat", x, behind, axis=1)


def _hidden(graph: Graph, tokens: str, text: ClipTextSpec) -> str:
    """Return what scores get because a token is padding, (B, 1, 1, L), or "" where padding is seen."""
    if text.pool != "class" and text.mask != "padding":
        return ""
    scores = padding_scores(graph, tokens, text.pad_id)
    if text.pool == "class":
        sides = [0, 1, 0, 0] if text.class_mask == "shifted" else [0, 0, 0, 1]
        scores = graph.node("Pad", scores, graph.constant(sides))
    return graph.node("Unsqueeze", scores, graph.constant([1, 2]))


def _later(graph: Graph, text: ClipTextSpec, length: str) -> str:
    """Return what scores get because a token is a later one, (L, L), or "" where later ones are seen."""
    if text.mask != "causal":
        return ""
    most = text.context_length + int(text.pool == "class")
    zero, one = graph.constant([0]), graph.constant([1])
    later = graph.constant(np.triu(np.full((most, most), HIDDEN, dtype=np.float32), k=1))
    later = graph.node("Slice", later, zero, length, zero)
    return graph.node("Slice", later, zero, length, one)


def _everywhere(graph: Graph, hidden: str, later: str, length: str, text: ClipTextSpec) -> str:
    """Return what is added to the scores of all tokens, broadcast to (B, H, L, L), or ""."""
    if later:
        everywhere = graph.node("Unsqueeze", later, graph.constant([0, 1]))  # (1, 1, L, L)
        return graph.node("Add", everywhere, hidden) if hidden else everywhere
    if not hidden:
        return ""
    return for_all_tokens(graph, hidden, length, text.context_length + int(text.pool == "class"))


def _reading(graph: Graph, tokens: str, text: ClipTextSpec, hidden: str, later: str) -> ReadToken:
    """Return which token is read, and what its scores get, (B, 1, 1, L)."""
    if text.pool in ("last", "class"):
        ends = (graph.constant([bound]) for bound in (-1, np.iinfo(np.int64).max, 1))
        start, end, axis = ends
        return ReadToken(lambda value: graph.node("Slice", value, start, end, axis), hidden)
    if text.pool == "first":
        return ReadToken(graph.first, _of_row(graph, graph.constant([0]), hidden, later))
    marked = tokens
    if text.end_id is not None:
        marked = graph.node("Equal", tokens, graph.constant(np.int32(text.end_id)))
        marked = graph.node("Cast", marked, to=TensorProto.INT32)
    ends_at = graph.node("ArgMax", marked, axis=1, keepdims=0)  # (B,): the first one, or the largest id
    chosen = graph.node("Unsqueeze", ends_at, graph.constant([1, 2]))  # (B, 1, 1)
    return ReadToken(
        lambda value: graph.node("GatherND", value, chosen, batch_dims=1), _of_row(graph, ends_at, hidden, later)
    )


def _of_row(graph: Graph, row: str, hidden: str, later: str) -> str:
    """Return what the scores of one query get: its row of the causal mask, and the padding."""
    if not later:
        return hidden
    scores = graph.node("Unsqueeze", graph.node("Gather", later, row, axis=0), graph.constant([1, 2]))
    return graph.node("Add", scores, hidden) if hidden else scores


def _mean(graph: Graph, x: str, tokens: str, text: ClipTextSpec) -> str:
    """Return the mean (B, D) of the tokens of x (B, L, D) that are seen."""
    if text.mask != "padding":
        return graph.node("ReduceMean", x, graph.constant([1]), keepdims=0)
    return mean_of_seen(graph, x, tokens, text.pad_id)
