"""AdamW over two groups of parameters: weights, which decay, and the rest, which does not.

Without decay, as in the published recipes (timm's and EVA's `no_weight_decay`; big_vision decays kernels alone): gains,
biases, scale and bias of the logits, tables of tokens and positions, and learned tokens and queries.
"""

from collections.abc import Mapping
from types import MappingProxyType

import torch
from torch import Tensor, nn

from wordsight.train.config import OptimiserConfig

STILL = {"positional_embedding", "class_embedding", "pos_embed", "cls_token", "probe", "query"}  # of native towers


def still_names(module: nn.Module) -> set[str]:
    """Return the names of the parameters of a module that do not decay."""
    embeddings = {f"{name}.weight" for name, part in module.named_modules() if isinstance(part, nn.Embedding)}
    own: set[str] = set()
    for name, part in module.named_modules():
        named = getattr(part, "no_weight_decay", None)  # a method of timm's models
        own |= {f"{name}.{one}".removeprefix(".") for one in named()} if callable(named) else set()
    return {
        name
        for name, parameter in module.named_parameters()
        if _is_vector(parameter) or name in embeddings | own or not STILL.isdisjoint(name.split("."))
    }


def _is_vector(parameter: Tensor) -> bool:
    """Say whether a parameter has one side at most, also as (C, 1, 1): gains and single tokens are such."""
    return sum(side > 1 for side in parameter.shape) < 2


def make_optimiser(
    parts: dict[str, nn.Module], config: OptimiserConfig, rates: Mapping[str, float] = MappingProxyType({})
) -> torch.optim.AdamW:
    """Return AdamW for all parameters of the named modules that learn.

    `rates` are factors of the learning rate by "PART.NAME", 1 where nothing is stated.
    """
    named = named_parameters(parts)
    still = {f"{part}.{name}" for part, module in parts.items() for name in still_names(module)}
    groups: dict[tuple[bool, float], list[nn.Parameter]] = {}
    for name, parameter in named.items():
        groups.setdefault((name in still, rates.get(name, 1.0)), []).append(parameter)
    return torch.optim.AdamW(
        [
            {"params": groups[kept, rate], "weight_decay": 0.0 if kept else config.decay, "rate": rate}
            for kept, rate in sorted(groups)
        ],
        lr=config.lr,
        betas=config.betas,
        eps=config.eps,
        fused=True,
    )


def named_parameters(parts: dict[str, nn.Module]) -> dict[str, nn.Parameter]:
    """Return the parameters of the named modules that learn, called "PART.NAME"."""
    return {
        f"{part}.{name}": parameter
        for part, module in parts.items()
        for name, parameter in module.named_parameters()
        if parameter.requires_grad
    }


def set_rate(optimiser: torch.optim.Optimizer, lr: float) -> None:
    """Give all groups this learning rate, times their own factor."""
    for group in optimiser.param_groups:
        group["lr"] = lr * group["rate"]
