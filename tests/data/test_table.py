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


def labelled(path, values, features=None):
    table = pa.table({"image": [f"{n % 3}.png" for n in range(len(values))], "label": pa.array(values)})
    if features is not None:
        table = table.replace_schema_metadata({b"huggingface": json.dumps({"info": {"features": features}}).encode()})
    pq.write_table(table, path)
    return [sample.label for sample in open_source(path).samples()]


def test_classes_have_their_names_from_the_schema(folder):
    kind = {"names": ["cat", "dog", "hen"], "_type": "ClassLabel"}
    assert labelled(folder / "t.parquet", [2, 0, None], {"label": kind, "image": {"_type": "Image"}}) == [
        "hen",
        "cat",
        None,
    ]
    assert labelled(folder / "t.parquet", [1, -1, 3], {"label": kind}) == ["dog", None, None]  # -1: not labelled
    for other in ({}, {"label": {"_type": "Value"}}, {"label": {"names": 5, "_type": "ClassLabel"}}, [], {"label": []}):
        assert labelled(folder / "t.parquet", [2, 0, 1], other) == ["2", "0", "1"]


def test_a_schema_may_hold_anything(folder):
    pq.write_table(
        pa.table({"image": ["0.png"]}).replace_schema_metadata({b"huggingface": b"\xff{"}), folder / "t.parquet"
    )
    assert len(list(open_source(folder / "t.parquet").samples())) == 1


def one_column(folder, column):
    """Return the metadata x of each row and the failures of a table with this column."""
    names = [f"{n}.png" for n in range(len(column))]
    pq.write_table(pa.table({"image": names, "x": column}), folder / "t.parquet")
    walk = open_source(folder / "t.parquet").samples()
    return [sample.meta.get("x") for sample in walk], [str(failure) for failure in walk.failures]


@pytest.mark.parametrize(
    ("column", "values"),
    [
        (pa.array([1_000_000_001, 5, None], pa.timestamp("ns")), ["1970-01-01 00:00:01.000000001", "1970-01-01 00:00:00.000000005", None]),
        (pa.array([0, 1, 2], pa.date32()), ["1970-01-01", "1970-01-02", "1970-01-03"]),
        (pa.array([1, 2, 3], pa.time64("ns")), [f"00:00:00.00000000{n}" for n in (1, 2, 3)]),
        (pa.array(["a", "b", "a"]).dictionary_encode(), ["a", "b", "a"]),
        (pa.array([1, 2, 3]).cast(pa.decimal128(30, 2)), [1.0, 2.0, 3.0]),
        (pa.array([1.5, float("nan"), float("inf")]), [1.5, None, None]),
        (pa.array([2**64 - 1, 1, 2], pa.uint64()), [float(2**64), 1, 2]),
        (pa.array([True, False, None]), [True, False, None]),
        (pa.array([1, 2, 3], pa.duration("s")), [None] * 3),
        (pa.array([{"a": 1}, None, {"a": 2}]), [None] * 3),
        (pa.array([[("k", 1)], [], None], pa.map_(pa.string(), pa.int64())), [None] * 3),
        (pa.array([[1], [2, 3], None]), [None] * 3),
        (pa.nulls(3), [None] * 3),
    ],
)  # fmt: skip
def test_every_type_of_column_is_read_or_left_out(folder, column, values):
    assert one_column(folder, column) == (values, [])


def test_a_value_that_no_calendar_has_costs_its_row(folder):
    values, failures = one_column(folder, pa.array([0, 2**31 - 1, 1], pa.int32()).cast(pa.date32()))
    assert values == ["1970-01-01", "1970-01-02"]
    assert failures == [f"{folder / 't.parquet'}: row 2: column x: <value out of range: 2147483647>; mend the row"]


@pytest.mark.parametrize("wrap", [lambda texts: texts, lambda texts: texts.dictionary_encode()])
def test_text_that_is_no_utf8_costs_its_row(folder, wrap):
    texts = pa.array([b"good", b"caf\xe9", b"better"]).view(pa.string())
    values, failures = one_column(folder, wrap(texts))
    assert values == ["good", "better"]
    assert failures == [f"{folder / 't.parquet'}: row 2: column x: text that is not UTF-8; mend the row"]


