"""The Vision Transformer image tower: CLIP's, SigLIP's, CoCa's, Perception Encoder's.

Shapes: B batch, S side of the image in pixels, P side of a patch, G side of the patch grid, T tokens (G*G,
and one more with a class token), D width of the tower, E width of the shared space.  The options are those
of `VitSpec` and no others.  Knows nothing of text.
"""

from collections.abc import Iterator

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from wordsight.towers.parts.blocks import DropPath, LayerNorm, Stack, Transformer, grid_positions, wide
from wordsight.towers.parts.pool import ProbePool, QueryPool
from wordsight.towers.parts.rotary import Rotary
from wordsight.towers.tower_spec import hidden_width
from wordsight.towers.vit.angles import perception_angles
from wordsight.towers.vit.spec import VitSpec


class VisionTransformer(nn.Module):
    """Pixels (B, 3, S, S), normalised, to (B, E)."""

    def __init__(self, spec: VitSpec, out_width: int) -> None:
        super().__init__()
        width, self.side = spec.width, spec.size // spec.patch
        self.spec = spec
        self.width, self.heads, self.depth, self.cell = width, spec.heads, spec.layers, spec.patch
        self.extra = int(spec.has_class_token)  # tokens before those of the patches
        # share of the patches left out while training; None where blocks have to know which patch a token is
        self.patch_dropout: float | None = 0.0 if spec.rotary == "none" else None
        scale = width**-0.5
        if spec.stem == "patch":
            self.conv1 = nn.Conv2d(3, width, spec.patch, stride=spec.patch, bias=spec.patch_bias)
        elif spec.stem == "conv":
            self.stem = conv_stem(width, spec.patch)
        else:
            self.stem = tiered_stem(width, spec.patch, spec.stem_padding)
        if spec.has_class_token:
            self.class_embedding = nn.Parameter(scale * torch.randn(width))
        self._add_positions(scale)
        self.ln_pre = LayerNorm(width, spec.epsilon) if spec.pre_norm else nn.Identity()
        self._add_blocks()
        pooled = width
        if spec.pool == "attention":
            self.attn_pool: nn.Module = ProbePool(spec)
        elif spec.pool == "queries":
            self.attn_pool, pooled = QueryPool(spec, out_width), out_width
        self.ln_post = LayerNorm(pooled, spec.epsilon)
        if spec.projection == "matrix":
            self.proj = nn.Parameter(scale * torch.randn(pooled, out_width))
        elif spec.projection == "linear":
            self.head = nn.Linear(pooled, out_width)

    def _add_positions(self, scale: float) -> None:
        if self.spec.positions == "learned":
            table = scale * torch.randn(self.side * self.side + self.extra, self.spec.width)
            self.positional_embedding = nn.Parameter(table)
        else:
            fixed = grid_positions(self.side, self.spec.width)
            fixed = torch.cat([fixed.new_zeros(self.extra, self.spec.width), fixed])  # the class token has no position
            self.register_buffer("positional_embedding", fixed, persistent=False)

    def _add_blocks(self) -> None:
        spec, last = self.spec, max(self.spec.layers - 1, 1)
        stack = Stack(
            spec.width,
            layers=spec.layers,
            heads=spec.heads,
            hidden=hidden_width(spec.width, spec.mlp_ratio),
            activation=spec.activation,
            epsilon=spec.epsilon,
            layer_scale=spec.layer_scale,
        )
        angles = perception_angles(spec)
        rotary = None if angles is None else Rotary(torch.from_numpy(angles))
        drops = [DropPath(spec.drop_path * i / last) for i in range(spec.layers)]
        self.transformer = Transformer(stack, drops, rotary)

    def forward(self, pixels: Tensor) -> Tensor:
        """Return the embedding of each image, (B, E), not normalised."""
        return self.project(self.pool(self.last(pixels)))

    def last(self, pixels: Tensor) -> Tensor:
        """Return the tokens after the last block, (B, T, D); the class token, where there is one, is the first."""
        out: Tensor = self.transformer(self._thinned(self.embed(pixels)))
        return out

    def _thinned(self, x: Tensor) -> Tensor:
        """Return the tokens (B, T, D) without some of the patches, drawn anew for every image while training.

        Li et al. 2023, "Scaling Language-Image Pre-training via Masking".
        """
        if not self.training or not self.patch_dropout:
            return x
        patches = x[:, self.extra :]  # (B, N, D)
        count = patches.shape[1]
        kept = max(1, round(count * (1.0 - self.patch_dropout)))
        chosen = torch.rand(len(x), count, device=x.device).topk(kept, dim=1).indices  # (B, K)
        patches = patches.gather(1, chosen[:, :, None].expand(-1, -1, x.shape[2]))
        return torch.cat([x[:, : self.extra], patches], dim=1)

    def states(self, pixels: Tensor) -> Iterator[Tensor]:
        """Yield what enters the first block and what leaves each, layers + 1 times (B, T, D)."""
        return self.transformer.states(self.embed(pixels))

    def rest(self, state: Tensor, first: int) -> Tensor:
        """Return the tokens after the last block for those that enter block `first`, (B, T, D)."""
        for block in self.transformer.resblocks[first:]:
            state = block(state)
        return state

    def embed(self, pixels: Tensor) -> Tensor:
        """Return what enters the first block, (B, T, D)."""
        grid: Tensor = self.conv1(pixels) if self.spec.stem == "patch" else self.stem(pixels)  # (B, D, G, G)
        x = grid.flatten(2).transpose(1, 2)  # (B, G*G, D)
        if self.spec.has_class_token:
            first = self.class_embedding.to(x.dtype).expand(x.shape[0], 1, -1)  # (B, 1, D)
            x = torch.cat([first, x], dim=1)
        out: Tensor = self.ln_pre(x + self._positions(grid.shape[2], grid.shape[3]))
        return out

    def read(self, tokens: Tensor) -> Tensor:
        """Return the tokens after the last block as pooling reads them, (B, T, D)."""
        out: Tensor = self.ln_post(tokens) if self.spec.final_norm == "tokens" else tokens
        return out

    def pool(self, tokens: Tensor, mask: Tensor | None = None) -> Tensor:
        """Return one normed row for the tokens after the last block (B, T, D); `mask` as in `attend`, (B, 1, 1, T)."""
        normed_first = self.spec.final_norm == "tokens"
        x = self.read(tokens)
        if self.spec.pool in ("attention", "queries"):
            pooled = self.attn_pool(x, mask)
        elif self.spec.pool == "class":
            pooled = x[:, 0]
        elif mask is None:
            pooled = x[:, self.extra :].mean(dim=1)
        else:
            seen = mask[:, 0, 0, self.extra :, None].to(x.dtype)  # (B, N, 1)
            pooled = (x[:, self.extra :] * seen).sum(dim=1) / seen.sum(dim=1)
        out: Tensor = pooled if normed_first else self.ln_post(pooled)
        return out

    def project(self, pooled: Tensor) -> Tensor:
        """Return (B, E) for pooled rows."""
        if self.spec.projection == "matrix":
            return pooled @ self.proj
        return self.head(pooled) if self.spec.projection == "linear" else pooled

    def patches(self, patches: Tensor, mask: Tensor, shapes: Tensor) -> Tensor:
        """Return the embedding (B, E) of images of several shapes, cut into patches.

        `patches` (B, N, P*P*3): the grid row by row, filled up to N; inside a patch row, column, channel.
        `mask` (B, N) is true where there is a patch, `shapes` (B, 2) are rows and columns of each grid.
        Only without a class token.
        """
        weight = self.conv1.weight.permute(0, 2, 3, 1).flatten(1)  # (D, P*P*3)
        x = F.linear(patches, weight, self.conv1.bias)  # (B, N, D)
        x = torch.stack(
            [
                row + F.pad(self._positions(height, width), (0, 0, 0, len(row) - height * width))
                for row, (height, width) in zip(x, shapes.tolist(), strict=True)
            ]
        )
        seen = mask.bool()[:, None, None]  # (B, 1, 1, N)
        return self.project(self.pool(self.transformer(self.ln_pre(x), seen), seen))

    def _positions(self, height: int, width: int) -> Tensor:
        """Return the positions of a grid, ([1 +] height * width, D); another shape than the square is interpolated.

        As the towers that read every shape of image were trained: bilinear, with antialias, from G x G.
        """
        table = self.positional_embedding
        if (height, width) == (self.side, self.side):
            return table
        # channels last, as the view leaves it: PyTorch 2.13 gives wrong numbers for one column from a contiguous grid
        grid = wide(table).view(1, self.side, self.side, -1).permute(0, 3, 1, 2)  # (1, D, G, G)
        grid = F.interpolate(grid, (height, width), mode="bilinear", align_corners=False, antialias=True)
        return grid.flatten(2)[0].T.to(table.dtype)  # (height * width, D)


def tiered_stem(width: int, patch: int, padding: int) -> nn.Sequential:
    """Return convolutions of patch / 4, 2 and 2 pixels without overlap, GELU between, that end at the grid of `patch`.

    That of MobileCLIP-B (apple/ml-mobileclip, `models/vit.py`), the batch norms folded in; `padding` zeros lie
    around the image.
    """
    first, inner = patch // 4, width // 4
    return nn.Sequential(
        nn.Conv2d(3, inner, first, stride=first, padding=padding),
        nn.GELU(),
        nn.Conv2d(inner, inner, 2, stride=2),
        nn.GELU(),
        nn.Conv2d(inner, width, 2, stride=2),
    )


def conv_stem(width: int, patch: int) -> nn.Sequential:
    """Return 3x3 convolutions of stride 2 that end at the grid of `patch` (a power of two), then a 1x1 to `width`.

    Channels double at each step.  Xiao et al. 2021 ("Early convolutions help transformers see better"),
    with group norm in place of batch norm: an image's embedding then never depends on its batch.
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
