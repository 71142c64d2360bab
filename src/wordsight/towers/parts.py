"""The parts that both transformers are made of: layer norm, attention, MLP, residual block, stack.

Shapes: B batch, T tokens, D width, H heads.  Parameter names are those of OpenAI's checkpoints
(`resblocks.0.attn.in_proj_weight`, `resblocks.0.mlp.c_fc.weight`), so that public weights fit one to one.
Knows nothing of pictures, words or pooling.
"""

import math
from collections.abc import Callable, Sequence

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from wordsight.towers.spec import Activation


def wide(x: Tensor) -> Tensor:
    """Return `x` in float32, or in float64 where it is that already."""
    return x.to(torch.promote_types(x.dtype, torch.float32))


def quick_gelu(x: Tensor) -> Tensor:
    """Return x * sigmoid(1.702 x), the approximation of GELU that OpenAI's towers were trained with."""
    return x * torch.sigmoid(1.702 * x)


ACTIVATIONS: dict[Activation, Callable[[Tensor], Tensor]] = {
    "gelu": F.gelu,
    "quick_gelu": quick_gelu,
    "gelu_tanh": lambda x: F.gelu(x, approximate="tanh"),
    "silu": F.silu,
}


class LayerNorm(nn.LayerNorm):
    """Layer norm computed in float32 whatever the dtype around it."""

    def forward(self, x: Tensor) -> Tensor:
        """Keep shape and dtype."""
        normed = F.layer_norm(wide(x), self.normalized_shape, wide(self.weight), wide(self.bias), self.eps)
        return normed.to(x.dtype)


def attend(query: Tensor, key: Tensor, value: Tensor, *, causal: bool) -> Tensor:
    """Return softmax(query key^T / sqrt(D/H)) value, (B, H, T, D/H), for three of that shape.

    On the CPU in bfloat16 the products are written out: the backward pass of PyTorch's fused kernel
    takes five times as long there (157 against 28 ms for 256 x 4 heads of 16 tokens, PyTorch 2.13).
    """
    if query.device.type != "cpu" or query.dtype != torch.bfloat16:
        return F.scaled_dot_product_attention(query, key, value, is_causal=causal)
    scores = query @ key.transpose(-2, -1) * query.shape[-1] ** -0.5  # (B, H, T, T)
    if causal:
        length = query.shape[-2]
        later = torch.ones(length, length, dtype=torch.bool, device=query.device).triu(1)
        scores = scores.masked_fill(later, float("-inf"))
    return wide(scores).softmax(dim=-1).to(value.dtype) @ value


