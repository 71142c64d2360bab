"""Hits from inside films and documents, as the program prints, links and writes them."""

import json

import pytest
from tests.images.film_files import film, pdf

from wordsight.cli.main import main
from wordsight.embeddings import model as models


@pytest.fixture
def holiday(tmp_path, monkeypatch):
    load = models.load
    monkeypatch.setattr(models, "load", lambda *_, **__: load(engine="fake"))
    film(tmp_path / "films/beach.mp4", [("red", 3), ("green", 2)])
    pdf(tmp_path / "manual.pdf", ["orange", "purple"])
    monkeypatch.chdir(tmp_path)
    return tmp_path


def test_index_says_how_many_lie_inside_files(holiday, capsys):
    assert main(["index", "."]) == 0
    assert "4 added (4 of them inside 2 files)" in capsys.readouterr().out


def test_lines_json_and_paths(holiday, capsys):
    assert main(["search", "green", "--in", ".", "-k", "1"]) == 0
    line = capsys.readouterr().out
    assert " films/beach.mp4 at 0:0" in line
    assert main(["search", "purple", "--in", ".", "-k", "1"]) == 0
    assert " manual.pdf page 2" in capsys.readouterr().out
    assert main(["search", "green", "--in", ".", "-k", "1", "--json"]) == 0
    hit = json.loads(capsys.readouterr().out)
    assert hit["key"] == f"films/beach.mp4#t={hit['meta']['second']:g}" and hit["path"] == "films/beach.mp4"
    assert main(["search", "green", "--in", ".", "--paths-only"]) == 0
    assert sorted(capsys.readouterr().out.splitlines()) == ["films/beach.mp4", "manual.pdf"]
    assert main(["search", "green", "--in", ".", "--in", "films", "--json"]) == 0
    assert len(capsys.readouterr().out.splitlines()) == 4  # a frame that two locations hold comes once


def test_page_and_copies(holiday, capsys):
    assert main(["search", "green", "--in", ".", "--html", "hits.html", "--extract", "out"]) == 0
    page = (holiday / "hits.html").read_text()
    assert f'href="file://{holiday}/films/beach.mp4#t=' in page and f"{holiday}/manual.pdf#page=2" in page
    assert "films/beach.mp4 at 0:0" in page and "No picture" not in page
    copies = sorted(path.name for path in (holiday / "out").iterdir())
    assert len(copies) == 4 and copies[0].startswith("001-films-beach.mp4-t-") and copies[0].endswith(".jpg")


def test_a_name_of_an_image_inside_is_an_image(holiday, capsys):
    assert main(["index", "."]) == 0
    for query in (["films/beach.mp4#t=4"], ["--like", "films/beach.mp4#t=4.5"]):  # which is no key
        capsys.readouterr()
        assert main(["search", *query, "--in", ".", "-k", "1", "--json"]) == 0
        assert json.loads(capsys.readouterr().out)["meta"]["second"] >= 3
    assert main(["classify", "manual.pdf#page=2", "--classes", "red,purple"]) == 0
    assert "purple" in capsys.readouterr().out
    assert main(["search", "films/beach.mp4", "--in", "."]) == 2
    assert "name an image inside it (beach.mp4#t=1.5)" in capsys.readouterr().err
    assert main(["search", "manual.pdf#page=9", "--in", "."]) == 1
    assert "has no page 9; it has 2" in capsys.readouterr().err


@pytest.mark.parametrize(
    ("name", "form"),
    [
        ("films/beach.mp4#page=1", "beach.mp4#t=SECONDS"),
        ("films/beach.mp4#t=-1", "beach.mp4#t=SECONDS"),
        ("manual.pdf#t=1", "manual.pdf#page=NUMBER"),
        ("manual.pdf#page=x", "manual.pdf#page=NUMBER"),
    ],
)
def test_an_image_inside_that_is_named_wrongly_is_an_error_with_the_right_form(holiday, capsys, name, form):
    for call in (["search", name], ["search", "--like", name], ["search", "red", name], ["search", f"{name} * 2"]):
        assert main([*call, "--in", "."]) == 2
        assert f"write {form}" in capsys.readouterr().err
    assert main(["classify", name, "--classes", "red,purple"]) == 2
    assert f"write {form}" in capsys.readouterr().err
