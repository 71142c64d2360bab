"""The last attention of a native tower and the gradients of scores: what several methods have in common.

Shapes: C texts, H heads, S keys, D width of all heads, E width of the shared space.
"""

from dataclasses import replace

import torch
from torch import Tensor

from wordsight.base.errors import UsageError
from wordsight.explain.inside.attention import AttentionLayer, watched
from wordsight.towers.eva.module import EvaTransformer
from wordsight.towers.resnet.module import ModifiedResNet
from wordsight.towers.tower import SplitAttention
from wordsight.towers.two import TwoTowers
from wordsight.towers.vit.module import VisionTransformer

ONE_ROW = ("class", "attention", "queries")  # poolings that read the row of one query


def reads_one_row(towers: TwoTowers) -> bool:
    """Return whether the embedding is what one query of the last attention makes of all tokens."""
    tower = towers.visual
    if isinstance(tower, VisionTransformer | EvaTransformer):
        return tower.spec.pool in ONE_ROW
    return isinstance(tower, ModifiedResNet)


def last_attention(towers: TwoTowers, pixels: Tensor) -> tuple[AttentionLayer, Tensor]:
    """Return the last attention for one image (1, 3, S, S) and the embedding (1, E) that follows from it.

    Gradients reach its `weights` (1, H, T, S) and `mixed`, nothing before them; row 0 is that of the query whose row
    is read, and the last G*G keys are the patches.  For towers that `reads_one_row` is true of.
    """
    last = sum(isinstance(module, SplitAttention) for module in towers.visual.modules()) - 1
    leaf: list[Tensor] = []

    def begin(number: int, layer: AttentionLayer) -> Tensor | None:
        if number != last:
            return None
        leaf.append(layer.weights.detach().requires_grad_())
        return leaf[0] @ layer.value

    with watched(towers.visual, mix=begin) as layers:
        embedding = towers.encode_image(pixels)
    return replace(layers[last], weights=leaf[0]), embedding


def gradients(scores: Tensor, of: Tensor) -> Tensor:
    """Return the gradient of each score (C,) by `of` (1, ...), (C, ...)."""
    return torch.cat([torch.autograd.grad(score, of, retain_graph=True)[0] for score in scores])


def misfit(method: str, towers: TwoTowers, *, wants: str) -> UsageError:
    """Return the error for towers that a method does not fit: `wants` says which ones it does, and what fits else."""
    image = towers.spec.image
    pool = getattr(image, "pool", None)
    what = f'of kind "{image.kind}"' + (f' that pools by "{pool}"' if pool else "")
    return UsageError(f"{method} for an image tower {what}", cure=f"it wants {wants}; occlusion fits every model")
