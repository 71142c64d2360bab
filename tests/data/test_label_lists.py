"""Several labels an image: the forms that columns and JSON list them in, in tables, folders and shards."""

import json

import pytest

from wordsight.data.check import Limits, check
from wordsight.data.label_lists import read_labels
from wordsight.data.pack import PackOptions, pack
from wordsight.data.source import Columns, open_source
from wordsight.data.stats import stats

LISTING, CLASS, ASKED = {"labels": "x"}, {"label": "x"}, {"label": "x", "labels": "x"}


@pytest.fixture
def folder(tmp_path, encoded_image):
    (tmp_path / "set").mkdir()
    for number in range(4):
        (tmp_path / "set" / f"{number}.png").write_bytes(encoded_image(number))
    return tmp_path / "set"


def read(location, **options):
    walk = open_source(location, **options).samples()
    return [(sample.label, sample.labels) for sample in walk], list(map(str, walk.failures))


@pytest.mark.parametrize(
    ("value", "labels"),
    [
        (["cat", "dog"], ("cat", "dog")),
        (["dog", "cat", "dog", " cat "], ("dog", "cat")),
        (["cat"], ("cat",)),
        ([], ()),
        ([None, "", float("nan"), "cat"], ("cat",)),
        ([2, 0, 5.0], ("2", "0", "5")),
        ('["cat", "dog, hound"]', ("cat", "dog, hound")),
        ("[not a list", ("[not a list",)),
        ("cat|dog; hound", ("cat", "dog; hound")),
        ("cat; dog;", ("cat", "dog")),
        ("cat", ("cat",)),
        (" ", ()),
        (3, ("3",)),
        (None, ()),
        (float("nan"), ()),
        ({"bbox": [[1, 2]], "category": ["cat", "cat"]}, ("cat",)),
        ({"bbox": [[1, 2]]}, ()),
        ([{"bbox": [1, 2], "label": "dog"}, {"bbox": [1, 2]}], ("dog",)),
        ([["cat"]], ()),
        ("[" * 5000, ("[" * 5000,)),
    ],
)
def test_a_column_that_lists_labels(value, labels):
    assert read_labels({"x": value}, LISTING, where="here") == (None, labels)


@pytest.mark.parametrize(
    ("value", "in_class", "asked"),
    [
        ("cat", ("cat", ()), ("cat", ())),
        ("cat|dog", ("cat|dog", ()), (None, ("cat", "dog"))),
        ("cat; dog", ("cat; dog", ()), (None, ("cat", "dog"))),
        (["cat"], (None, ("cat",)), (None, ("cat",))),
        ('["cat", "dog"]', (None, ("cat", "dog")), (None, ("cat", "dog"))),
        (7.0, ("7", ()), ("7", ())),
        (None, (None, ()), (None, ())),
    ],
)
def test_the_column_of_a_class_is_split_at_signs_only_where_it_was_asked_for(value, in_class, asked):
    assert read_labels({"x": value}, CLASS, where="here") == in_class
    assert read_labels({"x": value}, ASKED, where="here") == asked


def test_a_vector_of_flags_is_not_read_and_that_is_said(capsys):
    assert read_labels({"x": [0, 1, 0]}, LISTING, where="line 3") == (None, ())
    assert "line 3: labels are a vector of 0 and 1" in capsys.readouterr().err
    assert read_labels({"x": [0, 1]}, LISTING, where="line 4") == (None, ("0", "1"))  # the numbers of two classes


@pytest.mark.parametrize("column", ["labels", "tags", "objects", "Categories"])
def test_lists_in_tables_are_labels_and_no_captions(folder, column):
    lines = [{"image": "0.png", column: ["cat", "dog"]}, {"image": "1.png", column: [], "caption": "none"}]
    (folder / "t.jsonl").write_text("\n".join(map(json.dumps, lines)))
    (folder / "t.csv").write_text(f"image,{column},caption\n2.png,cat|dog,two\n3.png,,\n")
    assert read(folder / "t.jsonl") == ([(None, ("cat", "dog")), (None, ())], [])
    assert read(folder / "t.csv") == ([(None, ("cat", "dog")), (None, ())], [])
    two, three = open_source(folder / "t.csv").samples()
    assert (two.texts, three.texts) == (("two",), ())
    assert two.meta == {column: "cat|dog"}  # text stays a column


def test_a_class_and_a_list_may_stand_beside_each_other(folder):
    (folder / "t.csv").write_text("image,label,tags,sex\n0.png,animal,cat;dog,f\n")
    assert read(folder / "t.csv")[0] == [("animal", ("cat", "dog"))]
    assert read(folder / "t.csv", columns=Columns(label="tags"))[0] == [(None, ("cat", "dog"))]
    assert read(folder / "t.csv", columns=Columns(label="sex"))[0] == [("f", ())]


def test_rows_of_one_image_have_the_labels_of_all(folder):
    (folder / "t.csv").write_text("image,labels\n0.png,dog\n1.png,hen\n0.png,cat;dog\n")
    assert read(folder / "t.csv") == ([(None, ("dog", "cat")), (None, ("hen",))], [])


def test_labels_of_a_folder_come_from_its_tables_and_json(folder):
    rows = [
        {"file_name": "0.png", "objects": {"bbox": [[0, 0, 1, 1]], "categories": ["cat", "dog"]}, "sex": "f"},
        {"file_name": "1.png", "labels": [], "sex": "m"},
    ]
    (folder / "metadata.jsonl").write_text("\n".join(map(json.dumps, rows)))
    (folder / "2.json").write_text('{"tags": ["hen"], "age": 30}')
    (folder / "3.json").write_text('{"objects": [{"bbox": [1, 2]}], "age": 30}')  # it tells nothing of the image
    assert read(folder)[0] == [(None, ("cat", "dog")), (None, ()), (None, ("hen",)), (None, ())]
    assert [sample.meta for sample in open_source(folder).samples()] == [{"sex": "f"}, {"sex": "m"}, {"age": 30}, {}]


def test_the_audit_and_the_figures_count_listed_labels(folder):
    (folder / "t.csv").write_text("image,labels\n0.png,cat;dog\n1.png,cat\n2.png,\n")
    source = open_source(folder / "t.csv")
    assert stats(source).top_classes == (("cat", 2), ("dog", 1))
    report = check(source, limits=Limits(skew=1.5))
    assert report.without_words == ["2.png"]
    assert report.skewed_classes == ["dog (1, the largest has 2)"]


def test_labels_survive_packing(folder, tmp_path):
    rows = [{"labels": ["cat", "a;b"]}, {"label": "hen"}, {"tags": ["dog"]}]
    lines = [json.dumps({"file_name": f"{number}.png", **row}) for number, row in enumerate(rows)]
    (folder / "metadata.jsonl").write_text("\n".join(lines))
    pack(open_source(folder), tmp_path / "out", PackOptions())
    assert read(tmp_path / "out") == read(folder)
    assert read(folder)[0] == [(None, ("cat", "a;b")), ("hen", ()), (None, ("dog",)), (None, ())]
