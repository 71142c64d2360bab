"""Published sets of images and captions that choose each other, as they lie on disk, whole and damaged."""

import csv
import json
import re
from pathlib import Path

import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from wordsight.base.errors import FormatError, NotFound
from wordsight.data.selection import SelectionItem, choices_of_one_image, read_selection
from wordsight.data.selection_fields import SelectionColumns


def write_images(folder: Path, encoded_image, *names: str) -> None:
    folder.mkdir(parents=True, exist_ok=True)
    for number, name in enumerate(names):
        (folder / name).write_bytes(encoded_image(number))


def write_json(path: Path, content: object) -> Path:
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text(json.dumps(content), encoding="utf-8")
    return path


WINOGROUND = {
    "id": 0,
    "image_0": "ex_0_img_0",
    "image_1": "ex_0_img_1",
    "caption_0": "a dog on a cat",
    "caption_1": "a cat on a dog",
    "tag": "Noun",
    "secondary_tag": "",
    "num_main_preds": 1,
    "collapsed_tag": "Object",
}


def test_winoground_as_json_lines(tmp_path, encoded_image):
    write_images(tmp_path / "data" / "images", encoded_image, "ex_0_img_0.png", "ex_0_img_1.png")
    (tmp_path / "data" / "examples.jsonl").write_text(json.dumps(WINOGROUND) + "\n")
    chosen = read_selection(tmp_path)
    images = tuple(tmp_path / "data" / "images" / f"ex_0_img_{side}.png" for side in (0, 1))
    assert chosen.items == (SelectionItem("0", "Object", images, ("a dog on a cat", "a cat on a dog")),)
    assert chosen.failures == ()
    assert chosen.name == tmp_path.name
    (tmp_path / "data" / "examples.jsonl").write_text(json.dumps(WINOGROUND | {"answer": 1}) + "\n")
    assert read_selection(tmp_path).items == chosen.items  # an answer is one of options only


def test_winoground_as_parquet(tmp_path, encoded_image):
    images = [encoded_image(0), encoded_image(1)]
    row = WINOGROUND | {f"image_{i}": {"bytes": image, "path": "x.png"} for i, image in enumerate(images)}
    (tmp_path / "data").mkdir()
    pq.write_table(pa.Table.from_pylist([row, row]), tmp_path / "data" / "test-00000-of-00001.parquet")
    for split in (None, "test"):
        chosen = read_selection(tmp_path, split=split)
        assert [item.images for item in chosen.items] == [tuple(images)] * 2
    with pytest.raises(NotFound, match="no split tset"):
        read_selection(tmp_path, split="tset")


def test_sugarcrepe_is_one_kind_a_file(tmp_path, encoded_image):
    entry = {"filename": "1.jpg", "caption": "a red car", "negative_caption": "a blue car"}
    write_images(tmp_path / "sugar" / "val2017", encoded_image, "1.jpg", "2.jpg")
    write_json(tmp_path / "sugar" / "swap_att.json", {"7": entry, "9": entry | {"filename": "2.jpg"}})
    write_json(tmp_path / "sugar" / "add_obj.json", {"0": entry})
    chosen = read_selection(tmp_path / "sugar")
    assert [(item.key, item.kind) for item in chosen.items] == [
        ("add_obj/0", "add_obj"),
        ("swap_att/7", "swap_att"),
        ("swap_att/9", "swap_att"),
    ]
    assert chosen.items[2].images == (tmp_path / "sugar" / "val2017" / "2.jpg",)
    assert chosen.items[0].captions == ("a red car", "a blue car")
    one = read_selection(tmp_path / "sugar", split="swap_att", images=tmp_path / "sugar" / "val2017")
    assert [item.key for item in one.items] == ["7", "9"]
    assert one.name == "sugar/swap_att"
    both = read_selection(tmp_path / "sugar", split="swap_att+add_obj")
    assert [item.key for item in both.items] == ["swap_att/7", "swap_att/9", "add_obj/0"]
    with pytest.raises(NotFound, match=r"no split swap_at in .*; did you mean swap_att\?"):
        read_selection(tmp_path / "sugar", split="swap_at")


def test_aro_has_boxes_relations_and_a_true_caption(tmp_path, encoded_image):
    write_images(tmp_path / "images", encoded_image, "2.jpg")
    entry = {
        "image_path": "2.jpg",
        "true_caption": "the man is on the horse",
        "false_caption": "the horse is on the man",
        "relation_name": "on",
        "bbox_x": 3,
        "bbox_y": 4,
        "bbox_w": 10,
        "bbox_h": 20,
    }
    path = write_json(tmp_path / "visual_genome_relation.json", [entry, entry | {"bbox_w": 0}, entry | {"bbox_x": "?"}])
    chosen = read_selection(path)
    assert read_selection(write_json(path, [entry | {"bbox_h": 1.0}])).items[0].box == (3, 4, 13, 5)
    assert [(i.key, i.kind, i.captions[0], i.box) for i in chosen.items] == [
        ("00000000", "on", "the man is on the horse", (3, 4, 13, 24))
    ]
    assert [error.problem for error in chosen.failures] == [
        f"{path}: entry 00000001: the box [3, 4, 0, 20] is empty",
        f"{path}: entry 00000002: the box ['?', 4, 10, 20] is no four numbers",
    ]


