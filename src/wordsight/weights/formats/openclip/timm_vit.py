"""Vision transformers that open_clip takes from timm and that are ours: SigLIP's, and CLIP's with a bias in its head.

    if is_native(config.model.vision_cfg, keys):
        spec, state = read_trunk(keys, config.model)
    vision_cfg, state = write_trunk(spec, state)

timm builds them from a name alone, so only the published sizes can be written.  Names of timm 1.0.
"""

import re
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, Literal

import numpy as np

from wordsight.base.errors import FormatError, UsageError
from wordsight.towers.tower_spec import Activation, hidden_width
from wordsight.towers.vit.spec import VitSpec
from wordsight.weights.checkpoint import Array, Keys
from wordsight.weights.formats.openclip.config import ModelCfg, VisionCfg
from wordsight.weights.formats.trunks import mci as hybrid

TRUNK = "visual.trunk."
NAME = re.compile(
    r"vit_(?P<shape>[a-z0-9]+)_patch(?P<patch>\d+)_(?P<kind>siglip_gap|siglip|clip_quickgelu|clip)_(?P<size>\d+)"
)
EPSILON = {"siglip": 1e-6, "siglip_gap": 1e-6, "clip": 1e-5, "clip_quickgelu": 1e-5}
# (timm's name for the shape, patch, size) of those SigLIP towers that it builds with the approximate GELU
TANH = {
    ("base", 32, 256),
    ("large", 16, 512),
    *(("so400m", 16, size) for size in (256, 384, 512)),
    *(("giantopt", 16, size) for size in (256, 384)),
}
HEADS = {1152: 16, 1280: 16, 1408: 16, 1536: 16, 1664: 16}  # elsewhere 64 channels a head
BLOCK = {
    "norm1.": "ln_1.",
    "norm2.": "ln_2.",
    "attn.qkv.weight": "attn.in_proj_weight",
    "attn.qkv.bias": "attn.in_proj_bias",
    "attn.proj.": "attn.out_proj.",
    "mlp.fc1.": "mlp.c_fc.",
    "mlp.fc2.": "mlp.c_proj.",
    "ls1.": "ls_1.",
    "ls2.": "ls_2.",
}
POOL = {"norm.": "ln.", "proj.": "attn.out_proj.", "mlp.fc1.": "mlp.c_fc.", "mlp.fc2.": "mlp.c_proj."}
PLAIN = {
    "patch_embed.proj.weight": "conv1.weight",
    "patch_embed.proj.bias": "conv1.bias",
    "norm_pre.weight": "ln_pre.weight",
    "norm_pre.bias": "ln_pre.bias",
}


@dataclass(frozen=True, slots=True)
class Named:
    """One of timm's towers: its name, and the (width, layers, hidden) that the name stands for."""

    name: str
    width: int
    layers: int
    hidden: int

    @property
    def part(self) -> Mapping[str, str]:
        """The parts of the name: shape, patch, kind, size."""
        match = NAME.fullmatch(self.name)
        assert match is not None, self.name
        return match.groupdict()


def _rows(shape: str, patch: int, sizes: tuple[int, ...], widths: tuple[int, int, int], kind: str) -> list[Named]:
    return [Named(f"vit_{shape}_patch{patch}_{kind}_{size}", *widths) for size in sizes]


_BASE, _LARGE, _SO400M, _GIANT = (768, 12, 3072), (1024, 24, 4096), (1152, 27, 4304), (1536, 40, 6144)
_HUGE, _GIGANTIC = (1280, 32, 5120), (1664, 48, 8192)
NAMED = [
    *(
        row
        for kind in ("siglip", "siglip_gap")
        for row in (
            *_rows("base", 32, (256,), _BASE, kind),
            *_rows("base", 16, (224, 256, 384, 512), _BASE, kind),
            *_rows("large", 16, (256, 384, 512), _LARGE, kind),
            *_rows("so400m", 14, (224, 378, 384), _SO400M, kind),
            *_rows("so400m", 16, (256, 384, 512), _SO400M, kind),
            *_rows("giantopt", 16, (256, 384), _GIANT, kind),
        )
    ),
    *_rows("base", 32, (224, 256, 384, 448), _BASE, "clip"),
    *_rows("base", 16, (224, 384), _BASE, "clip"),
    *_rows("large", 14, (224, 336), _LARGE, "clip"),
    *_rows("huge", 14, (224, 336, 378), _HUGE, "clip"),
    *_rows("gigantic", 14, (224, 378), _GIGANTIC, "clip"),
    *_rows("base", 32, (224,), _BASE, "clip_quickgelu"),
    *_rows("base", 16, (224,), _BASE, "clip_quickgelu"),
    *_rows("large", 14, (224, 336), _LARGE, "clip_quickgelu"),
    *_rows("huge", 14, (224, 378), _HUGE, "clip_quickgelu"),
]


