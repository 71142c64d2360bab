"""The names and shapes of EVA's weights, in the order of its `state_dict`.  Free of PyTorch.

Names and layout are described in docs/towers.md; the tower itself is `wordsight.towers.eva.module`.
"""

from collections.abc import Iterator

from wordsight.towers.eva.spec import EvaSpec
from wordsight.towers.parts.shapes import NamedShape, linear_shapes
from wordsight.towers.tower_spec import hidden_width


def eva_shapes(image: EvaSpec, width: int) -> Iterator[NamedShape]:
    """Yield every parameter of the tower (without "visual."); `width` is the shared space's."""
    inner = image.width
    side = image.size // image.patch
    yield "cls_token", (1, 1, inner)
    yield "pos_embed", (1, side * side + 1, inner)
    if image.projection == "matrix":
        yield "proj", (inner, width)
    yield "patch_embed.proj.weight", (inner, 3, image.patch, image.patch)
    yield "patch_embed.proj.bias", (inner,)
    for block in range(image.layers):
        for name, shape in _block(image):
            yield f"blocks.{block}.{name}", shape
    yield from _norm(image, "norm", inner)
    if image.projection == "linear":
        yield from linear_shapes("head", width, inner)


def _block(image: EvaSpec) -> Iterator[NamedShape]:
    inner, hidden = image.width, hidden_width(image.width, image.mlp_ratio)
    if image.layer_scale:
        yield "gamma_1", (inner,)
        yield "gamma_2", (inner,)
    yield from _norm(image, "norm1", inner)
    if image.attention_bias == "no_key":
        yield "attn.q_bias", (inner,)
        yield "attn.v_bias", (inner,)
    yield "attn.qkv.weight", (3 * inner, inner)
    if image.inner_norm:
        yield from _norm(image, "attn.norm", inner)
    yield from linear_shapes("attn.proj", inner, inner)
    yield from _norm(image, "norm2", inner)
    yield from linear_shapes("mlp.fc1", 2 * hidden if image.mlp == "swiglu" else hidden, inner)
    if image.inner_norm:
        yield from _norm(image, "mlp.norm", hidden)
    yield from linear_shapes("mlp.fc2", inner, hidden)


def _norm(image: EvaSpec, name: str, width: int) -> Iterator[NamedShape]:
    yield f"{name}.weight", (width,)
    if image.norm == "layer":
        yield f"{name}.bias", (width,)
