"""Two towers, one space: the module that is trained, saved and exported.

Shapes: B batch, S side of the picture in pixels, L tokens of a text, D width of the text tower, E width of
the shared space.  The text tower's parameters lie at the root, as in OpenAI's checkpoints.
Knows nothing of files, tokenizers or losses.
"""

import math

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from wordsight.base.errors import UsageError
from wordsight.towers.parts import LayerNorm, Mlp, Transformer, init_like_clip, wide
from wordsight.towers.spec import ModelSpec

MAX_LOG_SCALE = math.log(100.0)  # Radford et al. 2021, section 2.5: logits are never scaled by more than 100


class TwoTowers(nn.Module):
    """An image tower (`visual`), a text tower, and the learned log scale (and bias) of their cosines.

    `logit_scale` is the logarithm of the scale; read the scale through `scale`, which is clamped.
    `logit_bias` is None unless the spec has a bias.  Made by `wordsight.towers.build.build`.
    """

    def __init__(self, spec: ModelSpec, visual: nn.Module) -> None:
        super().__init__()
        text = spec.text
        self.spec = spec
        self.visual = visual
        self.token_embedding = nn.Embedding(text.vocabulary_size, text.width)
        self.positional_embedding = nn.Parameter(torch.empty(text.context_length, text.width))
        self.dropout = nn.Dropout(text.dropout)
        self.transformer = Transformer(
            text.width,
            heads=text.heads,
            mlp=lambda: Mlp(text.width, int(text.width * text.mlp_ratio), text.activation),
            drops=[nn.Dropout(text.dropout) for _ in range(text.layers)],
            causal=True,
        )
        self.ln_final = LayerNorm(text.width)
        self.text_projection = nn.Parameter(torch.empty(text.width, spec.width))
        self.logit_scale = nn.Parameter(torch.tensor(math.log(spec.scale)))
        self.logit_bias = None if spec.bias is None else nn.Parameter(torch.tensor(spec.bias))
        self._init_text()

    def _init_text(self) -> None:
        """Standard deviations of openai/CLIP `model.py`."""
        width = self.spec.text.width
        nn.init.normal_(self.token_embedding.weight, std=0.02)
        nn.init.normal_(self.positional_embedding, std=0.01)
        nn.init.normal_(self.text_projection, std=width**-0.5)
        init_like_clip(self.transformer, width)

    @property
    def scale(self) -> Tensor:
        """What cosines are multiplied by, a scalar; at most 100 for softmax towers.

        Towers for the sigmoid loss are not clamped: published ones have learned scales above 100.
        """
        return self._clamped().exp()

    def clamp_scale_(self) -> None:
        """Bring the stored log scale back to its limit; call after each optimiser step, or it stays there for good."""
        with torch.no_grad():
            self.logit_scale.copy_(self._clamped())

    def _clamped(self) -> Tensor:
        return self.logit_scale.clamp(max=MAX_LOG_SCALE) if self.spec.loss == "softmax" else self.logit_scale

    def encode_image(self, pixels: Tensor, *, normalize: bool = True) -> Tensor:
        """Return one row for each picture: normalised pixels (B, 3, S, S) to (B, E), float32 unit rows.

        With `normalize=False` the projection's output as it is.  Pixels of another size raise `UsageError`.
        """
        size = self.spec.image.size
        if pixels.ndim != 4 or tuple(pixels.shape[1:]) != (3, size, size):
            raise UsageError(
                f"pixels of shape {tuple(pixels.shape)}", cure=f"{self.spec.name} wants (B, 3, {size}, {size})"
            )
        rows: Tensor = self.visual(pixels.to(self.text_projection.dtype))
        return F.normalize(wide(rows), dim=-1) if normalize else rows

    def encode_text(self, tokens: Tensor, *, normalize: bool = True, trim: bool = True) -> Tensor:
        """Return one row for each text: token ids (B, L) to (B, E), float32 unit rows.

        The end token has the largest id; each text is read up to its first one and what follows is never
        looked at (attention is causal).  So with `trim` only the positions up to the batch's last end
        token are computed, which changes nothing but the time (and waits for the device once).  Give
        `trim=False` where the tokens are already cut, or for tracing.
        """
        ends = tokens.argmax(dim=-1)  # (B,)
        if trim and len(tokens) > 0:
            tokens = tokens[:, : int(ends.max()) + 1]
        length, limit = tokens.shape[1], self.spec.text.context_length
        if length > limit:
            raise UsageError(f"texts of {length} tokens", cure=f"{self.spec.name} reads at most {limit}")
        x = self.token_embedding(tokens) + self.positional_embedding[:length]  # (B, L, D)
        x = self.transformer(self.dropout(x))
        x = x[torch.arange(x.shape[0], device=x.device), ends]  # (B, D)
        rows: Tensor = self.ln_final(x) @ self.text_projection
        return F.normalize(wide(rows), dim=-1) if normalize else rows

    def forward(self, pixels: Tensor, tokens: Tensor) -> tuple[Tensor, Tensor]:
        """Return the unit rows of pictures and texts, each (B, E)."""
        return self.encode_image(pixels), self.encode_text(tokens)
