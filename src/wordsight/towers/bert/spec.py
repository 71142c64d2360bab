"""BERT's encoder as data.  Free of PyTorch."""

from dataclasses import dataclass
from typing import Literal

from wordsight.towers.tower_spec import Activation, Projection, TextTowerSpec


@dataclass(frozen=True, slots=True)
class BertSpec(TextTowerSpec):
    """BERT's encoder (Devlin et al. 2019): `layers` is the depth, `width` the channels, `heads` the heads.

    Learned positions, every text of token type 0 (whose embedding is part of the positions), norms behind the sums;
    tokens of `pad_id` are neither seen nor pooled. `pool`: the "mean" of the tokens that are seen, the "first", or
    "pooler": the first through a linear layer and tanh. `projection`: "none" (then the tower's width is the
    space's), "linear", or "matrix" (without a bias); with `hidden` > 0 that many hidden units of GELU stand beside it,
    and their projection is added.
    """

    kind: Literal["bert"] = "bert"
    vocabulary_size: int = 30522
    width: int = 384
    layers: int = 6
    heads: int = 12
    mlp_ratio: float = 4.0
    activation: Activation = "gelu"
    epsilon: float = 1e-12
    pool: Literal["mean", "first", "pooler"] = "mean"
    projection: Projection = "linear"
    hidden: int = 0
    dropout: float = 0.0
