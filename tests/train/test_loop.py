"""Runs on eight small pictures: they are learned, the average is used, and a stopped run goes on bit for bit."""

import dataclasses
import functools
import itertools
import json
import shutil

import pytest
import torch
from safetensors.torch import load_file

from wordsight.base.errors import FormatError, UsageError
from wordsight.base.nouns import Result
from wordsight.train import loop
from wordsight.train.checkpoint import list_checkpoints
from wordsight.train.loop import Diverged, Learning, train
from wordsight.train.pairs import open_pairs
from wordsight.train.recipe import read_recipe
from wordsight.train.schedule import TrainingClock
from wordsight.train.validate import Validation
from wordsight.weights.folder import load_towers, read_fingerprint, verify

STILL = ["augment.scale=[1.0,1.0]", "augment.ratio=[1.0,1.0]", "augment.flip=0", "model.text.dropout=0"]


def run(recipe, name, *changes, resume=False):
    config = read_recipe(str(recipe), [f"out={recipe.parent / name}", *changes])
    return train(config, device="cpu", resume=resume)


def lines(folder, name="metrics.jsonl"):
    return [json.loads(line) for line in (folder / name).read_text().splitlines()]


def weights(folder):
    return (folder / "model" / "weights.safetensors").read_bytes()


def test_eight_pictures_are_learned(recipe):
    done = run(recipe, "run", "steps=120", "validation.every=0", *STILL)
    losses = [line["loss"] for line in lines(done.folder)]
    assert losses[0] > 1.5  # chance is ln 8 = 2.08
    assert losses[-1] < 0.1
    assert lines(done.folder)[-1]["accuracy"] == 1.0
    assert lines(done.folder)[-1]["samples"] == 120 * 8
    found = {result.name: result.value for result in done.results}
    assert found["scenes/text_to_image/R@1"] == 1.0
    verify(done.model)
    kept = [Result.from_fields(json.loads(line)) for line in (done.folder / "results.jsonl").read_text().splitlines()]
    assert {result.fingerprint for result in kept} == {read_fingerprint(done.model)}
    card = (done.model / "README.md").read_text()
    assert "| scenes | scenes | 8 | 100% |" in card
    assert "scenes/text_to_image/R@1 | 100.0%" in card


def test_the_average_is_what_is_validated_and_saved(recipe):
    done = run(recipe, "run", "steps=6", "average=0.9", "validation.every=6")
    state = load_file(list_checkpoints(done.folder)[-1] / "state.safetensors")
    saved = load_towers(done.model).state_dict()
    assert all(torch.equal(saved[name], state[f"average/{name}"]) for name in saved)
    assert not torch.equal(saved["visual.proj"], state["towers/visual.proj"])
    config = read_recipe(str(recipe), [f"out={recipe.parent / 'again'}", "steps=6", "average=0.9"])
    pairs = open_pairs(config.data, hold_out=False)
    learning, validation = Learning(config, done.folder, torch.device("cpu"), pairs), Validation(config, pairs)
    before = [result.value for result in validation.run(learning.encoder)]
    learning.restore()
    after = validation.run(learning.encoder)
    with torch.no_grad():
        for parameter in learning.towers.parameters():
            parameter.zero_()  # the towers that learn are not what is measured
    assert validation.run(learning.encoder) == after
    assert [result.value for result in after] != before
    validated = [line for line in lines(done.folder) if "scenes/text_to_image/R@1" in line][-1]
    assert {result.name: result.value for result in after} == {k: v for k, v in validated.items() if k != "step"}


@pytest.mark.parametrize("extra", [(), ("loss.words=0.5", "precision=bf16")])
def test_a_stopped_run_goes_on_bit_for_bit(recipe, broken_off, extra):
    changes = ["checkpoint.steps=5", *extra]
    whole = run(recipe, "whole", *changes)
    for step in (3, 7, 13):  # before the first checkpoint, and between others
        with broken_off(step):
            run(recipe, "parts", *changes, resume=True)
    parts = run(recipe, "parts", *changes, resume=True)
    assert weights(whole.folder) == weights(parts.folder)
    assert lines(whole.folder) == lines(parts.folder)
    last = [list_checkpoints(done.folder)[-1] / "state.safetensors" for done in (whole, parts)]
    assert last[0].read_bytes() == last[1].read_bytes()
    assert len(list_checkpoints(parts.folder)) == 2


