"""The audit finds each kind of trouble once; the figures are those counted by hand."""

import io
import json

import pytest
from PIL import Image

from wordsight.data.check import Limits, check
from wordsight.data.near_duplicates import equal_groups
from wordsight.data.source import open_source
from wordsight.data.stats import stats


@pytest.fixture
def trouble(tmp_path, picture):
    rows = []

    def add(name, image, captions=("a dog",), label="dog"):
        (tmp_path / name).write_bytes(image)
        rows.append({"image": name, "captions": list(captions), "class": label, "shop": 1})

    for number in range(12):
        add(f"{number}.png", picture(number))
    add("copy.png", picture(3))
    again = io.BytesIO()
    Image.open(io.BytesIO(picture(5, width=200, height=160))).resize((150, 120)).save(again, "JPEG", quality=80)
    add("near.jpg", again.getvalue())
    add("near-original.png", picture(5, width=200, height=160))
    add("tiny.png", picture(20, width=40, height=10))
    add("long.png", picture(21, width=200, height=32))
    add("silent.png", picture(22), (), None)
    add("wordy.png", picture(23), ("word " * 90, "a dog"), "cat")
    add("half.png", picture(24)[:100])
    rows.append({"image": "gone.png", "captions": [], "class": "dog", "shop": 1})
    (tmp_path / "t.jsonl").write_text("\n".join(json.dumps(row) for row in rows))
    return open_source(tmp_path / "t.jsonl")


def test_each_trouble_is_found(trouble):
    report = check(trouble)
    assert report.pictures == 19
    assert ["gone.png" in report.broken[0], "half.png" in report.broken[1], len(report.broken)] == [True, True, 2]
    assert report.duplicates == [["3.png", "copy.png"]]
    assert ["near.jpg", "near-original.png"] in [group[-2:] for group in report.near_duplicates]
    assert report.tiny == ["tiny.png (40 x 10)"]
    assert report.stretched == ["long.png (200 x 32)"]
    assert report.without_words == ["silent.png"]
    assert report.long_captions == ["wordy.png (92 tokens)"]
    assert report.skewed_classes == ["cat (1, the largest has 17)"]


def test_the_report_counts_and_lists(trouble):
    report = check(trouble, limits=Limits(side=33))
    values = json.loads(json.dumps(report.as_dict()))
    assert values["counts"]["tiny"] == len(values["tiny"]) > 10
    lines = report.text(most=3).splitlines()
    assert lines[0] == "t.jsonl: 19 pictures"
    assert sum("... and" in line for line in lines) == 1


def test_limits_move_what_is_listed(trouble):
    report = check(trouble, limits=Limits(side=5, aspect=10, tokens=100, skew=20))
    assert not (report.tiny or report.stretched or report.long_captions or report.skewed_classes)


def test_equal_marks_make_groups_in_order():
    assert equal_groups(list("abcde"), ["1", "2", "1", "3", "2"]) == [["a", "c"], ["b", "e"]]


def test_pictures_alike_in_shape_but_not_in_colour_are_no_twins(tmp_path):
    for name, colour in {"red": (200, 30, 30), "green": (30, 160, 30), "blue": (30, 30, 220)}.items():
        product = Image.new("RGB", (64, 64), "white")
        product.paste(colour, (20, 25, 44, 40))
        product.save(tmp_path / f"{name}.png")
    assert check(open_source(tmp_path)).near_duplicates == []


def test_figures(trouble):
    figures = stats(trouble)
    assert (figures.pictures, len(figures.failures)) == (20, 1)  # headers only: half.png still has its size
    assert (figures.widths.least, figures.widths.greatest) == (40, 200)
    assert (figures.heights.least, figures.heights.greatest) == (10, 160)
    assert figures.captions == 20
    assert (figures.captions_a_picture.least, figures.captions_a_picture.greatest) == (0, 2)
    assert (figures.caption_words.median, figures.caption_words.greatest) == (2, 90)
    assert figures.vocabulary == 3 and figures.top_words[0] == ("word", 90)
    assert figures.top_classes == (("dog", 18), ("cat", 1)) and figures.columns == ("shop",)
    assert "20 in 1 part" in figures.text()
    assert json.loads(json.dumps(figures.as_dict()))["classes"] == 2
