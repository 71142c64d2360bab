"""The names and shapes of everything that the weights of a spec's towers hold, without building them.  Free of PyTorch.

    shapes(spec)["visual.proj"]     # (768, 512)

The same names and shapes as `build(spec).state_dict()`, in its order.  Towers of another package are
known to that package alone: `own(spec)` says whether all of a spec's towers are this package's.
"""

from collections.abc import Iterator

from wordsight.base.errors import ConfigError
from wordsight.towers.eva_shapes import eva_shapes
from wordsight.towers.spec import ImageTowerSpec, ModelSpec, hidden_width

Shape = tuple[int, ...]
Item = tuple[str, Shape]
EXPANSION = 4  # channels of a ResNet bottleneck's output for each inner one
REDUCTION = 32  # pixels of the picture for each cell of a ResNet's last grid, along one side
GROWTH = 32  # channels of a ResNet's last grid for each of the stem's


def own(spec: ModelSpec) -> bool:
    """Return whether both towers are of this package."""
    return spec.image.kind in ("vit", "resnet", "eva") and spec.text.kind == "clip"


def shapes(spec: ModelSpec) -> dict[str, Shape]:
    """Return the shape of each tensor by its name; with a tower of another package raise `ConfigError`."""
    if not own(spec):
        raise ConfigError(
            f'the shapes of image.kind = "{spec.image.kind}", text.kind = "{spec.text.kind}" are not known here',
            cure="build the towers; that needs PyTorch and the package of the tower",
        )
    if spec.image.kind == "eva":
        image = iter(eva_shapes(spec.image, spec.width).items())
    else:
        image = _vit(spec.image, spec.width) if spec.image.kind == "vit" else _resnet(spec.image, spec.width)
    found = dict(_root(spec))
    found.update({f"visual.{name}": shape for name, shape in image})
    found.update(_text_modules(spec))
    return found


def _linear(name: str, out: int, inner: int) -> Iterator[Item]:
    yield f"{name}.weight", (out, inner)
    yield f"{name}.bias", (out,)


def _norm(name: str, width: int) -> Iterator[Item]:
    yield f"{name}.weight", (width,)
    yield f"{name}.bias", (width,)


def _blocks(layers: int, width: int, hidden: int, *, layer_scale: bool) -> Iterator[Item]:
    for i in range(layers):
        block = f"transformer.resblocks.{i}"
        yield from _norm(f"{block}.ln_1", width)
        yield f"{block}.attn.in_proj_weight", (3 * width, width)
        yield f"{block}.attn.in_proj_bias", (3 * width,)
        yield from _linear(f"{block}.attn.out_proj", width, width)
        yield from _norm(f"{block}.ln_2", width)
        yield from _linear(f"{block}.mlp.c_fc", hidden, width)
        yield from _linear(f"{block}.mlp.c_proj", width, hidden)
        if layer_scale:
            yield f"{block}.ls_1.gamma", (width,)
            yield f"{block}.ls_2.gamma", (width,)


def _root(spec: ModelSpec) -> Iterator[Item]:
    """The parameters that belong to no module."""
    text = spec.text
    behind = int(text.pool == "class")
    if behind:
        yield "cls_emb", (text.width,)
    yield "positional_embedding", (text.context_length + behind, text.width)
    if text.projection == "matrix":
        yield "text_projection", (text.width, spec.width)
    yield "logit_scale", ()
    if spec.bias is not None:
        yield "logit_bias", ()


def _text_modules(spec: ModelSpec) -> Iterator[Item]:
    text = spec.text
    hidden = hidden_width(text.width, text.mlp_ratio)
    yield "token_embedding.weight", (text.vocabulary_size, text.width)
    yield from _blocks(text.layers, text.width, hidden, layer_scale=text.layer_scale)
    for place in range(2 if text.mixer else 0):
        yield from _mixer(f"transformer.mixers.{place}", text.width, hidden, text.mixer)
    yield from _norm("ln_final", text.width)
    if text.projection == "linear":
        yield from _linear("text_projection", spec.width, text.width)


def _mixer(name: str, width: int, hidden: int, kernel: int) -> Iterator[Item]:
    for part in ("mix", "conv"):
        yield f"{name}.{part}.weight", (width, 1, kernel)
        yield f"{name}.{part}.bias", (width,)
    yield from _linear(f"{name}.mlp.c_fc", hidden, width)
    yield from _linear(f"{name}.mlp.c_proj", width, hidden)


