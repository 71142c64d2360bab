"""Squares with captions and their pools; a cache of its own for each test."""

import sys
from pathlib import Path

import pytest

sys.path.insert(0, str(Path(__file__).parent))

from coloured_squares import COLOURS, square, write

from wordsight.curate.pool import PairPool
from wordsight.data.source import open_source
from wordsight.embeddings.model import load


@pytest.fixture(autouse=True)
def _cache(tmp_path_factory, monkeypatch):
    monkeypatch.setenv("WORDSIGHT_CACHE", str(tmp_path_factory.mktemp("cache")))


@pytest.fixture
def folder(tmp_path):
    """Eight squares, two captions each; number 7 is called by the wrong colour."""
    place = tmp_path / "squares"
    for number in range(8):
        colour = list(COLOURS)[number % 4]
        called = "red" if number == 7 else colour
        write(place, f"{number}.png", square(colour, number), f"a {called} square here", f"something {called}")
    return place


@pytest.fixture
def pool_of():
    model = load(engine="fake")
    return lambda place, **options: PairPool(open_source(place), lambda: model, **options)
