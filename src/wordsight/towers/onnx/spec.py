"""Finished ONNX graphs as data: what they need to be fed."""

from dataclasses import dataclass
from typing import Literal

from wordsight.towers.tower_spec import ImageTowerSpec, TextTowerSpec


@dataclass(frozen=True, slots=True)
class OnnxImageSpec(ImageTowerSpec):
    """A finished graph of an image tower, run as it is."""

    kind: Literal["onnx"] = "onnx"


@dataclass(frozen=True, slots=True)
class OnnxTextSpec(TextTowerSpec):
    """A finished graph of a text tower, run as it is."""

    kind: Literal["onnx"] = "onnx"
