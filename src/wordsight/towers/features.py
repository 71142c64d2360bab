"""What flows through the towers, beyond the embedding: every layer, the grid, the pooled vectors.

    states = image_states(towers, pixels)
    states.patches(-2)                      # (B, N, D): the last but one layer, patches only
    states.grid(-1)                         # (B, D, G, G)
    text = text_states(towers, tokens)
    text.layer(-2, normed=True)             # (B, L, D): the last but one layer, through the final norm

Layers are counted as everywhere: 0 is what enters the first block, n what leaves the last, -1 the last, -2
the last but one.  Of a ResNet 0 is the stem and 1 to 4 are the stages.  For native towers; gradients flow
unless switched off.

Shapes: B batch, T tokens, N patches, G side of the grid, D width of a tower, L tokens of a text, E width of the
shared space.
"""

from collections.abc import Collection, Iterable, Mapping
from dataclasses import dataclass

import torch.nn.functional as F
from torch import Tensor, nn

from wordsight.base.errors import UsageError
from wordsight.towers.clip_text.reading import seen
from wordsight.towers.parts.blocks import wide
from wordsight.towers.two import TwoTowers


@dataclass(frozen=True, slots=True)
class Layers:
    """The kept layers of one tower by number; `last` is the number of the last."""

    kept: Mapping[int, Tensor]
    last: int

    def at(self, layer: int) -> Tensor:
        """Return a layer, counted from the front or, negative, from the back; one not kept raises `UsageError`."""
        number = self.last + 1 + layer if layer < 0 else layer
        if number not in self.kept:
            there = ", ".join(str(n) for n in self.kept)
            raise UsageError(f"layer {layer} was not kept", cure=f"there are {there}; give `layers` to keep others")
        return self.kept[number]


@dataclass(frozen=True, slots=True)
class ImageStates:
    """What flows through the image tower.

    `last` are the tokens as the pooling reads them (B, T, D) (of a ResNet the last grid), `pooled` is the vector
    before the projection (B, D), `projected` the embedding before normalisation (B, E). `extra` tokens stand
    before those of the patches; `shape` is the patch grid's.
    """

    layers: Layers
    last: Tensor
    pooled: Tensor
    projected: Tensor
    extra: int
    shape: tuple[int, int]

    @property
    def embeddings(self) -> Tensor:
        """The embeddings: unit embeddings (B, E), float32."""
        return F.normalize(wide(self.projected), dim=-1)

    def layer(self, number: int) -> Tensor:
        """Return all tokens of a layer, (B, T, D), the class token, where there is one, first; of a ResNet its grid."""
        return self.layers.at(number)

    def patches(self, number: int) -> Tensor:
        """Return the patches of a layer row by row, without the class token, (B, N, D)."""
        x = self.layer(number)
        return x[:, self.extra :] if x.ndim == 3 else x.flatten(2).transpose(1, 2)

    def grid(self, number: int) -> Tensor:
        """Return the patches of a layer in their positions, (B, D, G, G)."""
        x = self.layer(number)
        return self.patches(number).transpose(1, 2).unflatten(2, self.shape) if x.ndim == 3 else x  # type: ignore[no-untyped-call]


@dataclass(frozen=True, slots=True)
class TextStates:
    """What flows through the text tower.

    `last` are the tokens after the final norm (B, L, D), `pooled` is the normed vector that is read (B, D),
    `projected` the embedding before normalisation (B, E).
    """

    layers: Layers
    last: Tensor
    pooled: Tensor
    projected: Tensor
    norm: nn.Module

    @property
    def embeddings(self) -> Tensor:
        """The embeddings: unit embeddings (B, E), float32."""
        return F.normalize(wide(self.projected), dim=-1)

    def layer(self, number: int, *, normed: bool = False) -> Tensor:
        """Return the tokens of a layer, (B, L, D); `normed`: after the tower's final norm."""
        x = self.layers.at(number)
        out: Tensor = self.norm(x) if normed else x
        return out


def image_states(towers: TwoTowers, pixels: Tensor, *, layers: Collection[int] | None = None) -> ImageStates:
    """Return what flows through the image tower for normalised pixels (B, 3, S, S).

    `layers` are the numbers to keep (None: all). Towers of another package and pixels of another size raise
    `UsageError`.
    """
    tower = towers.image_tower
    towers.check_pixels(pixels)
    pixels = pixels.to(towers.dtype)
    kept, x = _run(tower.states(pixels), tower.depth + 1, layers)
    pooled = tower.pool(x)
    return ImageStates(
        kept,
        last=tower.read(x),
        pooled=pooled,
        projected=tower.project(pooled),
        extra=tower.extra,
        shape=_grid(pixels, x, tower.cell),
    )


def text_states(
    towers: TwoTowers, tokens: Tensor, *, layers: Collection[int] | None = None, leave_out: int = 0
) -> TextStates:
    """Return what flows through the text tower for token ids (B, L); nothing is trimmed.

    `layers` are the numbers to keep (None: all). `leave_out` last blocks are not computed: the tower is read as
    if it were that much shallower. A tower of another package raises `UsageError`.
    """
    spec = towers.clip_text
    if not 0 <= leave_out <= spec.layers:
        raise UsageError(f"leave_out = {leave_out}", cure=f"this tower has {spec.layers} layers")
    states = towers.transformer.states(towers.embed_text(tokens), seen(tokens, spec))
    kept, x = _run(states, spec.layers + 1 - leave_out, layers)
    pooled = towers.pool_text(x, tokens)
    return TextStates(
        kept,
        last=towers.ln_final(x),
        pooled=pooled,
        projected=towers.project_text(pooled),
        norm=towers.ln_final,
    )


def _grid(pixels: Tensor, last: Tensor, cell: int) -> tuple[int, int]:
    """Return rows and columns of the last state: a convolution's grid has a cell for the part of one that is over."""
    rows, columns = last.shape[2:] if last.ndim == 4 else (side // cell for side in pixels.shape[2:])
    return rows, columns


def _run(states: Iterable[Tensor], count: int, layers: Collection[int] | None) -> tuple[Layers, Tensor]:
    """Return the wanted of the first `count` states, and the last of them."""
    wanted = set(range(count)) if layers is None else {count + n if n < 0 else n for n in layers}
    if not wanted <= set(range(count)):
        raise UsageError(f"layers {sorted(layers or ())}", cure=f"this tower has {-count} to {count - 1}")
    kept = {}
    for number, x in zip(range(count), states, strict=False):  # what comes after is not computed
        if number in wanted:
            kept[number] = x
    return Layers(kept, count - 1), x
