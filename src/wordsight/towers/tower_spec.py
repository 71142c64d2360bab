"""What the specs of all towers have in common, and the choices that several of them offer.  Free of PyTorch."""

from dataclasses import dataclass
from typing import Literal

Activation = Literal["gelu", "quick_gelu", "gelu_tanh", "silu"]
Projection = Literal["matrix", "linear", "none"]


def hidden_width(width: int, ratio: float) -> int:
    """Return the inner width of an MLP; a ratio that was made by dividing two widths gives back the first."""
    return int(width * ratio + 1e-6)


@dataclass(frozen=True, slots=True)
class ImageTowerSpec:
    """The head of every image tower's spec: the family (a key of `IMAGE_FAMILIES`) and the side of the images."""

    kind: str
    size: int = 224


@dataclass(frozen=True, slots=True)
class TextTowerSpec:
    """The head of every text tower's spec: the family (a key of `TEXT_FAMILIES`), and what a text is made of.

    `pad_id` fills texts up.
    """

    kind: str
    context_length: int = 77
    vocabulary_size: int = 49408
    pad_id: int = 0
