"""Queries: words, pictures, mixtures, what to stay away from, the least match."""

import os
import shutil
import sqlite3

import numpy as np
import pytest

from wordsight.base.errors import BrokenImage, NotFound, UsageError
from wordsight.images.decode import decode
from wordsight.search.query import embed_parts, join_words, read_query


@pytest.mark.parametrize(
    ("arguments", "parts"),
    [
        (["red", "shoes"], ["red shoes"]),
        (["2:red", "shoes", "1:grass"], ["2:red shoes", "1:grass"]),
        (["a.jpg", "on", "grass", "2:b.png", "at", "night"], ["a.jpg", "on grass", "2:b.png", "at night"]),
        (["red shoes"], ["red shoes"]),
        ([], []),
    ],
)
def test_words_on_a_command_line_are_one_phrase(arguments, parts):
    assert join_words(arguments) == parts


@pytest.mark.parametrize(
    ("text", "weight", "words"),
    [
        ("red", 1, "red"),
        ("2:red", 2, "red"),
        (".5:red", 0.5, "red"),
        ("1:9:30 train", 1, "9:30 train"),
        ("a:b", 1, "a:b"),
    ],
)
def test_weights(text, weight, words):
    (part,) = read_query(text).parts
    assert (part.weight, part.text, part.image) == (weight, words, None)


@pytest.mark.parametrize("query", ["", "  ", "2: ", [], ["red", ""], "0:red", "https://example.org/a.jpg"])
def test_queries_that_cannot_be_used(query):
    with pytest.raises(UsageError):
        read_query(query)


def test_a_picture_is_found_here_or_at_the_place(photos, monkeypatch, tmp_path):
    (part,) = read_query("2:a/red.png", location=photos).parts
    assert (part.weight, part.image) == (2, photos / "a" / "red.png")
    monkeypatch.chdir(photos / "a")
    assert read_query("red.png").parts[0].image.resolve() == photos / "a" / "red.png"
    with pytest.raises(NotFound, match=r"no image none\.jpg"):
        read_query("none.jpg", location=photos)


def test_a_mixture_is_the_weighted_sum_of_unit_rows(model, photos):
    parts = read_query(["2:red", f"0.5:{photos / 'top.png'}"]).parts
    text, picture = model.embed_texts(["red"])[0], model.embed_images([photos / "top.png"])[0]
    expected = 2 * text + 0.5 * picture
    np.testing.assert_allclose(embed_parts(parts, model), expected / np.linalg.norm(expected), atol=1e-6)


def test_every_kind_of_image_is_a_query_alone_and_in_mixtures(opened, photos, model):
    from PIL import Image

    library = opened(photos)
    path = photos / "b" / "green.png"
    image = Image.open(path).convert("RGB")
    for item in (path, str(path), path.read_bytes(), image, np.asarray(image)):
        assert library.search(item, k=1)[0].key == "b/green.png"
        assert library.search([(9, item), "red"], k=1)[0].key == "b/green.png"
        assert library.search([(1, item), "9:red"], k=1)[0].key == "a/red.png"
        assert library.search(["green", "red"], k=1, without=item)[0].key == "a/red.png"
    assert library.search((2, "blue"), k=1)[0].key == "a/blue.png"
    assert library.search(["green", "red"], k=1, without="green")[0].key == "a/red.png"


@pytest.mark.parametrize("weight", [0, -1, float("nan"), float("inf"), 1e7])
def test_weights_that_cannot_be_used(weight):
    with pytest.raises(UsageError, match=r"the weight .* of a part; give a number above 0, at most 1,000,000"):
        read_query([(weight, "red")])


def test_weights_of_any_size_give_a_unit_row(model):
    for weights in ((1e6, 1e-6), (1e-300, 1e-300), (1e6, 1e6)):
        row = embed_parts(read_query([(weights[0], "red"), (weights[1], "blue")]).parts, model)
        assert np.linalg.norm(row) == pytest.approx(1, abs=1e-6)
    with pytest.raises(UsageError, match="the weight inf of a part"):
        read_query("9" * 400 + ":red")


@pytest.mark.parametrize("part", [None, 3, {"red": 2}.items(), [["red"]]])
def test_what_no_query_is_made_of(part):
    with pytest.raises(UsageError, match=r"cannot be made of|is needed"):
        read_query(part)


