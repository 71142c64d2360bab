"""An embedding for each patch of a picture in the space of texts, from towers that learned one for the whole picture.

    patches = dense(towers, pixels, "naclip")          # (B, E, G, G), unit length along E
    cosines = torch.einsum("begh,ce->bcgh", patches, texts)

The attention of a tower's last block collects the whole picture at each place, and so the tokens behind it say little
of their own place.  Each way puts other weights there, or leaves out what lies beside; see `WAYS`:

- "plain": nothing changed, the baseline.
- "maskclip": Zhou et al. 2022, "Extract Free Dense Labels from CLIP": each token keeps its own value,
  v W_o.  Residual and MLP are left out, as in the paper's text.
- "sclip": Wang et al. 2024, "SCLIP": (softmax(q q^T / sqrt d) + softmax(k k^T / sqrt d)) v, the rest stays.
- "clearclip": Lan et al. 2024, "ClearCLIP": softmax(q q^T / sqrt d) v W_o, without residual and MLP.
- "naclip": Hajimiri et al. 2025, "Pay Attention to Your Neighbours": softmax(k k^T / sqrt d + w) v W_o,
  w = exp(-(squared distance in patches) / (2 * 5^2)) between patches, 0 for other tokens; without residual and MLP.

What leaves the last block is then read as if it alone were the picture: final norm, pooling of one token, projection.
With a class token or a mean that is norm and projection.  Pooling by attention over one token gives it the whole
weight: the value path of the head (values, output projection, and the MLP of SigLIP's).  With rotary positions q and k
are the turned ones; a block's learned factors (and EVA's norm behind a branch) belong to its attention and stay.

CLIP's ResNets have one attention, the pooling, in which here each cell asks as the mean does; there is no residual and
no MLP.  "maskclip" is v_proj and c_proj of each cell as it is, without the pooling's positions, as MaskCLIP has it;
the others have them.  An EfficientNet has no attention: for each way it is the projection, hidden units included, of
each cell of the last grid.

Shapes: B batch, S side of the picture in pixels, T tokens, D width of the tower, N = G*G patches (or cells), H heads,
E width of the shared space.
"""

import math
from collections.abc import Callable, Iterable
from dataclasses import dataclass
from itertools import islice
from typing import Literal, cast, get_args

import numpy as np
import torch
import torch.nn.functional as F
from numpy.typing import NDArray
from torch import Tensor, nn

from wordsight.base.arrays import Pixels
from wordsight.base.errors import UsageError
from wordsight.explain.inside.attention import AttentionLayer, watched
from wordsight.images.transform import normalise
from wordsight.towers.parts.blocks import wide
from wordsight.towers.resnet.module import ModifiedResNet
from wordsight.towers.tower import AttendingBlock, ImageTower, SplitAttention
from wordsight.towers.two import TwoTowers

DenseWay = Literal["plain", "maskclip", "sclip", "clearclip", "naclip"]
SIGMA = 5.0  # patches; NACLIP's
Sides = tuple[int, int]  # rows and columns of a grid


@dataclass(frozen=True, slots=True)
class _Way:
    """`mix` is what the heads make of the values in the last attention, (B, H, T, D/H), for the grid's sides.

    `whole`: the residual and the MLP of the last block are kept.
    """

    mix: Callable[[AttentionLayer, Sides], Tensor]
    whole: bool


def _as_it_is(layer: AttentionLayer, sides: Sides) -> Tensor:
    del sides
    return layer.mixed


def _values(layer: AttentionLayer, sides: Sides) -> Tensor:
    del sides
    return layer.value


def _queries_and_keys(layer: AttentionLayer, sides: Sides) -> Tensor:
    del sides
    return (_weights(_alike(layer.query)) + _weights(_alike(layer.key))).to(layer.value.dtype) @ layer.value


def _queries(layer: AttentionLayer, sides: Sides) -> Tensor:
    del sides
    return _weights(_alike(layer.query)).to(layer.value.dtype) @ layer.value


def _neighbours(layer: AttentionLayer, sides: Sides) -> Tensor:
    alike = _alike(layer.key)
    near = nearness(sides, SIGMA).to(alike)
    others = alike.shape[-1] - near.shape[-1]  # tokens before those of the patches
    return _weights(alike + F.pad(near, (others, 0, others, 0))).to(layer.value.dtype) @ layer.value


WAYS: dict[DenseWay, _Way] = {
    "plain": _Way(_as_it_is, whole=True),
    "maskclip": _Way(_values, whole=False),
    "sclip": _Way(_queries_and_keys, whole=True),
    "clearclip": _Way(_queries, whole=False),
    "naclip": _Way(_neighbours, whole=False),
}
assert set(WAYS) == set(get_args(DenseWay))


