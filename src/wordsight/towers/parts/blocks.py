"""The parts that both transformers are made of: layer norm, attention, MLP, residual block, stack.

Shapes: B batch, T tokens, D width, H heads.  Parameter names are those of OpenAI's checkpoints
(`resblocks.0.attn.in_proj_weight`, `resblocks.0.mlp.c_fc.weight`), so that public weights fit one to one.
Knows nothing of images, words or pooling.
"""

import math
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from typing import Literal

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from wordsight.towers.tower_spec import Activation


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


def hidden_units(width: int, units: int, out_width: int) -> tuple[nn.Linear, nn.Linear]:
    """Return the two layers of hidden units beside a projection from `width` to `out_width`, which begin as nothing."""
    inner, outer = nn.Linear(width, units), nn.Linear(units, out_width, bias=False)
    nn.init.zeros_(outer.weight)
    return inner, outer


class LayerNorm(nn.LayerNorm):
    """Layer norm computed in float32 whatever the dtype around it."""

    def forward(self, x: Tensor) -> Tensor:
        """Keep shape and dtype."""
        normed = F.layer_norm(wide(x), self.normalized_shape, wide(self.weight), wide(self.bias), self.eps)
        return normed.to(x.dtype)


def attend(query: Tensor, key: Tensor, value: Tensor, *, causal: bool, mask: Tensor | None = None) -> Tensor:
    """Return softmax(query key^T / sqrt(D/H)) value, (B, H, T, D/H).

    `query` is (B, H, T, D/H), the others (B, H, S, D/H). `causal` hides later tokens (then S = T); `mask`,
    true where a token is seen, broadcasts to (B, H, T, S).
    On the CPU in bfloat16 the products are written out: the backward pass of PyTorch's fused kernel
    takes five times as long there (157 against 28 ms for 256 x 4 heads of 16 tokens, PyTorch 2.13).
    """
    written_out = query.device.type == "cpu" and query.dtype == torch.bfloat16
    if causal and (written_out or mask is not None):
        length = query.shape[-2]
        earlier = torch.ones(length, length, dtype=torch.bool, device=query.device).tril()
        mask = earlier if mask is None else earlier & mask
    if not written_out:
        return F.scaled_dot_product_attention(query, key, value, mask, is_causal=causal and mask is None)
    scores = query @ key.transpose(-2, -1) * query.shape[-1] ** -0.5  # (B, H, T, S)
    if mask is not None:
        scores = scores.masked_fill(~mask, float("-inf"))
    return wide(scores).softmax(dim=-1).to(value.dtype) @ value


@dataclass(frozen=True, slots=True)
class Stack:
    """The shape of a stack of residual blocks: what every block of it has in common."""

    width: int
    layers: int
    heads: int
    hidden: int  # width of the MLP
    activation: Activation = "gelu"
    epsilon: float = 1e-5
    layer_scale: bool = False
    causal: bool = False
    norm_order: Literal["pre", "post"] = "pre"


