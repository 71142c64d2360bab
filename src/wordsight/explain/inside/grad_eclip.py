"""Grad-ECLIP: what the last attention passes on of each patch, weighed by what the score asks of each channel.

Zhao et al. 2024, "Gradient-based visual explanation for transformer-based CLIP" (ICML).  With o the row that
attention gives for the query that is read, s the cosine with the text, and q, k, v of the last attention:

    map_i = ReLU( sum_c  (ds / do_c) * lambda_i * v_ic ),      lambda_i = min-max over patches of cos(q, k_i)

lambda takes the place of the softmax of attention, which leaves out all but few patches.  Choices: attention is that
of the tower with its heads (the paper writes one head: c then runs over the channels of all of them, and the cosine is
between whole queries and keys); where a head pools by attention, that is the last attention.
"""

import torch
import torch.nn.functional as F
from torch import Tensor

from wordsight.engines.attack_torch import untouched
from wordsight.explain.inside.following import on_grid, patch_grid, some_texts
from wordsight.explain.inside.gradients import gradients, last_attention, misfit, reads_one_row
from wordsight.towers.parts.blocks import wide
from wordsight.towers.two import TwoTowers


def relevance(towers: TwoTowers, pixels: Tensor, texts: Tensor) -> Tensor:
    """Return the relevance (C, G, G), not negative, of each patch of one image for each text.

    `pixels` (1, 3, S, S) normalised; `texts` (C, E) unit embeddings. A tower without a class token or pooling by
    attention raises `UsageError`.
    """
    if not reads_one_row(towers):
        wants = "a native tower with a class token or pooling by attention; Grad-CAM fits all native towers"
        raise misfit("Grad-ECLIP", towers, wants=wants)
    with untouched(towers):
        layer, embedding = last_attention(towers, pixels.clone())
        (scores,) = embedding @ wide(some_texts(texts)).T  # (C,)
        asked = wide(gradients(scores, layer.mixed))[:, :, 0]  # (C, H, D/H)
    rows, columns = patch_grid(towers, pixels)
    query = wide(layer.query.detach())[0, :, 0].flatten()  # (D,)
    key, value = (wide(x.detach())[0, :, -rows * columns :] for x in (layer.key, layer.value))  # (H, N, D/H)
    loosened = F.cosine_similarity(query, key.transpose(0, 1).flatten(1), dim=-1)  # (N,)
    low, high = loosened.aminmax()
    loosened = (loosened - low) / (high - low).clamp(min=torch.finfo(loosened.dtype).tiny)
    maps = torch.einsum("chd,hnd->cn", asked, value) * loosened
    return on_grid(maps.relu(), (rows, columns)).float()
