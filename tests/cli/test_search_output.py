"""What `wordsight search` writes: lines with titles and columns, CSV, pages, sheets, extracted pictures."""

import csv
import io
import json
import os
import sys
import webbrowser
from pathlib import Path

import pyarrow as pa
import pyarrow.parquet as pq
import pytest
from PIL import Image

from wordsight.cli.main import main
from wordsight.engines.fake import COLOURS


@pytest.fixture
def goods(tmp_path):
    """A table with its pictures inside, columns that spreadsheets would compute, and one without a price."""
    rows = []
    for number, colour in enumerate(("red", "blue", "green")):
        packed = io.BytesIO()
        Image.new("RGB", (20, 10), COLOURS[colour]).save(packed, "PNG")
        rows.append({"key": f"=k{number}", "image": packed.getvalue(), "title": f'A "{colour}", one\nand more'})
        rows[-1] |= {"price": number - 1.5 or None, "note": f"+{number}"}
    rows[2]["price"] = None
    pq.write_table(pa.Table.from_pylist(rows), tmp_path / "goods.parquet")
    return tmp_path / "goods.parquet"


@pytest.fixture
def search(goods, capsys):
    """Run a search for red in the table and return its status, output and notices."""

    def searching(*arguments, within=goods, query="red"):
        main(["index", str(within), "--engine", "fake", "--quiet"])
        capsys.readouterr()
        status = main(["search", query, "--in", str(within), "--engine", "fake", *map(str, arguments)])
        captured = capsys.readouterr()
        return status, captured.out, captured.err

    return searching


def test_a_line_of_a_table_says_what_it_shows(search):
    status, out, err = search("-k", 1)
    assert (status, err) == (0, "")
    assert out.endswith('  =k0  A "red", one\n') and out.count("\n") == 1


def test_chosen_columns_stand_in_the_line_in_the_order_asked_for(search, goods):
    lines = search("--show", "price,text", "--show", "note")[1].splitlines()
    assert lines[0].endswith('  =k0  -1.5  A "red", one / and more  +0')
    (green,) = [line for line in lines if "=k2" in line]
    assert green.endswith('=k2  -  A "green", one / and more  +2')


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (["--show", "pice"], "show: no column pice; did you mean price? columns: price, note, text, width, height"),
        (["--show", "zzz"], "show: no column zzz; columns: price, note, text, width, height"),
        (["--show", "price,"], "--show with an empty name; give the names of columns, with commas between"),
        (["--show", "price", "--json"], "--show with --json; leave it out: it gives all columns"),
        (["--show", "price", "-0"], "--show with --null; leave one of them out"),
        (["--preview", "--csv"], "--preview with --csv; leave one of them out"),
        (["--sheet", "x.gif"], "a sheet x.gif; give a name that ends in .png, .jpg, .jpeg"),
    ],
)
def test_wrong_calls(search, arguments, message):
    assert search(*arguments) == (2, "", f"wordsight: {message}\n")


def test_csv_has_every_hit_and_column_whole_and_computes_nothing(search, goods):
    status, out, _ = search("--csv")
    rows = list(csv.DictReader(io.StringIO(out)))
    assert status == 0 and len(rows) == 3
    assert list(rows[0]) == [
        "rank",
        "score",
        "match",
        "key",
        "path",
        "place",
        "price",
        "note",
        "text",
        "width",
        "height",
    ]
    assert [row["rank"] for row in rows] == ["1", "2", "3"]
    first = rows[0]
    assert first["text"] == 'A "red", one\nand more' and first["place"] == str(goods) and first["path"] == ""
    assert (first["key"], first["note"], first["price"], first["match"]) == ("'=k0", "'+0", "-1.5", "")
    assert float(first["score"]) > float(rows[1]["score"])
    assert {row["key"]: row["price"] for row in rows}["'=k2"] == ""
    assert search("--csv", "--show", "note", "-k", 1)[1].splitlines()[0] == "rank,score,match,key,path,place,note"


def test_no_two_columns_of_a_csv_have_one_name(search, tmp_path):
    Image.new("RGB", (9, 9)).save(tmp_path / "a.png")
    (tmp_path / "t.csv").write_text("image,rank\na.png,7\n")
    (row,) = csv.DictReader(io.StringIO(search("--csv", within=tmp_path / "t.csv")[1]))
    assert list(row) == ["rank", "score", "match", "key", "path", "place", "meta_rank", "width", "height"]
    assert (row["rank"], row["meta_rank"], row["path"]) == ("1", "7", str(tmp_path / "a.png"))


def test_csv_on_a_terminal_is_shown_and_not_obeyed(search, tmp_path, monkeypatch, capsys):
    Image.new("RGB", (9, 9)).save(tmp_path / "x\x1b[2J.png")
    monkeypatch.setattr(sys.stdout, "isatty", lambda: True, raising=False)
    out = search("--csv", within=tmp_path)[1]
    assert "\x1b" not in out and r"x\x1b[2J.png" in out


def test_a_match_is_given_where_there_is_one(search, monkeypatch):
    assert json.loads(search("--json", "-k", 1)[1])["match"] is None
    monkeypatch.setattr("wordsight.search.asking.matches_of", lambda *_: [0.87654321] * 99)
    assert json.loads(search("--json", "-k", 1)[1])["match"] == 0.876543
    assert next(csv.DictReader(io.StringIO(search("--csv")[1])))["match"] == "0.876543"


