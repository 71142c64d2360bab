"""What is said before the first step, what is held out for validation, and the loss from the first step on."""

import csv
import json

import numpy as np
import pytest
from PIL import Image
from safetensors.torch import load_file

from wordsight.base.errors import FormatError
from wordsight.cli.main import main
from wordsight.data.cache import build_cache
from wordsight.data.source import open_source
from wordsight.train import loop
from wordsight.train.held_out import choose_held_out
from wordsight.train.loop import Diverged, train
from wordsight.train.pairs import open_pairs
from wordsight.train.recipe import read_recipe

NONE = ["validation.tasks={}", "validation.every=0"]


@pytest.fixture
def table(recipe):
    """Write a table `pairs.csv` of coloured squares with these captions; return the changes that train on it."""

    def write(captions, labels=None, images=None):
        folder = recipe.parent
        numbers = images or range(len(captions))
        with open(folder / "pairs.csv", "w", newline="") as handle:
            writer = csv.writer(handle)
            writer.writerow(["image", "caption", *(["label"] if labels else [])])
            for row, (caption, number) in enumerate(zip(captions, numbers, strict=True)):
                Image.new("RGB", (9, 9), (number % 256, 7 * number % 256, 3)).save(folder / f"{row:03d}.png")
                writer.writerow([f"{row:03d}.png", caption, *([labels[row]] if labels else [])])
        return [f"out={folder / 'run'}", "steps=6", "data.sources.scenes.place=pairs.csv", *NONE]

    return write


def run(recipe, changes, resume=False):
    return train(read_recipe(str(recipe), changes), device="cpu", resume=resume)


def lines(folder):
    return [json.loads(line) for line in (folder / "metrics.jsonl").read_text().splitlines()]


def test_a_tenth_is_held_out_and_never_trained_on(recipe, table, capsys):
    captions = [f"thing number {n}" for n in range(40)]
    done = run(recipe, table(captions))
    said = capsys.readouterr().err
    assert "validation: 4 of 40 images of scenes are held out and never trained on (data.held_out=0" in said
    assert [result.name for result in done.results][:1] == ["scenes-held-out/text_to_image/R@1"]
    assert {result.setting["gallery"] for result in done.results} == {4}
    assert "| scenes | pairs.csv | 36 | 100% |" in (done.model / "README.md").read_text()
    config = read_recipe(str(recipe), table(captions))
    (source,) = open_pairs(config.data, hold_out=True).sources
    drawn = {source.images.keys[row] for row in np.concatenate(source.drawn.blocks())}
    learned = {sample.key for sample in source.learned()}
    held_out = {sample.key for sample in source.validated()}
    assert drawn == learned
    assert len(held_out) == 4
    assert not drawn & held_out
    assert drawn | held_out == set(source.images.keys)


def test_nothing_is_held_out_where_a_task_is_named_or_none_is_wanted(recipe, table, capsys):
    changes = table([f"thing number {n}" for n in range(40)])
    done = run(recipe, [*changes, "data.held_out=0"])
    assert done.results == []
    assert "validation" not in capsys.readouterr().err
    named = [change for change in changes if change not in NONE]
    done = run(recipe, [*named[1:], f"out={recipe.parent / 'other'}"])
    assert {result.name.split("/")[0] for result in done.results} == {"scenes"}
    assert "held out" not in capsys.readouterr().err


def test_classes_are_validated_by_zero_shot(recipe, table):
    changes = table([""] * 30, labels=["lime", "rose", "navy"] * 10)
    done = run(recipe, [*changes, "data.sources.scenes.templates=photo"])
    top, *_ = done.results
    assert (top.name, top.count) == ("scenes-held-out/zero-shot/top-1", 3)
    assert (top.setting["classes"], top.setting["templates"]) == (3, "photo")


def test_a_resumed_run_holds_the_same_images_out(recipe, table, monkeypatch):
    changes = [*table([f"thing number {n}" for n in range(40)]), "checkpoint.steps=2", "log=1"]
    whole = run(recipe, changes)
    parts = [f"out={recipe.parent / 'parts'}", *changes[1:]]
    original = loop.Learning._learn

    def learn(self, batch, clock):
        if self.step == 3:
            raise InterruptedError
        return original(self, batch, clock)

    with monkeypatch.context() as patch:
        patch.setattr(loop.Learning, "_learn", learn)
        with pytest.raises(InterruptedError):
            run(recipe, parts)
    again = run(recipe, parts, resume=True)
    weights = [load_file(done.model / "weights.safetensors") for done in (whole, again)]
    assert all(np.array_equal(weights[0][name], weights[1][name]) for name in weights[0])
    assert lines(whole.folder) == lines(again.folder)


