"""A model as data: two towers, and what has to be done before each.  Free of PyTorch.

The light install reads a model's card and spec with it.  The spec of a tower is that of its family.
"""

from dataclasses import dataclass, field
from typing import Literal

from wordsight.base.config import BY_KIND
from wordsight.images.spec import PreprocessSpec
from wordsight.text.spec import TokenizerSpec
from wordsight.towers.families import image_choices, text_choices
from wordsight.towers.tower_spec import ImageTowerSpec, TextTowerSpec


def _vit() -> ImageTowerSpec:
    from wordsight.towers.vit.spec import VitSpec  # here, for a spec that states another tower does without

    return VitSpec()


def _clip_text() -> TextTowerSpec:
    from wordsight.towers.clip_text.spec import ClipTextSpec

    return ClipTextSpec()


@dataclass(frozen=True, slots=True)
class ModelSpec:
    """Two towers that share a space of `width` dimensions, with what has to be done before each.

    `scale` and `bias` are initial values; `loss` says how scores are meant: "softmax" (scaled cosines) or
    "sigmoid" (scaled cosines plus bias).
    """

    name: str
    width: int = 512
    image: ImageTowerSpec = field(default_factory=_vit, metadata={BY_KIND: image_choices})
    text: TextTowerSpec = field(default_factory=_clip_text, metadata={BY_KIND: text_choices})
    preprocess: PreprocessSpec = field(default_factory=PreprocessSpec)
    tokenizer: TokenizerSpec = field(default_factory=TokenizerSpec)
    loss: Literal["softmax", "sigmoid"] = "softmax"
    scale: float = 1 / 0.07
    bias: float | None = None
