"""CLIP's modified ResNet (Radford et al. 2021, section 2.4).

Differs from the classical one in three ways: a stem of three 3x3 convolutions, average pooling before
every convolution that would have had a stride (anti-aliasing), and attention pooling at the end.

Shapes: B batch, S side of the image, G = S / 32 the last grid, C = 32 * width its channels, E width of
the shared space.  Knows nothing of text.
"""

from collections import OrderedDict
from collections.abc import Iterator

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from wordsight.towers.resnet.shapes import EXPANSION, REDUCTION
from wordsight.towers.resnet.spec import ResNetSpec


class Bottleneck(nn.Module):
    """1x1, 3x3, (pool), 1x1 with a shortcut that is pooled likewise."""

    def __init__(self, channels: int, planes: int, *, stride: int) -> None:
        super().__init__()
        out = planes * EXPANSION
        self.conv1 = nn.Conv2d(channels, planes, 1, bias=False)
        self.bn1 = nn.BatchNorm2d(planes)
        self.conv2 = nn.Conv2d(planes, planes, 3, padding=1, bias=False)
        self.bn2 = nn.BatchNorm2d(planes)
        self.avgpool = nn.AvgPool2d(stride) if stride > 1 else nn.Identity()
        self.conv3 = nn.Conv2d(planes, out, 1, bias=False)
        self.bn3 = nn.BatchNorm2d(out)
        nn.init.zeros_(self.bn3.weight)  # each block starts as its shortcut
        self.downsample: nn.Module = nn.Identity()
        if stride > 1 or channels != out:
            pool = nn.AvgPool2d(stride) if stride > 1 else nn.Identity()
            conv = nn.Conv2d(channels, out, 1, bias=False)
            # "-1" has no parameters; it keeps the checkpoint's names "0" and "1" for the other two
            self.downsample = nn.Sequential(OrderedDict([("-1", pool), ("0", conv), ("1", nn.BatchNorm2d(out))]))

    def forward(self, x: Tensor) -> Tensor:
        """Return (B, 4 * planes, G / stride, G / stride) for (B, channels, G, G)."""
        y = F.relu(self.bn1(self.conv1(x)))
        y = F.relu(self.bn2(self.conv2(y)))
        y = self.bn3(self.conv3(self.avgpool(y)))
        y = y + self.downsample(x)
        return F.relu(y)