def test_what_has_no_file_is_named_by_its_place_and_key(search, goods):
    assert search("--paths-only", "-k", 1)[1] == f"{goods}!=k0\n"
    assert search("-0", "-k", 1)[1] == f"{goods}!=k0\0"
    record = json.loads(search("--json", "-k", 1)[1])
    assert (record["path"], record["key"], record["place"]) == (None, "=k0", str(goods))


def test_everything_at_once(search, tmp_path):
    page, sheet, folder = tmp_path / "new" / "a.html", tmp_path / "a.png", tmp_path / "out"
    arguments = ("--html", page, "--sheet", sheet, "--extract", folder, "--json", "--where", "note != '+9'")
    status, out, err = search(*arguments)
    assert (status, len(out.splitlines())) == (0, 3)
    assert err == f"{folder}: 3 pictures written\n"
    text = page.read_text()
    assert text.count("data:image/jpeg") == 3 and "note != &#x27;+9&#x27;" in text and "<h1>red</h1>" in text
    with Image.open(sheet) as image:
        assert image.format == "PNG"
    assert sorted(path.name for path in folder.iterdir())[0] == "001-k0.png"
    with Image.open(folder / "001-k0.png") as image:
        assert image.getpixel((0, 0)) == COLOURS["red"]
    status, out, err = search(*arguments)
    assert status == 1 and err.count("is there already") == 3 and err.endswith("0 pictures written\n")


def test_the_page_of_a_query_by_picture_shows_it(search, tmp_path):
    Image.new("RGB", (9, 9), COLOURS["red"]).save(tmp_path / "query.png")
    search("--html", tmp_path / "a.html", query=str(tmp_path / "query.png"))
    assert 'class="query-image"' in (tmp_path / "a.html").read_text()


def test_no_hits_make_a_page_and_nothing_else(search, tmp_path):
    status, out, _ = search("--where", "price > 99", "--html", tmp_path / "a.html", "--sheet", tmp_path / "a.png")
    assert (status, out) == (1, "")
    assert "Nothing matches." in (tmp_path / "a.html").read_text() and not (tmp_path / "a.png").exists()


def test_the_page_is_opened_or_its_path_is_said(search, tmp_path, monkeypatch):
    opened = []
    monkeypatch.setattr(webbrowser, "open", lambda address: opened.append(address) or True)
    err = search("--open", "-k", 1)[2]
    path = Path(err.removeprefix("the page is ").rstrip("\n"))
    assert opened == [path.as_uri()] and "data:image/jpeg" in path.read_text()
    assert path.parent.stat().st_mode & 0o077 == 0
    assert search("--open", "--html", tmp_path / "a.html")[2] == ""
    assert opened[1] == (tmp_path / "a.html").as_uri()
    monkeypatch.setattr(webbrowser, "open", lambda address: False)
    err = search("--open", "--html", tmp_path / "a.html")[2]
    assert err == f"no browser can be opened here; the page is {tmp_path / 'a.html'}\n"


def test_copies_inside_the_folder_that_is_searched_are_mentioned(search, tmp_path):
    folder = tmp_path / "photos"
    folder.mkdir()
    Image.new("RGB", (9, 9), COLOURS["red"]).save(folder / "a.png")
    err = search("--extract", folder / "best", within=folder)[2]
    assert err.splitlines()[1] == f"{folder / 'best'} lies in {folder}: the next search finds the copies too"


def test_previews_stand_below_their_lines_on_a_terminal_only(search, monkeypatch):
    monkeypatch.setenv("WORDSIGHT_PREVIEW", "sixel")
    assert "\x1b" not in search("--preview")[1]
    monkeypatch.setattr(sys.stdout, "isatty", lambda: True, raising=False)
    lines = search("--preview", "-k", 2)[1].splitlines()
    assert len(lines) == 4
    assert "=k0" in lines[0] and lines[1].startswith('\x1bP0;1q"1;1;20;10') and lines[1].endswith("\x1b\\")


@pytest.mark.parametrize("option", ["--html", "--sheet"])
def test_pipe_is_written_and_a_folder_refused_before_the_search(search, tmp_path, option):
    os.mkfifo(tmp_path / "pipe.png")
    reader = os.open(tmp_path / "pipe.png", os.O_RDONLY | os.O_NONBLOCK)
    try:
        status, _, err = search(option, tmp_path / "pipe.png", "-k", 1)
        begin = os.read(reader, 16)
    finally:
        os.close(reader)
    assert (status, err) == (0, "")
    assert begin.startswith(b"<!doctype html>" if option == "--html" else b"\x89PNG")
    (tmp_path / "folder.png").mkdir()
    status, out, err = search(option, tmp_path / "folder.png")
    assert (status, out) == (1, "") and "folder.png is a folder, not a file" in err


def test_page_names_the_places_that_gave_no_answer(search, tmp_path):
    page, gone = tmp_path / "hits.html", tmp_path / "gone"
    status, _, err = search("--in", gone, "--html", page)
    assert status == 1
    reason = f"{gone}: nothing at {gone}; check the path"
    assert f"failed: {reason}" in err and f"<dt>Not answered</dt><dd>{reason}</dd>" in page.read_text()
    search("--html", page)
    assert "Not answered" not in page.read_text()