def test_options_have_the_right_one_first_or_marked(tmp_path, encoded_image):
    write_images(tmp_path, encoded_image, "a.jpg")
    entry = {"image": "a.jpg", "caption_options": ["x y", "y x", "z"]}
    rows = [entry, entry | {"answer": 1}, entry | {"answer": "z"}, entry | {"answer": 3}, entry | {"answer": True}]
    chosen = read_selection(write_json(tmp_path / "order.json", rows))
    assert [item.captions for item in chosen.items] == [("x y", "y x", "z"), ("y x", "x y", "z"), ("z", "x y", "y x")]
    assert [str(error).partition(": entry ")[2] for error in chosen.failures] == [
        "00000003: 3 marks none of 3 captions; give the number of the right one, from 0",
        "00000004: True marks none of 3 captions; give the number of the right one, from 0",
    ]
    assert {item.kind for item in chosen.items} == {"order"}


@pytest.mark.parametrize(
    ("header", "cells", "columns"),
    [
        (["image", "caption", "negative_caption"], ["a.jpg", "true", "false"], None),
        (["image", "caption", "negatives"], ["a.jpg", "true", '["false", "wrong"]'], None),
        (["image", "caption", "negative_1", "negative_0"], ["a.jpg", "true", "wrong", "false"], None),
        (["file", "text", "f", "w"], ["a.jpg", "true", "false", "wrong"], SelectionColumns(negatives=("f", "w"))),
        (["b", "c", "d"], ["a.jpg", "true", "false"], SelectionColumns(images=("b",), captions=("c", "d"))),
    ],
)
def test_any_table_with_false_captions(tmp_path, encoded_image, header, cells, columns):
    write_images(tmp_path / "pictures", encoded_image, "a.jpg")
    with open(tmp_path / "set.csv", "w", newline="") as handle:
        csv.writer(handle).writerows([[*header, "kind", "key"], [*cells, "rel", "k1"]])
    (item,) = read_selection(tmp_path / "set.csv", columns=columns).items
    assert item.captions == ("true", "false", "wrong")[: len(item.captions)]
    assert len(item.captions) >= 2
    assert (item.key, item.kind, item.images) == ("k1", "rel", (tmp_path / "pictures" / "a.jpg",))


def test_captions_that_are_all_true_are_refused(tmp_path, encoded_image):
    write_images(tmp_path, encoded_image, "a.jpg")
    path = write_json(tmp_path / "coco.json", [{"image": "a.jpg", "caption": ["a dog", "one dog"]}])
    with pytest.raises(FormatError, match="has no captions to choose from"):
        read_selection(path)
    (tmp_path / "set.csv").write_text("image,captions\na.jpg,x\n")
    with pytest.raises(FormatError, match="has no captions to choose from"):
        read_selection(tmp_path / "set.csv")


def test_broken_rows_cost_themselves_only(tmp_path, encoded_image):
    write_images(tmp_path, encoded_image, "a.jpg")
    good = {"image": "a.jpg", "caption": "x", "negative_caption": "y"}
    rows = [
        good | {"image": "lost.jpg"},
        good | {"image": ""},
        good | {"caption": " "},
        good | {"negative_caption": "x"},
        good | {"negative_caption": ""},
        good | {"negative_caption": 5},
        {"caption": "x", "negative_caption": "y"},
        [1],
        good,
    ]
    path = write_json(tmp_path / "set.json", [good, *rows])
    chosen = read_selection(path)
    assert [item.key for item in chosen.items] == ["00000000", "00000009"]
    assert [re.sub(r".*: entry ", "", error.problem) for error in chosen.failures] == [
        f"00000001: no file lost.jpg in {tmp_path} nor in the folders there",
        "00000002: no picture",
        "00000003: caption is no caption",
        "00000004: 'x' is the true and a false caption",
        "00000005 has 1 images and 1 captions",
        "00000006: captions are int",
        "00000007 has no image column",
        "00000008 is no object",
    ]
    lines = ["not json", json.dumps(good)]
    (tmp_path / "lines.jsonl").write_text("\n".join(lines))
    chosen = read_selection(tmp_path / "lines.jsonl")
    assert len(chosen.items) == 1
    assert "line 1 is not JSON" in chosen.failures[0].problem


