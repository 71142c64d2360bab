"""Names and shapes of the parts that several towers are made of.  Free of PyTorch."""

from collections.abc import Iterator

Shape = tuple[int, ...]
NamedShape = tuple[str, Shape]


def linear_shapes(name: str, out: int, inner: int) -> Iterator[NamedShape]:
    """Yield those of a linear layer with a bias."""
    yield f"{name}.weight", (out, inner)
    yield f"{name}.bias", (out,)


def norm_shapes(name: str, width: int) -> Iterator[NamedShape]:
    """Yield those of a norm with a shift."""
    yield f"{name}.weight", (width,)
    yield f"{name}.bias", (width,)


def blocks_shapes(layers: int, width: int, hidden: int, *, layer_scale: bool) -> Iterator[NamedShape]:
    """Yield those of `wordsight.towers.parts.blocks.Transformer`, without its mixers, under "transformer."."""
    for i in range(layers):
        block = f"transformer.resblocks.{i}"
        yield from norm_shapes(f"{block}.ln_1", width)
        yield f"{block}.attn.in_proj_weight", (3 * width, width)
        yield f"{block}.attn.in_proj_bias", (3 * width,)
        yield from linear_shapes(f"{block}.attn.out_proj", width, width)
        yield from norm_shapes(f"{block}.ln_2", width)
        yield from linear_shapes(f"{block}.mlp.c_fc", hidden, width)
        yield from linear_shapes(f"{block}.mlp.c_proj", width, hidden)
        if layer_scale:
            yield f"{block}.ls_1.gamma", (width,)
            yield f"{block}.ls_2.gamma", (width,)
