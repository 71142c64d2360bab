"""Exact words, the same in every index: what SQLite ranks is what Python's own ranking says."""

import contextlib
import sqlite3

import numpy as np
import pytest

from wordsight.index.index import FileState
from wordsight.index.keywords import ranked, words_of, words_of_entry
from wordsight.index.where import WhereError, parse

WIDTH = 8
META = [
    {"name": "fury.jpg", "text": "Nike Men's Fury Black Shoes", "price": 10, "mtime": "2024-01-01T00:00:00Z"},
    {"name": "b.jpg", "text": "Puma black shoes, black laces and a very long text about shoes", "price": 20},
    {"name": "c.jpg", "text": "Áo dài ĐỎ"},
    {"name": "d.jpg"},
    {"name": "e.jpg", "title": "Nike bag", "path": "/secret/f.jpg"},
    {"name": "f.jpg", "text": "red_bag 2024"},
]


@pytest.fixture
def index(opened):
    index = opened()
    fill(index, META)
    index.save()
    return index


def fill(index, meta, first="k0"):
    rows = np.eye(WIDTH, dtype=np.float32)[: len(meta)]
    index.add([f"k{int(first[1:]) + i}" for i in range(len(meta))], rows, meta)


def keys(hits):
    return [hit.key for hit in hits]


@pytest.mark.parametrize("words", [["nike"], ["black", "shoes"], ["ao", "do"], ["jpg"], ["nike", "nike", "bag"], ["s"]])
def test_ranks_as_the_plain_ranking_does(index, words):
    expected = ranked({i: words_of_entry(meta) for i, meta in enumerate(META)}, words)
    hits = index.keywords(words, 10)
    assert keys(hits) == [f"k{number}" for number, _ in expected]
    np.testing.assert_allclose([hit.score for hit in hits], [score for _, score in expected], rtol=1e-4)
    assert expected
    assert hits[0].meta == META[int(hits[0].key[1:])]
    assert hits[0].embedding[int(hits[0].key[1:])] == 1


def test_a_word_is_whole_and_not_where_a_picture_lies(index):
    assert not index.keywords(["nik"], 10)
    assert not index.keywords(["secret"], 10)
    assert keys(index.keywords(["2024"], 10)) == ["k5"]
    assert not index.keywords([], 10)
    assert not index.keywords(['"', "or", "near"], 10)


def test_conditions_and_the_number_wanted(index):
    assert keys(index.keywords(["shoes"], 10, parse("price < 15"))) == ["k0"]
    assert len(index.keywords(["jpg"], 2)) == 2
    with pytest.raises(WhereError, match="no column prize"):
        index.keywords(["shoes"], 10, parse("prize < 15"))


def test_absent_ones_come_only_when_asked_for(index):
    index.files.record({"k0": FileState(1, 1, "s", absent=True)})
    index.save()
    assert keys(index.keywords(["nike"], 10)) == ["k4"]
    assert keys(index.keywords(["nike"], 10, absent=True)) == ["k4", "k0"]


def test_changes_are_seen_by_the_writer_at_once_and_by_readers_after_the_save(index, opened):
    reader = opened(writable=False)
    assert keys(reader.keywords(["nike"], 10)) == ["k4", "k0"]
    index.remove(["k4"])
    fill(index, [{"text": "Adidas shoes"}, {"text": "Nike"}], first="k1")
    assert set(keys(index.keywords(["nike"], 10))) == {"k0", "k2"}
    assert keys(index.keywords(["adidas"], 10)) == ["k1"]
    assert keys(reader.keywords(["nike"], 10)) == ["k4", "k0"]
    index.save()
    assert set(keys(reader.keywords(["nike"], 10))) == {"k0", "k2"}
    assert not reader.keywords(["puma"], 10)
    assert keys(index.keywords(["adidas"], 10)) == ["k1"]


@pytest.mark.parametrize("kind", ["exact"])
def test_the_file_of_words_is_disposable(index, opened, folder):
    path = folder / "keywords.db"
    assert not path.exists()
    assert keys(index.keywords(["nike"], 10)) == ["k4", "k0"]
    assert path.exists()
    for content in (b"", b"no database" * 500, path.read_bytes()[:9000]):
        path.write_bytes(content)
        assert keys(opened(writable=False).keywords(["nike"], 10)) == ["k4", "k0"]
    with contextlib.closing(sqlite3.connect(path)) as connection, connection:
        connection.execute("update fact set value = 'another' where name = 'identity'")
    assert keys(opened(writable=False).keywords(["nike"], 10)) == ["k4", "k0"]


@pytest.mark.parametrize("kind", ["exact"])
def test_words_are_found_where_nothing_can_be_written(index, opened, folder):
    (folder / "keywords.db").mkdir()
    assert keys(opened(writable=False).keywords(["nike"], 10)) == ["k4", "k0"]
    (folder / "keywords.db").rmdir()


def test_words_of_a_text():
    assert words_of("Nike Men's_FURY-2, Đỏ Straße") == ["nike", "men", "s", "fury", "2", "đo", "strasse"]
