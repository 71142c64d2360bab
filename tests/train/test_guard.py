"""The guard against ruin: what it watches, when a figure has fallen, what it then does, and what it remembers."""

import json
from dataclasses import replace

import numpy as np
import pytest
import torch
from torch import nn

from wordsight.base.errors import ConfigError
from wordsight.base.nouns import Result
from wordsight.train.guard import Guard, Weights
from wordsight.train.guard_config import GuardConfig
from wordsight.train.loop import train
from wordsight.train.recipe import read_recipe
from wordsight.train.watched import AGREEMENT, Look, _chosen, alike, centred
from wordsight.weights.folder import load_towers

STILL = ["augment.scale=[1.0,1.0]", "augment.ratio=[1.0,1.0]", "augment.flip=0", "model.text.dropout=0"]
MINE, NAMED = "mine/text_to_image/R@10", "photos/zero-shot/top-1"


class Planned:
    """Watches what a test says: one (mine, photos, agreement) for the start and one for each look."""

    own = ("mine",)

    def __init__(self, *looks):
        self.looks = list(looks)

    def measure(self, encoder, start=None):
        mine, named, agreement = self.looks.pop(0)
        figures = {name: Result(name, value, count=250) for name, value in ((MINE, mine), (NAMED, named))}
        return Look({**figures, AGREEMENT: Result(AGREEMENT, agreement, count=250)}, None)


def guarded(looks, **values):
    """A guard of one learned weight that is 0 at the start, and what it watches over."""
    towers, average = nn.Linear(1, 1, bias=False), nn.Linear(1, 1, bias=False)
    weights = Weights(towers, average, torch.optim.AdamW(towers.parameters(), lr=0.1))
    set_weight(weights, 0.0)
    return Guard(GuardConfig(**values), Planned(*looks), weights, None), weights


def set_weight(weights, value):
    for module in (weights.towers, weights.average):
        nn.init.constant_(module.weight, value)


def looks_of(guard, weights, count):
    """Look after steps 1, 2, …, at which the weight is 1, 2, …"""
    for step in range(1, count + 1):
        set_weight(weights, float(step))
        guard.look(step)


def test_a_fall_stops_the_run_with_the_best_weights(capsys):
    start, best, later, ruin = (0.6, 0.58, 1.0), (0.7, 0.57, 0.9), (0.65, 0.56, 0.9), (0.8, 0.001, 0.6)
    guard, weights = guarded([start, best, later, ruin])
    looks_of(guard, weights, 2)
    assert not guard.stopped
    assert capsys.readouterr().err == ""
    set_weight(weights, 3.0)
    guard.look(3)
    assert guard.stopped
    assert weights.average.weight.item() == 1.0
    said = capsys.readouterr().err
    assert said == (
        f"guard: {NAMED} fell from 58.0 to 0.1 at step 3: the run is stopped, the weights of step 1 are kept\n"
    )
    values = {result.name: (result.setting["start"], result.value) for result in guard.results()}
    assert values == {
        f"guard/{MINE}": (0.6, 0.7),
        f"guard/{NAMED}": (0.58, 0.57),
        f"guard/{AGREEMENT}": (1.0, 0.9),
    }


def test_without_any_good_look_the_weights_begun_from_are_kept(capsys):
    guard, weights = guarded([(0.6, 0.6, 1.0), (0.1, 0.6, 0.9)])
    looks_of(guard, weights, 1)
    assert "the run is stopped, the weights begun from are kept" in capsys.readouterr().err
    assert weights.average.weight.item() == 0.0


def test_a_fall_lowers_the_rate_from_the_best_weights(capsys):
    guard, weights = guarded([(0.6, 0.6, 1.0), (0.7, 0.6, 0.9), (0.6, 0.1, 0.6), (0.6, 0.1, 0.6)], action="lower")
    looks_of(guard, weights, 1)
    weights.towers.weight.sum().backward()
    weights.optimiser.step()
    looks_of_second = guard.look(2)
    assert looks_of_second[NAMED] == 0.1
    assert (guard.factor, guard.stopped) == (0.1, False)
    assert weights.towers.weight.item() == weights.average.weight.item() == 1.0
    assert all(not tensor.any() for moments in weights.optimiser.state.values() for tensor in moments.values())
    assert "back to the weights of step 1, with 0.1 of the learning rate" in capsys.readouterr().err
    guard.look(3)
    assert guard.factor == pytest.approx(0.01)


