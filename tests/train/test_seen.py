"""Tasks that measure on images which are trained on are named, with how many they are."""

import shutil
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from wordsight.data.pack import PackOptions, pack
from wordsight.data.source import open_source
from wordsight.train.loop import train
from wordsight.train.recipe import read_recipe
from wordsight.train.seen import seen

SAYS = "are also trained on, in data.sources.scenes, so its figures say little about new images"


@pytest.fixture
def apart(scenes) -> Path:
    """Three other pictures, of which none is trained on, in their own folder."""
    folder = scenes.parent / "apart"
    folder.mkdir()
    for number in range(3):
        Image.new("RGB", (40, 32), (number, 99, 99)).save(folder / f"{number}.png")
        (folder / f"{number}.txt").write_text(f"other {number}\n")
    return folder


def printed(recipe, capsys, *changes) -> list[str]:
    config = read_recipe(str(recipe), [f"out={recipe.parent / 'run'}", "steps=1", "validation.every=0", *changes])
    train(config, device="cpu")
    return [line for line in capsys.readouterr().err.splitlines() if "also trained on" in line]


def test_pixels_are_compared_line_first_then_whole():
    array = np.random.default_rng(0).integers(0, 256, (9, 6, 6, 3), np.uint8)
    same_line = array[4].copy()
    same_line[0] += 1
    images = [array[7], same_line, array[2], array[4], array[7]]
    assert seen(array, np.arange(9), images) == {0, 2, 3, 4}
    assert seen(array, np.array([4, 5]), images) == {3}
    assert seen(array, np.arange(9), []) == seen(array, np.arange(0), images) == set()


def test_a_task_on_the_training_images_is_named(recipe, capsys):
    assert printed(recipe, capsys) == [f"validation.tasks.scenes: 8 of 8 images {SAYS}"]


def test_copies_under_other_names_are_counted_and_others_are_not(recipe, scenes, apart, capsys):
    place = "validation.tasks.scenes.place=apart"
    assert printed(recipe, capsys, place, f"out={recipe.parent / 'one'}") == []
    shutil.copy(scenes / "red-disc.png", apart / "new name.png")
    (apart / "new name.txt").write_text("a copy\n")
    assert printed(recipe, capsys, place) == [f"validation.tasks.scenes: 1 of 4 images {SAYS}"]


def test_tasks_of_the_guard_are_looked_at_and_held_out_images_are_not(recipe, start, capsys):
    capsys.readouterr()
    recipe.write_text(recipe.read_text().split("[validation.tasks")[0])
    begin = [f"model.init={start}", "data.held_out=0.25", "export.precisions=[]", "train.image=projection"]
    held = ["guard.tasks.mine.kind=retrieval", "guard.tasks.mine.place=scenes"]
    assert printed(recipe, capsys, *begin, *held) == [f"guard.tasks.mine: 6 of 8 images {SAYS}"]
    off = printed(recipe, capsys, *begin, *held, "guard.action=off", f"out={recipe.parent / 'off'}")
    assert off == []


def test_shards_that_are_streamed_are_known_by_their_files(recipe, scenes, capsys):
    for name in ("packed", "other"):
        pack(open_source(scenes), scenes.parent / name, PackOptions())
    stream = ["data.pictures=stream", "data.sources.scenes.place=packed"]
    same = printed(recipe, capsys, *stream, "validation.tasks.scenes.place=packed")
    assert same == [f"validation.tasks.scenes: 1 of 1 shards {SAYS}"]
    place = "validation.tasks.scenes.place=other"
    assert printed(recipe, capsys, *stream, place, f"out={recipe.parent / 'two'}") == []
