"""The border of this folder: arrays in, arrays out."""

from collections.abc import Callable

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from wordsight.base.arrays import Embeddings, Pixels, Tokens
from wordsight.explain.inside import chefer
from wordsight.images.transform import normalise
from wordsight.towers.build import build
from wordsight.towers.two import TwoTowers

Relevance = Callable[..., Tensor]  # (towers, pixels, texts, *, empty)


def called(
    relevance: Relevance,
    towers: TwoTowers,
    pixels: Pixels,
    texts: Embeddings,
    *,
    empty: NDArray[np.float32] | None = None,
) -> NDArray[np.float32]:
    """Return the relevance (C, G, G) that a method gives for one image, uint8 (S, S, 3), and texts (C, E).

    `empty` (E,) is handed on where it is given.
    """
    device = towers.logit_scale.device
    image = torch.from_numpy(normalise(pixels[None], towers.spec.preprocess)).to(device)
    more = {} if empty is None else {"empty": torch.from_numpy(empty).to(device)}
    maps: Tensor = relevance(towers, image, torch.from_numpy(np.asarray(texts, np.float32)).to(device), **more)
    return maps.detach().float().cpu().numpy()


def words(towers: TwoTowers, tokens: Tokens, image: NDArray[np.float32]) -> NDArray[np.float32]:
    """Return the relevance (C, L) of each token (C, L) for one image's embedding (E,); `chefer.words`."""
    device = towers.logit_scale.device
    ids, embedding = torch.from_numpy(tokens.astype(np.int64)).to(device), torch.from_numpy(image).to(device)
    return chefer.words(towers, ids, embedding).cpu().numpy()


def with_random_weights(towers: TwoTowers, *, seed: int = 0) -> TwoTowers:
    """Return towers of the same shape that have learned nothing, drawn by `seed`; PyTorch's generator stays as it is.

    They are where training begins: Adebayo et al. 2018 compare a map with that of such a model.
    """
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(seed)
        return build(towers.spec).eval().requires_grad_(False).to(towers.logit_scale.device)
