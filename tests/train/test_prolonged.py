"""Runs that are made longer after their end."""

import itertools
import json
from dataclasses import replace

import pytest

from wordsight.base.errors import UsageError
from wordsight.train import loop
from wordsight.train.config import ScheduleConfig
from wordsight.train.loop import train
from wordsight.train.recipe import read_recipe
from wordsight.train.schedule import Prolonged, TrainingClock, is_longer, rate_of

WSD = ScheduleConfig(kind="wsd", steps=40, warmup=4, cooldown=0.25)


def run(recipe, *changes, name="run", resume=False):
    config = read_recipe(str(recipe), [f"out={recipe.parent / name}", "validation.every=0", "log=1", *changes])
    return train(config, device="cpu", resume=resume)


def rates(folder):
    return {
        line["step"]: line["lr"] / 0.003
        for line in map(json.loads, (folder / "metrics.jsonl").read_text().splitlines())
        if "lr" in line
    }


def test_the_rate_climbs_from_where_it_stood_stays_and_falls_again():
    stood = Prolonged(step=20, rate=0.1)
    given = [rate_of(WSD, step=step, seconds=0.0, length=40, prolonged=stood) for step in range(20, 40)]
    assert given[:4] == pytest.approx([0.35, 0.6, 0.85, 1.0])
    assert given[3:10] == [1.0] * 7
    assert given[11:] == pytest.approx([0.1 * left for left in range(9, 0, -1)])
    at_rest = Prolonged(step=20, rate=1.0)  # a run that never came to its cooldown: nothing to climb
    assert rate_of(WSD, step=20, seconds=0.0, length=40, prolonged=at_rest) == 1.0
    short = replace(WSD, warmup=100)  # longer than what is left: a quarter of the last 20 steps
    cut = [
        rate_of(short, step=step, seconds=0.0, length=40, prolonged=replace(stood, progress=0.5))
        for step in range(20, 26)
    ]
    assert cut == pytest.approx([0.11, 0.3, 0.5, 0.7, 0.9, 1.0])
    budget = ScheduleConfig(budget="40s", warmup=4)
    assert rate_of(budget, step=20, seconds=20.0, length=None, prolonged=stood) == pytest.approx(0.35)


@pytest.mark.parametrize(
    ("before", "now", "longer"),
    [
        ({"steps": 8}, {"steps": 9}, True),
        ({"steps": 8}, {"steps": 8}, False),
        ({"steps": 8}, {"steps": 7}, False),
        ({"steps": 8}, {"samples": 640}, True),
        ({"steps": 8}, {"samples": 64}, False),
        ({"budget": "1m"}, {"budget": "2m"}, True),
        ({"budget": "1m"}, {"budget": "30s"}, False),
        ({"budget": "1m"}, {"steps": 10**6}, False),
        ({"steps": 8}, {"budget": "9h"}, False),
        ({"steps": 8}, {"steps": 9, "warmup": 5}, False),
    ],
)
def test_only_the_length_may_be_larger(before, now, longer):
    assert is_longer(ScheduleConfig(**now), ScheduleConfig(**before), 64) is longer


def test_a_finished_run_goes_on(recipe, capsys):
    changes = ("schedule.warmup=2", "schedule.cooldown=0.5")
    done = run(recipe, "steps=8", *changes)
    first = rates(done.folder)
    capsys.readouterr()
    longer = run(recipe, "steps=24", *changes, resume=True)
    assert longer.steps == 24
    assert json.loads((done.folder / "prolonged.json").read_text()) == {
        "step": 8,
        "rate": pytest.approx(0.25),
        "progress": 8 / 24,
    }
    after = rates(longer.folder)
    assert {step: after[step] for step in first} == first
    assert after[8] == pytest.approx(0.25)
    assert [after[step] for step in (9, 10, 11, 12)] == pytest.approx([0.75, 1, 1, 1])
    assert after[24] == pytest.approx(1 / 12)
    said = capsys.readouterr().err
    assert (
        "goes on for longer after step 8 (schedule.steps: 8 -> 24): its learning rate climbs from 0.25 of optimiser.lr to that of"
        in said
    )
    assert json.loads((done.folder / "config.json").read_text())["schedule"]["steps"] == 24


def test_a_shorter_run_is_refused(recipe):
    run(recipe, "steps=8")
    with pytest.raises(UsageError) as caught:
        run(recipe, "steps=6", resume=True)
    assert str(caught.value) == (
        f"the recipe is not the one that the run in {recipe.parent / 'run'} began with (schedule.steps: 8 -> 6); resume "
        "with the same recipe and --set; of the schedule, only steps, samples or budget may be larger"
    )


def test_a_run_that_was_made_longer_resumes_bit_for_bit(recipe, broken_off):
    for name in ("whole", "parts"):
        run(recipe, "steps=8", "checkpoint.steps=2", name=name)
    whole = run(recipe, "steps=16", "checkpoint.steps=2", name="whole", resume=True)
    for step in (8, 11):  # before a step was taken, and within the climb
        with broken_off(step):
            run(recipe, "steps=16", "checkpoint.steps=2", name="parts", resume=True)
    parts = run(recipe, "steps=16", "checkpoint.steps=2", name="parts", resume=True)
    assert rates(whole.folder) == rates(parts.folder)
    weights = [(done.model / "weights.safetensors").read_bytes() for done in (whole, parts)]
    assert weights[0] == weights[1]


def test_a_budget_that_was_made_longer_climbs_within_what_is_left(recipe, monkeypatch):
    """As many steps as the warm-up has never fit: it is the time that ends the climb."""
    seconds = itertools.count()
    monkeypatch.setattr(loop, "TrainingClock", lambda path: TrainingClock(path, lambda: float(next(seconds))))
    changes = ("schedule.warmup=1000", "schedule.cooldown=0.25")
    done = run(recipe, "budget=16s", *changes)  # a step a second, from the first one on
    first = [0.25, 0.5, 0.75, *[1.0] * 9, 0.75, 0.5, 0.25]
    assert list(rates(done.folder).values()) == pytest.approx(first)
    longer = run(recipe, "budget=48s", *changes, resume=True)
    noted = json.loads((done.folder / "prolonged.json").read_text())
    assert noted == {"step": 15, "rate": pytest.approx(0.25), "progress": pytest.approx(16 / 48)}
    after = list(rates(longer.folder).values())
    assert after[:23] == pytest.approx([*first, 0.251, 0.375, 0.5, 0.625, 0.75, 0.875, 1.0, 1.0])
