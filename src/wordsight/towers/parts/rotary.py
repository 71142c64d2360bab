"""Rotary positions of a patch grid: pairs of channels are turned by an angle that grows with row and column.

Su et al. 2021 ("RoFormer"), in two dimensions.  Shapes: B batch, H heads, T tokens, d channels of a head.
"""

import torch
from torch import Tensor, nn

from wordsight.towers.parts.blocks import wide


class Rotary(nn.Module):
    """Turns queries or keys (B, H, T, d) by fixed `angles` (T, d); the channels of a pair are neighbours.

    The tables are not part of the weights.
    """

    cos: Tensor
    sin: Tensor

    def __init__(self, angles: Tensor) -> None:
        super().__init__()
        self.register_buffer("cos", angles.cos().float(), persistent=False)
        self.register_buffer("sin", angles.sin().float(), persistent=False)

    def forward(self, x: Tensor) -> Tensor:
        """Keep shape and dtype."""
        flat = wide(x)
        first, second = flat.view(*flat.shape[:-1], -1, 2).unbind(-1)  # each (B, H, T, d/2)
        turned = torch.stack([-second, first], dim=-1).flatten(-2)  # (B, H, T, d)
        return (flat * self.cos + turned * self.sin).to(x.dtype)