def test_validation_named_later_would_change_the_pairs_and_is_refused(recipe, table):
    changes = table([f"thing number {n}" for n in range(40)])
    run(recipe, changes)
    with pytest.raises(Exception, match=r"the data of scenes changed since step 6 .*\(and validation\.tasks, data"):
        run(recipe, [change for change in changes if change not in NONE], resume=True)


def keys_held_out(folder, share=0.1):
    cache = build_cache(open_source(folder / "pairs.csv"), size=8, folder=folder / "caches")
    (rows,) = choose_held_out([cache], share)
    return [cache.keys[row] for row in rows]


def test_what_gives_each_other_away_stays_together(recipe, table):
    captions = [f"Thing  {n // 2}" if n % 2 else f"thing {n // 2}" for n in range(40)]  # siblings share a caption
    table(captions, images=[n // 4 for n in range(40)])  # and four share their pixels
    held_out = set(keys_held_out(recipe.parent, 0.2))
    assert len(held_out) == 8
    for first in range(0, 40, 4):
        assert len({f"{n:03d}" for n in range(first, first + 4)} & {key.split(".")[0] for key in held_out}) in (0, 4)


def test_the_choice_depends_on_the_keys_alone(recipe, table):
    captions = [f"thing {n}" for n in range(60)]
    table(captions[:50])
    before = set(keys_held_out(recipe.parent))
    table(captions)
    after = set(keys_held_out(recipe.parent))
    assert (len(before), len(after)) == (5, 6)
    assert len(before - after) <= 2  # those of later hashes may have to make room


@pytest.mark.parametrize("captions", [["a thing"] * 30, [f"thing {n}" for n in range(9)]])
def test_where_nothing_can_be_held_out_it_is_said(recipe, table, capsys, captions):
    done = run(recipe, table(captions))
    assert done.results == []
    said = "no validation: name a task in validation.tasks (too few images can be held out: they are few, or share"
    assert said in capsys.readouterr().err


@pytest.mark.parametrize(
    ("captions", "changes", "said"),
    [
        (["one thing"], [], "1 image to learn from: there is nothing to tell it from, so nothing will be learned"),
        (["a thing"] * 9, [], "all 9 images have the same text: there is nothing to tell apart"),
        ([f"thing {n}" for n in range(5)], [], "batch = 8 of 5 images: each batch repeats images"),
        (
            [f"thing {n}" for n in range(9)],
            ["schedule.warmup=2"],
            "schedule.warmup = 2 is more than a quarter of 6 steps",
        ),
        ([f"thing {n}" for n in range(60)], ["data.held_out=0"], "6 steps of 8 pairs see 48 of 60 images once: expect"),
        ([f"thing {n}" for n in range(9)], ["budget=0.001"], "about 1 steps of 8 pairs fit in the budget of 0.001"),
    ],
)
def test_what_will_learn_nothing_is_said_and_done(recipe, table, capsys, captions, changes, said):
    done = run(recipe, [*table(captions), *changes])
    err = capsys.readouterr().err
    assert said in err
    assert err.index(said) < err.index("step 1 · loss")
    assert (done.model / "model.json").exists()


def test_one_class_for_all_is_said(recipe, table, capsys):
    run(recipe, table([""] * 9, labels=["thing"] * 9))
    assert "all 9 images have the same text" in capsys.readouterr().err


def test_a_run_that_can_learn_is_not_commented(recipe, capsys):
    run(recipe, [f"out={recipe.parent / 'run'}", "steps=5", "schedule.warmup=1"])
    usual = ("step ", "no Tensor", "validation.tasks.scenes: 8 of 8 images are also trained on")
    said = [line for line in capsys.readouterr().err.splitlines() if not line.startswith(usual)]
    assert [line.split()[0] for line in said] == ["learning", "saved"]


def test_timing_a_step_changes_nothing(recipe, monkeypatch):
    one, two = ([f"out={recipe.parent / name}", "steps=3", "validation.every=0"] for name in ("one", "two"))
    plain = run(recipe, one)
    original = loop.Learning.run

    def timed(self, *given):
        self._try_step()
        original(self, *given)

    monkeypatch.setattr(loop.Learning, "run", timed)
    after = run(recipe, two)
    contents = [(done.model / "weights.safetensors").read_bytes() for done in (plain, after)]
    assert contents[0] == contents[1]


def test_the_loss_is_shown_and_recorded_from_the_first_step(recipe, capsys):
    done = run(recipe, [f"out={recipe.parent / 'run'}", "steps=9", "log=4", "validation.every=0"])
    losses = {line["step"]: line["loss"] for line in lines(done.folder)}
    assert list(losses) == [1, 4, 8]
    assert f"step 1 · loss {losses[1]:.3f}\n" in capsys.readouterr().err
    every = run(recipe, [f"out={recipe.parent / 'every'}", "steps=9", "log=1", "validation.every=0"])
    each = {line["step"]: line["loss"] for line in lines(every.folder)}
    assert each[1] == losses[1]
    assert losses[4] == pytest.approx(np.mean([each[n] for n in (1, 2, 3, 4)]))


def test_the_step_whose_loss_was_no_number_is_named(recipe, monkeypatch):
    original = loop.Objective.__call__

    def broken(self, batch):
        loss, measured = original(self, batch)
        return (loss * float("inf"), measured * float("inf")) if batch.step == 5 else (loss, measured)

    monkeypatch.setattr(loop.Objective, "__call__", broken)
    says = r"not a number any more at step 6; run it {}, with a lower optimiser\.lr or a longer schedule\.warmup"
    other = r"with another out= \(.*run/checkpoints/step-00000004 is whole\)"
    with pytest.raises(Diverged, match=says.format(other)):
        run(recipe, [f"out={recipe.parent / 'run'}", "checkpoint.steps=4", "validation.every=0"])
    with pytest.raises(Diverged, match=says.format("again")):
        run(recipe, [f"out={recipe.parent / 'early'}", "validation.every=0"])
    monkeypatch.setattr(loop.Objective, "__call__", original)
    run(recipe, [f"out={recipe.parent / 'early'}", "validation.every=0", "lr=0.0001"], resume=True)


def test_weights_that_broke_in_the_last_step_are_not_saved(recipe, monkeypatch):
    original = loop.Learning._learn

    def learn(self, batch, clock):
        done = original(self, batch, clock)
        if self.step == 6:
            self.towers.logit_scale.data.fill_(float("nan"))
        return done

    monkeypatch.setattr(loop.Learning, "_learn", learn)
    with pytest.raises(Diverged, match="step 6"):
        run(recipe, [f"out={recipe.parent / 'run'}", "steps=6", "checkpoint.steps=3", "validation.every=0"])
    assert not (recipe.parent / "run" / "model").exists()
    assert [path.name for path in (recipe.parent / "run" / "checkpoints").iterdir()] == ["step-00000003"]


def test_a_source_without_any_text_is_refused(recipe, table):
    with pytest.raises(FormatError, match="no image with a text"):
        run(recipe, table([""] * 9))


def test_what_streaming_could_not_read_is_listed_in_the_end(recipe, table, capsys):
    changes = table([f"thing number {n}" for n in range(8)])
    shards = recipe.parent / "shards"
    assert main(["data", "pack", str(recipe.parent / "pairs.csv"), "--out", str(shards), "--quiet"]) == 0
    (shard,) = shards.glob("*.tar")
    content = shard.read_bytes()
    shard.write_bytes(content.replace(b"IHDR", b"IHDX", 1))
    capsys.readouterr()
    done = run(recipe, [*changes, "data.sources.scenes.place=shards", "data.pictures=stream"])
    failed = [line for line in capsys.readouterr().err.splitlines() if line.startswith("failed: ")]
    assert len(failed) == 1
    assert "000.png" in failed[0]
    assert done.steps == 6


class Images:
    """An image set in memory: keys, captions and one number for the pixels of each image."""

    def __init__(self, keys, texts, pixels):
        self.keys, self.texts = keys, [(text,) for text in texts]
        self.array = np.array(pixels, dtype=np.uint8).reshape(-1, 1, 1, 1)

    def blocks(self):
        return [np.arange(len(self.keys))]


def test_sources_share_a_validation_set_and_none_gives_more_than_half():
    numbers = range(100)
    large = Images([f"a{n}" for n in numbers], [f"text {n}" for n in numbers], numbers)
    small = Images([f"b{n}" for n in range(3)], ["TEXT 7", "b", "c"], [9, 200, 201])
    for share in (0.1, 0.2, 0.4):
        of_large, of_small = (set(rows.tolist()) for rows in choose_held_out([large, small], share))
        assert len(of_small) <= 1
        assert len(of_large) + len(of_small) == round(share * 103)
        assert (0 in of_small) == bool({7, 9} & of_large) == ({7, 9} <= of_large)
