"""The names and shapes of a ViT's weights, in the order of its `state_dict`.  Free of PyTorch."""

from collections.abc import Iterator

from wordsight.towers.parts.shapes import NamedShape, blocks_shapes, linear_shapes, norm_shapes
from wordsight.towers.tower_spec import hidden_width
from wordsight.towers.vit.spec import VitSpec


def vit_shapes(image: VitSpec, out: int) -> Iterator[NamedShape]:
    """Yield every parameter of the tower (without "visual."); `out` is the width of the shared space."""
    width, side, extra = image.width, image.size // image.patch, int(image.has_class_token)
    pooled = out if image.pool == "queries" else width
    if extra:
        yield "class_embedding", (width,)
    if image.positions == "learned":
        yield "positional_embedding", (side * side + extra, width)
    if image.projection == "matrix":
        yield "proj", (pooled, out)
    if image.stem == "conv":
        yield from _conv_stem(width, image.patch)
    elif image.stem == "tiered":
        sides = (image.patch // 4, 2, 2)
        channels = (3, width // 4, width // 4, width)
        for step, side in enumerate(sides):
            yield f"stem.{2 * step}.weight", (channels[step + 1], channels[step], side, side)
            yield f"stem.{2 * step}.bias", (channels[step + 1],)
    else:
        yield "conv1.weight", (width, 3, image.patch, image.patch)
        if image.patch_bias:
            yield "conv1.bias", (width,)
    if image.pre_norm:
        yield from norm_shapes("ln_pre", width)
    hidden = hidden_width(width, image.mlp_ratio)
    yield from blocks_shapes(image.layers, width, hidden, layer_scale=image.layer_scale)
    if image.pool == "attention":
        yield from _probe_pool(image)
    elif image.pool == "queries":
        yield from _query_pool(image, out)
    yield from norm_shapes("ln_post", pooled)
    if image.projection == "linear":
        yield from linear_shapes("head", out, pooled)


def _conv_stem(width: int, patch: int) -> Iterator[NamedShape]:
    steps, channels = patch.bit_length() - 1, 3
    for step in range(steps):
        following = max(width >> (steps - 1 - step), 8)
        yield f"stem.{3 * step}.weight", (following, channels, 3, 3)
        yield from norm_shapes(f"stem.{3 * step + 1}", following)
        channels = following
    yield f"stem.{3 * steps}.weight", (width, channels, 1, 1)
    yield f"stem.{3 * steps}.bias", (width,)


def _probe_pool(image: VitSpec) -> Iterator[NamedShape]:
    width = image.width
    hidden = hidden_width(width, image.pool_mlp_ratio or image.mlp_ratio)
    yield "attn_pool.probe", (1, 1, width)
    yield "attn_pool.attn.in_proj_weight", (3 * width, width)
    yield "attn_pool.attn.in_proj_bias", (3 * width,)
    yield from linear_shapes("attn_pool.attn.out_proj", width, width)
    yield from norm_shapes("attn_pool.ln", width)
    yield from linear_shapes("attn_pool.mlp.c_fc", hidden, width)
    yield from linear_shapes("attn_pool.mlp.c_proj", width, hidden)


def _query_pool(image: VitSpec, out: int) -> Iterator[NamedShape]:
    yield "attn_pool.query", (image.pool_queries, out)
    if image.width == out:
        yield "attn_pool.attn.in_proj_weight", (3 * out, out)
    else:
        yield "attn_pool.attn.q_proj_weight", (out, out)
        yield "attn_pool.attn.k_proj_weight", (out, image.width)
        yield "attn_pool.attn.v_proj_weight", (out, image.width)
    yield "attn_pool.attn.in_proj_bias", (3 * out,)
    yield from linear_shapes("attn_pool.attn.out_proj", out, out)
    yield from norm_shapes("attn_pool.ln_q", out)
    yield from norm_shapes("attn_pool.ln_k", image.width)
