"""The bag-of-words loss: from the mean of the image tower's tokens, predict which tokens the caption has.

A linear layer gives one logit for each entry of the vocabulary; the target is spread over the caption's
entries in proportion to their rarity.  It gives every image many targets where a small batch gives the
contrastive loss few negatives (Zhao et al. 2025, "SuperCLIP").  The layer is not part of the saved model.

Shapes: B batch, T image tokens, D width of the image tower, V vocabulary.
"""

from collections.abc import Iterable

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from wordsight.text.tokenizer import ClipTokenizer
from wordsight.towers.tower import ImageTower


class BagOfWordsHead(nn.Module):
    """Predicts a caption's tokens from what leaves the last block of the image tower."""

    rarity: Tensor

    def __init__(self, tower: ImageTower, rarity: Tensor) -> None:
        super().__init__()
        self.linear = nn.Linear(tower.width, len(rarity))
        self.register_buffer("rarity", rarity, persistent=False)  # (V,)

    def forward(self, patches: Tensor, tokens: Tensor) -> Tensor:
        """Return the loss for patches (B, N, D) and their texts (B, L), a scalar."""
        logits = self.linear(patches.mean(dim=1)).float()  # (B, V)
        loss: Tensor = F.cross_entropy(logits, bag_of_words_targets(tokens, self.rarity))
        return loss


def bag_of_words_targets(tokens: Tensor, rarity: Tensor) -> Tensor:
    """Return for texts (B, L) a distribution over the vocabulary, (B, V): its entries, weighted by rarity (V,)."""
    present = rarity.new_zeros(len(tokens), len(rarity)).scatter_(1, tokens.long(), 1.0)
    weighted = present * rarity
    return weighted / weighted.sum(dim=1, keepdim=True).clamp_min(1e-6)


def rarity_of(texts: Iterable[str], tokenizer: ClipTokenizer) -> Tensor:
    """Return ln((N + 1) / (n + 1)) for each entry that n of N texts hold, (V,); 0 for padding, start and end."""
    counts = torch.zeros(tokenizer.size, dtype=torch.float64)
    total = 0
    for text in texts:
        total += 1
        counts[list(set(tokenizer.encode(text)))] += 1
    rarity = ((total + 1) / (counts + 1)).log()
    rarity[[0, tokenizer.start_id, tokenizer.end_id]] = 0.0
    return rarity.float()
