"""Libraries of tables: one row per caption, columns that are named, bad rows, and names that clash with ours."""

import json

import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from wordsight.data import parquet
from wordsight.data.source import Columns
from wordsight.index.files import FileTable


@pytest.fixture
def table(photos):
    """Write rows of cells to a table in the folder of pictures."""

    def writing(*rows, separator=",", name="t.csv"):
        (photos / name).write_text("".join(f"{separator.join(row)}\n" for row in rows))
        return photos / name

    return writing


def test_one_row_per_caption_is_one_picture(opened, table):
    rows = [(f"a/{name}.png", f"{name} {n}") for n in range(3) for name in ("red", "blue")]
    library = opened(table(("filepath", "title"), *rows, separator="\t"))
    report = library.sync()
    assert (sorted(report.added), report.failed) == (["a/blue.png", "a/red.png"], [])
    (hit,) = library.search("red", k=1)
    assert hit.meta["text"] == "red 0\nred 1\nred 2"
    assert [hit.key for hit in library.search("red", where="text contains 'blue 2'")] == ["a/blue.png"]


def test_named_columns_are_remembered_and_others_read_the_table_again(opened, table, model, encoded):
    path = table(("pic", "words", "image", "n"), ("a/red.png", "one", "b/green.png", "5"))
    library = opened(path, columns=Columns(image="pic", captions="words"))
    library.sync()
    assert library.search("x")[0].key == "a/red.png" and library.search("x")[0].meta["text"] == "one"
    library.close()
    counted = encoded(model)
    later = opened(path)
    assert later.in_step() and not later.sync()
    table(("pic", "words", "image", "n"), ("a/red.png", "two", "b/green.png", "7"))
    assert later.sync().changed == ["a/red.png"]
    assert later.search("x", where="n = 7")[0].meta["text"] == "two"
    assert counted == []
    other = opened(path, columns=Columns(image="image"))
    assert not other.in_step()
    assert (other.sync().added, other.search("x")[0].key) == (["b/green.png"], "b/green.png")
    assert opened(path).in_step()
    other.forget()
    other.sync()
    assert opened(path).in_step()


def test_a_guessed_image_column_is_said_and_remembered(opened, photos, table, capsys):
    """The files of `front` are away when the library is made, then come; the table is written again meanwhile."""
    rows = [(f"away/{name}.png", f"a/{name}.png") for name in ("red", "blue")]
    path = table(("front", "back"), *rows)
    assert sorted(opened(path).sync().added) == ["a/blue.png", "a/red.png"]
    assert capsys.readouterr().err.count("the images are those of the column back, by what it holds") == 1
    assert opened(path).in_step()
    table(("front", "back"), *((back, front) for front, back in rows))
    report = opened(path).sync()
    assert (report.added, report.removed) == ([], [])
    assert sorted(opened(path).absent()) == ["a/blue.png", "a/red.png"]
    assert sorted(opened(path, columns=Columns(image="front")).sync().returned) == ["a/blue.png", "a/red.png"]


@pytest.mark.parametrize("names", [("image", "n"), ("photo", "n")])
def test_a_column_that_names_tell_is_not_remembered(opened, table, names):
    library = opened(table(names, ("a/red.png", "1")))
    library.sync()
    table(("n", "path"), ("1", "a/red.png"))
    assert library.sync().failed == [] and len(library) == 1


def test_columns_are_named_in_a_folder_of_pictures_too(opened, photos, table):
    table(("pic", "words"), ("a/red.png", "fire"), name="about.csv")
    library = opened(photos, columns=Columns(image="pic", captions="words"))
    library.sync()
    assert [hit.key for hit in library.search("x", where="text = fire")] == ["a/red.png"]
    again = opened(photos)
    assert again.in_step() and not again.sync()


def test_a_key_of_two_pictures_is_named_with_the_way_out(opened, photos, table):
    path = table(("id", "image"), ("7", "a/red.png"), ("7", "a/blue.png"))
    library = opened(path)
    report = library.sync()
    assert report.added == ["7"]
    assert [reason for _, reason in report.failed] == [
        f"{path}: the image {photos / 'a/blue.png'} has the key 7, as one before it has; give every image its own, or name "
        "another column as key (--key COLUMN, key= in a task or recipe, Columns(key=...) in Python)"
    ]
    keyed = opened(path, columns=Columns(key="image"))
    assert keyed.sync().failed == []
    assert sorted(hit.key for hit in keyed.search("red")) == ["a/blue.png", "a/red.png"]


def test_columns_with_names_of_ours_are_kept_beside_them(opened, photos, table):
    names = ("image", "path", "width", "score", "key", "rowid", "slot", "PRICE", "price")
    library = opened(table(names, ("a/red.png", "shelf", "5", "1", "k", "2", "3", "10", "20")))
    assert library.sync().added == ["k"]
    (hit,) = library.search("red", where="score = 1 and rowid = 2 and slot = 3 and PRICE = 10 and price = 20")
    assert hit.path == photos / "a/red.png"
    assert (hit.meta["source_path"], hit.meta["source_width"], hit.meta["width"]) == ("shelf", 5, 24)