class Attention(nn.Module):
    """Multi-head self-attention with one fused input projection; `causal` hides later tokens.

    `rotary` turns queries and keys, each (B, H, T, D/H), by their position.
    """

    inputs = 1  # `wordsight.towers.tower.SplitAttention`

    def __init__(self, width: int, heads: int, *, causal: bool, rotary: nn.Module | None = None) -> None:
        super().__init__()
        self.heads = heads
        self.causal = causal
        self.in_proj_weight = nn.Parameter(torch.empty(3 * width, width))
        self.in_proj_bias = nn.Parameter(torch.zeros(3 * width))
        self.out_proj = nn.Linear(width, width)
        self.rotary = rotary
        nn.init.xavier_uniform_(self.in_proj_weight)  # as torch.nn.MultiheadAttention, which the originals use
        nn.init.zeros_(self.out_proj.bias)

    def forward(self, x: Tensor, mask: Tensor | None = None) -> Tensor:
        """Return (B, T, D) for (B, T, D); `mask` as in `attend`."""
        query, key, value = self.split(x)
        return self.join(attend(query, key, value, causal=self.causal, mask=mask))

    def split(self, x: Tensor) -> tuple[Tensor, Tensor, Tensor]:
        """Return queries, keys and values of (B, T, D), each (B, H, T, D/H)."""
        batch, length, width = x.shape
        packed = F.linear(x, self.in_proj_weight, self.in_proj_bias)  # (B, T, 3D)
        split = packed.view(batch, length, 3, self.heads, width // self.heads)  # (B, T, 3, H, D/H)
        query, key, value = split.permute(2, 0, 3, 1, 4).unbind(0)  # each (B, H, T, D/H)
        if self.rotary is not None:
            query, key = self.rotary(query), self.rotary(key)
        return query, key, value

    def join(self, mixed: Tensor) -> Tensor:
        """Return (B, T, D) for what each head makes of the values, (B, H, T, D/H)."""
        out: Tensor = self.out_proj(mixed.transpose(1, 2).flatten(2))  # (B, T, D)
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


class LayerScale(nn.Module):
    """A learned factor for each channel of a residual branch (Touvron et al. 2021, "Going deeper")."""

    START = 1e-5  # the paper's for deep towers

    def __init__(self, width: int) -> None:
        super().__init__()
        self.gamma = nn.Parameter(torch.full((width,), self.START))

    def forward(self, x: Tensor) -> Tensor:
        """Return (B, T, D) for (B, T, D)."""
        return x * self.gamma


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
    """Residual block: attention, then MLP; `drop` acts on both branches while training.

    Norms stand before the branches ("pre"), or behind the sums ("post": Vaswani et al. 2017, BERT).
    """

    def __init__(self, stack: Stack, drop: nn.Module, rotary: nn.Module | None = None) -> None:
        super().__init__()
        width = stack.width
        self.post = stack.norm_order == "post"
        self.ln_1 = LayerNorm(width, stack.epsilon)
        self.attn = Attention(width, stack.heads, causal=stack.causal, rotary=rotary)
        self.ln_2 = LayerNorm(width, stack.epsilon)
        self.mlp = Mlp(width, stack.hidden, stack.activation)
        self.ls_1 = LayerScale(width) if stack.layer_scale else nn.Identity()
        self.ls_2 = LayerScale(width) if stack.layer_scale else nn.Identity()
        self.drop = drop

    def forward(self, x: Tensor, mask: Tensor | None = None) -> Tensor:
        """Return (B, T, D) for (B, T, D); `mask` as in `attend`."""
        if self.post:
            x = self.ln_1(x + self.drop(self.ls_1(self.attn(x, mask))))
            last: Tensor = self.ln_2(x + self.drop(self.ls_2(self.mlp(x))))
            return last
        x = x + self.attended(x, mask)
        out: Tensor = x + self.drop(self.ls_2(self.mlp(self.ln_2(x))))
        return out

    def attended(self, x: Tensor, mask: Tensor | None = None) -> Tensor:
        """Return what the attention of a block with norms before its branches adds to `x`, (B, T, D)."""
        out: Tensor = self.drop(self.ls_1(self.attn(self.ln_1(x), mask)))
        return out


class Transformer(nn.Module):
    """A stack of blocks, one for each of `drops`, which act on the residual branches while training.

    `mixers`: a layer before the first block and one after the last, each (B, T, D) to (B, T, D).
    """

    def __init__(
        self,
        stack: Stack,
        drops: Sequence[nn.Module],
        rotary: nn.Module | None = None,
        *,
        mixers: nn.ModuleList | None = None,
    ) -> None:
        super().__init__()
        self.resblocks = nn.ModuleList([Block(stack, drop, rotary) for drop in drops])
        self.mixers = mixers

    def forward(self, x: Tensor, mask: Tensor | None = None) -> Tensor:
        """Return (B, T, D) for (B, T, D); `mask` as in `attend`."""
        x = self._mixed(x, 0)
        for block in self.resblocks:
            x = block(x, mask)
        return self._mixed(x, 1)

    def states(self, x: Tensor, mask: Tensor | None = None) -> Iterator[Tensor]:
        """Yield what enters the first block and what leaves each, layers + 1 times (B, T, D)."""
        x = self._mixed(x, 0)
        yield x
        for number, block in enumerate(self.resblocks, start=1):
            x = block(x, mask)
            yield self._mixed(x, 1) if number == len(self.resblocks) else x

    def _mixed(self, x: Tensor, mixer: int) -> Tensor:
        return x if self.mixers is None else self.mixers[mixer](x)


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
