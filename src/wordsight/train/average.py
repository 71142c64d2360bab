"""The moving average of the weights: smoother than any single step, and what is validated and saved."""

import copy
from typing import Generic, TypeVar

import torch
from torch import Tensor, nn

RAMP = 10  # decay is min(d, (1 + t) / (RAMP + t)): the random start is soon forgotten (as in TensorFlow's EMA)


M = TypeVar("M", bound=nn.Module)


class Average(Generic[M]):
    """`towers` is a copy of the module that follows it: average = d * average + (1 - d) * module."""

    def __init__(self, module: M, decay: float) -> None:
        self.decay = decay
        self.towers: M = copy.deepcopy(module).eval().requires_grad_(False)

    @torch.no_grad()
    def update(self, module: M, step: int) -> None:
        """Take in the weights after `step` (from 0).

        Batch norm's running statistics are averaged too: those of the moving weights do not fit the average.
        """
        decay = min(self.decay, (1 + step) / (RAMP + step))
        torch._foreach_lerp_(_tensors(self.towers), _tensors(module), 1.0 - decay)


def _tensors(module: nn.Module) -> list[Tensor]:
    buffers = [buffer for buffer in module.buffers() if buffer.is_floating_point()]
    return [*module.parameters(), *buffers]
