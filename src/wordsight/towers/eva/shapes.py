"""What EVA's image tower holds, and which values of a spec it can have.  Free of PyTorch.

Names and layout are described in docs/towers.md; the tower itself is `wordsight.towers.eva.module`.
"""

from collections.abc import Iterator

from wordsight.base.errors import ConfigError
from wordsight.towers.parts.shapes import Item, Shape, linear_shapes
from wordsight.towers.spec import ImageTowerSpec, hidden_width

# what an EVA tower can be built with; other fields are free
ALLOWED = {
    "stem": ("patch",),
    "patch_bias": (True,),
    "class_token": (None, True),
    "positions": ("learned",),
    "rotary": ("none", "eva"),
    "pre_norm": (False,),
    "pool": ("class", "mean", "mean_all"),
    "final_norm": ("pooled",),
    "projection": ("linear", "matrix"),
    "attention_bias": ("no_key", "none"),
}


def check_eva(image: ImageTowerSpec) -> None:
    """Raise `ConfigError` when the tower cannot be built so; widths and sizes are checked with every tower's."""
    for name, allowed in ALLOWED.items():
        value = getattr(image, name)
        if value not in allowed:
            said = " or ".join(repr(choice) for choice in allowed if choice is not None)
            raise ConfigError(f'image.{name} = {value!r} with image.kind = "eva"', cure=f"only {said} goes with it")


def eva_shapes(image: ImageTowerSpec, width: int) -> Iterator[Item]:
    """Yield every parameter of the tower (without "visual."); `width` is the shared space's."""
    inner = image.width
    side = image.size // image.patch
    shapes: dict[str, Shape] = {
        "cls_token": (1, 1, inner),
        "pos_embed": (1, side * side + 1, inner),
        "patch_embed.proj.weight": (inner, 3, image.patch, image.patch),
        "patch_embed.proj.bias": (inner,),
    }
    for block in range(image.layers):
        for name, shape in _block(image).items():
            shapes[f"blocks.{block}.{name}"] = shape
    shapes |= _norm(image, "norm", inner)
    yield from shapes.items()
    if image.projection == "matrix":
        yield "proj", (inner, width)
    else:
        yield from linear_shapes("head", width, inner)


def _block(image: ImageTowerSpec) -> dict[str, Shape]:
    inner, hidden = image.width, hidden_width(image.width, image.mlp_ratio)
    both = 2 if image.mlp == "swiglu" else 1
    shapes = _norm(image, "norm1", inner) | {"attn.qkv.weight": (3 * inner, inner)}
    if image.attention_bias == "no_key":
        shapes |= {"attn.q_bias": (inner,), "attn.v_bias": (inner,)}
    if image.inner_norm:
        shapes |= _norm(image, "attn.norm", inner)
    shapes |= {"attn.proj.weight": (inner, inner), "attn.proj.bias": (inner,)}
    shapes |= _norm(image, "norm2", inner)
    shapes |= {"mlp.fc1.weight": (both * hidden, inner), "mlp.fc1.bias": (both * hidden,)}
    if image.inner_norm:
        shapes |= _norm(image, "mlp.norm", hidden)
    shapes |= {"mlp.fc2.weight": (inner, hidden), "mlp.fc2.bias": (inner,)}
    if image.layer_scale:
        shapes |= {"gamma_1": (inner,), "gamma_2": (inner,)}
    return shapes


def _norm(image: ImageTowerSpec, name: str, width: int) -> dict[str, Shape]:
    shapes: dict[str, Shape] = {f"{name}.weight": (width,)}
    return shapes if image.norm == "rms" else shapes | {f"{name}.bias": (width,)}