def test_words_pictures_and_mixtures_find_what_they_should(opened, photos):
    library = opened(photos)
    library.sync()
    assert library.search("green", k=1)[0].key == "b/green.png"
    by_picture = library.search(str(photos / "b" / "green.png"), k=2)
    assert by_picture[0].key == "b/green.png"
    assert by_picture[0].score == pytest.approx(1, abs=1e-5)
    assert by_picture[0].path == photos / "b" / "green.png"
    assert {hit.key for hit in library.search(["red", "blue"], k=2)} == {"a/red.png", "a/blue.png"}
    assert library.search(["5:red", "blue"], k=1)[0].key == "a/red.png"
    scores = [hit.score for hit in library.search("red")]
    assert scores == sorted(scores, reverse=True)


def test_without_takes_off_what_is_above_the_mean(opened, photos, model):
    library = opened(photos)
    library.sync()
    plain = {hit.key: hit.score for hit in library.search(["red", "blue"])}
    rows = {key: model.embed_images([photos / key])[0] for key in plain}
    unwanted = model.embed_texts(["blue"])[0]
    mean = np.mean([row @ unwanted for row in rows.values()])
    for weight, text in ((1, "blue"), (0.25, "0.25:blue")):
        expected = {key: plain[key] - weight * max(0, rows[key] @ unwanted - mean) for key in plain}
        found = {hit.key: hit.score for hit in library.search(["red", "blue"], without=[text])}
        assert found == pytest.approx(expected, abs=1e-5)
    assert library.search(["red", "blue"], without=["blue"])[0].key == "a/red.png"
    assert len(library.search(["red", "blue"], k=2, without=["blue"])) == 2


def test_the_least_match_and_filters(opened, photos):
    library = opened(photos)
    library.sync()
    assert [hit.key for hit in library.search("red", min_cosine=0.5)] == ["a/red.png"]
    assert library.search("red", min_cosine=0.9999) == []
    assert [hit.key for hit in library.search("red", k=1, where="folder = b and name contains GREEN")] == [
        "b/green.png"
    ]
    assert library.search("red", where="width > 1000") == []
    assert library.search("red", where="width > 1000", without=["blue"]) == []


@pytest.mark.parametrize(
    "call",
    [
        {"k": 0},
        {"k": 2.5},
        {"k": "3"},
        {"k": True},
        {"k": None},
        {"min_match": float("nan")},
        {"min_match": 1.5},
        {"min_cosine": -2},
        {"min_cosine": "0.2"},
        {"min_match": "0.2"},
        {"where": "prize < 5"},
        {"where": 5},
        {"where": "width <"},
        {"without": [""]},
    ],
)
def test_wrong_calls(opened, photos, call):
    library = opened(photos)
    library.sync()
    with pytest.raises(UsageError):
        library.search("red", **call)


def test_a_location_is_indexed_on_first_use_and_then_only_when_asked(opened, photos, paint):
    library = opened(photos)
    assert library.search("red", k=1)[0].key == "a/red.png"
    paint(photos / "redder.png", "red")
    assert len(library.search("red")) == 5
    library.sync()
    assert len(library.search("red")) == 6


def test_what_is_wrong_with_a_call_is_raised_before_anything_is_indexed(opened, photos):
    for query, options in (("", {}), ("red", {"k": 0}), ("red", {"where": "width <"}), ("red", {"min_match": 2})):
        with pytest.raises(UsageError):
            opened(photos).search(query, **options)
    assert not (photos / ".wordsight").exists()


def test_only_the_metadata_of_hits_is_read(opened, photos):
    library = opened(photos)
    library.sync()
    library.search("red", k=2)
    statements = []
    with library._index.reading() as index:
        index._connection.set_trace_callback(statements.append)
    library.search("red", k=2)
    read = [statement for statement in statements if "from entry" in statement]
    assert len(read) == 1
    assert "where id in (" in read[0]


def test_a_query_and_its_condition_are_read_once(opened, photos, monkeypatch, capsys):
    from wordsight.cli.main import main
    from wordsight.index import where
    from wordsight.search import query

    opened(photos).sync()
    parsed, read = [], []
    parse, read_part = where.parse, query._read_part
    monkeypatch.setattr(where, "parse", lambda text: (parsed.append(text), parse(text))[1])
    monkeypatch.setattr(query, "_read_part", lambda text, place: (read.append(text), read_part(text, place))[1])
    arguments = ["search", "red", "--in", str(photos), "--where", "width > 1", "--without", "blue", "--engine", "fake"]
    assert main([*arguments, "--paths-only"]) == 0
    assert capsys.readouterr().out.splitlines()[0] == str(photos / "a" / "red.png")
    assert (parsed, read) == (["width > 1"], ["blue", "red"])


