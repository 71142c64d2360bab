"""The folder of a run: one training at a time, nothing left by a failed start, nothing of a run lost."""

import json
import multiprocessing
import os
import signal
import time

import pytest

from wordsight.base.errors import FormatError, NotFound, StorageError, UsageError, WordsightError
from wordsight.cli.main import main
from wordsight.train import loop
from wordsight.train.checkpoint import list_checkpoints
from wordsight.train.loop import Learning, train
from wordsight.train.recipe import read_recipe
from wordsight.train.run_folder import alone_in

FORK = multiprocessing.get_context("fork")


def run(recipe, name="run", *changes, resume=False):
    config = read_recipe(str(recipe), [f"out={recipe.parent / name}", "validation.every=0", *changes])
    return train(config, device="cpu", resume=resume)


def hold(folder, ready):
    with alone_in(folder):
        ready.set()
        time.sleep(600)


@pytest.fixture
def other(tmp_path):
    """A process that has the folder `run` locked."""
    ready = FORK.Event()
    process = FORK.Process(target=hold, args=(tmp_path / "run", ready))
    process.start()
    ready.wait()
    yield process
    process.kill()
    process.join()


def test_a_second_training_in_a_folder_is_refused_and_a_killed_one_is_no_obstacle(recipe, other):
    with pytest.raises(UsageError, match=r"another training works in .*run; wait until it ends, or set another out="):
        run(recipe, "run", "steps=2")
    assert not (recipe.parent / "run" / "config.json").exists()
    os.kill(other.pid, signal.SIGKILL)
    other.join()
    assert run(recipe, "run", "steps=2").steps == 2


def test_a_second_training_that_comes_between_is_refused_too(recipe, monkeypatch):
    monkeypatch.setattr(loop, "check_unlocked", lambda folder: None)
    with alone_in(recipe.parent / "run"), pytest.raises(UsageError, match="another training works"):
        run(recipe, "run", "steps=2")


@pytest.mark.parametrize(
    ("change", "error"),
    [
        ("data.sources.scenes.place=lost", NotFound),
        ("validation.tasks.scenes.place=lost", NotFound),
        ("validation.tasks.scenes.kind=zero-shot", FormatError),
        ("data.sources.scenes.templates=photos", UsageError),
        ("data.pictures=stream", UsageError),
    ],
)
def test_what_is_wrong_shows_before_anything_is_written(recipe, change, error):
    with pytest.raises(error):
        run(recipe, "run", change)
    assert not (recipe.parent / "run").exists()
    assert run(recipe, "run", "steps=2").steps == 2


def test_a_source_without_captions_is_refused_before_anything_is_written(recipe):
    for path in (recipe.parent / "scenes").glob("*.txt"):
        path.write_text("")
    with pytest.raises(FormatError, match="no image with a text; give captions or class names"):
        run(recipe, "run", "validation.tasks={}")
    assert not (recipe.parent / "run").exists()


def test_a_device_that_is_not_there_is_refused_first(recipe):
    with pytest.raises(UsageError, match="warp"):
        train(read_recipe(str(recipe), [f"out={recipe.parent / 'run'}"]), device="warp")
    assert not (recipe.parent / "run").exists()


def test_a_run_that_never_came_to_a_checkpoint_does_not_stand_in_the_way(recipe, monkeypatch, capsys):
    with monkeypatch.context() as patch:
        patch.setattr(Learning, "save", lambda self: (_ for _ in ()).throw(StorageError("the disk is full")))
        with pytest.raises(StorageError):
            run(recipe, "run", "steps=4", "log=1")
    folder = recipe.parent / "run"
    assert (folder / "config.json").exists()
    assert not list_checkpoints(folder)
    fresh = run(recipe, "fresh", "steps=6", "log=1", "lr=0.001")
    capsys.readouterr()
    again = run(recipe, "run", "steps=6", "log=1", "lr=0.001")
    assert "ended before its first checkpoint; beginning anew" in capsys.readouterr().err
    assert (again.folder / "metrics.jsonl").read_bytes() == (fresh.folder / "metrics.jsonl").read_bytes()
    assert len((again.folder / "clock.jsonl").read_text().splitlines()) == 7
    assert json.loads((again.folder / "config.json").read_text())["optimiser"]["lr"] == 0.001


def test_resuming_what_is_not_there_is_noticed_and_begins(recipe, capsys):
    done = run(recipe, "run", "steps=2", resume=True)
    assert f"{done.folder}: there is no run to resume, so one begins\n" in capsys.readouterr().err
    run(recipe, "run", "steps=2", resume=True)
    assert "no run to resume" not in capsys.readouterr().err


def test_a_model_in_the_folder_is_left_alone(recipe, start):
    def refused(name, *words):
        files = {path.name: path.read_bytes() for path in start.iterdir() if path.is_file()}
        with pytest.raises(UsageError) as caught:
            run(recipe, "run", f"out={start}", "steps=2", *words)
        assert str(caught.value) == f"{start} holds {name}, which no run has written; set another out="
        assert {path.name: path.read_bytes() for path in start.iterdir() if path.is_file()} == files

    refused("model.json", f"model.init={start}")
    (start / ".lock").touch()
    refused("model.json")
    (start / ".lock").unlink()
    (start / "model.json").unlink()
    refused("merges.txt")


