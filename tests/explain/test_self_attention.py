"""CLIP Surgery and GEM beside their equations, written out token by token."""

import math
import sys
from pathlib import Path

import pytest
import torch
import torch.nn.functional as F

from wordsight.base.errors import UsageError
from wordsight.explain.inside.self_attention import gem, surgery
from wordsight.towers.eva.module import EvaTransformer
from wordsight.towers.eva.spec import EvaSpec
from wordsight.towers.vit.spec import VitSpec

sys.path.insert(0, str(Path(__file__).parent))

from oracles import unchanged
from random_towers import IMAGES, VITS, some_pixels, some_tokens, towers_of

MORE = VITS | {
    "eva, norms behind": EvaSpec(
        size=32, width=24, layers=3, heads=2, patch=8, norm_order="post", layer_scale=True, pool="mean_all"
    ),
    "scaled layers": VitSpec(size=32, width=24, layers=3, heads=2, patch=8, layer_scale=True),
}


def looked_up(tokens, values, sharpness):
    """Return what each token (T, d) finds among values (T, d) by likeness to tokens."""
    rows = []
    for token in tokens:
        likeness = torch.stack([token @ other for other in tokens]) * sharpness
        weights = (likeness - likeness.max()).exp()
        rows.append((weights[:, None] * values).sum(dim=0) / weights.sum())
    return torch.stack(rows)


def by_values(x, query, key, value):
    return looked_up(value, value, value.shape[1] ** -0.5)


def by_all(rounds):
    def mix(x, query, key, value):
        sharpness = sum(float(token.norm()) for token in x) / len(x) / value.shape[1] ** 0.5
        found = torch.zeros_like(value)
        for part in (query, key, value):
            for _ in range(rounds):
                part = looked_up(F.normalize(part, dim=1), F.normalize(part, dim=1), sharpness)
            found += looked_up(F.normalize(part, dim=1), value, sharpness) / 3
        return found

    return mix


def second_stream(tower, pixels, mix):
    """Return the tokens (T, D) of the second stream: blocks 1 and 2 of 3."""
    states = [x[0] for x in tower.states(pixels)]
    stream = states[1]
    eva = isinstance(tower, EvaTransformer)
    for number in (1, 2):
        block, x = (tower.blocks if eva else tower.transformer.resblocks)[number], states[number]
        if not eva:
            x = block.ln_1(x)
        elif not block.post:
            x = block.norm1(x)
        heads = zip(*(part[0] for part in block.attn.split(x[None])), strict=True)  # each (T, d), three by three
        out = block.attn.join(torch.stack([mix(x, *parts) for parts in heads])[None])[0]
        if eva:
            out = block.norm1(out) if block.post else out
            out = out if block.gamma_1 is None else block.gamma_1 * out
        elif isinstance(block.ls_1, torch.nn.Identity):
            pass
        else:
            out = block.ls_1.gamma * out
        stream = stream + out
    return stream


def read(tower, token):
    """Return what a tower makes of one token (D,) that is all there is, (E,)."""
    if isinstance(tower, EvaTransformer):
        token = tower.norm(token)
        return tower.head(token) if tower.spec.projection == "linear" else token @ tower.proj
    if tower.spec.pool == "attention":
        token, pool = tower.ln_post(token), tower.attn_pool
        found = pool.attn.out_proj(F.linear(token, pool.attn.in_proj_weight[-24:], pool.attn.in_proj_bias[-24:]))
        return (found + pool.mlp(pool.ln(found))) @ tower.proj
    if tower.spec.pool == "queries":
        pool = tower.attn_pool
        value = F.linear(pool.ln_k(token), pool.attn.v_proj_weight, pool.attn.in_proj_bias[-20:])
        token = pool.attn.out_proj(value)
    return tower.ln_post(token) @ tower.proj


def patch_cosines(tower, pixels, texts, mix):
    tokens = second_stream(tower, pixels, mix)[tower.extra :]
    rows = F.normalize(torch.stack([read(tower, token) for token in tokens]), dim=1)
    return (texts @ rows.T).view(-1, 4, 4)


def operated(cosines, image, texts):
    """Return the maps of CLIP Surgery, (C, G, G), for cosines of patches (C, G, G), one image (E,), texts (C, E)."""
    near = [math.exp(2 * float(image @ text)) for text in texts]
    weighed = [cosine * n / sum(near) * len(texts) for cosine, n in zip(cosines, near, strict=True)]
    return torch.stack([one - sum(weighed) / len(texts) for one in weighed])