def test_a_fall_is_told_once_and_changes_nothing(capsys):
    guard, weights = guarded([(0.6, 0.6, 1.0), (0.1, 0.6, 0.9), (0.1, 0.6, 0.9)], action="tell")
    looks_of(guard, weights, 2)
    assert capsys.readouterr().err.count("\n") == 1
    assert (guard.factor, guard.stopped, guard.best) == (1.0, False, None)
    assert weights.average.weight.item() == 2.0
    assert guard.results()[0].value == 0.1


def test_low_agreement_is_warned_of_once_and_stops_nothing(capsys):
    guard, weights = guarded([(0.6, 0.6, 1.0), (0.7, 0.6, 0.4), (0.7, 0.6, 0.3)])
    looks_of(guard, weights, 2)
    said = capsys.readouterr().err
    assert said.count("\n") == 1
    assert said.startswith("guard: the agreement with the start over ImageNet's names is 0.40 at step 1: much of")
    assert not guard.stopped


def test_a_fall_is_not_also_warned_of(capsys):
    guard, weights = guarded([(0.6, 0.6, 1.0), (0.1, 0.6, 0.0)])
    looks_of(guard, weights, 1)
    assert capsys.readouterr().err.count("\n") == 1


def test_what_few_images_show_by_chance_is_no_fall():
    few = Look({MINE: Result(MINE, 0.5, count=20), AGREEMENT: Result(AGREEMENT, 1.0, count=20)}, None)
    watched = Planned()
    watched.measure = lambda encoder, start=None: few
    towers = nn.Linear(1, 1)
    weights = Weights(towers, nn.Linear(1, 1), torch.optim.AdamW(towers.parameters()))
    guard = Guard(GuardConfig(), watched, weights, None)
    for value, stops in ((0.35, False), (0.25, True)):  # 1.96 standard errors of 20 images: 22 %
        few = Look({MINE: Result(MINE, value, count=20), AGREEMENT: Result(AGREEMENT, 0.9, count=20)}, None)
        guard.look(1)
        assert guard.stopped == stops


def test_embeddings_that_are_no_numbers_are_a_fall():
    guard, weights = guarded([(0.6, 0.6, 1.0), (float("nan"), 0.6, float("nan"))])
    looks_of(guard, weights, 1)
    assert guard.stopped


@pytest.mark.parametrize(("every", "expected"), [(0, [5, 10, *range(20, 101, 10)]), (30, [30, 60, 90, 100])])
def test_it_looks_at_shares_of_the_run_and_at_its_end(every, expected):
    guard, _ = guarded([(0.6, 0.6, 1.0)], every=every)
    assert [n for n in range(1, 101) if guard.due(n, (n - 1) / 100, n / 100)] == expected


def test_it_remembers():
    looks = [(0.6, 0.6, 1.0), (0.7, 0.6, 0.4), (0.6, 0.1, 0.6)]
    guard, weights = guarded(looks, action="lower")
    looks_of(guard, weights, 2)
    again, _ = guarded(looks, action="lower")
    again.recall(json.loads(json.dumps(guard.memory())))
    assert again.memory() == guard.memory()
    assert (again.factor, again.results()) == (guard.factor, guard.results())


def test_agreement_is_of_what_differs_between_images():
    rng = np.random.default_rng(0)
    answers = rng.normal(size=(20, 50)).astype(np.float32)
    offset = 5 * rng.normal(size=50).astype(np.float32)  # what every image has with a name
    start = centred(answers + offset)
    assert alike(start, centred(3 * answers + offset + 7)) == pytest.approx(1.0, abs=1e-5)
    assert abs(alike(start, centred(rng.normal(size=(20, 50)).astype(np.float32) + offset))) < 0.1
    assert alike(start, centred(np.repeat(offset[None], 20, axis=0))) == pytest.approx(0.0, abs=1e-3)


@pytest.fixture
def able(recipe):
    """A model that finds the eight pictures by their captions."""
    changes = [f"out={recipe.parent / 'able'}", "steps=100", "validation.every=0", *STILL]
    return train(read_recipe(str(recipe), changes), device="cpu").model


def run(recipe, able, name, *changes, resume=False):
    words = [f"out={recipe.parent / name}", "steps=20", "validation.every=0", "schedule.warmup=0", *STILL, *changes]
    return train(read_recipe(str(recipe), words, model=str(able)), device="cpu", resume=resume)