def dense(towers: TwoTowers, pixels: Tensor, way: DenseWay = "naclip") -> Tensor:
    """Return an embedding of each patch, or cell of the last grid, (B, E, G, G), unit length along E, float32.

    `pixels` (B, 3, S, S) are normalised; for towers that keep the shape of an image (B, 3, H, W), and the grid is as
    high and wide.  An unknown way, pixels of another size and towers of another package raise `UsageError`.
    """
    if way not in WAYS:
        raise UsageError(f"no way {way!r} to dense features", cure=f"known: {', '.join(WAYS)}")
    tower = towers.image_tower
    towers.check_pixels(pixels)
    pixels = pixels.to(towers.dtype)
    if isinstance(tower, ModifiedResNet):
        rows, sides = _pooled_cells(tower, pixels, way)
    elif tower.heads:
        rows, sides = _attended(tower, pixels, way)
    else:
        grid = tower.last(pixels)  # (B, C, G, G)
        sides = _sides(grid)
        cells = grid.permute(0, 2, 3, 1).flatten(0, 2)  # (B*N, C)
        rows = tower.project(tower.pool(cells[:, :, None, None]))
    unit = F.normalize(wide(rows), dim=-1)  # (B*N, E)
    return unit.view(len(pixels), *sides, -1).permute(0, 3, 1, 2)


def dense_features(towers: TwoTowers, batches: Iterable[Pixels], way: DenseWay = "naclip") -> NDArray[np.float32]:
    """Return what `dense` gives for pictures as a tower sees them, batches of uint8 (B, S, S, 3): (n, E, G, G).

    That is what `wordsight.explain.windows.cut` yields.  No batch at all raises `UsageError`.
    """
    device, features = next(towers.visual.parameters()).device, []
    with torch.no_grad():
        for batch in batches:
            pixels = torch.from_numpy(normalise(batch, towers.spec.preprocess)).to(device)
            features.append(dense(towers, pixels, way).cpu().numpy())
    if not features:
        raise UsageError("no pictures", cure="give at least one")
    return np.concatenate(features)


def nearness(sides: Sides, sigma: float) -> Tensor:
    """Return exp(-d^2 / (2 sigma^2)) for the distances d of all patches of a grid row by row, (N, N)."""
    rows, columns = (torch.arange(side, dtype=torch.float32) for side in sides)
    centres = torch.cartesian_prod(rows, columns)  # (N, 2)
    squared = (centres[:, None] - centres[None]).square().sum(dim=-1)
    near: Tensor = torch.exp(-squared / (2 * sigma**2))
    return near


def _alike(x: Tensor) -> Tensor:
    """Return the products of all tokens with all, (B, H, T, T), divided by the root of the head's width."""
    scores: Tensor = wide(x @ x.transpose(-2, -1)) / math.sqrt(x.shape[-1])
    return scores


def _weights(scores: Tensor) -> Tensor:
    return scores.softmax(dim=-1)


def _attended(tower: ImageTower, pixels: Tensor, way: DenseWay) -> tuple[Tensor, Sides]:
    """Return rows (B*N, E) of a transformer, not normalised, and the sides of its grid."""
    assert isinstance(tower, nn.Module)
    rows, columns = (side // tower.cell for side in pixels.shape[2:])
    *_, entering = islice(tower.states(pixels), tower.depth)  # of the last block; it is not run here
    block = [module for module in tower.modules() if isinstance(module, AttendingBlock)][-1]
    assert isinstance(block, nn.Module) and isinstance(block, AttendingBlock)
    with watched(block, mix=lambda number, layer: WAYS[way].mix(layer, (rows, columns))):
        leaving: Tensor = block(entering) if WAYS[way].whole else block.attended(entering)
    tokens = leaving[:, tower.extra :].flatten(0, 1)  # (B*N, D)
    alone = tokens[:, None].expand(-1, tower.extra + 1, -1)  # a picture of nothing but this token
    return tower.project(tower.pool(alone)), (rows, columns)


def _pooled_cells(tower: ModifiedResNet, pixels: Tensor, way: DenseWay) -> tuple[Tensor, Sides]:
    """Return rows (B*N, E) of a ResNet, not normalised, and the sides of its grid."""
    grid, pool = tower.last(pixels), tower.attnpool
    if way == "maskclip":
        values = pool.v_proj(grid.flatten(2).transpose(1, 2))  # (B, N, C)
        return tower.project(values.flatten(0, 1)), _sides(grid)
    query, key, value = pool.split_all(grid)  # (B, H, 1 + N, C/H), that of the mean first
    weights = _weights(wide(query @ key.transpose(-2, -1)) / math.sqrt(query.shape[-1])).to(value.dtype)
    layer = AttentionLayer(cast(SplitAttention, pool), query, key, value, weights, weights @ value)
    mixed = WAYS[way].mix(layer, _sides(grid))[:, :, 1:]
    return tower.project(mixed.transpose(1, 2).flatten(2).flatten(0, 1)), _sides(grid)


def _sides(grid: Tensor) -> Sides:
    return grid.shape[2], grid.shape[3]
