"""What attention does in a tower, layer by layer, and something else in its place.

    with watched(towers.visual) as layers:
        embeddings = towers.encode_image(pixels)
    layers[0].weights       # (B, H, T, S) of the first block, with gradients; the pooling's attention comes last

    with watched(towers.visual, mix=by_values): ...

Only while it is watched attention is written out, so that its weights can be seen; otherwise the towers run as fast as
ever.  Knows no method and no text.

Shapes: B batch, H heads, T queries, S keys, D width of all heads.
"""

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from typing import Any

from torch import Tensor, nn

from wordsight.towers.parts.blocks import wide
from wordsight.towers.tower import SplitAttention


@dataclass(frozen=True, slots=True, eq=False)
class AttentionLayer:
    """One attention: queries (B, H, T, D/H), keys and values (B, H, S, D/H), weights (B, H, T, S) and `mixed`.

    `mixed` (B, H, T, D/H) is what is passed on: the weights times the values, or what was put in its place.
    """

    module: SplitAttention
    query: Tensor
    key: Tensor
    value: Tensor
    weights: Tensor
    mixed: Tensor


Mix = Callable[[int, AttentionLayer], Tensor | None]  # layer number -> another `mixed`, None: as it is


@contextmanager
def watched(tower: nn.Module, *, mix: Mix | None = None) -> Iterator[list[AttentionLayer]]:
    """While it lasts, put every attention that runs in a native tower into the list that is given, in order.

    `mix` may give another `mixed`, with which the tower goes on.  The list grows with each forward pass.
    """
    layers: list[AttentionLayer] = []

    def see(module: nn.Module, inputs: tuple[Any, ...], output: Tensor) -> Tensor:
        del output  # computed by a fused kernel, which does not give its weights
        assert isinstance(module, SplitAttention)
        query, key, value, mask = *module.split(*inputs[: module.inputs]), _mask(module, inputs)
        scores = query @ key.transpose(-2, -1) * query.shape[-1] ** -0.5  # (B, H, T, S)
        if module.causal:
            scores = scores.masked_fill(scores.new_ones(scores.shape[-2:]).triu(1).bool(), float("-inf"))
        if mask is not None:
            scores = scores.masked_fill(~mask, float("-inf"))
        weights = wide(scores).softmax(dim=-1).to(value.dtype)
        layer = AttentionLayer(module, query, key, value, weights, weights @ value)
        other = None if mix is None else mix(len(layers), layer)
        if other is not None:
            layer = AttentionLayer(module, query, key, value, weights, other)
        layers.append(layer)
        return module.join(layer.mixed)

    hooks = [module.register_forward_hook(see) for module in tower.modules() if isinstance(module, SplitAttention)]
    try:
        yield layers
    finally:
        for hook in hooks:
            hook.remove()


def _mask(module: SplitAttention, inputs: tuple[Any, ...]) -> Tensor | None:
    mask: Tensor | None = inputs[module.inputs] if len(inputs) > module.inputs else None
    return mask
