"""A block that mixes neighbouring tokens by convolution: before and after the blocks of MobileCLIP-S0's text tower.

Shapes: B batch, T tokens, D width, K tokens that a convolution sees at once.  RepMixer of Vasu et al. 2023
("FastViT") over words, as Vasu et al. 2024 ("MobileCLIP", section 3.2) has it, with the branches and norms that
training puts around each convolution folded into it.
"""

from torch import Tensor, nn

from wordsight.towers.parts.blocks import Mlp
from wordsight.towers.tower_spec import Activation


class TokenMixer(nn.Module):
    """One convolution a channel, then a second one and an MLP beside it; beyond the text there is nothing (zeros)."""

    def __init__(self, width: int, kernel: int, hidden: int, activation: Activation) -> None:
        super().__init__()
        self.mix = nn.Conv1d(width, width, kernel, padding=kernel // 2, groups=width)
        self.conv = nn.Conv1d(width, width, kernel, padding=kernel // 2, groups=width)
        self.mlp = Mlp(width, hidden, activation)

    def forward(self, x: Tensor) -> Tensor:
        """Return (B, T, D) for (B, T, D)."""
        mixed = self.mix(x.transpose(1, 2))  # (B, D, T)
        out: Tensor = mixed.transpose(1, 2) + self.mlp(self.conv(mixed).transpose(1, 2))
        return out
