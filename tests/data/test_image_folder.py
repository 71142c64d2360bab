"""What tells of the images of a folder: tables, files beside, folders; and what of it cannot be used."""

import os
import sys
import unicodedata

import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from wordsight.base.errors import FormatError
from wordsight.base.nouns import Sample
from wordsight.data.image_folder import ImageFolder
from wordsight.data.listing import LARGEST, list_folder
from wordsight.data.names import locate, posix
from wordsight.data.source import Columns, open_source


@pytest.fixture
def photos(tmp_path, encoded_image):
    """Four images, two of them in a folder."""
    for name in ("a.jpg", "b.JPG", "deep/a.jpg", "deep/c.jpg"):
        (tmp_path / name).parent.mkdir(exist_ok=True)
        (tmp_path / name).write_bytes(encoded_image(len(name)))
    return tmp_path


def columns_of(folder, image):
    facts, problems = ImageFolder(list_folder(folder)).facts(image)
    assert problems == []
    return facts.columns()


def test_every_column_keeps_its_name_and_what_it_means(photos):
    (photos / "metadata.csv").write_text(
        "\ufefffile , caption,label,id,price,code\n"
        'a.jpg,"a dog, running",3,7,5,007\n'
        'b.JPG,"[""a cat"", ""a tabby""]",cat,,,\n',
        encoding="utf-8",
    )
    assert columns_of(photos, "a.jpg") == {
        "text": "a dog, running",
        "class": "3",
        "caption": "a dog, running",
        "label": 3,
        "id": 7,
        "price": 5,
        "code": "007",
    }
    assert columns_of(photos, "b.JPG") == {
        "text": "a cat\na tabby",
        "class": "cat",
        "caption": "a cat\na tabby",
        "label": "cat",
        "id": None,
        "price": None,
        "code": None,
    }
    assert columns_of(photos, "deep/a.jpg") == {}
    sample = next(open_source(photos).samples())
    assert sample == Sample("a.jpg", photos / "a.jpg", ("a dog, running",), "3", {"id": 7, "price": 5, "code": "007"})


def test_several_rows_and_tables_of_one_image_add_up(photos):
    (photos / "captions.csv").write_text("image,caption,price\na.jpg,one,1\na.jpg,two,2\nb.JPG,three,3\na.jpg,one,4\n")
    (photos / "metadata.jsonl").write_text('{"file_name": "a.jpg", "price": 9, "sold": true}\n')
    (photos / "a.txt").write_text("two\nfour\n")
    assert columns_of(photos, "a.jpg") == {
        "text": "one\ntwo\nfour",
        "caption": "one\ntwo\nfour",
        "price": 1,
        "sold": True,
    }


def test_paths_are_relative_to_the_table(photos):
    (photos / "deep" / "metadata.csv").write_text("file_name,price\na.jpg,1\n../a.jpg,2\n")
    (photos / "other.csv").write_text(f"path,size of it\ndeep\\a.jpg,3\n.\\b.JPG,4\n{photos}/deep/c.jpg,5\n")
    assert [columns_of(photos, image) for image in ("deep/a.jpg", "a.jpg", "b.JPG", "deep/c.jpg")] == [
        {"price": 1, "size of it": 3},
        {"price": 2},
        {"size of it": 4},
        {"size of it": 5},
    ]


def test_a_table_above_tells_of_the_images_of_a_split(photos):
    (photos / "deep").rename(photos / "train")
    (photos / "metadata.csv").write_text("file_name,text\na.jpg,top\ntrain/a.jpg,one\n./train/c.jpg,two\ngone.jpg,x\n")
    (photos / "metadata.txt").write_text("no table")
    walk = open_source(photos, split="train").samples()
    assert [(sample.key, sample.texts) for sample in walk] == [("a.jpg", ("one",)), ("c.jpg", ("two",))]
    assert walk.failures == []


def test_an_image_has_one_class(photos):
    (photos / "metadata.csv").write_text("file,class\na.jpg,cat\na.jpg,cat\na.jpg,\nb.JPG,\na.jpg,dog\n")
    walk = open_source(photos).samples()
    assert [sample.label for sample in walk] == ["cat", None, None, None]
    assert list(map(str, walk.failures)) == [
        f"{photos}/metadata.csv: class dog for a.jpg of class cat; give it one class"
    ]


def test_a_column_that_was_asked_for_is_read_and_has_to_be_there(photos):
    (photos / "t.csv").write_text("image,words,price\na.jpg,a dog,5\n")
    walk = open_source(photos, columns=Columns(captions="words")).samples()
    assert next(walk).texts == ("a dog",)
    with pytest.raises(FormatError, match=r"t\.csv has no column wrds; did you mean words\?"):
        open_source(photos, columns=Columns(captions="wrds")).samples()


