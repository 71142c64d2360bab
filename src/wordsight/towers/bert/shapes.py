"""The names and shapes of the weights of BERT's encoder, in the order of its `state_dict`.  Free of PyTorch."""

from collections.abc import Iterator
from dataclasses import replace
from typing import TYPE_CHECKING

from wordsight.towers.bert.spec import BertSpec
from wordsight.towers.parts.shapes import NamedShape, blocks_shapes, linear_shapes, norm_shapes
from wordsight.towers.tower_spec import hidden_width

if TYPE_CHECKING:
    from wordsight.towers.spec import ModelSpec

PREFIX = "text."


def bert_shapes(text: BertSpec, spec: "ModelSpec") -> Iterator[NamedShape]:
    """Yield them all, under "text."."""
    for name, shape in _shapes(text, spec.width):
        yield f"{PREFIX}{name}", shape


def bert_trunk_shapes(text: BertSpec) -> Iterator[NamedShape]:
    """Yield those of the trunk: all but the projection."""
    for name, shape in _shapes(replace(text, projection="none", hidden=0), text.width):
        yield f"{PREFIX}{name}", shape


def _shapes(text: BertSpec, out: int) -> Iterator[NamedShape]:
    yield "positional_embedding", (text.context_length, text.width)
    if text.projection == "matrix":
        yield "proj", (text.width, out)
    yield "token_embedding.weight", (text.vocabulary_size, text.width)
    yield from norm_shapes("ln_pre", text.width)
    hidden = hidden_width(text.width, text.mlp_ratio)
    yield from blocks_shapes(text.layers, text.width, hidden, layer_scale=False)
    if text.pool == "pooler":
        yield from linear_shapes("pooler", text.width, text.width)
    if text.projection == "linear":
        yield from linear_shapes("proj", out, text.width)
    if text.hidden:
        yield from linear_shapes("hidden", text.hidden, text.width)
        yield "out.weight", (out, text.hidden)