def test_captions_of_no_text_are_a_failed_row(folder):
    pq.write_table(pa.table({"image": ["0.png"], "caption": [[1, 2]]}), folder / "t.parquet")
    walk = open_source(folder / "t.parquet").samples()
    assert list(walk) == [] and "captions are of a kind that is not read" in str(walk.failures[0])


def test_a_column_twice_in_parquet_is_refused(folder):
    path = folder / "t.parquet"
    pq.write_table(pa.table([pa.array(["0.png"]), pa.array([1]), pa.array([2])], names=["image", "x", "x"]), path)
    with pytest.raises(FormatError) as caught:
        open_source(path).samples()
    assert str(caught.value) == f"{path} has two columns x; rename one of them"


@pytest.mark.parametrize(
    ("line", "problem"),
    [
        ('{"image": "0.png", "caption": "ok \\ud83d"}', " holds half a character (\\ud800 to \\udfff); mend the line"),
        ('{"image": "0.png", "caption": ' + "[" * 100_000 + "]" * 100_000 + "}", " is nested too deep; mend the line"),
        ('{"image": "0.png", "x": ' + "9" * 5000 + "}", " is not JSON: "),
    ],
)
def test_a_bad_line_of_json_is_one_failed_row(folder, line, problem):
    good = ['{"image": "1.png", "caption": "a \\ud83d\\ude00"}', '{"image": "2.png", "n": ' + "9" * 400 + "}"]
    (folder / "t.jsonl").write_text("\n".join([good[0], line, good[1]]))
    walk = open_source(folder / "t.jsonl").samples()
    one, two = walk
    assert (one.texts, two.meta["n"]) == (("a 😀",), "9" * 400)
    assert [str(failure).startswith(f"{folder / 't.jsonl'}: line 2{problem}") for failure in walk.failures] == [True]


def test_an_object_need_not_have_every_key_that_is_named(folder):
    rows = [{"image": "0.png", "words": "a"}, {"image": "1.png"}, {"image": "2.png", "word": "c"}]
    (folder / "t.jsonl").write_text("\n".join(map(json.dumps, rows)))
    walk = open_source(folder / "t.jsonl", columns=Columns(captions="words", label="kind")).samples()
    assert [sample.texts for sample in walk] == [("a",), ()]
    assert list(map(str, walk.failures)) == [f"{folder / 't.jsonl'}: line 3 has no column words; did you mean word?"]


def test_known_names_are_found_in_capitals(folder):
    (folder / "t.csv").write_text("Image,Caption,CLASS,class\n0.png,a dog,x,animal\n")
    (sample,) = open_source(folder / "t.csv").samples()
    assert (sample.key, sample.texts, sample.label, sample.meta) == ("0.png", ("a dog",), "animal", {"CLASS": "x"})


def test_a_table_without_header_is_named_as_one(folder):
    (folder / "t.csv").write_text("0.png,a dog\n1.png,a cat\n")
    with pytest.raises(FormatError) as caught:
        open_source(folder / "t.csv").samples()
    assert str(caught.value) == (
        f"{folder / 't.csv'} has no header: its first line is 0.png, a dog; "
        "put a line with the names of the columns above it, for example image,caption"
    )


def test_labels_as_data_frames_write_them(folder):
    assert labelled(folder / "t.parquet", [1.0, float("nan"), 2.5]) == ["1", None, "2.5"]


@pytest.mark.parametrize("text", ["", "\n\n", " , \n"])
def test_an_empty_table_is_named_as_one(folder, text):
    (folder / "t.csv").write_text(text)
    with pytest.raises(FormatError) as caught:
        open_source(folder / "t.csv").samples()
    assert str(caught.value) == (
        f"{folder / 't.csv'} is empty; write a line with the names of the columns, and a row an image"
    )
