"""EVA's vision transformer, in all its published forms.

Fang et al. 2022 ("EVA") and 2023 ("EVA-02"), Sun et al. 2023 ("EVA-CLIP") and 2024 ("EVA-CLIP-18B"): a vision
transformer whose attention has no key bias, with, by `EvaSpec`, rotary positions beside the learned ones,
a gated MLP, norms inside attention and MLP, norms after the branches, norms without mean and bias.

Shapes: B batch, S side of the image in pixels, G side of the patch grid, T = G*G + 1 tokens, D width of the
tower, H heads, F inner width of the MLP, E width of the shared space.  Knows nothing of text.
"""

import math
from collections.abc import Iterator

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from wordsight.towers.eva.angles import eva_angles
from wordsight.towers.eva.spec import EvaSpec
from wordsight.towers.parts.blocks import ACTIVATIONS, DropPath, LayerNorm, attend, wide
from wordsight.towers.parts.rotary import Rotary
from wordsight.towers.tower_spec import hidden_width

STD = 0.02  # of weights at the start; baaivision/EVA, eva_vit_model.py
GAMMA = 1e-5  # layer scale at the start
HEAD = 0.001  # factor on the projection at the start


class RmsNorm(nn.Module):
    """Division by the root of the mean square, without mean and bias, in float32 (Zhang and Sennrich 2019)."""

    def __init__(self, width: int, epsilon: float) -> None:
        super().__init__()
        self.weight = nn.Parameter(torch.ones(width))
        self.epsilon = epsilon

    def forward(self, x: Tensor) -> Tensor:
        """Keep shape and dtype."""
        flat = wide(x)
        normed = flat * torch.rsqrt(flat.square().mean(dim=-1, keepdim=True) + self.epsilon)
        return (normed * wide(self.weight)).to(x.dtype)


class EvaAttention(nn.Module):
    """Self-attention with one fused input projection; query and value may have a bias, the key never has."""

    causal, inputs = False, 1  # `wordsight.towers.tower.SplitAttention`

    def __init__(self, spec: EvaSpec, rotary: nn.Module | None) -> None:
        super().__init__()
        width = spec.width
        self.heads = spec.heads
        self.qkv = nn.Linear(width, 3 * width, bias=False)
        if spec.attention_bias == "no_key":
            self.q_bias: nn.Parameter | None = nn.Parameter(torch.zeros(width))
            self.v_bias: nn.Parameter | None = nn.Parameter(torch.zeros(width))
        else:
            self.q_bias = self.v_bias = None
        self.rotary = rotary
        self.norm = _norm(spec, width) if spec.inner_norm else nn.Identity()
        self.proj = nn.Linear(width, width)

    def forward(self, x: Tensor) -> Tensor:
        """Return (B, T, D) for (B, T, D)."""
        query, key, value = self.split(x)
        return self.join(attend(query, key, value, causal=False))

    def split(self, x: Tensor) -> tuple[Tensor, Tensor, Tensor]:
        """Return queries, keys and values of (B, T, D), each (B, H, T, D/H)."""
        bias = None
        if self.q_bias is not None and self.v_bias is not None:
            bias = torch.cat([self.q_bias, torch.zeros_like(self.q_bias), self.v_bias])  # (3D,)
        packed = F.linear(x, self.qkv.weight, bias)  # (B, T, 3D)
        split = packed.view(*x.shape[:2], 3, self.heads, -1)  # (B, T, 3, H, D/H)
        query, key, value = split.permute(2, 0, 3, 1, 4).unbind(0)  # each (B, H, T, D/H)
        if self.rotary is not None:
            query, key = self.rotary(query), self.rotary(key)
        return query, key, value

    def join(self, mixed: Tensor) -> Tensor:
        """Return (B, T, D) for what each head makes of the values, (B, H, T, D/H)."""
        out: Tensor = self.proj(self.norm(mixed.transpose(1, 2).flatten(2)))
        return out


class EvaMlp(nn.Module):
    """Two linear layers; "swiglu" makes twice the inner width, gate first: activation(gate) times the rest."""

    def __init__(self, spec: EvaSpec) -> None:
        super().__init__()
        hidden = hidden_width(spec.width, spec.mlp_ratio)
        self.gated = spec.mlp == "swiglu"
        self.fc1 = nn.Linear(spec.width, 2 * hidden if self.gated else hidden)
        self.activation = ACTIVATIONS[spec.activation]
        self.norm = _norm(spec, hidden) if spec.inner_norm else nn.Identity()
        self.fc2 = nn.Linear(hidden, spec.width)

    def forward(self, x: Tensor) -> Tensor:
        """Return (B, T, D) for (B, T, D)."""
        x = self.fc1(x)
        if self.gated:
            gate, rest = x.chunk(2, dim=-1)  # each (B, T, F)
            x = self.activation(gate) * rest
        else:
            x = self.activation(x)
        out: Tensor = self.fc2(self.norm(x))
        return out


