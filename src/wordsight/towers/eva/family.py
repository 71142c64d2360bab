"""EVA's vision transformers."""

from dataclasses import replace
from typing import TYPE_CHECKING, Any

from wordsight.towers.eva.shapes import eva_shapes
from wordsight.towers.eva.spec import EvaSpec
from wordsight.towers.family import Grid, ImageFamily
from wordsight.towers.flat import FLAT_IMAGE, image_heads, implied
from wordsight.towers.layers import LayerNames
from wordsight.towers.parts.rules import check_blocks, multiple

if TYPE_CHECKING:
    from wordsight.towers.spec import ModelSpec


def _check(image: EvaSpec, model: "ModelSpec") -> None:
    del model
    check_blocks(image.size, patch=image.patch, width=image.width, heads=image.heads, drop_path=image.drop_path)
    if image.rotary != "none":
        multiple("image.width / image.heads", image.width // image.heads, "4", 4)


def _resized(image: EvaSpec, size: int) -> EvaSpec:
    """Keep the range of the rotary angles, in which the tower was trained."""
    grid = image.rotary_grid or image.size // image.patch
    return replace(image, size=size, rotary_grid=grid if image.rotary == "eva" else image.rotary_grid)


def _usual(image: EvaSpec) -> dict[str, Any]:
    """Published towers read the class token, and none has layer scales; with those, the patches are averaged."""
    averaged = "mean" if image.norm == "layer" else "mean_all"
    return {"heads": image_heads(image.width), "pool": averaged if image.layer_scale else "class"}


EVA = ImageFamily(
    spec=EvaSpec,
    check=_check,
    module="wordsight.towers.eva.module:EvaTransformer",
    shapes=eva_shapes,
    graph="wordsight.towers.eva.graph:eva_graph",
    cut=True,
    resized=_resized,
    grid=lambda image: Grid("pos_embed", image.size // image.patch, 1),
    implied=implied(FLAT_IMAGE, EvaSpec, patch_bias=True, pre_norm=False),
    usual=_usual,
    layers=LayerNames(r"blocks\.\d+", ("patch_embed", "cls_token", "pos_embed"), ("proj", "head")),
)
