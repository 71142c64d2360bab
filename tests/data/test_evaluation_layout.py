"""The layout of CLIP_benchmark's exported sets, and what a set says of itself."""

import io
import json

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from wordsight.base.errors import FormatError, NotFound
from wordsight.data.evaluation_layout import EvaluationLayout, layout_of
from wordsight.data.source import Columns, open_source


@pytest.fixture
def write_set(tmp_path, write_tar, encoded_image):
    """Write a split of a set: a list of members of each sample by suffix, and files beside the splits."""

    def writing(samples, *, split="test", shards=1, **files):
        folder = tmp_path / "set" / split
        folder.mkdir(parents=True, exist_ok=True)
        for shard in range(shards):
            members = {}
            for number, parts in enumerate(samples[shard::shards]):
                members[f"s{number:07d}.webp"] = encoded_image(number, form="WEBP")
                members |= {f"s{number:07d}.{suffix}": content for suffix, content in parts.items()}
            write_tar(folder / f"{shard}.tar", members)
        (folder / "nshards.txt").write_text(f"{shards}\n")
        for name, text in files.items():
            (tmp_path / "set" / f"{name}.txt").write_bytes(text.encode())
        return tmp_path / "set"

    return writing


def vector(*flags, kind=float):
    buffer = io.BytesIO()
    np.save(buffer, np.array(flags, kind))
    return buffer.getvalue()


def read(location, **options):
    walk = open_source(location, **options).samples()
    return [(one.label, one.labels, one.texts) for one in walk], list(map(str, walk.failures))


def test_a_set_with_one_class_an_image(write_set):
    root = write_set([{"cls": b"2"}, {"cls": b"0"}], classnames="\ufeffa cat\r\ndog, hound\r\nhen_x\r\n\r\n")
    (root / "zeroshot_classification_templates.txt").write_text("a photo of a {c}.\n{c}\n")
    write_set([{"cls": b"1"}], split="train")
    assert read(root, split="test") == ([("hen_x", (), ()), ("a cat", (), ())], [])
    assert read(root, split="train") == ([("dog, hound", (), ())], [])
    layout = EvaluationLayout("classification", ("a cat", "dog, hound", "hen_x"), ("a photo of a {c}.", "{c}"), "exact")
    assert {layout_of(root), layout_of(root / "test"), layout_of([root / "test" / "0.tar"])} == {layout}
    with pytest.raises(NotFound, match="no split val in .*; there are: test, train"):
        open_source(root, split="val")


@pytest.mark.parametrize("declared", [True, False])
def test_a_set_with_several_labels_an_image(write_set, declared):
    samples = [{"npy": vector(1, 0, 1)}, {"npy": vector(0, 0, 0)}, {"npy": vector(0, 1, 0, kind=bool)}]
    root = write_set(samples, classnames="cat\ndog\nhen\n", **({"dataset_type": "Multilabel\n"} if declared else {}))
    assert read(root) == ([(None, ("cat", "hen"), ()), (None, (), ()), (None, ("dog",), ())], [])
    assert layout_of(root)[:2] == ("multilabel" if declared else "classification", ("cat", "dog", "hen"))


def test_a_set_of_captions(write_set):
    root = write_set([{"txt": b"a cat\na tabby\n"}, {"txt": b"ein Huhn"}], dataset_type="retrieval")
    assert read(root, split="test") == ([(None, (), ("a cat", "a tabby")), (None, (), ("ein Huhn",))], [])
    assert layout_of(root) == EvaluationLayout("retrieval")


def test_a_vector_that_is_no_label_is_left_alone(write_set):
    """Embeddings lie beside images as `.npy`, too."""
    noise = {"npy": vector(0.3, 0.2), "json": json.dumps({"sex": "f"}).encode()}
    assert read(write_set([noise])) == ([(None, (), ())], [])
    root = write_set([{**noise, "cls": b"0"}], classnames="cat")
    assert read(root) == ([("cat", (), ())], [])
    (root / "dataset_type.txt").write_text("retrieval")
    assert read(write_set([noise])) == ([(None, (), ())], [])


def test_each_bad_vector_fails_alone(write_set):
    samples = [{"npy": vector(1, 0)}, {"npy": vector(0, 2, 0)}, {}, {"npy": b"junk"}, {"npy": vector(0, 1, 0)}]
    root = write_set(samples, classnames="cat\n\ndog", dataset_type="multilabel")
    failures = read(root)[1]
    assert [line.partition("test/0.tar: ")[2].partition(";")[0].partition(":")[0] for line in failures] == [
        "s0000000.npy has 2 flags",
        "s0000001.npy holds the value 2.0",
        "s0000002 has no labels (.npy)",
        "s0000003.npy is no array of NumPy",
        "s0000004.npy has class 1",
    ]
    assert failures[-1].endswith("line 2 of " + str(root / "classnames.txt") + " is blank")


def test_json_may_list_the_labels_of_a_set_that_says_so(write_set):
    stated = [{"labels": ["hen"]}, {"labels": []}, {"sex": "f"}]
    root = write_set([{"json": json.dumps(one).encode()} for one in stated], dataset_type="multilabel")
    found, (failure,) = read(root)
    assert found == [(None, ("hen",), ()), (None, (), ())]
    assert "s0000002 has no labels (.npy)" in failure


