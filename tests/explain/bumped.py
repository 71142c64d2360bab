"""Attention by hand inside the towers' own forward pass, a change of zero added to its weights.

The gradient with respect to that change is the one with respect to the weights.  It owes nothing to `watched`: the
oracles of the methods that follow attention stand on it.
"""

import math
from contextlib import contextmanager

import pytest
import torch

from wordsight.towers.eva import module as eva
from wordsight.towers.parts import blocks, pool
from wordsight.towers.resnet import module as resnet


class Seen(list):
    """What ran, in order: pairs of weights (B, H, T, S) and the change added to them; `changes` presets some."""

    def __init__(self, changes=None):
        super().__init__()
        self.changes = changes or {}

    def attend(self, query, key, value, *, causal=False, mask=None):
        scores = torch.einsum("bhtd,bhsd->bhts", query, key) / math.sqrt(query.shape[-1])
        hidden = torch.zeros(scores.shape, dtype=torch.bool)
        if causal:
            for row in range(scores.shape[2]):
                hidden[:, :, row, row + 1 :] = True
        if mask is not None:
            hidden = hidden | ~mask
        powers = torch.exp(scores - scores.amax(dim=-1, keepdim=True)) * ~hidden
        weights = powers / powers.sum(dim=-1, keepdim=True)
        change = self.changes.get(len(self), torch.zeros_like(weights)).requires_grad_()
        self.append((weights, change))
        return torch.einsum("bhts,bhsd->bhtd", weights + change, value)


@contextmanager
def bumped(changes=None):
    """Give the list of attentions that run while it lasts."""
    seen = Seen(changes)
    with pytest.MonkeyPatch.context() as patch:
        for module in (blocks, pool, eva):
            patch.setattr(module, "attend", seen.attend)
        patch.setattr(resnet.F, "scaled_dot_product_attention", seen.attend)
        yield seen


def gradients(score, seen, first=0):
    """Return weights and gradients of the attentions from `first` on, each a NumPy array (B, H, T, S)."""
    changes = [change for _, change in seen[first:]]
    found = torch.autograd.grad(score, changes, retain_graph=True)
    return [(w.detach().numpy(), g.numpy()) for (w, _), g in zip(seen[first:], found, strict=True)]


def pooled_rows(visual, count):
    """Return the rows 0 to count - 1 of the tokens that a tower without an attention pool reads."""
    if visual.spec.pool == "class":
        return [0]
    return list(range(0 if visual.spec.pool == "mean_all" else visual.extra, count))


def unit_texts(count=3, width=20):
    torch.manual_seed(3)
    return torch.nn.functional.normalize(torch.randn(count, width, dtype=torch.float64), dim=-1)


def condition(towers):
    """Return all that a method must leave as it is: modes, wanted gradients, gradients, hooks, weights."""
    modules = [(module.training, len(module._forward_hooks)) for module in towers.modules()]
    weights = [(w.requires_grad, w.grad is None, w.detach().clone().sum().item()) for w in towers.parameters()]
    return modules, weights


def alike(ours, theirs, limit=1e-5):
    """Assert that two maps are the same to a share of the largest value."""
    ours, theirs = torch.as_tensor(ours).double(), torch.as_tensor(theirs).double()
    assert ours.shape == theirs.shape
    assert theirs.abs().max() > 0
    assert (theirs - theirs.flatten()[0]).abs().max() > 1e-3 * theirs.abs().max()  # not all one value
    assert (ours - theirs).abs().max() <= limit * theirs.abs().max()
