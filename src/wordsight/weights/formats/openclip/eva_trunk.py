"""EVA's image towers as open_clip takes them from timm: `visual.trunk.` and its `vision_cfg`, to ours and back.

if recognise_trunk(keys, vision_cfg):
spec, state = read_trunk(keys, vision_cfg)
vision_cfg, weights = write_trunk(spec, state)
"""

from collections.abc import Mapping
from dataclasses import dataclass, replace
from typing import Any

from wordsight.base.errors import FormatError, UsageError
from wordsight.towers.spec import ImageTowerSpec, ModelSpec, hidden_width
from wordsight.weights.checkpoint import Array, Keys
from wordsight.weights.formats.trunks.eva import EPSILON, KNOWN, ROTARY_GRID, TIMM, Known, read_tower, write_tower


@dataclass(frozen=True, slots=True)
class Trunk:
    """What one of timm's names stands for."""

    width: int
    layers: int
    hidden: int
    patch: int
    size: int


# timm 1.0, models/eva.py: those that open_clip's configurations name; giant_patch14_224 differs only in its pooling
TRUNKS = {
    "eva_giant_patch14_clip_224": Trunk(1408, 40, 6144, 14, 224),
    "eva02_base_patch16_clip_224": Trunk(768, 12, 2048, 16, 224),
    "eva02_large_patch14_clip_224": Trunk(1024, 24, 2730, 14, 224),
    "eva02_large_patch14_clip_336": Trunk(1024, 24, 2730, 14, 336),
    "eva02_enormous_patch14_clip_224": Trunk(1792, 64, 15360, 14, 224),
}


def recognise_trunk(keys: Mapping[str, Array], vision_cfg: Mapping[str, Any]) -> bool:
    """Say whether an open_clip checkpoint's trunk is one of EVA's."""
    name = str(vision_cfg.get("timm_model_name", ""))
    ours = ("blocks.0.attn.q_bias", "blocks.0.attn.q_proj.bias")
    known = any("visual.trunk." + part in keys for part in ours)
    return known and (not name or name.startswith(("eva02_", "eva_")) or name in TRUNKS)


def read_trunk(keys: Keys, vision_cfg: Mapping[str, Any]) -> tuple[ImageTowerSpec, dict[str, Array]]:
    """Return spec and weights, under our names, of open_clip's `visual.trunk.`; another pooling is a `FormatError`."""
    image, state = read_tower(keys, TIMM)
    pool = vision_cfg.get("timm_pool", "token")
    if {"class": "token", "mean": "avg"}[image.pool] != pool:
        raise FormatError(f"timm_pool {pool!r} does not fit the norms in {keys.where}", cure="check the configuration")
    return image, state


def write_trunk(spec: ModelSpec, state: Mapping[str, Array]) -> tuple[dict[str, Any], dict[str, Array]]:
    """Return open_clip's `vision_cfg` and `visual.trunk.` weights; `UsageError` when timm has no such tower."""
    image = spec.image
    tensors = write_tower(image, state, TIMM)
    this = Trunk(image.width, image.layers, hidden_width(image.width, image.mlp_ratio), image.patch, image.size)
    names = [name for name, trunk in TRUNKS.items() if trunk == this]
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
        norm_order=known.norm_order,  # type: ignore[arg-type]
    )
    if not names or image != wanted:
        raise UsageError(
            f"timm, which open_clip takes EVA's towers from, has none of width {image.width}, {image.layers} layers, "
            f"patch {image.patch} and size {image.size} with these options",
            cure=f"write it as eva; timm has {', '.join(TRUNKS)}",
        )
    config = {
        "image_size": image.size,
        "timm_model_name": names[0],
        "timm_model_pretrained": False,
        "timm_pool": "token" if image.pool == "class" else "avg",
        "timm_proj": None,
    }
    return config, tensors