@pytest.mark.parametrize("name", MORE)
def test_both_are_what_their_equations_say(name):
    towers, pixels = towers_of(MORE[name]), some_pixels(MORE[name], 1)
    texts, tower = towers.encode_text(some_tokens()), towers.visual
    with torch.no_grad():
        maps = gem(towers, pixels, texts)
        assert torch.allclose(maps, patch_cosines(tower, pixels, texts, by_all(1)), atol=1e-5)
        assert not torch.allclose(maps[0], maps[1], atol=1e-2)
        twice = gem(towers, pixels, texts, rounds=2)
        assert torch.allclose(twice, patch_cosines(tower, pixels, texts, by_all(2)), atol=1e-5)
        maps = surgery(towers, pixels, texts)
        cosines = patch_cosines(tower, pixels, texts, by_values)
        assert torch.allclose(maps, operated(cosines, towers.encode_image(pixels)[0], texts), atol=1e-5)
        assert not torch.allclose(maps[0], maps[1], atol=1e-2)
        alone = surgery(towers, pixels, texts[:1], empty=texts[1])
        assert torch.allclose(alone[0], cosines[0] - cosines[1], atol=1e-5)


def test_surgery_of_a_resnet_is_in_its_pooling():
    towers, pixels = towers_of(IMAGES["resnet"]), some_pixels(IMAGES["resnet"], 1)
    texts, pool = towers.encode_text(some_tokens()), towers.visual.attnpool
    grid = towers.visual.last(pixels)[0].flatten(1).T  # (N, C)
    value = pool.v_proj(torch.cat([grid.mean(dim=0, keepdim=True), grid]) + pool.positional_embedding)
    heads = [looked_up(part, part, part.shape[1] ** -0.5) for part in value.chunk(pool.heads, dim=1)]
    rows = F.normalize(pool.c_proj(torch.cat(heads, dim=1)[1:]), dim=1)
    maps = operated((texts @ rows.T).view(-1, 2, 2), towers.encode_image(pixels)[0], texts)
    assert torch.allclose(surgery(towers, pixels, texts), maps, atol=1e-5)


def test_maps_of_surgery_sum_to_nothing_and_need_something_to_compare_with():
    towers, pixels = towers_of(), some_pixels(count=1)
    texts = towers.encode_text(some_tokens())
    assert surgery(towers, pixels, texts).sum(dim=0).abs().max() < 1e-5
    with pytest.raises(UsageError, match="one text; give `empty`"):
        surgery(towers, pixels, texts[:1])


@pytest.mark.parametrize(("layers", "first"), [(2, 1), (12, 6), (14, 8)])
def test_the_second_stream_goes_through_the_later_half_and_six_blocks_at_most(layers, first):
    towers = towers_of(VitSpec(size=32, width=24, layers=layers, heads=2, patch=8))
    pixels, texts = some_pixels(count=1), towers.encode_text(some_tokens())
    before = gem(towers, pixels, texts)
    seen = []
    for block in towers.visual.transformer.resblocks:
        whole = block.attn.split
        block.attn.split = lambda x, block=block, whole=whole: seen.append(block) or whole(x)
    assert torch.equal(gem(towers, pixels, texts), before)
    numbers = [list(towers.visual.transformer.resblocks).index(block) for block in seen]
    assert numbers == [*range(first), *(n for n in range(first, layers - 1) for _ in "xy"), layers - 1]


@pytest.mark.parametrize("method", [gem, surgery])
def test_towers_stay_as_they_are(method):
    towers, pixels = towers_of(), some_pixels(count=1)
    texts = towers.encode_text(some_tokens())
    maps = method(towers, pixels, texts)
    towers.requires_grad_(True)
    assert torch.equal(maps, unchanged(towers, lambda: method(towers, pixels, texts)))
    with torch.inference_mode():
        assert torch.equal(maps, method(towers, pixels.clone(), texts.clone()))
    halved = method(towers.bfloat16(), pixels, texts)
    assert halved.dtype == torch.float32
    assert torch.allclose(halved, maps, atol=0.1)


@pytest.mark.parametrize(("method", "name"), [(gem, "resnet"), (gem, "efficientnet"), (surgery, "efficientnet")])
def test_convolutions_are_refused(method, name):
    towers = towers_of(IMAGES[name])
    with pytest.raises(UsageError, match=f'kind "{name}"; it wants a native vision transformer.*; Grad-CAM fits'):
        method(towers, some_pixels(IMAGES[name], 1), towers.encode_text(some_tokens()))
