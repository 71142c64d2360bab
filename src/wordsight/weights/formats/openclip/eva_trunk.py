"""EVA's image towers as open_clip takes them from timm: `visual.trunk.` and its `vision_cfg`, to ours and back.

if recognise_trunk(keys, vision_cfg):
spec, state = read_trunk(keys, vision_cfg)
vision_cfg, weights = write_trunk(spec, state)
"""

from collections.abc import Mapping
from dataclasses import replace
from typing import Any

from wordsight.base.errors import FormatError
from wordsight.towers.eva.spec import EvaSpec
from wordsight.towers.spec import ModelSpec
from wordsight.weights.checkpoint import Array, Keys
from wordsight.weights.formats.families import of_family
from wordsight.weights.formats.openclip.config import VisionCfg
from wordsight.weights.formats.openclip.known_trunks import TrunkSizes, named_cfg
from wordsight.weights.formats.trunks.eva import EPSILON, KNOWN, ROTARY_GRID, TIMM, Known, read_tower, write_tower

# timm 1.0, models/eva.py: those that open_clip's configurations name; giant_patch14_224 differs only in its pooling
TRUNKS = {
    "eva_giant_patch14_clip_224": TrunkSizes(1408, 40, 6144, 14, 224),
    "eva02_base_patch16_clip_224": TrunkSizes(768, 12, 2048, 16, 224),
    "eva02_large_patch14_clip_224": TrunkSizes(1024, 24, 2730, 14, 224),
    "eva02_large_patch14_clip_336": TrunkSizes(1024, 24, 2730, 14, 336),
    "eva02_enormous_patch14_clip_224": TrunkSizes(1792, 64, 15360, 14, 224),
}


def recognise_trunk(keys: Mapping[str, Array], cfg: VisionCfg) -> bool:
    """Say whether an open_clip checkpoint's trunk is one of EVA's."""
    name = cfg.timm_model_name
    ours = ("blocks.0.attn.q_bias", "blocks.0.attn.q_proj.bias")
    known = any("visual.trunk." + part in keys for part in ours)
    return known and (not name or name.startswith(("eva02_", "eva_")) or name in TRUNKS)


def read_trunk(keys: Keys, cfg: VisionCfg) -> tuple[EvaSpec, dict[str, Array]]:
    """Return spec and weights, under our names, of open_clip's `visual.trunk.`; another pooling is a `FormatError`."""
    image, state = read_tower(keys, TIMM)
    if {"class": "token", "mean": "avg"}[image.pool] != cfg.timm_pool:
        raise FormatError(
            f"timm_pool {cfg.timm_pool!r} does not fit the norms in {keys.where}", cure="check the configuration"
        )
    return image, state


def pool_of(keys: Mapping[str, Array]) -> str:
    """Return the `timm_pool` that the norms of the weights fit."""
    return "avg" if f"{TIMM.prefix}fc_norm.weight" in keys else "token"


def write_trunk(spec: ModelSpec, state: Mapping[str, Array]) -> tuple[dict[str, Any], dict[str, Array]]:
    """Return open_clip's `vision_cfg` and `visual.trunk.` weights; `UsageError` when timm has no such tower."""
    image = of_family(spec.image, EvaSpec, "EVA")
    tensors = write_tower(image, state, TIMM)
    known = KNOWN.get(image.width, Known(image.width // 64))
    wanted = replace(
        image,
        heads=known.heads,
        epsilon=EPSILON,
        activation="silu" if image.mlp == "swiglu" else "gelu",
        rotary="eva" if image.inner_norm else "none",
        rotary_grid=ROTARY_GRID if image.inner_norm else 0,
        projection="linear",
        layer_scale=False,
        attention_bias="no_key",
        norm="layer",
        norm_order=known.norm_order,
    )
    pool = "token" if image.pool == "class" else "avg"
    return named_cfg(image, TRUNKS, pool=pool, usual=image == wanted, own="eva"), tensors
