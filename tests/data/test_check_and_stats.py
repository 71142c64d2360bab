"""The audit finds each kind of trouble once; the figures are those counted by hand."""

import io
import json

import numpy as np
import pytest
from PIL import Image

from wordsight.data import near_duplicates
from wordsight.data.check import Limits, check
from wordsight.data.near_duplicates import PerceptualHash, equal_groups, near_groups, perceptual_hash
from wordsight.data.source import open_source
from wordsight.data.stats import stats


def test_this_folder_has_a_name(tmp_path, encoded_image, monkeypatch):
    (tmp_path / "inner").mkdir()
    (tmp_path / "a.png").write_bytes(encoded_image(1))
    monkeypatch.chdir(tmp_path / "inner")
    assert open_source("..").name == tmp_path.name
    monkeypatch.chdir(tmp_path)
    assert open_source(".").name == tmp_path.name


def test_a_broken_image_is_named_with_its_shard(tmp_path, write_tar, encoded_image):
    (tmp_path / "set").mkdir()
    for number, image in enumerate((encoded_image(1), b"no image")):
        write_tar(tmp_path / "set" / f"{number}.tar", {f"x{number}.jpg": image, f"x{number}.txt": b"a dog"})
    source = open_source(tmp_path / "set")
    for failures in (check(source).broken, stats(source).failures):
        assert [failure.startswith(f"{tmp_path}/set/1.tar: x1 is not") for failure in failures] == [True]


@pytest.fixture
def trouble(tmp_path, encoded_image):
    rows = []

    def add(name, image, captions=("a dog",), label="dog"):
        (tmp_path / name).write_bytes(image)
        rows.append({"image": name, "captions": list(captions), "class": label, "shop": 1})

    for number in range(12):
        add(f"{number}.png", encoded_image(number))
    add("copy.png", encoded_image(3))
    again = io.BytesIO()
    Image.open(io.BytesIO(encoded_image(5, width=200, height=160))).resize((150, 120)).save(again, "JPEG", quality=80)
    add("near.jpg", again.getvalue())
    add("near-original.png", encoded_image(5, width=200, height=160))
    add("tiny.png", encoded_image(20, width=40, height=10))
    add("long.png", encoded_image(21, width=200, height=32))
    add("silent.png", encoded_image(22), (), None)
    add("wordy.png", encoded_image(23), ("word " * 90, "a dog"), "cat")
    add("half.png", encoded_image(24)[:100])
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
    lines = report.lines(most=3)
    assert lines[0] == "t.jsonl: 19 pictures"
    assert sum("... and" in line for line in lines) == 1
    assert lines[1] == "       2  broken"  # which ones is printed as every verb prints them
    assert not any("gone.png" in line for line in lines)


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
    assert "20 in 1 part" in "\n".join(figures.lines())
    assert json.loads(json.dumps(figures.as_dict()))["classes"] == 2


def ramp(values):
    """An image whose eight rows of nine fields have these grey levels from left to right."""
    row = np.repeat(np.array(values, np.uint8), 8)
    return Image.fromarray(np.repeat(np.tile(row, (64, 1))[:, :, None], 3, axis=2))


def test_a_hash_tells_which_field_is_brighter_than_its_left_neighbour():
    assert perceptual_hash(ramp(range(0, 90, 10))).bits == 2**64 - 1
    assert perceptual_hash(ramp(range(90, 0, -10))).bits == 0
    assert perceptual_hash(ramp([0, 10, 0, 10, 0, 10, 0, 10, 0])).bits == int("10101010" * 8, 2)
    assert perceptual_hash(ramp([200] * 9)).bits == 0
    assert perceptual_hash(ramp([255, 0, 0, 0, 0, 0, 0, 0, 255])).bits == int("00000001" * 8, 2)
    assert perceptual_hash(ramp([7] * 9)).thumb.tolist() == [7] * 768


def looks(*pairs):
    return [PerceptualHash(bits, np.full(768, level, np.uint8)) for bits, level in pairs]


