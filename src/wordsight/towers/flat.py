"""The flat spec of earlier versions, which had one list of fields for image towers of all kinds, one for text towers.

A field of it that a family does not have may stand in a model.json with the value that the family implies, and
counts in the fingerprint as it did.  The number of heads, which no weight shows, counts where it is not the usual one
of the width: so all published models keep the fingerprint they had before it counted.  Free of PyTorch.
"""

from collections.abc import Mapping
from dataclasses import fields
from typing import Any

FLAT_IMAGE: Mapping[str, Any] = {
    "kind": "vit", "width": 768, "layers": 12, "heads": 12, "patch": 32, "mlp_ratio": 4.0,
    "activation": "gelu", "epsilon": 1e-5,
    "stem": "patch", "stem_padding": 0, "patch_bias": False, "class_token": None, "positions": "learned",
    "rotary": "none", "rotary_grid": 0, "pre_norm": True, "pool": "class", "pool_heads": 0, "pool_mlp_ratio": 0.0,
    "pool_queries": 256, "final_norm": "pooled", "projection": "matrix", "layer_scale": False, "mlp": "plain",
    "inner_norm": False, "attention_bias": "all", "norm": "layer", "norm_order": "pre", "stages": (),
    "drop_path": 0.0, "trunk": "", "options": {},
}  # fmt: skip
FLAT_TEXT: Mapping[str, Any] = {
    "kind": "clip", "width": 512, "layers": 12, "heads": 8, "mlp_ratio": 4.0, "activation": "gelu", "epsilon": 1e-5,
    "mask": "causal", "pool": "end", "class_mask": "shifted", "end_id": None, "pad_id": 0, "projection": "matrix",
    "layer_scale": False, "mixer": 0, "dropout": 0.0, "trunk": "", "options": {},
}  # fmt: skip


def implied(flat: Mapping[str, Any], spec: type, **other: Any) -> dict[str, Any]:
    """Return the fields of `flat` that `spec` lacks, with the values that it implies: defaults but for `other`."""
    own = {field.name for field in fields(spec)}
    return {name: other.get(name, value) for name, value in flat.items() if name not in own}


NARROW = {40: 2, 48: 3, 64: 2, 128: 4}  # heads of towers of few channels, as trained here
IMAGE_HEADS = {4096: 32, 5120: 40}  # EVA-CLIP 8B and 18B
TEXT_HEADS = {1152: 16}  # SigLIP's So400m
HEAD_WIDTH = 64  # channels of a head (Vaswani et al. 2017); large image towers have 16 heads of more (ViT-H, g, G)


def image_heads(width: int) -> int:
    """Return how many heads image transformers of this width usually have."""
    return {**NARROW, **IMAGE_HEADS}.get(width, max(1, min(width // HEAD_WIDTH, 16)))


def text_heads(width: int) -> int:
    """Return how many heads text transformers of this width usually have."""
    return {**NARROW, **TEXT_HEADS}.get(width, max(1, width // HEAD_WIDTH))
