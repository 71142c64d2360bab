"""A library over every row of the table of indexes, and over the made-up one: it is asked nothing but the protocol."""

import json
import sqlite3

import numpy as np
import pytest
from PIL import Image

from wordsight.base.errors import FormatError, NotFound, UsageError
from wordsight.embeddings.model import load
from wordsight.engines.fake import COLOURS
from wordsight.index.index import EarlierFormat
from wordsight.index.open import INDEXES, backend_of, recorded
from wordsight.search.library import open_library


@pytest.fixture(scope="module")
def model():
    return load(engine="fake")


def paint(path, colour):
    path.parent.mkdir(parents=True, exist_ok=True)
    Image.new("RGB", (24, 16), COLOURS[colour]).save(path)


@pytest.fixture
def photos(tmp_path):
    for name, colour in {"a/red": "red", "a/blue": "blue", "b/green": "green", "top": "pink"}.items():
        paint(tmp_path / "photos" / f"{name}.png", colour)
    return tmp_path / "photos"


@pytest.fixture
def opened(photos, folder, model):
    libraries = []

    def opening(index=None):
        libraries.append(open_library(photos, model=model, library_dir=folder, index=index))
        return libraries[-1]

    yield opening
    for library in libraries:
        library.close()


def test_a_library_lives_on_it(opened, photos, kind, folder):
    library = opened(kind)
    assert (library.exists(), len(library)) == (False, 0)
    assert len(library.sync().added) == 4
    assert recorded(folder) == kind
    library.close()
    library = opened()  # from here on by what the folder says
    assert library.in_step()
    assert not library.sync()
    (photos / "a").rename(photos / "z")
    paint(photos / "top.png", "yellow")
    (photos / "b" / "green.png").rename(photos / "b" / "green.txt")
    paint(photos / "new.png", "orange")
    (photos / "bad.jpg").write_bytes(b"no picture")
    (photos / "metadata.csv").write_text("file,price\nz/red.png,49.5\nnew.png,7\n")
    report = library.sync()
    assert (report.added, report.changed, report.removed) == (["new.png"], ["top.png"], ["b/green.png"])
    assert report.moved == [("a/blue.png", "z/blue.png"), ("a/red.png", "z/red.png")]
    assert [key for key, _ in report.failed] == list(library.failures()) == ["bad.jpg"]
    assert len(library) == 4
    assert [hit.key for hit in library.search("red", k=9, where="price > 10")] == ["z/red.png"]
    assert library.search(["red", "blue"], k=1, without=["blue"])[0].key == "z/red.png"
    assert library.search("orange", k=1)[0].path == photos / "new.png"


def test_it_is_forgotten_and_made_again(opened, kind, folder, photos):
    library = opened(kind)
    library.sync()
    library.forget()
    assert not library.exists()
    assert recorded(folder) is None
    assert {path.name for path in folder.iterdir()} == {"lock.db"}
    assert len(opened("memory").sync().added) == 4
    assert recorded(folder) == "memory"
    opened().forget()


def test_another_kind_than_recorded_is_refused(opened, kind):
    opened(kind).sync()
    other = next(name for name in INDEXES if name != kind)
    for call in ("sync", "exists", "forget"):
        with pytest.raises(UsageError, match=f"has the index '{kind}', not '{other}'"):
            getattr(opened(other), call)()
    assert len(opened(kind)) == 4


def test_kinds_that_are_not_in_the_table(tmp_path):
    with pytest.raises(UsageError, match=r"no index 'lance'; use one of exact, memory"):
        backend_of(tmp_path, "lance")
    for text in ('{"index": "lance"}', "{}", "[]"):
        (tmp_path / "library.json").write_text(text)
        with pytest.raises(FormatError, match=r"library\.json names the index .*, this program has exact, memory"):
            backend_of(tmp_path)


def test_forgetting_a_library_that_never_was_makes_nothing(photos, model):
    open_library(photos, model=model).forget()
    assert not (photos / ".wordsight").exists()


FIRST = """
create table fact (name text primary key, value text not null) without rowid;
create table entry (slot integer primary key, key unique not null, m0, m1, m2, m3, m4, m5, m6);
create table dead (slot integer primary key);
create table meta_column (name text primary key, place text not null, numbers int not null, texts int not null);
create table file (
    path primary key, size int not null, mtime_ns int not null, sha256 text not null, error text not null
) without rowid;
create index file_content on file (sha256);
insert into meta_column values ('path', 'm0', 0, 1), ('name', 'm1', 0, 1), ('folder', 'm2', 0, 1), ('size', 'm3', 1, 0),
    ('mtime', 'm4', 0, 1), ('width', 'm5', 1, 0), ('height', 'm6', 1, 0);
"""


