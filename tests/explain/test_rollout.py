"""Rollout against a walk back through the layers, and that it is the same for every text."""

import dataclasses
import sys
from pathlib import Path

import numpy as np
import pytest
import torch

from wordsight.base.errors import UsageError
from wordsight.explain.inside import chefer, legrad, rollout

sys.path.insert(0, str(Path(__file__).parent))

from bumped import alike, bumped, condition, pooled_rows, unit_texts
from random_towers import CONVOLUTIONS, IMAGES, VITS, some_pixels, towers_of

WITH_ATTENTION = [name for name in IMAGES if name != "efficientnet"]


def walked_back(visual, pixels, first):
    """Return where a walk ends that begins at what is read and half the time stays, half the time follows attention."""
    with bumped() as seen, torch.no_grad():
        visual(pixels)
    layers = [weights[0].numpy().mean(axis=0) for weights, _ in seen[first:]]
    if len(layers[-1]) == 1:
        at = layers.pop()[0]
    else:
        rows = pooled_rows(visual, len(layers[-1]))
        at = np.zeros(len(layers[-1]))
        at[rows] = 1 / len(rows)
    for layer in reversed(layers):
        at = np.array([0.5 * at[to] + 0.5 * sum(at * layer[:, to]) for to in range(len(at))])
    return at


@pytest.mark.parametrize("first", [None, 1, -1])
@pytest.mark.parametrize("name", WITH_ATTENTION)
def test_every_family_gives_the_flow_to_what_is_read(name, first):
    spec = IMAGES[name]
    towers, pixels = towers_of(spec).double(), some_pixels(spec, count=1).double()
    first = 0 if name == "resnet" and first == 1 else first
    ours = rollout.relevance(towers, pixels, unit_texts(2), **({} if first is None else {"first": first}))
    walk = walked_back(towers.visual, pixels, first or 0)
    assert walk.sum() == pytest.approx(1)
    side = ours.shape[1]
    alike(ours[:1], walk[-side * side :].reshape(1, side, side))


@pytest.mark.parametrize("name", VITS)
def test_no_text_is_asked(name):
    towers, pixels, texts = towers_of(VITS[name]), some_pixels(count=1), unit_texts().float()
    ours = rollout.relevance(towers, pixels, texts)
    assert ours.shape == (3, 4, 4) and ours.dtype == torch.float32
    assert torch.equal(ours[0], ours[1]) and torch.equal(ours[0], ours[2])
    ours[0].zero_()  # each text's is its own memory
    assert ours[1].min() > 0


@pytest.mark.parametrize("method", [rollout, chefer, legrad])
def test_a_picture_that_keeps_its_shape_has_a_map_of_that_shape(method):
    towers, pixels = towers_of(VITS["attention"]), torch.randn(1, 3, 24, 48)
    kept = dataclasses.replace(towers.spec.preprocess, resize="patches", patch=8, max_patches=18)
    towers.spec = dataclasses.replace(towers.spec, preprocess=kept)
    ours = method.relevance(towers, pixels, unit_texts().float())
    assert ours.shape == (3, 3, 6)
    with bumped() as seen:
        towers.encode_image(pixels)
    if method is rollout:  # its last layer alone is what the pooling looks at, row by row
        alone = rollout.relevance(towers, pixels, unit_texts(1), first=-1)
        alike(alone[0], seen[-1][0].detach().mean(dim=1)[0, 0].view(3, 6))


def test_towers_stay_as_they_are():
    towers, pixels = towers_of().train().requires_grad_(True), some_pixels(count=1)
    towers.visual.transformer.eval()
    before = condition(towers)
    ours = rollout.relevance(towers, pixels, unit_texts().float())
    assert condition(towers) == before
    assert not ours.requires_grad


def test_what_does_not_fit_is_said():
    spec, texts = CONVOLUTIONS["efficientnet"], unit_texts().float()
    with pytest.raises(UsageError, match="without attention"):
        rollout.relevance(towers_of(spec), some_pixels(spec, count=1), texts)
    with pytest.raises(UsageError, match="2 images"):
        rollout.relevance(towers_of(), some_pixels(), texts)
    with pytest.raises(UsageError, match="first layer 3"):
        rollout.relevance(towers_of(), some_pixels(count=1), texts, first=3)
