"""Where a walk stands after damage, what files are called, and what is refused, in full."""

import io
import json
import tarfile

import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from wordsight.base.errors import FormatError, InputError, NotFound, UsageError
from wordsight.data import fields
from wordsight.data.cache import build_cache
from wordsight.data.fake import FakeSource
from wordsight.data.label_lists import read_labels
from wordsight.data.source import Columns, Position, open_source
from wordsight.data.tarindex import read_index


def walked(source, start=Position()):
    walk = source.samples(start)
    samples = [(sample.key, walk.position) for sample in walk]
    return samples, [str(failure) for failure in walk.failures], walk.position


@pytest.mark.parametrize("junk", [0, 1, 2])
def test_a_shard_that_is_none_is_passed_as_a_whole(tmp_path, write_shard, junk):
    for part in range(3):
        write_shard(tmp_path / f"{part}.tar", range(2 * part, 2 * part + 2))
    (tmp_path / f"{junk}.tar").write_bytes(b"junk" * 500)
    source = open_source(tmp_path)
    samples, failures, end = walked(source)
    left = [part for part in range(3) if part != junk]
    assert [position for _, position in samples] == [Position(part, entry) for part in left for entry in (1, 2)]
    assert len(failures) == 1 and failures[0].startswith(f"{tmp_path / f'{junk}.tar'} is not a tar file: ")
    assert failures[0].endswith("; make the shard again")
    assert end == (Position(3, 0) if junk == 2 else Position(2, 2))
    assert walked(source, Position(junk, 0))[0] == [pair for pair in samples if pair[1].part > junk]
    assert source.sizes() == [0 if part == junk else 2 for part in range(3)]


@pytest.mark.parametrize("junk", [0, 1, 2])
def test_a_table_that_is_none_is_passed_as_a_whole(tmp_path, encoded_image, junk):
    for part in range(3):
        (tmp_path / f"{part}.png").write_bytes(encoded_image(part))
        pq.write_table(pa.Table.from_pylist([{"image": f"{part}.png", "id": f"{part}"}]), tmp_path / f"{part}.parquet")
    (tmp_path / f"{junk}.parquet").write_bytes(b"PAR1 junk")
    source = open_source(f"{tmp_path}/*.parquet")
    samples, failures, end = walked(source)
    left = [part for part in range(3) if part != junk]
    assert samples == [(str(part), Position(part, 1)) for part in left]
    assert len(failures) == 1 and failures[0].startswith(f"{tmp_path / f'{junk}.parquet'} is not a parquet file: ")
    assert end == (Position(3, 0) if junk == 2 else Position(2, 1))
    assert source.count() == 2


def test_rows_behind_a_position_in_a_damaged_group_are_counted_from_there(tmp_path, encoded_image):
    rows = [{"image": encoded_image(number), "text": f"{number}"} for number in range(8)]
    path = tmp_path / "t.parquet"
    pq.write_table(pa.Table.from_pylist(rows), path, row_group_size=4, compression="zstd", use_dictionary=False)
    column = pq.ParquetFile(path).metadata.row_group(0).column(0)
    raw = bytearray(path.read_bytes())
    raw[column.data_page_offset : column.data_page_offset + column.total_compressed_size] = (
        b"\xff" * column.total_compressed_size
    )
    path.write_bytes(bytes(raw))
    for start, lost in ((0, 4), (1, 3), (3, 1), (4, 0), (6, 0)):
        samples, failures, _ = walked(open_source(path), Position(0, start))
        assert [key for key, _ in samples] == [f"t:{n:08d}" for n in range(max(4, start), 8)]
        assert len(failures) == lost
        assert all("rows from 1 of group 0 are damaged: " in failure for failure in failures)


def test_rows_that_cannot_be_read_are_numbered(tmp_path, encoded_image):
    (tmp_path / "0.png").write_bytes(encoded_image(0))
    rows = [
        "image,caption",
        "0.png,one",
        f"0.png,{'x' * (2**24)}",
        "",
        "0.png",
        "0.png,two,or,more",
        "lost.png,x",
        ",x",
    ]
    path = tmp_path / "t.csv"
    path.write_text("\n".join(rows))
    _, failures, _ = walked(open_source(path))
    assert failures == [
        f"{path}: line 3 is longer than {2**24} letters; mend the row",
        f"{path}: line 5 has 1 fields, the header 2; "
        "mend the row; a text that holds a comma has to stand in double quotes",
        f"{path}: line 6 has 4 fields, the header 2; "
        "mend the row; a text that holds a comma has to stand in double quotes",
        f"{path}: line 7: no file {tmp_path / 'lost.png'}; paths are relative to the table",
        f"{path}: line 8: no picture; the image column has to hold a path or the encoded bytes",
    ]
    assert walked(open_source(path), Position(0, 2))[1] == failures[1:]


