"""The text tower opens while the files are looked at, and what keeps it from opening is said once."""

from types import SimpleNamespace

import pytest
from PIL import Image

from wordsight.base.errors import FormatError
from wordsight.cli.main import main
from wordsight.cli.search import _opening_texts
from wordsight.embeddings.model import Model
from wordsight.search.query import Part, Query


@pytest.mark.parametrize(
    ("query", "opened"),
    [
        (Query((Part(1.0, text="dog"),)), 1),
        (Query((Part(1.0, image="a.jpg"),)), 0),
        (Query((Part(1.0, image="a.jpg"),), without=(Part(1.0, text="dog"),)), 1),
    ],
)
def test_it_opens_where_there_are_words(query, opened):
    asked = []
    with _opening_texts(SimpleNamespace(embed_texts=asked.append), query):
        pass
    assert len(asked) == opened


def test_what_fails_is_said_once(tmp_path, monkeypatch, capsys):
    Image.new("RGB", (32, 32), "red").save(tmp_path / "red.png")
    assert main(["search", "red", "--in", str(tmp_path), "--engine", "fake", "--quiet"]) in (0, 1)
    capsys.readouterr()

    def fail(self, texts, **options):
        raise FormatError("the text graph is broken", cure="export again")

    monkeypatch.setattr(Model, "embed_texts", fail)
    assert main(["search", "red", "--in", str(tmp_path), "--engine", "fake", "--quiet"]) == 2
    assert capsys.readouterr().err == "wordsight: the text graph is broken; export again\n"