@pytest.mark.parametrize(
    ("second", "near"),
    [
        ((0b0, 100), True),
        ((0b111, 100), True),  # three bits apart
        ((0b1111, 100), False),
        ((1 | 1 << 20 | 1 << 40, 100), True),
        ((1 | 1 << 20 | 1 << 40 | 1 << 60, 100), False),
        ((1 << 63, 100), True),
        ((0b0, 120), True),  # twenty levels apart
        ((0b0, 121), False),
        ((0b0, 80), True),
        ((0b0, 79), False),
        ((2**64 - 1, 100), False),
    ],
)
def test_how_far_near_is(second, near):
    assert near_groups(["a", "b"], looks((0, 100), second)) == ([["a", "b"]] if near else [])


def test_one_level_too_far_anywhere_is_too_far():
    one, other = looks((0, 100), (0, 100))
    other.thumb[700] = 130
    assert near_groups(["a", "b"], [one, other]) == []


def test_near_images_are_linked_through_one_another():
    chain = looks((0b0, 0), (1 << 50, 200), (0b111, 20), (0b111111, 40), (1 << 50, 210), (2**64 - 1, 0))
    assert near_groups(list("abcdef"), chain) == [["a", "c", "d"], ["b", "e"]]
    assert near_groups([], []) == [] and near_groups(["a"], chain[:1]) == []


def test_many_images_of_one_band_are_compared_by_equal_hashes(monkeypatch):
    monkeypatch.setattr(near_duplicates, "_LARGE_BUCKET", 3)
    many = looks((1 << 20, 10), (1 << 30, 10), (1 << 20, 10), (1 << 50, 200), (1 << 41, 90))
    assert near_groups(list("abcde"), many) == [["a", "c"]]


def test_the_text_of_the_figures(tmp_path, encoded_image):
    for number, (width, height) in enumerate(((40, 32), (50, 30), (43, 34))):
        (tmp_path / f"{number}.png").write_bytes(encoded_image(number, width=width, height=height))
    rows = [
        {"image": "0.png", "captions": ["A dog, a DOG!", "one - two"], "class": "dog", "price": 1},
        {"image": "1.png", "captions": ["a cat"], "class": "cat", "colour": "red"},
        {"image": "2.png", "captions": [], "class": "dog"},
        {"image": "gone.png"},
    ]
    (tmp_path / "t.jsonl").write_text("\n".join(map(json.dumps, rows)))
    figures = stats(open_source(tmp_path / "t.jsonl"))
    size = sum((tmp_path / f"{n}.png").stat().st_size for n in range(3))
    assert figures.megabytes == round(size / 1e6, 3)
    assert figures.lines() == [
        "t.jsonl",
        f"pictures     3 in 1 part, {size / 1e6:.1f} MB",
        "failed       1",
        "width        40 to 50, mean 44.3, median 43",
        "height       30 to 34, mean 32.0, median 32",
        "captions     3",
        "a picture    0 to 2, mean 1.0, median 1",
        "words each   2 to 4, mean 2.7, median 2",
        "vocabulary   5 different words",
        "top words    a 3, dog 2, one 1, two 1, cat 1",
        "classes      2",
        "top classes  dog 2, cat 1",
        "columns      price, colour",
    ]
    assert figures.widths.mean == 44.333


def test_figures_of_several_parts_and_of_nothing(tmp_path, write_shard):
    for part in range(2):
        write_shard(tmp_path / f"{part}.tar", range(part, part + 1))
    assert "2 in 2 parts, " in "\n".join(stats(open_source(tmp_path)).lines())
    (tmp_path / "e.jsonl").write_text("")
    empty = stats(open_source(tmp_path / "e.jsonl"))
    assert empty.lines() == [
        "e.jsonl",
        "pictures     0 in 1 part, 0.0 MB",
        "failed       0",
        "captions     0",
        "vocabulary   0 different words",
        "classes      0",
    ]
