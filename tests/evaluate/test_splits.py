"""Which images are learned from, chosen by and measured on."""

import hashlib

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from wordsight.base.arrays import unit
from wordsight.base.errors import FormatError
from wordsight.base.nouns import Sample
from wordsight.evaluate.building import TaskSets
from wordsight.evaluate.classified import classes_of
from wordsight.evaluate.sample_set import in_memory, rows_of_others
from wordsight.evaluate.splits import drawn, embedded, held_out_rows, splits_of, val_and_test
from wordsight.evaluate.tasks import TaskSpec

SPEC = TaskSpec("supervised", "somewhere", name="set")
CASES = st.dictionaries(st.text(max_size=6), st.sampled_from("abc"), min_size=1, max_size=40)


def images(labels, prefix="k"):
    """A set of images of these classes; image number i is called PREFIXi and its bytes are its name."""
    return in_memory(
        "set", [Sample(f"{prefix}{i}", f"{prefix}{i}".encode(), label=label) for i, label in enumerate(labels)]
    )


def keys(part):
    return [sample.key for sample in part.images.samples]


class Encoder:
    """The embedding of an image is drawn from its bytes: equal for equal images only."""

    fingerprint = "bytes"

    def embed_images(self, items):
        seeds = [int.from_bytes(hashlib.sha256(item).digest()[:8]) for item in items]
        return unit(np.array([np.random.default_rng(seed).standard_normal(16) for seed in seeds], np.float32))


@given(CASES, st.floats(0.05, 0.8), st.randoms())
def test_the_same_images_are_held_out_whatever_the_order(cases, share, random):
    def held_out(names):
        labels = np.array(["abc".index(cases[name]) for name in names], np.int64)
        return {names[row] for row in held_out_rows(labels, names, share)}

    names = list(cases)
    shuffled = names.copy()
    random.shuffle(shuffled)
    assert held_out(shuffled) == held_out(names)


@given(CASES, st.floats(0.05, 0.8))
def test_of_each_class_the_share_is_held_out_and_one_stays(cases, share):
    names, labels = list(cases), np.array(["abc".index(label) for label in cases.values()], np.int64)
    rows = held_out_rows(labels, names, share)
    assert rows.tolist() == sorted(set(rows.tolist()))
    for label in np.unique(labels):
        own, gone = int((labels == label).sum()), int((labels[rows] == label).sum())
        assert gone == min(round(share * own), own - 1)


def test_an_image_more_of_another_class_changes_nothing_within_this_one():
    before = held_out_rows(np.zeros(9, np.int64), [f"k{i}" for i in range(9)], 0.4)
    after = held_out_rows(np.array([1] + [0] * 9), ["new", *(f"k{i}" for i in range(9))], 0.4)
    assert [row - 1 for row in after if row] == before.tolist()


@settings(max_examples=40)
@given(st.lists(st.sampled_from("ab"), min_size=16, max_size=60), st.floats(0.2, 0.6))
def test_one_place_gives_three_disjoint_sets_of_all_its_images(labels, held_out):
    whole = images(labels + ["a", "b"] * 6)
    splits = splits_of(SPEC, TaskSets(whole), held_out=held_out)
    parts = [set(keys(part)) for part in (splits.train, splits.val, splits.test)]
    assert sum(map(len, parts)) == len(set().union(*parts)) == len(whole)
    assert splits.names == ("a", "b")
    for part in (splits.train, splits.val, splits.test):
        assert part.names == splits.names
        given = {sample.key: sample.label for sample in whole.samples}
        assert [part.names[label] for label in part.labels] == [given[key] for key in keys(part)]
        assert [image.decode() for image in part.images.images] == keys(part)
    assert set(splits.train.labels) == {0, 1}


def test_two_tasks_of_one_place_measure_the_same_images():
    whole = images("abababababab")
    tasks = [splits_of(SPEC, TaskSets(whole), held_out=0.25), splits_of(SPEC, TaskSets(whole), held_out=0.25)]
    assert keys(tasks[0].test) == keys(tasks[1].test) == keys(val_and_test(SPEC, TaskSets(whole), held_out=0.25)[1])


