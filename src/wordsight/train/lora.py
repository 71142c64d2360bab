"""Low-rank additions: while a run goes on a weight is W + B A, in the end it is one weight (Hu et al. 2021, "LoRA").

    add_low_rank(towers, names, rank=8)      # W is frozen, A and B learn
    plain_state(towers)                      # the weights as one each, under the names of towers without additions
    plain = merged(towers)                   # the same as a module

Every linear and convolution weight can have one, seen as a matrix of an output's row and all the rest: attention's
fused projections and depthwise kernels (C, K * K) too.  A rank that the matrix cannot have is lowered to what it can.
"""

import copy
import math
from collections.abc import Iterable, Iterator
from typing import TypeVar

import torch
from torch import Tensor, nn
from torch.nn.utils import parametrize

# parameters that are multiplied like the weight of a linear layer but belong to no such layer
FACTORS = ("in_proj_weight", "q_proj_weight", "k_proj_weight", "v_proj_weight", "proj", "text_projection")

M = TypeVar("M", bound=nn.Module)


class LowRank(nn.Module):
    """W + B A for a weight W; B begins with zeros, so that nothing is added at first."""

    def __init__(self, weight: Tensor, rank: int) -> None:
        super().__init__()
        rows, columns = len(weight), weight[0].numel()
        rank = min(rank, rows, columns)
        self.down = nn.Parameter(weight.new_empty(rank, columns))
        self.up = nn.Parameter(weight.new_zeros(rows, rank))
        nn.init.kaiming_uniform_(self.down, a=math.sqrt(5))  # as microsoft/LoRA, `layers.py`

    def forward(self, weight: Tensor) -> Tensor:
        """Return the weight with the addition, in its own precision under autocast too."""
        with torch.autocast(weight.device.type, enabled=False):
            return weight + (self.up @ self.down).view_as(weight)


def low_rank_names(module: nn.Module) -> Iterator[str]:
    """Yield the names of the weights that can have an addition."""
    for path, part in module.named_modules():
        layer = isinstance(part, nn.Linear | nn.Conv1d | nn.Conv2d)
        for name, weight in part.named_parameters(recurse=False):
            if (name == "weight" and layer) or (name in FACTORS and weight.ndim == 2):
                yield f"{path}.{name}".removeprefix(".")


def add_low_rank(module: nn.Module, names: Iterable[str], *, rank: int) -> dict[str, list[str]]:
    """Give the named weights additions and freeze them; return the names of the parameters that each one has."""
    added = {}
    for full in names:
        path, _, name = full.rpartition(".")
        part = module.get_submodule(path)
        weight = getattr(part, name).requires_grad_(False)
        parametrize.register_parametrization(part, name, LowRank(weight, rank))
        before = f"{path}.parametrizations.{name}.0".removeprefix(".")
        added[full] = [f"{before}.down", f"{before}.up"]
    return added


def has_low_rank(module: nn.Module) -> bool:
    """Say whether any weight of a module has an addition."""
    return any(parametrize.is_parametrized(part) for part in module.modules())


@torch.no_grad()
def plain_state(module: nn.Module) -> dict[str, Tensor]:
    """Return all tensors, each weight with its addition in it, under the names they have without additions."""
    state = {name: tensor for name, tensor in module.state_dict().items() if "parametrizations." not in name}
    for path, part in module.named_modules():
        for name in getattr(part, "parametrizations", ()):
            state[f"{path}.{name}".removeprefix(".")] = getattr(part, name)
    return state


def merged(module: M) -> M:
    """Return a copy without additions that computes the same.

    PyTorch's own `remove_parametrizations` would take the weights of `module` too: a copy has the same class.
    """
    plain = copy.deepcopy(module)
    for part in [part for part in plain.modules() if parametrize.is_parametrized(part)]:
        weights = {name: getattr(part, name).detach() for name in part.get_submodule("parametrizations")._modules}
        del part.parametrizations
        part.__class__ = type(part).__bases__[0]  # what `register_parametrization` made a class of its own of
        for name, weight in weights.items():
            part.register_parameter(name, nn.Parameter(weight))
    return plain
