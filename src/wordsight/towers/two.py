"""Two towers, one space: the module that is trained, saved and exported.

Shapes: B batch, S side of the image in pixels, L tokens of a text, D width of the text tower, E width of
the shared space.  The text tower's parameters lie at the root, as in OpenAI's checkpoints.
Knows nothing of files, tokenizers or losses.
"""

import math

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from wordsight.base.errors import UsageError
from wordsight.towers.clip_text.mixer import TokenMixer
from wordsight.towers.clip_text.reading import cut, pick, seen
from wordsight.towers.clip_text.spec import ClipTextSpec
from wordsight.towers.parts.blocks import LayerNorm, Stack, Transformer, init_like_clip, wide
from wordsight.towers.spec import ModelSpec
from wordsight.towers.tower import ImageTower, OtherImageTower, PatchTower, TextTower
from wordsight.towers.tower_spec import hidden_width

MAX_LOG_SCALE = math.log(100.0)  # Radford et al. 2021, section 2.5: logits are never scaled by more than 100


class TwoTowers(nn.Module):
    """An image tower (`visual`), a text tower, and the learned log scale (and bias) of their cosines.

    `logit_scale` is the logarithm of the scale; read the scale through `scale`, which is clamped.
    `logit_bias` is None unless the spec has a bias.  The native text tower's parameters lie at the root; another
    one is the module `text`, token ids (B, L) to (B, E).  Made by `wordsight.towers.build.build`.
    """

    text_projection: nn.Parameter | nn.Linear

    def __init__(self, spec: ModelSpec, visual: nn.Module, text: nn.Module | None = None) -> None:
        super().__init__()
        self.spec = spec
        self.visual = visual
        self.text = text
        if text is None:
            self._add_text()
        self.logit_scale = nn.Parameter(torch.tensor(math.log(spec.scale)))
        self.logit_bias = None if spec.bias is None else nn.Parameter(torch.tensor(spec.bias))
        if text is None:
            self._init_text()

    def _add_text(self) -> None:
        text = self.clip_text
        behind = int(text.pool == "class")
        self.token_embedding = nn.Embedding(text.vocabulary_size, text.width)
        if behind:
            self.cls_emb = nn.Parameter(torch.empty(text.width))
        self.positional_embedding = nn.Parameter(torch.empty(text.context_length + behind, text.width))
        self.dropout = nn.Dropout(text.dropout)
        stack = Stack(
            text.width,
            layers=text.layers,
            heads=text.heads,
            hidden=hidden_width(text.width, text.mlp_ratio),
            activation=text.activation,
            epsilon=text.epsilon,
            layer_scale=text.layer_scale,
            causal=text.mask == "causal",
        )
        drops = [nn.Dropout(text.dropout) for _ in range(text.layers)]
        ends = range(2 if text.mixer else 0)
        mixers = nn.ModuleList(TokenMixer(text.width, text.mixer, stack.hidden, text.activation) for _ in ends)
        self.transformer = Transformer(stack, drops, mixers=mixers if text.mixer else None)
        self.ln_final = LayerNorm(text.width, text.epsilon)
        if text.projection == "matrix":
            self.text_projection = nn.Parameter(torch.empty(text.width, self.spec.width))
        elif text.projection == "linear":
            self.text_projection = nn.Linear(text.width, self.spec.width)

    def _init_text(self) -> None:
        """Standard deviations of openai/CLIP `model.py`; of OpenCLIP's `transformer.py` where CLIP has no such part."""
        text, width = self.clip_text, self.clip_text.width
        nn.init.normal_(self.token_embedding.weight, std=0.02)
        nn.init.normal_(self.positional_embedding, std=0.01)
        if text.pool == "class":
            nn.init.normal_(self.cls_emb, std=0.01)
        if text.projection != "none":
            layer = self.text_projection
            nn.init.normal_(layer.weight if isinstance(layer, nn.Linear) else layer, std=width**-0.5)
            if isinstance(layer, nn.Linear):
                nn.init.zeros_(layer.bias)
        init_like_clip(self.transformer, width)

    @property
    def image_tower(self) -> ImageTower:
        """The image tower, to look inside; one of another package raises `UsageError`."""
        if not isinstance(self.visual, ImageTower):
            raise UsageError(
                f'the layers of a tower of kind "{self.spec.image.kind}"', cure="they are that package's to give"
            )
        return self.visual

    @property
    def clip_text(self) -> ClipTextSpec:
        """The spec of the native text tower, to look inside; another one raises `UsageError`."""
        text = self.spec.text
        if not isinstance(text, ClipTextSpec):
            raise UsageError(f'the layers of a tower of kind "{text.kind}"', cure="they are that package's to give")
        return text

    @property
    def dtype(self) -> torch.dtype:
        """The dtype of the image tower's weights."""
        return next(self.visual.parameters()).dtype

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
        """Return one row for each image: normalised pixels (B, 3, S, S) to (B, E), float32 unit embeddings.

        Towers that keep the shape of an image (`preprocess.resize` "patches") take (B, 3, H, W), both sides
        multiples of the patch.  With `normalize=False` the projection's output as it is.  Pixels of another
        size raise `UsageError`.
        """
        self.check_pixels(pixels)
        rows: Tensor = self.visual(pixels.to(self.dtype))
        return F.normalize(wide(rows), dim=-1) if normalize else rows

    def last_image_state(self, pixels: Tensor) -> Tensor:
        """Return what leaves the last block of a native image tower, (B, T, D) or (B, C, G, G), for (B, 3, S, S)."""
        self.check_pixels(pixels)
        return self.image_tower.last(pixels.to(self.dtype))

    def embed_last_image_state(self, last: Tensor) -> Tensor:
        """Return the unit embeddings (B, E) of what `last_image_state` gave."""
        tower = self.image_tower
        return F.normalize(wide(tower.project(tower.pool(last))), dim=-1)

    def image_features(self, pixels: Tensor) -> Tensor:
        """Return what the image tower's trunk gives, before the projection: normalised pixels to (B, D)."""
        if isinstance(self.visual, OtherImageTower) and not isinstance(self.visual, ImageTower):
            self.check_pixels(pixels)
            return self.visual.features(pixels.to(self.dtype))
        tower = self.image_tower
        return tower.pool(self.last_image_state(pixels))

    def project_image(self, features: Tensor) -> Tensor:
        """Return (B, E), not normalised, for what `image_features` gave."""
        if isinstance(self.visual, OtherImageTower):
            return self.visual.project(features)
        return self.image_tower.project(features)

    def check_pixels(self, pixels: Tensor) -> None:
        """Raise `UsageError` unless the image tower can read pixels of this shape."""
        size, patch = self.spec.image.size, self.spec.preprocess.patch
        if self.spec.preprocess.resize == "patches":
            sides = pixels.shape[2:]
            fits = pixels.ndim == 4 and pixels.shape[1] == 3 and all(s > 0 and s % patch == 0 for s in sides)
            wanted = f"(B, 3, H, W), H and W multiples of {patch}"
        else:
            fits = pixels.ndim == 4 and tuple(pixels.shape[1:]) == (3, size, size)
            wanted = f"(B, 3, {size}, {size})"
        if not fits:
            raise UsageError(f"pixels of shape {tuple(pixels.shape)}", cure=f"{self.spec.name} wants {wanted}")

    def encode_patches(self, patches: Tensor, mask: Tensor, shapes: Tensor, *, normalize: bool = True) -> Tensor:
        """Return one row for each image of several shapes, cut into normalised patches: (B, N, P*P*3) to (B, E).

        `mask` (B, N) is true where there is a patch, `shapes` (B, 2) are rows and columns of each grid.  Only for
        towers whose `preprocess.resize` is "patches"; with others it is a `UsageError`.
        """
        if self.spec.preprocess.resize != "patches":
            raise UsageError("patches of several shapes", cure=f"{self.spec.name} reads squares; use encode_image")
        assert isinstance(self.visual, PatchTower)
        rows = self.visual.patches(patches.to(self.dtype), mask, shapes)
        return F.normalize(wide(rows), dim=-1) if normalize else rows

    def encode_text(self, tokens: Tensor, *, normalize: bool = True, trim: bool = True) -> Tensor:
        """Return one row for each text: token ids (B, L) to (B, E), float32 unit embeddings.

        Where attention is causal and the end token is read, what follows it is never looked at.  So with
        `trim` only the positions up to the batch's last end token are computed, which changes nothing but
        the time (and waits for the device once).  Give `trim=False` where the tokens are already cut, or
        for tracing.  Other towers compute all that is given.
        """
        if self.text is not None:
            rows: Tensor = self.text(tokens)
        else:
            rows = self.project_text(self.text_features(tokens, trim=trim))
        return F.normalize(wide(rows), dim=-1) if normalize else rows

    def text_features(self, tokens: Tensor, *, trim: bool = True) -> Tensor:
        """Return what the text tower's trunk gives, before the projection: token ids (B, L) to (B, D)."""
        if self.text is not None:
            assert isinstance(self.text, TextTower)
            return self.text.features(tokens)
        text = self.clip_text
        if trim:
            tokens = cut(tokens, text)
        return self.pool_text(self.transformer(self.embed_text(tokens), seen(tokens, text)), tokens)

    def embed_text(self, tokens: Tensor) -> Tensor:
        """Return what enters the first block of the native text tower, (B, L, D); too long texts raise `UsageError`."""
        length, limit = tokens.shape[1], self.clip_text.context_length
        if length > limit:
            raise UsageError(f"texts of {length} tokens", cure=f"{self.spec.name} reads at most {limit}")
        x = self.token_embedding(tokens)  # (B, L, D)
        if self.clip_text.pool == "class":
            behind = self.cls_emb.to(x.dtype).expand(len(x), 1, -1)  # (B, 1, D)
            x = torch.cat([x, behind], dim=1)
        out: Tensor = self.dropout(x + self.positional_embedding[: x.shape[1]])
        return out

    def pool_text(self, x: Tensor, tokens: Tensor) -> Tensor:
        """Return the normed row that is read from the states after the last block: (B, L, D) to (B, D)."""
        if self.clip_text.pool == "mean":
            return pick(self.ln_final(x), tokens, self.clip_text)
        out: Tensor = self.ln_final(pick(x, tokens, self.clip_text))
        return out

    def project_text(self, pooled: Tensor) -> Tensor:
        """Return (B, E), not normalised, for pooled rows (B, D): what `text_features` gave."""
        if self.text is not None:
            assert isinstance(self.text, TextTower)
            return self.text.project(pooled)
        if self.clip_text.projection == "none":
            return pooled
        layer = self.text_projection
        out: Tensor = layer(pooled) if isinstance(layer, nn.Linear) else pooled @ layer
        return out

    def forward(self, pixels: Tensor, tokens: Tensor) -> tuple[Tensor, Tensor]:
        """Return the unit embeddings of images and texts, each (B, E)."""
        return self.encode_image(pixels), self.encode_text(tokens)
