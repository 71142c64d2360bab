"""Perception Encoder's image towers as open_clip takes them from timm: `visual.trunk.`, to ours and back.

if recognise_trunk(keys, vision_cfg):
spec, state = read_trunk(keys)
vision_cfg, weights = write_trunk(spec, state)
"""

from collections.abc import Mapping
from typing import Any

import numpy as np

from wordsight.towers.spec import ModelSpec
from wordsight.towers.vit.spec import VitSpec
from wordsight.weights.checkpoint import Array, Keys
from wordsight.weights.formats.openclip.config import VisionCfg
from wordsight.weights.formats.openclip.known_trunks import TrunkSizes, named_cfg
from wordsight.weights.formats.openclip.timm_vit import BLOCK
from wordsight.weights.formats.trunks.perception import BLOCKS, renamed, require_tower, tower_spec

TRUNK = "visual.trunk."
# timm's names and ours, in the image tower and inside its blocks
TIMM = {
    "patch_embed.proj.weight": "conv1.weight",
    "norm_pre.": "ln_pre.",
    "norm.": "ln_post.",
    "attn_pool.latent": "attn_pool.probe",
    "attn_pool.proj.": "attn_pool.attn.out_proj.",
    "attn_pool.norm.": "attn_pool.ln.",
    "attn_pool.mlp.fc1.": "attn_pool.mlp.c_fc.",
    "attn_pool.mlp.fc2.": "attn_pool.mlp.c_proj.",
}
TIMM_BLOCK = BLOCK | {"gamma_1": "ls_1.gamma", "gamma_2": "ls_2.gamma"}


# timm 1.0, models/eva.py
TRUNKS = {
    "vit_pe_core_tiny_patch16_384": TrunkSizes(192, 12, 768, 16, 384),
    "vit_pe_core_small_patch16_384": TrunkSizes(384, 12, 1536, 16, 384),
    "vit_pe_core_base_patch16_224": TrunkSizes(768, 12, 3072, 16, 224),
    "vit_pe_core_large_patch14_336": TrunkSizes(1024, 24, 4096, 14, 336),
    "vit_pe_core_gigantic_patch14_448": TrunkSizes(1536, 50, 8960, 14, 448, class_token=False),
}


def recognise_trunk(keys: Mapping[str, Array], cfg: VisionCfg) -> bool:
    """Say whether an open_clip checkpoint's trunk is a PE-Core."""
    parts = ("norm_pre.weight", "attn_pool.latent", "blocks.0.attn.qkv.bias")
    name = cfg.timm_model_name
    return all(TRUNK + part in keys for part in parts) and (not name or name.startswith("vit_pe_") or name in TRUNKS)


def read_trunk(keys: Keys) -> tuple[VitSpec, dict[str, Array]]:
    """Return spec and weights, under our names, of open_clip's `visual.trunk.`."""
    state: dict[str, Array] = {}
    for name in [name for name in keys.left if name.startswith(TRUNK)]:
        inside = name.removeprefix(TRUNK)
        if inside == "cls_token":
            state["visual.class_embedding"] = keys.take(name).reshape(-1)
        elif inside == "pos_embed":
            value = keys.take(name)
            state["visual.positional_embedding"] = value.reshape(value.shape[-2:])  # (1, T, D) to (T, D)
        elif inside.startswith("blocks."):
            block, rest = inside.split(".", 2)[1:]
            state[f"visual.{BLOCKS}{block}.{renamed(rest, TIMM_BLOCK)}"] = keys.take(name)
        elif not inside.startswith(("head.", "attn_pool.q.", "attn_pool.kv.")):
            state["visual." + renamed(inside, TIMM)] = keys.take(name)
    for end in ("weight", "bias"):
        halves = [keys.take(f"{TRUNK}attn_pool.{part}.{end}") for part in ("q", "kv")]
        state[f"visual.attn_pool.attn.in_proj_{end}"] = np.concatenate(halves)
    state |= _read_head(keys)
    return tower_spec(state), state


def _read_head(keys: Keys) -> dict[str, Array]:
    """Return the projection; the bias that timm adds is left out where it is zero, as in Meta's weights."""
    head, bias = keys.take(TRUNK + "head.weight"), keys.take(TRUNK + "head.bias")
    if np.any(bias):
        return {"visual.head.weight": head, "visual.head.bias": bias}
    return {"visual.proj": np.ascontiguousarray(head.T)}


def write_trunk(spec: ModelSpec, state: Mapping[str, Array]) -> tuple[dict[str, Any], dict[str, Array]]:
    """Return open_clip's `vision_cfg` and `visual.trunk.` weights; `UsageError` when timm has no such tower."""
    image = require_tower(spec.image, linear=True)
    config = named_cfg(
        image, TRUNKS, class_token=image.has_class_token, pool="map", usual=not image.layer_scale, own="perception"
    )
    tensors: dict[str, Array] = {}
    for name, value in state.items():
        if name.startswith("visual."):
            tensors |= {TRUNK + other: part for other, part in _timm(name.removeprefix("visual."), value).items()}
    return config, tensors


def _timm(name: str, value: Array) -> dict[str, Array]:
    """Return one of our weights under timm's names."""
    if name == "class_embedding":
        return {"cls_token": value.reshape(1, 1, -1)}
    if name == "positional_embedding":
        return {"pos_embed": value[None]}
    if name == "proj":
        return {"head.weight": np.ascontiguousarray(value.T), "head.bias": np.zeros(value.shape[1], value.dtype)}
    if name.startswith("attn_pool.attn.in_proj_"):
        end, third = name.rpartition("_")[2], len(value) // 3
        return {f"attn_pool.q.{end}": value[:third], f"attn_pool.kv.{end}": value[third:]}
    if name.startswith(BLOCKS):
        block, rest = name.removeprefix(BLOCKS).split(".", 1)
        return {f"blocks.{block}.{renamed(rest, _turned(TIMM_BLOCK))}": value}
    return {renamed(name, _turned(TIMM)): value}


def _turned(table: Mapping[str, str]) -> dict[str, str]:
    return {ours: theirs for theirs, ours in table.items()}
