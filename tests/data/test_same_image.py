"""Rows of one image are one sample, wherever they stand: the long form of a table says what the wide form says."""

import json
import random
from array import array

import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from wordsight.data.check import check
from wordsight.data.pack import PackOptions, pack
from wordsight.data.same_image import SharedRows, Stated, repeated
from wordsight.data.source import Columns, Position, open_source
from wordsight.data.stats import stats
from wordsight.evaluate.building import build_task
from wordsight.evaluate.tasks import read_task


@pytest.fixture
def images(tmp_path, encoded_image):
    for number in range(4):
        (tmp_path / f"{number}.png").write_bytes(encoded_image(number))
    return tmp_path


def read(path, **columns):
    """Return (key, texts) of the samples, and the messages of the failures."""
    walk = open_source(path, columns=Columns(**columns)).samples()
    samples = [(sample.key, sample.texts) for sample in walk]
    return samples, [str(failure) for failure in walk.failures]


@pytest.fixture(params=["together", "apart"])
def forms(request, images):
    """The same pairs in the long form and in the wide one."""
    pairs = [(f"{n}.png", f"{text} {n}") for n in range(4) for text in ("one", "two", "three")]
    if request.param == "apart":
        pairs.sort(key=lambda pair: pair[1].split()[0])
    (images / "long.csv").write_text("".join(f"{a};{b}\n" for a, b in [("filepath", "title"), *pairs]))
    order = list(dict.fromkeys(name for name, _ in pairs))
    rows = [{"image": name, "captions": [text for other, text in pairs if other == name]} for name in order]
    (images / "wide.jsonl").write_text("\n".join(map(json.dumps, rows)))
    return images / "long.csv", images / "wide.jsonl"


def test_both_forms_are_the_same_samples(forms):
    long, wide = forms
    assert read(long) == read(wide)
    assert len(read(long)[0]) == 4


def test_both_forms_give_the_same_figures(forms, tmp_path):
    long, wide = (open_source(path) for path in forms)
    assert (stats(long).pictures, stats(long).captions) == (stats(wide).pictures, stats(wide).captions) == (4, 12)
    assert check(long).counts() == check(wide).counts() and check(long).duplicates == []
    manifests = [pack(source, tmp_path / "packed" / source.name, PackOptions()) for source in (long, wide)]
    assert [manifest.count for manifest in manifests] == [4, 4]
    assert manifests[0].shards[0].sha256 == manifests[1].shards[0].sha256


def test_both_forms_are_the_same_task(forms):
    tasks = [build_task(read_task(f"retrieval:{path}")) for path in forms]
    assert [len(task.images) for task in tasks] == [4, 4]
    assert tasks[0].texts == tasks[1].texts and tasks[0].owners.tolist() == tasks[1].owners.tolist()


def test_names_of_one_file_in_other_spellings_are_one(images):
    (images / "sub").mkdir()
    spellings = ["0.png", "./0.png", " 0.png", "sub/../0.png", ".\\0.png", str(images / "0.png")]
    (images / "t.csv").write_text("image,caption\n" + "".join(f"{name},{n}\n" for n, name in enumerate(spellings)))
    assert read(images / "t.csv") == ([("0.png", ("0", "1", "2", "3", "4", "5"))], [])


def test_the_first_row_gives_key_and_metadata(images):
    (images / "t.csv").write_text("id,image,caption,rater\n7,0.png,a,anna\n8,0.png,b,ben\n9,1.png,c,cleo\n")
    first, second = open_source(images / "t.csv").samples()
    assert (first.key, first.texts, first.meta) == ("7", ("a", "b"), {"rater": "anna"})
    assert (second.key, second.texts, second.meta) == ("9", ("c",), {"rater": "cleo"})


def test_another_file_under_the_same_key_is_another_image(images):
    (images / "t.csv").write_text("id,image,caption\n7,0.png,a\n7,1.png,b\n")
    assert read(images / "t.csv") == ([("7", ("a",)), ("7", ("b",))], [])


def test_a_row_of_another_class_is_a_failed_row(images):
    rows = ["image,caption,label", "0.png,a,", "0.png,b,cat", "0.png,c,dog", "1.png,d,dog", "0.png,e,cat", "0.png,f,"]
    (images / "t.csv").write_text("\n".join(rows))
    walk = open_source(images / "t.csv").samples()
    assert [(sample.label, sample.texts) for sample in walk] == [("cat", ("a", "b", "e", "f")), ("dog", ("d",))]
    assert list(map(str, walk.failures)) == [
        f"{images / 't.csv'}: line 4: class dog for an image of class cat; give it one class"
    ]


