"""BERT's encoder as ONNX: token ids int32 (B, L) to unit embeddings (B, E).  Free of PyTorch."""

from onnx import TensorProto

from wordsight.towers.bert.shapes import PREFIX
from wordsight.towers.bert.spec import BertSpec
from wordsight.towers.graph.operators import Graph
from wordsight.towers.graph.padding import for_all_tokens, mean_of_seen, padding_scores
from wordsight.towers.graph.transformer import (
    GraphStack,
    GraphWeights,
    ReadToken,
    hidden_rows,
    layer_norm,
    linear,
    project,
    transformer,
)
from wordsight.towers.spec import ModelSpec


def bert_graph(graph: Graph, weights: GraphWeights, text: BertSpec, spec: ModelSpec) -> None:
    """Add the text tower with input "tokens" and output "rows"."""
    tokens = graph.input("tokens", TensorProto.INT32, ["batch", "length"])
    x = graph.lookup(weights.take(f"{PREFIX}token_embedding.weight"), tokens)  # (B, L, D)
    length = graph.node("Shape", x, start=1, end=2)  # (1,)
    zero = graph.constant([0])
    table = graph.constant(weights.take(f"{PREFIX}positional_embedding"))
    x = graph.node("Add", x, graph.node("Slice", table, zero, length, zero))
    x = layer_norm(graph, weights, x, f"{PREFIX}ln_pre", epsilon=text.epsilon)
    hidden = graph.node("Unsqueeze", padding_scores(graph, tokens, text.pad_id), graph.constant([1, 2]))
    everywhere = for_all_tokens(graph, hidden, length, text.context_length)
    reading = None if text.pool == "mean" else ReadToken(graph.first, hidden)
    x = transformer(graph, weights, x, stack=_stack(text), bias=everywhere, reading=reading)
    mean = reading is None
    x = mean_of_seen(graph, x, tokens, text.pad_id) if mean else graph.reshape(x, [-1, text.width])  # (B, D)
    if text.pool == "pooler":
        x = graph.node("Tanh", linear(graph, weights, x, f"{PREFIX}pooler"))
    beside = hidden_rows(graph, weights, x, (f"{PREFIX}hidden", f"{PREFIX}out")) if text.hidden else None
    rows = project(graph, weights, x, f"{PREFIX}proj", form=text.projection, beside=beside)
    graph.output(rows, "rows", ["batch", spec.width])


def _stack(text: BertSpec) -> GraphStack:
    return GraphStack(
        f"{PREFIX}transformer.",
        text.width,
        text.layers,
        text.heads,
        text.activation,
        epsilon=text.epsilon,
        norm_order="post",
    )
