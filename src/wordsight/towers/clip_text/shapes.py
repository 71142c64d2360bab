"""The names and shapes of the native text tower's weights, in the order of its `state_dict`.  Free of PyTorch."""

from collections.abc import Iterator
from typing import TYPE_CHECKING

from wordsight.towers.clip_text.spec import ClipTextSpec
from wordsight.towers.parts.shapes import NamedShape, blocks_shapes, linear_shapes, norm_shapes
from wordsight.towers.tower_spec import hidden_width

if TYPE_CHECKING:
    from wordsight.towers.spec import ModelSpec


def clip_text_roots(text: ClipTextSpec, spec: "ModelSpec") -> Iterator[NamedShape]:
    """The parameters that belong to no module."""
    behind = int(text.pool == "class")
    if behind:
        yield "cls_emb", (text.width,)
    yield "positional_embedding", (text.context_length + behind, text.width)
    if text.projection == "matrix":
        yield "text_projection", (text.width, spec.width)


def clip_text_modules(text: ClipTextSpec, spec: "ModelSpec") -> Iterator[NamedShape]:
    """Yield the parameters that lie in modules."""
    hidden = hidden_width(text.width, text.mlp_ratio)
    yield "token_embedding.weight", (text.vocabulary_size, text.width)
    yield from blocks_shapes(text.layers, text.width, hidden, layer_scale=text.layer_scale)
    for number in range(2 if text.mixer else 0):
        yield from _mixer(f"transformer.mixers.{number}", text.width, hidden, text.mixer)
    yield from norm_shapes("ln_final", text.width)
    if text.projection == "linear":
        yield from linear_shapes("text_projection", spec.width, text.width)


def _mixer(name: str, width: int, hidden: int, kernel: int) -> Iterator[NamedShape]:
    for part in ("mix", "conv"):
        yield f"{name}.{part}.weight", (width, 1, kernel)
        yield f"{name}.{part}.bias", (width,)
    yield from linear_shapes(f"{name}.mlp.c_fc", hidden, width)
    yield from linear_shapes(f"{name}.mlp.c_proj", width, hidden)
