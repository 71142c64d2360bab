"""One picture whose embedding is none fails alone, whether the model gave it or the library held it."""

import numpy as np
import pytest

from wordsight.embeddings.pipeline import Encoded
from wordsight.search.library import open_library

BAD = {"NaN": np.nan, "zero": 0.0, "too long": 3.0}


@pytest.mark.parametrize("bad", BAD)
def test_what_a_model_gives_for_one_picture(photos, model, bad, monkeypatch):
    real = model.encode_images

    def encode(items, load, *, name, times=None):
        for one in real(items, load, name=name, times=times):
            is_red = name(one.item).endswith("red.png") and one.embedding is not None
            yield Encoded(one.item, one.embedding * np.float32(BAD[bad])) if is_red else one

    monkeypatch.setattr(model, "encode_images", encode)
    with open_library(photos, model=model) as library:
        report = library.sync()
        assert (len(report.added), [key for key, _ in report.failed]) == (4, ["a/red.png"])
        assert report.failed[0][1] == (
            f"the embedding of {photos / 'a/red.png'} is NaN, zero or not of length 1; leave the image out, or compute in "
            "fp32: precision='fp32'"
        )
        assert list(library.failures()) == ["a/red.png"]
        assert not library.sync()


@pytest.mark.parametrize("bad", BAD)
@pytest.mark.parametrize("change", ["columns", "copy", "touched"])
def test_what_a_library_holds_of_one_picture(opened, photos, bad, change, monkeypatch):
    import os
    from dataclasses import replace

    from wordsight.index.exact import ExactIndex

    library = opened(photos)
    library.sync()
    real = ExactIndex.entries

    def entries(self, keys):
        return [
            replace(entry, embedding=entry.embedding * np.float32(BAD[bad])) if entry.key == "a/red.png" else entry
            for entry in real(self, keys)
        ]

    monkeypatch.setattr(ExactIndex, "entries", entries)
    if change == "columns":
        (photos / "metadata.csv").write_text("file,price\na/red.png,1\na/blue.png,2\n")
    elif change == "copy":
        for name in ("red", "blue"):
            (photos / f"{name}.png").write_bytes((photos / "a" / f"{name}.png").read_bytes())
    else:
        for name in ("red", "blue"):
            os.utime(photos / "a" / f"{name}.png", ns=(1, 1))
    report = library.sync()
    key = "red.png" if change == "copy" else "a/red.png"
    reason = f"the embedding of {key} in the library is not of length 1; make the library again with"
    assert [(key, reason in text) for key, text in report.failed] == [(key, True)]
    assert report.changed == (["a/blue.png"] if change == "columns" else [])
    assert report.added == (["blue.png"] if change == "copy" else [])
    assert "a/red.png" in {hit.key for hit in library.search("red")}
