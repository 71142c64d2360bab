"""The Vision Transformers."""

from typing import Any

from wordsight.towers.family import Grid, ImageFamily
from wordsight.towers.flat import FLAT_IMAGE, image_heads, implied
from wordsight.towers.layers import LayerNames
from wordsight.towers.vit.check import check_vit
from wordsight.towers.vit.shapes import vit_shapes
from wordsight.towers.vit.spec import VitSpec


def _grid(image: VitSpec) -> Grid | None:
    if image.positions == "sincos":
        return None
    rule = "perception" if image.rotary == "perception" else ""
    return Grid("positional_embedding", image.size // image.patch, int(image.has_class_token), rule)


def _usual(image: VitSpec) -> dict[str, Any]:
    """A class token that is stated is one that is not read."""
    unread = bool(image.class_token) and image.pool == "class"
    return {"heads": image_heads(image.width), "pool": "mean" if unread else image.pool}


VIT = ImageFamily(
    spec=VitSpec,
    check=check_vit,
    module="wordsight.towers.vit.module:VisionTransformer",
    shapes=vit_shapes,
    graph="wordsight.towers.vit.graph:vit_graph",
    cut=True,
    any_shape=True,
    grid=_grid,
    implied=implied(FLAT_IMAGE, VitSpec),
    usual=_usual,
    layers=LayerNames(
        r"transformer\.resblocks\.\d+",
        ("conv1", "stem", "class_embedding", "positional_embedding", "ln_pre"),
        ("proj", "head"),
    ),
)
