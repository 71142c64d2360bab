"""A library takes the embeddings that were computed before, and is the same as without them."""

import numpy as np
import pytest
from PIL import Image

from wordsight.embeddings.kept import KeptModel, count_kept, kept_folder
from wordsight.search import kept_images


@pytest.fixture(autouse=True)
def _own_cache(tmp_path, monkeypatch):
    monkeypatch.setenv("WORDSIGHT_CACHE", str(tmp_path / "cache"))


@pytest.fixture
def photos(tmp_path, paint):
    """Pictures of several kinds; a JPEG lies on its side, as those of telephones do."""
    folder = tmp_path / "photos"
    for name, colour in {"a/red.png": "red", "a/blue.webp": "blue", "b/green.jpg": "green", "top.gif": "pink"}.items():
        paint(folder / name, colour)
    exif = Image.Exif()
    exif[0x0112] = 6
    Image.effect_noise((40, 20), 90).convert("RGB").save(folder / "turned.jpg", exif=exif)
    return folder


def images_of(folder):
    return sorted(path for path in folder.rglob("*.*") if path.suffix in (".png", ".jpg", ".webp", ".gif"))


def keep(model, paths):
    with KeptModel(model) as kept:
        return kept.embed_images(paths)


def entries(library):
    keys = sorted(hit.key for hit in library.search("red", k=100))
    with library._index.reading() as index:
        return {one.key: (one.embedding.tolist(), dict(one.meta)) for one in index.entries(keys)}


def test_what_was_embedded_before_is_not_encoded_and_the_library_is_the_same(opened, photos, model, encoded):
    library = opened(photos)
    library.sync()
    plain = entries(library)
    paths = images_of(photos)
    rows = keep(model, paths)
    counted = encoded(model)
    assert len(library.rebuild().added) == 5
    assert counted == []
    stored = entries(library)
    assert stored == plain
    assert (stored["turned.jpg"][1]["width"], stored["turned.jpg"][1]["height"]) == (20, 40)
    for path, row in zip(paths, rows, strict=True):
        np.testing.assert_allclose(stored[path.relative_to(photos).as_posix()][0], row, atol=5e-4)


def test_others_are_encoded_and_nothing_is_kept_of_them(opened, photos, model, encoded):
    keep(model, images_of(photos)[1:3])
    counted = encoded(model)
    (photos / "broken.jpg").write_bytes(b"no image")
    report = opened(photos).sync()
    assert (sum(counted), len(report.added), len(report.failed)) == (3, 5, 1)
    assert count_kept(kept_folder(model, "images")) == 2


def test_images_inside_of_a_table_are_known_too(opened, photos, model, encoded):
    (photos / "rows.csv").write_text("image\n" + "".join(f"{path.relative_to(photos)}\n" for path in images_of(photos)))
    keep(model, images_of(photos))
    counted = encoded(model)
    assert len(opened(photos / "rows.csv").sync().added) == 5
    assert counted == []


@pytest.mark.parametrize("what", ["pixels", "precision"])
def test_what_was_computed_in_another_way_is_not_taken(opened, photos, model, encoded, monkeypatch, what):
    with monkeypatch.context() as other:
        other.setattr(
            *((model, "pixels", "exact") if what == "pixels" else (model.engine, "precision", "int8")), raising=False
        )
        keep(model, images_of(photos))
    counted = encoded(model)
    opened(photos).sync()
    assert sum(counted) == 5


def test_a_damaged_part_is_named_and_its_images_are_encoded(opened, photos, model, encoded, capfd):
    keep(model, images_of(photos))
    (part,) = kept_folder(model, "images").iterdir()
    part.write_bytes(part.read_bytes()[:-1])
    counted = encoded(model)
    assert len(opened(photos).sync().added) == 5
    assert sum(counted) == 5
    assert f"{part} is damaged" in capfd.readouterr().err


def test_they_are_opened_only_where_that_costs_little(opened, photos, paint, model, encoded, monkeypatch):
    library = opened(photos)
    keep(model, images_of(photos))
    library.sync()
    monkeypatch.setattr(kept_images, "KeptEmbeddings", lambda *_: pytest.fail("opened"))
    assert not library.sync()
    (photos / "a").rename(photos / "moved")  # read, and known to the library
    assert len(library.sync().moved) == 2
    monkeypatch.setattr(kept_images, "PER_IMAGE", 4)
    keep(model, [paint(photos / "new.png", "yellow")])
    counted = encoded(model)
    assert library.sync().added == ["new.png"]  # one image, six that are kept
    assert sum(counted) == 1
    monkeypatch.undo()


def test_a_place_without_a_cache_is_indexed(opened, photos, model, encoded, monkeypatch):
    counted = encoded(model)
    monkeypatch.setenv("WORDSIGHT_CACHE", str(photos / "a" / "red.png"))
    assert len(opened(photos).sync().added) == 5
    assert sum(counted) == 5
