"""EVA's image tower against a plain statement of the same mathematics in float64, and what it can be built with."""

import dataclasses
import math

import numpy as np
import pytest
import torch

from wordsight.base.config import from_dict, to_dict
from wordsight.base.errors import ConfigError
from wordsight.towers.eva.angles import eva_angles
from wordsight.towers.eva.module import EvaTransformer
from wordsight.towers.eva.spec import EvaSpec
from wordsight.towers.spec import ModelSpec
from wordsight.towers.vit.angles import perception_angles
from wordsight.towers.vit.spec import VitSpec

EVA = EvaSpec(
    size=21, patch=7, width=16, heads=2, layers=2, projection="linear", mlp_ratio=2.5, epsilon=1e-6,
)  # fmt: skip
PERCEPTION = VitSpec(size=35, patch=7, width=16, heads=2, rotary="perception", pool="mean", class_token=False)
FORMS = {
    "EVA-01": EVA,
    "EVA-01 with layer scale": dataclasses.replace(EVA, layer_scale=True),
    "EVA-02": dataclasses.replace(
        EVA, mlp="swiglu", activation="silu", inner_norm=True, rotary="eva", rotary_grid=16, pool="mean_all"
    ),
    "EVA-02 E": dataclasses.replace(EVA, norm_order="post", layer_scale=True, pool="mean"),
    "EVA-CLIP-18B": dataclasses.replace(EVA, norm="rms", attention_bias="none", norm_order="post", projection="matrix"),
}


def tower_of(spec):
    torch.manual_seed(0)
    tower = EvaTransformer(spec, 5).double().eval().requires_grad_(False)
    for value in tower.state_dict().values():
        value.normal_(std=0.5)
    return tower


def norm(state, name, x, spec):
    if spec.norm == "rms":
        return x / math.sqrt((x**2).mean() + spec.epsilon) * state[f"{name}.weight"]
    return (x - x.mean()) / math.sqrt(x.var() + spec.epsilon) * state[f"{name}.weight"] + state[f"{name}.bias"]


def turned(x, angles):
    """One head's channels, neighbours in pairs, each pair turned as a complex number."""
    return ((x[0::2] + 1j * x[1::2]) * np.exp(1j * angles[0::2])).view(np.float64)


def attention(state, at, tokens, spec):
    size, count = spec.width // spec.heads, len(tokens)
    packed = [state[f"{at}.qkv.weight"] @ x for x in tokens]
    if spec.attention_bias == "no_key":
        bias = np.concatenate([state[f"{at}.q_bias"], np.zeros(spec.width), state[f"{at}.v_bias"]])
        packed = [x + bias for x in packed]
    parts = np.array(packed).reshape(count, 3, spec.heads, size)
    if spec.rotary == "eva":
        angles = eva_angles(spec)
        for place in np.ndindex(count, 2, spec.heads):
            parts[place] = turned(parts[place], angles[place[0]])
    out = []
    for token in range(count):
        mixed = []
        for head in range(spec.heads):
            logits = parts[:, 1, head] @ parts[token, 0, head] / math.sqrt(size)
            scores = np.exp(logits - logits.max())
            mixed.append((scores / scores.sum()) @ parts[:, 2, head])
        row = np.concatenate(mixed)
        row = norm(state, f"{at}.norm", row, spec) if spec.inner_norm else row
        out.append(state[f"{at}.proj.weight"] @ row + state[f"{at}.proj.bias"])
    return out


def mlp(state, at, x, spec):
    x = state[f"{at}.fc1.weight"] @ x + state[f"{at}.fc1.bias"]
    if spec.mlp == "swiglu":
        gate, rest = np.split(x, 2)
        x = gate / (1 + np.exp(-gate)) * rest
    else:
        x = np.array([value * (1 + math.erf(value / math.sqrt(2))) / 2 for value in x])
    x = norm(state, f"{at}.norm", x, spec) if spec.inner_norm else x
    return state[f"{at}.fc2.weight"] @ x + state[f"{at}.fc2.bias"]


