"""Class names of Hugging Face: in schemas, in cards, in what `save_to_disk` writes."""

import json

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from wordsight.data.arrow_file import ArrowTable
from wordsight.data.class_labels import card_beside, class_names
from wordsight.data.source import Columns, open_source

NAMES = {"names": ["cat", "dog", "hen"], "_type": "ClassLabel"}
CARD = """---
license: mit
dataset_info:
{config}  features:
  - name: image
    dtype: image
  - name: label
    dtype:
      class_label:
        names:
          '0': tench, Tinca
            tinca
          '1': 'it''s'
          "2": "a: \\u00e4"
  - name: objects
    sequence:
    - name: bbox
      sequence: float32
    - name: category
      dtype:
        class_label:
          names:
          - one
          - two
  splits:
  - name: names
---
- name: other
"""


def table_of(encoded_image, column, values, features=None):
    values = values if isinstance(values, pa.Array) else pa.array(values)
    images = [{"bytes": encoded_image(number), "path": None} for number in range(len(values))]
    table = pa.table({"image": images, column: values})
    if features is None:
        return table
    return table.replace_schema_metadata({"huggingface": json.dumps({"info": {"features": {column: features}}})})


def read(location, **options):
    walk = open_source(location, **options).samples()
    return [sample.labels or sample.label for sample in walk], list(map(str, walk.failures))


@pytest.mark.parametrize(
    ("column", "values", "features", "labels"),
    [
        ("labels", [[0, 2], [], None, [-1, 1], [1, 1]], {"feature": NAMES, "_type": "Sequence"},
         [("cat", "hen"), None, None, ("dog",), ("dog",)]),
        ("labels", [[0, 2]], {"feature": NAMES, "length": -1, "_type": "List"}, [("cat", "hen")]),
        ("labels", [[0, 2]], {"feature": NAMES, "_type": "LargeList"}, [("cat", "hen")]),
        ("labels", [[0, 2]], [NAMES], [("cat", "hen")]),
        ("label", [[0, 2], [1]], {"feature": NAMES, "_type": "Sequence"}, [("cat", "hen"), ("dog",)]),
        ("labels", [2, -1, None], NAMES, ["hen", None, None]),  # one class an image
        ("label", [2.0, np.nan, -1.0], NAMES, ["hen", None, None]),
        ("labels", [["a", "b"], ["c"]], None, [("a", "b"), ("c",)]),
        ("labels", [[3, 5], [4]], None, [("3", "5"), ("4",)]),
        ("objects", [{"bbox": [[0.0]], "category": [2, 2]}, {"bbox": [], "category": []}, None],
         {"feature": {"bbox": {"_type": "Value"}, "category": NAMES}, "_type": "Sequence"}, [("hen",), None, None]),
        ("objects", [[{"bbox": [0.0], "category": 1}], []],
         {"feature": {"bbox": {"_type": "Value"}, "category": NAMES}, "_type": "List"}, [("dog",), None]),
        ("objects", [{"bbox": [[0.0]]}], None, [None]),
        ("labels", [[0.5, 0.25]], None, [None]),
    ],
)  # fmt: skip
def test_class_numbers_of_a_schema_have_their_names(tmp_path, encoded_image, column, values, features, labels):
    pq.write_table(table_of(encoded_image, column, values, features), tmp_path / "t.parquet")
    assert read(tmp_path) == (labels, [])


def test_a_number_beyond_the_names_costs_its_row(tmp_path, encoded_image):
    table = table_of(encoded_image, "labels", [[0], [1, 3]], {"feature": NAMES, "_type": "Sequence"})
    pq.write_table(table, tmp_path / "t.parquet")
    failure = f"{tmp_path / 't.parquet'}: row 2: column labels: class 3, where 3 are named; mend the row"
    assert read(tmp_path) == ([("cat",)], [failure])


def test_lists_of_numbers_are_read_where_they_are_asked_for(tmp_path, encoded_image):
    pq.write_table(table_of(encoded_image, "tokens", [[3, 5]]), tmp_path / "t.parquet")
    assert read(tmp_path)[0] == [None]
    assert read(tmp_path, columns=Columns(label="tokens"))[0] == [("3", "5")]


@pytest.mark.parametrize(
    "features", [None, 5, [], {"x": []}, {"x": {"feature": {"feature": {}}}}, {"x": [[[[[NAMES]]]]]}]
)
def test_a_schema_may_hold_anything(features):
    assert class_names({b"huggingface": json.dumps({"info": {"features": features}}).encode()}) == {}


