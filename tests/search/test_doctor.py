"""Stored embeddings beside fresh ones: the same, nearly the same, or not."""

import json

import numpy as np
import pytest

from wordsight.cli.main import main
from wordsight.search import doctor
from wordsight.search.doctor import Verdict, examine


@pytest.mark.parametrize(("turned", "verdict"), [(0.0, Verdict.SAME), (0.08, Verdict.ALIKE), (0.5, Verdict.OTHER)])
def test_embeddings_that_an_upgrade_changed_are_told_apart(opened, photos, turned, verdict, monkeypatch, model):
    library = opened(photos)
    library.sync()
    embed = model.engine.embed_images

    def upgraded(pixels):
        """Turn each embedding by an angle."""
        embeddings = embed(pixels)
        away = np.roll(embeddings, 1, axis=1)
        away -= embeddings * np.sum(away * embeddings, axis=1, keepdims=True)
        away /= np.linalg.norm(away, axis=1, keepdims=True)
        return (np.cos(turned) * embeddings + np.sin(turned) * away).astype(np.float32)

    monkeypatch.setattr(model.engine, "embed_images", upgraded)
    checkup = examine(library, count=3)
    assert (checkup.verdict, len(checkup.cosines), checkup.changes()) == (verdict, 3, [])
    assert min(checkup.cosines) == pytest.approx(np.cos(turned), abs=1e-3)


def test_versions_that_changed_are_named(opened, photos, monkeypatch):
    library = opened(photos)
    library.sync()
    now = doctor.versions()
    monkeypatch.setattr(doctor, "versions", lambda: {**now, "pillow": "99.0"})
    assert examine(library).changes() == [f"pillow {now['pillow']} -> 99.0"]
    with library._index.writing() as index:
        assert json.loads(index.facts()["versions"]) == now


def test_images_inside_a_table_and_those_that_are_away(opened, photos, tmp_path):
    (tmp_path / "goods.csv").write_text("image\nphotos/top.png\nphotos/a/red.png\n")
    library = opened(tmp_path / "goods.csv")
    library.sync()
    (photos / "top.png").unlink()
    checkup = examine(library)
    assert len(checkup.cosines) == 1 and "top.png" in checkup.failed[0]
    (photos / "a" / "red.png").unlink()
    assert examine(library).verdict == Verdict.UNKNOWN


def test_the_command(photos, capsys):
    assert main(["index", str(photos), "--engine", "fake", "--quiet"]) == 0
    assert main(["doctor", str(photos), "--engine", "fake"]) == 0
    out = capsys.readouterr().out
    assert "5 pictures, 0 absent" in out and "5 stored and fresh: least cosine 1.00000" in out
    assert "they are the same" in out and "packages  as when the library was made" in out
