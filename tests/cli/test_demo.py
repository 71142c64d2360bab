"""`wordsight demo`: the whole story in miniature, a second call, a stop on the way, and folders it must not touch."""

import json
import os
import signal
import subprocess
import sys
import time

import numpy as np
import pytest
from PIL import Image

from wordsight.base.records import read_lines
from wordsight.cli.main import main
from wordsight.cli.story import photos
from wordsight.cli.story.measure import names
from wordsight.cli.story.notebook import open_notebook
from wordsight.data.scenes import all_pairs
from wordsight.report.runs import read_results
from wordsight.train.recipe import read_recipe

SMALL = ["--scenes", "64", "--set", "batch=16", "--set", "validation.every=0"]


def command(folder, *arguments):
    return [sys.executable, "-m", "wordsight", "demo", str(folder), *SMALL, *arguments]


@pytest.fixture(scope="module")
def demo_folder(tmp_path_factory):
    folder = tmp_path_factory.mktemp("demo") / "story"
    done = subprocess.run(command(folder, "--set", "steps=9"), capture_output=True, text=True)
    assert done.returncode == 0, done.stderr
    assert done.stdout == f"{folder / 'report.html'}\n"
    return folder


def test_the_page_and_all_records_are_there(demo_folder):
    page = (demo_folder / "report.html").read_text()
    assert "Two towers learn to see" in page
    story = json.loads((demo_folder / "demo.json").read_text())
    assert story["scenes"] == {"train": 64, "unseen": 64, "seen": 64, "gallery": 64}
    assert story["pairs_seen"] == 9 * 16
    assert {stage["name"] for stage in story["stages"]} >= {"drawing scenes", "learning", "measuring"}
    assert story["photos"]


def test_the_matrix_is_recorded_before_during_and_after(demo_folder):
    lines = list(read_lines(demo_folder / "matrices" / "steps.jsonl"))
    assert [line["step"] for line in lines] == [0, 8, 9]
    for line in lines:
        matrix = np.load(demo_folder / "matrices" / line["matrix"])
        assert matrix.shape == (16, 16)
        assert np.abs(matrix).max() <= 1.001


def test_the_space_is_recorded_at_the_same_steps(demo_folder):
    assert (demo_folder / "space" / "pairs.json").read_text() == (demo_folder / "matrices" / "pairs.json").read_text()
    steps = list(read_lines(demo_folder / "space" / "steps.jsonl"))
    matrices = list(read_lines(demo_folder / "matrices" / "steps.jsonl"))
    assert [line["step"] for line in steps] == [line["step"] for line in matrices]
    for line, other in zip(steps, matrices, strict=True):
        images, texts = np.load(demo_folder / "space" / line["embeddings"]).astype(np.float32)
        np.testing.assert_allclose(images @ texts.T, np.load(demo_folder / "matrices" / other["matrix"]), atol=2e-3)
    assert not (demo_folder / "run" / "space").exists()


def test_results_say_how_many_chose_among_how_many(demo_folder):
    results = {result.name: result for result in read_results(demo_folder / "results.jsonl")}
    main_one = results["unseen/zero-shot/top-1"]
    assert main_one.setting["classes"] == 64
    assert main_one.setting["chance"] == 1 / 64
    assert main_one.count == 64
    assert results["unseen/choice/place"].setting["chance"] == 0.2
    per_pair = [result for name, result in results.items() if name.startswith("unseen/pair/")]
    assert len(per_pair) == 16
    assert sum(r.value * r.count for r in per_pair) == pytest.approx(main_one.value * main_one.count)


def test_answers_are_judged_by_what_was_drawn(demo_folder):
    answers = list(read_lines(demo_folder / "answers.jsonl"))
    searches = [answer for answer in answers if answer["kind"] == "scenes"]
    assert len(searches) == 7
    hearts = next(answer for answer in searches if answer["query"] == "red hearts")
    for hit in hearts["hits"]:
        assert hit["right"] == ("red heart" in hit["said"])
        assert (demo_folder / hit["image"]).exists()
    fours = next(answer for answer in searches if "count = 4" in answer["query"])
    assert fours["hits"]
    assert all(hit["said"].startswith("four ") for hit in fours["hits"])
    assert sum(answer["kind"] == "classify" for answer in answers) == 9


def test_a_second_call_goes_on_without_learning_again(demo_folder):
    weights = demo_folder / "run" / "model" / "weights.safetensors"
    before = weights.stat().st_mtime_ns
    done = subprocess.run(command(demo_folder, "--set", "steps=9"), capture_output=True, text=True)
    assert done.returncode == 0, done.stderr
    assert "going on with what lies in" in done.stderr
    assert "learning ..." not in done.stderr
    assert weights.stat().st_mtime_ns == before


