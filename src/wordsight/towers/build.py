"""From a `ModelSpec` to towers that can be trained: `build(architecture("ViT-B-32"))`.

Weights are random, drawn from PyTorch's global generator (`torch.manual_seed` makes them the same again).
Knows nothing of files or checkpoints.
"""

from typing import Any

from torch import nn

from wordsight.base.errors import ConfigError
from wordsight.base.optional import resolve
from wordsight.towers.check import check_spec
from wordsight.towers.families import image_family, text_family
from wordsight.towers.family import ImageFamily, TextFamily
from wordsight.towers.spec import ModelSpec
from wordsight.towers.tower_spec import ImageTowerSpec, TextTowerSpec
from wordsight.towers.two import TwoTowers


def build(spec: ModelSpec) -> TwoTowers:
    """Return towers with random weights in training mode; parts that do not fit together raise `ConfigError`.

    A tower that needs an absent package raises `MissingExtra`.
    """
    check_spec(spec)
    image, text = image_family(spec.image), text_family(spec.text)
    visual = _module(image, spec.image, spec.width)
    return TwoTowers(spec, visual, None if text.at_root else _module(text, spec.text, spec.width))


def _module(family: ImageFamily[Any] | TextFamily[Any], tower: ImageTowerSpec | TextTowerSpec, width: int) -> nn.Module:
    if not family.module:
        raise ConfigError(
            f'a tower of kind "{tower.kind}" has no weights to build', cure="it is run as it is, by the engine"
        )
    made: nn.Module = resolve(family.module, extra=family.extra)(tower, width)
    return made
