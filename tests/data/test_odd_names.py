"""Names that are not UTF-8 go through everything that writes them down, broken images among them."""

import json
import os
import shutil

import pytest

from wordsight.base.progress import set_quiet
from wordsight.base.records import append_line, read_lines
from wordsight.data.cache import build_cache
from wordsight.data.pack import PackOptions, pack
from wordsight.data.source import open_source
from wordsight.embeddings.bulk import BulkOptions, embed_source
from wordsight.embeddings.model import load
from wordsight.search.library import open_library

ODD, BROKEN = "k\udce9/1.png", "k0/b\udce9.png"


@pytest.fixture(autouse=True)
def quiet():
    """Print nothing: what captures the output of tests cannot read such names."""
    set_quiet(True)
    yield
    set_quiet(False)


@pytest.fixture
def photos(tmp_path, encoded_image):
    """Two classes, one with an odd name, and a broken image with one, in a folder with one."""
    root = tmp_path / "photos\udce9"
    for name, content in (("k0/0.png", encoded_image(0)), (ODD, encoded_image(1)), (BROKEN, b"no image")):
        path = root / name
        os.makedirs(path.parent, exist_ok=True)
        path.write_bytes(content)
    yield root
    shutil.rmtree(os.fsencode(root))  # such names are cleared away by bytes only


def test_packed_and_read_again(photos, tmp_path):
    manifest = pack(open_source(photos), tmp_path / "packed", PackOptions())
    samples = list(open_source(tmp_path / "packed").samples())
    assert [(sample.key, sample.label) for sample in samples] == [("k0/0.png", "k0"), (ODD, "k\udce9")]
    stored = json.loads((tmp_path / "packed" / "manifest.json").read_text())
    assert stored["failures"] == list(manifest.failures) and manifest.failures[0].startswith(BROKEN)


def test_cached(photos, tmp_path):
    cache = build_cache(open_source(photos), size=8, folder=tmp_path / "cache")
    assert (cache.keys, cache.labels) == (["k0/0.png", ODD], ["k0", "k\udce9"])
    assert cache.failures[0].startswith(BROKEN)


@pytest.mark.parametrize("layout", ["npy", "parquet"])
def test_embedded(photos, tmp_path, layout):
    report = embed_source(load(engine="fake"), open_source(photos), tmp_path / "out", BulkOptions(layout=layout))
    (failure,) = [json.loads(line) for line in (tmp_path / "out" / "failures.jsonl").read_text().splitlines()]
    assert failure["key"] == BROKEN and report.manifest.images == 2


def test_indexed_and_the_failure_kept(photos, tmp_path):
    with open_library(photos, model=load(engine="fake"), library_dir=tmp_path / "library") as library:
        assert len(library.sync().failed) == 1
        assert list(library.failures()) == [BROKEN] and BROKEN in library.failures()[BROKEN]
        assert not library.sync()
        assert {hit.key for hit in library.search("red")} == {"k0/0.png", ODD}


def test_recorded(tmp_path):
    append_line(tmp_path / "results.jsonl", {"name": "set/k\udce9/top-1"})
    assert list(read_lines(tmp_path / "results.jsonl")) == [{"name": "set/k\udce9/top-1"}]


def test_a_table_with_such_a_name(photos, tmp_path):
    table = photos / "t\udce9.csv"
    table.write_text("image,caption\nk0/0.png,one\nk0/0.png,two\n")
    with open_library(table, model=load(engine="fake"), library_dir=tmp_path / "library") as library:
        assert library.sync().added == ["k0/0.png"]
    assert pack(open_source(table), tmp_path / "packed", PackOptions()).count == 1
