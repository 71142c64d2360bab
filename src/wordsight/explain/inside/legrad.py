"""LeGrad: how much each layer's score would grow if more attention went to a patch.

Bousselham et al. 2025, "LeGrad: an explainability method for vision transformers via feature formation sensitivity"
(ICCV), section 3.  The choices that the paper leaves open are those of its authors' package legrad_torch 1.1.

Shapes: C texts, H heads, T tokens, N patches, G side of the patch grid, D width of the tower, E width of the space.
"""

import torch
import torch.nn.functional as F
from torch import Tensor

from wordsight.base.errors import UsageError
from wordsight.engines.attack_torch import untouched
from wordsight.explain.inside.attention import watched
from wordsight.explain.inside.following import apart, first_of, graph_from, on_grid, one_image, patch_grid, some_texts
from wordsight.towers.eva.spec import EvaSpec
from wordsight.towers.parts.blocks import wide
from wordsight.towers.two import TwoTowers
from wordsight.towers.vit.spec import VitSpec

FIRST = -2  # the last two blocks; the package's `layer_index`
EMPTY_LIMIT = 0.8  # of the largest relevance of a text that says nothing, its smallest being 0


def relevance(
    towers: TwoTowers, pixels: Tensor, texts: Tensor, *, first: int = FIRST, empty: Tensor | None = None
) -> Tensor:
    """Return the relevance (C, G, G) of each patch of ONE image for each text, raw.

    `pixels` (1, 3, S, S) normalised; `texts` (C, E) unit embeddings.  With z the tokens that leave block l, A the
    weights of its attention, and s the cosine of the text and of z pooled and projected,

        E_l = mean over heads and queries of (ds/dA)^+,    E = sum of E_l over the blocks from `first` on

    (negative: from the back).  Pooling is the tower's, except that a class token gives way to the mean of all tokens,
    itself among them.  Where the pooling is an attention (SigLIP, CoCa, Perception Encoder), A is the pooling's as it
    reads z.  The package leaves out the last norm there, with which the tower was trained, and the unit length of
    CoCa's embedding: its maps differ.  `empty` (E,) is the unit embedding of a text that says nothing: where its own E,
    from 0 to 1, is above `EMPTY_LIMIT`, a tower always looks, and E is 0 for every text; the package does so for
    SigLIP.  Only a vision transformer (also EVA's) has such blocks; other towers, and no texts, raise `UsageError`.
    """
    tower, spec, pixels = towers.image_tower, towers.spec.image, one_image(towers, pixels)
    if not isinstance(spec, VitSpec | EvaSpec):
        raise UsageError(
            f'LeGrad on a tower of kind "{spec.kind}"', cure="it needs a vision transformer; Grad-CAM fits convolutions"
        )
    start = first_of(first, tower.depth)
    texts = some_texts(texts)
    asked = texts if empty is None else torch.cat([texts, apart(empty)[None].to(texts)])
    with untouched(towers), watched(towers.visual, mix=graph_from(start)) as layers:
        states = list(tower.states(pixels))[start + 1 :]  # each (1, T, D)
        if spec.pool == "class":
            states = [state.mean(dim=1, keepdim=True) for state in states]
        pooled = torch.cat([tower.pool(state) for state in states])
        embeddings = F.normalize(wide(tower.project(pooled)), dim=-1)  # (layers, E)
        cosines = embeddings @ asked.to(embeddings).T  # (layers, C)
        looked = layers[tower.depth :] or layers[start:]
        total = torch.stack([_sensitivity(c, layer.weights) for c, layer in zip(cosines, looked, strict=True)]).sum(0)
    if empty is not None:
        usual, total = total[-1, tower.extra :], total[:-1]
        always = usual - usual.min() > EMPTY_LIMIT * (usual.max() - usual.min())  # (N,)
        total[:, tower.extra :].masked_fill_(always, 0.0)
    return on_grid(total, patch_grid(towers, pixels)).detach().float()


def _sensitivity(scores: Tensor, weights: Tensor) -> Tensor:
    """Return the mean over heads and queries of the positive gradients, (C, T), for scores (C,)."""
    gradients = [torch.autograd.grad(score, weights, retain_graph=True)[0] for score in scores]  # each (1, H, T, T)
    return torch.stack([wide(gradient).clamp(min=0).mean(dim=(0, 1, 2)) for gradient in gradients])