def _vit(image: ImageTowerSpec, out: int) -> Iterator[Item]:
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
        yield from _norm("ln_pre", width)
    hidden = hidden_width(width, image.mlp_ratio)
    yield from _blocks(image.layers, width, hidden, layer_scale=image.layer_scale)
    if image.pool == "attention":
        yield from _probe_pool(image)
    elif image.pool == "queries":
        yield from _query_pool(image, out)
    yield from _norm("ln_post", pooled)
    if image.projection == "linear":
        yield from _linear("head", out, pooled)


def _conv_stem(width: int, patch: int) -> Iterator[Item]:
    steps, channels = patch.bit_length() - 1, 3
    for step in range(steps):
        following = max(width >> (steps - 1 - step), 8)
        yield f"stem.{3 * step}.weight", (following, channels, 3, 3)
        yield from _norm(f"stem.{3 * step + 1}", following)
        channels = following
    yield f"stem.{3 * steps}.weight", (width, channels, 1, 1)
    yield f"stem.{3 * steps}.bias", (width,)


def _probe_pool(image: ImageTowerSpec) -> Iterator[Item]:
    width = image.width
    hidden = hidden_width(width, image.pool_mlp_ratio or image.mlp_ratio)
    yield "attn_pool.probe", (1, 1, width)
    yield "attn_pool.attn.in_proj_weight", (3 * width, width)
    yield "attn_pool.attn.in_proj_bias", (3 * width,)
    yield from _linear("attn_pool.attn.out_proj", width, width)
    yield from _norm("attn_pool.ln", width)
    yield from _linear("attn_pool.mlp.c_fc", hidden, width)
    yield from _linear("attn_pool.mlp.c_proj", width, hidden)


def _query_pool(image: ImageTowerSpec, out: int) -> Iterator[Item]:
    yield "attn_pool.query", (image.pool_queries, out)
    if image.width == out:
        yield "attn_pool.attn.in_proj_weight", (3 * out, out)
    else:
        yield "attn_pool.attn.q_proj_weight", (out, out)
        yield "attn_pool.attn.k_proj_weight", (out, image.width)
        yield "attn_pool.attn.v_proj_weight", (out, image.width)
    yield "attn_pool.attn.in_proj_bias", (3 * out,)
    yield from _linear("attn_pool.attn.out_proj", out, out)
    yield from _norm("attn_pool.ln_q", out)
    yield from _norm("attn_pool.ln_k", image.width)


def _resnet(image: ImageTowerSpec, out: int) -> Iterator[Item]:
    width, channels = image.width, image.width
    for i, (following, inner) in enumerate(((width // 2, 3), (width // 2, width // 2), (width, width // 2)), start=1):
        yield f"conv{i}.weight", (following, inner, 3, 3)
        yield from _batch_norm(f"bn{i}", following)
    for number, blocks in enumerate(image.stages, start=1):
        planes = width * 2 ** (number - 1)
        for i in range(blocks):
            yield from _bottleneck(f"layer{number}.{i}", channels, planes, changed=i == 0)
            channels = planes * EXPANSION
    last = width * GROWTH
    yield "attnpool.positional_embedding", ((image.size // REDUCTION) ** 2 + 1, last)
    for part in "kqv":
        yield from _linear(f"attnpool.{part}_proj", last, last)
    yield from _linear("attnpool.c_proj", out, last)


def _bottleneck(name: str, channels: int, planes: int, *, changed: bool) -> Iterator[Item]:
    """`changed`: the shortcut has a convolution, because stride or channels change (in each stage's first block)."""
    following = planes * EXPANSION
    for i, (outer, inner, side) in enumerate(((planes, channels, 1), (planes, planes, 3), (following, planes, 1)), 1):
        yield f"{name}.conv{i}.weight", (outer, inner, side, side)
        yield from _batch_norm(f"{name}.bn{i}", outer)
    if changed:
        yield f"{name}.downsample.0.weight", (following, channels, 1, 1)
        yield from _batch_norm(f"{name}.downsample.1", following)


def _batch_norm(name: str, channels: int) -> Iterator[Item]:
    for part in ("weight", "bias", "running_mean", "running_var"):
        yield f"{name}.{part}", (channels,)
    yield f"{name}.num_batches_tracked", ()
