"""The families of towers: a new one is a folder, and a row here.

    image_family(spec.image).any_shape
    text_family(spec.text).end_token(spec.text, spec.tokenizer)

Nobody outside a family asks for a tower's `kind`: what has to be known of it is a field of its family.  Free of
PyTorch.
"""

from typing import TYPE_CHECKING, Any

from wordsight.base.config import Choice
from wordsight.towers.bert.family import BERT
from wordsight.towers.clip_text.family import CLIP_TEXT
from wordsight.towers.efficientnet.family import EFFICIENTNET
from wordsight.towers.eva.family import EVA
from wordsight.towers.family import ImageFamily, TextFamily
from wordsight.towers.onnx.family import ONNX_IMAGE, ONNX_TEXT
from wordsight.towers.resnet.family import RESNET
from wordsight.towers.timm.family import TIMM
from wordsight.towers.tower_spec import ImageTowerSpec, TextTowerSpec
from wordsight.towers.transformers.family import TRANSFORMERS_IMAGE, TRANSFORMERS_TEXT
from wordsight.towers.vit.family import VIT

if TYPE_CHECKING:
    from wordsight.towers.spec import ModelSpec

IMAGE_FAMILIES: dict[str, ImageFamily[Any]] = {
    "vit": VIT,
    "resnet": RESNET,
    "eva": EVA,
    "efficientnet": EFFICIENTNET,
    "timm": TIMM,
    "transformers": TRANSFORMERS_IMAGE,
    "onnx": ONNX_IMAGE,
}
TEXT_FAMILIES: dict[str, TextFamily[Any]] = {
    "clip": CLIP_TEXT,
    "bert": BERT,
    "transformers": TRANSFORMERS_TEXT,
    "onnx": ONNX_TEXT,
}


def image_family(image: ImageTowerSpec) -> ImageFamily[Any]:
    """Return the family of an image tower."""
    return IMAGE_FAMILIES[image.kind]


def text_family(text: TextTowerSpec) -> TextFamily[Any]:
    """Return the family of a text tower."""
    return TEXT_FAMILIES[text.kind]


def native(spec: "ModelSpec") -> bool:
    """Return whether both towers are native: built here, their weights known without another package."""
    return image_family(spec.image).native and text_family(spec.text).native


def written(spec: "ModelSpec") -> bool:
    """Return whether the graphs of both towers are written from their weights, without PyTorch."""
    return bool(image_family(spec.image).graph and text_family(spec.text).graph)


def finished(spec: "ModelSpec") -> bool:
    """Return whether the towers are finished graphs, without weights."""
    return image_family(spec.image).finished


def image_choices() -> dict[str, Choice]:
    """Return the specs that `ModelSpec.image` may hold, by kind."""
    return {kind: Choice(family.spec, family.implied) for kind, family in IMAGE_FAMILIES.items()}


def text_choices() -> dict[str, Choice]:
    """Return the specs that `ModelSpec.text` may hold, by kind."""
    return {kind: Choice(family.spec, family.implied) for kind, family in TEXT_FAMILIES.items()}