def test_a_file_that_is_no_set_is_a_failure_beside_one_that_is(tmp_path, encoded_image):
    write_images(tmp_path, encoded_image, "a.jpg")
    write_json(tmp_path / "add.json", [{"image": "a.jpg", "caption": "x", "negative_caption": "y"}])
    write_json(tmp_path / "info.json", {"licence": {"name": "x"}})
    (tmp_path / "torn.json").write_text('{"0": ')
    write_json(tmp_path / "number.json", 5)
    chosen = read_selection(tmp_path)
    assert [item.key for item in chosen.items] == ["add/00000000"]
    assert [error.problem.partition(" at ")[0].partition(":")[0] for error in chosen.failures] == [
        f"{tmp_path / 'info.json'}",
        f"{tmp_path / 'number.json'} is no list and no object of objects",
        f"{tmp_path / 'torn.json'} is not JSON",
    ]
    with pytest.raises(FormatError, match="info.json: entry licence has no image column"):
        read_selection(tmp_path / "info.json")


@pytest.mark.parametrize(
    ("name", "error", "message"),
    [
        ("nothing", NotFound, "nothing at"),
        ("empty", FormatError, "holds no table and no JSON file"),
        ("a.txt", FormatError, "is of no known form; readable are .json, .jsonl, .csv, .tsv and .parquet"),
    ],
)
def test_what_is_no_set_is_an_error(tmp_path, name, error, message):
    (tmp_path / "empty").mkdir()
    (tmp_path / "a.txt").write_text("x")
    with pytest.raises(error, match=message):
        read_selection(tmp_path / name)


def test_columns_and_folders_that_are_not_there_are_errors(tmp_path, encoded_image):
    write_images(tmp_path, encoded_image, "a.jpg")
    path = write_json(tmp_path / "set.json", [{"image": "a.jpg", "caption": "x", "no": "y"}])
    with pytest.raises(FormatError, match="has no column yes; there are: image, caption, no"):
        read_selection(path, columns=SelectionColumns(negatives=("yes",)))
    with pytest.raises(NotFound, match="no folder of images"):
        read_selection(path, columns=SelectionColumns(negatives=("no",)), images=tmp_path / "lost")
    elsewhere = tmp_path / "other"
    elsewhere.mkdir()
    chosen = read_selection(path, columns=SelectionColumns(negatives=("no",)), images=elsewhere)
    assert [f"no file a.jpg in {elsewhere}" in error.problem for error in chosen.failures] == [True]


def test_images_in_hidden_folders_are_left_alone(tmp_path, encoded_image):
    write_images(tmp_path / ".thumbnails", encoded_image, "a.jpg")
    path = write_json(tmp_path / "set.json", [{"image": "a.jpg", "caption": "x", "negative_caption": "y"}])
    assert read_selection(path).items == ()
    write_images(tmp_path / "z", encoded_image, "a.jpg")
    assert read_selection(path).items[0].images == (tmp_path / "z" / "a.jpg",)


def test_a_name_that_several_folders_have_is_not_guessed(tmp_path, encoded_image):
    for folder in ("one", "two"):
        write_images(tmp_path / "set" / folder, encoded_image, "a.jpg")
    path = write_json(tmp_path / "set" / "set.json", [{"image": "a.jpg", "caption": "x", "negative_caption": "y"}])
    (failure,) = read_selection(path).failures
    one, two = (tmp_path / "set" / folder / "a.jpg" for folder in ("one", "two"))
    assert str(failure).endswith(f"a.jpg may be {one} or {two}; name the folder of the images with images=")
    assert read_selection(path, images=tmp_path / "set" / "two").items[0].images == (two,)
    write_images(tmp_path / "other", encoded_image, "b.jpg")  # the folders beside hold other sets
    path = write_json(tmp_path / "set" / "b.json", [{"image": "b.jpg", "caption": "x", "negative_caption": "y"}])
    assert read_selection(path).items == ()


def test_a_split_is_a_folder_too(tmp_path, encoded_image):
    write_images(tmp_path / "test", encoded_image, "a.jpg")
    write_json(tmp_path / "test" / "set.json", [{"image": "a.jpg", "caption": "x", "negative_caption": "y"}])
    assert len(read_selection(tmp_path, split="test").items) == 1


def test_pairs_become_questions_of_one_image():
    pair = SelectionItem("7", "colour", (b"0", b"1"), ("x", "y", "z"))
    single = SelectionItem("8", "swap", (b"2",), ("u", "v"), (0, 0, 2, 2))
    assert choices_of_one_image([pair, single]) == [
        SelectionItem("7/0", "colour", (b"0",), ("x", "y", "z")),
        SelectionItem("7/1", "colour", (b"1",), ("y", "x", "z")),
        single,
    ]


def test_what_a_set_lacks_is_said_by_the_names_of_columns(tmp_path, encoded_image):
    write_images(tmp_path, encoded_image, "a.jpg")
    path = write_json(tmp_path / "set.json", [{"image": "a.jpg", "caption": "x"}])
    with pytest.raises(
        FormatError, match=r"a true caption \(caption\) and false ones \(negative_caption.*form=rules"
    ) as met:
        read_selection(path)
    assert "SelectionColumns" not in str(met.value)
    path = write_json(tmp_path / "set.json", [{"picture_of_it": "a.jpg", "caption": "x", "negatives": ["y"]}])
    with pytest.raises(
        FormatError, match=r"no image column; call its column \(or key\) image; there are: picture_of_it"
    ):
        read_selection(path)
