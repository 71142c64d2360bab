"""Padding in text graphs: what attention scores get, and the mean of the tokens that are seen.  Free of PyTorch.

Shapes: B batch, L tokens of a text, D width of the tower.
"""

import numpy as np
from onnx import TensorProto

from wordsight.towers.graph.operators import Graph

HIDDEN = -1e9  # added to a score before softmax: that token is not seen


def padding_scores(graph: Graph, tokens: str, pad_id: int) -> str:
    """Return what scores get because a token is padding, (B, L)."""
    padding = graph.node("Equal", tokens, graph.constant(np.int32(pad_id)))
    return graph.node("Mul", graph.node("Cast", padding, to=TensorProto.FLOAT), graph.constant(HIDDEN))


def for_all_tokens(graph: Graph, scores: str, length: str, longest: int) -> str:
    """Return scores (B, 1, 1, L) as (B, 1, L, L): attention in integers broadcasts no columns."""
    column = graph.constant(np.zeros((1, 1, longest, 1), np.float32))
    return graph.node("Add", scores, graph.node("Slice", column, graph.constant([0]), length, graph.constant([2])))


def mean_of_seen(graph: Graph, x: str, tokens: str, pad_id: int) -> str:
    """Return the mean (B, D) of the tokens of x (B, L, D) that are no padding."""
    padding = graph.node("Equal", tokens, graph.constant(np.int32(pad_id)))
    share = graph.node("Cast", graph.node("Not", padding), to=TensorProto.FLOAT)
    share = graph.node("Unsqueeze", share, graph.constant([2]))  # (B, L, 1)
    total = graph.node("ReduceSum", graph.node("Mul", x, share), graph.constant([1]), keepdims=0)
    return graph.node("Div", total, graph.node("ReduceSum", share, graph.constant([1]), keepdims=0))
