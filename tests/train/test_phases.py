"""A trunk stands still at the beginning of a run and, mixed with its start, at the end."""

import json

import pytest
import torch

from wordsight.base.errors import ConfigError, StorageError
from wordsight.train.checkpoint import list_checkpoints
from wordsight.train.loop import Learning, train
from wordsight.train.recipe import read_recipe
from wordsight.train.schedule import TrainingClock
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


def _hold(locked, towers, folder):
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


def test_pooled_features_are_found_again_and_those_of_the_end_do_not_stay(recipe, start, broken_off, capsys):
    changes = ["train.alone=[0.25, 0.5]", "train.mixed=0.5", "checkpoint.steps=1", "seed=7"]
    with broken_off(13):
        train(config_of(recipe, start, "run", *changes), device="cpu")
    pooled = recipe.parent / "run" / "pooled"
    (kept,) = pooled.iterdir()
    assert len(list(kept.iterdir())) == 1
    assert len(list(recipe.parent.glob("cache/features/*/pooled-*"))) == 1
    capsys.readouterr()
    done = train(config_of(recipe, start, "run", *changes), device="cpu", resume=True)
    assert "computing" not in capsys.readouterr().err
    assert not pooled.exists()
    capsys.readouterr()
    longer = config_of(recipe, start, "run", *changes, "steps=40")
    assert train(longer, device="cpu", resume=True).steps == 40 > done.steps
    assert not pooled.exists()


def test_a_full_disk_at_a_change_of_phase_leaves_a_checkpoint_of_what_was_learned(recipe, start, monkeypatch):
    changes = ["train.alone=[0, 0.5]", "checkpoint.seconds=0"]
    with monkeypatch.context() as patch, pytest.raises(StorageError):
        patch.setattr("wordsight.train.locked.Locked.stand_still", _full)
        train(config_of(recipe, start, "run", *changes), device="cpu")
    assert [one.name for one in list_checkpoints(recipe.parent / "run")] == ["step-00000008"]
    train(config_of(recipe, start, "whole", *changes), device="cpu")
    parts = train(config_of(recipe, start, "run", *changes), device="cpu", resume=True)
    mine, theirs = (load_towers(folder).state_dict() for folder in (parts.model, recipe.parent / "whole" / "model"))
    assert all(torch.equal(mine[name], theirs[name]) for name in theirs)


def _full(locked, towers, folder):
    raise StorageError("the disk is full")


def test_features_of_a_phase_take_no_time_of_the_budget(recipe, start, monkeypatch):
    now = [0.0]

    def stand_still(locked, towers, folder):
        now[0] += 1000.0

    original = Learning._learn

    def learn(learning, batch, clock):
        now[0] += 1.0
        return original(learning, batch, clock)

    monkeypatch.setattr("wordsight.train.locked.Locked.stand_still", stand_still)
    monkeypatch.setattr(Learning, "_learn", learn)
    monkeypatch.setattr(TrainingClock.__init__, "__defaults__", (lambda: now[0],))
    changes = ["budget=8s", "train.alone=[0.25, 0.5]", "checkpoint.seconds=0", "guard.action=off"]
    assert train(config_of(recipe, start, "run", *changes), device="cpu").steps == 8
    assert now[0] == 3008.0


def test_a_run_that_never_comes_to_its_last_phase_says_so(recipe, start, capsys):
    train(config_of(recipe, start, "run", "steps=3", "train.alone=[0, 0.1]", "train.mixed=0.5"), device="cpu")
    said = "the run ended before its last phase (train.alone): the trunk learned to the end and was not mixed with its"
    assert said in capsys.readouterr().err


def lines(done):
    return [json.loads(line) for line in (done.folder / "metrics.jsonl").read_text().splitlines()]


@pytest.mark.parametrize(
    ("changes", "words"),
    [
        (["train.alone=[0.6, 0.6]"], "is the whole run"),
        (["train.alone=[-0.1, 0]"], r"train.alone\[0\] = -0.1"),
        (["train.alone=[0.1, 0]", "train.mixed=0.5"], "never stands still at the end"),
        (["train.alone=[0.1, 0]", "train.image=projection"], 'train.alone with train.image = "projection"'),
        (["train.alone=[0.1, 0]", "train.views=0"], "train.views = 0"),
        (["train.alone=[0.5, 0.5]"], "the trunk would never learn"),
        (["train.alone=[0, 0.5]", "train.mixed=0.5", "average.start=0.5"], "the trunk is mixed twice"),
        (["train.patch_dropout=0.5"], "train.patch_dropout = 0.5 with features of images that are kept"),
        (["loss.classes.held=1", "train.image=projection"], "no block of the image tower learns"),
        (["train.views=0", "data.sources.scenes.views=2"], "or set train.views to 1 or more"),
        (["loss.words=1.0"], 'loss.words = 1.0 with train.image = "last:1", whose features are computed once'),
        (["train.alone=[0.1, 0]", "guard.action=lower"], 'guard.action = "lower" with train.alone'),
    ],
)
def test_phases_that_cannot_be_are_refused(recipe, start, changes, words):
    with pytest.raises(ConfigError, match=words):
        config_of(recipe, start, "run", *changes)
