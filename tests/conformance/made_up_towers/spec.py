"""Both towers as data."""

from dataclasses import dataclass
from typing import Literal

from wordsight.towers.tower_spec import ImageTowerSpec, TextTowerSpec


@dataclass(frozen=True, slots=True)
class ColoursSpec(ImageTowerSpec):
    """`patch` is the side of a patch, `width` the channels."""

    kind: Literal["colours"] = "colours"
    patch: int = 8
    width: int = 16
    slope: float = 0.1  # below zero


@dataclass(frozen=True, slots=True)
class CountsSpec(TextTowerSpec):
    """`width` are the channels."""

    kind: Literal["counts"] = "counts"
    width: int = 16