class Attention(nn.Module):
    """Multi-head self-attention with one fused input projection; `causal` hides later tokens."""

    def __init__(self, width: int, heads: int, *, causal: bool) -> None:
        super().__init__()
        self.heads = heads
        self.causal = causal
        self.in_proj_weight = nn.Parameter(torch.empty(3 * width, width))
        self.in_proj_bias = nn.Parameter(torch.zeros(3 * width))
        self.out_proj = nn.Linear(width, width)
        nn.init.xavier_uniform_(self.in_proj_weight)  # as torch.nn.MultiheadAttention, which the originals use
        nn.init.zeros_(self.out_proj.bias)

    def forward(self, x: Tensor) -> Tensor:
        """Return (B, T, D) for (B, T, D)."""
        batch, length, width = x.shape
        packed = F.linear(x, self.in_proj_weight, self.in_proj_bias)  # (B, T, 3D)
        split = packed.view(batch, length, 3, self.heads, width // self.heads)  # (B, T, 3, H, D/H)
        query, key, value = split.permute(2, 0, 3, 1, 4).unbind(0)  # each (B, H, T, D/H)
        mixed = attend(query, key, value, causal=self.causal)
        out: Tensor = self.out_proj(mixed.transpose(1, 2).reshape(batch, length, width))  # (B, T, D)
        return out


class Mlp(nn.Module):
    """Two linear layers with an activation between."""

    def __init__(self, width: int, hidden: int, activation: Activation) -> None:
        super().__init__()
        self.c_fc = nn.Linear(width, hidden)
        self.c_proj = nn.Linear(hidden, width)
        self.activation = ACTIVATIONS[activation]

    def forward(self, x: Tensor) -> Tensor:
        """Return (B, T, D) for (B, T, D)."""
        out: Tensor = self.c_proj(self.activation(self.c_fc(x)))
        return out


class DropPath(nn.Module):
    """Leave out the residual branch of a whole sample with probability `rate` while training (Huang et al. 2016)."""

    def __init__(self, rate: float) -> None:
        super().__init__()
        self.rate = rate

    def forward(self, x: Tensor) -> Tensor:
        """Return `x` (B, T, D) with some samples zero and the others scaled up; unchanged in evaluation mode."""
        if not self.training or self.rate == 0.0:
            return x
        keep = 1.0 - self.rate
        mask = torch.empty(x.shape[0], 1, 1, dtype=x.dtype, device=x.device).bernoulli_(keep)  # (B, 1, 1)
        return x * (mask / keep)


class Block(nn.Module):
    """Pre-norm residual block: attention, then MLP; `drop` acts on both branches while training."""

    def __init__(self, attn: Attention, mlp: Mlp, drop: nn.Module, *, width: int) -> None:
        super().__init__()
        self.ln_1 = LayerNorm(width)
        self.attn = attn
        self.ln_2 = LayerNorm(width)
        self.mlp = mlp
        self.drop = drop

    def forward(self, x: Tensor) -> Tensor:
        """Return (B, T, D) for (B, T, D)."""
        x = x + self.drop(self.attn(self.ln_1(x)))
        out: Tensor = x + self.drop(self.mlp(self.ln_2(x)))
        return out


class Transformer(nn.Module):
    """A stack of blocks, one for each of `drops`; `mlp` makes the MLP of each."""

    def __init__(
        self, width: int, *, heads: int, mlp: Callable[[], Mlp], drops: Sequence[nn.Module], causal: bool = False
    ) -> None:
        super().__init__()
        blocks = [Block(Attention(width, heads, causal=causal), mlp(), drop, width=width) for drop in drops]
        self.resblocks = nn.ModuleList(blocks)

    def forward(self, x: Tensor) -> Tensor:
        """Return (B, T, D) for (B, T, D)."""
        for block in self.resblocks:
            x = block(x)
        return x


def init_like_clip(stack: Transformer, width: int) -> None:
    """Initialise the blocks as OpenAI's text tower: normal, residual projections scaled down with depth.

    openai/CLIP `model.py`, `initialize_parameters`; the depth factor is that of GPT-2.
    """
    attn_std = width**-0.5
    proj_std = attn_std * (2 * len(stack.resblocks)) ** -0.5
    fc_std = (2 * width) ** -0.5
    for block in stack.resblocks:
        assert isinstance(block, Block)
        nn.init.normal_(block.attn.in_proj_weight, std=attn_std)
        nn.init.normal_(block.attn.out_proj.weight, std=proj_std)
        nn.init.normal_(block.mlp.c_fc.weight, std=fc_std)
        nn.init.normal_(block.mlp.c_proj.weight, std=proj_std)


def grid_positions(side: int, width: int) -> Tensor:
    """Return the fixed sine-cosine positions of a square grid, row by row: (side * side, width).

    The first half of the channels encodes the row, the second half the column, each as sines then
    cosines of geometrically spaced frequencies (Vaswani et al. 2017; 2-D form of Chen et al. 2021).
    `width` is a multiple of 4.  Always made on the CPU, also inside a meta-device context.
    """
    count = width // 4
    steps = torch.arange(count, dtype=torch.float64, device="cpu")
    frequencies = torch.exp(-math.log(10000.0) * steps / count)
    angles = torch.arange(side, dtype=torch.float64, device="cpu")[:, None] * frequencies  # (side, D/4)
    line = torch.cat([angles.sin(), angles.cos()], dim=1)  # (side, D/2)
    rows = line[:, None, :].expand(side, side, -1)
    columns = line[None, :, :].expand(side, side, -1)
    return torch.cat([rows, columns], dim=2).reshape(side * side, width).float()
