"""The samples of a task: images in memory, in a file and on disk, parts of them, and what their digest tells apart."""

import hashlib
import io
import os
from concurrent.futures import ThreadPoolExecutor
from dataclasses import replace
from pathlib import Path
from types import SimpleNamespace

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from PIL import Image

from wordsight.base.errors import BrokenImage, InputError, StorageError
from wordsight.base.nouns import Sample
from wordsight.evaluate.sample_set import (
    EncodedImages,
    SampleSet,
    blocks,
    concatenated,
    decoded,
    in_memory,
    read_samples,
    some_of,
    spread,
    without_broken,
)
from wordsight.images.spec import PreprocessSpec

ITEMS = st.lists(st.none() | st.binary(max_size=30) | st.just(Path("photo.jpg")), max_size=12)


def square(colour, size=8):
    packed = io.BytesIO()
    Image.new("RGB", (size, size), colour).save(packed, "PNG")
    return packed.getvalue()


def samples(count):
    return [Sample(f"k{i}", bytes([i]), (f"text {i}", "another"), ("even", "odd")[i % 2]) for i in range(count)]


class Walk(list):
    """What a source's `samples()` is: samples, with what could not be read in `failures`."""

    failures = (InputError("an entry is broken", cure="mend it"),)


@given(ITEMS, st.integers(0, 60))
def test_encoded_images_come_back_the_same_wherever_they_lie(items, most):
    images = EncodedImages(most)
    for item in items:
        images.append(item)
    assert len(images) == len(items)
    assert list(images) == items
    assert images[1:7:2] == items[1:7:2]
    assert [images[-i] for i in range(1, len(items) + 1)] == [items[-i] for i in range(1, len(items) + 1)]
    for outside in (len(items), -len(items) - 1):
        with pytest.raises(IndexError):
            images[outside]


def test_images_beyond_the_limit_lie_in_a_nameless_file_of_the_cache(tmp_path, monkeypatch):
    monkeypatch.setenv("WORDSIGHT_CACHE", str(tmp_path / "cache"))
    items = [os.urandom(5000) for _ in range(40)]
    images = EncodedImages(most=12_000)
    for item in items:
        images.append(item)
    held = sum(len(item) for item in images._items if isinstance(item, bytes))
    assert held == 10_000
    assert (tmp_path / "cache").is_dir()
    assert not list((tmp_path / "cache").iterdir())  # nothing stays behind, whatever ends the program
    with ThreadPoolExecutor(4) as pool:
        assert list(pool.map(images.__getitem__, range(40))) == items
    images.append(b"one more, after reading")
    assert images[-1] == b"one more, after reading"
    assert list(images[:40]) == items


def test_up_to_the_limit_no_file_is_made_whatever_paths_there_are(tmp_path, monkeypatch):
    monkeypatch.setenv("WORDSIGHT_CACHE", str(tmp_path / "cache"))
    images = EncodedImages(most=5)
    for item in (Path("photo.jpg"), None, b"small"):
        images.append(item)
    assert list(images) == [Path("photo.jpg"), None, b"small"]
    assert not (tmp_path / "cache").exists()


@given(st.lists(st.integers(), min_size=1, max_size=9), st.data())
def test_some_of_a_sequence_is_as_a_list_of_them(items, data):
    rows = data.draw(st.lists(st.integers(0, len(items) - 1), max_size=9))
    expected = [items[row] for row in rows]
    some = some_of(items, rows)
    assert list(some) == expected
    assert_like(some, expected, data)


@given(st.lists(st.integers(), max_size=6), st.lists(st.integers(), max_size=6), st.data())
def test_joined_sequences_are_as_the_sum_of_lists(first, second, data):
    joined = concatenated(first, second)
    assert list(joined) == first + second
    assert_like(joined, first + second, data)


def assert_like(sequence, expected, data):
    assert len(sequence) == len(expected)
    part = data.draw(st.slices(len(expected)))
    assert sequence[part] == expected[part]
    for position in range(-len(expected), len(expected)):
        assert sequence[position] == expected[position]
    for outside in (len(expected), -len(expected) - 1):
        with pytest.raises(IndexError):
            sequence[outside]


def test_some_of_reads_only_what_is_asked_for():
    asked = []

    class Read(list):
        def __getitem__(self, position):
            asked.append(position)
            return super().__getitem__(position)

    some = some_of(Read("abcdef"), [4, 2, 0])
    assert len(some) == 3
    assert not asked
    assert some[1] == "c"
    assert asked == [2]


def test_parts_and_sums_keep_samples_beside_their_images():
    whole = in_memory("set", samples(6))
    part = whole.of(np.array([5, 1]))
    assert [sample.key for sample in part.samples] == ["k5", "k1"]
    assert list(part.images) == [b"\5", b"\1"]
    both = part.also(whole.of([0]))
    assert (both.name, len(both)) == ("set", 3)
    assert [sample.key for sample in both.samples] == ["k5", "k1", "k0"]
    assert list(both.images) == [b"\5", b"\1", b"\0"]
    assert list(both.of([2, 0]).images) == [b"\0", b"\5"]
    assert len(whole.of([])) == 0


