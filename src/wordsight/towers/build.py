"""From a `ModelSpec` to towers that can be trained: `build(architecture("ViT-B-32"))`.

Weights are random, drawn from PyTorch's global generator (`torch.manual_seed` makes them the same again).
A new image or text tower is one file and one row here.  Knows nothing of files or checkpoints.
"""

from collections.abc import Callable

from torch import nn

from wordsight.base.errors import ConfigError
from wordsight.base.optional import resolve
from wordsight.towers.check import check_spec
from wordsight.towers.spec import ModelSpec
from wordsight.towers.two import TwoTowers

# kind: (module:attribute, extra).  An image tower is made from (ImageTowerSpec, E) and turns pixels
# (B, 3, S, S) into (B, E); a text tower from (TextTowerSpec, E) and turns token ids (B, L) into (B, E)
IMAGE_TOWERS = {
    "vit": ("wordsight.towers.vit.module:VisionTransformer", "train"),
    "resnet": ("wordsight.towers.resnet.module:ModifiedResNet", "train"),
    "eva": ("wordsight.towers.eva.module:EvaTransformer", "train"),
    "timm": ("wordsight.towers.timm.module:TimmImageTower", "timm"),
    "transformers": ("wordsight.towers.transformers.image:TransformersImageTower", "transformers"),
}
TEXT_TOWERS = {  # beside "clip", which lies at the root of `TwoTowers`
    "transformers": ("wordsight.towers.transformers.text:TransformersTextTower", "transformers"),
}


def build(spec: ModelSpec) -> TwoTowers:
    """Return towers with random weights in training mode; parts that do not fit together raise `ConfigError`.

    A tower that needs an absent package raises `MissingExtra`.
    """
    check_spec(spec)
    image = _tower(IMAGE_TOWERS, spec.image.kind)(spec.image, spec.width)
    text = None if spec.text.kind == "clip" else _tower(TEXT_TOWERS, spec.text.kind)(spec.text, spec.width)
    return TwoTowers(spec, image, text)


def _tower(table: dict[str, tuple[str, str]], kind: str) -> Callable[..., nn.Module]:
    if kind not in table:
        raise ConfigError(f'a tower of kind "{kind}" has no weights to build', cure="it is run as it is, by the engine")
    target, extra = table[kind]
    made: Callable[..., nn.Module] = resolve(target, extra=extra)
    return made
