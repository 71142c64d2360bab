"""Image towers of timm as data.  Free of PyTorch and of timm."""

from dataclasses import dataclass, field
from typing import Any, Literal

from wordsight.towers.tower_spec import ImageTowerSpec, Projection


@dataclass(frozen=True, slots=True)
class TimmSpec(ImageTowerSpec):
    """A trunk of timm: `trunk` names its architecture, `options` are those of `TimmOptions`.

    `projection` states in the terms of native towers what `options` decide; it counts in the fingerprint.
    """

    kind: Literal["timm"] = "timm"
    projection: Projection = "matrix"
    drop_path: float = 0.0
    trunk: str = ""
    options: dict[str, Any] = field(default_factory=dict)
