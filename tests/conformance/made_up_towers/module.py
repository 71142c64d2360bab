"""Both towers in PyTorch."""

import torch
import torch.nn.functional as F
from torch import nn


class Colours(nn.Module):
    def __init__(self, spec, out_width) -> None:
        super().__init__()
        self.width, self.depth, self.heads, self.cell, self.extra = spec.width, 1, 1, spec.patch, 0
        self.slope = spec.slope
        self.places = nn.Parameter(torch.randn((spec.size // spec.patch) ** 2, spec.width))
        self.proj = nn.Parameter(torch.randn(spec.width, out_width))
        self.colour = nn.Linear(3, spec.width)
        self.mix = nn.Linear(spec.width, spec.width)

    def forward(self, pixels):
        return self.project(self.pool(self.last(pixels)))

    def last(self, pixels):
        *_, last = self.states(pixels)
        return last

    def states(self, pixels):
        means = F.avg_pool2d(pixels, self.cell).flatten(2).transpose(1, 2)  # (B, G*G, 3)
        x = self.colour(means) + self.places
        yield x
        yield x + F.leaky_relu(self.mix(x), self.slope)

    def read(self, tokens):
        return tokens

    def pool(self, tokens):
        return tokens.mean(dim=1)

    def project(self, pooled):
        return pooled @ self.proj


class Counts(nn.Module):
    def __init__(self, spec, out_width) -> None:
        super().__init__()
        self.pad_id = spec.pad_id
        self.meaning = nn.Embedding(spec.vocabulary_size, spec.width)
        self.out = nn.Linear(spec.width, out_width)

    def forward(self, tokens):
        return self.project(self.features(tokens))

    def features(self, tokens):
        seen = (tokens != self.pad_id)[:, :, None].float()  # (B, L, 1)
        return (self.meaning(tokens) * seen).sum(dim=1)

    def project(self, pooled):
        return self.out(pooled)
