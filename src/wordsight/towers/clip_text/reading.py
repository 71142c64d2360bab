"""Which tokens of a text are seen and which are read: what `mask`, `pool` and `end_id` of a `ClipTextSpec` mean.

Shapes: B batch, L tokens of a text, D width of the text tower.
"""

import torch
import torch.nn.functional as F
from torch import Tensor

from wordsight.towers.clip_text.spec import ClipTextSpec


def ends(tokens: Tensor, spec: ClipTextSpec) -> Tensor:
    """Return the position of each text's end token, (B,): the first `end_id`, or the first of the largest id.

    A text without `end_id` is read at its first token, as the originals do.
    """
    return tokens.argmax(dim=-1) if spec.end_id is None else (tokens == spec.end_id).int().argmax(dim=-1)


def cut(tokens: Tensor, spec: ClipTextSpec) -> Tensor:
    """Return the tokens (B, L) up to the batch's last end token, where what follows is never looked at."""
    if spec.mask != "causal" or spec.pool != "end" or spec.mixer or len(tokens) == 0:
        return tokens
    return tokens[:, : int(ends(tokens, spec).max()) + 1]


def seen(tokens: Tensor, spec: ClipTextSpec) -> Tensor | None:
    """Return which tokens every token sees, (B, 1, 1, L), or None for all; the causal mask is not part of it."""
    if spec.pool == "class":
        sides = (1, 0) if spec.class_mask == "shifted" else (0, 1)
        return F.pad(tokens != spec.pad_id, sides, value=True)[:, None, None]  # (B, 1, 1, L + 1)
    return (tokens != spec.pad_id)[:, None, None] if spec.mask == "padding" else None


def pick(x: Tensor, tokens: Tensor, spec: ClipTextSpec) -> Tensor:
    """Return the row of each text that is read, (B, D), from (B, L, D)."""
    if spec.pool == "end":
        return x[torch.arange(len(x), device=x.device), ends(tokens, spec)]
    if spec.pool == "first":
        return x[:, 0]
    if spec.pool in ("last", "class"):
        return x[:, -1]
    if spec.mask != "padding":
        return x.mean(dim=1)
    weight = (tokens != spec.pad_id)[:, :, None].to(x.dtype)  # (B, L, 1)
    return (x * weight).sum(dim=1) / weight.sum(dim=1)
