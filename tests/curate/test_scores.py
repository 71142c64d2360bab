"""Scores of pairs: what the paper says, part by part, with what is broken named."""

import csv
import json

import numpy as np
import pytest
from coloured_squares import square, write

from wordsight.base.cache import cache_folder
from wordsight.base.errors import FormatError, UsageError
from wordsight.curate import records
from wordsight.curate.pool import PairPool
from wordsight.curate.score_table import score_rows, summary, write_scores
from wordsight.curate.scores import pair_scores
from wordsight.data.fake import FakeSource
from wordsight.data.source import open_source
from wordsight.embeddings.model import Model, load
from wordsight.engines.fake import FakeEngine


def stated(image, captions):
    """Hessel et al. 2021: CLIP-S(c, v) = 2.5 max(cos(c, v), 0); RefCLIP-S = H-Mean(CLIP-S, max(max_r cos(c, r), 0))."""
    answers = []
    for number, caption in enumerate(captions):
        score = 2.5 * max(float(image @ caption), 0.0)
        others = [float(caption @ other) for at, other in enumerate(captions) if at != number]
        if not others:
            answers.append((score, None))
            continue
        reference = max(*others, 0.0)
        answers.append((score, 0.0 if 0 in (score, reference) else 2 / (1 / score + 1 / reference)))
    return answers


def test_scores_are_those_of_the_paper(folder, pool_of):
    write(folder, "single.png", square("green", 9), "a green thing of its own")
    pool = pool_of(folder)
    pool.prepare(["scores"])
    model, rows = pool.model, list(score_rows(pool))
    at = 0
    for sample in open_source(folder).samples():
        image, captions = model.embed_images([sample.image])[0], model.embed_texts(sample.texts)
        for number, (score, reference) in enumerate(stated(image, captions)):
            row = rows[at]
            assert (row["key"], row["caption"], row["text"]) == (sample.key, number, sample.texts[number])
            assert row["cosine"] == pytest.approx(float(image @ captions[number]), abs=2e-6)
            assert row["clip_score"] == pytest.approx(score, abs=5e-6)
            assert row["ref_clip_score"] == (None if reference is None else pytest.approx(reference, abs=5e-6))
            at += 1
    assert at == len(rows) == 17
    assert "17 pairs of 9 images" in summary(pool)[0]


def test_a_prefix_stands_before_every_caption(folder, pool_of):
    pool = pool_of(folder, prefix="A photo depicts ")
    pool.prepare(["scores"])
    sample = next(open_source(folder).samples())
    expected = (
        pool.model.embed_images([sample.image]) @ pool.model.embed_texts(["A photo depicts " + sample.texts[0]]).T
    )
    assert pool.scores().cosines[0] == pytest.approx(float(expected[0, 0]), abs=1e-6)
    assert next(pool.records.texts()) == sample.texts[0]


def test_mismatched_cosines_are_of_other_images(folder, pool_of):
    scores = pool_of(folder).scores()
    assert np.isfinite(scores.mismatched).all()
    assert not np.array_equal(scores.mismatched, scores.cosines)


def test_a_broken_image_has_no_score_and_is_named(folder, pool_of, tmp_path):
    write(folder, "3.png", b"no image", "a yellow square", "something yellow")
    pool = pool_of(folder)
    pool.prepare(["scores"])
    assert np.isnan(pool.scores().cosines).tolist() == [False] * 6 + [True] * 2 + [False] * 8
    assert len(pool.failures()) == 1 and "3.png" in pool.failures()[0]
    write_scores(pool, tmp_path / "scores.csv")
    with open(tmp_path / "scores.csv", newline="") as handle:
        rows = list(csv.DictReader(handle))
    assert [row["cosine"] == "" for row in rows] == np.isnan(pool.scores().cosines).tolist()


def test_csv_and_parquet_say_the_same(folder, pool_of, tmp_path):
    import pyarrow.parquet

    pool = pool_of(folder)
    for name in ("scores.csv", "scores.parquet"):
        write_scores(pool, tmp_path / name)
    with open(tmp_path / "scores.csv", newline="") as handle:
        plain = [row["cosine"] for row in csv.DictReader(handle)]
    packed = pyarrow.parquet.read_table(tmp_path / "scores.parquet").to_pydict()
    assert np.allclose(np.array(plain, np.float32), packed["cosine"], atol=1e-6)
    assert list(packed) == ["key", "caption", "text", "cosine", "clip_score", "ref_clip_score"]


@pytest.fixture
def small_parts(monkeypatch):
    monkeypatch.setattr(records, "PART", 3)
    monkeypatch.setattr("wordsight.curate.looks.PART", 3)


def test_parts_change_nothing(small_parts, folder, pool_of, tmp_path, monkeypatch):
    pool = pool_of(folder)
    rows = list(score_rows(pool))
    assert pool.records.parts == 3
    monkeypatch.setenv("WORDSIGHT_CACHE", str(tmp_path / "other"))
    monkeypatch.setattr(records, "PART", 100)
    assert list(score_rows(pool_of(folder))) == rows


