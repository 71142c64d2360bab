"""Towers of transformers as data.  Free of PyTorch and of transformers."""

from dataclasses import dataclass, field
from typing import Any, Literal

from wordsight.towers.tower_spec import ImageTowerSpec, Projection, TextTowerSpec


@dataclass(frozen=True, slots=True)
class TransformersImageSpec(ImageTowerSpec):
    """An image trunk of transformers: `trunk` is its model type, `options` are those of `ImageOptions`.

    `projection` states in the terms of native towers what `options` decide; it counts in the fingerprint.
    """

    kind: Literal["transformers"] = "transformers"
    projection: Projection = "matrix"
    trunk: str = ""
    options: dict[str, Any] = field(default_factory=dict)


@dataclass(frozen=True, slots=True)
class TransformersTextSpec(TextTowerSpec):
    """A text trunk of transformers: `trunk` is its model type, `options` are those of `TextOptions`.

    The other fields state in the terms of the native tower what `options` decide; `mask`, `pool` and `projection`
    count in the fingerprint.
    """

    kind: Literal["transformers"] = "transformers"
    width: int = 512
    layers: int = 12
    heads: int = 8
    mask: Literal["causal", "none", "padding"] = "causal"
    pool: Literal["end", "last", "first", "mean"] = "end"
    projection: Projection = "matrix"
    trunk: str = ""
    options: dict[str, Any] = field(default_factory=dict)
