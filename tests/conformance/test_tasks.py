"""What every task of the table must do: read from text and TOML, built from a source, measured on the fake engine.

`made_up_task.py` is a kind that the package does not have: one file, and one row that is put into the table here.
All of the suite runs over it too.
"""

import json
import math
import sys
from pathlib import Path

import pytest
from PIL import Image

from wordsight.base.errors import ConfigError, FormatError, InputError, NotFound, UsageError
from wordsight.base.nouns import Result
from wordsight.cli.evaluate import split_tasks
from wordsight.embeddings.model import Model
from wordsight.engines.fake import FakeEngine
from wordsight.evaluate.building import build_task
from wordsight.evaluate.running import run_task
from wordsight.evaluate.tasks import TASKS, TaskSpec, read_task
from wordsight.train.check import check_config
from wordsight.train.config import DataConfig, ScheduleConfig, SourceConfig, TrainConfig, ValidationConfig

sys.path.insert(0, str(Path(__file__).parent))

COLOURS = {"red": (220, 30, 30), "green": (40, 150, 50), "blue": (40, 70, 210)}
ENCODER = Model(FakeEngine())


IMAGES = 8  # of each class
# what a kind needs on such images
ASKED = {
    "selection": {"form": "rules"},
    "bias": {"groups": "class"},
    "typographic": {"sizes": [0.25], "fonts": ["outlined"], "positions": ["middle"]},
    "robustness": {"corruptions": ["brightness"], "strengths": [1, 5]},
    "texture": {"images": 12},
    "segmentation": {"masks": "../masks", "classes": list(COLOURS), "images": 9},
    "pointing": {"masks": "../masks", "classes": list(COLOURS), "largest": 1.0, "images": 3, "method": "occlusion"},
}
OWN_WEIGHTS = ("adversarial",)  # kinds that need a model in a folder: tests/evaluate/test_adversarial.py


@pytest.fixture(params=[*(kind for kind in TASKS if kind not in OWN_WEIGHTS), "pairs"])
def kind(request, monkeypatch):
    monkeypatch.setitem(TASKS, "pairs", "made_up_task")
    return request.param


@pytest.fixture
def squares(tmp_path):
    """Three classes with eight images each, every one with a caption and a mask: something for each kind of task."""
    for label, (name, colour) in enumerate(COLOURS.items(), start=1):
        (tmp_path / "squares" / name).mkdir(parents=True)
        (tmp_path / "masks" / name).mkdir(parents=True)
        for number in range(IMAGES):
            path = tmp_path / "squares" / name / f"{number}.png"
            Image.new("RGB", (32 + number, 32), colour).save(path)
            path.with_suffix(".txt").write_text(f"a {name} square, number {number}\n")
            Image.new("L", (32 + number, 32), label).save(tmp_path / "masks" / name / path.name)
    return tmp_path / "squares"


def asked(kind, location, **keys):
    """Return the text of a task of a kind on images with classes and captions."""
    keys = {**ASKED.get(kind, {}), **keys}
    texts = {key: ",".join(map(str, value)) if isinstance(value, list) else value for key, value in keys.items()}
    return f"{kind}:{location}" + ("?" + "&".join(f"{key}={text}" for key, text in texts.items()) if keys else "")


def measured(text):
    return run_task(ENCODER, build_task(read_task(text))).results


def test_results_have_a_name_a_value_an_interval_and_a_count(kind, squares):
    results = measured(asked(kind, squares))
    assert results
    assert len({result.name for result in results}) == len(results)
    for result in results:
        assert result.name.startswith("squares/")
        assert math.isfinite(result.value)
        assert result.count >= 1
        assert result.fingerprint == ENCODER.fingerprint
        if result.setting.get("unit") is None:  # a share
            assert 0 <= result.value <= 1
            assert 0 < result.setting.get("chance", 1) <= 1  # all of a small gallery are among the first ten
        if result.interval is not None:
            assert result.interval[0] <= result.value <= result.interval[1]


