"""The record of a shared space: what is written, what goes on, what is dropped."""

import json

import numpy as np
from PIL import Image

from wordsight.base.arrays import unit
from wordsight.evaluate.space import SpacePair, SpaceRecord, forget

PAIRS = [SpacePair("scenes/a.png", "a red disc"), SpacePair("scenes/b.png", "ein grüner Kreis")]


def embeddings(seed, count=2):
    return unit(np.random.default_rng(seed).standard_normal((count, 8)).astype(np.float32))


def steps(run):
    return [json.loads(line) for line in (run / "space" / "steps.jsonl").read_text().splitlines()]


def test_what_is_written(tmp_path):
    record = SpaceRecord(tmp_path, PAIRS)
    images, texts = embeddings(0), embeddings(1)
    record.add(64, images, texts)
    assert json.loads((tmp_path / "space" / "pairs.json").read_text()) == [
        {"image": "scenes/a.png", "caption": "a red disc"},
        {"image": "scenes/b.png", "caption": "ein grüner Kreis"},
    ]
    assert steps(tmp_path) == [{"step": 64, "embeddings": "step-000064.npy"}]
    stored = np.load(tmp_path / "space" / "step-000064.npy")
    assert stored.shape == (2, 2, 8)
    assert stored.dtype == np.float16
    np.testing.assert_allclose(stored, [images, texts], atol=2.5e-4)
    assert not (tmp_path / "space" / "pictures").exists()


def test_a_record_of_the_same_pairs_goes_on(tmp_path):
    SpaceRecord(tmp_path, PAIRS).add(0, embeddings(0), embeddings(1))
    again = SpaceRecord(tmp_path, PAIRS)
    assert again.steps == [0]
    again.add(8, embeddings(2), embeddings(3))
    again.add(4, embeddings(4), embeddings(5))
    again.add(8, embeddings(6), embeddings(7))
    assert [line["step"] for line in steps(tmp_path)] == [0, 4, 8]
    np.testing.assert_allclose(np.load(tmp_path / "space" / "step-000008.npy")[1], embeddings(7), atol=2.5e-4)


def test_a_record_of_other_pairs_begins_anew(tmp_path):
    SpaceRecord(tmp_path, PAIRS).add(0, embeddings(0), embeddings(1))
    other = SpaceRecord(tmp_path, PAIRS[:1])
    assert other.steps == []
    assert sorted(path.name for path in (tmp_path / "space").iterdir()) == ["pairs.json"]


def test_steps_that_are_not_kept_lose_their_files(tmp_path):
    record = SpaceRecord(tmp_path, PAIRS)
    for step in range(4):
        record.add(step, embeddings(step), embeddings(step))
    record.keep(lambda step: step % 2 == 0)
    assert [line["step"] for line in steps(tmp_path)] == [0, 2]
    assert len(list((tmp_path / "space").glob("*.npy"))) == 2


def test_pixels_become_small_jpegs(tmp_path):
    wide = np.zeros((100, 200, 3), np.uint8)
    wide[..., 0] = 200
    SpaceRecord(tmp_path, [SpacePair(wide, "red"), SpacePair(wide[:5, :7], "red, too")])
    listed = json.loads((tmp_path / "space" / "pairs.json").read_text())
    sizes = []
    for line in listed:
        with Image.open(tmp_path / line["image"]) as image:
            assert image.format == "JPEG"
            assert abs(image.getpixel((1, 1))[0] - 200) < 8
            sizes.append(image.size)
    assert sizes == [(96, 48), (7, 5)]
    assert len({line["image"] for line in listed}) == 2


def test_what_is_no_number_is_left_out(tmp_path):
    record = SpaceRecord(tmp_path, PAIRS)
    record.add(3, embeddings(0), np.full((2, 8), np.nan, np.float32))
    assert record.steps == []


def test_a_line_cut_short_is_passed_over(tmp_path):
    SpaceRecord(tmp_path, PAIRS).add(0, embeddings(0), embeddings(1))
    with open(tmp_path / "space" / "steps.jsonl", "a") as handle:
        handle.write('{"step": 8, "embed')
    assert SpaceRecord(tmp_path, PAIRS).steps == [0]


def test_forgotten_where_there_is_one(tmp_path):
    forget(tmp_path)
    SpaceRecord(tmp_path, PAIRS)
    forget(tmp_path)
    assert not (tmp_path / "space").exists()
