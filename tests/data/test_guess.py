"""Which column holds the image, where its name is none of the known ones: by other names, by what it holds."""

import json

import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from wordsight.base.errors import FormatError
from wordsight.data.source import Columns, open_source


@pytest.fixture
def folder(tmp_path, encoded_image):
    for number in range(3):
        (tmp_path / f"{number}.png").write_bytes(encoded_image(number))
    return tmp_path


def images(path, **columns):
    walk = open_source(path, columns=Columns(**columns)).samples()
    return [sample.image for sample in walk], walk.failures


@pytest.mark.parametrize("name", ["picture", "photo", "img", "Images", "image_file", "photo_path", "file_path", "scan"])
@pytest.mark.parametrize("separator", [",", ";"])
def test_a_column_of_paths_is_found(folder, name, separator):
    (folder / "t.csv").write_text(f"words{separator}{name}\na dog{separator}0.png\na cat{separator}1.png\n")
    assert images(folder / "t.csv") == ([folder / "0.png", folder / "1.png"], [])


@pytest.mark.parametrize("name", ["picture", "png", "scan"])
@pytest.mark.parametrize("grouped", [False, True])
def test_a_column_of_bytes_is_found_and_its_images_are_met_by_key(folder, encoded_image, name, grouped):
    cells = [encoded_image(number) for number in range(3)]
    rows = [
        {"id": f"k{n}", "more": b"no", name: {"bytes": c, "path": None} if grouped else c} for n, c in enumerate(cells)
    ]
    pq.write_table(pa.Table.from_pylist(rows), folder / "t.parquet")
    assert images(folder / "t.parquet") == (cells, [])
    assert list(open_source(folder / "t.parquet").images_by_key(["k1"])) == [("k1", cells[1])]


def test_a_known_name_comes_first(folder):
    (folder / "t.csv").write_text("photo,image,scan\nx,0.png,1.png\n")
    assert images(folder / "t.csv") == ([folder / "0.png"], [])


@pytest.mark.parametrize("names", ["photo,picture", "scan,print"])
def test_several_that_may_be_it_are_an_error_that_names_them(folder, names):
    (folder / "t.csv").write_text(f"{names}\n0.png,1.png\n")
    with pytest.raises(
        FormatError, match=rf"the image may be {names.replace(',', ' or ')}; name it as image \(--image"
    ):
        images(folder / "t.csv")
    assert images(folder / "t.csv", image=names.split(",")[1]) == ([folder / "1.png"], [])


def test_lines_of_json_go_by_names(folder):
    rows = [{"photo": "0.png", "words": "a dog"}, {"photo": "1.png", "picture": "2.png"}]
    (folder / "t.jsonl").write_text("\n".join(map(json.dumps, rows)))
    found, failures = images(folder / "t.jsonl")
    assert found == [folder / "0.png"] and "line 2: the image may be photo or picture" in str(failures[0])


@pytest.mark.parametrize("cells", ["gone.png,a dog", "notes.txt,a dog", "5,a dog"])
def test_what_holds_no_image_that_is_there_is_none(folder, cells):
    (folder / "t.csv").write_text(f"scan,words\n{cells}\n")
    with pytest.raises(FormatError, match="has no image column; there are: scan, words"):
        images(folder / "t.csv")


def test_a_table_without_a_header_is_still_said_to_have_none(folder):
    (folder / "t.csv").write_text("0.png,a dog\n1.png,a cat\n")
    with pytest.raises(FormatError, match="has no header"):
        images(folder / "t.csv")