@pytest.mark.parametrize("on_disk", ["NFC", "NFD"])
@pytest.mark.parametrize("in_table", ["NFC", "NFD"])
def test_names_that_unicode_calls_equal_are_one(photos, on_disk, in_table):
    file, row = (unicodedata.normalize(form, "été/café.jpg") for form in (on_disk, in_table))
    (photos / file).parent.mkdir()
    (photos / "a.jpg").rename(photos / file)
    beside = (photos / file).with_name(row.rpartition("/")[2][:-4] + ".TXT")
    beside.write_text("a cup")
    (photos / "metadata.csv").write_text(f"file,price\n{row},5\n")
    assert columns_of(photos, file) == {"text": "a cup", "price": 5}
    assert locate(photos, row) == photos / file
    (photos / "t.jsonl").write_text(f'{{"image": "{row}"}}\n')
    assert next(open_source(photos / "t.jsonl").samples()).image == photos / file


def test_paths_as_windows_writes_them(photos):
    assert posix(" .\\deep\\a.jpg ") == "deep/a.jpg"
    assert locate(photos, "deep\\a.jpg") == photos / "deep" / "a.jpg"
    assert locate(photos, "deep\\none.jpg") is None
    (photos / "deep\\none.jpg").write_bytes(b"")  # a name that only looks like one
    assert locate(photos, "deep\\none.jpg") == photos / "deep\\none.jpg"


def test_what_cannot_be_used_is_a_failure_and_the_image_is_read(photos):
    (photos / "metadata.csv").write_text("file,price\na.jpg,1\ngone.jpg,2\n,3\nmetadata.csv,4\n")
    (photos / "a.txt").write_bytes(b"caf\xe9")
    os.mkfifo(photos / "b.txt")
    with open(photos / "deep" / "a.txt", "wb") as handle:
        handle.truncate(50 * 2**30)
    (photos / "metadata.jsonl").symlink_to("nowhere")
    walk = open_source(photos).samples()
    assert [sample.key for sample in walk] == ["a.jpg", "b.JPG", "deep/a.jpg", "deep/c.jpg"]
    assert [str(failure) for failure in walk.failures] == [
        f"{photos}/metadata.csv: line 3: no file {photos}/gone.jpg; paths are relative to the table",
        f"{photos}/metadata.csv: line 4 names no image; put a path into its column file",
        f"{photos}/metadata.csv: line 5: {photos}/metadata.csv is no image of {photos}; leave the row out, or move the file",
        f"{photos}/metadata.jsonl is no regular file; take it away, or put a table there",
        f"{photos}/a.txt is not UTF-8; save the captions as UTF-8",
        f"{photos}/b.txt cannot be read: it is a named pipe, not a file; mend it, or take it away",
        f"{photos}/deep/a.txt cannot be read: it holds 53.7 GB, and 1 MB is the most that is read; mend it, or take it away",
    ]
    assert LARGEST == 1_000_000


@pytest.mark.parametrize("encoding", ["utf-8", "utf-8-sig", "utf-16", "utf-16-le", "utf-16-be", "utf-32"])
def test_captions_are_read_as_editors_save_them(photos, encoding):
    (photos / "a.txt").write_bytes("a café\r\n\ufeffand another\r\n".encode(encoding))
    (photos / "b.json").write_bytes('{"caption": "a café"}'.encode(encoding))
    assert columns_of(photos, "a.jpg") == {"text": "a café\nand another"}
    assert columns_of(photos, "b.JPG") == {"text": "a café", "caption": "a café"}


def test_a_table_that_is_none_costs_itself_alone(photos, monkeypatch, capsys):
    monkeypatch.setattr("wordsight.data.text_lines.LONGEST", 1000)
    with open(photos / "a.csv", "wb") as handle:
        handle.truncate(50 * 2**30)  # of zeros, on a disk that keeps none of them
    (photos / "b.parquet").write_bytes(b"PAR1")
    os.mkfifo(photos / "metadata.tsv")
    walk = open_source(photos).samples()
    assert len(list(walk)) == 4
    assert [failure.problem.partition(": ")[0].partition(" is")[0] for failure in walk.failures] == [
        f"{photos}/a.csv",
        f"{photos}/b.parquet",
        f"{photos}/metadata.tsv",
    ]
    assert walk.failures[0].problem == f"{photos}/a.csv: line 1 has no end"
    assert capsys.readouterr().err == ""


def test_json_beside_tells_of_its_image_or_is_left_alone(photos):
    (photos / "a.json").write_text('{"caption": "a dog", "price": 5, "class": "dog", "boxes": [1]}')
    (photos / "b.json").write_text('{"key": "b", "url": "http://x"}')
    (photos / "deep" / "a.json").write_text('{"shapes": [], "version": "5.0"}')
    (photos / "deep" / "c.json").write_text("[1, 2")
    assert columns_of(photos, "a.jpg") == {"text": "a dog", "caption": "a dog", "price": 5, "class": "dog"}
    assert columns_of(photos, "b.JPG") == {"key": "b", "url": "http://x"}
    assert columns_of(photos, "deep/a.jpg") == columns_of(photos, "deep/c.jpg") == {}
    (photos / "deep" / "c.json").write_text('{"imageData": "' + "x" * LARGEST + '"}')
    assert columns_of(photos, "deep/c.jpg") == {}
    (photos / "deep" / "c.json").write_text('{"caption": ')
    _, problems = ImageFolder(list_folder(photos)).facts("deep/c.jpg")
    assert [problem.problem.partition(":")[0] for problem in problems] == [f"{photos}/deep/c.json is not JSON"]


