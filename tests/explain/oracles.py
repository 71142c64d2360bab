"""What the tests of maps have in common: derivatives in float64, the last attention, and what a method must not change."""

import torch

from wordsight.towers.tower import SplitAttention


def slopes(function, at):
    """Return the derivative of each of C scores by `at` (1, ...), (C, ...); `function` gives (B, C)."""
    return torch.autograd.functional.jacobian(lambda x: function(x)[0], at)[:, 0]


class LastAttention:
    """The last attention of a tower: its inputs for an image, and the scores when something else is passed on."""

    def __init__(self, towers, pixels, texts):
        self.towers, self.pixels, self.texts = towers, pixels, texts
        self.module = [m for m in towers.visual.modules() if isinstance(m, SplitAttention)]
        inputs = []
        hooks = [m.register_forward_pre_hook(lambda m, x: inputs.append((m, x))) for m in self.module]
        towers.encode_image(pixels)
        for hook in hooks:
            hook.remove()
        self.module, arguments = inputs[-1]
        self.query, self.key, self.value = self.module.split(*arguments[: self.module.inputs])
        scores = torch.einsum("bhtd,bhsd->bhts", self.query, self.key) / self.query.shape[-1] ** 0.5
        self.weights = scores.exp() / scores.exp().sum(dim=-1, keepdim=True)

    def scores(self, mixed):
        """Return (B, C) when a batch of `mixed` (B, H, T, D/H) is passed on."""
        hook = self.module.register_forward_hook(lambda *_: self.module.join(mixed))
        embeddings = self.towers.encode_image(self.pixels.expand(len(mixed), -1, -1, -1))
        hook.remove()
        return embeddings @ self.texts.T


def unchanged(towers, call):
    """Call, and check that the towers are as before: values, modes, gradients, hooks."""
    weights = {name: value.clone() for name, value in towers.state_dict().items()}
    wanted = [p.requires_grad for p in towers.parameters()]
    modes = [m.training for m in towers.modules()]
    result = call()
    assert all(torch.equal(value, weights[name]) for name, value in towers.state_dict().items())
    assert [p.requires_grad for p in towers.parameters()] == wanted
    assert [m.training for m in towers.modules()] == modes
    assert all(p.grad is None for p in towers.parameters())
    assert not any(m._forward_hooks or m._forward_pre_hooks for m in towers.modules())
    assert not result.requires_grad
    return result
