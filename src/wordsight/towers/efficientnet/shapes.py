"""The blocks of an EfficientNet-Lite, and the names and shapes of its weights in the order of its `state_dict`.

Free of PyTorch.
"""

import math
from collections.abc import Iterator
from typing import NamedTuple

from wordsight.towers.efficientnet.spec import EfficientNetSpec
from wordsight.towers.parts.shapes import NamedShape, linear_shapes

# tensorflow/tpu, models/official/efficientnet/lite/efficientnet_lite_builder.py
STEM, FEATURES = 32, 1280  # channels of the stem and of the head, in every size
DIVISOR = 8  # channels are multiples of it
REDUCTION = 32  # pixels of the image for each cell of the last grid, along one side


class Stage(NamedTuple):
    """Blocks of one kind: `stride` is that of the first, `growth` the channels inside for each one that comes in."""

    repeats: int
    kernel: int
    stride: int
    growth: int
    channels: int


STAGES = (
    Stage(1, 3, 1, 1, 16),
    Stage(2, 3, 2, 6, 24),
    Stage(2, 5, 2, 6, 40),
    Stage(3, 3, 2, 6, 80),
    Stage(3, 5, 1, 6, 112),
    Stage(4, 5, 2, 6, 192),
    Stage(1, 3, 1, 6, 320),
)


class LiteBlock(NamedTuple):
    """An inverted bottleneck: 1x1 to `inside` channels, depthwise, 1x1 to `after`; the first 1x1 only where it grows.

    Its input is added to its output where both are alike.
    """

    before: int
    inside: int
    after: int
    kernel: int
    stride: int

    @property
    def expands(self) -> bool:
        """Whether it begins with a convolution to more channels."""
        return self.inside != self.before

    @property
    def shortcut(self) -> bool:
        """Whether its input is added."""
        return self.stride == 1 and self.before == self.after


def blocks(image: EfficientNetSpec) -> list[LiteBlock]:
    """Return the blocks of a tower, the first one's input being the stem's output."""
    every: list[LiteBlock] = []
    channels = STEM
    for stage in STAGES:
        after = rounded(stage.channels * image.width)
        # the stages of one block are not repeated
        repeats = stage.repeats if stage in (STAGES[0], STAGES[-1]) else math.ceil(stage.repeats * image.depth)
        for number in range(repeats):
            stride = stage.stride if number == 0 else 1
            every.append(LiteBlock(channels, channels * stage.growth, after, stage.kernel, stride))
            channels = after
    return every


def rounded(channels: float) -> int:
    """Return the nearest multiple of `DIVISOR`, unless that is a tenth less than wanted."""
    near = max(DIVISOR, int(channels + DIVISOR / 2) // DIVISOR * DIVISOR)
    return near + DIVISOR if near < 0.9 * channels else near


def efficientnet_shapes(image: EfficientNetSpec, out: int) -> Iterator[NamedShape]:
    """Yield every tensor of the tower (without "visual."); `out` is the width of the shared space."""
    yield from trunk_shapes(image)
    yield from linear_shapes("proj", out, FEATURES)
    if image.hidden:
        yield from linear_shapes("hidden", image.hidden, FEATURES)
        yield "out.weight", (out, image.hidden)
    if image.extra_hidden:
        yield from linear_shapes("extra_hidden", image.extra_hidden, FEATURES)
        yield "extra_out.weight", (out, image.extra_hidden)


def trunk_shapes(image: EfficientNetSpec) -> Iterator[NamedShape]:
    """Yield the tensors up to the pooled features."""
    yield from _convolution("stem", (STEM, 3, 3, 3))
    last = STEM
    for number, block in enumerate(blocks(image)):
        name, last = f"blocks.{number}", block.after
        if block.expands:
            yield from _convolution(f"{name}.expand", (block.inside, block.before, 1, 1))
        yield from _convolution(f"{name}.depthwise", (block.inside, 1, block.kernel, block.kernel))
        yield from _convolution(f"{name}.reduce", (block.after, block.inside, 1, 1))
    yield from _convolution("head", (FEATURES, last, 1, 1))


def _convolution(name: str, kernel: tuple[int, ...]) -> Iterator[NamedShape]:
    """Yield the tensors of a convolution with its batch norm."""
    yield f"{name}.conv.weight", kernel
    for part in ("weight", "bias", "running_mean", "running_var"):
        yield f"{name}.norm.{part}", (kernel[0],)
    yield f"{name}.norm.num_batches_tracked", ()


def same_padding(size: int, kernel: int, stride: int) -> tuple[int, int]:
    """Return the zeros before and after a side by TensorFlow's rule "SAME": the output is size / stride, rounded up."""
    total = max((-(-size // stride) - 1) * stride + kernel - size, 0)
    return total // 2, total - total // 2