def is_native(cfg: VisionCfg, keys: Mapping[str, Array]) -> bool:
    """Say whether a timm tower is one that our own vision transformer holds."""
    known = NAME.fullmatch(_name(cfg)) or (hybrid.FIRST in keys and _name(cfg) == hybrid.NAME)
    return bool(known) and TRUNK + "blocks.0.attn.qkv.weight" in keys and cfg.timm_proj != "mlp"


def guess_name(keys: Mapping[str, Array]) -> str | None:
    """Return the name of the SigLIP tower that has weights of these shapes, or None (for a file alone)."""
    latent, patch = keys.get(TRUNK + "attn_pool.latent"), keys.get(TRUNK + "patch_embed.proj.weight")
    positions, fc1 = keys.get(TRUNK + "pos_embed"), keys.get(TRUNK + "blocks.0.mlp.fc1.weight")
    if latent is None or patch is None or positions is None or fc1 is None or TRUNK + "cls_token" in keys:
        return None
    for row in NAMED:
        side = int(row.part["size"]) // int(row.part["patch"])
        fits = (row.hidden, row.width) == fc1.shape and int(row.part["patch"]) == patch.shape[-1]
        if row.part["kind"] == "siglip" and fits and side * side == positions.shape[1]:
            return row.name
    return None


