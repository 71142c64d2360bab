"""A trunk stands still at the beginning of a run and, mixed with its start, at the end."""

import json

import pytest
import torch

from wordsight.base.errors import ConfigError
from wordsight.train.loop import train
from wordsight.train.recipe import read_recipe
from wordsight.weights.folder import load_towers

BLOCK, BEFORE, BEHIND = "visual.transformer.resblocks.2.mlp.c_fc.weight", "visual.conv1.weight", "visual.proj"
LAST = ("train.image=last:1", "train.text=projection", "train.views=2", "average=0.5")


def config_of(recipe, start, name, *changes):
    words = [f"out={recipe.parent / name}", "data.side=32", "optimiser.lr=0.01", *LAST, *changes]
    return read_recipe(str(recipe), words, model=str(start))


def watched(config):
    """Train, and return the run with the trunk's block and the projection after each number of steps."""
    seen = {}

    def watch(step, encoder):
        towers = encoder._towers()
        seen[step] = {name: towers.get_parameter(name).clone() for name in (BLOCK, BEHIND)}

    return train(config, device="cpu", watch=watch), seen


def test_the_trunk_learns_between_its_phases_alone(recipe, start):
    done, seen = watched(config_of(recipe, start, "run", "train.alone=[0.25, 0.5]"))
    for step in range(16):
        moved = not torch.equal(seen[step][BLOCK], seen[step + 1][BLOCK])
        assert moved == (4 <= step < 8), step
        assert not torch.equal(seen[step][BEHIND], seen[step + 1][BEHIND])
    saved, before = load_towers(done.model).state_dict(), load_towers(start).state_dict()
    assert torch.equal(saved[BEFORE], before[BEFORE])
    assert torch.equal(saved[BLOCK], seen[16][BLOCK])


@pytest.mark.parametrize("mixed", [0.25, 1.0])
def test_the_trunk_is_mixed_with_its_start_when_it_stands_still_again(recipe, start, mixed):
    _, plain = watched(config_of(recipe, start, "plain", "train.alone=[0, 0.5]"))
    done, seen = watched(config_of(recipe, start, "mixed", "train.alone=[0, 0.5]", f"train.mixed={mixed}"))
    learned, before = plain[8][BLOCK], load_towers(start).state_dict()[BLOCK]
    assert torch.equal(seen[8][BLOCK], learned)
    mixture = (1 - mixed) * learned + mixed * before
    assert not torch.allclose(learned, before, atol=1e-4)
    torch.testing.assert_close(seen[9][BLOCK], mixture, atol=1e-6, rtol=0)
    assert torch.equal(load_towers(done.model).state_dict()[BLOCK], seen[9][BLOCK])


def test_steps_read_what_the_trunk_gives_as_it_stands(recipe, start, monkeypatch):
    """A run on pooled features is the run whose trunk computes them at every step."""
    changes = ["train.alone=[0.25, 0.5]", "train.mixed=0.5"]
    done = train(config_of(recipe, start, "pooled", *changes), device="cpu")
    monkeypatch.setattr("wordsight.train.locked.Locked.stand_still", _hold)
    plain = train(config_of(recipe, start, "states", *changes), device="cpu")
    for mine, theirs in zip(lines(done), lines(plain), strict=True):
        assert mine == pytest.approx(theirs, abs=2e-5)


def _hold(locked, towers):
    trunk = locked._trunks["image"]
    pooled = type(trunk).pooled
    trunk.pooled = lambda towers_, given: pooled(trunk, towers_, given).detach()
    if towers is None:
        del trunk.pooled


@pytest.mark.parametrize("step", [3, 4, 8, 9, 13])
def test_a_run_that_broke_off_in_any_phase_goes_on_as_if_nothing_had_been(recipe, start, broken_off, step):
    changes = ["train.alone=[0.25, 0.5]", "train.mixed=0.5", "checkpoint.steps=1"]
    whole = train(config_of(recipe, start, "whole", *changes), device="cpu")
    with broken_off(step):
        train(config_of(recipe, start, "parts", *changes), device="cpu")
    parts = train(config_of(recipe, start, "parts", *changes), device="cpu", resume=True)
    assert lines(parts) == lines(whole)
    mine, theirs = (load_towers(done.model).state_dict() for done in (parts, whole))
    assert all(torch.equal(mine[name], theirs[name]) for name in theirs)


def lines(done):
    return [json.loads(line) for line in (done.folder / "metrics.jsonl").read_text().splitlines()]


@pytest.mark.parametrize(
    ("changes", "words"),
    [
        (["train.alone=[0.6, 0.6]"], "more than the whole run"),
        (["train.alone=[-0.1, 0]"], r"train.alone\[0\] = -0.1"),
        (["train.alone=[0.1, 0]", "train.mixed=0.5"], "never stands still at the end"),
        (["train.alone=[0.1, 0]", "train.image=projection"], 'train.alone with train.image = "projection"'),
        (["train.alone=[0.1, 0]", "train.views=0"], "train.views = 0"),
        (["loss.words=1.0"], 'loss.words = 1.0 with train.image = "last:1", whose features are computed once'),
        (["train.alone=[0.1, 0]", "guard.action=lower"], 'guard.action = "lower" with train.alone'),
    ],
)
def test_phases_that_cannot_be_are_refused(recipe, start, changes, words):
    with pytest.raises(ConfigError, match=words):
        config_of(recipe, start, "run", *changes)
