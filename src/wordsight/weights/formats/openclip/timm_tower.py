"""Image towers that timm builds, as open_clip's configurations name them: to ours and back.

    spec, state = read_image(keys, config.model)     # visual.trunk.*, visual.head.*
    vision_cfg = image_cfg(spec)

The weights have the same names on both sides.  Numpy only: whether names and shapes are those of the trunk is
known to timm alone, and is checked when the tower is built.
"""

from collections.abc import Mapping
from dataclasses import replace
from typing import Any, Literal

from wordsight.base.config import to_dict
from wordsight.base.errors import FormatError, UsageError
from wordsight.towers.timm.options import TimmOptions, timm_options
from wordsight.towers.timm.spec import TimmSpec
from wordsight.weights.checkpoint import Array, Keys
from wordsight.weights.formats.openclip.config import ModelCfg
from wordsight.weights.formats.openclip.known_trunks import CONVNEXTS
from wordsight.weights.formats.trunks.transformers_text import take_under

ImageProjection = Literal["linear", "mlp", "trunk", "none"]
TRUNK, HEAD = "visual.trunk.", "visual.head."
PROJECTIONS: dict[str, ImageProjection] = {"linear": "linear", "mlp": "mlp", "none": "none", "": "trunk"}


def read_image(keys: Keys, model: ModelCfg) -> tuple[TimmSpec, dict[str, Array]]:
    """Return the image tower of a `vision_cfg` with `timm_model_name`, and its weights.

    Without one, trunks that `guess_image` knows by their shapes; others are a `FormatError`.
    """
    cfg = model.vision_cfg
    if not cfg.timm_model_name:
        cfg = replace(cfg, **guess_image(keys, model.embed_dim))
    options = TimmOptions(
        pool=cfg.timm_pool or "",
        projection=_projection(cfg.timm_proj or "", keys.where),
        projection_bias=cfg.timm_proj_bias,
        drop=cfg.timm_drop,
        arguments={"patch_drop_rate": cfg.patch_dropout} if cfg.patch_dropout else {},
    )
    spec = TimmSpec(
        trunk=cfg.timm_model_name or "",
        size=_square(cfg.image_size, keys.where),
        drop_path=cfg.timm_drop_path or 0.0,
        projection="none" if options.projection == "none" else "linear",
        options=to_dict(options),
    )
    return spec, take_under(keys, TRUNK, HEAD)


def image_cfg(spec: TimmSpec) -> dict[str, Any]:
    """Return the `vision_cfg` of the image tower; what it has no field for is a `UsageError`."""
    options = timm_options(spec)
    arguments = dict(options.arguments)
    patch_dropout = arguments.pop("patch_drop_rate", 0.0)
    if arguments:
        raise UsageError(
            f"open_clip builds timm's towers by name, and cannot be given {', '.join(arguments)}",
            cure="choose another format",
        )
    cfg: dict[str, Any] = {
        "timm_model_name": spec.trunk,
        "timm_model_pretrained": False,
        "timm_pool": options.pool,
        "timm_proj": {ours: theirs or None for theirs, ours in PROJECTIONS.items()}[options.projection],
        "timm_proj_bias": options.projection_bias,
        "timm_drop": options.drop,
        "timm_drop_path": spec.drop_path or None,
        "image_size": spec.size,
    }
    return cfg | ({"patch_dropout": patch_dropout} if patch_dropout else {})


def guess_image(keys: Mapping[str, Array], embed_dim: int) -> dict[str, Any]:
    """Return the `vision_cfg` of a published ConvNeXt tower by the shapes of its weights; others: `FormatError`.

    The size is that of the published model with such shapes; a ConvNeXt reads images of any size.
    """
    stages = [
        len({name.split(".")[5] for name in keys if name.startswith(f"{TRUNK}stages.{stage}.blocks.")})
        for stage in range(4)
    ]
    stem = keys.get(TRUNK + "stem.0.weight")
    name = CONVNEXTS.get((tuple(stages), len(stem))) if stem is not None else None
    if name is None or TRUNK + "stages.0.blocks.0.conv_dw.weight" not in keys:
        raise FormatError(
            "the image tower is one of timm's, which its weights alone do not name",
            cure="put the open_clip_config.json that belongs to the file beside it",
        )
    mlp = HEAD + "mlp.fc1.weight" in keys
    narrow = (name, embed_dim) in (("convnext_base", 512), ("convnext_large", 768)) and not mlp
    size = 224 if narrow or name in ("convnext_tiny", "convnext_small") else 256
    return {"timm_model_name": name, "timm_pool": "", "timm_proj": "mlp" if mlp else "linear", "image_size": size}


def _projection(kind: str, where: str) -> ImageProjection:
    if kind not in PROJECTIONS:
        raise FormatError(f"timm_proj {kind!r} in {where}", cure="known: linear, mlp, none, null")
    return PROJECTIONS[kind]


def _square(size: int | tuple[int, int], where: str) -> int:
    sides = {size} if isinstance(size, int) else set(size)
    if len(sides) != 1:
        raise FormatError(f"image_size {size} in {where} is no square", cure="only square pictures are read")
    return sides.pop()