def test_colours_are_told_apart(kind, squares):
    """The fake engine knows colours: the best value of every kind is all right, or more where it is no share."""
    assert max(result.value for result in measured(asked(kind, squares))) >= 1.0


def test_results_survive_their_line(kind, squares):
    for result in measured(asked(kind, squares)):
        assert Result.from_fields(json.loads(result.to_json())) == result
        assert "\n" not in result.to_json()


def test_measuring_again_gives_the_same(kind, squares):
    task = build_task(read_task(asked(kind, squares)))
    assert run_task(ENCODER, task) == run_task(ENCODER, task)
    assert run_task(ENCODER, task).results == measured(asked(kind, squares))


def test_text_and_toml_are_the_same_task(kind, squares, tmp_path):
    (tmp_path / "mine.toml").write_text(
        f'kind = "{kind}"\nplace = "squares"\nlimit = 20\n'
        + "".join(f"{k} = {json.dumps(v)}\n" for k, v in ASKED.get(kind, {}).items())
    )
    from_file = measured(str(tmp_path / "mine.toml"))
    from_text = measured(asked(kind, squares, name="mine", limit=20))
    assert from_file == from_text
    assert {result.setting["limit"] for result in from_text} == {20}
    assert split_tasks(f"{kind}:a,{kind}:b?name=c,d") == [f"{kind}:a", f"{kind}:b?name=c,d"]


def test_wrong_locations_are_refused(kind, squares, tmp_path):
    with pytest.raises(NotFound, match="nowhere"):
        build_task(read_task(asked(kind, tmp_path / "nowhere")))
    (tmp_path / "empty").mkdir()
    with pytest.raises(FormatError, match="empty"):
        build_task(read_task(asked(kind, tmp_path / "empty")))
    Image.new("RGB", (8, 8)).save(tmp_path / "empty" / "bare.png")
    with pytest.raises(FormatError, match="empty has no "):
        build_task(read_task(asked(kind, tmp_path / "empty")))
    (squares / "red" / "0.txt").write_bytes(b"\xff\xfe\xfa")
    with pytest.raises(InputError, match="0.txt"):
        build_task(read_task(asked(kind, squares)))


def test_wrong_keys_are_refused(kind, squares):
    with pytest.raises(ConfigError, match="unknown key splitt; did you mean split"):
        read_task(asked(kind, squares, splitt="val"))
    with pytest.raises(UsageError, match="limit = 0"):
        build_task(read_task(asked(kind, squares, limit=0)))


def test_a_kind_that_is_not_in_the_table_is_refused_at_every_door(kind, tmp_path):
    there = ", ".join(map(repr, TASKS))
    (tmp_path / "t.toml").write_text('kind = "none"\nplace = "x"\n')
    for door in (lambda: read_task(str(tmp_path / "t.toml")), lambda: build_task(TaskSpec("none", "x"))):
        with pytest.raises(ConfigError) as caught:
            door()
        assert str(caught.value) == f"kind = 'none'; use one of {there}"
    with pytest.raises(UsageError, match=f"one of .*{kind}"):
        read_task("none:x")


def test_a_recipe_measures_every_kind_and_refuses_others(kind):
    def check(asked):
        check_config(
            TrainConfig(
                DataConfig({"a": SourceConfig("x")}),
                FakeEngine().spec,
                schedule=ScheduleConfig(steps=1),
                validation=ValidationConfig(tasks={"mine": TaskSpec(asked, "x")}),
            )
        )

    check(kind)
    with pytest.raises(ConfigError, match=r"validation\.tasks\.mine\.kind = 'none'; use one of "):
        check("none")


def test_the_verb_prints_a_line_for_every_result(kind, squares, monkeypatch, capsys):
    from wordsight.cli.main import main
    from wordsight.embeddings import model as faces

    monkeypatch.setattr(faces, "load", lambda name, **options: ENCODER)
    assert main(["evaluate", "any", "--tasks", asked(kind, squares)]) == 0
    lines = [json.loads(line) for line in capsys.readouterr().out.splitlines()]
    assert [line["name"] for line in lines] == [result.name for result in measured(asked(kind, squares))]