class AttentionPool(nn.Module):
    """One attention layer whose only query is the mean of the grid: (B, C, G, G) to (B, C)."""

    causal, inputs = False, 1  # `wordsight.towers.tower.SplitAttention`

    def __init__(self, side: int, channels: int, heads: int, out_width: int) -> None:
        super().__init__()
        self.heads = heads
        std = channels**-0.5
        self.positional_embedding = nn.Parameter(std * torch.randn(side * side + 1, channels))
        self.k_proj = nn.Linear(channels, channels)
        self.q_proj = nn.Linear(channels, channels)
        self.v_proj = nn.Linear(channels, channels)
        self.c_proj = nn.Linear(channels, out_width)
        for layer in (self.k_proj, self.q_proj, self.v_proj, self.c_proj):
            nn.init.normal_(layer.weight, std=std)

    def forward(self, grid: Tensor) -> Tensor:
        """Return (B, C) for the grid (B, C, G, G); `c_proj` makes (B, E) of it."""
        query, key, value = self.split(grid)
        return self.join(F.scaled_dot_product_attention(query, key, value))

    def split(self, grid: Tensor) -> tuple[Tensor, Tensor, Tensor]:
        """Return the query (B, H, 1, C/H) of the mean, keys and values (B, H, 1 + G*G, C/H) of it and of the cells."""
        return self._split(grid, 1)

    def split_all(self, grid: Tensor) -> tuple[Tensor, Tensor, Tensor]:
        """Return what `split` does, with a query of each cell, too: (B, H, 1 + G*G, C/H)."""
        return self._split(grid, None)

    def _split(self, grid: Tensor, queries: int | None) -> tuple[Tensor, Tensor, Tensor]:
        cells = grid.flatten(2).transpose(1, 2)  # (B, G*G, C)
        tokens = torch.cat([cells.mean(dim=1, keepdim=True), cells], dim=1)  # (B, 1 + G*G, C)
        tokens = tokens + self.positional_embedding
        query = self._by_head(self.q_proj(tokens[:, :queries]))  # (B, H, 1, C/H)
        return query, self._by_head(self.k_proj(tokens)), self._by_head(self.v_proj(tokens))

    def join(self, mixed: Tensor) -> Tensor:
        """Return (B, C) for what each head makes of the values, (B, H, 1, C/H)."""
        return mixed.flatten(1)

    def _by_head(self, x: Tensor) -> Tensor:
        batch, length, channels = x.shape
        return x.view(batch, length, self.heads, channels // self.heads).transpose(1, 2)


class ModifiedResNet(nn.Module):
    """Pixels (B, 3, S, S), normalised, to (B, E)."""

    def __init__(self, spec: ResNetSpec, out_width: int) -> None:
        super().__init__()
        width = spec.width
        self.conv1 = nn.Conv2d(3, width // 2, 3, stride=2, padding=1, bias=False)
        self.bn1 = nn.BatchNorm2d(width // 2)
        self.conv2 = nn.Conv2d(width // 2, width // 2, 3, padding=1, bias=False)
        self.bn2 = nn.BatchNorm2d(width // 2)
        self.conv3 = nn.Conv2d(width // 2, width, 3, padding=1, bias=False)
        self.bn3 = nn.BatchNorm2d(width)
        self.avgpool = nn.AvgPool2d(2)
        channels = width
        for number, blocks in enumerate(spec.stages, start=1):
            planes = width * 2 ** (number - 1)
            self.add_module(f"layer{number}", _stage(channels, planes, blocks, stride=1 if number == 1 else 2))
            channels = planes * EXPANSION
        self.stages = [f"layer{number}" for number in range(1, len(spec.stages) + 1)]
        self.width, self.heads, self.depth, self.cell = channels, spec.heads, len(spec.stages), REDUCTION
        self.extra = 0  # tokens before those of the cells
        self.attnpool = AttentionPool(spec.size // REDUCTION, channels, spec.heads, out_width)

    def forward(self, pixels: Tensor) -> Tensor:
        """Return the embedding of each image, (B, E), not normalised."""
        return self.project(self.pool(self.last(pixels)))

    def last(self, pixels: Tensor) -> Tensor:
        """Return the last feature grid, (B, C, G, G)."""
        *_, last = self.states(pixels)
        return last

    def states(self, pixels: Tensor) -> Iterator[Tensor]:
        """Yield the grid after the stem and after each stage, (B, C', G', G'); only the last is what is pooled."""
        x: Tensor = F.relu(self.bn1(self.conv1(pixels)))
        x = F.relu(self.bn2(self.conv2(x)))
        x = self.avgpool(F.relu(self.bn3(self.conv3(x))))
        yield x
        for name in self.stages:
            x = self.get_submodule(name)(x)
            yield x

    def read(self, grid: Tensor) -> Tensor:
        """Return the last grid as pooling reads it, (B, C, G, G): as it is."""
        return grid

    def pool(self, grid: Tensor) -> Tensor:
        """Return one row for the last grid (B, C, G, G): (B, C)."""
        out: Tensor = self.attnpool(grid)
        return out

    def project(self, pooled: Tensor) -> Tensor:
        """Return (B, E) for pooled rows."""
        out: Tensor = self.attnpool.c_proj(pooled)
        return out


def _stage(channels: int, planes: int, blocks: int, *, stride: int) -> nn.Sequential:
    first = Bottleneck(channels, planes, stride=stride)
    rest = [Bottleneck(planes * EXPANSION, planes, stride=1) for _ in range(blocks - 1)]
    return nn.Sequential(first, *rest)
