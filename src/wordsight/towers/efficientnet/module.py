"""EfficientNet-Lite: inverted bottlenecks with ReLU6, made to be computed in integers.

Tan and Le 2019, "EfficientNet", without squeeze-and-excitation and swish (tensorflow/tpu, models/official/efficientnet/
lite).

Shapes: B batch, S side of the image, C channels, G side of a grid, F = 1280 pooled features, E width of the shared
space.  Knows nothing of text.
"""

from collections.abc import Iterator

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from wordsight.towers.efficientnet.shapes import FEATURES, REDUCTION, STEM, LiteBlock, blocks, same_padding
from wordsight.towers.efficientnet.spec import EfficientNetSpec
from wordsight.towers.parts.blocks import hidden_units

MOMENTUM = 0.01  # of batch norms; TensorFlow's 0.99 (efficientnet_lite_builder.py)


class ConvNorm(nn.Module):
    """A convolution without bias, and a batch norm."""

    def __init__(
        self, spec: EfficientNetSpec, before: int, after: int, *, kernel: int = 1, stride: int = 1, groups: int = 1
    ) -> None:
        super().__init__()
        self.same = spec.padding == "same" and stride > 1  # without a stride both paddings are alike
        pad = 0 if self.same else kernel // 2
        self.conv = nn.Conv2d(before, after, kernel, stride=stride, padding=pad, groups=groups, bias=False)
        nn.init.kaiming_normal_(self.conv.weight, mode="fan_out")
        self.norm = nn.BatchNorm2d(after, eps=spec.epsilon, momentum=MOMENTUM)

    def forward(self, x: Tensor) -> Tensor:
        """Return (B, after, G / stride, G / stride), rounded up, for (B, before, G, G)."""
        if self.same:
            kernel, stride = self.conv.kernel_size[0], self.conv.stride[0]
            rows, columns = (same_padding(side, kernel, stride) for side in x.shape[2:])
            x = F.pad(x, [*columns, *rows])
        out: Tensor = self.norm(self._convolved(x))
        return out

    def _convolved(self, x: Tensor) -> Tensor:
        """Return the convolution, while learning in the form whose gradient is fastest.

        On one core of a Xeon with AMX the last five blocks learn from 162 images/s so, from 89 without.
        """
        conv = self.conv
        if not (torch.is_grad_enabled() and conv.weight.requires_grad):
            out: Tensor = conv(x)
            return out
        if conv.kernel_size == (1, 1):  # a product of matrices
            return F.linear(x.permute(0, 2, 3, 1), conv.weight[:, :, 0, 0]).permute(0, 3, 1, 2)
        with torch.autocast(x.device.type, enabled=False):  # a depthwise gradient is slow in bf16 on processors
            wide: Tensor = conv(x.float())
            return wide


class InvertedBottleneck(nn.Module):
    """1x1 to more channels, depthwise, 1x1 to few; no activation behind the last."""

    def __init__(self, spec: EfficientNetSpec, block: LiteBlock) -> None:
        super().__init__()
        inside = block.inside
        self.shortcut = block.shortcut
        self.expand: nn.Module | None = ConvNorm(spec, block.before, inside) if block.expands else None
        self.depthwise = ConvNorm(spec, inside, inside, kernel=block.kernel, stride=block.stride, groups=inside)
        self.reduce = ConvNorm(spec, inside, block.after)

    def forward(self, x: Tensor) -> Tensor:
        """Return (B, C', G', G') for (B, C, G, G)."""
        y = x if self.expand is None else F.relu6(self.expand(x))
        y = self.reduce(F.relu6(self.depthwise(y)))
        out: Tensor = x + y if self.shortcut else y
        return out