def test_a_bad_row_costs_what_it_says_and_not_its_image(images):
    rows = [{"image": "0.png", "caption": 5}, {"image": "0.png", "caption": "a"}, {"image": "0.png", "caption": "b"}]
    (images / "t.jsonl").write_text("\n".join(map(json.dumps, rows)))
    samples, failures = read(images / "t.jsonl")
    assert samples == [("0.png", ("a", "b"))]
    assert failures == [f"{images / 't.jsonl'}: line 1: captions are int; give a text or a list of texts"]


def test_a_missing_file_is_reported_once_with_the_number_of_its_rows(images):
    (images / "t.csv").write_text("image,caption\ngone.png,a\n0.png,b\ngone.png,c\ngone.png,d\n")
    assert read(images / "t.csv") == (
        [("0.png", ("b",))],
        [
            f"{images / 't.csv'}: line 2: no file {images / 'gone.png'} (3 rows are of it); "
            "paths are relative to the table"
        ],
    )


def test_rows_of_several_tables_are_of_one_image(images):
    (images / "b").mkdir()
    (images / "a.csv").write_text("image,caption\n0.png,a\n1.png,b\n")
    (images / "b" / "c.csv").write_text("image\tcaption\n../1.png\tc\n../2.png\td\n../0.png\te\n")
    paths = [images / "a.csv", images / "b" / "c.csv"]
    assert read(paths)[0] == [("0.png", ("a", "e")), ("1.png", ("b", "c")), ("../2.png", ("d",))]
    walk = open_source(paths).samples(Position(0, 1))
    assert [sample.texts for sample in walk] == [("b", "c"), ("d",)]


def parquet(path, rows):
    pq.write_table(pa.Table.from_pylist(rows), path, row_group_size=2)
    return path


def test_bytes_are_of_one_image_when_they_are_equal_and_a_path_or_key_says_so(images, encoded_image):
    one, other = encoded_image(0), encoded_image(1)

    def grouped(rows):
        return [texts for _, texts in read(parquet(images / "t.parquet", rows))[0]]

    def group(content, path):
        return {"bytes": content, "path": path}

    long = [
        {"image": group(content, path), "caption": text}
        for content, path, text in [
            (one, "a", "1"),
            (other, "b", "2"),
            (one, "a", "3"),
            (other, "a", "4"),
            (other, "a", "5"),
            (one, None, "6"),
            (one, None, "7"),
        ]
    ]
    assert grouped(long) == [("1", "3"), ("2",), ("4", "5"), ("6",), ("7",)]
    keyed = [
        {"id": key, "image": content, "caption": text}
        for content, key, text in [
            (one, 1, "1"),
            (other, 2, "2"),
            (one, 1, "3"),
            (other, 1, "4"),
            (one, None, "5"),
            (one, None, "6"),
        ]
    ]
    assert grouped(keyed) == [("1", "3"), ("2",), ("4",), ("5",), ("6",)]
    assert grouped([{"image": one, "caption": str(n)} for n in range(3)]) == [("0",), ("1",), ("2",)]


def test_every_position_goes_on_exactly_whatever_the_order(images):
    pairs = [(f"{n % 5}.png", f"{n}") for n in range(20)]  # 4.png is missing
    random.Random(7).shuffle(pairs)
    (images / "t.csv").write_text("image,caption\n" + "".join(f"{a},{b}\n" for a, b in pairs))
    source = open_source(images / "t.csv")
    walk = source.samples()
    met = [(sample, walk.position) for sample in walk]
    assert len(met) == 4 and len(walk.failures) == 1
    for number, (_, position) in enumerate(met):
        again = open_source(images / "t.csv").samples(position)
        assert list(again) == [sample for sample, _ in met[number + 1 :]]


def test_rows_that_share_a_name_are_found():
    assert repeated(array("q", [5, 0, 7, 5, 0, 8, 7, 7])).tolist() == [0, 2, 3, 6, 7]
    assert repeated(array("q", [1, 2, 0])).tolist() == repeated(array("q")).tolist() == []


def test_what_rows_say_is_kept_by_their_first_row():
    rows = SharedRows(repeated(array("q", [5, 7, 5, 9, 7, 7, 5])))
    for name, text in ((50, "a"), (70, "b"), (51, "c"), (71, "d"), (70, "e"), (0, "f")):
        rows.note(name, Stated((text, "ü"), None))
    rows.settle()
    assert [rows.owner(number) for number in range(8)] == [0, 1, 2, 3, 4, 1, 6, 7]
    assert list(rows.stated(1)) == [Stated(("b", "ü")), Stated(("e", "ü"))]
    assert list(rows.stated(3)) == []
