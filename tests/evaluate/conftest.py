"""What tests of several files share: six small images of three classes with captions, and a model for them."""

import pytest
from PIL import Image

from wordsight.embeddings import model as faces
from wordsight.engines.fake import FakeEngine

COLOURS = {"red": (220, 30, 30), "green": (40, 150, 50), "blue": (40, 70, 210)}


@pytest.fixture
def squares(tmp_path, monkeypatch):
    monkeypatch.setattr(faces, "load", lambda name, **options: faces.Model(FakeEngine()))
    monkeypatch.setenv("WORDSIGHT_CACHE", str(tmp_path / "cache"))
    for name, colour in COLOURS.items():
        (tmp_path / "squares" / name).mkdir(parents=True)
        for number in range(2):
            path = tmp_path / "squares" / name / f"{number}.png"
            Image.new("RGB", (32 + number, 32), colour).save(path)
            path.with_suffix(".txt").write_text(f"a {name} square, number {number}\n")
    return tmp_path / "squares"