class EfficientNetLite(nn.Module):
    """Pixels (B, 3, S, S), normalised, to (B, E)."""

    def __init__(self, spec: EfficientNetSpec, out_width: int) -> None:
        super().__init__()
        every = blocks(spec)
        self.stem = ConvNorm(spec, 3, STEM, kernel=3, stride=2)
        self.blocks = nn.ModuleList(InvertedBottleneck(spec, block) for block in every)
        self.head = ConvNorm(spec, every[-1].after, FEATURES)
        self.proj = nn.Linear(FEATURES, out_width)
        nn.init.normal_(self.proj.weight, std=FEATURES**-0.5)
        nn.init.zeros_(self.proj.bias)
        self.activation = spec.hidden_activation
        self.hidden: nn.Module | None = None
        if spec.hidden:
            self.hidden, self.out = hidden_units(FEATURES, spec.hidden, out_width)
        self.extra_hidden: nn.Module | None = None
        if spec.extra_hidden:
            self.extra_hidden, self.extra_out = hidden_units(FEATURES, spec.extra_hidden, out_width)
        self.width, self.depth, self.cell = FEATURES, len(every) + 1, REDUCTION  # the head counts as the last block
        self.heads = 0  # there is no attention
        self.extra = 0  # tokens before those of the cells

    def forward(self, pixels: Tensor) -> Tensor:
        """Return the embedding of each image, (B, E), not normalised."""
        return self.project(self.pool(self.last(pixels)))

    def last(self, pixels: Tensor) -> Tensor:
        """Return the last feature grid, (B, F, G, G)."""
        *_, last = self.states(pixels)
        return last

    def states(self, pixels: Tensor) -> Iterator[Tensor]:
        """Yield the grid after the stem, after each block and after the head, (B, C, G, G)."""
        x: Tensor = F.relu6(self.stem(pixels))
        yield x
        for block in self.blocks:
            x = block(x)
            yield x
        yield F.relu6(self.head(x))

    def rest(self, state: Tensor, first: int) -> Tensor:
        """Return the last feature grid, (B, F, G, G), for the grid that enters block `first`."""
        for block in self.blocks[first:]:
            state = block(state)
        return F.relu6(self.head(state))

    def read(self, grid: Tensor) -> Tensor:
        """Return the last grid as pooling reads it, (B, F, G, G): as it is."""
        return grid

    def pool(self, grid: Tensor) -> Tensor:
        """Return the features (B, F): the mean of the last grid (B, F, G, G)."""
        out: Tensor = grid.mean(dim=(2, 3))
        return out

    def project(self, pooled: Tensor) -> Tensor:
        """Return (B, E) for features."""
        out: Tensor = self.proj(pooled)
        if self.hidden is not None:
            units = self.hidden(pooled)
            out = out + self.out(units.softmax(dim=-1) if self.activation == "softmax" else F.gelu(units))
        if self.extra_hidden is not None:
            out = out + self.extra_out(F.gelu(self.extra_hidden(pooled)))
        return out

    @torch.no_grad()
    def calibrate(self, pixels: Tensor) -> None:
        """Let each batch norm state mean and variance of what reaches it for normalised images (B, 3, S, S).

        What it computes stays the same, since its gain and shift follow; the int8 graph takes its ranges from there.
        For towers in evaluation mode.
        """
        assert not self.training, "batch norms would take their statistics from the batch"
        norms = [module for module in self.modules() if isinstance(module, nn.BatchNorm2d)]
        hooks = [norm.register_forward_pre_hook(_restate) for norm in norms]
        try:
            self.last(pixels)
        finally:
            for hook in hooks:
                hook.remove()


def _restate(norm: nn.Module, inputs: tuple[Tensor, ...]) -> None:
    assert isinstance(norm, nn.BatchNorm2d) and norm.running_mean is not None and norm.running_var is not None
    (x,) = inputs
    mean = x.mean(dim=(0, 2, 3), dtype=torch.float64)
    variance = (x - mean.to(x.dtype).view(-1, 1, 1)).square().mean(dim=(0, 2, 3), dtype=torch.float64)
    factor = norm.weight / (norm.running_var.double() + norm.eps).sqrt()
    norm.bias.add_((mean - norm.running_mean) * factor)
    norm.weight.copy_(factor * (variance + norm.eps).sqrt())
    norm.running_mean.copy_(mean)
    norm.running_var.copy_(variance)
