"""Tables: columns, captions in every dress, broken rows."""

import json

import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from wordsight.base.errors import FormatError
from wordsight.data.source import Columns, open_source


@pytest.fixture
def folder(tmp_path, encoded_image):
    for number in range(3):
        (tmp_path / f"{number}.png").write_bytes(encoded_image(number))
    return tmp_path


def test_columns_play_their_roles(folder):
    (folder / "t.csv").write_text("id,filepath,title,label,price\n7,0.png,a red shoe,Shoes,12\n", encoding="utf-8")
    (sample,) = open_source(folder / "t.csv").samples()
    assert (sample.key, sample.image, sample.texts) == ("7", folder / "0.png", ("a red shoe",))
    assert (sample.label, sample.meta) == ("Shoes", {"price": "12"})


def test_columns_can_be_named(folder):
    (folder / "t.tsv").write_text("pic\twords\tkind\n0.png\ta dog\tanimal\n", encoding="utf-8")
    columns = Columns(image="pic", captions="words", label="kind")
    (sample,) = open_source(folder / "t.tsv", columns=columns).samples()
    assert (sample.key, sample.texts, sample.label) == ("0.png", ("a dog",), "animal")


@pytest.mark.parametrize(
    ("value", "texts"),
    [
        (["a dog", "", "a cat"], ("a dog", "a cat")),
        ('["a dog", "a cat"]', ("a dog", "a cat")),
        ("[not a list", ("[not a list",)),
        ("a dog", ("a dog",)),
        ("  ", ()),
        (None, ()),
    ],
)
def test_captions_in_every_dress(folder, value, texts):
    (folder / "t.jsonl").write_text(json.dumps({"image": "0.png", "captions": value}))
    (sample,) = open_source(folder / "t.jsonl").samples()
    assert sample.texts == texts


def test_a_table_without_image_column_names_the_near_ones(folder):
    (folder / "t.csv").write_text("picture_url,words\na,b\n")
    with pytest.raises(FormatError, match=r"picture_url, words; perhaps picture_url"):
        open_source(folder / "t.csv").samples()
    with pytest.raises(FormatError, match="did you mean words"):
        open_source(folder / "t.csv", columns=Columns(captions="word", image="picture_url")).samples()


def test_broken_rows_are_numbered_and_passed_over(folder):
    rows = [b"image,caption", b"0.png,a dog", b"1.png", b"gone.png,a cat", b"2.png,caf\xe9", b"", b",x", b"2.png,a hen"]
    (folder / "t.csv").write_bytes(b"\n".join(rows))
    walk = open_source(folder / "t.csv").samples()
    assert [sample.texts for sample in walk] == [("a dog",), ("a hen",)]
    texts = [str(failure) for failure in walk.failures]
    assert ["line 3" in texts[0], "gone.png" in texts[1], "UTF-8" in texts[2], "no picture" in texts[3]] == [True] * 4


def test_lines_that_are_no_objects(folder):
    (folder / "t.jsonl").write_text('[1]\n{"caption": "x"}\n{"image": "0.png", "caption": 5}\n{"image": "0.png"}\n')
    walk = open_source(folder / "t.jsonl").samples()
    assert len(list(walk)) == 1
    assert len(walk.failures) == 3


def test_parquet_with_bytes_in_a_group(folder, encoded_image):
    rows = [
        {"image": {"bytes": encoded_image(1), "path": "x.png"}, "text": "one"},
        {"image": {"bytes": None, "path": "0.png"}, "text": "two"},
    ]
    pq.write_table(pa.Table.from_pylist(rows), folder / "t.parquet")
    source = open_source(folder / "t.parquet")
    first, second = source.samples()
    assert first.image == encoded_image(1) and first.key == "t:00000000"
    assert second.image == folder / "0.png"
    assert source.count() == 2


def test_a_broken_table_does_not_end_the_others(folder):
    (folder / "a.parquet").write_bytes(b"PAR1 junk")
    pq.write_table(pa.Table.from_pylist([{"image": "0.png"}]), folder / "b.parquet")
    source = open_source([folder / "a.parquet", folder / "b.parquet", folder / "c.parquet"][:2])
    walk = source.samples()
    assert len(list(walk)) == 1 and "a.parquet" in str(walk.failures[0])


def test_damage_inside_parquet_loses_a_group_only(folder, encoded_image):
    rows = [{"image": encoded_image(number), "text": f"{number}"} for number in range(8)]
    path = folder / "t.parquet"
    pq.write_table(pa.Table.from_pylist(rows), path, row_group_size=2, compression="zstd", use_dictionary=False)
    column = pq.ParquetFile(path).metadata.row_group(1).column(0)
    raw = bytearray(path.read_bytes())
    start = column.data_page_offset
    raw[start : start + column.total_compressed_size] = b"\xff" * column.total_compressed_size
    path.write_bytes(bytes(raw))
    walk = open_source(path).samples()
    assert [sample.texts[0] for sample in walk] == ["0", "1", "4", "5", "6", "7"]
    assert len(walk.failures) == 2