def test_lines_that_are_no_rows_are_numbered(tmp_path, encoded_image):
    (tmp_path / "0.png").write_bytes(encoded_image(0))
    path = tmp_path / "t.jsonl"
    path.write_text('{"image": "0.png"}\n\n[1]\n{broken\n{"caption": "x"}\n')
    _, failures, _ = walked(open_source(path))
    assert failures[0] == f"{path}: line 3 is no object; write one object a line"
    assert failures[1].startswith(f"{path}: line 4 is not JSON: ") and failures[1].endswith("; mend the line")
    assert failures[2].startswith(f"{path}: line 5 has no image column; there are: caption")
    assert walked(open_source(path), Position(0, 2))[1] == failures[1:]


def test_a_cell_that_is_no_utf8_is_named_and_high_letters_are_none(tmp_path, encoded_image):
    (tmp_path / "0.png").write_bytes(encoded_image(0))
    path = tmp_path / "t.csv"
    path.write_bytes("image,caption\n0.png,日本 😀 ÿ \ufffd\n".encode() + b"0.png,\xe9\n")
    samples, failures, _ = walked(open_source(path))
    assert len(samples) == 1
    assert failures == [f"{path}: line 3 is not UTF-8; save the table as UTF-8"]


@pytest.mark.parametrize("kind", ["table", "shards"])
def test_reading_other_columns_is_another_fingerprint(tmp_path, encoded_image, write_shard, kind):
    if kind == "shards":
        write_shard(tmp_path / "x.tar", range(2))
    else:
        (tmp_path / "0.png").write_bytes(encoded_image(0))
        (tmp_path / "x.csv").write_text("image,caption\n0.png,x\n")
    prints = {
        open_source(tmp_path, kind=kind, columns=columns).fingerprint()
        for columns in (None, Columns(), Columns(label="caption"), Columns(captions="caption"))
    }
    assert len(prints) == 3


def test_what_is_opened_has_a_name(tmp_path, write_shard):
    folder = tmp_path / "set"
    folder.mkdir()
    one, two = (write_shard(folder / f"train-{n}.tar", range(n, n + 1)) for n in (0, 1))
    write_shard(folder / "val-0.tar", range(2, 3))
    assert open_source(one).name == "train-0.tar"
    assert open_source([one, two]).name == "set"
    assert open_source(folder, split="train").name == "set/train"
    assert open_source(folder, split="all").name == "set/all"
    assert open_source(folder / "val-0.tar", split="val").name == "set/val"


@pytest.mark.parametrize(
    ("names", "cure"),
    [
        (["picture_url", "words"], "there are: picture_url, words; perhaps picture_url; "),
        (["qqPHOTOqq", "pqpicpq", "words"], "there are: qqPHOTOqq, pqpicpq, words; perhaps qqPHOTOqq or pqpicpq; "),
        (["imagee", "words"], "there are: imagee, words; perhaps imagee; "),
        (["a", "b"], "there are: a, b; "),
    ],
)
def test_a_missing_image_column(names, cure):
    with pytest.raises(FormatError) as caught:
        fields.choose(names, Columns(), where="here", need_image=True)
    assert str(caught.value) == (
        f"here has no image column; {cure}"
        "name it as image (--image COLUMN, image= in a task or recipe, Columns(image=...) in Python)"
    )
    assert fields.choose(names, Columns(), where="here", need_image=False) == {}


def test_a_named_column_that_is_not_there():
    with pytest.raises(FormatError) as caught:
        fields.choose(["image", "words"], Columns(captions="zzz"), where="here", need_image=True)
    assert str(caught.value) == "here has no column zzz; there are: image, words"
    chosen = fields.choose(["image", "path", "text", "uid", "label"], Columns(), where="here", need_image=True)
    assert chosen == {"image": "image", "captions": "text", "label": "label", "key": "uid"}


def test_plain_values_only_become_metadata():
    values = {"image": "x", "a": 1, "b": 2.5, "c": True, "d": None, "e": "t", "f": [1], "g": {"h": 1}, "h": b"x"}
    assert fields.meta(values, {"image": "image"}) == {"a": 1, "b": 2.5, "c": True, "d": None, "e": "t"}
    labels = [read_labels({"c": value}, {"label": "c"}, where="here").label for value in (0, 5, "", None, "x")]
    assert labels == ["0", "5", None, None, "x"]
    assert read_labels({"c": 1}, {}, where="here").label is None