def test_a_run_with_a_time_budget_repeats_its_decisions(recipe, broken_off, monkeypatch):
    changes = ["budget=10", "checkpoint.steps=5", "validation.every=0", "log=1"]
    ticks = itertools.accumulate(itertools.cycle([0.3, 0.9, 0.5]))  # a machine of uneven speed
    monkeypatch.setattr(loop, "TrainingClock", functools.partial(TrainingClock, now=lambda: next(ticks)))
    with broken_off(7):
        run(recipe, "first", *changes)
    first = run(recipe, "first", *changes, resume=True)
    clock = lines(first.folder, "clock.jsonl")
    assert [line["step"] for line in clock] == list(range(first.steps + 1))
    assert clock[-1]["seconds"] >= 10 > clock[-2]["seconds"]
    rates = [line["lr"] for line in lines(first.folder)]
    assert 0 < rates[-1] < 0.5 * max(rates)  # it fell before the end
    (recipe.parent / "second").mkdir()
    shutil.copy(first.folder / "clock.jsonl", recipe.parent / "second")
    second = run(recipe, "second", *changes)
    assert weights(first.folder) == weights(second.folder)
    assert lines(first.folder) == lines(second.folder)


def test_a_folder_with_a_run_is_not_overwritten(recipe):
    run(recipe, "run", "steps=2")
    with pytest.raises(UsageError, match="--resume"):
        run(recipe, "run", "steps=2")
    with pytest.raises(UsageError, match="seed"):
        run(recipe, "run", "steps=2", "seed=1", resume=True)
    again = run(recipe, "run", "steps=2", resume=True)  # a finished run has nothing left to do
    assert again.steps == 2


def test_changed_data_are_noticed(recipe):
    run(recipe, "run", "steps=2")
    (recipe.parent / "scenes" / "red-disc.txt").write_text("a quite different caption\n")
    with pytest.raises(UsageError, match="scenes changed"):
        run(recipe, "run", "steps=2", resume=True)


def test_a_checkpoint_of_another_shape_is_refused(recipe):
    done = run(recipe, "run", "steps=2")
    stored = json.loads((done.folder / "config.json").read_text())
    stored["model"]["image"]["layers"] = 2
    (done.folder / "config.json").write_text(json.dumps(stored))
    with pytest.raises(FormatError, match="resblocks.1"):
        run(recipe, "run", "steps=2", "model.image.layers=2", resume=True)


def test_a_loss_that_is_no_number_stops_the_run_and_keeps_the_checkpoint(recipe, monkeypatch):
    original = loop.Objective.__call__

    def broken(self, batch):
        loss, measured = original(self, batch)
        return (loss * float("nan"), measured * float("nan")) if batch.step == 6 else (loss, measured)

    monkeypatch.setattr(loop.Objective, "__call__", broken)
    with pytest.raises(Diverged, match=r"lower optimiser\.lr"):
        run(recipe, "run", "checkpoint.steps=4")
    assert [folder.name for folder in list_checkpoints(recipe.parent / "run")] == ["step-00000004"]


def test_the_seed_settles_everything(recipe):
    first, second, other = (
        run(recipe, name, "steps=3", f"seed={seed}") for name, seed in (("a", 1), ("b", 1), ("c", 2))
    )
    assert weights(first.folder) == weights(second.folder) != weights(other.folder)


def test_a_failed_export_says_that_the_model_is_saved(recipe, monkeypatch):
    from wordsight.engines import export
    from wordsight.train.finish import ExportFailed

    def fail(folder, **options):
        raise FormatError("no such operator", cure="use another tower")

    monkeypatch.setattr(export, "export", fail)
    with pytest.raises(ExportFailed, match=r"saved in .*model"):
        run(recipe, "run", "steps=2", 'export.precisions=["fp32"]')
    verify(recipe.parent / "run" / "model")


def test_the_sigmoid_loss_learns_too(recipe):
    done = run(
        recipe,
        "run",
        "steps=100",
        "validation.every=0",
        "model.loss=sigmoid",
        "model.bias=-2.0",
        "model.scale=10.0",
        *STILL,
    )
    found = {result.name: result.value for result in done.results}
    assert found["scenes/text_to_image/R@1"] >= 0.9
    assert dataclasses.asdict(load_towers(done.model).spec)["loss"] == "sigmoid"
