"""A library in the forms of other programs, read back as those programs read them."""

import gc
import json

import numpy as np
import pyarrow.parquet as pq
import pytest
from tests.images.film_files import frames

from wordsight.base.errors import NotFound, UsageError
from wordsight.cli.main import main
from wordsight.search.exports import clip_retrieval
from wordsight.search.exports.table import FORMS, export, exported


@pytest.fixture
def library(opened, photos):
    (photos / "metadata.csv").write_text("file,price,text\ntop.png,3,a pink thing\na/red.png,cheap,a red thing\n")
    made = opened(photos)
    made.sync()
    return made


def by_key(library):
    with library.reading() as index:
        keys = list(index.files.states())
        return {entry.key: entry for entry in index.entries(keys)}


def test_clip_retrieval_in_parts(library, tmp_path, monkeypatch):
    monkeypatch.setattr(clip_retrieval, "PART", 2)
    monkeypatch.setattr("wordsight.search.walk.AT_ONCE", 2)
    assert export(library, tmp_path / "out", "clip-retrieval") == 5
    parts = sorted((tmp_path / "out" / "img_emb").iterdir())
    assert [part.name for part in parts] == ["img_emb_0000.npy", "img_emb_0001.npy", "img_emb_0002.npy"]
    embeddings = np.concatenate([np.load(part) for part in parts])
    rows = [r for part in sorted((tmp_path / "out" / "metadata").iterdir()) for r in pq.read_table(part).to_pylist()]
    entries = by_key(library)
    assert (embeddings.dtype, len(rows)) == (np.float16, 5)
    for embedding, row in zip(embeddings, rows, strict=True):
        np.testing.assert_allclose(embedding, entries[row["key"]].embedding, atol=1e-3)
        assert row["image_path"] == str(library.location / row["key"])
    captions = {row["key"]: row["caption"] for row in rows}
    assert captions == {"a/red.png": "a red thing", "top.png": "a pink thing"} | dict.fromkeys(
        ("a/blue.png", "b/green.png", "b/white.png"), ""
    )


def test_npy_and_parquet_line_by_line(library, tmp_path, monkeypatch):
    monkeypatch.setattr("wordsight.search.walk.AT_ONCE", 2)
    export(library, tmp_path / "out", "npy", where="folder != ''")
    embeddings = np.load(tmp_path / "out" / "embeddings.npy", mmap_mode="r")
    table = pq.read_table(tmp_path / "out" / "metadata.parquet")
    entries = by_key(library)
    assert embeddings.shape == (4, 27) and embeddings.dtype == np.float32
    for embedding, row in zip(embeddings, table.to_pylist(), strict=True):
        np.testing.assert_array_equal(embedding, entries[row["key"]].embedding)
    assert table.schema.field("width").type == "int64"
    assert table.column("price").to_pylist() == [None, "cheap", None, None]


def test_a_column_of_numbers_and_text_is_text(library, tmp_path):
    export(library, tmp_path / "out", "npy")
    assert sorted(filter(None, pq.read_table(tmp_path / "out" / "metadata.parquet").column("price").to_pylist())) == [
        "3",
        "cheap",
    ]


def test_datacomp_uids(opened, photos, tmp_path):
    uids = [f"{value:032x}" for value in (2**127 + 5, 2**64 + 1, 7)]
    table = tmp_path / "table.csv"
    names = ("a/red", "top", "b/green")
    lines = [f"photos/{name}.png,{uid}" for name, uid in zip(names, uids, strict=True)]
    table.write_text("\n".join(["image,uid", *lines]) + "\n")
    library = opened(table)
    library.sync()
    assert export(library, tmp_path / "out", "datacomp") == 3
    pairs = np.load(tmp_path / "out" / "uids.npy")
    assert pairs.dtype == np.dtype("u8,u8")
    assert [f"{a:016x}{b:016x}" for a, b in pairs.tolist()] == sorted(uids)


