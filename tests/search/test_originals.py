"""From a hit to its image: a file, or bytes out of a tar or a parquet table, found without reading all of it."""

import io
import json
import os
import pickle
import tarfile

import pyarrow as pa
import pyarrow.parquet as pq
import pytest
from PIL import Image

from wordsight.base.errors import InputError
from wordsight.data.by_key import images_by_key
from wordsight.data.fake import FakeSource
from wordsight.data.parquet import ParquetTable
from wordsight.data.source import Columns, open_source
from wordsight.engines.fake import COLOURS
from wordsight.search.hits import Hit
from wordsight.search.originals import Originals, images_of


def png(colour, shade=0):
    packed = io.BytesIO()
    red, green, blue = COLOURS[colour]
    Image.new("RGB", (8, 8), (red, green, abs(blue - shade))).save(packed, "PNG")
    return packed.getvalue()


def write_tar(path, members):
    path.parent.mkdir(parents=True, exist_ok=True)
    with tarfile.open(path, "w") as tar:
        for name, data in members.items():
            info = tarfile.TarInfo(name)
            info.size = len(data)
            tar.addfile(info, io.BytesIO(data))
    return path


@pytest.fixture
def shards(tmp_path):
    folder = tmp_path / "shards"
    write_tar(
        folder / "a-0000.tar",
        {"one.png": png("red"), "one.txt": b"a red one", "two.png": png("blue"), "two.json": b'{"key": "named"}'},
    )
    write_tar(folder / "a-0001.tar", {"three.png": png("green"), "four.txt": b"no picture", "four.json": b"{}"})
    return folder


@pytest.fixture
def table(tmp_path):
    rows = [{"image": png(colour, n), "sku": f"s{n}", "name": f"{colour} {n}"} for n, colour in enumerate(COLOURS)]
    pq.write_table(pa.Table.from_pylist(rows), tmp_path / "goods.parquet", row_group_size=4)
    return tmp_path / "goods.parquet"


def test_hits_in_shards_have_their_bytes(opened, shards):
    for hit in opened(shards).search("red", k=9):
        assert hit.path is None and hit.origin is not None
        image = hit.image()
        assert image == {"one": png("red"), "named": png("blue"), "three": png("green")}[hit.key]


@pytest.mark.parametrize("columns", [Columns(key="sku"), None])
def test_hits_in_parquet_have_their_bytes(opened, table, columns):
    hits = opened(table, columns=columns).search("red", k=99)
    assert len(hits) == len(COLOURS)
    images = dict(images_of(hits))
    for position, hit in enumerate(hits):
        colour, number = hit.meta["name"].split()
        assert hit.key == (f"s{number}" if columns else f"goods:{int(number):08}")
        assert images[position] == hit.image() == png(colour, int(number))


def test_a_library_opened_again_reads_its_hits_with_the_columns_it_was_made_with(opened, table):
    opened(table, columns=Columns(key="sku")).sync()
    hit = opened(table).search("red", k=1)[0]
    assert hit.key.startswith("s") and isinstance(hit.image(), bytes)


def test_only_the_groups_of_rows_that_hold_the_images_are_read(table, monkeypatch):
    read = []
    group_of = ParquetTable._group
    monkeypatch.setattr(
        ParquetTable,
        "_group",
        lambda self, group, first, columns: (read.append((group, columns)), group_of(self, group, first, columns))[1],
    )
    source = open_source(table, columns=Columns(key="sku"))
    assert [key for key, _ in images_by_key(source, ["s5", "s1", "s6"])] == ["s1", "s5", "s6"]
    keys = [(group, ["sku"]) for group in range((len(COLOURS) + 3) // 4)]
    assert read == [*keys, (0, ["image", "sku"]), (1, ["image", "sku"])]
    read.clear()
    assert dict(images_by_key(source, ["s2"])) == {"s2": png(list(COLOURS)[2], 2)}
    assert [group for group, _ in read] == [0]


def test_a_tar_is_read_by_its_index(shards, monkeypatch):
    source = open_source(shards, split="all")
    read = []
    pread = os.pread
    monkeypatch.setattr(os, "pread", lambda d, size, at: (read.append(size), pread(d, size, at))[1])
    assert dict(images_by_key(source, ["three"])) == {"three": png("green")}
    assert read == [len(png("green"))]


def test_what_is_not_there_is_named(shards, table):
    for location in (shards, table):
        (key, image), *others = Originals(location, None).images(["gone"])
        assert (key, others) == ("gone", [])
        assert isinstance(image, InputError) and "has no image gone that can be read" in str(image)
        with pytest.raises(InputError, match="has no image gone"):
            Originals(location, None).image("gone")
    with pytest.raises(InputError, match="four has no picture; it has txt, json"):
        Originals(shards, None).image("four")
    with pytest.raises(InputError, match="row 7 has no file"):
        Hit(0.5, "row 7", None, {}).image()


def test_a_damaged_shard_costs_its_own_images_only(shards):
    (shards / "a-0000.tar").write_bytes(b"no tar")
    images = dict(Originals(shards, None).images(["one", "three"]))
    assert isinstance(images["one"], InputError) and images["three"] == png("green")


def test_the_first_of_a_key_in_two_shards_is_meant(shards):
    write_tar(shards / "a-0002.tar", {"one.png": png("pink")})
    assert Originals(shards, None).image("one") == png("red")


def test_rows_without_an_image_say_so_and_tables_of_paths_give_paths(tmp_path):
    Image.new("RGB", (4, 4)).save(tmp_path / "a.png")
    rows = [{"image": "a.png", "id": "x"}, {"image": "gone.png", "id": "y"}]
    pq.write_table(pa.Table.from_pylist(rows), tmp_path / "t.parquet")
    (tmp_path / "t.jsonl").write_text("\n".join(map(json.dumps, rows)))
    for name in ("t.parquet", "t.jsonl"):
        images = dict(Originals(tmp_path / name, None).images(["x", "y"]))
        assert images["x"] == tmp_path / "a.png"
        assert isinstance(images["y"], InputError) and "no file" in str(images["y"])


def test_a_source_that_cannot_look_up_is_walked_over_until_all_are_met():
    source = FakeSource(20)
    samples = list(source.samples())
    images = dict(images_by_key(source, [samples[3].key, samples[1].key, "gone"]))
    assert images.pop(samples[3].key) == samples[3].image
    assert images.pop(samples[1].key) == samples[1].image
    assert isinstance(images.pop("gone"), InputError) and not images


def test_hits_travel_in_pickles(opened, shards, monkeypatch, tmp_path):
    monkeypatch.chdir(tmp_path)
    hit = opened(shards.relative_to(tmp_path)).search("red", k=1)[0]
    image, packed = hit.image(), pickle.dumps(hit)
    monkeypatch.chdir("/")
    assert pickle.loads(packed).image() == image
