"""Coloured pictures: the small engine knows colours, so answers can be told beforehand."""

import pytest
from PIL import Image

from wordsight.embeddings.model import load
from wordsight.engines.fake import COLOURS
from wordsight.search.library import open_library


@pytest.fixture(scope="session")
def model():
    return load(engine="fake")


@pytest.fixture
def paint():
    """Write a picture of one colour; `shade` makes otherwise equal pictures differ in content."""

    def painting(path, colour, shade=0, size=(24, 16)):
        path.parent.mkdir(parents=True, exist_ok=True)
        red, green, blue = COLOURS[colour]
        Image.new("RGB", size, (red, green, blue - shade if blue > 9 else blue + shade)).save(path)
        return path

    return painting


@pytest.fixture
def photos(tmp_path, paint):
    """Five pictures in two folders."""
    folder = tmp_path / "photos"
    for name, colour in {
        "a/red": "red",
        "a/blue": "blue",
        "b/green": "green",
        "b/white": "white",
        "top": "pink",
    }.items():
        paint(folder / f"{name}.png", colour)
    return folder


@pytest.fixture
def opened(model):
    """Open libraries that are closed at the end."""
    libraries = []

    def opening(place, **options):
        libraries.append(open_library(place, model=options.pop("model", model), **options))
        return libraries[-1]

    yield opening
    for library in libraries:
        library.close()


@pytest.fixture
def encoded(monkeypatch):
    """Count, from the call on, the images that go through the image tower of a model."""

    def counting(model):
        counted = []
        embed = model.engine.embed_images
        monkeypatch.setattr(
            model.engine, "embed_images", lambda pixels: (counted.append(len(pixels)), embed(pixels))[1]
        )
        return counted

    return counting