def read_trunk(keys: Keys, model: ModelCfg) -> tuple[VitSpec, dict[str, Array]]:
    """Return our spec and weights of a tower for which `is_native`."""
    cfg = model.vision_cfg
    match, tiered = NAME.fullmatch(_name(cfg)), hybrid.FIRST in keys
    size = cfg.image_size if isinstance(cfg.image_size, int) else cfg.image_size[0]
    state = hybrid.read_stem(keys) if tiered else {}
    state |= {"visual." + new: keys.take(TRUNK + old) for old, new in PLAIN.items() if TRUNK + old in keys}
    positions = keys.take(TRUNK + "pos_embed")
    state["visual.positional_embedding"] = positions.reshape(positions.shape[-2:])  # (1, T, D) to (T, D)
    if TRUNK + "cls_token" in keys:
        state["visual.class_embedding"] = keys.take(TRUNK + "cls_token").reshape(-1)
    if tiered:  # whose class token has no position
        table = state["visual.positional_embedding"]
        state["visual.positional_embedding"] = np.concatenate([np.zeros_like(table[:1]), table])
    for name in keys.left:
        if name.startswith(TRUNK + "blocks."):
            state["visual.transformer.resblocks." + _renamed(name.removeprefix(TRUNK + "blocks."), BLOCK)] = keys.take(
                name
            )
    norm = "fc_norm" if TRUNK + "fc_norm.weight" in keys else "norm"
    state |= {f"visual.ln_post.{end}": keys.take(f"{TRUNK}{norm}.{end}") for end in ("weight", "bias")}
    attends = TRUNK + "attn_pool.latent" in keys
    if attends:
        state |= _read_pool(keys)
    projection = _read_head(keys, state)
    hidden, width = state["visual.transformer.resblocks.0.mlp.c_fc.weight"].shape
    spec = VitSpec(
        size=size,
        width=width,
        layers=sum(name.endswith(".ln_1.weight") for name in state),
        heads=HEADS.get(width, width // 64),
        patch=int(match["patch"]) if match else hybrid.SIZES[hybrid.NAME][3],
        mlp_ratio=hidden / width,
        activation=_activation(match) if match else "gelu",
        epsilon=EPSILON[match["kind"]] if match else hybrid.EPSILON,
        stem="tiered" if tiered else "patch",
        patch_bias="visual.conv1.bias" in state,
        class_token="visual.class_embedding" in state,
        pre_norm="visual.ln_pre.weight" in state,
        pool="attention" if attends else "class" if cfg.timm_pool == "token" else "mean",
        final_norm="tokens" if norm == "norm" and cfg.timm_pool != "token" else "pooled",
        projection=projection,
        layer_scale=any(name.endswith("ls_1.gamma") for name in state),
    )
    return spec, state


def write_trunk(image: VitSpec, state: Mapping[str, Array]) -> tuple[dict[str, Any], dict[str, Array]]:
    """Return the `vision_cfg` and weights (`visual.trunk.`...) of a tower; `UsageError` when timm has none such."""
    if image.stem == "tiered":
        cfg, state = hybrid.check(image), dict(state)
        state["visual.positional_embedding"] = hybrid.without_class_position(state["visual.positional_embedding"])
        stem = hybrid.write_stem(state)
        rest = {name: value for name, value in state.items() if not name.startswith("visual.stem.")}
        return cfg, stem | _trunk(rest, image)
    kind = _kind(image)
    hidden = hidden_width(image.width, image.mlp_ratio)
    for row in NAMED:
        match = NAME.fullmatch(row.name)
        assert match is not None
        same = (row.width, row.layers, row.hidden) == (image.width, image.layers, hidden)
        where = (kind, image.patch, image.size) == (match["kind"], int(match["patch"]), int(match["size"]))
        if same and where and _activation(match) == image.activation and EPSILON[match["kind"]] == image.epsilon:
            break
    else:
        raise UsageError(
            f"open_clip builds such an image tower from timm by name, and none of timm's has width {image.width}, "
            f"{image.layers} layers, patch {image.patch}, size {image.size}, {image.activation}",
            cure="choose another format" + _near(image, kind, hidden),
        )
    pool = {"attention": "map", "mean": "avg", "class": "token"}[image.pool]
    cfg = {"timm_model_name": row.name, "timm_pool": pool, "image_size": image.size}
    cfg |= {"timm_proj": "none" if image.projection == "none" else None if image.projection == "linear" else "linear"}
    return cfg, _trunk(state, image)


def _trunk(state: Mapping[str, Array], image: VitSpec) -> dict[str, Array]:
    return {name: array for old, value in state.items() for name, array in _back(old, value, image).items()}


def _name(cfg: VisionCfg) -> str:
    """Return timm's name of the architecture, without the tag of its weights."""
    return (cfg.timm_model_name or "").partition(".")[0]


def _back(old: str, value: Array, image: VitSpec) -> dict[str, Array]:
    """Return the timm weights made of one of our image tower's; those of the text tower are left out."""
    if not old.startswith("visual."):
        return {}
    name = old.removeprefix("visual.")
    if name.startswith("transformer.resblocks."):
        back = {new: timm for timm, new in BLOCK.items()}
        return {TRUNK + "blocks." + _renamed(name.removeprefix("transformer.resblocks."), back): value}
    if name.startswith("attn_pool."):
        return _write_pool(name.removeprefix("attn_pool."), value)
    plain = {new: timm for timm, new in PLAIN.items()}
    if name in plain:
        return {TRUNK + plain[name]: value}
    norm = "fc_norm" if image.pool == "mean" and image.final_norm == "pooled" else "norm"
    single: dict[str, tuple[str, Array]] = {
        "positional_embedding": (TRUNK + "pos_embed", value[None]),
        "class_embedding": (TRUNK + "cls_token", value.reshape(1, 1, -1)),
        "ln_post.weight": (TRUNK + norm + ".weight", value),
        "ln_post.bias": (TRUNK + norm + ".bias", value),
        "proj": ("visual.head.proj.weight", np.ascontiguousarray(value.T)),
        "head.weight": (TRUNK + "head.weight", value),
        "head.bias": (TRUNK + "head.bias", value),
    }
    return dict([single[name]])


def _kind(image: VitSpec) -> str:
    """Return the kind of timm tower that has the parts of ours; `UsageError` when none has."""
    plain = image.stem == "patch" and image.rotary == "none"
    parts = (image.pool, image.has_class_token, image.pre_norm, image.patch_bias, image.final_norm)
    kinds = {
        ("attention", False, False, True, "tokens"): "siglip",
        ("mean", False, False, True, "tokens"): "siglip_gap",
        ("class", True, True, False, "pooled"): "clip_quickgelu" if image.activation == "quick_gelu" else "clip",
    }
    if not plain or image.positions != "learned" or image.layer_scale or parts not in kinds:
        raise UsageError(
            f'open_clip has no image tower with stem = "{image.stem}", pool = "{image.pool}", '
            f'projection = "{image.projection}", class_token = {str(image.has_class_token).lower()}, '
            f"patch_bias = {str(image.patch_bias).lower()}, pre_norm = {str(image.pre_norm).lower()}",
            cure="choose another format",
        )
    return kinds[parts]


def _near(image: VitSpec, kind: str, hidden: int) -> str:
    """Say which activation timm has the same tower with."""
    for row in NAMED:
        match = NAME.fullmatch(row.name)
        assert match is not None
        shape = (row.width, row.layers, row.hidden, match["kind"]) == (image.width, image.layers, hidden, kind)
        if shape and (image.patch, image.size) == (int(match["patch"]), int(match["size"])):
            return f"; {row.name} has {_activation(match)}, epsilon {EPSILON[kind]} (--set image.activation=...)"
    return ""


def _activation(match: re.Match[str]) -> Activation:
    if match["kind"] == "clip_quickgelu":
        return "quick_gelu"
    tanh = (match["shape"], int(match["patch"]), int(match["size"])) in TANH
    return "gelu_tanh" if tanh and match["kind"].startswith("siglip") else "gelu"


def _read_pool(keys: Keys) -> dict[str, Array]:
    """Return SigLIP's attention pooling: timm keeps the query apart from keys and values."""
    old, new = TRUNK + "attn_pool.", "visual.attn_pool."
    state = {new + "probe": keys.take(old + "latent")}
    for end in ("weight", "bias"):
        state[f"{new}attn.in_proj_{end}"] = np.concatenate([keys.take(f"{old}q.{end}"), keys.take(f"{old}kv.{end}")])
    for name in keys.left:
        if name.startswith(old):
            state[new + _renamed(name.removeprefix(old), POOL)] = keys.take(name)
    return state


def _write_pool(name: str, value: Array) -> dict[str, Array]:
    to = TRUNK + "attn_pool."
    if name == "probe":
        return {to + "latent": value}
    if name.startswith("attn.in_proj_"):
        end, width = name.removeprefix("attn.in_proj_"), len(value) // 3
        return {f"{to}q.{end}": value[:width], f"{to}kv.{end}": value[width:]}
    return {to + _renamed(name, {new: timm for timm, new in POOL.items()}): value}


def _read_head(keys: Keys, state: dict[str, Array]) -> Literal["matrix", "linear", "none"]:
    """Take the projection, which is timm's own head or open_clip's behind it; none at all is one kind, too."""
    for head in (TRUNK + "head.", "visual.head.proj."):
        if head + "weight" not in keys:
            continue
        weight = keys.take(head + "weight")
        if head + "bias" in keys:
            state |= {"visual.head.weight": weight, "visual.head.bias": keys.take(head + "bias")}
            return "linear"
        state["visual.proj"] = np.ascontiguousarray(weight.T)
        return "matrix"
    return "none"


def _renamed(name: str, table: Mapping[str, str]) -> str:
    """Return `name` ("3.norm1.weight" or "norm.weight") with the first part of `table` that it holds exchanged."""
    number, dot, rest = name.partition(".")
    head, tail = (number + dot, rest) if number.isdigit() else ("", name)
    for old, new in table.items():
        if tail.startswith(old):
            return head + new + tail.removeprefix(old)
    raise FormatError(f"{name} is no part of a plain vision transformer", cure="report this file's layout")
