"""Folders of embeddings as libraries: nothing is encoded, answers are those of the images."""

import os
import pickle
import shutil

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from wordsight.base.errors import FingerprintMismatch, InputError, NotFound, UsageError
from wordsight.cli.main import main
from wordsight.data.source import Columns
from wordsight.search.embedding_parts import embedding_parts
from wordsight.search.exports import clip_retrieval
from wordsight.search.exports.table import export

WIDTH = 27


@pytest.fixture
def exported(opened, photos, tmp_path, monkeypatch):
    """Return a function that writes the library of the photos in a form, in parts of two rows where it has parts."""
    monkeypatch.setattr(clip_retrieval, "PART", 2)
    monkeypatch.setattr("wordsight.search.walk.AT_ONCE", 2)
    (photos / "metadata.csv").write_text("file,price,text\ntop.png,3,a pink thing\na/red.png,4,a red thing\n")
    library = opened(photos)
    library.sync()

    def exporting(form):
        export(library, tmp_path / form, form)
        return tmp_path / form

    exporting.library = library
    return exporting


def write(folder, embeddings, **columns):
    """Write a folder of one part in the layout of clip-retrieval."""
    for name in ("img_emb", "metadata"):
        (folder / name).mkdir(parents=True, exist_ok=True)
    np.save(folder / "img_emb" / "img_emb_0.npy", np.asarray(embeddings, np.float16))
    pq.write_table(pa.table(columns), folder / "metadata" / "metadata_0.parquet")
    return folder


def answers(library, query, **options):
    return [(hit.key, round(hit.score, 2), hit.path) for hit in library.search(query, k=5, **options)]


@pytest.mark.parametrize("form", ["clip-retrieval", "npy"])
def test_there_and_back(exported, opened, model, encoded, form):
    library = opened(exported(form))
    counted = encoded(model)
    report = library.sync()
    assert (len(report.added), report.failed) == (5, [])
    assert sum(counted) <= 5  # those that are compared; none goes through the tower to be indexed
    before = exported.library
    for query in ("red", "pink", ["2:blue", "green"]):
        mine, theirs = ({hit.key: hit for hit in one.search(query, k=5)} for one in (library, before))
        assert next(iter(mine)) == next(iter(theirs))
        assert {key: hit.path for key, hit in mine.items()} == {key: hit.path for key, hit in theirs.items()}
        assert all(abs(hit.score - theirs[key].score) < 1e-3 for key, hit in mine.items())
    assert [hit.key for hit in library.search("thing", where="price > 3")] == ["a/red.png"]
    assert library.search("red", k=1)[0].meta["width"] == 24
    assert library.in_step() and not library.sync()


def test_images_that_are_not_there(exported, opened, photos, capsys):
    folder = exported("npy")
    shutil.rmtree(photos)
    library = opened(folder)
    library.sync()
    err = capsys.readouterr().err
    assert "is taken on trust" in err and "5 images are not there: their hits have no image" in err
    hit = library.search("red", k=1)[0]
    assert (hit.key, hit.path) == ("a/red.png", None)
    for one in (hit, pickle.loads(pickle.dumps(hit))):
        with pytest.raises(InputError, match=r"no image of a/red\.png: it was not there"):
            one.image()


def test_another_model_is_refused_and_leaves_nothing(exported, opened, capsys):
    folder = exported("clip-retrieval")
    for part in (folder / "img_emb").iterdir():
        np.save(part, np.roll(np.load(part), 3, axis=1))
    with pytest.raises(FingerprintMismatch, match="not of model fake: of 5 images 0 have") as error:
        opened(folder).sync()
    assert "--model NAME" in error.value.cure
    assert not (folder / ".wordsight").exists()
    for part in (folder / "img_emb").iterdir():
        np.save(part, np.load(part)[:, :20])
    with pytest.raises(FingerprintMismatch, match="of 20 numbers, those of model fake have 27"):
        opened(folder).rebuild()
    assert main(["index", str(folder), "--engine", "fake"]) == 2
    assert "of 20 numbers" in capsys.readouterr().err


def test_rows_without_an_embedding_or_a_key_fail_alone(opened, tmp_path):
    rows = np.eye(6, WIDTH) * 7
    rows[1], rows[2, 0], rows[3, 1] = 0, np.nan, np.inf
    folder = write(tmp_path / "e", rows, uid=["a", "b", "c", "d", "a", None], n=[1, 2, 3, 4, 5, 6])
    library = opened(folder)
    report = library.sync()
    assert (report.added, sorted(library.failures())) == (["a"], ["b", "c", "d"])
    reasons = [reason for _, reason in report.failed]
    assert sum("is NaN, infinite or zero" in reason for reason in reasons) == 3
    assert any("the key a, as one before" in reason for reason in reasons)
    assert any("row 6 has no key" in reason for reason in reasons)
    assert np.linalg.norm(entries(library)["a"].embedding) == pytest.approx(1, abs=1e-3)


def entries(library):
    with library.reading() as index:
        return {one.key: one for one in index.entries([k for k, s in index.files.states().items() if not s.error])}


