"""Batches: a pure function of the step, whatever the sets are made of."""

import itertools

import numpy as np
import pytest
import torch

from wordsight.base.errors import FormatError, UsageError
from wordsight.base.nouns import Sample
from wordsight.data.cache import build_cache
from wordsight.data.fake import FakeSource
from wordsight.data.labels import LabelTexts
from wordsight.data.loader import Loader
from wordsight.data.pack import PackOptions, pack
from wordsight.data.source import open_source
from wordsight.data.spec import AugmentSpec, LoaderSpec
from wordsight.data.stream import ShardStream

PLAIN = AugmentSpec()


class Letters:
    """A tokenizer whose tokens are the first letters."""

    def batch(self, texts):
        rows = [[ord(letter) for letter in text[:8].ljust(8)] for text in texts]
        return np.array(rows, dtype=np.int32)


@pytest.fixture
def cache(tmp_path):
    return build_cache(FakeSource(12, side=20), size=20, folder=tmp_path / "cache")


@pytest.fixture
def stream(tmp_path):
    pack(FakeSource(30, side=24), tmp_path / "shards", PackOptions(shard_size=4))
    return ShardStream(open_source(tmp_path / "shards"), size=24, workers=2)


def _loader(*sets, batch=8, seed=0, augment: AugmentSpec | None = PLAIN, weights=None):
    return Loader(sets, spec=LoaderSpec(batch, 16, seed, augment), tokenizer=Letters(), weights=weights)


def _equal(one, other):
    same = (one.step, one.texts) == (other.step, other.texts)
    names = ("pixels", "tokens", "image_ids", "text_ids")
    return same and all(torch.equal(getattr(one, name), getattr(other, name)) for name in names)


def test_shapes_and_kinds(cache, stream):
    batch = _loader(cache, LabelTexts(stream, ["a {}"]), weights=[1, 3]).batch(0)
    assert batch.pixels.shape == (8, 16, 16, 3) and batch.pixels.dtype == torch.uint8
    assert batch.tokens.shape == (8, 8) and batch.tokens.dtype == torch.int32
    assert batch.image_ids.dtype == batch.text_ids.dtype == torch.int64
    assert int((batch.image_ids < len(cache)).sum()) == 2


def test_a_batch_follows_from_spec_and_step_alone(cache, stream):
    one, other = (_loader(cache, stream) for _ in range(2))
    for step in range(12):
        one.batch(step)
    for step in (11, 2, 700):
        assert _equal(one.batch(step), other.batch(step))
    assert not _equal(one.batch(3), _loader(cache, stream, seed=1).batch(3))
    assert one.batch(3).texts != one.batch(4).texts


def test_the_stream_gives_the_same_batches_from_any_step(cache, stream):
    loader = _loader(cache, stream)
    batches = loader.stream(5)
    for step in range(5, 10):
        assert _equal(next(batches), loader.batch(step))
    batches.close()


def test_an_error_in_the_background_is_raised_in_front(cache):
    loader = _loader(cache)
    loader._tokenizer = object()
    with pytest.raises(AttributeError):
        next(loader.stream(0))


def test_a_stream_of_shards_draws_what_a_cache_draws(tmp_path, stream):
    cached = build_cache(open_source(tmp_path / "shards"), size=24, folder=tmp_path / "c")
    rows = np.array([29, 0, 13, 13])
    assert np.array_equal(stream.pixels(rows)[0], cached.pixels(rows)[0])
    assert [stream.draw(int(row), 0.7) for row in rows] == [cached.draw(int(row), 0.7) for row in rows]
    assert len(stream) == len(cached) == 30 and sorted(np.concatenate(stream.blocks())) == list(range(30))


def test_an_epoch_has_every_picture_once(cache):
    loader = _loader(cache, batch=4)
    seen = [int(number) for step in range(3) for number in loader.batch(step).image_ids]
    assert sorted(seen) == list(range(12)) and loader.count == 12


def test_pictures_and_texts_belong_together(cache, stream):
    colours = {"black": (0, 0, 0), "white": (255, 255, 255), "red": (220, 30, 30), "blue": (40, 70, 210)}
    batch = _loader(cache, stream, batch=64, augment=None).batch(1)
    found = 0
    for pixels, text, tokens in zip(batch.pixels, batch.texts, batch.tokens, strict=True):
        assert tokens.tolist() == [ord(letter) for letter in text[:8].ljust(8)]
        for name, colour in colours.items():
            if name in text:
                found += 1
                assert (pixels.reshape(-1, 3).float().mean(0) - torch.tensor(colour)).abs().max() <= 1
    assert found > 20


