"""The families of towers: a new one is a folder, and a row here.

    image_family(spec.image).any_shape
    text_family(spec.text).end_token(spec.text, spec.tokenizer)

Nobody outside a family asks for a tower's `kind`: what has to be known of it is a field of its family.  A family is
imported when it is asked for.  Free of PyTorch.
"""

from collections import UserDict
from collections.abc import Iterator, Mapping, MutableMapping
from typing import TYPE_CHECKING, Any

from wordsight.base.config import Choice
from wordsight.base.optional import resolve
from wordsight.towers.family import ImageFamily, TextFamily
from wordsight.towers.tower_spec import ImageTowerSpec, TextTowerSpec

if TYPE_CHECKING:
    from wordsight.towers.spec import ModelSpec


class _Families(UserDict[str, Any]):
    """Families by kind; a row is one, or says where it lies."""

    def __getitem__(self, kind: str) -> Any:
        row = super().__getitem__(kind)
        return resolve(row) if isinstance(row, str) else row


class _Choices(Mapping[str, Choice]):
    """What a spec may hold, by kind, of families."""

    def __init__(self, families: Mapping[str, Any]) -> None:
        self._families = families

    def __getitem__(self, kind: str) -> Choice:
        family = self._families[kind]
        return Choice(family.spec, family.implied)

    def __iter__(self) -> Iterator[str]:
        return iter(self._families)

    def __len__(self) -> int:
        return len(self._families)


IMAGE_FAMILIES: MutableMapping[str, ImageFamily[Any]] = _Families(
    vit="wordsight.towers.vit.family:VIT",
    resnet="wordsight.towers.resnet.family:RESNET",
    eva="wordsight.towers.eva.family:EVA",
    efficientnet="wordsight.towers.efficientnet.family:EFFICIENTNET",
    timm="wordsight.towers.timm.family:TIMM",
    transformers="wordsight.towers.transformers.family:TRANSFORMERS_IMAGE",
    onnx="wordsight.towers.onnx.family:ONNX_IMAGE",
)
TEXT_FAMILIES: MutableMapping[str, TextFamily[Any]] = _Families(
    clip="wordsight.towers.clip_text.family:CLIP_TEXT",
    bert="wordsight.towers.bert.family:BERT",
    transformers="wordsight.towers.transformers.family:TRANSFORMERS_TEXT",
    onnx="wordsight.towers.onnx.family:ONNX_TEXT",
)


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


def image_choices() -> Mapping[str, Choice]:
    """Return the specs that `ModelSpec.image` may hold, by kind."""
    return _Choices(IMAGE_FAMILIES)


def text_choices() -> Mapping[str, Choice]:
    """Return the specs that `ModelSpec.text` may hold, by kind."""
    return _Choices(TEXT_FAMILIES)
