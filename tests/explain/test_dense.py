"""Embeddings of patches: each way restated from its paper with the weights alone, for every family of our own."""

import dataclasses
import math
import sys
from pathlib import Path

import numpy as np
import pytest
import torch

from wordsight.base.errors import UsageError
from wordsight.explain.inside.dense import WAYS, dense, dense_features
from wordsight.explain.windows import cut, plan_windows
from wordsight.images.transform import normalise
from wordsight.towers.features import image_states

sys.path.insert(0, str(Path(__file__).parent))

from random_towers import CONVOLUTIONS, IMAGES, VIT, VITS, some_pixels, towers_of

EVA = VITS["eva"]
MORE = {
    "layer scale": dataclasses.replace(VIT, layer_scale=True),
    "eva, post norms, layer scale, mean of all": dataclasses.replace(
        EVA, layer_scale=True, norm_order="post", pool="mean_all", inner_norm=True
    ),
}
FAMILIES = VITS | MORE


class Restated:
    """The last block and all behind it in float64 NumPy, one picture at a time, from the weights by name."""

    def __init__(self, towers, pixels):
        self.tower = towers.visual
        self.spec = towers.visual.spec
        self.p = {name: value.double().numpy() for name, value in towers.visual.state_dict().items()}
        self.entering = image_states(towers, pixels).layer(-2).double().numpy()
        self.extra, self.side = towers.visual.extra, self.spec.size // self.spec.patch
        self.eva = self.spec.kind == "eva"
        last = self.spec.layers - 1
        self.block = f"blocks.{last}." if self.eva else f"transformer.resblocks.{last}."

    def norm(self, x, name):
        x = x - x.mean(-1, keepdims=True)
        x = x / np.sqrt((x**2).mean(-1, keepdims=True) + self.spec.epsilon)
        return x * self.p[f"{name}.weight"] + self.p[f"{name}.bias"]

    def linear(self, x, name):
        return x @ self.p[f"{name}.weight"].T + self.p[f"{name}.bias"]

    def heads(self, x):
        """Yield query, key and value (T, d) of each head."""
        width, b = x.shape[1], self.block
        if self.eva:
            zero = np.zeros(width)
            bias = np.concatenate([self.p[f"{b}attn.q_bias"], zero, self.p[f"{b}attn.v_bias"]])
            packed = x @ self.p[f"{b}attn.qkv.weight"].T + bias
        else:
            packed = x @ self.p[f"{b}attn.in_proj_weight"].T + self.p[f"{b}attn.in_proj_bias"]
        size = width // self.spec.heads
        for head in range(self.spec.heads):
            q, k, v = (packed[:, part * width + head * size :][:, :size] for part in range(3))
            yield self.turned(q), self.turned(k), v

    def turned(self, x):
        """Turn neighbouring pairs of channels as complex numbers."""
        modules = dict(self.tower.named_modules())
        rotary = modules[f"{self.block}attn"].rotary
        if rotary is None:
            return x
        phase = rotary.cos.double().numpy()[:, ::2] + 1j * rotary.sin.double().numpy()[:, ::2]
        pairs = (x[:, ::2] + 1j * x[:, 1::2]) * phase
        return np.stack([pairs.real, pairs.imag], axis=-1).reshape(x.shape)

    def mixed(self, way, q, k, v):
        root = math.sqrt(q.shape[1])
        if way == "maskclip":
            return v
        if way == "plain":
            return softmax(q @ k.T / root) @ v
        if way == "sclip":
            return softmax(q @ q.T / root) @ v + softmax(k @ k.T / root) @ v
        if way == "clearclip":
            return softmax(q @ q.T / root) @ v
        scores = k @ k.T / root
        for i in range(self.side**2):
            for j in range(self.side**2):
                (a, b), (c, d) = divmod(i, self.side), divmod(j, self.side)
                scores[self.extra + i, self.extra + j] += math.exp(-((a - c) ** 2 + (b - d) ** 2) / 50)
        return softmax(scores) @ v

    def branch(self, x, norm, inner, scale):
        post = self.eva and self.spec.norm_order == "post"
        y = self.norm(inner(x), norm) if post else inner(self.norm(x, norm))
        return y * self.p[scale] if self.spec.layer_scale else y

    def attention(self, x, way):
        y = np.concatenate([self.mixed(way, *parts) for parts in self.heads(x)], axis=1)
        if self.eva and self.spec.inner_norm:
            y = self.norm(y, f"{self.block}attn.norm")
        return self.linear(y, f"{self.block}attn.{'proj' if self.eva else 'out_proj'}")

    def mlp(self, x):
        if not self.eva:
            return self.linear(gelu(self.linear(x, f"{self.block}mlp.c_fc")), f"{self.block}mlp.c_proj")
        y = self.linear(x, f"{self.block}mlp.fc1")
        gate, rest = y[:, : y.shape[1] // 2], y[:, y.shape[1] // 2 :]
        y = gelu(gate) * rest
        if self.spec.inner_norm:
            y = self.norm(y, f"{self.block}mlp.norm")
        return self.linear(y, f"{self.block}mlp.fc2")

    def leaving(self, x, way):
        norms, scales = (
            (("norm1", "norm2"), ("gamma_1", "gamma_2"))
            if self.eva
            else (("ln_1", "ln_2"), ("ls_1.gamma", "ls_2.gamma"))
        )
        b = self.block
        y = self.branch(x, b + norms[0], lambda z: self.attention(z, way), b + scales[0])
        if way in ("plain", "sclip"):
            y = x + y
            y = y + self.branch(y, b + norms[1], self.mlp, b + scales[1])
        return y

    def read(self, x):
        """Return (N, E) for tokens (N, D), each by itself."""
        if self.eva:
            return self.linear(self.norm(x, "norm"), "head")
        first = self.spec.final_norm == "tokens"
        x = self.norm(x, "ln_post") if first else x
        if self.spec.pool == "attention":
            values = x @ self.p["attn_pool.attn.in_proj_weight"][-x.shape[1] :].T
            x = self.linear(values + self.p["attn_pool.attn.in_proj_bias"][-x.shape[1] :], "attn_pool.attn.out_proj")
            inner = gelu(self.linear(self.norm(x, "attn_pool.ln"), "attn_pool.mlp.c_fc"))
            x = x + self.linear(inner, "attn_pool.mlp.c_proj")
        elif self.spec.pool == "queries":
            x = self.norm(x, "attn_pool.ln_k") @ self.p["attn_pool.attn.v_proj_weight"].T
            x = self.linear(x + self.p["attn_pool.attn.in_proj_bias"][-x.shape[1] :], "attn_pool.attn.out_proj")
        return (x if first else self.norm(x, "ln_post")) @ self.p["proj"]

    def dense(self, way):
        rows = np.stack([self.read(self.leaving(x, way)[self.extra :]) for x in self.entering])
        rows = rows / np.linalg.norm(rows, axis=2, keepdims=True)
        return rows.reshape(len(rows), self.side, self.side, -1).transpose(0, 3, 1, 2)


def softmax(x):
    e = np.exp(x - x.max(-1, keepdims=True))
    return e / e.sum(-1, keepdims=True)


def gelu(x):
    return x * 0.5 * (1 + np.vectorize(math.erf)(x / math.sqrt(2)))


@pytest.mark.parametrize("way", WAYS)
@pytest.mark.parametrize("name", FAMILIES)
def test_each_way_is_what_its_paper_says(name, way):
    image = FAMILIES[name]
    towers, pixels = towers_of(image), some_pixels(image)
    seen = dense(towers, pixels, way)
    assert seen.shape == (2, 20, 4, 4)
    assert np.allclose(seen.numpy(), Restated(towers, pixels).dense(way), atol=1e-5)


@pytest.mark.parametrize("way", WAYS)
def test_a_residual_network_asks_from_each_cell(way):
    image = CONVOLUTIONS["resnet"]
    towers, pixels = towers_of(image), some_pixels(image)
    p = {name: value.double().numpy() for name, value in towers.visual.attnpool.state_dict().items()}
    for seen, grid in zip(dense(towers, pixels, way), image_states(towers, pixels).last, strict=True):
        cells = grid.double().numpy().reshape(len(grid), -1).T  # (N, C)
        tokens = np.vstack([cells.mean(0), cells]) + p["positional_embedding"]
        q, k, v = (tokens @ p[f"{x}_proj.weight"].T + p[f"{x}_proj.bias"] for x in "qkv")
        if way == "maskclip":
            y = cells @ p["v_proj.weight"].T + p["v_proj.bias"]
        else:
            size = q.shape[1] // image.heads
            restated = Restated.__new__(Restated)
            restated.side, restated.extra = 2, 1
            parts = [slice(h * size, (h + 1) * size) for h in range(image.heads)]
            y = np.hstack([restated.mixed(way, q[:, s], k[:, s], v[:, s]) for s in parts])[1:]
        rows = y @ p["c_proj.weight"].T + p["c_proj.bias"]
        rows /= np.linalg.norm(rows, axis=1, keepdims=True)
        assert np.allclose(seen.numpy(), rows.T.reshape(20, 2, 2), atol=1e-5)


@pytest.mark.parametrize("hidden", ["gelu", "softmax"])
def test_a_convolution_without_attention_projects_each_cell(hidden):
    image = dataclasses.replace(CONVOLUTIONS["efficientnet"], hidden=7, hidden_activation=hidden, extra_hidden=5)
    towers, pixels = towers_of(image), some_pixels(image)
    p = {name: value.double().numpy() for name, value in towers.visual.state_dict().items()}
    cells = image_states(towers, pixels).last.double().numpy()  # (B, F, 2, 2)
    seen = dense(towers, pixels, "naclip")
    for row in range(2):
        for column in range(2):
            x = cells[:, :, row, column]
            units = x @ p["hidden.weight"].T + p["hidden.bias"]
            units = softmax(units) if hidden == "softmax" else gelu(units)
            y = x @ p["proj.weight"].T + p["proj.bias"] + units @ p["out.weight"].T
            y = y + gelu(x @ p["extra_hidden.weight"].T + p["extra_hidden.bias"]) @ p["extra_out.weight"].T
            y /= np.linalg.norm(y, axis=1, keepdims=True)
            assert np.allclose(seen[:, :, row, column].numpy(), y, atol=1e-5)
    assert all(torch.equal(seen, dense(towers, pixels, way)) for way in WAYS)


@pytest.mark.parametrize("name", IMAGES)
def test_each_patch_has_unit_length_and_pictures_do_not_mix(name):
    towers, pixels = towers_of(IMAGES[name]), some_pixels(IMAGES[name])
    seen = dense(towers, pixels)
    assert torch.allclose(seen.norm(dim=1), torch.ones(()), atol=1e-5)
    assert torch.allclose(seen[1:], dense(towers, pixels[1:]), atol=1e-5)


def test_the_towers_are_as_before():
    towers, pixels = towers_of(), some_pixels()
    before = towers.encode_image(pixels)
    for way in WAYS:
        dense(towers, pixels, way)
    assert torch.equal(before, towers.encode_image(pixels))


def test_plain_patches_and_the_pooled_token_share_one_path():
    towers, pixels = towers_of(), some_pixels()
    last = towers.last_image_state(pixels)
    changed = last.clone()
    changed[:, 0] = last[:, 6]  # the class token is what patch 5 is
    assert torch.allclose(
        towers.embed_last_image_state(changed), dense(towers, pixels, "plain").flatten(2)[..., 5], atol=1e-5
    )


def test_windows_of_a_large_picture_have_the_features_that_each_has_alone():
    towers = towers_of()
    image = np.random.default_rng(0).integers(0, 256, (70, 100, 3), np.uint8)
    plan = plan_windows(70, 100, crop=32)
    features = dense_features(towers, cut(image, plan, at_once=5), "sclip")
    assert features.shape == (len(plan), 20, 4, 4) and features.dtype == np.float32
    windows = np.concatenate(list(cut(image, plan, at_once=99)))
    last = torch.from_numpy(normalise(windows[-1:], towers.spec.preprocess))
    assert np.allclose(features[-1:], dense(towers, last, "sclip").numpy(), atol=1e-5)
    with pytest.raises(UsageError, match="no pictures"):
        dense_features(towers, [])


def test_what_cannot_be_is_an_error():
    with pytest.raises(UsageError, match="no way 'other'"):
        dense(towers_of(), some_pixels(), "other")
    with pytest.raises(UsageError, match="pixels of shape"):
        dense(towers_of(), torch.zeros(1, 3, 40, 40))