def test_the_recipe_measures_on_all_pairs():
    config = read_recipe("scenes", ["root=here", "out=there"])
    for task in config.validation.tasks.values():
        assert task.classes == names(all_pairs())
    assert config.schedule.steps % config.validation.every == 0  # so that the curve ends with the last step


def test_other_settings_are_refused_where_a_demo_lies(demo_folder, capsys):
    assert main(["demo", str(demo_folder), *SMALL, "--set", "steps=9", "--seed", "5"]) == 2
    assert "seed 0, not 5; add --fresh" in capsys.readouterr().err


def test_a_folder_with_other_things_is_left_alone(tmp_path, capsys):
    (tmp_path / "thesis.txt").write_text("years of work")
    assert main(["demo", str(tmp_path), *SMALL, "--fresh"]) == 2
    assert "holds other things" in capsys.readouterr().err
    assert [path.name for path in tmp_path.iterdir()] == ["thesis.txt"]


@pytest.mark.parametrize("wrong", [["--scenes", "3"], ["--seed", "-1"]])
def test_numbers_out_of_range_are_refused_before_anything_is_made(tmp_path, wrong):
    assert main(["demo", str(tmp_path / "new"), *wrong]) == 2
    assert not (tmp_path / "new").exists()


def test_ctrl_c_leaves_what_was_finished_and_a_page_of_it(tmp_path):
    folder = tmp_path / "stopped"
    arguments = command(folder, "--set", "steps=100000", "--set", "log=1")
    with subprocess.Popen(arguments, stderr=subprocess.PIPE, stdout=subprocess.PIPE) as process:
        metrics = folder / "run" / "metrics.jsonl"
        while process.poll() is None and not metrics.exists():
            time.sleep(0.05)
        os.kill(process.pid, signal.SIGINT)
        _, errors = process.communicate()
    assert process.returncode == 130, errors.decode()
    assert b"what was finished before is kept" in errors
    assert "The matrix sharpens" in (folder / "report.html").read_text()
    assert list((folder / "run" / "checkpoints").iterdir())


@pytest.fixture
def package(tmp_path, monkeypatch):
    """An installed package that brings two photos, a sign and a broken file."""
    place = tmp_path / "site" / "snapshots" / "data"
    place.mkdir(parents=True)
    (place.parent / "__init__.py").write_text("")
    for name, size in (("chelsea", (600, 300)), ("pond", (200, 200)), ("sign", (40, 40))):
        Image.new("RGB", size, "orange").save(place / f"{name}.png")
    (place / "torn.jpg").write_bytes(b"not a picture")
    monkeypatch.syspath_prepend(str(tmp_path / "site"))
    monkeypatch.setattr(photos, "SOURCES", {"snapshots": "data", "not_installed": "data"})
    monkeypatch.setattr(photos, "QUESTIONS", {"a cat": "snapshots-chelsea", "a rocket": "snapshots-rocket"})
    return place


def test_photos_of_an_installed_package_are_copied_small_and_searched(demo_folder, tmp_path, package, capsys):
    notebook = open_notebook(tmp_path / "album", {}, fresh=False)
    answers = photos.search_photos(notebook, str(demo_folder / "run" / "model"))
    assert [answer["query"] for answer in answers] == ["a cat"]  # nobody has a rocket
    assert {hit["image"] for hit in answers[0]["hits"]} == {"photos/snapshots-chelsea.jpg", "photos/snapshots-pond.jpg"}
    assert {hit["image"] for hit in answers[0]["hits"] if hit["right"]} == {"photos/snapshots-chelsea.jpg"}
    with Image.open(tmp_path / "album" / "photos" / "snapshots-chelsea.jpg") as copy:
        assert copy.size == (480, 240)
    assert notebook["photos"].startswith("2 photos, model ")
    assert "of 1 queries" in notebook["photos"]
    assert "among the first 2 for 1 (by chance: 0.5 and 1.0)" in notebook["photos"]
    assert "torn.jpg" in capsys.readouterr().err


def test_without_a_model_the_photos_step_says_so_in_one_line(tmp_path, package, capsys):
    notebook = open_notebook(tmp_path / "album", {}, fresh=False)
    assert photos.search_photos(notebook, str(tmp_path / "no-model")) == []
    assert notebook["photos"].startswith("2 photos lie in photos/, but nothing to search them: ")
    assert "\n" not in notebook["photos"]
    assert notebook["photos"] in capsys.readouterr().err


def test_without_photos_the_step_says_so(tmp_path, monkeypatch):
    monkeypatch.setattr(photos, "SOURCES", {"not_installed": "data"})
    notebook = open_notebook(tmp_path / "album", {}, fresh=False)
    assert photos.search_photos(notebook, None) == []
    assert "no photos to search" in notebook["photos"]
