"""CLIP Surgery and GEM: patches that look at patches like themselves, on a path beside the tower; without gradients.

From block d on, a second stream y runs beside the tower's own states x.  It takes from each block what its attention
makes of x when tokens look at tokens like themselves, and never goes through an MLP:

    y_d = x_d,      y_{i+1} = y_i + branch_i(mix(q_i, k_i, v_i of x_i))

Each patch of the last y is then read as if the picture had no other token: through the tower's own pooling, norm and
projection (with a class token these are its norm and projection, as in both papers).  Choice: d is the middle of the
tower, and the last six blocks at most; both papers take the last six of twelve.

Shapes: C texts, N patches, G side of their grid, T tokens, D width, H heads, E width of the shared space.
"""

from collections.abc import Callable

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from wordsight.base.errors import UsageError
from wordsight.explain.inside.following import on_grid, patch_grid, some_texts
from wordsight.explain.inside.gradients import misfit
from wordsight.towers.eva.module import EvaBlock, EvaTransformer
from wordsight.towers.parts.blocks import Block, wide
from wordsight.towers.resnet.module import ModifiedResNet
from wordsight.towers.tower import of_patches
from wordsight.towers.two import TwoTowers
from wordsight.towers.vit.module import VisionTransformer

BLOCKS = 6  # that the second stream goes through, at most
SHARPNESS = 2.0  # Li et al. 2023: of the softmax that says which texts the image is near

SideMix = Callable[[Tensor, Tensor, Tensor, Tensor], Tensor]  # attention's input (1, T, D), queries, keys, values


@torch.no_grad()
def surgery(towers: TwoTowers, pixels: Tensor, texts: Tensor, *, empty: Tensor | None = None) -> Tensor:
    """Return the relevance (C, G, G) of each patch of one image for each text, with either sign: CLIP Surgery.

    Li et al. 2023, "A closer look at the explainability of contrastive language-image pre-training". Attention is
    softmax(v v^T / sqrt(D/H)) v. With patches f_i, texts t and the image's embedding e, what all texts have in common
    is taken away:

        w = softmax(2 e t) / mean over texts,      map_ti = w_t f_i t - mean over texts of w_t f_i t

    (so the maps of all texts sum to nothing). One text alone has no such mean: what the patch has in common with
    `empty` (E,), the embedding of the empty text, is taken away, and its absence raises `UsageError`. Of a ResNet
    only the pooling is attention.

    `pixels` (1, 3, S, S) normalised; `texts` (C, E) unit embeddings. Fits vision transformers (EVA's, too) and
    ResNets; other towers raise `UsageError`.
    """
    if len(texts) == 1 and empty is None:
        raise UsageError("CLIP Surgery for one text", cure="give `empty`, the empty text's embedding, or more texts")
    texts = wide(some_texts(texts))
    tower = towers.visual
    if isinstance(tower, ModifiedResNet):
        towers.check_pixels(pixels)
        _, _, value = tower.attnpool.split(tower.last(pixels.to(towers.dtype)))
        mixed = _alike(value, value, value.shape[-1] ** -0.5)[:, :, 1:]  # without the mean, which is the first
        rows = tower.project(mixed.transpose(1, 2).flatten(2))
    else:
        rows = _beside("CLIP Surgery", towers, pixels, lambda _x, _q, _k, v: _alike(v, v, v.shape[-1] ** -0.5))
    patches = F.normalize(wide(rows[0]), dim=-1)  # (N, E)
    cosines = patches @ texts.T  # (N, C)
    if len(texts) == 1 and empty is not None:
        maps = cosines - patches @ wide(empty).reshape(-1, 1)
    else:
        near = (SHARPNESS * towers.encode_image(pixels) @ texts.T).softmax(dim=-1)  # (1, C)
        weighed = cosines * near / near.mean()
        maps = weighed - weighed.mean(dim=1, keepdim=True)
    return on_grid(maps.T, patch_grid(towers, pixels)).float()


@torch.no_grad()
def gem(towers: TwoTowers, pixels: Tensor, texts: Tensor, *, rounds: int = 1) -> Tensor:
    """Return the relevance (C, G, G), a cosine, of each patch of one image for each text: GEM.

    Bousselham et al. 2024, "Grounding everything: emerging localization properties in vision-language transformers"
    (CVPR). For p of queries, keys and values, `rounds` times

        p <- normalised p,      p <- softmax(p p^T / tau) p,      then      softmax(p p^T / tau) v

    of the normalised p, and the mean of the three; 1 / tau is the mean norm of the tokens that enter attention,
    divided by sqrt(D/H).

    `pixels` (1, 3, S, S) normalised; `texts` (C, E) unit embeddings. Fits vision transformers, EVA's, too; other
    towers raise `UsageError`.
    """

    def mix(x: Tensor, query: Tensor, key: Tensor, value: Tensor) -> Tensor:
        sharpness = wide(x).norm(dim=-1).mean().to(x.dtype) * value.shape[-1] ** -0.5
        parts = []
        for part in (query, key, value):
            part = F.normalize(part, dim=-1)
            for _ in range(rounds):
                part = F.normalize(_alike(part, part, sharpness), dim=-1)
            parts.append(_alike(part, value, sharpness))
        return torch.stack(parts).mean(dim=0)

    rows = _beside("GEM", towers, pixels, mix)
    maps = wide(texts) @ F.normalize(wide(rows[0]), dim=-1).T  # (C, N)
    return on_grid(maps, patch_grid(towers, pixels)).float()


def _alike(tokens: Tensor, values: Tensor, sharpness: Tensor | float) -> Tensor:
    """Return softmax(tokens tokens^T * sharpness) values, (1, H, T, D/H)."""
    return wide(tokens @ tokens.transpose(-2, -1) * sharpness).softmax(dim=-1).to(values.dtype) @ values


def _beside(method: str, towers: TwoTowers, pixels: Tensor, mix: SideMix) -> Tensor:
    """Return what the second stream gives for each patch of one image in the shared space, (1, N, E)."""
    tower = towers.visual
    if not isinstance(tower, VisionTransformer | EvaTransformer):
        raise misfit(method, towers, wants="a native vision transformer; Grad-CAM fits all native towers")
    towers.check_pixels(pixels)
    blocks = tower.blocks if isinstance(tower, EvaTransformer) else tower.transformer.resblocks
    first = max(tower.depth // 2, tower.depth - BLOCKS)
    stream: Tensor | None = None
    for number, (block, x) in enumerate(zip(blocks, tower.states(pixels.to(towers.dtype)), strict=False)):
        if number >= first:
            stream = (x if stream is None else stream) + _branch(block, x, mix)
    assert stream is not None
    tokens = of_patches(tower, stream)[0, :, None].expand(-1, tower.extra + 1, -1)  # (N, 1 or 2, D): each by itself
    return tower.project(tower.pool(tokens))[None]


def _branch(block: nn.Module, x: Tensor, mix: SideMix) -> Tensor:
    """Return what the attention of a block adds to its stream, (1, T, D), with another mix of its values."""
    if isinstance(block, Block):
        x = block.ln_1(x)
        out: Tensor = block.ls_1(block.attn.join(mix(x, *block.attn.split(x))))
        return out
    assert isinstance(block, EvaBlock)
    x = x if block.post else block.norm1(x)
    out = block.attn.join(mix(x, *block.attn.split(x)))
    out = block.norm1(out) if block.post else out
    return out if block.gamma_1 is None else block.gamma_1 * out
