"""EfficientNet-Lites."""

from typing import TYPE_CHECKING

from wordsight.base.errors import ConfigError
from wordsight.towers.efficientnet.shapes import efficientnet_shapes
from wordsight.towers.efficientnet.spec import EfficientNetSpec
from wordsight.towers.family import ImageFamily
from wordsight.towers.layers import LayerNames
from wordsight.towers.parts.rules import hidden

if TYPE_CHECKING:
    from wordsight.towers.spec import ModelSpec

LARGEST = 10.0  # of a multiplier: twice the largest EfficientNet's


def _check(image: EfficientNetSpec, model: "ModelSpec") -> None:
    del model
    for name in ("width", "depth"):
        value = getattr(image, name)
        if not 0 < value <= LARGEST:
            raise ConfigError(f"image.{name} = {value}", cure=f"give a number above 0, at most {LARGEST:g}")
    if image.epsilon <= 0:
        raise ConfigError(f"image.epsilon = {image.epsilon}", cure="give a number above 0")
    for name in ("hidden", "extra_hidden"):
        hidden(f"image.{name}", getattr(image, name))


EFFICIENTNET = ImageFamily(
    spec=EfficientNetSpec,
    check=_check,
    module="wordsight.towers.efficientnet.module:EfficientNetLite",
    shapes=efficientnet_shapes,
    graph="wordsight.towers.efficientnet.graph:efficientnet_graph",
    cut=True,
    states=True,
    layers=LayerNames(r"blocks\.\d+", ("stem",), ("proj", "hidden", "out", "extra_hidden", "extra_out")),
)
