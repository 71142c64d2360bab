"""BERT's encoder as a module: token ids (B, L) to one row each.

Devlin et al. 2019 ("BERT"); pooled by the mean as sentence-transformers do (Reimers and Gurevych 2019), or read at
the first token.

Shapes: B batch, L tokens of a text, D width of the tower, E width of the shared space.
"""

from collections.abc import Iterator

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from wordsight.base.errors import UsageError
from wordsight.towers.bert.spec import BertSpec
from wordsight.towers.parts.blocks import LayerNorm, Stack, Transformer, hidden_units
from wordsight.towers.tower_spec import hidden_width

STD = 0.02  # of weights at the start; google-research/bert, `modeling.py`


class BertTower(nn.Module):
    """A `wordsight.towers.tower.CutTextTower`: embeddings, blocks with norms behind the sums, pooling, projection."""

    proj: nn.Parameter | nn.Linear

    def __init__(self, spec: BertSpec, out_width: int) -> None:
        super().__init__()
        width = spec.width
        self.spec = spec
        self.width, self.heads, self.depth = width, spec.heads, spec.layers
        self.token_embedding = nn.Embedding(spec.vocabulary_size, width)
        self.positional_embedding = nn.Parameter(torch.empty(spec.context_length, width))
        self.ln_pre = LayerNorm(width, spec.epsilon)
        self.dropout = nn.Dropout(spec.dropout)
        stack = Stack(
            width,
            layers=spec.layers,
            heads=spec.heads,
            hidden=hidden_width(width, spec.mlp_ratio),
            activation=spec.activation,
            epsilon=spec.epsilon,
            norm_order="post",
        )
        self.transformer = Transformer(stack, [nn.Dropout(spec.dropout) for _ in range(spec.layers)])
        if spec.pool == "pooler":
            self.pooler = nn.Linear(width, width)
        if spec.projection == "matrix":
            self.proj = nn.Parameter(torch.empty(width, out_width))
        elif spec.projection == "linear":
            self.proj = nn.Linear(width, out_width)
        for name, weight in self.named_parameters():
            if weight.ndim > 1:
                nn.init.normal_(weight, std=STD)
            elif name.endswith("bias"):
                nn.init.zeros_(weight)
        if spec.projection != "none" and width == out_width:  # the space of a sentence encoder is worth keeping
            nn.init.eye_(self.proj.weight if isinstance(self.proj, nn.Linear) else self.proj)
        self.hidden: nn.Module | None = None
        if spec.hidden:
            self.hidden, self.out = hidden_units(width, spec.hidden, out_width)

    def forward(self, tokens: Tensor) -> Tensor:
        """Return (B, E) for token ids (B, L)."""
        return self.project(self.features(tokens))

    def features(self, tokens: Tensor) -> Tensor:
        """Return the pooled row of each text, (B, D)."""
        return self.rest(self.embed(tokens), tokens, 0)

    def rest(self, state: Tensor, tokens: Tensor, first: int) -> Tensor:
        """Return the pooled row of each text, (B, D), for the state (B, L, D) that enters block `first`."""
        seen = self._seen(tokens)
        for block in self.transformer.resblocks[first:]:
            state = block(state, seen)
        return self.pool(state, tokens)

    def states(self, tokens: Tensor) -> Iterator[Tensor]:
        """Yield what enters the first block and what leaves each, layers + 1 times (B, L, D)."""
        yield from self.transformer.states(self.embed(tokens), self._seen(tokens))

    def embed(self, tokens: Tensor) -> Tensor:
        """Return what enters the first block, (B, L, D); too long texts raise `UsageError`."""
        length, limit = tokens.shape[1], self.spec.context_length
        if length > limit:
            raise UsageError(f"texts of {length} tokens", cure=f"this tower reads at most {limit}")
        out: Tensor = self.dropout(self.ln_pre(self.token_embedding(tokens) + self.positional_embedding[:length]))
        return out

    def pool(self, x: Tensor, tokens: Tensor) -> Tensor:
        """Return one row for the states after the last block: (B, L, D) to (B, D)."""
        if self.spec.pool == "mean":
            weight = (tokens != self.spec.pad_id)[:, :, None].to(x.dtype)  # (B, L, 1)
            return (x * weight).sum(dim=1) / weight.sum(dim=1)
        return torch.tanh(self.pooler(x[:, 0])) if self.spec.pool == "pooler" else x[:, 0]

    def project(self, pooled: Tensor) -> Tensor:
        """Return (B, E) for pooled rows (B, D)."""
        if self.spec.projection == "none":
            return pooled
        out: Tensor = self.proj(pooled) if isinstance(self.proj, nn.Linear) else pooled @ self.proj
        return out if self.hidden is None else out + self.out(F.gelu(self.hidden(pooled)))

    def _seen(self, tokens: Tensor) -> Tensor:
        """Return which tokens every token sees, (B, 1, 1, L)."""
        return (tokens != self.spec.pad_id)[:, None, None]