def test_a_library_of_the_first_version_is_renewed_without_embedding_again(photos, model, monkeypatch):
    """Its files written out here as version 1 had them, without a record of the kind."""
    from wordsight.base.files import sha256_bytes

    folder = photos / ".wordsight"
    folder.mkdir()
    keys = ["a/blue.png", "a/red.png", "b/green.png", "top.png"]
    model.embed_images([photos / key for key in keys]).tofile(folder / "rows-0.f32")
    facts = {"format": "1", "fingerprint": model.fingerprint, "width": model.spec.width, "generation": 0, "slots": 4}
    database = sqlite3.connect(folder / "library.db")
    database.executescript(FIRST)
    database.executemany("insert into fact values (?, ?)", [(n, str(v)) for n, v in facts.items()])
    database.execute("insert into fact values ('signature', '')")
    for slot, key in enumerate(keys):
        path = photos / key
        parent, _, name = key.rpartition("/")
        size, time = path.stat().st_size, path.stat().st_mtime_ns
        meta = [key, name, parent, size, "2025-01-01T00:00:00Z", 24, 16]
        database.execute("insert into entry values (?, ?, ?, ?, ?, ?, ?, ?, ?)", [slot, key, *meta])
        database.execute("insert into file values (?, ?, ?, ?, '')", [key, size, time, sha256_bytes(path.read_bytes())])
    database.commit()
    database.close()
    images = []
    embed = model.engine.embed_images
    monkeypatch.setattr(model.engine, "embed_images", lambda pixels: (images.append(len(pixels)), embed(pixels))[1])
    with open_library(photos, model=model) as library:
        assert library.exists()
        with pytest.raises(EarlierFormat, match="wordsight index PLACE renews it; nothing is encoded again"):
            library.search("green")
        assert not library.sync()
        assert images == []
        assert [hit.key for hit in library.search("green", k=1, where="width = 24 and folder = b")] == ["b/green.png"]
        with library._index.reading() as index:
            stored = [entry.embedding for entry in index.entries(keys)]
            assert index.verify() == []
        library.close()
        assert sorted(path.name for path in folder.iterdir()) == ["embeddings-0.f16", "library.db", "lock.db"]
        paint(photos / "new.png", "orange")
        assert library.sync().added == ["new.png"]
        assert images == [1]
        assert library.search("orange", k=1)[0].key == "new.png"
    np.testing.assert_allclose(stored, model.embed_images([photos / key for key in keys]), atol=1e-3)
    assert not (folder / "library.json").exists()


def test_a_database_that_was_never_saved_is_no_library_yet(photos, model):
    """What a first indexing leaves that was killed between making its database and its first save."""
    folder = photos / ".wordsight"
    for statements in ("", FIRST + "insert into fact values ('format', '1');"):
        folder.mkdir()
        database = sqlite3.connect(folder / "library.db")
        database.executescript(statements)
        database.commit()
        database.close()
        with open_library(photos, model=model) as library:
            assert not library.exists()
            assert len(library.sync().added) == 4
            assert library.search("green", k=1)[0].key == "b/green.png"
            library.forget()
        (folder / "lock.db").unlink()
        folder.rmdir()


def test_the_kind_is_written_down_before_anything_else(opened, folder, monkeypatch):
    """A process killed while its index is made leaves a folder that is still of that kind."""

    def killed(_, *, writable, **__):
        if writable:
            raise KeyboardInterrupt
        raise NotFound("none yet")

    with monkeypatch.context() as patched, pytest.raises(KeyboardInterrupt):
        patched.setattr(INDEXES["memory"](), "open", killed)
        opened("memory").sync()
    assert json.loads((folder / "library.json").read_text()) == {"index": "memory"}
    assert not opened().exists()
    assert len(opened().sync().added) == 4
    opened().forget()


@pytest.mark.parametrize("content", ["{", "[]", '{"index": null}', '{"index": "later"}', '{"index": ["memory"]}'])
def test_a_library_whose_record_is_damaged_is_made_anew(content, photos, folder, model):
    with open_library(photos, model=model, library_dir=folder) as library:
        library.sync()
    (folder / "library.json").write_text(content)
    with open_library(photos, model=model, library_dir=folder) as library:
        with pytest.raises(FormatError, match="--rebuild"):
            library.sync()
        library.forget()
        assert len(library.sync().added) == 4
    assert recorded(folder) == "exact"


def test_an_index_in_memory_says_that_it_ends_with_its_process(photos, folder, model, capsys):
    for _ in range(2):
        with open_library(photos, model=model, library_dir=folder, index="memory") as library:
            library.sync()
            assert len(library) == 4
    printed = f"the index of {folder} is kept in memory: it is gone when this process ends"
    assert capsys.readouterr().err.count(printed) == 1
    library.forget()
