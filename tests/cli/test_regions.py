"""`wordsight regions` as it is typed, on the fake engine: lines, the three kinds of files, and what is refused."""

import json
import sys

import numpy as np
import pytest
from PIL import Image

from wordsight.cli.main import main
from wordsight.engines.fake import COLOURS
from wordsight.explain.masks import read_rle


@pytest.fixture
def typed(tmp_path, capsys):
    """Return what `wordsight regions` gives for an image that is red on the left and blue on the right."""
    image = np.empty((40, 60, 3), np.uint8)
    image[:, :30], image[:, 30:] = COLOURS["red"], COLOURS["blue"]
    Image.fromarray(image).save(tmp_path / "halves.png")

    def run(*arguments, image="halves.png"):
        status = main(["regions", str(tmp_path / image), "--engine", "fake", *map(str, arguments)])
        said = capsys.readouterr()
        return status, said.out.splitlines(), said.err

    return run


def test_lines_for_programs_and_for_people(typed, tmp_path, monkeypatch):
    status, lines, _ = typed("--classes", "red,green,blue|navy", "--method", "proposals")
    records = [json.loads(line) for line in lines]
    assert status == 0
    assert [(one["class"], one["share"], one["box"], one["regions"]) for one in records] == [
        ("red", 0.5, [0, 0, 30, 40], 1),
        ("green", 0.0, None, 0),
        ("blue", 0.5, [30, 0, 30, 40], 1),
    ]
    assert list(records[0]) == [
        *("path", "class", "share", "cosine", "box", "regions", "whole", "method", "model"),
    ]
    (tmp_path / "classes.txt").write_text("# two\nred, crimson\nyellow\n")
    monkeypatch.setattr(sys.stdout, "isatty", lambda: True)
    status, lines, error = typed(
        "--classes-file", tmp_path / "classes.txt", "--method", "proposals", "--background", "blue"
    )
    assert status == 0
    assert lines[0].startswith("red  50.0 %  cosine 0.") and lines[0].endswith("at 0,0, 30 x 40")
    assert lines[1] == "yellow  not seen" and error.startswith("shares are what the model assigns")


def test_files_by_their_ending(typed, tmp_path):
    asked = ("--classes", "red,blue", "--method", "proposals", "--out")
    assert typed(*asked, tmp_path / "m.json")[:2] == (0, [str(tmp_path / "m.json")])
    first, second = json.loads((tmp_path / "m.json").read_text())
    assert (first["class"], first["bbox"], first["area"]) == ("red", [0, 0, 30, 40], 1200)
    assert read_rle(second["segmentation"])[:, 30:].all() and not read_rle(second["segmentation"])[:, :30].any()
    status, lines, error = typed("--classes", "blue", "--proposals", tmp_path / "m.json")  # what was written is read
    assert status == 0 and json.loads(lines[0])["share"] == 1.0 and error == ""
    assert "one class alone takes every pixel" in typed("--classes", "blue")[2]
    for ending in ("png", "jpg"):
        assert typed(*asked, tmp_path / f"m.{ending}")[0] == 0
        with Image.open(tmp_path / f"m.{ending}") as drawn:
            assert drawn.size == (60, 40)
    assert typed(*asked, tmp_path / "m.html", "--threshold", "0.2")[0] == 0
    page = (tmp_path / "m.html").read_text()
    assert "red" in page and "less probable than 0.2" in page
    assert page.count("<img") == 2 and page.count("<rect") == 2 and "http" not in page.replace("http-equiv", "")


@pytest.mark.parametrize(
    ("arguments", "image", "message"),
    [
        (["--classes", "red", "--out", ""], "halves.png", "--out is empty; name a file"),
        (["--classes", "red", "--out", "a.gif"], "halves.png", "--out a.gif; name a page"),
        (["--classes", "red", "--threshold", "2"], "halves.png", "--threshold 2.0"),
        (["--classes", "red,,blue"], "halves.png", "an empty class name"),
        (["--classes", "???"], "halves.png", "no word that fake knows"),
        (["--classes", "red", "--proposals", "none.json"], "halves.png", "no file none.json"),
        (["--classes", "red", "--method", "naclip"], "halves.png", "use proposals or windows"),
        (["--classes", "red"], "flat.png", "one colour"),
        (["--classes", "red"], "long.png", "10,000 x 10 pixels"),
        (["--classes", "red"], "none.png", "none.png"),
    ],
)
def test_what_is_wrong_is_one_line(typed, tmp_path, arguments, image, message):
    Image.new("RGB", (20, 20), "red").save(tmp_path / "flat.png")
    Image.new("RGB", (10_000, 10), "red").save(tmp_path / "long.png")
    status, lines, error = typed(*arguments, image=image)
    assert status in (1, 2) and lines == []
    assert error.count("\n") == 1 and message in error


def test_options_given_again_add_up(typed):
    given = ("--classes", "red|red", "--classes", "blue", "--background", "green", "--background", "yellow")
    status, lines, error = typed(*given, "--method", "proposals")
    assert status == 0 and error == ""
    assert [json.loads(line)["class"] for line in lines] == ["red", "blue"]


def test_a_file_that_cannot_be_written(typed, tmp_path):
    status, lines, error = typed("--classes", "red", "--out", tmp_path / "halves.png" / "a.html")
    assert status == 1 and lines == [] and error.count("\n") == 1 and "halves.png" in error


def test_proposals_of_another_picture(typed, tmp_path):
    (tmp_path / "other.json").write_text(json.dumps([{"size": [4, 5], "counts": [0, 20]}]))
    status, _, error = typed("--classes", "red", "--proposals", tmp_path / "other.json")
    assert status == 2 and "a mask of 5 x 4 pixels, the picture has 60 x 40" in error
