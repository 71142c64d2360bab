"""The moving average of the weights, smoother than any single step, and what is validated and saved.

average = Average(towers, decay=0.999)           # a copy that follows the towers
final = Final(average.towers, initial=towers, share=0.5)
final()                                          # half the way back to where the towers began
"""

import copy
from typing import Generic, TypeVar

import torch
from torch import Tensor, nn

from wordsight.train.lora import has_low_rank, merged, plain_state

RAMP = 10  # decay is min(d, (1 + t) / (RAMP + t)): the random start is soon forgotten (as in TensorFlow's EMA)


M = TypeVar("M", bound=nn.Module)


class Average(Generic[M]):
    """`towers` is a copy of the module that follows it: average = d * average + (1 - d) * module.

    What does not learn is shared with the module, not copied.
    """

    def __init__(self, module: M, decay: float) -> None:
        self.decay = decay
        self._learned = [name for name, parameter in module.named_parameters() if parameter.requires_grad]
        still = {id(parameter): parameter for parameter in module.parameters() if not parameter.requires_grad}
        self.towers: M = copy.deepcopy(module, still).eval().requires_grad_(False)

    @torch.no_grad()
    def update(self, module: M, step: int) -> None:
        """Take in the weights after `step` (from 0).

        Batch norm's running statistics are averaged too: those of the moving weights do not fit the average.
        """
        decay = min(self.decay, (1 + step) / (RAMP + step))
        torch._foreach_lerp_(self._tensors(self.towers), self._tensors(module), 1.0 - decay)

    def _tensors(self, module: nn.Module) -> list[Tensor]:
        parameters, buffers = dict(module.named_parameters()), module.buffers()
        return [*(parameters[n] for n in self._learned), *(b for b in buffers if b.is_floating_point())]


class Final(Generic[M]):
    """What a run saves, as it is now: share * initial + (1 - share) * average (Wortsman et al. 2022, "WiSE-FT").

    Low-rank additions are in the weights.  Without a share or additions it is the average itself.  `initial` is copied;
    batch norm's statistics are mixed like weights.
    """

    def __init__(self, average: M, *, initial: M, share: float) -> None:
        self._average, self._share = average, share
        self._initial = (
            {n: t.clone() for n, t in plain_state(initial).items() if t.is_floating_point()} if share else {}
        )
        self._own: M | None = merged(average) if share or has_low_rank(average) else None

    @torch.no_grad()
    def __call__(self) -> M:
        """Return the module with the weights of this moment; the same module at every call."""
        if self._own is None:
            return self._average
        self._own.load_state_dict(plain_state(self._average))
        for name, tensor in self._own.state_dict().items():
            if name in self._initial:
                tensor.lerp_(self._initial[name], self._share)
        return self._own


@torch.no_grad()
def copy_weights(source: nn.Module, target: nn.Module) -> None:
    """Give `target` the weights of `source`, a module of the same shape; what they share stays as it is."""
    given = source.state_dict(keep_vars=True)
    for name, tensor in target.state_dict(keep_vars=True).items():
        if tensor is not given[name]:
            tensor.copy_(given[name])
