"""The flat spec of earlier versions, which had one list of fields for image towers of all kinds, one for text towers.

A field of it that a family does not have may stand in a model.json with the value that the family implies, and
counts in the fingerprint as it did.  Free of PyTorch.
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