@pytest.mark.parametrize("named", ["train", "val", "train and val"])
def test_images_that_are_named_are_used_whole(named):
    test, train, val = images("abab" * 3, "test"), images("abab" * 3, "train"), images("ab", "val")
    sets = TaskSets(test, train if "train" in named else None, val if "val" in named else None)
    splits = splits_of(SPEC, sets, held_out=0.25)
    measured = [sample.key for sample in test.samples]
    if "val" in named:
        assert keys(splits.val) == ["val0", "val1"]
    if named == "val":  # a share of the one place is measured on, the rest is learned from
        assert set(keys(splits.train)) | set(keys(splits.test)) == set(measured)
        assert not set(keys(splits.train)) & set(keys(splits.test))
    else:
        assert keys(splits.test) == measured
        chosen_by = set(keys(splits.val)) if named == "train" else set()
        assert set(keys(splits.train)) | chosen_by == {sample.key for sample in train.samples}
        assert not set(keys(splits.train)) & chosen_by


def test_classes_are_those_that_are_learned_also_where_fewer_are_measured():
    splits = splits_of(SPEC, TaskSets(images("bb"), images("aabbcc"), images("cab")), held_out=0.2)
    assert splits.names == splits.test.names == splits.val.names == ("a", "b", "c")
    assert splits.test.labels.tolist() == [1, 1]
    assert splits.val.labels.tolist() == [2, 0, 1]


def test_images_of_a_class_that_cannot_be_learned_are_left_out(capsys):
    splits = splits_of(SPEC, TaskSets(images("abz"), images("aabb")), held_out=0.5)
    assert splits.test.labels.tolist() == [0, 1]
    assert "set: 1 of 3 images are left out, of classes that its other images lack: z" in capsys.readouterr().err
    splits = splits_of(SPEC, TaskSets(images("ab"), images("aabb"), images("az")), held_out=0.2)
    assert splits.val.labels.tolist() == [0]


@pytest.mark.parametrize("labels", ["ab", "aabb"])
def test_too_few_images_to_hold_some_out(labels):
    with pytest.raises(
        FormatError, match=r"of 2 classes: too few to hold some out; give . or more images of each class"
    ):
        splits_of(SPEC, TaskSets(images(labels)), held_out=0.3)


def test_val_and_test_take_what_is_named_first():
    test, train, val = images("abab", "test"), images("abab", "train"), images("abab", "val")
    for sets, by in ((TaskSets(test, train, val), "val"), (TaskSets(test, train), "train")):
        chosen, measured = val_and_test(SPEC, sets, held_out=0.25)
        assert keys(chosen) == [f"{by}{i}" for i in range(4)]
        assert keys(measured) == [f"test{i}" for i in range(4)]
    chosen, measured = val_and_test(SPEC, TaskSets(images("ababab")), held_out=1 / 3)
    assert (len(chosen.labels), len(measured.labels)) == (4, 2)
    assert not set(keys(chosen)) & set(keys(measured))


def test_embeddings_stand_beside_their_classes(capsys):
    splits = splits_of(SPEC, TaskSets(images("ab" * 8)), held_out=0.25)
    parts = embedded(Encoder(), splits, name="set")
    for rows, part in ((parts.train, splits.train), (parts.val, splits.val), (parts.test, splits.test)):
        assert rows.labels is part.labels
        assert np.array_equal(rows.embeddings, Encoder().embed_images(part.images.images))
    assert "also learned from" not in capsys.readouterr().err


def test_measured_images_that_are_learned_from_are_noticed(capsys):
    seen = splits_of(SPEC, TaskSets(images("ababab", "same"), images("ab" * 6, "same")), held_out=0.25)
    embedded(Encoder(), seen, name="set")
    assert "6 of 6 measured images of set are also learned from" in capsys.readouterr().err


def test_so_many_of_each_class_are_drawn():
    labels = classes_of(SPEC, images("aaaaabbbc")).labels
    rows = drawn(labels, 3, np.random.default_rng(1))
    assert np.bincount(labels[rows]).tolist() == [3, 3, 1]
    assert len(set(rows.tolist())) == 7
    assert rows.tolist() == drawn(labels, 3, np.random.default_rng(1)).tolist()
    others = {tuple(sorted(drawn(labels, 3, np.random.default_rng(seed)))) for seed in range(20)}
    assert len(others) > 1


