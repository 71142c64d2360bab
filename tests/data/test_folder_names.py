"""Class folders called by ids, and the files that name them."""

import pytest

from wordsight.base.errors import NotFound
from wordsight.data.folder_names import folder_names
from wordsight.data.source import open_source


@pytest.fixture
def root(tmp_path, encoded_image):
    for number, folder in enumerate(["n01", "n02"]):
        for split in ("train", "val"):
            (tmp_path / "set" / split / folder).mkdir(parents=True)
            (tmp_path / "set" / split / folder / f"{number}.png").write_bytes(encoded_image(number))
    return tmp_path / "set"


def labels(location, **options):
    return [sample.label for sample in open_source(location, **options).samples()]


@pytest.mark.parametrize(
    ("file", "text"),
    [
        ("LOC_synset_mapping.txt", "n01 tench, Tinca tinca\nn02 goldfish\nn03 shark\n"),
        ("classnames.txt", "\ufeffn02\tgoldfish\r\n\r\nn01   tench, Tinca tinca \r\n"),
        ("classes.json", '{"n01": "tench, Tinca tinca", "n02": "goldfish"}'),
        ("imagenet_class_index.json", '{"0": ["n01", "tench, Tinca tinca"], "1": ["n02", "goldfish"]}'),
    ],
)
def test_ids_have_the_names_of_a_file_beside_them_or_above(root, file, text):
    names = ["tench, Tinca tinca", "goldfish"]
    (root / file).write_text(text)
    assert labels(root, split="val") == labels(root / "val") == names
    assert labels(root) == names * 2
    (root / file).rename(root / "val" / file)
    assert labels(root / "val") == names
    assert labels(root / "train") == ["n01", "n02"]


def test_the_nearer_file_counts_and_another_one_is_another_fingerprint(root):
    marks = {open_source(root / "val").fingerprint()}
    (root / "classes.json").write_text('{"n01": "a", "n02": "b"}')
    marks.add(open_source(root / "val").fingerprint())
    (root / "val" / "classes.json").write_text('{"n01": "aa", "n02": "bb"}')
    marks.add(open_source(root / "val").fingerprint())
    assert labels(root / "val") == ["aa", "bb"]
    assert len(marks) == 3


def test_a_file_that_names_some_is_left_alone_and_that_is_said(root, capsys):
    (root / "val" / "classnames.txt").write_text("n01 tench")
    assert labels(root / "val") == ["n01", "n02"]
    assert "classnames.txt is left alone: it does not name the class folder n02" in capsys.readouterr().err


@pytest.mark.parametrize(
    "text",
    ["", "n01\nn02", "cat\ndog", "[1]", '{"n01": 0, "n02": 1}', '{"n01": ["a", "b"]}', "{", "[" * 99999, "\udcff"],
)
def test_a_file_of_something_else_names_nothing(root, text, capsys):
    for file in ("classes.json", "classnames.txt"):
        (root / "val" / file).write_bytes(text.encode(errors="surrogateescape"))
    assert labels(root / "val") == ["n01", "n02"]
    assert capsys.readouterr().err == ""


def test_a_file_above_a_folder_that_is_no_split_is_of_something_else(root):
    (root / "classes.json").write_text('{"train": "a", "val": "b", "n01": "c", "n02": "d"}')
    (root / "val").rename(root / "mine")
    assert folder_names(root / "mine", ["n01", "n02"]) == {}


def test_splits_of_class_folders(root):
    assert [sample.key for sample in open_source(root, split="train").samples()] == ["n01/0.png", "n02/1.png"]
    with pytest.raises(NotFound, match="no split test in"):
        open_source(root, split="test")
