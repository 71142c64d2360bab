"""EVA's image tower under both names in use, from and to ours.  Free of PyTorch.

    spec, state = read_tower(Keys(...), OWN)         # visual.blocks.0.attn.inner_attn_ln.weight, as baaivision/EVA
    spec, state = read_tower(Keys(...), TIMM)        # visual.trunk.blocks.0.attn.norm.weight, as timm and open_clip
    tensors = write_tower(spec.image, state, OWN)

Both keep query, key and value apart where the tower has inner norms, and fused where not; ours are always
fused, and so are the two halves of a gated MLP.
"""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Literal

import numpy as np

from wordsight.base.errors import FormatError, ShapeMismatch, UsageError
from wordsight.towers.eva.spec import EvaSpec
from wordsight.towers.tower_spec import ImageTowerSpec
from wordsight.weights.checkpoint import Array, Keys
from wordsight.weights.formats.families import of_family
from wordsight.weights.formats.trunks.sizes import depth

EPSILON = 1e-6  # of every EVA tower; baaivision/EVA, eva_clip/model.py
ROTARY_GRID = 16  # pt_hw_seq_len of every published configuration: 224 / 14

Pool = Literal["class", "mean", "mean_all"]  # of `EvaSpec`


@dataclass(frozen=True, slots=True)
class Style:
    """The names of one side. `apart`: where the biases of query and value lie when the weights lie apart."""

    prefix: str
    inner_attn: str
    inner_mlp: str
    gate: str
    rest: str
    gated_out: str
    apart: tuple[str, str]
    mean: Literal["mean", "mean_all"]  # the value of `EvaSpec.pool` that fc_norm means


OWN = Style(
    "visual.",
    "attn.inner_attn_ln",
    "mlp.ffn_ln",
    "mlp.w1",
    "mlp.w2",
    "mlp.w3",
    apart=("attn.q_bias", "attn.v_bias"),
    mean="mean_all",
)
TIMM = Style(
    "visual.trunk.",
    "attn.norm",
    "mlp.norm",
    "mlp.fc1_g",
    "mlp.fc1_x",
    "mlp.fc2",
    apart=("attn.q_proj.bias", "attn.v_proj.bias"),
    mean="mean",
)


@dataclass(frozen=True, slots=True)
class Known:
    """What shapes do not show, of the published tower of a width."""

    heads: int
    norm_order: Literal["pre", "post"] = "pre"


# eva_clip/model_configs of baaivision/EVA (EVA-CLIP and EVA-CLIP-18B); other widths have heads of 64 channels
KNOWN = {
    1408: Known(16),
    1792: Known(16, "post"),
    4096: Known(32),
    5120: Known(40, "post"),
}
HEAD_WIDTH = 64


def read_tower(keys: Keys, style: Style) -> tuple[EvaSpec, dict[str, Array]]:
    """Take every weight of the image tower but rotary tables; the spec is read from shapes and `KNOWN`.

    Rotary positions are set where there are inner norms, as in every published tower.
    """
    here = style.prefix
    conv = keys.take(here + "patch_embed.proj.weight")
    positions = keys.take(here + "pos_embed")
    state = {"cls_token": keys.take(here + "cls_token"), "pos_embed": positions, "patch_embed.proj.weight": conv}
    state["patch_embed.proj.bias"] = keys.take(here + "patch_embed.proj.bias")
    layers = depth(keys, here + "blocks.")
    for block in range(layers):
        for name, value in _read_block(keys, f"{here}blocks.{block}.", style).items():
            state[f"blocks.{block}.{name}"] = value
    pool: Pool = style.mean if here + "fc_norm.weight" in keys else "class"
    state |= _read_norm(keys, here + ("norm" if pool == "class" else "fc_norm"), "norm")
    head = keys.take(here + "head.weight")
    if "blocks.0.attn.q_bias" in state:  # one option of EVA's decides over the biases of both
        state |= {"head.weight": head, "head.bias": keys.take(here + "head.bias")}
    else:
        state["proj"] = np.ascontiguousarray(head.T)
    side = round((positions.shape[1] - 1) ** 0.5)
    if side * side + 1 != positions.shape[1]:
        raise FormatError(f"{keys.where}: {positions.shape[1]} positions are no square and one", cure="fetch it again")
    spec = _spec(state, layers, side, pool)
    return spec, {f"visual.{name}": value for name, value in state.items()}


