"""EfficientNet-Lite as data.  Free of PyTorch."""

from dataclasses import dataclass
from typing import Literal

from wordsight.towers.tower_spec import ImageTowerSpec


@dataclass(frozen=True, slots=True)
class EfficientNetSpec(ImageTowerSpec):
    """An EfficientNet-Lite.

    `width` and `depth` multiply the channels and the repeats of every stage (stem and head keep theirs).  `padding`
    at the border of a convolution with a stride: "same" as TensorFlow has it, or "symmetric" as PyTorch has it.
    `epsilon` is the batch norms'.  The pooled features are projected by one matrix; with `hidden` > 0 that many hidden
    units of `hidden_activation` stand beside it, and their projection is added; so are `extra_hidden` units of GELU.
    """

    kind: Literal["efficientnet"] = "efficientnet"
    width: float = 1.0
    depth: float = 1.0
    padding: Literal["same", "symmetric"] = "same"
    epsilon: float = 1e-3
    hidden: int = 0
    hidden_activation: Literal["gelu", "softmax"] = "gelu"
    extra_hidden: int = 0
