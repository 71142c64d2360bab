"""Which class of transformers has towers such as ours.

layout = fitting(spec)          # "clip", "siglip", "siglip2"; `UsageError` for any other
"""

from typing import Any

from wordsight.base.errors import UsageError
from wordsight.towers.clip_text.spec import ClipTextSpec
from wordsight.towers.spec import ModelSpec
from wordsight.towers.vit.spec import VitSpec
from wordsight.weights.formats.families import of_family
from wordsight.weights.formats.huggingface.config import CLASSES
from wordsight.weights.formats.huggingface.layers import Layout


def fitting(spec: ModelSpec) -> Layout:
    """Return the layout whose towers are those of `spec`; `UsageError` names what has no place in any."""
    image, text = of_family(spec.image, VitSpec, "transformers"), of_family(spec.text, ClipTextSpec, "transformers")
    if text.pool == "last":
        layout: Layout = "siglip2" if spec.preprocess.resize == "patches" else "siglip"
    else:
        layout = "clip"
    wanted: dict[str, Any] = {
        "image.stem": "patch",
        "image.positions": "learned",
        "image.rotary": "none",
        "image.layer_scale": False,
        "text.layer_scale": False,
        "text.mixer": 0,
    }
    if layout == "clip":
        wanted |= {
            "image.patch_bias": False,
            "image.pre_norm": True,
            "image.pool": "class",
            "image.projection": "matrix",
            "text.mask": "causal",
            "text.pool": "end",
            "text.projection": "matrix",
            "bias": None,
        }
    else:
        wanted |= {
            "image.patch_bias": True,
            "image.has_class_token": False,
            "image.pre_norm": False,
            "image.pool": "attention",
            "image.pool_heads": (0, image.heads),
            "image.pool_mlp_ratio": (0.0, image.mlp_ratio),
            "image.final_norm": "tokens",
            "image.projection": "none",
            "text.mask": "none",
            "loss": "sigmoid",
        }
    parts = {"image": image, "text": text}
    for name, value in wanted.items():
        part, _, attribute = name.rpartition(".")
        actual = getattr(parts.get(part, spec), attribute)
        if actual not in (value if isinstance(value, tuple) else (value,)):
            raise UsageError(
                f"{name} = {actual!r} has no place in transformers' {CLASSES[layout]}",
                cure="choose another format",
            )
    return layout
