"""`wordsight classify` with published lists of classes, and with prompts for each class."""

import json

import pytest
from PIL import Image

from wordsight.cli.main import main
from wordsight.engines.fake import COLOURS
from wordsight.text.class_names import class_names


@pytest.fixture
def red(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    Image.new("RGB", (20, 10), COLOURS["red"]).save("red.png")
    return tmp_path


def classify(capsys, *arguments):
    status = main(["classify", "red.png", *arguments, "--json", "--engine", "fake"])
    captured = capsys.readouterr()
    return status, json.loads(captured.out)["probabilities"] if captured.out else captured.err


def test_a_published_list_names_each_class_once(red, capsys):
    status, shares = classify(capsys, "--classes-file", "imagenet")
    assert (status, set(shares), len(shares)) == (0, set(class_names("imagenet")), 998)
    assert next(iter(shares)) in {name for name in shares if "red" in name.lower()}


def test_a_file_called_as_a_published_list_is_the_file(red, capsys):
    (red / "imagenet").write_text("red\nblue\n")
    assert list(classify(capsys, "--classes-file", "imagenet")[1]) == ["red", "blue"]
    status, error = classify(capsys, "--classes-file", "imagenets")
    assert (status, "imagenets" in error) == (2, True)


def test_each_class_has_prompts_of_its_own(red, capsys):
    (red / "own.json").write_text(json.dumps({"warm": ["red", "orange"], "cold": ["blue", "a {}, green thing"]}))
    status, shares = classify(capsys, "--classes", "cold,warm", "--templates", "own.json")
    assert (status, list(shares)) == (0, ["warm", "cold"])
    status, error = classify(capsys, "--classes", "cold,warmer", "--templates", "own.json")
    assert status == 2
    assert "no prompts for 'warmer'; warmer: did you mean warm?; give every class" in error