def _spec(state: Mapping[str, Array], layers: int, side: int, pool: Pool) -> EvaSpec:
    width, _, _, patch = state["patch_embed.proj.weight"].shape
    hidden = state["blocks.0.mlp.fc2.weight"].shape[1]
    gated = state["blocks.0.mlp.fc1.weight"].shape[0] == 2 * hidden
    inner = "blocks.0.attn.norm.weight" in state
    known = KNOWN.get(width, Known(max(width // HEAD_WIDTH, 1)))
    return EvaSpec(
        size=side * patch,
        width=width,
        layers=layers,
        heads=known.heads,
        patch=patch,
        mlp_ratio=hidden / width,
        activation="silu" if gated else "gelu",
        epsilon=EPSILON,
        rotary="eva" if inner else "none",
        rotary_grid=ROTARY_GRID if inner else 0,
        pool=pool,
        projection="linear" if "head.bias" in state else "matrix",
        layer_scale="blocks.0.gamma_1" in state,
        mlp="swiglu" if gated else "plain",
        inner_norm=inner,
        attention_bias="no_key" if "blocks.0.attn.q_bias" in state else "none",
        norm="layer" if "blocks.0.norm1.bias" in state else "rms",
        norm_order=known.norm_order,
    )


def _read_norm(keys: Keys, name: str, ours: str) -> dict[str, Array]:
    out = {f"{ours}.weight": keys.take(f"{name}.weight")}
    if f"{name}.bias" in keys:
        out[f"{ours}.bias"] = keys.take(f"{name}.bias")
    return out


def _joined(parts: list[Array], here: str) -> Array:
    if len({(part.dtype, part.shape) for part in parts}) > 1:
        raise ShapeMismatch(f"{here} has parts of different types or shapes", cure="fetch the model again")
    return np.concatenate(parts)


def _read_block(keys: Keys, here: str, style: Style) -> dict[str, Array]:
    out = _read_norm(keys, here + "norm1", "norm1")
    apart = here + "attn.q_proj.weight" in keys
    if apart:
        parts = [keys.take(f"{here}attn.{part}_proj.weight") for part in "qkv"]
        out["attn.qkv.weight"] = _joined(parts, here)
    else:
        out["attn.qkv.weight"] = keys.take(here + "attn.qkv.weight")
    query, value = style.apart if apart else OWN.apart
    if here + query in keys:
        out |= {"attn.q_bias": keys.take(here + query), "attn.v_bias": keys.take(here + value)}
    if f"{here}{style.inner_attn}.weight" in keys:
        out |= _read_norm(keys, here + style.inner_attn, "attn.norm")
    out |= {f"attn.proj.{end}": keys.take(f"{here}attn.proj.{end}") for end in ("weight", "bias")}
    out |= _read_norm(keys, here + "norm2", "norm2")
    gated = f"{here}{style.gate}.weight" in keys
    for end in ("weight", "bias"):
        if gated:
            halves = [keys.take(f"{here}{style.gate}.{end}"), keys.take(f"{here}{style.rest}.{end}")]
            out[f"mlp.fc1.{end}"] = _joined(halves, here)
        else:
            out[f"mlp.fc1.{end}"] = keys.take(f"{here}mlp.fc1.{end}")
        out[f"mlp.fc2.{end}"] = keys.take(f"{here}{style.gated_out if gated else 'mlp.fc2'}.{end}")
    if f"{here}{style.inner_mlp}.weight" in keys:
        out |= _read_norm(keys, here + style.inner_mlp, "mlp.norm")
    for gamma in ("gamma_1", "gamma_2"):
        if here + gamma in keys:
            out[gamma] = keys.take(here + gamma)
    return out


def write_tower(tower: ImageTowerSpec, state: Mapping[str, Array], style: Style) -> dict[str, Array]:
    """Return the weights of the image tower under the other side's names; `UsageError` when it cannot have them."""
    image = of_family(tower, EvaSpec, "EVA's layout")
    if image.pool not in ("class", style.mean):
        raise UsageError(f'image.pool = "{image.pool}" has no place here', cure='only "class" can be carried anywhere')
    out: dict[str, Array] = {}
    for name, value in state.items():
        if name.startswith("visual."):
            for other, part in _write(name.removeprefix("visual."), value, image, style).items():
                out[style.prefix + other] = part
    return out


def _write(name: str, value: Array, image: EvaSpec, style: Style) -> dict[str, Array]:
    """Return one of our weights under the other's names; fused ones come apart."""
    if name.startswith("norm."):
        return {name if image.pool == "class" else "fc_" + name: value}
    if name == "proj":
        return {"head.weight": np.ascontiguousarray(value.T)}
    if not name.startswith("blocks."):
        return {name: value}
    block, inside = name.split(".", 2)[1:]
    return {f"blocks.{block}.{other}": part for other, part in _write_block(inside, value, image, style).items()}


def _write_block(inside: str, value: Array, image: EvaSpec, style: Style) -> dict[str, Array]:
    part, _, end = inside.rpartition(".")
    if part == "attn.norm":
        return {f"{style.inner_attn}.{end}": value}
    if part == "mlp.norm":
        return {f"{style.inner_mlp}.{end}": value}
    if inside == "attn.qkv.weight" and image.inner_norm:
        return {f"attn.{one}_proj.weight": third for one, third in zip("qkv", np.split(value, 3), strict=True)}
    if inside in OWN.apart and image.inner_norm:
        return {style.apart[OWN.apart.index(inside)]: value}
    if image.mlp == "swiglu" and part == "mlp.fc1" and (style is OWN or image.inner_norm):
        gate, rest = np.split(value, 2)
        return {f"{style.gate}.{end}": gate, f"{style.rest}.{end}": rest}
    if image.mlp == "swiglu" and part == "mlp.fc2":
        return {f"{style.gated_out}.{end}": value}
    return {inside: value}


def assumed_trunk(image: EvaSpec, *, tables: bool = False) -> tuple[str, ...]:
    """Return what was assumed of an image tower that no configuration describes; `tables`: rotary ones were stored."""
    why = f"as published at width {image.width}" if image.width in KNOWN else "as most published ones"
    assumed = [f"image.norm_order = {image.norm_order}, {why} (--set image.norm_order=...)"]
    if not tables:
        assumed.append(f"image.heads = {image.heads}, {why} (--set image.heads=...)")
        if image.rotary == "eva":
            assumed.append(f"image.rotary_grid = {image.rotary_grid}, as every EVA-02 (--set image.rotary_grid=...)")
    return tuple(assumed)