def test_ids_tell_what_is_the_same(cache):
    batch = _loader(LabelTexts(cache, ["a {}", "the {}"]), batch=24).batch(0)
    for (a, text), (b, other) in itertools.combinations(zip(batch.text_ids.tolist(), batch.texts, strict=True), 2):
        assert (a == b) == (text.split()[1] == other.split()[1])
    assert sorted(batch.image_ids.tolist()) == sorted([*range(12), *range(12)])


def _damaged_shards(folder, write_tar, share):
    samples = FakeSource(12).samples()
    members = {}
    for number, sample in enumerate(samples):
        members[f"{number:02d}.png"] = b"no picture" if number % 3 < share else sample.image
        members[f"{number:02d}.txt"] = sample.texts[0].encode()
    return ShardStream(open_source(write_tar(folder / "x.tar", members)), size=16, workers=1)


def test_a_picture_that_fails_is_replaced_and_listed(tmp_path, write_tar):
    loader = _loader(_damaged_shards(tmp_path, write_tar, 1), batch=12)
    batch = loader.batch(0)
    assert all(number % 3 for number in batch.image_ids.tolist())
    assert len(loader.failures) == 4 and all("cannot" in text or "not a" in text for text in loader.failures)
    assert _equal(batch, loader.batch(0))


def test_when_everything_fails_the_loader_says_so(tmp_path, write_tar):
    with pytest.raises(FormatError, match="inputs were tried in place of one that failed, and failed: .*x.tar: 0"):
        _loader(_damaged_shards(tmp_path, write_tar, 3)).batch(0)


def test_what_fails_side_by_side_is_left_behind(tmp_path, write_tar):
    """The first 60 samples are broken, and drawn as they lie: replacements come from behind them."""
    image, members = next(FakeSource(1).samples()).image, {}
    for number in range(100):
        members[f"{number:02d}.png"] = b"no picture" if number < 60 else image
        members[f"{number:02d}.txt"] = b"a text"
    loader = _loader(ShardStream(open_source(write_tar(tmp_path / "x.tar", members)), size=16, workers=1), batch=8)
    loader._orders[0].rows = lambda numbers: numbers % 100
    first = loader.batch(0)
    assert first.image_ids.tolist() == [64, 65, 66, 67, 68, 69, 70, 71]
    assert _equal(first, loader.batch(0)) and len(loader.failures) == 8 + 32


class Silent(FakeSource):
    """Pictures without words."""

    def _make(self, entry):
        sample = super()._make(entry)
        return Sample(sample.key, sample.image) if entry > 2 else sample

    def fingerprint(self):
        return "5" * 16


def test_rows_without_words_are_not_drawn(tmp_path):
    cache = build_cache(Silent(6), size=16, folder=tmp_path)
    assert sorted(_loader(cache, batch=3).batch(0).image_ids.tolist()) == [0, 1, 2]


def test_sets_and_weights_must_agree(cache, tmp_path):
    with pytest.raises(UsageError, match="weights"):
        _loader(cache, weights=[1, 2])
    with pytest.raises(UsageError):
        _loader()
    with pytest.raises(UsageError, match="data pack"):
        ShardStream(FakeSource(3), size=16)


def test_a_run_of_pairs_comes_from_one_set_and_no_pair_is_lost(cache, tmp_path):
    other = build_cache(FakeSource(12, side=24), size=24, folder=tmp_path / "other")
    loader = Loader([cache, other], spec=LoaderSpec(8, 16, 0, PLAIN, run=4), tokenizer=Letters(), weights=[1, 1])
    rows = torch.cat([loader.batch(step).image_ids for step in range(3)])
    for start in range(0, 24, 4):
        assert len({int(row) // len(cache) for row in rows[start : start + 4]}) == 1
    assert sorted(rows.tolist()) == list(range(24))


def test_a_batch_knows_its_step_and_changes_its_images(cache):
    plain, changed = _loader(cache, augment=None), _loader(cache)
    for step in (0, 1, 9):
        assert plain.batch(step).step == changed.batch(step).step == step
        assert plain.batch(step).texts == changed.batch(step).texts
        assert not torch.equal(plain.batch(step).pixels, changed.batch(step).pixels)


def test_without_augmentation_images_are_resized_only(cache):
    batch = Loader([cache], spec=LoaderSpec(12, 20, 0, None), tokenizer=Letters()).batch(0)
    assert torch.equal(batch.pixels, torch.from_numpy(cache.array[batch.image_ids.numpy()].copy()))
    assert [bytes(row.to(torch.uint8).tolist()).decode() for row in batch.tokens] == [
        text[:8].ljust(8) for text in batch.texts
    ]


def test_wrong_sets_and_weights_are_named(cache):
    for sets, weights, message in (
        ([], None, "0 image sets, no weights; give a weight for each set"),
        ([cache], [1, 2], "1 image sets, 2 weights; give a weight for each set"),
    ):
        with pytest.raises(UsageError) as caught:
            _loader(*sets, weights=weights)
        assert str(caught.value) == message
