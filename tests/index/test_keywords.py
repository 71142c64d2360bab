"""Exact words, the same in every index: what SQLite ranks is what Python's own ranking says."""

import numpy as np
import pytest

from wordsight.index import words_cache
from wordsight.index.cache_file import read_cache, write_cache
from wordsight.index.index import FileState
from wordsight.index.keywords import ranked, words_of, words_of_entry
from wordsight.index.where import WhereError, parse
from wordsight.index.words_cache import WORDS

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
    path = folder / WORDS
    assert not path.exists()
    assert keys(index.keywords(["nike"], 10)) == ["k4", "k0"]
    assert path.exists()
    for content in (b"", b"no database" * 500, path.read_bytes()[:9000]):
        path.write_bytes(content)
        assert keys(opened(writable=False).keywords(["nike"], 10)) == ["k4", "k0"]
    header, parts = read_cache(path)
    write_cache(path, header._replace(kind="words of another library"), {**parts, "rows": parts["rows"][::-1]})
    assert keys(opened(writable=False).keywords(["nike"], 10)) == ["k4", "k0"]


@pytest.mark.parametrize("kind", ["exact"])
def test_words_are_found_where_nothing_can_be_written(index, opened, folder):
    (folder / WORDS).mkdir()
    assert keys(opened(writable=False).keywords(["nike"], 10)) == ["k4", "k0"]
    (folder / WORDS).rmdir()


TEXTS = ["red shoes", "red red bag", "Đỏ shoes and bag", "", "SHOES_red-blue", "bag bag bag", "blue", "red shoes bag"]


def described(draw):
    """Return metadata whose text columns come and go, one of them with numbers too."""
    title = TEXTS[draw.integers(len(TEXTS))] if draw.random() < 0.5 else int(draw.integers(9))
    return {"text": TEXTS[draw.integers(len(TEXTS))], **({"title": title} if draw.random() < 0.7 else {})}


@pytest.mark.parametrize("seed", range(8))
@pytest.mark.parametrize("parts", [1, 16])
def test_whatever_changes_the_ranking_is_the_plain_one(opened, folder, monkeypatch, seed, parts):
    monkeypatch.setattr(words_cache, "_PARTS", parts)
    monkeypatch.setattr(words_cache, "STALE_LEAST", 20)
    draw = np.random.default_rng(seed)
    writer, reader = opened(), opened(writable=False)
    there, saved = {}, {}

    def compare(index, entries):
        order = [key for key in all_keys(index) if key in entries]
        expected = ranked({i: words_of_entry(entries[key]) for i, key in enumerate(order)}, ["red", "shoes", "bag"])
        hits = index.keywords(["red", "shoes", "bag"], 99)
        assert [(hit.key, hit.score) for hit in hits] == [(order[i], score) for i, score in expected]
        best = index.keywords(["red", "shoes", "bag"], 3)
        assert keys(best) == keys(hits)[:3]

    for step in range(12):
        chosen = [f"k{n}" for n in draw.choice(30, 6, replace=False)]
        if step % 3 == 2:
            gone = [key for key in chosen if key in there]
            writer.remove(gone)
            for key in gone:
                del there[key]
        else:
            meta = [described(draw) for _ in chosen]
            unit = np.eye(WIDTH, dtype=np.float32)[[int(key[1:]) % 3 + 3 * (step % 2) for key in chosen]]
            writer.add(chosen, unit, meta)  # where the embedding is the same, the entry stays in its place
            there |= dict(zip(chosen, meta, strict=True))
        compare(writer, there)
        if step:
            compare(reader, saved)
        writer.save()
        saved = dict(there)
        compare(reader, saved)
        if step % 4 == 3:
            compare(opened(writable=False), saved)
    if writer.wants_upkeep():
        writer.upkeep()
        compare(reader, saved)


def all_keys(index):
    """Return the keys in the order of the entries' numbers: that of equal scores."""
    return keys(index.search(np.full((1, WIDTH), WIDTH**-0.5, np.float32), 99, absent=True)[0])


def test_words_of_a_text():
    assert words_of("Nike Men's_FURY-2, Đỏ Straße") == ["nike", "men", "s", "fury", "2", "đo", "strasse"]
