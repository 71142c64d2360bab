"""Pooling by learned queries as ONNX: tokens (B, T, D) to one row each.  Free of PyTorch.

The query is the same for every image, so its product with the key's matrix is one too: scores are tokens times a
matrix (D, H), and the values are mixed before they are projected.  The same numbers as attention written out, for a
hundredth of its work, and in float32 in every precision.
"""

import numpy as np

from wordsight.towers.graph.operators import Array, Graph
from wordsight.towers.graph.transformer import GraphWeights, layer_norm, linear
from wordsight.towers.vit.spec import VitSpec

POOL = "visual.attn_pool."


def probe_pool(graph: Graph, weights: GraphWeights, x: str, image: VitSpec) -> str:
    """Add SigLIP's head: one learned query, then a residual MLP; (B, T, D) to (B, D)."""
    probe = weights.take(f"{POOL}probe", folded=0).reshape(-1)
    x = _attend(graph, weights, x, probe, image.pool_heads or image.heads)
    y = layer_norm(graph, weights, x, f"{POOL}ln", epsilon=image.epsilon)
    y = graph.activation(linear(graph, weights, y, f"{POOL}mlp.c_fc"), image.activation)
    return graph.node("Add", x, linear(graph, weights, y, f"{POOL}mlp.c_proj"))


def query_pool(graph: Graph, weights: GraphWeights, x: str, image: VitSpec) -> str:
    """Add CoCa's head, of whose queries the first is read: (B, T, D) to (B, E)."""
    query = weights.take(f"{POOL}query", folded=0)[0].astype(np.float64)
    scale, shift = (weights.take(f"{POOL}ln_q.{end}", folded=value) for end, value in (("weight", 1), ("bias", 0)))
    query = (query - query.mean()) / np.sqrt(query.var() + image.epsilon) * scale + shift
    x = layer_norm(graph, weights, x, f"{POOL}ln_k", epsilon=image.epsilon)
    return _attend(graph, weights, x, query, image.pool_heads or image.heads)


def _attend(graph: Graph, weights: GraphWeights, x: str, query: Array, heads: int) -> str:
    """Attend from one fixed query (E,) to x (B, T, D): (B, E), the output projection included.

    Of query and key the graph holds one vector a head.  Read back they are that vector as the first row of the head's
    key, and a query of 1 there, which is all in its bias.
    """
    name, width = f"{POOL}attn.", len(query)
    asks = np.where(np.arange(width) % (width // heads) == 0, 1.0, 0.0)  # (E,)
    if weights.has(f"{name}in_proj_weight"):
        folded = np.repeat([0, np.nan, np.nan], width)[:, None]
        parts = np.split(weights.take(f"{name}in_proj_weight", folded=folded), 3)
    else:
        none = {"q": np.zeros(1)}
        parts = [weights.take(f"{name}{part}_proj_weight", folded=none.get(part)) for part in "qkv"]
    folded = np.concatenate([asks, np.full(2 * width, np.nan)])
    biases = np.split(weights.take(f"{name}in_proj_bias", folded=folded), 3)  # the key's moves all scores alike
    asked = (query @ parts[0].astype(np.float64).T + biases[0]).reshape(heads, -1)  # (H, E/H)
    keys = parts[1].astype(np.float64).reshape(heads, width // heads, -1)  # (H, E/H, D)
    scores = np.einsum("he,hed->dh", asked, keys) * (width // heads) ** -0.5  # (D, H)
    shares = graph.node("MatMul", x, graph.matrix(scores.astype(np.float32)))  # (B, T, H)
    shares = graph.node("Softmax", graph.node("Transpose", shares, perm=[0, 2, 1]), axis=-1)
    mixed = graph.node("Unsqueeze", graph.node("MatMul", shares, x), graph.constant([2]))  # (B, H, 1, D)
    values = parts[2].reshape(heads, width // heads, -1).transpose(0, 2, 1)  # (H, D, E/H)
    mixed = graph.node("MatMul", mixed, graph.matrix(np.ascontiguousarray(values)))  # (B, H, 1, E/H)
    mixed = graph.node("Add", graph.reshape(mixed, [-1, width]), graph.constant(biases[2]))
    return linear(graph, weights, mixed, f"{name}out_proj")