def test_a_val_that_is_train_counts_as_not_named(capsys):
    test, train = images("ab" * 3, "test"), images("ab" * 10, "train")
    without = splits_of(SPEC, TaskSets(test, train), held_out=0.2)
    assert "val" not in capsys.readouterr().err
    copied = images("ab" * 12, "train")  # and two more: none of train is left to learn from
    for val in (train, copied):
        splits = splits_of(SPEC, TaskSets(test, train, val), held_out=0.2)
        assert (keys(splits.train), keys(splits.val)) == (keys(without.train), keys(without.val))
        said = capsys.readouterr().err
        assert said.count("set: val has the images of train: it is left out, and a share of train is held out") == 1


def test_images_of_train_and_val_are_chosen_by_alone(capsys, tmp_path):
    test, train = images("ab" * 3, "test"), images("ab" * 10, "train")
    paths = [tmp_path / f"{number}" for number in range(16, 24)]
    for path in paths:
        path.write_bytes(f"train{path.name}".encode())
    val = in_memory("val", [Sample(path.name, path, label="ab"[i % 2]) for i, path in enumerate(paths)])
    splits = splits_of(SPEC, TaskSets(test, train, val), held_out=0.2)
    assert keys(splits.train) == [f"train{i}" for i in range(16)]
    assert keys(splits.val) == [path.name for path in paths]
    assert "set: 4 of 20 images to learn from are val images too: they count as val" in capsys.readouterr().err
    apart_from_it = splits_of(SPEC, TaskSets(test, train, images("ab" * 2, "train9")), held_out=0.2)  # same sizes
    assert len(apart_from_it.train.labels) == 20
    assert "val" not in capsys.readouterr().err


def test_an_image_that_cannot_be_read_or_is_absent_is_like_no_other(tmp_path):
    (tmp_path / "same").write_bytes(b"b")

    def of(*items):
        return in_memory("set", [Sample(str(row), item) for row, item in enumerate(items)])

    gone = tmp_path / "gone"
    others = of(tmp_path / "same", None, gone, b"dd")
    assert rows_of_others(of(b"a", b"b", None, gone, b"cc"), others) == [0, 2, 3, 4]


@pytest.mark.parametrize(
    ("each", "held_out", "names_train", "cure"),
    [
        (1, 0.2, False, "give 4 or more images of each class"),
        (1, 0.2, True, "give 3 or more images of each class"),
        (2, 0.2, True, "give 3 or more images of each class, or held_out=0.3"),
        (2, 0.2, False, "give 4 or more images of each class"),
        (3, 0.2, False, "give 4 or more images of each class, or held_out=0.3"),
        (3, 0.8, False, "give 8 or more images of each class, or held_out=0.3"),
    ],
)
def test_how_many_images_a_class_needs_is_said_and_is_true(each, held_out, names_train, cure):
    def split(count, share):
        whole = images(["a", "b"] * count)
        sets = TaskSets(images(["a", "b"], "m"), whole) if names_train else TaskSets(whole)
        return splits_of(SPEC, sets, held_out=share)

    with pytest.raises(FormatError, match="too few to hold some out") as caught:
        split(each, held_out)
    assert caught.value.cure == cure
    assert f"{2 * each} images of 2 classes" in str(caught.value)
    enough = int(cure.split()[1])
    assert len(split(enough, held_out).val.labels)
    if "=" in cure:
        assert len(split(each, float(cure.partition("=")[2])).val.labels)
    if enough > 2:
        with pytest.raises(FormatError):
            split(enough - 1, held_out)


def test_one_folder_is_one_class_and_not_none():
    whole = in_memory("set", [Sample(f"red/{i}.png", b"x") for i in range(3)])
    with pytest.raises(FormatError, match="set has one class only: all images lie in the folder red; give images of a"):
        splits_of(SPEC, TaskSets(whole), held_out=0.2)