@pytest.mark.parametrize("config", ["", "- config_name: default\n"])
@pytest.mark.parametrize("place", [".", "data", "default/train"])
def test_a_card_names_the_classes_of_a_table_without_them(tmp_path, encoded_image, config, place):
    (tmp_path / place).mkdir(parents=True, exist_ok=True)
    (tmp_path / "README.md").write_text(CARD.format(config=config), encoding="utf-8")
    file = tmp_path / place / "train-00000-of-00001.parquet"
    pq.write_table(table_of(encoded_image, "label", [2, 0, 1, -1]), file)
    assert read(file) == (["a: ä", "tench, Tinca tinca", "it's", None], [])
    assert card_beside(file.parent).names["objects"] == ("one", "two")
    before = open_source(file).fingerprint()
    (tmp_path / "README.md").write_text(CARD.format(config=config).replace("tench", "tenches"), encoding="utf-8")
    assert open_source(file).fingerprint() != before


def test_names_in_the_schema_come_before_those_of_a_card(tmp_path, encoded_image):
    (tmp_path / "README.md").write_text(CARD.format(config=""), encoding="utf-8")
    pq.write_table(table_of(encoded_image, "label", [2], NAMES), tmp_path / "t.parquet")
    assert read(tmp_path / "t.parquet")[0] == ["hen"]
    pq.write_table(table_of(encoded_image, "label", ["own"]), tmp_path / "t.parquet")
    assert read(tmp_path / "t.parquet")[0] == ["own"]  # text is its own name


@pytest.mark.parametrize("text", ["", "# words", "---\n", "---\nname: x\n---\n", "---\n\0: [\n---\n", "\udcff"])
def test_a_readme_may_be_anything(tmp_path, text):
    (tmp_path / "README.md").write_bytes(text.encode(errors="surrogateescape"))
    assert card_beside(tmp_path) is None


def test_configurations_that_differ_name_nothing(tmp_path):
    one = "  - config_name: {}\n    features:\n    - name: label\n      dtype:\n        class_label:\n          names:\n            '0': {}\n"
    for second, names in (("cat", {"label": ("cat",)}), ("dog", None)):
        (tmp_path / "README.md").write_text(
            f"---\ndataset_info:\n{one.format('a', 'cat')}{one.format('b', second)}---\n"
        )
        card = card_beside(tmp_path)
        assert (card and card.names) == names


@pytest.mark.parametrize("form", [pa.ipc.new_stream, pa.ipc.new_file])
def test_what_save_to_disk_writes_is_read(tmp_path, encoded_image, form):
    for split, values in (("train", [0]), ("test", [2, 1])):
        folder = tmp_path / split
        folder.mkdir()
        table = table_of(encoded_image, "label", values)
        with pa.OSFile(str(folder / "data-00000-of-00001.arrow"), "wb") as handle, form(handle, table.schema) as out:
            out.write_table(table)
        (folder / "dataset_info.json").write_text(json.dumps({"features": {"label": NAMES}}))
        (folder / "state.json").write_text("{}")
    assert read(tmp_path, split="test") == (["hen", "dog"], [])
    assert read(tmp_path, split="train") == (["cat"], [])


def test_bytes_of_an_arrow_file_are_left_out_where_they_are_not_wanted(tmp_path, encoded_image):
    table = table_of(encoded_image, "label", [2, 1], NAMES).append_column("raw", pa.array([b"a", b"b"]))
    with pa.OSFile(str(tmp_path / "t.arrow"), "wb") as handle, pa.ipc.new_stream(handle, table.schema) as out:
        out.write_table(table)
    rows = list(ArrowTable(tmp_path / "t.arrow").rows(1, binary=False))
    assert rows == [(2, {"image": {"path": None}, "label": "dog"})]


def test_damage_in_an_arrow_file_is_a_line(tmp_path, encoded_image):
    table = table_of(encoded_image, "label", list(range(3)))
    path = tmp_path / "t.arrow"
    with pa.OSFile(str(path), "wb") as handle, pa.ipc.new_stream(handle, table.schema) as out:
        out.write_table(table, max_chunksize=1)
    whole = path.read_bytes()
    path.write_bytes(whole[: len(whole) * 3 // 5])
    found, failures = read(path)
    assert found == ["0"] and len(failures) == 1 and "is damaged behind row 1" in failures[0]
    offsets = table.combine_chunks().column("image").chunk(0).field("bytes").buffers()[1].to_pybytes()[:8]
    path.write_bytes(whole.replace(offsets, b"\0\0\0\0\xff\xff\xff\x7f"))
    assert "are damaged" in read(path)[1][0]
    path.write_bytes(b"no arrow")
    assert "is not an Arrow file" in read(path)[1][0]
