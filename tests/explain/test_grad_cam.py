"""Grad-CAM and its kin beside their equations, written out with the rest of the tower as a function."""

import sys
from pathlib import Path

import pytest
import torch
import torch.nn.functional as F

from wordsight.base.errors import UsageError
from wordsight.explain.inside.grad_cam import grad_cam, grad_cam_plus_plus, layer_cam
from wordsight.towers.timm.spec import TimmSpec

sys.path.insert(0, str(Path(__file__).parent))

from oracles import LastAttention, slopes, unchanged
from random_towers import CONVOLUTIONS, IMAGES, VITS, some_pixels, some_tokens, towers_of

SWIN = {"img_size": 64, "window_size": 4, "embed_dim": 8, "depths": [1, 1], "num_heads": [1, 2]}
TIMM = {
    "convnext": TimmSpec(size=64, trunk="test_convnext", options={"projection": "linear"}),
    "efficientnet": TimmSpec(size=64, trunk="test_efficientnet", options={"projection": "trunk", "pool": "avg"}),
    "pooled in the head": TimmSpec(size=64, trunk="resnet18", options={"pool": "rot_attn", "projection": "none"}),
    "channels last": TimmSpec(
        size=64, trunk="swin_tiny_patch4_window7_224", options={"projection": "linear", "arguments": SWIN}
    ),
}


def by_hand(values, derivatives, scale):
    """Return the maps of the three methods (C, G, G) for channels (K, G, G) and derivatives (C, K, G, G)."""
    maps = {grad_cam: [], grad_cam_plus_plus: [], layer_cam: []}
    for slope in derivatives:  # (K, G, G)
        logit = scale * slope
        under = 2 * logit**2 + values.clamp(min=0).sum(dim=(1, 2), keepdim=True) * logit**3
        alpha = torch.where(logit > 0, logit**2 / under, 0.0)
        plain, plus = slope.mean(dim=(1, 2)), (alpha * logit.clamp(min=0)).sum(dim=(1, 2))
        maps[grad_cam].append(torch.einsum("k,kij->ij", plain, values))
        maps[grad_cam_plus_plus].append(torch.einsum("k,kij->ij", plus, values))
        maps[layer_cam].append(torch.einsum("kij,kij->ij", slope.clamp(min=0), values))
    return {method: torch.stack(each).clamp(min=0).float() for method, each in maps.items()}


def same(towers, pixels, texts, *, values, derivatives):
    for method, maps in by_hand(values, derivatives, towers.scale).items():
        ours = method(towers, pixels, texts)
        assert ours.shape == (len(texts), *values.shape[1:]) and ours.dtype == torch.float32
        assert torch.allclose(ours, maps, atol=1e-5, rtol=1e-5), method
        assert not torch.allclose(ours[0], ours[1], atol=1e-4), method


def cosines(towers, texts, rest):
    return lambda state: F.normalize(rest(state), dim=-1) @ texts.T


def prepared(spec):
    towers = towers_of(spec).double()
    return towers, some_pixels(spec, 1).double(), towers.encode_text(some_tokens())


@pytest.mark.parametrize("name", CONVOLUTIONS)
def test_channels_of_the_last_grid(name):
    towers, pixels, texts = prepared(IMAGES[name])
    tower = towers.visual
    grid = tower.last(pixels)
    derivatives = slopes(cosines(towers, texts, lambda x: tower.project(tower.pool(x))), grid)
    same(towers, pixels, texts, values=grid[0], derivatives=derivatives)


@pytest.mark.parametrize("name", TIMM)
def test_channels_of_the_last_grid_of_a_trunk_of_timm(name):
    towers, pixels, texts = prepared(TIMM[name])
    tower = towers.visual
    grid = tower.trunk.forward_features(pixels)
    assert torch.allclose(tower.pool(grid), tower.features(pixels))
    derivatives = slopes(cosines(towers, texts, lambda x: tower.project(tower.pool(x))), grid)
    if name == "channels last":
        grid, derivatives = grid.permute(0, 3, 1, 2), derivatives.permute(0, 3, 1, 2)
    same(towers, pixels, texts, values=grid[0], derivatives=derivatives)


