"""Attention that is watched: the same embeddings, every layer with its weights, another mix where it is asked for."""

import sys
from pathlib import Path

import pytest
import torch

from wordsight.explain.inside.attention import watched

sys.path.insert(0, str(Path(__file__).parent))

from random_towers import BERT, IMAGES, VIT, VITS, some_pixels, some_tokens, towers_of

LAYERS = {"attention": 4, "queries": 4, "perception": 4, "resnet": 1, "efficientnet": 0}


@pytest.mark.parametrize("name", IMAGES)
def test_watching_changes_nothing_and_sees_every_layer(name):
    towers, pixels = towers_of(IMAGES[name]), some_pixels(IMAGES[name])
    with watched(towers.visual) as layers:
        seen = towers.encode_image(pixels)
    assert torch.allclose(seen, towers.encode_image(pixels), atol=1e-5)
    assert len(layers) == LAYERS.get(name, 3)
    for layer in layers:
        assert torch.allclose(layer.weights.sum(dim=-1), torch.ones(()), atol=1e-5)
        assert torch.allclose(layer.weights @ layer.value, layer.mixed)
    with watched(towers.visual) as layers:
        pass
    towers.encode_image(pixels)
    assert layers == []  # no longer watched


@pytest.mark.parametrize("text", [towers_of().spec.text, BERT], ids=["clip", "bert"])
def test_words_see_what_the_tower_lets_them_see(text):
    towers, tokens = towers_of(text=text), some_tokens()
    tower = towers if towers.text is None else towers.text
    with watched(tower) as layers:
        seen = towers.encode_text(tokens)
    assert torch.allclose(seen, towers.encode_text(tokens), atol=1e-5)
    assert len(layers) == text.layers
    weights = layers[0].weights
    if text.kind == "clip":
        assert weights.triu(1).count_nonzero() == 0  # later tokens are hidden
    else:
        assert weights[..., (tokens == 0)[0]].count_nonzero() == 0 or not (tokens == 0).any()


@pytest.mark.parametrize("name", VITS)
def test_gradients_reach_the_weights(name):
    towers = towers_of(VITS[name])
    with watched(towers.visual) as layers:
        score = towers.encode_image(some_pixels(VITS[name]).requires_grad_()).sum()
    gradients = torch.autograd.grad(score, [layer.weights for layer in layers])
    assert all(gradient.abs().sum() > 0 for gradient in gradients)


def test_another_mix_takes_the_place_of_a_layer():
    towers, pixels = towers_of(), some_pixels()
    with watched(towers.visual, mix=lambda number, layer: layer.value if number == VIT.layers - 1 else None) as layers:
        changed = towers.encode_image(pixels)
    assert torch.equal(layers[-1].mixed, layers[-1].value)
    assert not torch.allclose(changed, towers.encode_image(pixels), atol=1e-3)
