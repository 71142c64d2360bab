"""Optimiser groups, the average, precision, the auxiliary words."""

import dataclasses
import json
import math
import re
from pathlib import Path

import pytest
import torch

from wordsight.base.config import from_dict
from wordsight.base.errors import UsageError
from wordsight.engines.torch_engine import choose_device
from wordsight.towers.build import build
from wordsight.towers.catalogue import architecture
from wordsight.towers.spec import ModelSpec
from wordsight.towers.tower import of_patches
from wordsight.train.average import Average
from wordsight.train.bag_of_words import BagOfWordsHead, bag_of_words_targets, rarity_of
from wordsight.train.config import OptimiserConfig
from wordsight.train.optimiser import make_optimiser, named_parameters, still_names
from wordsight.train.precision import autocast


def test_decay_is_left_off_gains_biases_scale_and_embeddings():
    towers = build(architecture("nano-64"))
    decayed, still = make_optimiser({"towers": towers}, OptimiserConfig(decay=0.3)).param_groups
    names = {id(parameter): name for name, parameter in named_parameters({"towers": towers}).items()}
    with_decay, without = (
        {names[id(p)].removeprefix("towers.") for p in group["params"]} for group in (decayed, still)
    )
    assert (decayed["weight_decay"], still["weight_decay"]) == (0.3, 0.0)
    assert with_decay | without == {name for name, _ in towers.named_parameters()}
    assert {"logit_scale", "positional_embedding", "token_embedding.weight", "ln_final.weight"} <= without
    assert not [name for name in with_decay if name.endswith("bias") or ".ln_" in name]
    assert {"visual.proj", "text_projection", "transformer.resblocks.0.attn.in_proj_weight"} <= with_decay


PINNED = Path(__file__).resolve().parents[1] / "conformance" / "pinned"
NATIVE = sorted(
    path.stem
    for path in PINNED.glob("*.json")
    if not {"timm", "transformers"} & set(re.findall(r'"kind": "(\w+)"', path.read_text())) and path.stem != "processor"
)
# what the published recipes leave without decay, by the last part of its name
LEFT = {
    *("bias", "in_proj_bias", "q_bias", "v_bias", "logit_scale", "logit_bias", "gamma", "gamma_1", "gamma_2"),
    *("positional_embedding", "pos_embed", "class_embedding", "cls_emb", "cls_token", "probe", "query"),
}


@pytest.mark.parametrize("name", NATIVE)
def test_of_every_family_kernels_and_matrices_decay_and_nothing_else(name):
    towers = build(from_dict(ModelSpec, json.loads((PINNED / f"{name}.json").read_text())["spec"]))
    still = still_names(towers)
    for parameter, values in towers.named_parameters():
        leaf = parameter.rpartition(".")[2]
        gain = leaf == "weight" and (values.ndim == 1 or parameter.endswith("token_embedding.weight"))
        assert (parameter in still) == (leaf in LEFT or gain), parameter


def test_every_native_family_is_among_them():
    assert {"clip-vit", "clip-resnet", "coca", "eva02", "eva-post", "eva-rms", "perception", "siglip"} <= set(NATIVE)


def test_towers_of_others_say_themselves_what_does_not_decay():
    class Trunk(torch.nn.Module):
        def __init__(self):
            super().__init__()
            self.places = torch.nn.Parameter(torch.ones(2, 3))
            self.scale = torch.nn.Parameter(torch.ones(4, 1, 1))
            self.table = torch.nn.Embedding(5, 3)
            self.kernel = torch.nn.Parameter(torch.ones(4, 1, 3, 3))

        def no_weight_decay(self):
            return {"places"}

    tower = torch.nn.ModuleDict({"trunk": Trunk()})
    assert still_names(tower) == {"trunk.places", "trunk.scale", "trunk.table.weight"}


def test_the_average_by_hand():
    module = torch.nn.BatchNorm1d(1)
    average = Average(module, 0.9)
    expected, expected_mean = 1.0, 0.0
    for step in range(60):
        with torch.no_grad():
            module.weight.fill_(step)
            module.running_mean.fill_(step)
        average.update(module, step)
        decay = min(0.9, (1 + step) / (10 + step))
        expected = decay * expected + (1 - decay) * step
        expected_mean = decay * expected_mean + (1 - decay) * step
    assert average.towers.weight.item() == pytest.approx(expected, rel=1e-5)
    assert average.towers.running_mean.item() == pytest.approx(expected_mean, rel=1e-5)
    assert not average.towers.training
    assert module.weight.item() == 59


def test_no_average_is_the_weights_themselves():
    module = torch.nn.Linear(2, 2)
    average = Average(module, 0.0)
    with torch.no_grad():
        module.weight.add_(1.0)
    average.update(module, 0)
    assert torch.equal(average.towers.weight, module.weight)


def test_autocast_is_what_was_asked_for():
    cpu = torch.device("cpu")
    a = torch.ones(2, 2)
    for precision, dtype in (("bf16", torch.bfloat16), ("fp32", torch.float32)):
        with autocast(cpu, precision):
            assert (a @ a).dtype == dtype


def test_an_unknown_device_is_refused():
    with pytest.raises(UsageError, match="warp"):
        choose_device("warp")
    assert choose_device("cpu").type == "cpu"


def test_word_targets_are_spread_by_rarity():
    rarity = torch.tensor([0.0, 1.0, 3.0, 2.0, 0.0])
    tokens = torch.tensor([[4, 1, 2, 1, 0], [4, 3, 0, 0, 0]])
    assert bag_of_words_targets(tokens, rarity).tolist() == [[0, 0.25, 0.75, 0, 0], [0, 0, 0, 1, 0]]


class Letters:
    """A tokenizer of three letters, start 3 and end 4."""

    size, start_id, end_id = 6, 4, 5

    def encode(self, text):
        return ["-abc".index(letter) for letter in text]


def test_rarity_by_hand():
    rarity = rarity_of(["aab", "a", "bc"], Letters())
    expected = [0, math.log(4 / 3), math.log(4 / 3), math.log(4 / 2), 0, 0]
    assert rarity.tolist() == pytest.approx(expected)


@pytest.mark.parametrize("name", ["nano-64", "tiny-rn-64"])
def test_the_words_head_reaches_the_image_tower_only(name):
    spec = architecture(name)
    if name == "tiny-rn-64":
        spec = dataclasses.replace(spec, image=dataclasses.replace(spec.image, width=8, stages=(1, 1, 1, 1), heads=4))
    towers = build(spec)
    head = BagOfWordsHead(towers.image_tower, torch.ones(spec.text.vocabulary_size))
    tokens = torch.randint(1, 500, (2, 8))
    last = towers.last_image_state(torch.randn(2, 3, spec.image.size, spec.image.size))
    head(of_patches(towers.image_tower, last), tokens).backward()
    assert sum(p.grad.abs().sum() for p in towers.visual.parameters() if p.grad is not None) > 0
    assert towers.token_embedding.weight.grad is None
