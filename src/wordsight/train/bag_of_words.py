"""The bag-of-words loss: from the mean of the image tower's tokens, predict which tokens the caption has.

A linear layer gives one logit for each entry of the vocabulary; the target is spread over the caption's
entries in proportion to their rarity.  It gives every image many targets where a small batch gives the
contrastive loss few negatives (Zhao et al. 2025, "SuperCLIP").  The layer is not part of the saved model.

Shapes: B batch, T image tokens, D width of the image tower, V vocabulary.
"""

from collections.abc import Iterable
from typing import Any

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from wordsight.text.tokenizer import ClipTokenizer
from wordsight.towers.spec import ImageTowerSpec
from wordsight.towers.two import TwoTowers

RESNET_GROWTH = 32  # channels of the last stage for each of the stem's (CLIP's modified ResNet)


class BagOfWordsHead(nn.Module):
    """Predicts a caption's tokens from what flows through the image tower; call it after `encode_image`."""

    rarity: Tensor

    def __init__(self, towers: TwoTowers, rarity: Tensor) -> None:
        super().__init__()
        self.linear = nn.Linear(_width(towers.spec.image), len(rarity))
        self.register_buffer("rarity", rarity, persistent=False)  # (V,)
        self._features: Tensor | None = None
        watched = towers.visual.transformer if towers.spec.image.kind == "vit" else towers.visual.layer4
        assert isinstance(watched, nn.Module)
        self._first = 1 if towers.spec.image.kind == "vit" and towers.spec.image.has_class_token else 0
        watched.register_forward_hook(self._keep)

    def _keep(self, module: nn.Module, inputs: Any, output: Tensor) -> None:
        if not self.training or not torch.is_grad_enabled():
            return
        grid = output if output.ndim == 3 else output.flatten(2).transpose(1, 2)  # (B, T, D)
        self._features = grid[:, self._first :].mean(dim=1)

    def forward(self, tokens: Tensor) -> Tensor:
        """Return the loss for the texts (B, L) of the images seen last, a scalar."""
        assert self._features is not None, "encode_image was not called"
        logits = self.linear(self._features).float()  # (B, V)
        self._features = None
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


def _width(image: ImageTowerSpec) -> int:
    return image.width if image.kind == "vit" else image.width * RESNET_GROWTH