def test_fiftyone(library, photos, tmp_path):
    assert export(library, tmp_path / "out", "fiftyone", where="folder = a") == 2
    data = json.loads((tmp_path / "out" / "data.json").read_text())
    labels = json.loads((tmp_path / "out" / "labels.json").read_text())
    assert data == {key: str(photos / key) for key in ("a/blue.png", "a/red.png")}
    assert labels == {"classes": [], "labels": dict.fromkeys(data)}


def test_images_inside_films_have_no_file_of_their_own(opened, photos, tmp_path, capsys):
    frames(photos / "loop.gif", ["white", "brown"])
    library = opened(photos)
    library.sync()
    inside = [key for key in by_key(library) if "#" in key]
    assert len(inside) > 0
    assert export(library, tmp_path / "51", "fiftyone") == 6
    assert f"{len(inside)} images inside films and documents are left out" in capsys.readouterr().err
    assert not any("#" in key for key in json.loads((tmp_path / "51" / "data.json").read_text()))
    with pytest.raises(NotFound, match="--extract"):
        export(library, tmp_path / "none", "fiftyone", where="frame >= 1")
    export(library, tmp_path / "clip", "clip-retrieval")
    rows = pq.read_table(tmp_path / "clip" / "metadata" / "metadata_0000.parquet").to_pylist()
    assert {row["key"]: row["image_path"] for row in rows if "#" in row["key"]} == {
        key: f"{photos}/{key}" for key in inside
    }


def test_an_error_closes_what_is_read_before_the_library(library, tmp_path, recwarn, monkeypatch):
    monkeypatch.setattr("wordsight.search.walk.AT_ONCE", 1)
    unraisable = []
    monkeypatch.setattr("sys.unraisablehook", unraisable.append)
    with library, pytest.raises(UsageError, match="no uid") as caught:
        export(library, tmp_path / "out", "datacomp")
    del caught
    gc.collect()
    assert unraisable == []


def test_what_is_absent_or_broken_is_left_out(library, photos, tmp_path):
    (photos / "top.png").write_bytes(b"no image")
    library.sync()
    assert export(library, tmp_path / "out", "npy") == 4
    assert [len(group) for group in exported(library)] == [4]


def test_a_folder_is_whole_or_not_there(library, tmp_path):
    for form, options, error, word in [
        ("datacomp", {}, UsageError, "no uid"),
        ("npy", {"where": "nothing = 1"}, UsageError, "no column nothing"),
        ("npy", {"where": "width > 9999"}, NotFound, "no image to export"),
        ("nyp", {}, UsageError, "npy"),
    ]:
        with pytest.raises(error, match=word):
            export(library, tmp_path / "out", form, **options)
        assert not (tmp_path / "out").exists()
    (tmp_path / "out").mkdir()
    (tmp_path / "out" / "mine.txt").write_text("x")
    with pytest.raises(UsageError, match="already holds files"):
        export(library, tmp_path / "out", "npy")


def test_the_verb(photos, tmp_path, capsys):
    assert main(["export", str(photos), "--to", "npy", "--out", str(tmp_path / "out"), "--engine", "fake"]) == 2
    assert "no library" in capsys.readouterr().err
    assert main(["index", str(photos), "--engine", "fake", "--quiet"]) == 0
    capsys.readouterr()
    arguments = ["export", str(photos), "--where", "width > 1", "--json", "--engine", "fake"]
    for form in sorted(FORMS.keys() - {"datacomp"}):
        assert main([*arguments, "--to", form, "--out", str(tmp_path / form)]) == 0
        assert json.loads(capsys.readouterr().out) == {"images": 5, "to": form, "out": str(tmp_path / form)}
    (photos / "top.png").rename(photos / "renamed.png")
    (photos / "more.png").write_bytes((photos / "renamed.png").read_bytes())
    for option, count in (["--no-sync"], 5), ([], 6):
        assert main([*arguments, *option, "--to", "npy", "--out", str(tmp_path / str(count))]) == 0
        assert json.loads(capsys.readouterr().out)["images"] == count
    (tmp_path / "model.json").write_text("{}")
    assert main(["export", str(tmp_path), "--to", "npy", "--out", str(tmp_path / "x")]) == 2
    assert "convert MODEL" in capsys.readouterr().err
