"""CLIP's modified ResNet as data.  Free of PyTorch."""

from dataclasses import dataclass
from typing import Literal

from wordsight.towers.tower_spec import ImageTowerSpec


@dataclass(frozen=True, slots=True)
class ResNetSpec(ImageTowerSpec):
    """A modified ResNet.

    `stages` are the blocks of each stage, `width` the channels of the stem, `heads` those of the attention pooling.
    """

    kind: Literal["resnet"] = "resnet"
    width: int = 768
    heads: int = 12
    stages: tuple[int, ...] = ()
