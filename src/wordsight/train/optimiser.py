"""AdamW over two groups of parameters: weights, which decay, and the rest, which does not."""

import torch
from torch import Tensor, nn

from wordsight.train.config import OptimiserConfig

STILL = ("positional_embedding", "class_embedding", "token_embedding")  # tables of positions and tokens do not decay


def decays(name: str, parameter: Tensor) -> bool:
    """Say whether weight decay applies: to matrices and kernels; not to gains, biases, scale and embeddings."""
    return parameter.ndim >= 2 and not any(part in STILL for part in name.split("."))


def make_optimiser(parts: dict[str, nn.Module], config: OptimiserConfig) -> torch.optim.AdamW:
    """Return AdamW for all parameters of the named modules."""
    named = named_parameters(parts)
    groups = [
        {"params": [p for name, p in named.items() if decays(name, p)], "weight_decay": config.decay},
        {"params": [p for name, p in named.items() if not decays(name, p)], "weight_decay": 0.0},
    ]
    return torch.optim.AdamW(groups, lr=config.lr, betas=config.betas, eps=config.eps, fused=True)


def named_parameters(parts: dict[str, nn.Module]) -> dict[str, nn.Parameter]:
    """Return all parameters of the named modules, called "PART.NAME"."""
    return {
        f"{part}.{name}": parameter for part, module in parts.items() for name, parameter in module.named_parameters()
    }


def set_rate(optimiser: torch.optim.Optimizer, lr: float) -> None:
    """Give all groups this learning rate."""
    for group in optimiser.param_groups:
        group["lr"] = lr