def test_keys(opened, tmp_path):
    columns = {"url": ["u1", "u2"], "image_path": ["p1", "p2"], "n": [7, 8]}
    folder = write(tmp_path / "e", np.eye(2, WIDTH), **columns)
    assert opened(folder).sync().added == ["p1", "p2"]
    assert opened(folder, library_dir=tmp_path / "l", columns=Columns(key="n")).sync().added == ["7", "8"]
    with pytest.raises(UsageError, match="no column x"):
        opened(folder, library_dir=tmp_path / "m", columns=Columns(key="x")).sync()
    assert not (tmp_path / "m").exists()
    bare = write(tmp_path / "f", np.eye(2, WIDTH), n=[7, 8])
    assert opened(bare).sync().added == ["0", "1"]


def test_in_step(opened, tmp_path, monkeypatch):
    folder = write(tmp_path / "e", np.eye(3, WIDTH), key=["a", "b", "c"], n=[1, 2, 3])
    library = opened(folder)
    library.sync()
    library.note([("a", {"mine": "x"}), ("c", {"mine": "y"})])
    turned = np.eye(4, WIDTH)
    turned[1] = turned[1, ::-1]
    write(folder, turned, key=["a", "b", "renamed", "d"], n=[10, 2, 3, 4])
    report = library.sync()
    assert (report.added, report.moved, sorted(report.changed)) == (["d"], [("c", "renamed")], ["a", "b"])
    after = entries(library)
    assert {key: (one.meta["n"], one.meta.get("mine")) for key, one in after.items()} == {
        "a": (10, "x"),
        "b": (2, None),
        "renamed": (3, "y"),
        "d": (4, None),
    }
    os.utime(folder / "img_emb" / "img_emb_0.npy", ns=(5, 5))
    assert not library.in_step() and not library.sync()


def test_what_is_damaged_proves_nothing(opened, tmp_path):
    folder = write(tmp_path / "e", np.eye(2, WIDTH), key=["a", "b"])
    np.save(folder / "img_emb" / "img_emb_1.npy", np.eye(12, WIDTH)[2:])
    pq.write_table(pa.table({"key": list("cdefghijkl")}), folder / "metadata" / "metadata_1.parquet")
    library = opened(folder)
    library.sync()
    assert len(library) == 12
    part = folder / "img_emb" / "img_emb_0.npy"
    part.write_bytes(part.read_bytes()[:-10])
    assert "ends before its row 2" in library.sync().failed[0][1]
    assert library.absent() == ["a", "b"]
    np.save(part, np.eye(3, WIDTH))
    assert "3 rows" in library.sync().failed[0][1]
    np.save(part, np.eye(2, WIDTH, dtype=int))
    assert "no rows of floating-point numbers" in library.sync().failed[0][1]
    part.write_bytes(b"no array")
    assert "is no npy file" in library.sync().failed[0][1]
    np.save(part, np.eye(2, WIDTH))
    pq.write_table(
        pa.Table.from_arrays([["a", "b"], ["c", "d"]], names=["key", "key"]), folder / "metadata" / "metadata_0.parquet"
    )
    assert "two columns key" in library.sync().failed[0][1]
    pq.write_table(pa.table({"key": ["a", "b"]}), folder / "metadata" / "metadata_0.parquet")
    part.unlink()
    assert "no file of its number" in library.sync().failed[0][1]
    np.save(part, np.eye(2, WIDTH))
    assert library.sync().returned == ["a", "b"] and not library.absent()
    write(folder, np.eye(1, WIDTH), key=["a"])
    assert library.sync().removed == ["b"]


def test_the_store_of_embed(exported, photos, opened, tmp_path, capsys):
    store = tmp_path / "store"
    assert main(["embed", str(photos), "--out", str(store), "--engine", "fake"]) == 0
    library = opened(store)
    assert sorted(library.sync().added) == sorted(entries(exported.library))
    assert answers(library, "red")[0][:2] == answers(exported.library, "red")[0][:2]
    manifest = store / "manifest.json"
    manifest.write_text(manifest.read_text().replace(library.model.fingerprint, "0" * 16))
    with pytest.raises(FingerprintMismatch, match="were made by model 0000"):
        library.rebuild()


def test_what_a_folder_is(exported, opened, photos, tmp_path):
    shutil.copytree(exported("npy"), photos, dirs_exist_ok=True)
    assert len(opened(photos, library_dir=tmp_path / "l").sync().added) == 5  # images at its top: a folder of images
    with pytest.raises(UsageError, match="only images of a folder"):
        opened(tmp_path / "npy", exclude=["*.png"]).sync()
    (tmp_path / "e" / "img_emb").mkdir(parents=True)
    (tmp_path / "e" / "metadata").mkdir()
    with pytest.raises(NotFound, match="no embeddings in"):
        opened(tmp_path / "e").sync()
    assert embedding_parts(tmp_path / "e") == ([], [])


def test_the_verbs(exported, tmp_path, capsys):
    folder = exported("clip-retrieval")
    assert main(["index", str(folder), "--engine", "fake"]) == 0
    assert "5 added" in capsys.readouterr().out
    assert main(["search", "red", "--in", str(folder), "-k", "1", "--engine", "fake", "--paths-only"]) == 0
    assert capsys.readouterr().out.strip().endswith("a/red.png")