def test_what_is_wrong_with_a_query_is_raised_before_anything_is_indexed(photos, capsys):
    from wordsight.cli.main import main

    for wrong in (["red", "--where", "width >"], ["red", "--without", " "], ["none.jpg"]):
        assert main(["search", *wrong, "--in", str(photos), "--engine", "fake"]) == 2
        assert "wordsight:" in capsys.readouterr().err
    assert not (photos / ".wordsight").exists()


def test_a_query_with_unwanted_parts_asks_the_index_once(opened, photos, monkeypatch):
    """One call is one state: nothing that another process removes meanwhile is missed."""
    from wordsight.index.exact import ExactIndex

    library = opened(photos)
    library.sync()
    library.search("red")
    calls = []
    for name in ("search", "entries", "columns", "facts"):
        real = getattr(ExactIndex, name)
        monkeypatch.setattr(
            ExactIndex,
            name,
            lambda *given, name=name, real=real, **options: (calls.append(name), real(*given, **options))[1],
        )
    assert library.search("red", k=1, without=["blue"])[0].key == "a/red.png"
    assert calls == ["search", "columns"]  # the latter, whether there are captions at all, in the same look


def test_a_closed_library_holds_nothing_open_and_opens_again(opened, photos):
    library = opened(photos)
    library.sync()
    library.search("red")
    with library._index.reading() as index:
        pass
    library.close()
    with pytest.raises(sqlite3.ProgrammingError, match="closed"):
        len(index)
    assert library.search("red", k=1)[0].key == "a/red.png"


def test_what_names_a_file_is_that_file_or_an_error(tmp_path, paint, monkeypatch):
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("HOME", str(tmp_path))
    paint(tmp_path / "photo.png", "red")
    for name in ("photo", "photo.raw-ish", "2:photo"):
        shutil.copy("photo.png", name)
    (tmp_path / "notes.txt").write_text("red shoes")
    (tmp_path / "empty.cr2").write_bytes(b"")
    os.mkfifo("live")
    (tmp_path / "red").mkdir()
    for text in ("photo", "photo.raw-ish", "~/photo", str(tmp_path / "photo"), "0.5:photo", "~/photo.png"):
        assert read_query(text).parts[0].image is not None, text
        assert read_query("x", without=[text]).without[0].image is not None, text
    assert (read_query("0.5:photo").parts[0].weight, read_query("2:photo").parts[0].weight) == (0.5, 1)
    for text, problem in {
        "notes.txt": "notes.txt is not a JPEG, PNG, WebP, GIF, BMP, TIFF or AVIF picture; convert it to one of these",
        "2:notes.txt": "notes.txt is not a JPEG",
        "empty.cr2": "empty.cr2 is empty; restore it or leave it out",
        "live": "live cannot be opened: it is a named pipe, not a file; leave it out; for the words, write them with",
    }.items():
        with pytest.raises((UsageError, BrokenImage), match=problem):
            part = read_query(text).parts[0]
            decode(part.image)
    assert read_query("red").parts[0].text == "red"
    assert read_query("a photo").parts[0].text == "a photo"
    assert join_words(["red", "notes.txt", "photo", "of", "it"]) == ["red", "notes.txt", "photo of it"]
    assert read_query("in the folder", location=tmp_path / "notes.txt").parts[0].text == "in the folder"
    assert read_query("photo", location=tmp_path).parts[0].image is not None


@pytest.mark.parametrize(
    "text", ["~cosy room", "~nobody/x", "x" * 100_000, "a/" * 3000 + "b", "nul\0byte", "a\ud800b", "..", "/"]
)
def test_words_that_look_like_a_path_are_words(text):
    assert read_query(text).parts[0].text == text


@pytest.mark.parametrize("text", ["a" * 300 + ".jpg", "~cosy/room.jpg", "b/" * 3000 + "c.png"])
def test_a_path_that_cannot_be_is_one_short_line(text):
    with pytest.raises(NotFound, match="no image .*; check the path; write words without") as caught:
        read_query(text)
    assert len(str(caught.value)) < 350