class Stopping:
    """A source that is read up to an entry, then the machine goes down."""

    def __init__(self, source, entry):
        self.source, self.entry, self.starts = source, entry, []

    def __getattr__(self, name):
        return getattr(self.source, name)

    def samples(self, start=None):
        from wordsight.data.source import START, Walk

        start = start or START
        self.starts.append(start.entry)
        return Walk(self._steps(start), start)

    def _steps(self, start):
        walk = self.source.samples(start)
        for number, sample in enumerate(walk, start.entry):
            if number == self.entry:
                raise KeyboardInterrupt
            yield sample, walk.position


def test_a_stopped_reading_goes_on_where_it_was(small_parts):
    stopping = Stopping(FakeSource(10), 7)
    with pytest.raises(KeyboardInterrupt):
        records.read_records(stopping)
    going_on = Stopping(FakeSource(10), 99)
    read = records.read_records(going_on)
    assert going_on.starts == [6]
    assert [record.key for record in read.rows()] == [f"{number:04d}" for number in range(10)]
    assert read.counts.tolist() == [2] * 10
    walk = FakeSource(10).samples()
    for number in range(10):
        assert read.row_at(walk.position) == number
        next(walk)


def test_a_part_that_was_deleted_or_damaged_is_noticed(small_parts):
    read = records.read_records(FakeSource(10))
    (read.folder / "records-00001.jsonl").unlink()
    again = records.read_records(FakeSource(10))
    assert [record.key for record in again.rows()] == [f"{number:04d}" for number in range(10)]
    (read.folder / "records-00001.jsonl").write_bytes(b"[[]]\nno json")
    with pytest.raises(Exception, match="is damaged"):
        records.read_records(FakeSource(10))


def test_looks_go_on_and_name_what_is_broken(small_parts, folder, pool_of):
    write(folder, "5.png", b"no image", "a green square here")
    looks = pool_of(folder).looks
    (looks.folder / "looks-00002.npy").unlink()
    again = pool_of(folder).looks
    assert again.sound.tolist() == [True] * 5 + [False] + [True] * 2
    assert list(again.failures) == [5]
    assert again.sides[0].tolist() == [64, 48]
    assert np.array_equal(
        again.thumbs(np.array([7, 0, 4])), np.stack([looks.thumbs(np.array([n]))[0] for n in (7, 0, 4)])
    )


def test_a_source_without_captions_or_without_anything(tmp_path, pool_of):
    place = tmp_path / "bare"
    place.mkdir()
    (place / "a.png").write_bytes(square("red"))
    with pytest.raises(UsageError, match="has no captions"):
        pool_of(place).prepare(["scores"])
    with pytest.raises(UsageError, match="is empty"):
        PairPool(FakeSource(0), lambda: load(engine="fake")).prepare([])


def test_one_pair_is_enough(tmp_path, pool_of):
    place = tmp_path / "one"
    write(place, "a.png", square("red"), "a red square")
    pool = pool_of(place)
    assert any("1 pair of 1 image," in line for line in summary(pool))
    assert np.isnan(pool.scores().mismatched).all()
    assert json.dumps(next(iter(score_rows(pool)))["ref_clip_score"]) == "null"


@pytest.mark.parametrize("kind", ["image", "text"])
def test_damaged_embeddings_are_not_scores(folder, pool_of, kind):
    pool_of(folder).prepare(["scores"])
    (part,) = cache_folder().rglob(f"{kind}-00000.npy")
    content = bytearray(part.read_bytes())
    content[-3] ^= 64
    part.write_bytes(content)
    with pytest.raises(FormatError, match="is not what was written; delete the folder .*curate"):
        pool_of(folder).prepare(["scores"])
    part.unlink()
    with pytest.raises(FormatError, match="is gone; delete"):
        pool_of(folder).prepare(["scores"])


def test_embeddings_that_are_not_finite_are_not_scores(folder, pool_of):
    pool = pool_of(folder)
    images = np.array(pool.images.rows)
    images[2] = np.nan
    with pytest.raises(FormatError, match="NaN or infinite"):
        pair_scores(iter([np.ones((16, images.shape[1]), np.float32)]), pool.records, images, pool.images.sound)
    with pytest.raises(FormatError, match="another reading"):
        pair_scores(iter([np.ones((15, images.shape[1]), np.float32)]), pool.records, images, pool.images.sound)


def test_another_model_has_scores_of_its_own(folder, pool_of):
    first = pool_of(folder)
    first.prepare(["scores"])
    other = FakeEngine()
    other.fingerprint = "f" * 16
    PairPool(open_source(folder), lambda: Model(other)).prepare(["scores"])
    assert len(list(cache_folder().rglob("image-00000.npy"))) == 2