def test_numbers_stand_for_classes_without_names(write_set, capsys):
    root = write_set([{"npy": vector(1, 0, 1)}], dataset_type="multilabel")
    assert read(root) == ([(None, ("0", "2"), ())], [])
    assert "put their names into classnames.txt" in capsys.readouterr().err


@pytest.mark.parametrize("text", ["-1", "1.0", "nan", "tabby"])
def test_a_class_that_is_not_listed_fails(write_set, text):
    found, (failure,) = read(write_set([{"cls": text.encode()}, {"cls": b"dog"}], classnames="cat\ndog"))
    assert found == [("dog", (), ())]
    assert f"s0000000.cls has class {text}" in failure


def test_a_name_that_two_classes_have_is_said(write_set, capsys):
    root = write_set([{"cls": b"0"}, {"cls": b"2"}], classnames="crane\ndog\ncrane\n")
    assert [label for label, _, _ in read(root)[0]] == ["crane", "crane"]
    assert f"{root}/classnames.txt: lines 1 and 3 both name crane" in capsys.readouterr().err
    assert layout_of(root).classes == ("crane", "dog")


def test_shards_that_are_counted_and_not_there_are_named(write_set):
    root = write_set([{"cls": b"0"}] * 12, shards=12, classnames="cat")
    assert len(read(root, split="test")[0]) == 12 and read(root, split="test")[1] == []
    for number in (3, 11):
        (root / "test" / f"{number}.tar").unlink()
    cure = f"fetch them: {root}/test/nshards.txt counts 12 shards"
    assert read(root, split="test")[1] == [f"{root}/test lacks 3.tar, 11.tar; {cure}"]
    assert read(root / "test" / "0.tar")[1] == []  # one shard was asked for
    (root / "test" / "nshards.txt").write_text("3")
    assert "holds 10.tar, 4.tar, 5.tar, 6.tar, 7.tar and 2 more" in read(root)[1][0]


@pytest.mark.parametrize("text", ["", "two", "-1", "0", "9" * 5000, "1 2", "\x00"])
def test_a_count_that_is_none_is_said(write_set, text):
    root = write_set([{"cls": b"0"}], classnames="cat")
    (root / "test" / "nshards.txt").write_text(text)
    found, (failure,) = read(root)
    assert len(found) == 1 and "nshards.txt says" in failure and len(failure) < 500


@pytest.mark.parametrize(
    ("name", "content", "words"),
    [
        ("classnames.txt", b"caf\xe9", "it is not UTF-8"),
        ("classnames.txt", b"\n\n", "names no class"),
        ("classnames.txt", b"cat\n\ndog", "line 2 is blank"),
        ("dataset_type.txt", b"detection", "says 'detection'; write one of classification, retrieval, multilabel"),
        ("dataset_type.txt", b"", "says ''"),
        ("zeroshot_classification_templates.txt", b"a photo\n", "no slot in 'a photo'"),
        ("zeroshot_classification_templates.txt", b"\n", "holds no template"),
    ],
)
def test_files_that_cannot_be_meant(write_set, name, content, words):
    root = write_set([{"cls": b"0"}], classnames="cat")
    (root / name).write_bytes(content)
    with pytest.raises(FormatError, match=words) as caught:
        layout_of(root)
    assert str(root / name) in str(caught.value)


def test_another_type_is_another_fingerprint(write_set):
    root = write_set([{"npy": vector(1, 0)}], classnames="cat\ndog")
    before = open_source(root).fingerprint()
    (root / "dataset_type.txt").write_text("retrieval")
    assert open_source(root).fingerprint() != before


def test_a_table_states_its_classes(tmp_path, encoded_image):
    names = {"names": ["tabby, cat", "dog", "hen"], "_type": "ClassLabel"}
    features = {"label": names, "tags": {"feature": names, "_type": "Sequence"}}
    table = pa.table({"image": [{"bytes": encoded_image(0), "path": None}], "label": [1], "tags": [[0, 2]]})
    table = table.replace_schema_metadata({"huggingface": json.dumps({"info": {"features": features}})})
    for split in ("train", "test"):
        pq.write_table(table, tmp_path / f"{split}-00000-of-00001.parquet")
    classes = ("tabby, cat", "dog", "hen")
    assert layout_of(tmp_path) == EvaluationLayout("classification", classes, None, "synonyms")
    assert layout_of(tmp_path, columns=Columns(label="tags"))[:2] == ("multilabel", classes)
    with pytest.raises(FormatError, match="no column tag"):
        layout_of(tmp_path, columns=Columns(label="tag"))


def test_what_states_nothing(tmp_path, encoded_image):
    assert layout_of(tmp_path) == layout_of(tmp_path / "gone") == layout_of([]) == EvaluationLayout()
    (tmp_path / "a.png").write_bytes(encoded_image(0))
    assert layout_of(tmp_path) == EvaluationLayout()
