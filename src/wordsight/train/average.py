"""The moving average of the weights: smoother than any single step, and what is validated and saved."""

import copy

import torch
from torch import nn

RAMP = 10  # with decay min(d, (1 + t) / (RAMP + t)) the first steps do not remember the random start (as TensorFlow's EMA)


class Average:
    """`towers` is a copy of the module that follows it: average = d * average + (1 - d) * module."""

    def __init__(self, module: nn.Module, decay: float) -> None:
        self.decay = decay
        self.towers = copy.deepcopy(module).eval().requires_grad_(False)

    @torch.no_grad()
    def update(self, module: nn.Module, step: int) -> None:
        """Take in the weights after `step` (from 0); buffers are copied."""
        decay = min(self.decay, (1 + step) / (RAMP + step))
        averages = list(self.towers.parameters())
        torch._foreach_lerp_(averages, list(module.parameters()), 1.0 - decay)
        for kept, buffer in zip(self.towers.buffers(), module.buffers(), strict=True):
            kept.copy_(buffer)
