"""Grad-ECLIP beside its equation, written out in loops."""

import sys
from pathlib import Path

import pytest
import torch

from wordsight.base.errors import UsageError
from wordsight.explain.inside.grad_eclip import relevance

sys.path.insert(0, str(Path(__file__).parent))

from oracles import LastAttention, slopes, unchanged
from random_towers import IMAGES, some_pixels, some_tokens, towers_of

FITS = ["class token", "attention", "queries", "perception", "eva", "resnet"]


def written_out(towers, pixels, texts):
    last = LastAttention(towers, pixels, texts)
    mixed = last.weights @ last.value  # (1, H, T, D/H)
    asked = slopes(last.scores, mixed)[:, :, 0].flatten(1)  # (C, D)
    patches = (pixels.shape[-1] // towers.visual.cell) ** 2
    query = last.query[0, :, 0].flatten()
    keys = last.key[0].transpose(0, 1).flatten(1)[-patches:]  # (N, D)
    values = last.value[0].transpose(0, 1).flatten(1)[-patches:]
    near = [float(query @ key / query.norm() / key.norm()) for key in keys]
    maps = torch.zeros(len(texts), patches)
    for text in range(len(texts)):
        for patch in range(patches):
            loosened = (near[patch] - min(near)) / (max(near) - min(near))
            maps[text, patch] = max(0.0, loosened * float(asked[text] @ values[patch]))
    return maps.view(len(texts), round(patches**0.5), -1)


@pytest.mark.parametrize("name", FITS)
def test_it_is_what_its_equation_says(name):
    towers, pixels = towers_of(IMAGES[name]).double(), some_pixels(IMAGES[name], 1).double()
    texts = towers.encode_text(some_tokens())
    maps = relevance(towers, pixels, texts)
    assert torch.allclose(maps, written_out(towers, pixels, texts), atol=1e-5)
    assert maps.dtype == torch.float32
    assert maps.max() > 1e-3 and not torch.allclose(maps[0], maps[1], atol=1e-3)


def test_towers_stay_as_they_are():
    towers, pixels = towers_of(), some_pixels(count=1)
    texts = towers.encode_text(some_tokens())
    maps = relevance(towers, pixels, texts)
    towers.train().requires_grad_(True)
    assert torch.equal(maps, unchanged(towers, lambda: relevance(towers, pixels, texts)))
    with torch.inference_mode():
        assert torch.equal(maps, relevance(towers, some_pixels(count=1), texts.clone()))


@pytest.mark.parametrize("name", ["mean, class token beside", "efficientnet"])
def test_towers_without_a_row_that_is_read_are_refused(name):
    towers = towers_of(IMAGES[name])
    with pytest.raises(UsageError, match="Grad-ECLIP .*class token or pooling by attention; Grad-CAM fits"):
        relevance(towers, some_pixels(IMAGES[name], 1), towers.encode_text(some_tokens()))
