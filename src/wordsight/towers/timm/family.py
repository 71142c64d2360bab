"""Image towers of timm."""

from typing import TYPE_CHECKING

from wordsight.towers.family import ImageFamily
from wordsight.towers.flat import FLAT_IMAGE, implied
from wordsight.towers.layers import LayerNames
from wordsight.towers.timm.spec import TimmSpec

if TYPE_CHECKING:
    from wordsight.towers.spec import ModelSpec

# parts of the names of timm's weights that belong to one image size: positions of any kind, pooling with positions,
# mixing of all cells
FIXED = (
    *("pos_embed", "rel_pos", "relative_position", "cpb_mlp", "attention_bias", "head.pool."),
    *("mlp_tokens", "linear_tokens", "gate.proj"),
)


def _check(image: TimmSpec, model: "ModelSpec") -> None:
    from wordsight.towers.timm.options import check_timm

    del model
    check_timm(image)


TIMM = ImageFamily(
    spec=TimmSpec,
    check=_check,
    module="wordsight.towers.timm.module:TimmImageTower",
    extra="timm",
    fixed=FIXED,
    implied=implied(FLAT_IMAGE, TimmSpec),
    layers=LayerNames(
        r"trunk\.(?:blocks|layers|stages)\.\d+(?:\.(?:blocks\.)?\d+)?",
        tuple(
            f"trunk.{part}"
            for part in ("stem", "conv_stem", "bn1", "patch_embed", "cls_token", "pos_embed", "norm_pre")
        ),
        ("head", "trunk.head.fc", "trunk.head.weight", "trunk.head.bias", "trunk.fc", "trunk.classifier"),
    ),
)