def test_a_careless_run_is_stopped_and_a_gentle_one_is_not(recipe, able, capsys):
    done = run(recipe, able, "careless", "lr=1.0")
    said = capsys.readouterr().err
    assert "guard: scenes/text_to_image/R@1 fell from 100.0 to" in said
    assert "the run is stopped, the weights begun from are kept" in said
    assert done.steps < 20
    before, after = load_towers(able).state_dict(), load_towers(done.model).state_dict()
    assert all(torch.equal(before[name], after[name]) for name in before)
    card = (done.model / "README.md").read_text()
    assert "| scenes/text_to_image/R@1 | 100.0% | 100.0% |" in card
    assert "the run is stopped, the weights begun from are kept" in card
    again = run(recipe, able, "careless", "lr=1.0", resume=True)
    assert "the run was stopped here, so it ends" in capsys.readouterr().err
    assert again.steps == done.steps
    gentle = run(recipe, able, "gentle", "lr=1e-5")
    off = run(recipe, able, "off", "lr=1e-5", "guard.action=off")
    assert "fell" not in capsys.readouterr().err
    weights = [(one.model / "weights.safetensors").read_bytes() for one in (gentle, off)]
    assert weights[0] == weights[1]
    names = {result.name for result in gentle.results} - {result.name for result in off.results}
    assert names == {"guard/scenes/text_to_image/R@1", "guard/agreement"}
    assert not (off.folder / "guard.json").exists()
    seen = [json.loads(line) for line in (gentle.folder / "metrics.jsonl").read_text().splitlines()]
    assert len([line for line in seen if "guard/agreement" in line]) == 11


def test_a_run_that_is_lowered_resumes_bit_for_bit(recipe, able, broken_off):
    changes = ["lr=0.5", "guard.action=lower", "guard.every=3", "checkpoint.steps=1", "average.start=0.2"]
    whole = run(recipe, able, "whole", *changes)
    with broken_off(7):
        run(recipe, able, "parts", *changes)
    parts = run(recipe, able, "parts", *changes, resume=True)
    weights = [(done.model / "weights.safetensors").read_bytes() for done in (whole, parts)]
    assert weights[0] == weights[1]
    events = [json.loads((done.folder / "guard.json").read_text())["events"] for done in (whole, parts)]
    assert events[0] == events[1]
    assert any("of the learning rate" in event for event in events[0])


def test_further_tasks_are_watched(recipe, able):
    tasks = ["guard.tasks.photos.kind=retrieval", "guard.tasks.photos.place=scenes", "guard.images=4"]
    done = run(recipe, able, "tasks", "lr=0", *tasks)
    counts = {result.name: result.count for result in done.results if result.name.startswith("guard/")}
    assert counts == {
        "guard/scenes/text_to_image/R@1": 4,
        "guard/photos/text_to_image/R@1": 4,
        "guard/agreement": 4,
    }


def test_a_run_without_held_out_images_says_that_nothing_is_watched(recipe, able, capsys):
    recipe.write_text(recipe.read_text().partition("[validation.tasks")[0] + "[export]\nprecisions = []\n")
    done = run(recipe, able, "unwatched", "data.held_out=0", "steps=1")
    assert "nothing is watched for what the model may lose, since no images are held out" in capsys.readouterr().err
    assert done.results == []


@pytest.mark.parametrize(
    ("changes", "says"),
    [
        (["guard.fall=2"], "guard.fall = 2.0; give 0 to 1"),
        (["guard.images=1"], "guard.images = 1; give a finite number, 2 or more"),
        (["guard.tasks.x.kind=none", "guard.tasks.x.place=."], "guard.tasks.x.kind = 'none'; use one of 'zero-shot'"),
        (["guard.tasks.x.kind=retrieval", "guard.tasks.x.place=."], "guard.tasks without a model to begin from: there"),
    ],
)
def test_what_cannot_be_is_refused(recipe, changes, says):
    with pytest.raises(ConfigError) as caught:
        read_recipe(str(recipe), changes)
    assert str(caught.value).startswith(says)


@pytest.mark.parametrize(("values", "watched"), [((0.5, 0.8, 0.9), 10), ((0.5, 0.8, 0.99), 5), ((0.96, 0.98, 0.99), 1)])
def test_a_recall_that_cannot_fall_visibly_is_not_what_is_watched(values, watched):
    results = [
        Result(f"a/text_to_image/R@{k}", value, None, 250, "", setting={"chance": k / 250})
        for k, value in zip((1, 5, 10), values, strict=True)
    ]
    start = _chosen(results, None)
    assert start.name == f"a/text_to_image/R@{watched}"
    later = [replace(result, value=0.2) for result in results]
    assert _chosen(later, Look({start.name: start}, None)).name == start.name