def test_a_path_in_another_column_is_not_the_file_of_bytes(opened, photos, tmp_path):
    rows = [{"image": (photos / "a/red.png").read_bytes(), "path": "nowhere.png", "id": "r"}]
    pq.write_table(pa.Table.from_pylist(rows), tmp_path / "t.parquet")
    library = opened(tmp_path / "t.parquet")
    library.sync()
    (hit,) = library.search("red")
    assert (hit.path, hit.meta["source_path"]) == (None, "nowhere.png")


def test_rows_whose_pictures_are_missing_are_failed_rows(opened, table):
    library = opened(table(("image", "n"), ("gone.png", "1"), ("a/red.png", "2"), ("x" * 5000, "3"), ("a\0b", "4")))
    report = library.sync()
    assert report.added == ["a/red.png"]
    assert [reason.partition(": no file")[0][-6:] for _, reason in report.failed] == ["line 2", "line 4", "line 5"]
    assert max(len(reason) for _, reason in report.failed) < 500


def test_what_is_no_finite_number_is_missing(opened, photos, model):
    rows = ['{"image": "a/red.png", "x": NaN, "y": -Infinity, "z": 1e999, "n": ' + "9" * 400 + "}"]
    (photos / "t.jsonl").write_text("\n".join([*rows, '{"image": "a/blue.png", "x": 1, "n": 12345678901234567890}']))
    library = opened(photos / "t.jsonl")
    assert library.sync().failed == []
    red, blue = sorted(library.search("red"), key=lambda hit: hit.key, reverse=True)
    assert {name: red.meta.get(name) for name in "xyzn"} == {"x": None, "y": None, "z": None, "n": "9" * 400}
    assert blue.meta["n"] == 12345678901234567890.0
    assert [hit.key for hit in library.search("red", where="x is null")] == ["a/red.png"]
    assert json.loads(json.dumps([dict(red.meta), dict(blue.meta)], allow_nan=False))


def test_more_columns_than_sqlite_has(opened, table):
    names = [f"c{n}" for n in range(2100)]
    library = opened(table(("image", *names), ("a/red.png", *(str(n) for n in range(2100)))))
    assert library.sync().failed == []
    assert [hit.meta["c2099"] for hit in library.search("red", where="c2050 = 2050")] == [2099]


@pytest.fixture
def write_parquet(photos, tmp_path):
    """Write a table of the pictures' bytes, or of their paths."""

    def writing(*names, inside):
        images = [(photos / name).read_bytes() if inside else f"photos/{name}" for name in names]
        pq.write_table(pa.table({"id": [*names], "image": images}), tmp_path / "t.parquet")
        return tmp_path / "t.parquet"

    return writing


def test_a_table_of_bytes_that_has_not_changed_is_told_by_its_stamp_alone(opened, write_parquet, monkeypatch):
    path = write_parquet("top.png", "a/red.png", inside=True)
    opened(path).sync()

    def not_needed(*_):
        raise AssertionError("nothing has changed")

    with monkeypatch.context() as patch:
        patch.setattr(FileTable, "_read", not_needed)
        patch.setattr(FileTable, "_stamps", not_needed)
        patch.setattr(parquet.ParquetTable, "rows", not_needed)
        later = opened(path)
        assert later.in_step() and not later.sync()
        later = opened(write_parquet("top.png", inside=True))
        assert not later.in_step()


def test_a_table_that_holds_pictures_and_one_that_names_them_follow_each_other(opened, write_parquet, photos, paint):
    path = write_parquet("top.png", "a/red.png", inside=True)
    for inside in (True, False, True, False):
        library = opened(write_parquet("top.png", "a/red.png", inside=inside))
        assert not library.sync(accept_removal=True).removed
        assert library.in_step() and len(library) == 2
        paint(photos / "top.png", "green", shade=3 if inside else 4)
        assert library.in_step() == inside == (library.sync().changed == [])
    (photos / "a" / "red.png").rename(photos / "red.png")
    (photos / "a" / "blue.png").unlink()  # so that the folder is empty and proves nothing
    assert opened(path).sync().absent == ["a/red.png"]
    library = opened(write_parquet("top.png", inside=True))
    library.sync()
    (photos / "red.png").rename(photos / "a" / "red.png")
    assert opened(path).in_step()  # it is in no table any more


@pytest.mark.parametrize("place", ["photos/t.csv", "photos/tables", "./photos/t.csv"])
def test_paths_are_relative_where_the_place_is(opened, photos, tmp_path, table, monkeypatch, place):
    (photos / "tables").mkdir()
    for name, above in (("t.csv", ""), ("tables/t.csv", "../")):
        table(("image", "n"), (f"{above}a/red.png", "1"), (str(photos / "top.png"), "2"), name=name)
    (tmp_path / "elsewhere").mkdir()
    monkeypatch.chdir(tmp_path)
    above = "tables/../" if place.endswith("tables") else ""
    library = opened(place)
    library.sync()
    assert sorted(str(hit.path) for hit in library.search("red")) == [f"photos/{above}a/red.png", "photos/top.png"]
    assert all(hit.path.is_file() and hit.meta["path"] == str(hit.path.absolute()) for hit in library.search("red"))
    assert all(hit.path.is_absolute() for hit in opened((tmp_path / place).absolute()).search("red"))
    monkeypatch.chdir(tmp_path / "elsewhere")
    assert all(hit.path.is_file() for hit in opened(f"../{place}").search("red"))