def plainly(state, pixels, spec):
    """The row of one picture (3, S, S), token by token."""
    side, patch = spec.size // spec.patch, spec.patch
    tokens = [state["cls_token"][0, 0]]
    for row, column in np.ndindex(side, side):
        cell = pixels[:, row * patch : (row + 1) * patch, column * patch : (column + 1) * patch]
        tokens.append((state["patch_embed.proj.weight"] * cell).sum(axis=(1, 2, 3)) + state["patch_embed.proj.bias"])
    tokens = [x + state["pos_embed"][0, place] for place, x in enumerate(tokens)]
    post = spec.norm_order == "post"
    for block in range(spec.layers):
        at = f"blocks.{block}"
        one, two = (state.get(f"{at}.gamma_{number}", 1.0) for number in (1, 2))
        entering = tokens if post else [norm(state, f"{at}.norm1", x, spec) for x in tokens]
        mixed = attention(state, f"{at}.attn", entering, spec)
        mixed = [norm(state, f"{at}.norm1", x, spec) for x in mixed] if post else mixed
        tokens = [x + one * y for x, y in zip(tokens, mixed, strict=True)]
        for place, x in enumerate(tokens):
            inner = mlp(state, f"{at}.mlp", x if post else norm(state, f"{at}.norm2", x, spec), spec)
            tokens[place] = x + two * (norm(state, f"{at}.norm2", inner, spec) if post else inner)
    pooled = {"class": tokens[0], "mean": np.mean(tokens[1:], 0), "mean_all": np.mean(tokens, 0)}[spec.pool]
    pooled = norm(state, "norm", pooled, spec)
    return pooled @ state["proj"] if "proj" in state else state["head.weight"] @ pooled + state["head.bias"]


@pytest.mark.parametrize("form", FORMS)
def test_every_form_is_the_plain_statement(form):
    spec = FORMS[form]
    tower = tower_of(spec)
    pixels = torch.randn(2, 3, spec.size, spec.size, dtype=torch.float64)
    found = tower(pixels)
    state = {name: value.numpy() for name, value in tower.state_dict().items()}
    # the tables of rotary positions are kept in single precision
    limit = 1e-5 if spec.rotary == "eva" else 1e-9
    for row, picture in zip(found, pixels, strict=True):
        np.testing.assert_allclose(row.numpy(), plainly(state, picture.numpy(), spec), atol=limit, rtol=limit)
    states = list(tower.states(pixels))
    assert len(states) == spec.layers + 1
    torch.testing.assert_close(tower.project(tower.pool(states[-1])), found)


def test_every_weight_is_trained():
    for form, spec in FORMS.items():
        torch.manual_seed(1)
        tower = EvaTransformer(dataclasses.replace(spec, drop_path=0.1), 5)
        tower(torch.randn(2, 3, spec.size, spec.size)).square().sum().backward()
        idle = [name for name, value in tower.named_parameters() if value.grad is None or not value.grad.abs().sum()]
        assert idle == [], (form, idle)


@pytest.mark.parametrize("rotary", ["eva", "perception"])
def test_scores_depend_on_the_way_from_one_cell_to_the_other(rotary):
    if rotary == "eva":
        angles = eva_angles(dataclasses.replace(EVA, size=35, rotary=rotary))
    else:
        angles = perception_angles(dataclasses.replace(PERCEPTION, class_token=True))
    assert not angles[0].any()
    draw = np.random.default_rng(0)
    query, key = draw.normal(size=(2, 8))
    turns = [(turned(query, row), turned(key, row)) for row in angles[1:]]

    def score(one, other):
        return turns[one][0] @ turns[other][1]

    # from (0, 1) to (2, 2) and from (1, 2) to (3, 3); not so from (0, 1) to (2, 3)
    assert score(1, 12) == pytest.approx(score(7, 18), abs=1e-12)
    assert abs(score(1, 12) - score(1, 13)) > 1e-3


def test_angles_of_the_two_families():
    eva = eva_angles(dataclasses.replace(EVA, size=35, rotary="eva", rotary_grid=10))[1:].reshape(5, 5, 8)
    np.testing.assert_allclose(eva[3, 1], [6, 6, 0.06, 0.06, 2, 2, 0.02, 0.02])  # row, then column, twice as far
    plain = perception_angles(PERCEPTION).reshape(5, 5, 8)
    np.testing.assert_allclose(plain[3, 1], [1, 1, 0.01, 0.01, 3, 3, 0.03, 0.03])  # column, then row
    counted = perception_angles(dataclasses.replace(PERCEPTION, class_token=True))[1:].reshape(5, 5, 8)
    np.testing.assert_allclose(counted[3, 1], [2, 2, 0.02, 0.02, 4, 4, 0.04, 0.04])  # from 1
    assert eva_angles(EVA) is None
    assert perception_angles(dataclasses.replace(PERCEPTION, rotary="none")) is None


@pytest.mark.parametrize(
    ("field", "value"),
    [("pre_norm", True), ("pool", "attention"), ("rotary", "perception"), ("attention_bias", "all"), ("stem", "conv"),
     ("projection", "none"), ("patch_bias", False), ("final_norm", "tokens"), ("class_token", False)],
)  # fmt: skip
def test_what_the_tower_cannot_be_is_refused(field, value):
    stated = {"name": "x", "image": to_dict(EVA)}
    assert from_dict(ModelSpec, stated).image == EVA
    with pytest.raises(ConfigError, match=f"image.{field} = "):
        from_dict(ModelSpec, {"name": "x", "image": stated["image"] | {field: value}})
