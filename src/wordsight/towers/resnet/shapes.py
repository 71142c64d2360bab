"""The names and shapes of a ResNet's weights, in the order of its `state_dict`.  Free of PyTorch."""

from collections.abc import Iterator

from wordsight.towers.parts.shapes import NamedShape, linear_shapes
from wordsight.towers.resnet.spec import ResNetSpec

EXPANSION = 4  # channels of a bottleneck's output for each of its inner ones (He et al. 2016)
REDUCTION = 32  # pixels of the image for each cell of the last grid, along one side
GROWTH = 32  # channels of the last grid for each of the stem's


def resnet_shapes(image: ResNetSpec, out: int) -> Iterator[NamedShape]:
    """Yield every tensor of the tower (without "visual."); `out` is the width of the shared space."""
    width, channels = image.width, image.width
    for i, (following, inner) in enumerate(((width // 2, 3), (width // 2, width // 2), (width, width // 2)), start=1):
        yield f"conv{i}.weight", (following, inner, 3, 3)
        yield from _batch_norm(f"bn{i}", following)
    for number, blocks in enumerate(image.stages, start=1):
        planes = width * 2 ** (number - 1)
        for i in range(blocks):
            yield from _bottleneck(f"layer{number}.{i}", channels, planes, changed=i == 0)
            channels = planes * EXPANSION
    last = width * GROWTH
    yield "attnpool.positional_embedding", ((image.size // REDUCTION) ** 2 + 1, last)
    for part in "kqv":
        yield from linear_shapes(f"attnpool.{part}_proj", last, last)
    yield from linear_shapes("attnpool.c_proj", out, last)


def _bottleneck(name: str, channels: int, planes: int, *, changed: bool) -> Iterator[NamedShape]:
    """`changed`: the shortcut has a convolution, because stride or channels change (in each stage's first block)."""
    following = planes * EXPANSION
    for i, (outer, inner, side) in enumerate(((planes, channels, 1), (planes, planes, 3), (following, planes, 1)), 1):
        yield f"{name}.conv{i}.weight", (outer, inner, side, side)
        yield from _batch_norm(f"{name}.bn{i}", outer)
    if changed:
        yield f"{name}.downsample.0.weight", (following, channels, 1, 1)
        yield from _batch_norm(f"{name}.downsample.1", following)


def _batch_norm(name: str, channels: int) -> Iterator[NamedShape]:
    for part in ("weight", "bias", "running_mean", "running_var"):
        yield f"{name}.{part}", (channels,)
    yield f"{name}.num_batches_tracked", ()
