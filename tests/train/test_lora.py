"""Low-rank additions: they begin with nothing, learn alone, and end as one weight that gives the same embeddings."""

import json
import re
from pathlib import Path

import pytest
import torch

from wordsight.base.config import from_dict
from wordsight.base.errors import ConfigError
from wordsight.towers.build import build
from wordsight.towers.spec import ModelSpec
from wordsight.train.learned import train_mode
from wordsight.train.loop import Learning, train
from wordsight.train.lora import add_low_rank, has_low_rank, low_rank_names, merged, plain_state
from wordsight.train.pairs import open_pairs
from wordsight.train.recipe import read_recipe
from wordsight.weights.folder import load_towers, verify

PINNED = Path(__file__).resolve().parents[1] / "conformance" / "pinned"
BUILT = (
    "clip-vit",
    "clip-resnet",
    "coca",
    "eva02",
    "siglip",
    "vit-tiered-stem-mixers",
    "minilm",
    "efficientnet",
    "timm",
)
CLOSE = 1e-5  # of any number of a unit row


def towers_of(name):
    torch.manual_seed(0)
    return build(from_dict(ModelSpec, json.loads((PINNED / f"{name}.json").read_text())["spec"])).eval()


def embedded(towers):
    size = towers.spec.image.size
    generator = torch.Generator().manual_seed(1)
    tokens = torch.randint(
        1, towers.spec.text.vocabulary_size, (2, towers.spec.text.context_length), generator=generator
    )
    tokens[:, -1] = towers.spec.text.vocabulary_size - 1
    with torch.inference_mode():
        return towers.encode_image(torch.randn(2, 3, size, size, generator=generator)), towers.encode_text(tokens.int())


@pytest.mark.parametrize("name", BUILT)
def test_merged_towers_give_the_same_embeddings(name):
    towers = towers_of(name)
    before = embedded(towers)
    added = add_low_rank(towers, list(low_rank_names(towers)), rank=3)
    for given, expected in zip(embedded(towers), before, strict=True):  # B begins with zeros
        torch.testing.assert_close(given, expected, atol=1e-6, rtol=0)
    for _, up in added.values():
        torch.nn.init.normal_(towers.get_parameter(up), std=0.05)
    after, plain = embedded(towers), merged(towers)
    for with_additions, given, at_first in zip(after, embedded(plain), before, strict=True):
        torch.testing.assert_close(given, with_additions, atol=CLOSE, rtol=0)
        assert not torch.allclose(given, at_first, atol=1e-3)
    assert has_low_rank(towers) and not has_low_rank(plain)
    fresh = towers_of(name)
    assert set(plain_state(towers)) == set(fresh.state_dict())
    fresh.load_state_dict(plain_state(towers))
    assert all(torch.equal(*pair) for pair in zip(embedded(fresh), embedded(plain), strict=True))


def test_every_kernel_and_matrix_has_one():
    towers = towers_of("clip-resnet")
    wanted = {
        name for name, weight in towers.named_parameters() if weight.ndim > 1 and not re.search("embedding", name)
    }
    assert set(low_rank_names(towers)) == wanted
    depthwise = torch.nn.Sequential(torch.nn.Conv2d(6, 6, 3, groups=6))
    ((down, up),) = add_low_rank(depthwise, ["0.weight"], rank=8).values()
    assert depthwise.get_parameter(down).shape == (6, 9)
    assert depthwise.get_parameter(up).shape == (6, 6)


def run(recipe, *changes, name="run", model, resume=False):
    config = read_recipe(str(recipe), [f"out={recipe.parent / name}", "steps=6", *changes], model=str(model))
    return train(config, device="cpu", resume=resume)


def test_a_run_learns_the_additions_alone_and_saves_plain_weights(recipe, start):
    done = run(recipe, "train.image=lora:2", "train.text=none", model=start)
    verify(done.model)
    before, after = load_towers(start).state_dict(), load_towers(done.model).state_dict()
    assert list(before) == list(after)
    moved = {name for name in before if not torch.equal(before[name], after[name])} - {"logit_scale"}
    expected = {name for name in low_rank_names(load_towers(start)) if name.startswith("visual.")}
    assert moved == expected
    for name in moved:
        values = torch.linalg.svdvals((after[name] - before[name]).flatten(1).double())
        assert values[2:].max() < 1e-5 * values[0]
    assert 'Learned: image tower "lora:2", text tower "none".' in (done.model / "README.md").read_text()


def test_only_the_additions_have_gradients_and_states(recipe, start):
    changes = [f"out={recipe.parent / 'run'}", "train.image=lora:2", "train.text=lora:1", "train.layer_decay=0.5"]
    config = read_recipe(str(recipe), changes, model=str(start))
    learning = Learning(config, recipe.parent, torch.device("cpu"), open_pairs(config.data, hold_out=False))
    train_mode(learning.towers)
    learning._backward(learning.loader.batch(0))
    learning.optimiser.step()
    learned = {name for name, p in learning.towers.named_parameters() if p in learning.optimiser.state}
    assert learned == {n for n in dict(learning.towers.named_parameters()) if n.endswith((".up", ".down"))} | {
        "logit_scale"
    }
    rates = learning.begun.rates
    assert rates["visual.transformer.resblocks.0.mlp.c_fc.parametrizations.weight.0.up"] == 0.125
    assert rates["visual.parametrizations.proj.0.down"] == 1.0
    count = sum(p.numel() for name, p in learning.towers.named_parameters() if name in learned)
    assert count < 0.25 * sum(p.numel() for p in learning.towers.parameters())


def test_a_run_with_additions_resumes_bit_for_bit(recipe, start, broken_off):
    changes = ["train.image=lora:2", "train.text=lora:1", "average.start=0.25", "checkpoint.steps=1"]
    whole = run(recipe, *changes, name="whole", model=start)
    with broken_off(3):
        run(recipe, *changes, name="parts", model=start)
    parts = run(recipe, *changes, name="parts", model=start, resume=True)
    weights = [(done.model / "weights.safetensors").read_bytes() for done in (whole, parts)]
    assert weights[0] == weights[1]


def test_the_start_is_mixed_with_the_merged_weights(recipe, start):
    plain = run(recipe, "train.image=lora:2", name="plain", model=start)
    mixed = run(recipe, "train.image=lora:2", "average.start=0.25", name="mixed", model=start)
    before, learned, after = (load_towers(m).state_dict() for m in (start, plain.model, mixed.model))
    for name, value in after.items():
        torch.testing.assert_close(value, 0.25 * before[name] + 0.75 * learned[name], atol=1e-6, rtol=0)


def test_a_projection_that_is_new_learns_whole(recipe, start):
    changes = [f"model.image.init={start}", f"model.text.init={start}", "model.width=48", "train.image=lora:2"]
    config = read_recipe(str(recipe), [f"out={recipe.parent / 'run'}", *changes])
    learning = Learning(config, recipe.parent, torch.device("cpu"), open_pairs(config.data, hold_out=False))
    assert learning.begun.rates["visual.proj"] == 1.0
    assert "visual.transformer.resblocks.0.attn.in_proj_weight" not in learning.begun.rates


def test_a_rank_of_nothing_is_refused(recipe, start):
    with pytest.raises(ConfigError, match=r'train.image = \'lora:0\'; use "all", .* or "lora:R" \(of rank R\)'):
        read_recipe(str(recipe), ["train.image=lora:0"], model=str(start))
