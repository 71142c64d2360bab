"""The native text transformer as data.  Free of PyTorch."""

from dataclasses import dataclass
from typing import Literal

from wordsight.towers.tower_spec import Activation, Projection, TextTowerSpec


@dataclass(frozen=True, slots=True)
class ClipTextSpec(TextTowerSpec):
    """A text transformer: `layers` is the depth, `width` the channels, `heads` the heads.

    `mask`: "causal", "none" (every token sees every other, padding included) or "padding" (tokens of `pad_id` are
    not seen). `pool`: the token that is read: "end" (`end_id`; None is the largest id of the row), "last" (position
    L - 1, padding or not), "first", the "mean" (of the tokens that are seen), or "class": a learned token behind
    the text, L + 1 positions in all, for which padding is hidden whatever `mask` says (CoCa; `class_mask`
    "shifted": hidden one position too late and the learned token itself behind padding, as the published weights
    were trained). `projection`: "matrix" or "linear" `text_projection`, or "none" (then the tower's width is the
    space's). `layer_scale`: a learned factor on each residual branch. `mixer`: convolutions over that many tokens
    (an odd number) before the first block and after the last; 0 for none.
    """

    kind: Literal["clip"] = "clip"
    width: int = 512
    layers: int = 12
    heads: int = 8
    mlp_ratio: float = 4.0
    activation: Activation = "gelu"
    epsilon: float = 1e-5
    mask: Literal["causal", "none", "padding"] = "causal"
    pool: Literal["end", "last", "first", "mean", "class"] = "end"
    class_mask: Literal["shifted", "exact"] = "shifted"
    end_id: int | None = None
    projection: Projection = "matrix"
    layer_scale: bool = False
    mixer: int = 0
    dropout: float = 0.0