def test_labelled_leaves_out_what_has_no_class_or_no_image():
    given = [Sample("a", b"1", label="x"), Sample("b", b"2"), Sample("c", label="x"), Sample("d", b"4", label="")]
    assert [sample.key for sample in in_memory("set", given).labelled().samples] == ["a", "d"]


def digest_of(item):
    return b"" if item is None else hashlib.sha256(item).digest()[:16]


CHANGES = {
    "key": {"key": "other"},
    "image": {"image": b"other"},
    "no image": {"image": None},
    "texts": {"texts": ("text 1",)},
    "order of texts": {"texts": ("another", "text 1")},
    "class": {"label": "even"},
    "no class": {"label": None},
    "column": {"meta": {"size": 3}},
    "kind of a value": {"meta": {"size": "3"}},
}


def test_a_digest_is_that_of_the_content():
    one = in_memory("set", samples(3))
    again = SampleSet("other name", samples(3), [bytes([i]) for i in range(3)])
    assert one.digest(digest_of) == again.digest(digest_of)
    assert len(one.digest(digest_of)) == 16
    assert int(one.digest(digest_of), 16)


def test_a_digest_changes_with_every_field_and_with_the_order():
    whole = samples(3)
    digests = {"as it is": in_memory("set", whole).digest(digest_of)}
    for name, change in CHANGES.items():
        changed = [whole[0], replace(whole[1], **change), whole[2]]
        digests[name] = in_memory("set", changed).digest(digest_of)
    digests["order"] = in_memory("set", whole[::-1]).digest(digest_of)
    digests["fewer"] = in_memory("set", whole[:2]).digest(digest_of)
    assert len(set(digests.values())) == len(digests), digests


def test_the_order_of_columns_is_no_content():
    first, second = ({"a": 1, "b": "x"}, {"b": "x", "a": 1})
    assert in_memory("s", [Sample("k", b"", meta=first)]).digest(digest_of) == in_memory(
        "s", [Sample("k", b"", meta=second)]
    ).digest(digest_of)


def test_a_walk_is_read_to_its_limit_with_its_failures():
    images, failures = read_samples(Walk(samples(5)), "set", limit=3)
    assert [sample.key for sample in images.samples] == ["k0", "k1", "k2"]
    assert list(images.images) == [b"\0", b"\1", b"\2"]
    assert all(sample.image is None for sample in images.samples)  # they are held once
    assert failures == list(Walk.failures)
    assert len(read_samples(Walk(samples(5)), "set")[0]) == 5
    path = Path("photo.jpg")
    (with_path, _) = read_samples(Walk([Sample("k", path)]), "set")
    assert with_path.samples[0].image == with_path.images[0] == path


def test_decoded_images_are_what_a_tower_sees():
    whole = in_memory("set", [Sample("a", square((250, 0, 0), 40)), Sample("b"), Sample("c", square((0, 0, 250), 9))])
    pixels = decoded(whole, PreprocessSpec(size=16)).images
    assert pixels[1] is None
    assert [pixels[i].shape for i in (0, 2)] == [(16, 16, 3)] * 2
    assert (pixels[0] == (250, 0, 0)).all()
    assert (pixels[2] == (0, 0, 250)).all()


def test_a_broken_image_raises_where_it_is_decoded_and_is_named():
    with pytest.raises(BrokenImage, match="the-key"):
        decoded(in_memory("set", [Sample("the-key", b"no image")]), PreprocessSpec())


def test_broken_images_are_left_out_with_their_reasons():
    whole = in_memory("set", [Sample("a", square("red")), Sample("bad", square("red")[:40]), Sample("none")])
    failures: list[InputError] = [InputError("of before", cure="")]
    left = without_broken(whole, failures)
    assert [sample.key for sample in left.samples] == ["a", "none"]
    assert list(left.images) == [square("red"), None]
    assert len(failures) == 2
    assert "bad" in str(failures[1])


def test_a_spread_takes_from_everywhere_and_the_first_text():
    whole = in_memory("set", samples(10))
    few = spread(whole, 4)
    assert [sample.key for sample in few.samples] == ["k0", "k2", "k5", "k7"]
    assert list(few.images) == [b"\0", b"\2", b"\5", b"\7"]
    assert all(sample.texts == (f"text {sample.key[1:]}",) for sample in few.samples)
    assert len(spread(whole, 10)) == len(spread(whole, 99)) == 10


@given(st.integers(0, 50), st.integers(1, 20))
def test_blocks_are_all_rows_once_in_order(count, size):
    rows = list(range(count))
    parts = [rows[block] for block in blocks(count, size)]
    assert [row for part in parts for row in part] == rows
    assert all(len(part) == size for part in parts[:-1])


def test_failures_of_a_full_disk_are_ours(tmp_path, monkeypatch):
    monkeypatch.setenv("WORDSIGHT_CACHE", str(tmp_path))
    images = EncodedImages(most=0)

    def full(data):
        raise OSError(28, "No space left on device")

    images._spool = SimpleNamespace(seek=lambda *_: 0, write=full, flush=lambda: None)
    with pytest.raises(StorageError, match="disk is full"):
        images.append(b"data")