@pytest.mark.parametrize(
    ("value", "texts"),
    [((" ", "a"), ("a",)), (("a", "b"), ("a", "b")), ([], ()), ("[1, 2]", ("[1, 2]",)), (' ["a"]', ("a",))],
)
def test_captions_are_read(value, texts):
    assert fields.captions(value, where="here") == texts


@pytest.mark.parametrize(("value", "kind"), [(5, "int"), ([1], "list"), ({"a": 1}, "dict")])
def test_captions_that_are_none(value, kind):
    with pytest.raises(InputError) as caught:
        fields.captions(value, where="here")
    assert str(caught.value) == f"here: captions are {kind}; give a text or a list of texts"


def test_kinds_and_splits_that_do_not_fit(tmp_path, write_shard, folder):
    one = write_shard(tmp_path / "train-0.tar", range(1))
    plain = write_shard(tmp_path / "000000.tar", range(1))
    (tmp_path / "a.csv").write_text("image\n")
    for call, kind, message in (
        (
            lambda: open_source([one, tmp_path / "a.csv"]),
            FormatError,
            f"{tmp_path / 'a.csv'} is not of one kind with train-0.tar; open them one by one and mix them",
        ),
        (
            lambda: open_source(one, kind="table"),
            UsageError,
            f"{one} was to be read as table; it is a shards: leave out kind=table",
        ),
        (
            lambda: open_source([one, folder]),
            UsageError,
            f"{folder} is a folder among others; open folders one by one and mix them",
        ),
        (
            lambda: open_source(folder, split="val"),
            NotFound,
            f"no split val in {folder}; it needs a folder {folder / 'val'}",
        ),
        (
            lambda: open_source(one, split="zzz"),
            NotFound,
            f"no split zzz in {one}; there are: train",
        ),
        (
            lambda: open_source(plain, split="val"),
            NotFound,
            f"no split val in {plain}; it has no splits: name none",
        ),
    ):
        with pytest.raises(kind) as caught:
            call()
        assert str(caught.value) == message


def test_tars_that_are_none(tmp_path):
    with pytest.raises(InputError) as caught:
        read_index(tmp_path / "x.tar")
    assert str(caught.value) == f"no shard {tmp_path / 'x.tar'}; check the path"
    (tmp_path / "y.tar").mkdir()
    with pytest.raises(InputError, match=r"y\.tar cannot be read: .*; check the disk and the permissions"):
        read_index(tmp_path / "y.tar")


def test_a_member_twice_and_folders_in_a_tar(tmp_path, encoded_image):
    with tarfile.open(tmp_path / "x.tar", "w") as tar:
        entry = tarfile.TarInfo("a")
        entry.type = tarfile.DIRTYPE
        tar.addfile(entry)
        for content in (b"first", b"second"):
            member = tarfile.TarInfo("a/1.png")
            member.size = len(content)
            tar.addfile(member, io.BytesIO(content))
    index = read_index(tmp_path / "x.tar")
    assert index.problems == ["a second a/1.png: the first is used"]
    member = index.samples["a/1"]["png"]
    raw = (tmp_path / "x.tar").read_bytes()
    assert raw[member.offset : member.offset + member.size] == b"first"


def test_a_cache_of_nothing_says_what_failed_first(tmp_path):
    (tmp_path / "t.jsonl").write_text(json.dumps({"image": "lost.png"}))
    with pytest.raises(FormatError) as caught:
        build_cache(open_source(tmp_path / "t.jsonl"), size=8, folder=tmp_path / "cache")
    assert str(caught.value) == (
        f"no image of t.jsonl could be read: {tmp_path / 't.jsonl'}: line 1: no file {tmp_path / 'lost.png'}; "
        "paths are relative to the table; check the source with 'wordsight data check'"
    )
    (tmp_path / "e.jsonl").write_text("")
    with pytest.raises(FormatError) as caught:
        build_cache(open_source(tmp_path / "e.jsonl"), size=8, folder=tmp_path / "cache")
    assert str(caught.value) == ("no image of e.jsonl could be read; check the source with 'wordsight data check'")


def test_a_cache_tells_how_many_failed(tmp_path, capsys):
    cache = build_cache(FakeSource(5, broken=(1, 3)), size=8, folder=tmp_path)
    assert len(cache) == 3
    assert capsys.readouterr().err == f"fake-5: 2 of 5 inputs failed, listed in {cache.folder}/cache.json\n"
    assert cache.failures == ["square 1 is broken; leave it out", "square 3 is broken; leave it out"]
