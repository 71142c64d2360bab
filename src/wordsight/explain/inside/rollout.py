"""Attention rollout: how much of each patch's state reaches what is read, if attention were all that moves it.

Abnar & Zuidema 2020, "Quantifying attention flow in transformers", section 3.  It asks no text: every text gets the
same map, so it is a baseline and no explanation of a match.

Shapes: C texts, B batch, H heads, T tokens, G side of the patch grid, E width of the shared space.
"""

import torch
from torch import Tensor

from wordsight.engines.attack_torch import untouched
from wordsight.explain.inside.attention import watched
from wordsight.explain.inside.following import attentions, first_of, on_grid, one_image, patch_grid, read
from wordsight.towers.parts.blocks import wide
from wordsight.towers.two import TwoTowers

FIRST = 0  # the paper's: from the first layer on
RESIDUAL = 0.5  # share of the shortcut beside attention, equation 1


def relevance(towers: TwoTowers, pixels: Tensor, texts: Tensor, *, first: int = FIRST) -> Tensor:
    """Return the flow (C, G, G) from each patch (or cell of the last grid) of ONE image; the same for each text.

    `pixels` (1, 3, S, S) normalised; `texts` (C, E) is only counted.  With A the mean over the heads,

        R = I;    R <- (0.5 A + 0.5 I) R    for each layer from `first` on (negative: from the back).

    Then comes the row that pooling reads: the class token's, the mean over the patches', or, where the pooling is an
    attention, A R of its query, which has no shortcut.  A tower without attention (EfficientNet) raises `UsageError`.
    """
    pixels = one_image(towers, pixels)
    start = first_of(first, attentions(towers.visual))
    with untouched(towers), torch.no_grad(), watched(towers.visual) as layers:
        towers.encode_image(pixels)
        flow: Tensor | None = None
        for layer in layers[start:]:
            mean = wide(layer.weights[0]).mean(dim=0)  # (T, T), of the pooling (1, T)
            pools = len(mean) != mean.shape[1]
            if not pools:
                mean = RESIDUAL * torch.eye(len(mean)).to(mean) + (1 - RESIDUAL) * mean
            flow = mean if flow is None else mean @ flow
        assert flow is not None
        row = flow[0] if pools else read(towers, flow)
    return on_grid(row.expand(len(texts), -1).clone(), patch_grid(towers, pixels)).detach().float()
