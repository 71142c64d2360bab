"""The Vision Transformer image tower.

Shapes: B batch, S side of the picture in pixels, G side of the patch grid, T tokens (G*G, and one more
with a class token), D width of the tower, E width of the shared space.  The options are those of
`ImageTowerSpec` and no others.  Knows nothing of text.
"""

import torch
from torch import Tensor, nn

from wordsight.towers.parts import DropPath, LayerNorm, Mlp, Transformer, grid_positions
from wordsight.towers.spec import ImageTowerSpec


class VisionTransformer(nn.Module):
    """Pixels (B, 3, S, S), normalised, to (B, E)."""

    def __init__(self, spec: ImageTowerSpec, out_width: int) -> None:
        super().__init__()
        width, side = spec.width, spec.size // spec.patch
        self.spec = spec
        scale = width**-0.5
        if spec.stem == "patch":
            self.conv1 = nn.Conv2d(3, width, spec.patch, stride=spec.patch, bias=False)
        else:
            self.stem = conv_stem(width, spec.patch)
        if spec.pool == "class":
            self.class_embedding = nn.Parameter(scale * torch.randn(width))
        self._add_positions(side, scale)
        self.ln_pre = LayerNorm(width)
        self.transformer = Transformer(
            width,
            heads=spec.heads,
            mlp=lambda: Mlp(width, int(width * spec.mlp_ratio), spec.activation),
            drops=[DropPath(spec.drop_path * i / max(spec.layers - 1, 1)) for i in range(spec.layers)],
        )
        self.ln_post = LayerNorm(width)
        self.proj = nn.Parameter(scale * torch.randn(width, out_width))

    def _add_positions(self, side: int, scale: float) -> None:
        extra = 1 if self.spec.pool == "class" else 0
        if self.spec.positions == "learned":
            table = scale * torch.randn(side * side + extra, self.spec.width)
            self.positional_embedding = nn.Parameter(table)
        else:
            fixed = grid_positions(side, self.spec.width)
            fixed = torch.cat([fixed.new_zeros(extra, self.spec.width), fixed])  # the class token has no place
            self.register_buffer("positional_embedding", fixed, persistent=False)

    def forward(self, pixels: Tensor) -> Tensor:
        """Return the embedding of each picture, (B, E), not normalised."""
        tokens = self.tokens(pixels)
        pooled = tokens[:, 0] if self.spec.pool == "class" else tokens.mean(dim=1)
        out: Tensor = self.ln_post(pooled) @ self.proj
        return out

    def tokens(self, pixels: Tensor) -> Tensor:
        """Return the tokens after the last block, (B, T, D); the class token, where there is one, is the first."""
        grid: Tensor = self.conv1(pixels) if self.spec.stem == "patch" else self.stem(pixels)  # (B, D, G, G)
        x = grid.flatten(2).transpose(1, 2)  # (B, G*G, D)
        if self.spec.pool == "class":
            first = self.class_embedding.to(x.dtype).expand(x.shape[0], 1, -1)  # (B, 1, D)
            x = torch.cat([first, x], dim=1)
        out: Tensor = self.transformer(self.ln_pre(x + self.positional_embedding))
        return out


def conv_stem(width: int, patch: int) -> nn.Sequential:
    """Return 3x3 convolutions of stride 2 that end at the grid of `patch` (a power of two), then a 1x1 to `width`.

    Channels double at each step.  Xiao et al. 2021 ("Early convolutions help transformers see better"),
    with group norm in place of batch norm: a picture's embedding then never depends on its batch.
    """
    steps = patch.bit_length() - 1
    layers: list[nn.Module] = []
    channels = 3
    for step in range(steps):
        following = max(width >> (steps - 1 - step), 8)
        layers.append(nn.Conv2d(channels, following, 3, stride=2, padding=1, bias=False))
        layers.append(nn.GroupNorm(following // 8, following))
        layers.append(nn.GELU())
        channels = following
    layers.append(nn.Conv2d(channels, width, 1))
    return nn.Sequential(*layers)
