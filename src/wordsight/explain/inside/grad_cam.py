"""Grad-CAM, Grad-CAM++ and LayerCAM: channels of a grid, weighed by their gradients.

With A_k the channels of a grid, s the score and g_k = ds / dA_k, all three are ReLU(sum_k w_k A_k):

    Grad-CAM     w_k = mean over cells of g_k           Selvaraju et al. 2017
    Grad-CAM++   w_k = sum over cells of alpha ReLU(g_k),  alpha = 1 / (2 + g_k * sum over cells of A_k)
                                                        Chattopadhay et al. 2018, equation 19, of exp(s)
    LayerCAM     w_k = ReLU(g_k), cell by cell          Jiang et al. 2021

The grid is the last one of a convolution, own or timm's; of a vision transformer that pools by the mean its last
patches; of one with a class token or pooling by attention, whose last patches have no gradient or many, the weights of
the last attention in the row that is read, its heads as channels (Chefer et al. 2021).  Choices: s is the cosine, and
for Grad-CAM++, whose map is not in proportion to the score, the logit (cosine times scale); what is negative in a grid
that is not rectified does not count in its alpha.

Shapes: C texts, K channels, G side of a grid, N its cells, E width of the shared space.
"""

from collections.abc import Callable
from typing import NamedTuple

import torch.nn.functional as F
from torch import Tensor

from wordsight.engines.attack_torch import untouched
from wordsight.explain.inside.following import on_grid, patch_grid, some_texts
from wordsight.explain.inside.gradients import gradients, last_attention, misfit, reads_one_row
from wordsight.towers.eva.module import EvaTransformer
from wordsight.towers.features import image_states
from wordsight.towers.parts.blocks import wide
from wordsight.towers.timm.module import TimmImageTower
from wordsight.towers.tower import ImageTower, of_patches
from wordsight.towers.two import TwoTowers
from wordsight.towers.vit.module import VisionTransformer

WANTS = "a native tower or a convolution of timm's"


def grad_cam(towers: TwoTowers, pixels: Tensor, texts: Tensor) -> Tensor:
    """Return the relevance (C, G, G), not negative, of each cell of one image for each text: Grad-CAM.

    `pixels` (1, 3, S, S) normalised; `texts` (C, E) unit embeddings. Towers of another package that are not timm's
    convolutions raise `UsageError`.
    """
    values, slopes = _grid("Grad-CAM", towers, pixels, texts)
    return _summed(slopes.mean(dim=(2, 3), keepdim=True) * values)


def grad_cam_plus_plus(towers: TwoTowers, pixels: Tensor, texts: Tensor) -> Tensor:
    """Return the relevance (C, G, G), not negative, of each cell of one image for each text: Grad-CAM++.

    Arguments and errors are those of `grad_cam`.
    """
    values, slopes = _grid("Grad-CAM++", towers, pixels, texts)
    slopes = (slopes * wide(towers.scale.detach())).relu()
    shares = slopes / (2 + slopes * values.relu().sum(dim=(1, 2), keepdim=True))  # alpha times the gradient
    return _summed(shares.sum(dim=(2, 3), keepdim=True) * values)


def layer_cam(towers: TwoTowers, pixels: Tensor, texts: Tensor, *, layer: int = -1) -> Tensor:
    """Return the relevance (C, G, G), not negative, of each cell of one image for each text: LayerCAM.

    `layer` counts the states of a native tower (`wordsight.towers.features`): earlier ones have finer grids. Another
    than the last of a timm trunk, or one that is not there, raises `UsageError`; else as `grad_cam`.
    """
    values, slopes = _grid("LayerCAM", towers, pixels, texts, layer=layer)
    return _summed(slopes.relu() * values)


def _summed(parts: Tensor) -> Tensor:
    """Return the sum over channels of (C, K, G, G), rectified."""
    return parts.sum(dim=1).relu().float()


class _Seen(NamedTuple):
    """What gradients are taken by, the embedding (1, E) behind it, and how it (or its gradient) is cut to a grid."""

    state: Tensor
    embedding: Tensor
    cut: Callable[[Tensor], Tensor]  # (B, ...) to (B, K, G, G)


def _grid(method: str, towers: TwoTowers, pixels: Tensor, texts: Tensor, *, layer: int = -1) -> tuple[Tensor, Tensor]:
    """Return the channels (K, G, G) of a grid of one image, and the gradients (C, K, G, G) of the cosines by them."""
    with untouched(towers):
        pixels = pixels.clone()  # one of inference mode has no gradients
        if isinstance(towers.visual, TimmImageTower):
            seen = _of_timm(method, towers, pixels, layer)
        elif isinstance(towers.visual, ImageTower):
            seen = _of_native(towers, pixels, layer)
        else:
            raise misfit(method, towers, wants=WANTS)
        (scores,) = seen.embedding @ wide(some_texts(texts)).T  # (C,)
        slopes = gradients(scores, seen.state)
    return wide(seen.cut(seen.state.detach()))[0], wide(seen.cut(slopes))


def _of_native(towers: TwoTowers, pixels: Tensor, layer: int) -> _Seen:
    if layer not in (-1, towers.image_tower.depth):
        states = image_states(towers, pixels.requires_grad_(), layers=[layer])
        return _Seen(states.layer(layer), states.embeddings, lambda x: _native(towers, pixels, x))
    if isinstance(towers.visual, VisionTransformer | EvaTransformer) and reads_one_row(towers):
        attention, embedding = last_attention(towers, pixels)
        shape = patch_grid(towers, pixels)
        return _Seen(attention.weights, embedding, lambda x: on_grid(x[:, :, 0], shape))
    state = towers.last_image_state(pixels).detach().requires_grad_()
    return _Seen(state, towers.embed_last_image_state(state), lambda x: _native(towers, pixels, x))


def _native(towers: TwoTowers, pixels: Tensor, state: Tensor) -> Tensor:
    if state.ndim == 4:
        return state
    patches = of_patches(towers.image_tower, state).transpose(1, 2)  # (B, D, N)
    return on_grid(patches, patch_grid(towers, pixels))


def _of_timm(method: str, towers: TwoTowers, pixels: Tensor, layer: int) -> _Seen:
    tower = towers.visual
    assert isinstance(tower, TimmImageTower)
    towers.check_pixels(pixels)
    state = tower.last(pixels.to(towers.dtype)).detach().requires_grad_()
    if layer != -1 or state.ndim != 4:
        raise misfit(method, towers, wants=f"{WANTS}, of which the last grid is seen (layer = -1)")
    pooled = tower.pool(state.clone())  # timm's norms may act in place
    embedding = F.normalize(wide(tower.project(pooled)), dim=-1)
    return _Seen(state, embedding, lambda x: x.permute(0, 3, 1, 2) if tower.channels_last else x)
