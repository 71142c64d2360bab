"""Columns that are noted on the images of a library, and how long they stay."""

import os
import shutil

import pytest

from wordsight.base.errors import NotFound, UsageError
from wordsight.embeddings.model import load


def meta(library, column):
    """Return key -> the value of a column, as a search sees it."""
    return {hit.key: hit.meta[column] for hit in library.search("red", k=99) if column in hit.meta}


@pytest.fixture
def library(opened, photos):
    made = opened(photos)
    made.sync()
    return made


def test_noted_columns_are_columns_like_others(library):
    assert library.note([("a/red.png", {"tag": "warm", "stars": 5}), ("top.png", {"tag": "warm"})]) == 2
    assert meta(library, "tag") == {"a/red.png": "warm", "top.png": "warm"}
    assert [hit.key for hit in library.search("blue", where="tag = 'warm' and stars > 4")] == ["a/red.png"]
    assert [value.label for value in library.facets("red", ["tag"], min_cosine=-1)["tag"]] == ["warm"]
    assert "tag" in library.columns()
    assert library.in_step()


def test_again_changes_only_what_differs_and_none_takes_away(library):
    library.note([("a/red.png", {"tag": "warm", "stars": 5})])
    assert library.note([("a/red.png", {"tag": "warm"})]) == 0
    assert library.note([("a/red.png", {"tag": None}), ("a/blue.png", {"tag": None})]) == 1
    assert (meta(library, "tag"), meta(library, "stars")) == ({}, {"a/red.png": 5})
    assert library.note([("top.png", {"tag": "x"}), ("top.png", {"stars": 1}), ("top.png", {"tag": "y"})]) == 1
    assert (meta(library, "tag"), meta(library, "stars")["top.png"]) == ({"top.png": "y"}, 1)


@pytest.mark.parametrize(
    ("noted", "error", "word"),
    [
        ([("top.png", {"tag": "x"}), ("none.png", {"tag": "x"})], NotFound, "none.png"),
        ([("top.png", {"tag": "x"}), ("top.png", {"width": 7})], UsageError, "column width is there already"),
    ],
)
def test_all_of_it_or_nothing(library, noted, error, word):
    with pytest.raises(error, match=word):
        library.note(noted)
    assert "tag" not in library.columns()


def test_nothing_is_noted_without_a_library(opened, photos):
    with pytest.raises(NotFound, match="no library"):
        opened(photos).note([("top.png", {"tag": "x"})])
    assert not (photos / ".wordsight").exists()


def test_they_belong_to_the_content(library, photos, paint):
    library.note([(key, {"tag": key}) for key in ("a/red.png", "a/blue.png", "b/green.png", "top.png")])
    (photos / "a" / "red.png").rename(photos / "b" / "moved.png")
    shutil.copy(photos / "a" / "blue.png", photos / "copy.png")
    os.utime(photos / "b" / "green.png", (1, 1))
    paint(photos / "top.png", "black")
    report = library.sync()
    assert report.moved == [("a/red.png", "b/moved.png")]
    assert meta(library, "tag") == {
        "b/moved.png": "a/red.png",
        "a/blue.png": "a/blue.png",
        "copy.png": "a/blue.png",
        "b/green.png": "b/green.png",
    }


def test_they_stay_when_the_table_beside_the_images_changes(library, photos):
    library.note([("top.png", {"tag": "x"})])
    (photos / "metadata.csv").write_text("file,price\ntop.png,3\na/red.png,4\n")
    library.sync()
    assert (meta(library, "price"), meta(library, "tag")) == ({"top.png": 3, "a/red.png": 4}, {"top.png": "x"})
    (photos / "metadata.csv").write_text("file,price\ntop.png,5\n")
    library.sync()
    assert (meta(library, "price"), meta(library, "tag")) == ({"top.png": 5}, {"top.png": "x"})


def test_they_stay_when_a_table_of_images_is_read_again(opened, photos):
    table = photos.parent / "products.csv"
    table.write_text("image,price\nphotos/top.png,3\nphotos/a/red.png,4\n")
    library = opened(table)
    library.sync()
    (key,) = (hit.key for hit in library.search("red", where="price = 4"))
    library.note([(key, {"tag": "x"})])
    table.write_text("image,price\nphotos/top.png,3\nphotos/a/red.png,40\n")
    library.sync()
    assert (meta(library, "price")[key], meta(library, "tag")) == (40, {key: "x"})


def test_they_stay_through_absence_and_rebuild(library, opened, photos, model):
    library.note([("top.png", {"tag": "x"}), ("a/red.png", {"tag": "y"}), ("b/white.png", {"tag": "z"})])
    (photos / "a" / "red.png").rename(photos / "renamed.png")
    library.rebuild()
    assert meta(library, "tag")["top.png"] == "x"
    library.note([("top.png", {"tag": "again"})])
    library.close()
    other = opened(photos, model=load(engine="fake"))
    other.rebuild()
    assert meta(other, "tag")["top.png"] == "again"
    assert meta(other, "tag")["b/white.png"] == "z"
