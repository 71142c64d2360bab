"""CLIP's modified ResNets."""

from typing import TYPE_CHECKING

from wordsight.base.errors import ConfigError
from wordsight.towers.family import Grid, ImageFamily
from wordsight.towers.flat import FLAT_IMAGE, HEAD_WIDTH, implied
from wordsight.towers.layers import LayerNames
from wordsight.towers.parts.rules import multiple
from wordsight.towers.resnet.shapes import GROWTH, REDUCTION, resnet_shapes
from wordsight.towers.resnet.spec import ResNetSpec

if TYPE_CHECKING:
    from wordsight.towers.spec import ModelSpec

STAGES = 4


def _check(image: ResNetSpec, model: "ModelSpec") -> None:
    del model
    if len(image.stages) != STAGES or min(image.stages) < 1:
        raise ConfigError(f"image.stages = {list(image.stages)}", cure="a resnet has four stages of one block or more")
    multiple("image.width", image.width, "2", 2)
    multiple(f"image.width * {GROWTH}", image.width * GROWTH, "image.heads", image.heads)
    multiple("image.size", image.size, f"{REDUCTION}", REDUCTION)


RESNET = ImageFamily(
    spec=ResNetSpec,
    check=_check,
    module="wordsight.towers.resnet.module:ModifiedResNet",
    shapes=resnet_shapes,
    graph="wordsight.towers.resnet.graph:resnet_graph",
    integers=False,
    grid=lambda image: Grid("attnpool.positional_embedding", image.size // REDUCTION, 1),
    implied=implied(FLAT_IMAGE, ResNetSpec),
    layers=LayerNames(r"layer\d+\.\d+", ("conv1", "bn1", "conv2", "bn2", "conv3", "bn3"), ("attnpool.c_proj",)),
    usual=lambda image: {"heads": image.width * GROWTH // HEAD_WIDTH},
)
