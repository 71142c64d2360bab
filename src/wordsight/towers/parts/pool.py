"""Pooling by attention: learned queries look at all tokens of an image and give one row.

Shapes: B batch, T tokens, D width of the tower, E width of the shared space, Q queries, H heads.
"""

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from wordsight.towers.parts.blocks import LayerNorm, Mlp, attend
from wordsight.towers.tower_spec import hidden_width
from wordsight.towers.vit.spec import VitSpec


class CrossAttention(nn.Module):
    """Multi-head attention of queries (B, Q, E) to tokens (B, T, D), named as torch.nn.MultiheadAttention's.

    One fused input projection where E = D, three where not.
    """

    causal, inputs = False, 2  # `wordsight.towers.tower.SplitAttention`

    def __init__(self, width: int, heads: int, *, token_width: int) -> None:
        super().__init__()
        self.heads = heads
        self.fused = width == token_width
        if self.fused:
            self.in_proj_weight = nn.Parameter(torch.empty(3 * width, width))
        else:
            self.q_proj_weight = nn.Parameter(torch.empty(width, width))
            self.k_proj_weight = nn.Parameter(torch.empty(width, token_width))
            self.v_proj_weight = nn.Parameter(torch.empty(width, token_width))
        for weight in self.parameters():
            nn.init.xavier_uniform_(weight)
        self.in_proj_bias = nn.Parameter(torch.zeros(3 * width))
        self.out_proj = nn.Linear(width, width)
        nn.init.zeros_(self.out_proj.bias)

    def forward(self, queries: Tensor, tokens: Tensor, mask: Tensor | None = None) -> Tensor:
        """Return (B, Q, E); `mask` as in `attend`."""
        query, key, value = self.split(queries, tokens)
        return self.join(attend(query, key, value, causal=False, mask=mask))

    def split(self, queries: Tensor, tokens: Tensor) -> tuple[Tensor, Tensor, Tensor]:
        """Return queries (B, H, Q, E/H), keys and values (B, H, T, E/H)."""
        if self.fused:
            weights = self.in_proj_weight.chunk(3)
        else:
            weights = (self.q_proj_weight, self.k_proj_weight, self.v_proj_weight)
        sources = (queries, tokens, tokens)
        biases = self.in_proj_bias.chunk(3)
        parts = [F.linear(x, w, b) for x, w, b in zip(sources, weights, biases, strict=True)]
        size = queries.shape[-1] // self.heads
        query, key, value = (p.view(*p.shape[:2], self.heads, size).transpose(1, 2) for p in parts)
        return query, key, value

    def join(self, mixed: Tensor) -> Tensor:
        """Return (B, Q, E) for what each head makes of the values, (B, H, Q, E/H)."""
        out: Tensor = self.out_proj(mixed.transpose(1, 2).flatten(2))
        return out


class ProbePool(nn.Module):
    """SigLIP's head: one learned query, then a residual MLP (Zhai et al. 2022, "Scaling vision transformers")."""

    def __init__(self, spec: VitSpec) -> None:
        super().__init__()
        width = spec.width
        self.probe = nn.Parameter(torch.empty(1, 1, width))
        nn.init.xavier_uniform_(self.probe)
        self.attn = CrossAttention(width, spec.pool_heads or spec.heads, token_width=width)
        self.ln = LayerNorm(width, spec.epsilon)
        self.mlp = Mlp(width, hidden_width(width, spec.pool_mlp_ratio or spec.mlp_ratio), spec.activation)

    def forward(self, tokens: Tensor, mask: Tensor | None = None) -> Tensor:
        """Return (B, D) for tokens (B, T, D); `mask` as in `attend`."""
        x = self.attn(self.probe.to(tokens.dtype).expand(len(tokens), -1, -1), tokens, mask)
        out: Tensor = x + self.mlp(self.ln(x))
        return out[:, 0]


class QueryPool(nn.Module):
    """CoCa's head (Yu et al. 2022): the first of Q learned queries is the image's, the others are for captions."""

    def __init__(self, spec: VitSpec, out_width: int) -> None:
        super().__init__()
        self.query = nn.Parameter(torch.randn(spec.pool_queries, out_width))
        self.attn = CrossAttention(out_width, spec.pool_heads or spec.heads, token_width=spec.width)
        self.ln_q = LayerNorm(out_width, spec.epsilon)
        self.ln_k = LayerNorm(spec.width, spec.epsilon)

    def forward(self, tokens: Tensor, mask: Tensor | None = None) -> Tensor:
        """Return (B, E) for tokens (B, T, D); `mask` as in `attend`."""
        query = self.ln_q(self.query[:1]).to(tokens.dtype).expand(len(tokens), -1, -1)  # (B, 1, E)
        out: Tensor = self.attn(query, self.ln_k(tokens), mask)
        return out[:, 0]