class EvaBlock(nn.Module):
    """Residual block; norms before the branches ("pre") or on their results ("post")."""

    def __init__(self, spec: EvaSpec, drop: nn.Module, rotary: nn.Module | None) -> None:
        super().__init__()
        self.post = spec.norm_order == "post"
        self.norm1 = _norm(spec, spec.width)
        self.attn = EvaAttention(spec, rotary)
        self.norm2 = _norm(spec, spec.width)
        self.mlp = EvaMlp(spec)
        self.drop = drop
        if spec.layer_scale:
            self.gamma_1: nn.Parameter | None = nn.Parameter(torch.full((spec.width,), GAMMA))
            self.gamma_2: nn.Parameter | None = nn.Parameter(torch.full((spec.width,), GAMMA))
        else:
            self.gamma_1 = self.gamma_2 = None

    def forward(self, x: Tensor) -> Tensor:
        """Return (B, T, D) for (B, T, D)."""
        x = x + self.attended(x)
        return x + self._branch(x, self.norm2, self.mlp, self.gamma_2)

    def attended(self, x: Tensor) -> Tensor:
        """Return what attention adds to `x`, (B, T, D)."""
        return self._branch(x, self.norm1, self.attn, self.gamma_1)

    def _branch(self, x: Tensor, norm: nn.Module, inner: nn.Module, gamma: nn.Parameter | None) -> Tensor:
        out: Tensor = norm(inner(x)) if self.post else inner(norm(x))
        if gamma is not None:
            out = gamma * out
        dropped: Tensor = self.drop(out)
        return dropped


class PatchEmbed(nn.Module):
    """One convolution of stride `patch`."""

    def __init__(self, spec: EvaSpec) -> None:
        super().__init__()
        self.proj = nn.Conv2d(3, spec.width, spec.patch, stride=spec.patch)

    def forward(self, pixels: Tensor) -> Tensor:
        """Return the patches row by row, (B, G*G, D), of pixels (B, 3, S, S)."""
        grid: Tensor = self.proj(pixels)  # (B, D, G, G)
        return grid.flatten(2).transpose(1, 2)


class EvaTransformer(nn.Module):
    """Pixels (B, 3, S, S), normalised, to (B, E)."""

    def __init__(self, spec: EvaSpec, out_width: int) -> None:
        super().__init__()
        width, side = spec.width, spec.size // spec.patch
        self.spec = spec
        self.width, self.heads, self.depth, self.cell = width, spec.heads, spec.layers, spec.patch
        self.extra = 1  # tokens before those of the patches
        self.patch_embed = PatchEmbed(spec)
        self.cls_token = nn.Parameter(torch.empty(1, 1, width))
        self.pos_embed = nn.Parameter(torch.empty(1, side * side + 1, width))
        angles = eva_angles(spec)
        rotary = None if angles is None else Rotary(torch.from_numpy(angles))
        last = max(spec.layers - 1, 1)
        drops = [DropPath(spec.drop_path * i / last) for i in range(spec.layers)]
        self.blocks = nn.ModuleList([EvaBlock(spec, drop, rotary) for drop in drops])
        self.norm = _norm(spec, width)
        if spec.projection == "matrix":
            self.proj = nn.Parameter(torch.empty(width, out_width))
        else:
            self.head = nn.Linear(width, out_width)
        self._init()

    def _init(self) -> None:
        """As baaivision/EVA, eva_vit_model.py: normal, residual projections scaled down with depth, a small head."""
        for name, weight in self.named_parameters():
            if weight.ndim > 1 and not name.startswith("patch_embed"):
                nn.init.normal_(weight, std=STD)
            elif name.endswith("bias") and not name.startswith("patch_embed"):
                nn.init.zeros_(weight)
        with torch.no_grad():
            for depth, block in enumerate(self.blocks, start=1):
                assert isinstance(block, EvaBlock)
                block.attn.proj.weight.div_(math.sqrt(2 * depth))
                block.mlp.fc2.weight.div_(math.sqrt(2 * depth))
            (self.proj if self.spec.projection == "matrix" else self.head.weight).mul_(HEAD)

    def forward(self, pixels: Tensor) -> Tensor:
        """Return the embedding of each image, (B, E), not normalised."""
        return self.project(self.pool(self.last(pixels)))

    def last(self, pixels: Tensor) -> Tensor:
        """Return the tokens after the last block, (B, T, D); the class token is the first."""
        x = self.embed(pixels)
        for block in self.blocks:
            x = block(x)
        return x

    def states(self, pixels: Tensor) -> Iterator[Tensor]:
        """Yield what enters the first block and what leaves each, layers + 1 times (B, T, D)."""
        x = self.embed(pixels)
        yield x
        for block in self.blocks:
            x = block(x)
            yield x

    def rest(self, state: Tensor, first: int) -> Tensor:
        """Return the tokens after the last block for those that enter block `first`, (B, T, D)."""
        for block in self.blocks[first:]:
            state = block(state)
        return state

    def embed(self, pixels: Tensor) -> Tensor:
        """Return what enters the first block, (B, T, D)."""
        x = self.patch_embed(pixels)
        first = self.cls_token.to(x.dtype).expand(len(x), -1, -1)  # (B, 1, D)
        out: Tensor = torch.cat([first, x], dim=1) + self.pos_embed
        return out

    def read(self, tokens: Tensor) -> Tensor:
        """Return the tokens after the last block as pooling reads them, (B, T, D): as they are."""
        return tokens

    def pool(self, tokens: Tensor) -> Tensor:
        """Return one normed row for the tokens after the last block (B, T, D)."""
        if self.spec.pool == "class":
            pooled = tokens[:, 0]
        else:
            pooled = (tokens[:, self.extra :] if self.spec.pool == "mean" else tokens).mean(dim=1)
        out: Tensor = self.norm(pooled)
        return out

    def project(self, pooled: Tensor) -> Tensor:
        """Return (B, E) for pooled rows."""
        out: Tensor = pooled @ self.proj if self.spec.projection == "matrix" else self.head(pooled)
        return out


def _norm(spec: EvaSpec, width: int) -> nn.Module:
    return RmsNorm(width, spec.epsilon) if spec.norm == "rms" else LayerNorm(width, spec.epsilon)