@pytest.mark.parametrize("name", ["class token", "attention", "queries", "perception", "eva"])
def test_heads_of_the_last_attention(name):
    towers, pixels, texts = prepared(VITS[name])
    last = LastAttention(towers, pixels, texts)
    derivatives = slopes(lambda weights: last.scores(weights @ last.value), last.weights)
    values, derivatives = (x[..., 0, -16:].unflatten(-1, (4, 4)) for x in (last.weights, derivatives))
    same(towers, pixels, texts, values=values[0], derivatives=derivatives)


def test_patches_where_their_mean_is_read():
    towers, pixels, texts = prepared(VITS["mean, class token beside"])
    tower = towers.visual
    tokens = tower.last(pixels)
    derivatives = slopes(cosines(towers, texts, lambda x: tower.project(tower.pool(x))), tokens)
    values, derivatives = (x[:, 1:].transpose(1, 2).unflatten(2, (4, 4)) for x in (tokens, derivatives))
    same(towers, pixels, texts, values=values[0], derivatives=derivatives)


@pytest.mark.parametrize(("name", "layer"), [("resnet", 3), ("efficientnet", 1), ("class token", 1)])
def test_layer_cam_of_earlier_layers(name, layer):
    towers, pixels, texts = prepared(IMAGES[name])
    tower = towers.visual
    state = list(tower.states(pixels))[layer]
    rest = tower.layer4 if name == "resnet" else lambda x: tower.rest(x, layer)
    derivatives = slopes(cosines(towers, texts, lambda x: tower.project(tower.pool(rest(x)))), state)
    if state.ndim == 3:
        state, derivatives = (x[:, 1:].transpose(1, 2).unflatten(2, (4, 4)) for x in (state, derivatives))
    maps = layer_cam(towers, pixels, texts, layer=layer)
    assert torch.allclose(maps, by_hand(state[0], derivatives, 1.0)[layer_cam], atol=1e-5)
    assert maps.amax(dim=(1, 2)).min() > 1e-3


@pytest.mark.parametrize("name", ["class token", "resnet"])
def test_the_last_layer_has_two_numbers(name):
    towers, pixels = towers_of(IMAGES[name]), some_pixels(IMAGES[name], 1)
    texts, depth = towers.encode_text(some_tokens()), towers.visual.depth
    assert torch.equal(layer_cam(towers, pixels, texts, layer=depth), layer_cam(towers, pixels, texts))
    with pytest.raises(UsageError, match=rf"layers \[{depth + 1}\]"):
        layer_cam(towers, pixels, texts, layer=depth + 1)


@pytest.mark.parametrize("name", ["class token", "resnet"])
def test_towers_stay_as_they_are(name):
    towers, pixels = towers_of(IMAGES[name]), some_pixels(IMAGES[name], 1)
    texts = towers.encode_text(some_tokens())
    for layer in (-1, 1):
        towers.eval().requires_grad_(False)
        maps = layer_cam(towers, pixels, texts, layer=layer)
        towers.train().requires_grad_(True)
        assert torch.equal(maps, unchanged(towers, lambda at=layer: layer_cam(towers, pixels, texts, layer=at)))
        assert not pixels.requires_grad
        with torch.inference_mode():
            assert torch.equal(maps, layer_cam(towers, pixels.clone(), texts.clone(), layer=layer))


def test_half_precision():
    towers, pixels = towers_of(), some_pixels(count=1)
    texts = towers.encode_text(some_tokens())
    maps = grad_cam(towers, pixels, texts)
    halved = grad_cam(towers.bfloat16(), pixels, texts)
    assert halved.dtype == torch.float32
    assert torch.allclose(halved, maps, atol=0.3 * float(maps.max()))


def test_other_towers_are_refused():
    towers = towers_of(TimmSpec(size=64, trunk="test_vit", options={"projection": "linear"}))
    pixels, texts = torch.zeros(1, 3, 64, 64), torch.eye(2, 20)
    with pytest.raises(UsageError, match='Grad-CAM for an image tower of kind "timm"; it wants a native tower'):
        grad_cam(towers, pixels, texts)
    towers = towers_of(TIMM["convnext"])
    with pytest.raises(UsageError, match="of which the last grid is seen"):
        layer_cam(towers, pixels, texts, layer=1)
