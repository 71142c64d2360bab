"""What the methods share: what they are given, where the graph of gradients begins, what is read, and the grid.

Shapes: C texts, E width of the space, T tokens, S side of the image in pixels, G side of the patch grid.
"""

import torch
from torch import Tensor, nn

from wordsight.base.errors import UsageError
from wordsight.explain.inside.attention import AttentionLayer, Mix
from wordsight.towers.eva.spec import EvaSpec
from wordsight.towers.tower import SplitAttention
from wordsight.towers.two import TwoTowers
from wordsight.towers.vit.spec import VitSpec


def one_image(towers: TwoTowers, pixels: Tensor) -> Tensor:
    """Return the pixels (1, 3, S, S) in the towers' dtype, part of no graph; other numbers of images are refused."""
    towers.check_pixels(pixels)
    if len(pixels) != 1:
        raise UsageError(f"{len(pixels)} images at once", cure="explain one image after the other")
    return apart(pixels).to(towers.dtype)


def some_texts(texts: Tensor) -> Tensor:
    """Return the texts' embeddings (C, E), part of no graph; none raise `UsageError`."""
    if not len(texts):
        raise UsageError("a map of no texts", cure="give the embedding of at least one")
    return apart(texts)


def apart(x: Tensor) -> Tensor:
    """Return a copy that is part of no graph and may enter one, even where `x` comes from inference mode."""
    with torch.inference_mode(False):
        return x.detach().clone()


def attentions(tower: nn.Module) -> int:
    """Return how many attentions there are to be watched; a tower with none raises `UsageError`."""
    count = sum(isinstance(module, SplitAttention) for module in tower.modules())
    if not count:
        cure = "Grad-CAM fits it, and so do the methods that hide parts of the picture"
        raise UsageError("a tower without attention of our own", cure=cure)
    return count


def first_of(first: int, count: int) -> int:
    """Return the number of the first layer, 0 to count - 1; a negative `first` counts from the back, at most to 0."""
    if first >= count:
        raise UsageError(f"first layer {first}", cure=f"this tower has {count} layers, 0 to {count - 1}")
    return first if first >= 0 else max(count + first, 0)


def graph_from(first: int) -> Mix:
    """Return a mix that changes nothing; the graph of gradients begins at the weights of layer `first`."""

    def mix(number: int, layer: AttentionLayer) -> Tensor | None:
        return layer.weights.requires_grad_() @ layer.value if number == first else None

    return mix


def read(towers: TwoTowers, rows: Tensor) -> Tensor:
    """Return the row that pooling without attention reads: the class token's, or the mean; (T, S) to (S,)."""
    spec = towers.spec.image
    assert isinstance(spec, VitSpec | EvaSpec), spec.kind
    if spec.pool == "class":
        return rows[0]
    return rows[0 if spec.pool == "mean_all" else towers.image_tower.extra :].mean(dim=0)


def patch_grid(towers: TwoTowers, pixels: Tensor) -> tuple[int, int]:
    """Return rows and columns of the patches, or cells of the last grid, of a native tower for pixels (1, 3, S, S)."""
    rows, columns = (side // towers.image_tower.cell for side in pixels.shape[2:])
    return rows, columns


def on_grid(x: Tensor, shape: tuple[int, int]) -> Tensor:
    """Return (..., G, G) for what is known of tokens, (..., T), the last of which are the patches, row by row."""
    return x[..., -shape[0] * shape[1] :].reshape(*x.shape[:-1], *shape)
