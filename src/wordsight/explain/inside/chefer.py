"""Attention weighted by its gradient: which tokens a match between an image and a text goes back to.

Chefer, Gur & Wolf 2021, "Generic attention-model explainability for interpreting bi-modal and encoder-decoder
transformers", equations 5 to 11.  For patches of an image and for words of a text.

Shapes: C texts, B batch, L tokens of a text, H heads, T tokens, G side of the patch grid, E width of the shared space.
"""

from collections.abc import Sequence

import torch
from torch import Tensor

from wordsight.base.errors import UsageError
from wordsight.engines.attack_torch import untouched
from wordsight.explain.inside.attention import AttentionLayer, watched
from wordsight.explain.inside.following import (
    apart,
    attentions,
    first_of,
    graph_from,
    on_grid,
    one_image,
    patch_grid,
    read,
    some_texts,
)
from wordsight.towers.bert.spec import BertSpec
from wordsight.towers.clip_text.reading import pick
from wordsight.towers.clip_text.spec import ClipTextSpec
from wordsight.towers.parts.blocks import wide
from wordsight.towers.two import TwoTowers

# The last attention alone, as the authors' notebook for CLIP does; more layers leave spots on B/16.  Where the
# pooling is an attention, it is the last.
FIRST = -1


def relevance(towers: TwoTowers, pixels: Tensor, texts: Tensor, *, first: int = FIRST) -> Tensor:
    """Return the relevance (C, G, G) of each patch (or cell of the last grid) of ONE image for each text, raw.

    `pixels` (1, 3, S, S) normalised; `texts` (C, E) unit embeddings.  With y the logit (the learned scale times the
    cosine) and A the weights of a layer,

        R = I;    R <- R + mean over heads of (dy/dA * A)^+  R    for each layer from `first` on.

    `first` counts attentions, from the back where it is negative.  What is returned is the row of R - I that pooling
    reads: the class token's, or the mean of the patches' (all tokens' for "mean_all").  Where the pooling is an
    attention, its own (dy/dA * A)^+ is multiplied by R with the rows of R - I brought to the sum 1 (equations 8 to
    10; the pooling's query has no past).  A map may be 0 everywhere: no weight with a positive gradient.  A tower
    without attention (EfficientNet) raises `UsageError`.
    """
    pixels, texts = one_image(towers, pixels), some_texts(texts)
    start = first_of(first, attentions(towers.visual))
    with untouched(towers), watched(towers.visual, mix=graph_from(start)) as layers:
        embedding = towers.encode_image(pixels)[0]  # (E,)
        logits = towers.scale.detach() * (texts.to(embedding) @ embedding)  # (C,)
        rows = []
        for logit in logits:
            (flow,) = _followed(logit, layers[start:])  # (T, T), of a pooling (1, T)
            rows.append(flow[0] if len(flow) != flow.shape[1] else read(towers, flow))
    return on_grid(torch.stack(rows), patch_grid(towers, pixels)).detach().float()


def words(towers: TwoTowers, texts: Tensor, image: Tensor, *, first: int = FIRST) -> Tensor:
    """Return the relevance (C, L) of each token of each text for ONE image, raw, float32.

    `texts` (C, L) token ids; `image` (E,) a unit embedding.  As `relevance`, through the text tower; the row is that
    of the token that is read, or the mean of those that are pooled.  Start and end tokens have relevance, too; what
    is hidden from the token that is read has none.  A text tower of another package raises `UsageError`.
    """
    spec = towers.spec.text
    if not isinstance(spec, ClipTextSpec | BertSpec):
        raise UsageError(f'attention in a text tower of kind "{spec.kind}"', cure="only towers of our own show theirs")
    tower = towers.transformer if towers.text is None else towers.text
    start = first_of(first, attentions(tower))
    with untouched(towers), watched(tower, mix=graph_from(start)) as layers:
        embeddings = towers.encode_text(apart(texts), trim=False)  # (C, E)
        logits = towers.scale.detach() * (embeddings @ apart(image).to(embeddings))  # (C,)
        flow = _followed(logits.sum(), layers[start:])  # (C, L, L); no text looks at another one
    row = pick(flow, texts, spec) if isinstance(spec, ClipTextSpec) else _pick_bert(flow, texts, spec)
    return row[:, : texts.shape[1]].detach().float()


def _followed(score: Tensor, layers: Sequence[AttentionLayer]) -> Tensor:
    """Return R - I after the layers, (B, T, T), or the row of a pooling, (B, 1, T)."""
    gradients = torch.autograd.grad(score, [layer.weights for layer in layers], retain_graph=True)
    past: Tensor | None = None  # R - I
    for layer, gradient in zip(layers, gradients, strict=True):
        here = (wide(gradient) * wide(layer.weights.detach())).clamp(min=0).mean(dim=1)  # (B, T, T)
        if past is None:
            past = here
        elif here.shape[1] != here.shape[2]:
            sums = past.sum(dim=-1, keepdim=True)
            past = here + here @ (past / sums.where(sums > 0, torch.ones_like(sums)))
        else:
            past = past + here + here @ past
    assert past is not None
    return past


def _pick_bert(flow: Tensor, texts: Tensor, spec: BertSpec) -> Tensor:
    if spec.pool != "mean":
        return flow[:, 0]
    seen = (texts != spec.pad_id)[:, :, None].to(flow)  # (C, L, 1)
    return (flow * seen).sum(dim=1) / seen.sum(dim=1)