def test_paths_may_be_relative_to_the_one_folder_of_images(photos):
    for name in ("a.jpg", "b.JPG"):
        (photos / name).unlink()
    (photos / "captions.csv").write_text("image,caption\na.jpg,one\ndeep/c.jpg,two\n")
    assert [columns_of(photos, name)["caption"] for name in ("deep/a.jpg", "deep/c.jpg")] == ["one", "two"]


def test_what_is_left_alone_is_said_once(photos, encoded_image, capsys):
    (photos / "sales.csv").write_text("month,total\n1,5\n")
    (photos / "files.csv").write_text("file,total\nreport.docx,5\n")
    (photos / "old.tar").write_bytes(b"")
    (photos / "link").symlink_to(photos / "deep")
    for _ in range(2):
        open_source(photos).samples()
    assert capsys.readouterr().err.splitlines() == [
        f"links to folders in {photos} are not followed: link",
        f"{photos}/old.tar is left alone: {photos} is a folder of images",
        f"{photos}/files.csv is left alone: it names no image of {photos}: "
        f"{photos}/files.csv: line 2: no file {photos}/report.docx",
        f"left alone: {photos}/sales.csv has no image column; there are: month, total; "
        "name it as image (--image COLUMN, image= in a task or recipe, Columns(image=...) in Python)",
    ]


def test_a_table_that_holds_images_itself_is_left_alone(photos, encoded_image, capsys):
    pq.write_table(pa.table({"image": [encoded_image(1)], "title": ["one"]}), photos / "packed.parquet")
    assert len(list(open_source(photos).samples())) > 1
    where = photos / "packed.parquet"
    assert (
        f"{where} is left alone: it names no image of {photos}: {where}: row 1 names no image"
        in capsys.readouterr().err
    )


def test_a_table_that_needs_another_package_costs_itself_alone(photos, monkeypatch, capsys):
    for name in ("sales.parquet", "metadata.parquet"):
        (photos / name).write_bytes(b"PAR1")
    monkeypatch.setitem(sys.modules, "pyarrow", None)
    walk = open_source(photos).samples()
    assert len(list(walk)) == 4
    cure = "this needs the package pyarrow; pip install 'wordsight[data]'"
    assert list(map(str, walk.failures)) == [f"{photos}/metadata.parquet: {cure}"]
    assert capsys.readouterr().err == f"left alone: {photos}/sales.parquet: {cure}\n"


def test_folders_that_may_not_be_read_are_failures_and_named_where_nothing_else_is(photos, monkeypatch):
    real = os.scandir

    def scandir(folder):
        if str(folder).endswith("deep"):
            raise PermissionError(13, "Permission denied")
        return real(folder)

    monkeypatch.setattr(os, "scandir", scandir)
    walk = open_source(photos).samples()
    assert [sample.key for sample in walk] == ["a.jpg", "b.JPG"]
    assert list(map(str, walk.failures)) == [
        f"the folder {photos}/deep cannot be read; check its permissions, or shorten its path"
    ]
    for name in ("a.jpg", "b.JPG"):
        (photos / name).unlink()
    (photos / "link").symlink_to(photos.parent)
    with pytest.raises(
        FormatError, match=r"no images in .* \(cannot be read: deep\) \(links, which are not followed: link\);"
    ):
        open_source(photos)


@pytest.mark.parametrize(
    ("paths", "classes"),
    [
        (("cat/1.jpg", "dog/deep/2.jpg"), {"cat", "dog"}),
        (("cat/1.jpg", "2.jpg"), {None}),
        (("train/cat/1.jpg", "Test/dog/2.jpg"), {"cat", "dog"}),
        (("train/cat/1.jpg", "test/2.jpg"), {None}),
        (("train/cat/1.jpg", "plane/2.jpg"), {"train", "plane"}),
        (("train/1.jpg", "val/2.jpg"), {None}),
    ],
)
def test_folders_are_classes_unless_they_are_splits(tmp_path, encoded_image, paths, classes):
    for path in paths:
        (tmp_path / path).parent.mkdir(parents=True, exist_ok=True)
        (tmp_path / path).write_bytes(encoded_image(1))
    assert {sample.label for sample in open_source(tmp_path).samples()} == classes


def test_the_fingerprint_changes_with_all_that_is_read(photos):
    marks = [open_source(photos).fingerprint()]
    for name in ("metadata.csv", "deep/metadata.jsonl", "a.TXT", "deep/c.json"):
        (photos / name).write_text("{}")
        marks.append(open_source(photos).fingerprint())
    (photos / "notes.txt").write_text("of no image")
    marks.append(open_source(photos).fingerprint())
    assert len(set(marks)) == 5 and marks[-1] == marks[-2]