def test_a_vocabulary_of_a_run_that_was_killed_before_it_began_is_learned_anew(recipe):
    folder = recipe.parent / "run"
    with alone_in(folder):
        (folder / "merges.txt").write_text("half")
    assert run(recipe, "run", "steps=2").steps == 2
    assert (folder / "merges.txt").read_text() != "half"


def test_the_values_that_differ_are_stated_before_and_now(recipe):
    run(recipe, "run", "steps=2")
    for changes, said in (
        (["steps=2", "lr=0.5"], "optimiser.lr: 0.003 -> 0.5"),
        (["samples=8", "seed=1"], "seed: 0 -> 1, schedule.steps: 2 -> unset, schedule.samples: unset -> 8"),
        (["steps=2", "train.views=1"], "train.views: unset -> 1"),
        (["steps=2", "model.image.layers=2", "log=1"], "model.image.layers: 1 -> 2, log: 4 -> 1"),
        (
            [f"augment.{name}=0" for name in ("flip", "brightness", "contrast", "saturation")]
            + ["steps=2", "lr=1", "seed=2"],
            "seed: 0 -> 2, augment.flip: 0.5 -> 0.0, augment.brightness: 0.2 -> 0.0, augment.contrast: 0.2 -> 0.0, "
            "augment.saturation: 0.2 -> 0.0 and 1 more",
        ),
    ):
        with pytest.raises(UsageError) as caught:
            run(recipe, "run", *changes, resume=True)
        assert caught.value.problem == (
            f"the recipe is not the one that the run in {recipe.parent / 'run'} began with ({said})"
        )


OTHERS = [  # JSON that no run has written
    ('{"batch": 8}', "config.json is not what was written; restore the file, or set another out="),
    ('{"schedule": {"steps": "x"}}', "config.json is not what was written: steps = 'x' is text"),
]


@pytest.mark.parametrize("content", ["[]", '{"from": 3}', '{"from": {"model": 3}}', "{}"])
def test_a_damaged_record_of_the_start_is_named(recipe, start, content):
    words = [f"model.init={start}", "steps=2"]
    run(recipe, "run", *words)
    (recipe.parent / "run" / "began.json").write_text(content)
    with pytest.raises(FormatError, match=r"began.json is not what was written; restore the file, or set another out="):
        run(recipe, "run", *words, resume=True)


@pytest.mark.parametrize("content", ["[]", '{"step": 4}', '{"step": 4, "rate": "x"}'])
def test_a_damaged_note_of_a_longer_run_is_named(recipe, content):
    run(recipe, "run", "steps=4")
    run(recipe, "run", "steps=6", resume=True)
    (recipe.parent / "run" / "prolonged.json").write_text(content)
    with pytest.raises(FormatError, match=r"prolonged.json is not what was written.*; restore the file"):
        run(recipe, "run", "steps=6", resume=True)


@pytest.mark.parametrize(
    ("content", "says"), [("{", "is not JSON"), ("[]", "is not what was written; restore"), *OTHERS]
)
def test_a_damaged_recipe_of_a_run_is_named(recipe, content, says):
    folder = run(recipe, "run", "steps=2").folder
    (folder / "config.json").write_text(content)
    with pytest.raises(FormatError, match=says):
        run(recipe, "run", "steps=2", resume=True)


@pytest.mark.parametrize("resume", [False, True])
def test_checkpoints_without_the_recipe_are_not_used(recipe, resume):
    folder = run(recipe, "run", "steps=2").folder
    (folder / "config.json").unlink()
    with pytest.raises(NotFound, match=r"has checkpoints, but no config\.json; restore that file, or set another out="):
        run(recipe, "run", "steps=2", resume=resume)


def test_a_file_where_the_folder_would_be_is_named(recipe):
    (recipe.parent / "run").write_text("")
    with pytest.raises(WordsightError, match="run is a file, not a folder"):
        run(recipe, "run", "steps=2")


def test_of_several_processes_the_first_learns(recipe, monkeypatch, capsys):
    words = ["train", str(recipe), "--set", f"out={recipe.parent / 'run'}", "--set", "steps=2", "--device", "cpu"]
    monkeypatch.setenv("WORLD_SIZE", "2")
    monkeypatch.setenv("RANK", "1")
    assert main(words) == 0
    assert capsys.readouterr().err == "process 1 of 2 has nothing to do: training uses one process so far\n"
    assert not (recipe.parent / "run").exists()
    monkeypatch.setenv("RANK", "0")
    assert main(words) == 0
    assert (recipe.parent / "run" / "model").exists()


def test_lines_that_a_crash_of_the_machine_left_do_not_stop_a_resumed_run(recipe):
    whole = run(recipe, "run", "steps=6", "checkpoint.steps=3", "log=1")
    metrics = (whole.folder / "metrics.jsonl").read_text()
    for name in ("metrics.jsonl", "clock.jsonl"):
        with open(whole.folder / name, "ab") as handle:
            handle.write(b"\0\0\0\n[1]\n{}\n\xff{\n")
    again = run(recipe, "run", "steps=6", "checkpoint.steps=3", "log=1", resume=True)
    assert (again.folder / "metrics.jsonl").read_text() == metrics
