"""From a `ModelSpec` to towers that can be trained: `build(architecture("ViT-B-32"))`.

Weights are random, drawn from PyTorch's global generator (`torch.manual_seed` makes them the same again).
A new image tower is one file and one row of `IMAGE_TOWERS`.  Knows nothing of files or checkpoints.
"""

from collections.abc import Callable

from torch import nn

from wordsight.towers.check import check_spec
from wordsight.towers.resnet import ModifiedResNet
from wordsight.towers.spec import ImageTowerSpec, ModelSpec
from wordsight.towers.two import TwoTowers
from wordsight.towers.vit import VisionTransformer

IMAGE_TOWERS: dict[str, Callable[[ImageTowerSpec, int], nn.Module]] = {
    "vit": VisionTransformer,
    "resnet": ModifiedResNet,
}


def build(spec: ModelSpec) -> TwoTowers:
    """Return towers with random weights in training mode; parts that do not fit together raise `ConfigError`."""
    check_spec(spec)
    return TwoTowers(spec, IMAGE_TOWERS[spec.image.kind](spec.image, spec.width))
